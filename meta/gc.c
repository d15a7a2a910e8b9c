/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gc.c - the thread of space reclaim; gckeeper.c has its part on the keeper.
 *
 * A run goes over the store once, or window by window when its memory does not
 * last for all of it (gcwindow.c).
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
	locset_free(run->seen);
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
	    (rc = locset_new(bytes, &run->seen)) != 0) {
		run_free(run);
		return (rc);
	}
	*out = run;
	return (0);
}

/* ---- the thread asks -------------------------------------------------- */

/* Withdrawn when the store is being closed: nothing came of it. */
int
gc_ask(struct gc_run *run, enum gc_ask what)
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

static int
free_all(struct gc_run *run)
{
	int rc;

	gc_progress(run, GC_FREE, 0, run->freed.n + run->segs.n);
	if ((rc = gc_ask(run, GC_ASK_NEXT)) != 0 || (rc = wait_quiet(run)) != 0)
		return (rc);
	if ((rc = gc_remove_freed(run)) != 0)
		return (rc);
	return (gc_punch(run));
}

/* Between two steps. */
static void
note_memory(struct gc_run *run)
{
	struct gc_state *s = &run->gc->state;

	lk_lock(&run->st->lk);
	s->memory_bytes = TT_MAX(s->memory_bytes, gc_memory_bytes(run));
	lk_unlock(&run->st->lk);
}

static int
run_steps(struct gc_run *run)
{
	struct gc_mover *mv;
	int rc;

	rc = gc_mark(run);
	note_memory(run);
	locset_free(run->seen);
	run->seen = NULL;
	if (rc != 0 ||
	    (rc = gc_ask(run, GC_ASK_FREEZE)) != 0 ||
	    (rc = gc_sort(run)) != 0 ||
	    (rc = gc_mover_new(run, &mv)) != 0)
		return (rc);
	rc = gc_move_all(run, mv);
	note_memory(run);
	gc_mover_free(mv);
	return (rc != 0 ? rc : free_all(run));
}

/* A run that found nothing to do is nobody's concern. */
static void
tell(const struct gc *gc, int rc)
{
	static struct msg_limit limit;
	bool any = (gc->freed_bytes | gc->punched_bytes | gc->moved_bytes) >>
	    20 != 0;

	if (rc == 0)
		msg_at(any ? MSG_INFO : MSG_DEBUG, "space reclaim: %llu MiB "
		    "freed, %llu MiB of holes, %llu MiB moved",
		    (unsigned long long)gc->freed_bytes >> 20,
		    (unsigned long long)gc->punched_bytes >> 20,
		    (unsigned long long)gc->moved_bytes >> 20);
	else if (rc != -EINTR && rc != -EAGAIN && msg_allowed(&limit, 10))
		msg_err("space reclaim ended early (%d); what it had not "
		    "committed stays as it is", rc);
}

static void
account(struct gc_run *run)
{
	struct gc *gc = run->gc;
	struct gc_state *s = &gc->state;

	gc->freed_bytes += run->freed_bytes;
	gc->moved_bytes += run->moved_bytes;
	gc->punched_bytes += run->punched_bytes;
	lk_lock(&gc->st->lk);
	s->windows++;
	s->freed_bytes += run->freed_bytes;
	s->moved_bytes += run->moved_bytes;
	s->punched_bytes += run->punched_bytes;
	lk_unlock(&gc->st->lk);
}

/*
 * ${*first}: where the window begins, and then the next one; the same again
 * when there is more to be had than fitted into one.
 */
static int
one_window(struct gc *gc, bool thorough, uint32_t *first, bool *more)
{
	struct gc_run *run;
	int rc;

	if ((rc = run_new(gc, thorough, &run)) != 0)
		return (rc);
	gc_progress(run, GC_MARK, 0, 0);
	if ((rc = gc_window(run, *first)) != 0 ||
	    (rc = gc_ask(run, GC_ASK_START)) != 0) {
		run_free(run);
		return (rc);
	}
	rc = run_steps(run);
	account(run);
	*more = run->more && run->freed_bytes > run->moved_bytes;
	if (rc == 0 && !*more) {
		*first = run->end;
		*more = !run->last;
		gc->unique_bytes += run->unique_bytes;
		gc->snapshot_bytes += run->snapshot_bytes;
	}
	gc_still_there(run);
	/* At the close the keeper may fold once more: it keeps the run. */
	if (gc_ask(run, GC_ASK_END) == 0)
		run_free(run);
	return (rc);
}

static int
one_run(struct gc *gc, bool thorough)
{
	struct log_state ls;
	uint32_t first = 0;
	bool more = false;
	int rc;

	gc->unique_bytes = gc->snapshot_bytes = 0;
	gc->freed_bytes = gc->moved_bytes = gc->punched_bytes = 0;
	log_state(gc->st->log, &ls);
	do {
		rc = one_window(gc, thorough, &first, &more);
		/* A view of before: the next checkpoint settles it. */
		if (rc == -EAGAIN)
			nap(gc, LOOK_MS);
	} while ((rc == 0 && more) ||
	    (rc == -EAGAIN && !atomic_load(&gc->stop)));
	tell(gc, rc);
	if (rc == 0)
		atomic_store(&gc->last_end_pos, ls.end_pos);
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
	bool asked_for;
	uint64_t number;

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
		made(gc, asked_for, number, one_run(gc, asked_for));
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
