/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/syncer.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "meta/base/lock.h"
#include "meta/base/msg.h"

/* Members are protected by:  l  lk   a  atomic   I  immutable */
struct syncer {
	struct syncer_ops ops;		/* [I] */
	void *arg;			/* [I] */
	struct lk lk;			/* rank LK_SYNC */
	pthread_cond_t work;		/* for the thread */
	pthread_cond_t woken;		/* for those who block */
	pthread_t thread;
	struct list waiters;		/* [l] struct log_wait */
	struct seg **dirty;		/* [l] references, in log order */
	unsigned n_dirty, room;		/* [l] */
	uint64_t end_pos;		/* [l] appended */
	_Atomic uint64_t synced_pos;	/* [a] written under lk */
	_Atomic uint64_t synced_seq;	/* [a] written under lk */
	uint64_t rounds;		/* [l] */
	bool want_ready, stop;		/* [l] */
	int failed;			/* [l] */
};

/* Moves every waiter that is served at ${pos} (or by failure) to ${out}. */
static void
take_served_locked(struct syncer *sy, struct list *out)
{

	LIST_FOREACH_SAFE(it, nx, &sy->waiters) {
		struct log_wait *w = LIST_ENTRY(it, struct log_wait, link);

		if (sy->failed == 0 && w->pos > sy->synced_pos)
			continue;
		w->rc = sy->failed;
		list_del(&w->link);
		list_add_tail(out, &w->link);
	}
}

static void
wait_call(struct exec_call *c)
{
	struct log_wait *w = TT_CONTAINER(c, struct log_wait, call);

	w->done(w);
}

/* Blocking waiters first: their memory is gone when they have seen it. */
static void
wake_locked(struct syncer *sy)
{
	struct list served;

	list_init(&served);
	take_served_locked(sy, &served);
	LIST_FOREACH_SAFE(it, nx, &served) {
		struct log_wait *w = LIST_ENTRY(it, struct log_wait, link);

		list_del(&w->link);
		if (w->ex == NULL) {
			*w->woken = true;
			continue;
		}
		w->call.fn = wait_call;
		exec_post(w->ex, &w->call);
	}
	(void)pthread_cond_broadcast(&sy->woken);
}

static bool
has_work_locked(const struct syncer *sy)
{

	if (sy->failed != 0 || sy->end_pos == sy->synced_pos)
		return (false);
	return (!list_empty(&sy->waiters) || sy->stop ||
	    sy->end_pos - sy->synced_pos >= SYNCER_KICK_BYTES);
}

/* The oldest dirty segment; the reference goes to the caller. */
static struct seg *
take_dirty(struct syncer *sy)
{
	struct seg *s;

	lk_lock(&sy->lk);
	s = sy->dirty[0];
	sy->n_dirty--;
	for (unsigned i = 0; i < sy->n_dirty; i++)
		sy->dirty[i] = sy->dirty[i + 1];
	lk_unlock(&sy->lk);
	return (s);
}

/*
 * Crash: until the last seg_sync has returned, any subset of the unsynced
 * records may be on the disk; nobody was told that they are durable.
 */
static void
one_round(struct syncer *sy)
{
	uint64_t pos, seq;
	unsigned n;
	int rc = 0;

	/* What is dirty now holds all up to ${pos}; later ones queue behind. */
	sy->ops.end(sy->arg, &pos, &seq);
	lk_lock(&sy->lk);
	n = sy->n_dirty;
	lk_unlock(&sy->lk);
	for (unsigned i = 0; i < n && rc == 0; i++) {
		struct seg *s = take_dirty(sy);

		rc = seg_sync(s);
		seg_put(s);
	}
	if (rc != 0) {
		msg_err("the log could not be synced (%d): the store is "
		    "read-only until it is opened again", rc);
		sy->ops.failed(sy->arg, -EIO);
		syncer_fail(sy, -EIO);
		return;
	}
	lk_lock(&sy->lk);
	sy->rounds++;
	if (sy->failed == 0) {
		sy->synced_pos = pos;
		sy->synced_seq = seq;
	}
	wake_locked(sy);
	lk_unlock(&sy->lk);
}

static void *
syncer_thread(void *arg)
{
	struct syncer *sy = arg;

	for (;;) {
		bool ready, round, stop;

		lk_lock(&sy->lk);
		while (!has_work_locked(sy) && !sy->want_ready && !sy->stop)
			lk_wait(&sy->lk, &sy->work);
		ready = sy->want_ready;
		sy->want_ready = false;
		round = has_work_locked(sy);
		stop = sy->stop;
		lk_unlock(&sy->lk);
		if (round)
			one_round(sy);
		else if (stop)
			return (NULL);
		if (ready && !stop)
			sy->ops.ready(sy->arg);
	}
}

int
syncer_new(const struct syncer_ops *ops, void *arg, uint64_t synced_seq,
    struct syncer **out)
{
	struct syncer *sy;
	int rc;

	if ((sy = calloc(1, sizeof(*sy))) == NULL)
		return (-ENOMEM);
	sy->ops = *ops;
	sy->arg = arg;
	sy->synced_seq = synced_seq;
	lk_init(&sy->lk, LK_SYNC);
	cond_init(&sy->work);
	cond_init(&sy->woken);
	list_init(&sy->waiters);
	if ((rc = pthread_create(&sy->thread, NULL, syncer_thread, sy)) != 0) {
		lk_destroy(&sy->lk);
		free(sy);
		return (-rc);
	}
	*out = sy;
	return (0);
}

void
syncer_free(struct syncer *sy)
{

	lk_lock(&sy->lk);
	sy->stop = true;
	(void)pthread_cond_signal(&sy->work);
	lk_unlock(&sy->lk);
	(void)pthread_join(sy->thread, NULL);
	TT_ASSERT(list_empty(&sy->waiters));
	for (unsigned i = 0; i < sy->n_dirty; i++)
		seg_put(sy->dirty[i]);
	free(sy->dirty);
	(void)pthread_cond_destroy(&sy->work);
	(void)pthread_cond_destroy(&sy->woken);
	lk_destroy(&sy->lk);
	free(sy);
}

int
syncer_reserve(struct syncer *sy)
{
	struct seg **bigger;
	int rc = 0;

	lk_lock(&sy->lk);
	if (sy->n_dirty + 2 > sy->room) {
		bigger = realloc(sy->dirty,
		    (sy->room + 16) * sizeof(struct seg *));
		if (bigger == NULL) {
			rc = -ENOMEM;
		} else {
			sy->dirty = bigger;
			sy->room += 16;
		}
	}
	lk_unlock(&sy->lk);
	return (rc);
}

void
syncer_wrote(struct syncer *sy, struct seg *seg, uint64_t pos)
{

	lk_lock(&sy->lk);
	if (sy->n_dirty == 0 || sy->dirty[sy->n_dirty - 1] != seg) {
		TT_ASSERT(sy->n_dirty < sy->room);	/* syncer_reserve */
		sy->dirty[sy->n_dirty++] = seg_ref(seg);
	}
	sy->end_pos = pos;
	if (has_work_locked(sy))
		(void)pthread_cond_signal(&sy->work);
	lk_unlock(&sy->lk);
}

void
syncer_want_ready(struct syncer *sy)
{

	lk_lock(&sy->lk);
	sy->want_ready = true;
	(void)pthread_cond_signal(&sy->work);
	lk_unlock(&sy->lk);
}

bool
syncer_wait(struct syncer *sy, struct log_wait *w)
{
	bool now;

	lk_lock(&sy->lk);
	now = sy->failed != 0 || w->pos <= sy->synced_pos;
	if (now) {
		w->rc = sy->failed;
	} else {
		list_add_tail(&sy->waiters, &w->link);
		(void)pthread_cond_signal(&sy->work);
	}
	lk_unlock(&sy->lk);
	return (now);
}

int
syncer_wait_block(struct syncer *sy, uint64_t pos)
{
	bool woken = false;
	struct log_wait w = { .pos = pos, .woken = &woken };

	if (syncer_wait(sy, &w))
		return (w.rc);
	lk_lock(&sy->lk);
	while (!woken)
		lk_wait(&sy->lk, &sy->woken);
	lk_unlock(&sy->lk);
	return (w.rc);
}

uint64_t
syncer_pace(struct syncer *sy, uint64_t pos)
{
	uint64_t synced = atomic_load(&sy->synced_pos);

	if (pos <= synced + SYNCER_BOUND_BYTES)
		return (0);
	return (pos - SYNCER_BOUND_BYTES);
}

void
syncer_fail(struct syncer *sy, int rc)
{

	lk_lock(&sy->lk);
	if (sy->failed == 0)
		sy->failed = rc;
	wake_locked(sy);
	lk_unlock(&sy->lk);
}

void
syncer_state(struct syncer *sy, struct log_state *out)
{

	lk_lock(&sy->lk);
	out->synced_pos = sy->synced_pos;
	out->synced_seq = sy->synced_seq;
	out->rounds = sy->rounds;
	out->failed = sy->failed;
	lk_unlock(&sy->lk);
}

uint64_t
syncer_synced_seq(const struct syncer *sy)
{

	return (atomic_load(&sy->synced_seq));
}
