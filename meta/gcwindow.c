/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gcwindow.c - which segments a run looks at, so that its memory stays within
 * its share of the budget.
 *
 * The bits of the mark are nearly all that a run holds.  When those of all
 * segments do not fit, a run marks, sorts out and frees only a window of them,
 * by number; the roots are walked once for each window.  What lies outside is
 * neither freed nor asked about.  Each window is a whole run of its own, with
 * a commit N, a dump and a freeze: nothing is carried over from one to the
 * next but where it begins.  One segment at least is in each, so that all have
 * their turn, however small the share.
 *
 * The window is chosen before START, because what folds share from then on is
 * marked as well.  Only files that are there are wanted in it: of places whose
 * segment is gone no bit is kept.  What appears meanwhile is looked at only if
 * one window is enough: else what one has moved would be met again in another.
 *
 * Nodes outside the window are kept in a set with a limit, only to enter none
 * twice.  When that is full, what several roots share is walked for each.
 */
#include <errno.h>
#include <stdatomic.h>

#include "meta/base/check.h"
#include "meta/gc_int.h"
#include "meta/segscan.h"
#include "meta/store_int.h"

/* Of which nothing grows with the store: the mover's buffers and a batch. */
#define WORK_BYTES	(UINT64_C(5) << 20)
/* The share in which a whole batch fits; it is smaller in a smaller one. */
#define ROW_BYTES	256u
#define BATCH_ROWS_MIN	16u
/* In run->segs and run->freed, which double as they grow. */
#define LIST_BYTES	(4 * sizeof(struct gc_seg))

struct window {
	struct gc_run *run;
	uint64_t budget_bytes;
	uint64_t later_bytes;		/* when the wanted ones are filled */
	uint32_t n;
};

/* With the next one, as it will be at most. */
static uint64_t
would_need(const struct window *x, const struct seg_header *h)
{
	struct locset *live = x->run->live;

	return (locset_memory_bytes(live) + x->later_bytes + LIST_BYTES +
	    locset_need_bytes(live, h->number, h->twin != 0));
}

static int
want(struct window *x, const struct seg_header *h)
{
	struct locset *live = x->run->live;
	int rc = locset_want(live, h->number);

	x->n++;
	/* Locators name the first of a pair; the second has no bits. */
	if (h->twin == 0 || h->twin > h->number)
		x->later_bytes += LIST_BYTES +
		    locset_need_bytes(live, h->number, h->twin != 0);
	return (rc);
}

static int
one(void *arg, uint32_t number)
{
	struct window *x = arg;
	struct gc_run *run = x->run;
	struct seg_header h;
	int rc;

	if (number < run->first || number >= run->gc->limit)
		return (0);
	if ((rc = gc_pace(run)) != 0)
		return (rc);
	rc = segscan_header(run->st->segs, run->st->super.uuid, number, &h);
	if (rc == -ENOMEM)
		return (rc);
	/* Nobody knows what it is: it is left alone. */
	if (rc != 0)
		return (0);
	if (x->n > 0 && would_need(x, &h) > x->budget_bytes) {
		run->end = number;
		run->last = false;
		return (1);
	}
	return (want(x, &h));
}

int
gc_window(struct gc_run *run, uint32_t first)
{
	uint64_t share = run->st->conf.reclaim_bytes;
	struct window x = { .run = run };
	int rc;

	if (share == 0)
		share = UINT64_MAX;
	x.budget_bytes = TT_MAX(share / 4, share - TT_MIN(share, WORK_BYTES));
	run->batch_rows = (size_t)TT_MAX(BATCH_ROWS_MIN,
	    TT_MIN(GC_BATCH_ROWS, share / ROW_BYTES));
	if (first == 0)
		run->gc->limit = atomic_load(&run->st->next_segment);
	run->first = first;
	run->end = first == 0 ? UINT32_MAX : run->gc->limit;
	run->last = true;
	locset_want_from(run->live, UINT32_MAX);
	if ((rc = segs_list(run->st->segs, one, &x)) < 0)
		return (rc);
	if (run->last && first == 0)
		locset_want_from(run->live, run->gc->limit);
	/* The mark is over when the rest of the share is needed. */
	locset_limit(run->seen, share - TT_MIN(share,
	    locset_memory_bytes(run->live) + x.later_bytes));
	return (0);
}

bool
gc_in_window(const struct gc_run *run, uint32_t segment)
{

	return (segment >= run->first && segment < run->end);
}

uint64_t
gc_memory_bytes(const struct gc_run *run)
{
	const struct gc_batch *b = &run->batch;

	return ((run->live == NULL ? 0 : locset_memory_bytes(run->live)) +
	    (run->seen == NULL ? 0 : locset_memory_bytes(run->seen)) +
	    run->roots.room * sizeof(struct gc_root) +
	    (run->segs.room + run->freed.room + b->victims.room) *
	    sizeof(struct gc_seg) + b->dels.room * sizeof(struct gc_key) +
	    b->notes.room * sizeof(struct moved_run) +
	    b->made.room * sizeof(uint32_t));
}
