/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gcbatch.c - what is freed and moved together: victims are gathered until
 * they make a transaction, and the keeper is asked to commit it.
 *
 * Its rows are pages in memory, so there are not more of them than
 * run->batch_rows, about.
 */
#include <errno.h>
#include <stdint.h>

#include "meta/base/check.h"
#include "meta/gc_int.h"
#include "meta/store_int.h"

/*
 * The notes that lead into the victims.  Of those in which nothing is live
 * there may be any number; they go in transactions of their own, before that
 * of their segment.  Crash: it is dead as before, with fewer notes.
 */
static int
gather_dels(struct gc_run *run)
{
	struct gc_batch *b = &run->batch;
	bool dead = b->notes.n == 0 && b->made.n == 0;
	struct gc_key from = { 0, 0 };
	size_t victims = b->victims.n;
	int rc;

	while ((rc = gc_batch_dels(run, &from, dead ? run->batch_rows :
	    SIZE_MAX)) == 1) {
		b->victims.n = 0;
		rc = gc_ask(run, GC_ASK_COMMIT);
		b->victims.n = victims;
		if (rc != 0)
			return (rc);
		b->dels.n = 0;
	}
	return (rc);
}

/*
 * Ask the keeper for the batch; afterwards it is committed, or no victim was
 * freed.
 */
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
		rc = gather_dels(run);
	if (rc == 0)
		rc = gc_ask(run, GC_ASK_COMMIT);
	if (rc != 0) {
		run->freed.n = before;
		return (rc);
	}
	b->made.n = b->victims.n = b->notes.n = b->dels.n = 0;
	b->pieces = 0;
	return (0);
}

static bool
is_full(const struct gc_run *run)
{
	const struct gc_batch *b = &run->batch;

	return (b->notes.n + b->pieces + b->victims.n >= run->batch_rows);
}

static int
move_one(struct gc_run *run, struct gc_mover *mv, struct gc_seg *s)
{
	uint64_t n = s->live_bytes * (s->pair ? 2 : 1);
	struct gc_batch *b = &run->batch;
	int rc;

	if (run->moved_bytes + n > run->budget_bytes) {
		run->more = true;
		return (0);
	}
	/* Those that are dead go by themselves (gather_dels). */
	if (b->victims.n > 0 && b->notes.n == 0 &&
	    (rc = commit_batch(run, mv)) != 0)
		return (rc);
	if ((rc = gc_move(mv, s)) == -ENOSPC) {
		run->more = true;
		run->budget_bytes = 0;
		return (0);
	}
	if (rc == 0) {
		s->victim = true;
		run->moved_bytes += n;
	}
	return (rc == 1 ? 0 : rc);
}

/* Segments without a live block, then copies, in batches. */
int
gc_move_all(struct gc_run *run, struct gc_mover *mv)
{
	struct gc_seg *segs = run->segs.v;
	int rc = 0;

	for (size_t i = 0; i < run->segs.n && rc == 0; i++) {
		struct gc_seg *s = &segs[i];

		gc_progress(run, GC_MOVE, i, run->segs.n);
		if (s->live_bytes == 0) {
			s->victim = true;
			rc = gc_push(&run->batch.victims, sizeof(*s), s);
		} else if (gc_is_victim(run, s)) {
			rc = move_one(run, mv, s);
		}
		if (rc == 0)
			rc = gc_pace(run);
		if (rc == 0 && is_full(run))
			rc = commit_batch(run, mv);
	}
	if (rc == 0)
		rc = commit_batch(run, mv);
	return (rc);
}
