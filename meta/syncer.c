/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/syncer.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "meta/base/clock.h"
#include "meta/base/lock.h"
#include "meta/base/msg.h"

/* Members are protected by:  l  lk   a  atomic   t  thread   I  immutable */
struct syncer {
	struct syncer_ops ops;		/* [I] */
	void *arg;			/* [I] */
	struct lk lk;			/* rank LK_SYNC */
	pthread_cond_t work;		/* for the thread */
	pthread_cond_t woken;		/* for those who block */
	pthread_cond_t wanted;		/* for the one that makes ready */
	pthread_cond_t grown;		/* for the one that begins writing */
	pthread_t thread, ready, begin;
	struct list waiters;		/* [l] struct log_wait */
	struct seg **dirty;		/* [l] references, in log order */
	unsigned n_dirty, room;		/* [l] */
	uint64_t end_pos;		/* [l] appended */
	uint64_t begun_pos;		/* [l] writing out was begun up to it */
	_Atomic uint64_t synced_pos;	/* [a] written under lk */
	_Atomic uint64_t synced_seq;	/* [a] written under lk */
	_Atomic uint64_t asked_ms;	/* [a] somebody waited; 0: never */
	uint64_t rounds;		/* [l] */
	unsigned n_asking;		/* [l] waiters but for the paced */
	unsigned expect;		/* [l] of these in the next round */
	uint64_t round_ns;		/* [t] time of a round, about */
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
		if (!w->paced)
			sy->n_asking--;
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

/* Has nobody waited for a sync lately? */
static bool
is_loose(const struct syncer *sy)
{
	uint64_t asked = atomic_load_explicit(&sy->asked_ms,
	    memory_order_relaxed);

	return (asked == 0 || clock_mono_ms() >= asked + SYNCER_LOOSE_MS);
}

static bool
has_work_locked(const struct syncer *sy)
{
	uint64_t bytes = sy->end_pos - sy->synced_pos;

	if (sy->failed != 0 || bytes == 0)
		return (false);
	if (!list_empty(&sy->waiters) || sy->stop)
		return (true);
	return (bytes >= SYNCER_KICK_BYTES &&
	    (bytes >= SYNCER_LOOSE_KICK_BYTES || !is_loose(sy)));
}

/* Much was appended since writing out was begun the last time? */
static bool
has_begin_locked(const struct syncer *sy)
{

	return (sy->failed == 0 && sy->n_dirty > 0 &&
	    sy->end_pos - sy->begun_pos >= SYNCER_BEGIN_BYTES);
}

/*
 * Begin to write out what was appended, so that the disk is not idle until a
 * round and during one, and a flush finds little left to do.  What a segment
 * that was rolled over has left is small and is the next round's.
 */
static void
begin_writing(struct syncer *sy)
{
	struct seg *s = NULL;

	lk_lock(&sy->lk);
	if (sy->n_dirty > 0)
		s = seg_ref(sy->dirty[sy->n_dirty - 1]);
	sy->begun_pos = sy->end_pos;
	lk_unlock(&sy->lk);
	if (s == NULL)
		return;
	seg_begin_sync(s);
	seg_put(s);
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
	uint64_t pos, seq, begun = clock_mono_ns();
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
	/* Who was served, and who came meanwhile: all may come again. */
	sy->expect = sy->n_asking;
	wake_locked(sy);
	lk_unlock(&sy->lk);
	sy->round_ns = (7 * sy->round_ns + clock_mono_ns() - begun) / 8;
}

/* A moment for those who are on their way. */
static void
gather_locked(struct syncer *sy)
{
	uint64_t end = clock_mono_ns() + TT_MIN(SYNCER_GATHER_NS,
	    sy->round_ns / SYNCER_GATHER_SHARE);

	if (sy->n_asking == 0)
		return;
	while (sy->n_asking < sy->expect && sy->failed == 0 && !sy->stop)
		if (!lk_wait_until(&sy->lk, &sy->work, end))
			return;
}

static void *
syncer_thread(void *arg)
{
	struct syncer *sy = arg;

	for (;;) {
		bool round, stop;

		lk_lock(&sy->lk);
		while (!has_work_locked(sy) && !sy->stop)
			lk_wait(&sy->lk, &sy->work);
		if ((round = has_work_locked(sy)))
			gather_locked(sy);
		stop = sy->stop;
		lk_unlock(&sy->lk);
		if (round)
			one_round(sy);
		else if (stop)
			return (NULL);
	}
}

/*
 * What no flush should wait for: to make a segment ready takes the journal of
 * the file system, ...
 */
static void *
ready_thread(void *arg)
{
	struct syncer *sy = arg;
	bool stop;

	do {
		lk_lock(&sy->lk);
		while (!sy->want_ready && !sy->stop)
			lk_wait(&sy->lk, &sy->wanted);
		sy->want_ready = false;
		stop = sy->stop;
		lk_unlock(&sy->lk);
		if (!stop)
			sy->ops.ready(sy->arg);
	} while (!stop);
	return (NULL);
}

/*
 * ... and to begin a write may take a place in the disk's queue.  Two threads:
 * what was appended while the journal was waited for, up to tens of
 * milliseconds, would all be left to the next flush.
 */
static void *
begin_thread(void *arg)
{
	struct syncer *sy = arg;
	bool stop;

	do {
		lk_lock(&sy->lk);
		while (!has_begin_locked(sy) && !sy->stop)
			lk_wait(&sy->lk, &sy->grown);
		stop = sy->stop;
		lk_unlock(&sy->lk);
		if (!stop)
			begin_writing(sy);
	} while (!stop);
	return (NULL);
}

static void
stop_thread(struct syncer *sy, pthread_t thread, pthread_cond_t *cond)
{

	lk_lock(&sy->lk);
	sy->stop = true;
	(void)pthread_cond_signal(cond);
	lk_unlock(&sy->lk);
	(void)pthread_join(thread, NULL);
}

static void
destroy(struct syncer *sy)
{

	free(sy->dirty);
	(void)pthread_cond_destroy(&sy->work);
	(void)pthread_cond_destroy(&sy->woken);
	(void)pthread_cond_destroy(&sy->wanted);
	(void)pthread_cond_destroy(&sy->grown);
	lk_destroy(&sy->lk);
	free(sy);
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
	cond_init(&sy->wanted);
	cond_init(&sy->grown);
	list_init(&sy->waiters);
	if ((rc = pthread_create(&sy->ready, NULL, ready_thread, sy)) != 0)
		goto out_free;
	if ((rc = pthread_create(&sy->begin, NULL, begin_thread, sy)) != 0)
		goto out_ready;
	if ((rc = pthread_create(&sy->thread, NULL, syncer_thread, sy)) != 0)
		goto out_begin;
	*out = sy;
	return (0);

out_begin:
	stop_thread(sy, sy->begin, &sy->grown);
out_ready:
	stop_thread(sy, sy->ready, &sy->wanted);
out_free:
	destroy(sy);
	return (-rc);
}

void
syncer_free(struct syncer *sy)
{

	stop_thread(sy, sy->ready, &sy->wanted);
	stop_thread(sy, sy->begin, &sy->grown);
	stop_thread(sy, sy->thread, &sy->work);
	TT_ASSERT(list_empty(&sy->waiters));
	for (unsigned i = 0; i < sy->n_dirty; i++)
		seg_put(sy->dirty[i]);
	destroy(sy);
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
	if (has_begin_locked(sy))
		(void)pthread_cond_signal(&sy->grown);
	lk_unlock(&sy->lk);
}

void
syncer_want_ready(struct syncer *sy)
{

	lk_lock(&sy->lk);
	sy->want_ready = true;
	(void)pthread_cond_signal(&sy->wanted);
	lk_unlock(&sy->lk);
}

bool
syncer_wait(struct syncer *sy, struct log_wait *w)
{
	bool now;

	if (!w->paced)
		atomic_store_explicit(&sy->asked_ms, clock_mono_ms(),
		    memory_order_relaxed);
	lk_lock(&sy->lk);
	now = sy->failed != 0 || w->pos <= sy->synced_pos;
	if (now) {
		w->rc = sy->failed;
	} else {
		list_add_tail(&sy->waiters, &w->link);
		if (!w->paced)
			sy->n_asking++;
		(void)pthread_cond_signal(&sy->work);
	}
	lk_unlock(&sy->lk);
	return (now);
}

int
syncer_wait_block(struct syncer *sy, uint64_t pos)
{
	bool woken = false;
	struct log_wait w = { .pos = pos, .paced = true, .woken = &woken };

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
	uint64_t bound = SYNCER_BOUND_BYTES;

	if (pos <= synced + bound)
		return (0);
	if (is_loose(sy))
		bound = SYNCER_LOOSE_BYTES;
	return (pos <= synced + bound ? 0 : pos - bound);
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
