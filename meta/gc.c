/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gc.c - the thread of space reclaim; gckeeper.c has its part on the keeper.
 *
 * The thread does the long work and decides nothing alone.  It asks the
 * keeper, which does between two folds or in the transaction of a checkpoint
 * what must not fall into the middle of one:
 *
 *  START   commit N, a dump of exactly N, the roots of N; from here on what
 *          a fold shares is marked.
 *          (thread: mark)
 *  FREEZE  from here on a fold shares nothing that is dead: what is dead now
 *          stays dead, and nothing has to be looked at again.
 *          (thread: sort out, copy, sync the copies)
 *  COMMIT  one transaction: victims are freed, notes say where the rest is.
 *  NEXT    one more checkpoint.
 *          (thread: wait for readers of old views, remove files, make holes)
 *  END     forget the run.
 *
 * Crash before COMMIT: the copies are not known to anybody and are removed at
 * the opening.  Behind it: freed files are removed at the opening.
 */
#include "meta/gc.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "meta/base/bytes.h"
#include "meta/base/check.h"
#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "meta/base/vec.h"
#include "meta/gc_int.h"
#include "meta/store_int.h"

#define LOOK_MS		1000u		/* is there anything to do? */
#define DELETED_MS	10000u		/* after the last deletion */
#define GARBAGE_BYTES	(UINT64_C(1) << 30)
#define NUDGE_MS	300000u
#define NUDGE_BYTES	(UINT64_C(1) << 20)
#define QUIET_MS	2u
#define QUIET_MAX_MS	5000u
#define WORK_NS		UINT64_C(2000000)
#define NS_PER_MS	UINT64_C(1000000)

int
gc_push(struct gc_vec *a, size_t size, const void *item)
{
	void *v;

	if ((v = vec_room(a->v, &a->room, a->n, size)) == NULL)
		return (-ENOMEM);
	a->v = v;
	memcpy((uint8_t *)a->v + a->n * size, item, size);
	a->n++;
	return (0);
}

static void
run_free(struct gc_run *run)
{

	if (run == NULL)
		return;
	gc_batch_clear(&run->batch);
	free(run->roots.v);
	free(run->segs.v);
	free(run->freed.v);
	locset_free(run->live);
	locset_free(run->now);
	free(run);
}

static int
run_new(struct gc *gc, bool thorough, struct gc_run **out)
{
	struct gc_run *run = calloc(1, sizeof(*run));
	uint32_t bytes = gc->st->super.segment_bytes;
	int rc;

	if (run == NULL)
		return (-ENOMEM);
	run->st = gc->st;
	run->gc = gc;
	run->thorough = thorough;
	if ((rc = locset_new(bytes, &run->live)) != 0 ||
	    (rc = locset_new(bytes, &run->now)) != 0) {
		run_free(run);
		return (rc);
	}
	*out = run;
	return (0);
}

/* ---- the thread asks -------------------------------------------------- */

/* Withdrawn when the store is being closed: nothing came of it. */
static int
ask(struct gc_run *run, enum gc_ask what)
{
	struct gc *gc = run->gc;
	struct store *st = gc->st;
	int rc;

	lk_lock(&st->lk);
	gc->ask = what;
	gc->taken = false;
	gc->asking = run;
	gc->answer = -EINTR;
	if (what != GC_ASK_FREEZE && what != GC_ASK_END &&
	    st->wanted <= st->started)
		st->wanted = st->started + 1;
	(void)pthread_cond_signal(&st->work);
	/* What the keeper has taken is not withdrawn: it answers soon. */
	while (gc->ask == what && (!atomic_load(&gc->stop) || gc->taken))
		lk_wait(&st->lk, &gc->wake);
	gc->ask = GC_ASK_NONE;
	rc = gc->answer;
	lk_unlock(&st->lk);
	return (rc);
}

static void
nap(struct gc *gc, uint64_t ms)
{

	lk_lock(&gc->st->lk);
	if (!atomic_load(&gc->stop))
		(void)lk_wait_ms(&gc->st->lk, &gc->wake, ms);
	lk_unlock(&gc->st->lk);
}

/*
 * Whoever writes comes first: while the log grows, the thread rests after
 * each bit of work, as long as it worked or four times that.
 */
int
gc_pace(struct gc_run *run)
{
	struct log_state ls;
	uint64_t now, worked;

	if (atomic_load(&run->gc->stop))
		return (-EINTR);
	now = clock_mono_ns();
	if (run->worked_ns == 0)
		run->worked_ns = now;
	worked = now - run->worked_ns;
	if (worked < WORK_NS)
		return (0);
	log_state(run->st->log, &ls);
	if (ls.failed != 0)
		return (-EROFS);
	if (ls.end_pos != run->log_pos)
		nap(run->gc, TT_MIN(UINT64_C(200), (run->thorough ? 1 : 4) *
		    worked / NS_PER_MS));
	run->log_pos = ls.end_pos;
	run->worked_ns = clock_mono_ns();
	return (0);
}

void
gc_progress(struct gc_run *run, enum gc_phase phase, uint64_t done,
    uint64_t total)
{
	struct gc_state *s = &run->gc->state;

	lk_lock(&run->st->lk);
	s->phase = phase;
	s->done = done;
	s->total = TT_MAX(total, done);
	lk_unlock(&run->st->lk);
}

/* ---- one run ---------------------------------------------------------- */

/*
 * Views that were replaced may still be read from: most for moments.  Who
 * holds one for long (a verification) finds, where something is gone, that the
 * newest view does not have it either: a segment that is open is never
 * recycled, so old bytes, zeroes or nothing is all that he can meet.  Waiting
 * spares everybody else that second look.
 */
static int
wait_quiet(struct gc_run *run)
{
	struct store *st = run->st;
	uint64_t until = clock_mono_ms() + QUIET_MAX_MS;

	while (st->conf.ops->settled != NULL && clock_mono_ms() < until &&
	    !st->conf.ops->settled(st->conf.arg, true)) {
		nap(run->gc, QUIET_MS);
		if (atomic_load(&run->gc->stop))
			return (-EINTR);
	}
	return (0);
}

/* Ask the keeper for the batch; afterwards it is committed, or nothing was. */
static int
commit_batch(struct gc_run *run, struct gc_mover *mv)
{
	struct gc_batch *b = &run->batch;
	size_t before = run->freed.n;
	int rc;

	if ((rc = gc_mover_flush(mv)) != 0)
		return (rc);
	if (b->victims.n == 0)
		return (0);
	/* Room first: behind the commit nothing may fail. */
	for (size_t i = 0; i < b->victims.n && rc == 0; i++)
		rc = gc_push(&run->freed, sizeof(struct gc_seg),
		    (struct gc_seg *)b->victims.v + i);
	if (rc == 0)
		rc = gc_batch_dels(run);
	if (rc == 0)
		rc = ask(run, GC_ASK_COMMIT);
	if (rc != 0) {
		run->freed.n = before;
		return (rc);
	}
	b->made.n = b->victims.n = b->notes.n = b->dels.n = 0;
	return (0);
}

/* Segments without a live block, then copies, in batches. */
static int
move_all(struct gc_run *run, struct gc_mover *mv)
{
	struct gc_seg *segs = run->segs.v;
	uint64_t copied = 0;
	int rc = 0;

	for (size_t i = 0; i < run->segs.n && rc == 0; i++) {
		struct gc_seg *s = &segs[i];

		gc_progress(run, GC_MOVE, i, run->segs.n);
		if (s->live_bytes == 0) {
			s->victim = true;
			rc = gc_push(&run->batch.victims, sizeof(*s), s);
		} else if (gc_is_victim(run, s)) {
			uint64_t n = s->live_bytes * (s->pair ? 2 : 1);

			if (copied + n > run->budget_bytes) {
				run->more = true;
				continue;
			}
			if ((rc = gc_move(mv, s)) == -ENOSPC) {
				run->more = true;
				run->budget_bytes = 0;
				rc = 0;
			} else if (rc == 0) {
				s->victim = true;
				copied += n;
			} else if (rc == 1) {
				rc = 0;
			}
		}
		if (rc == 0)
			rc = gc_pace(run);
		if (rc == 0 && run->batch.notes.n >= GC_BATCH_NOTES)
			rc = commit_batch(run, mv);
	}
	if (rc == 0)
		rc = commit_batch(run, mv);
	run->moved_bytes = copied;
	return (rc);
}

static int
free_all(struct gc_run *run)
{
	int rc;

	gc_progress(run, GC_FREE, 0, run->freed.n + run->segs.n);
	if ((rc = ask(run, GC_ASK_NEXT)) != 0 || (rc = wait_quiet(run)) != 0)
		return (rc);
	if ((rc = gc_remove_freed(run)) != 0)
		return (rc);
	return (gc_punch(run));
}

static int
run_steps(struct gc_run *run)
{
	struct gc_mover *mv;
	int rc;

	if ((rc = gc_mark(run)) != 0 ||
	    (rc = ask(run, GC_ASK_FREEZE)) != 0 ||
	    (rc = gc_sort(run)) != 0 ||
	    (rc = gc_mover_new(run, &mv)) != 0)
		return (rc);
	rc = move_all(run, mv);
	gc_mover_free(mv);
	return (rc != 0 ? rc : free_all(run));
}

static void
tell(const struct gc_run *run, int rc)
{
	static struct msg_limit limit;

	if (rc == 0)
		msg_info("space reclaim: %llu MiB freed, %llu MiB of holes, "
		    "%llu MiB moved", (unsigned long long)run->freed_bytes >>
		    20, (unsigned long long)run->punched_bytes >> 20,
		    (unsigned long long)run->moved_bytes >> 20);
	else if (rc != -EINTR && rc != -EAGAIN && msg_allowed(&limit, 10))
		msg_err("space reclaim ended early (%d); what it had not "
		    "committed stays as it is", rc);
}

static void
account(struct gc_run *run, int rc)
{
	struct gc *gc = run->gc;
	struct gc_state *s = &gc->state;

	tell(run, rc);
	lk_lock(&gc->st->lk);
	s->freed_bytes += run->freed_bytes;
	s->moved_bytes += run->moved_bytes;
	s->punched_bytes += run->punched_bytes;
	lk_unlock(&gc->st->lk);
}

/* ${*more}: there is more to be had than fitted into this one. */
static int
one_run(struct gc *gc, bool thorough, bool *more)
{
	struct gc_run *run;
	struct log_state ls;
	int rc;

	*more = false;
	if ((rc = run_new(gc, thorough, &run)) != 0)
		return (rc);
	gc_progress(run, GC_MARK, 0, 0);
	log_state(gc->st->log, &ls);
	if ((rc = ask(run, GC_ASK_START)) != 0) {
		run_free(run);
		return (rc);
	}
	rc = run_steps(run);
	account(run, rc);
	*more = rc == 0 && run->more && run->freed_bytes > run->moved_bytes;
	if (rc == 0)
		atomic_store(&gc->last_end_pos, ls.end_pos);
	gc_still_there(run);
	/* At the close the keeper may fold once more: it keeps the run. */
	if (ask(run, GC_ASK_END) == 0)
		run_free(run);
	return (rc);
}

/* ---- when ------------------------------------------------------------- */

static bool
is_due(struct gc *gc)
{
	uint64_t deleted = atomic_load(&gc->deleted_ms), now = clock_mono_ms();
	struct log_state ls;

	if (deleted != 0 && now >= deleted + DELETED_MS)
		return (true);
	log_state(gc->st->log, &ls);
	return (ls.failed == 0 && ls.end_pos - atomic_load(&gc->last_end_pos) >=
	    TT_MAX(GARBAGE_BYTES, gc->store_bytes / 10));
}

/* A run by itself that fails is not made again at once. */
static void
made(struct gc *gc, bool asked_for, uint64_t number, int rc)
{
	struct gc_state *s = &gc->state;
	struct log_state ls;

	if (!asked_for && rc != 0 && rc != -EAGAIN) {
		log_state(gc->st->log, &ls);
		atomic_store(&gc->last_end_pos, ls.end_pos);
	}
	lk_lock(&gc->st->lk);
	gc->last_ms = clock_mono_ms();
	s->phase = GC_IDLE;
	s->done = s->total = 0;
	s->runs++;
	s->last_rc = rc;
	s->last_ns = clock_utc_ns();
	gc->finished = TT_MAX(gc->finished, number);
	(void)pthread_cond_broadcast(&gc->wake);
	lk_unlock(&gc->st->lk);
}

static void *
gc_thread(void *arg)
{
	struct gc *gc = arg;
	bool asked_for, more;
	uint64_t number;
	int rc;

	for (;;) {
		lk_lock(&gc->st->lk);
		if (!atomic_load(&gc->stop) && gc->wanted <= gc->started)
			(void)lk_wait_ms(&gc->st->lk, &gc->wake, LOOK_MS);
		asked_for = gc->wanted > gc->started;
		if (asked_for)
			gc->started = gc->wanted;
		number = gc->started;
		lk_unlock(&gc->st->lk);
		if (atomic_load(&gc->stop))
			return (NULL);
		if (!asked_for && !is_due(gc))
			continue;
		atomic_store(&gc->deleted_ms, 0);
		do {
			rc = one_run(gc, asked_for, &more);
			/* A view of before: the next checkpoint settles it. */
			if (rc == -EAGAIN) {
				nap(gc, LOOK_MS);
				more = !atomic_load(&gc->stop);
			}
		} while (more);
		made(gc, asked_for, number, rc);
	}
}

int
gc_new(struct store *st)
{
	struct gc *gc = calloc(1, sizeof(*gc));

	if (gc == NULL)
		return (-ENOMEM);
	gc->st = st;
	cond_init(&gc->wake);
	st->gc = gc;
	return (0);
}

int
gc_start(struct store *st)
{
	struct gc *gc = st->gc;
	sigset_t all, old;
	int rc;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&gc->thread, NULL, gc_thread, gc);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	gc->running = rc == 0;
	return (-rc);
}

void
gc_stop(struct store *st)
{
	struct gc *gc = st->gc;

	if (gc == NULL || !gc->running)
		return;
	lk_lock(&st->lk);
	atomic_store(&gc->stop, true);
	(void)pthread_cond_broadcast(&gc->wake);
	lk_unlock(&st->lk);
	(void)pthread_join(gc->thread, NULL);
	gc->running = false;
}

void
gc_free(struct store *st)
{
	struct gc *gc = st->gc;

	if (gc == NULL)
		return;
	run_free(gc->run);
	free(gc->doomed.v);
	(void)pthread_cond_destroy(&gc->wake);
	free(gc);
	st->gc = NULL;
}

/* ---- for the others --------------------------------------------------- */

void
store_gc_state(struct store *st, struct gc_state *out)
{

	lk_lock(&st->lk);
	*out = st->gc->state;
	out->asked = TT_MAX(st->gc->wanted, st->gc->started);
	out->ended = st->gc->finished;
	lk_unlock(&st->lk);
}

/*
 * A full store tells so again and again.  Nothing is written to it then, so
 * another run finds more only when something was deleted or unmapped.
 */
void
gc_nudge(struct store *st)
{
	struct gc *gc = st->gc;
	struct log_state ls;
	bool go;

	log_state(st->log, &ls);
	lk_lock(&st->lk);
	go = gc->last_ms == 0 || atomic_load(&gc->deleted_ms) != 0 ||
	    clock_mono_ms() >= gc->last_ms + NUDGE_MS ||
	    ls.end_pos >= atomic_load(&gc->last_end_pos) + NUDGE_BYTES;
	lk_unlock(&st->lk);
	if (go)
		(void)store_gc(st, false);
}

int
store_gc(struct store *st, bool wait)
{
	struct gc *gc = st->gc;
	uint64_t number;
	int rc = 0;

	if (st->conf.read_only)
		return (-EROFS);
	lk_lock(&st->lk);
	if (atomic_load(&gc->stop) || !gc->running) {
		lk_unlock(&st->lk);
		return (-ESHUTDOWN);
	}
	number = gc->started + 1;
	gc->wanted = TT_MAX(gc->wanted, number);
	(void)pthread_cond_broadcast(&gc->wake);
	while (wait && gc->finished < number && !atomic_load(&gc->stop))
		lk_wait(&st->lk, &gc->wake);
	if (wait)
		rc = gc->finished < number ? -ESHUTDOWN : gc->state.last_rc;
	lk_unlock(&st->lk);
	return (rc);
}
