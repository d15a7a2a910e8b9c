/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gckeeper.c - what the keeper does for space reclaim: between two folds, or
 * in the transaction of a checkpoint.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "meta/base/bytes.h"
#include "meta/base/clock.h"
#include "meta/gc_int.h"
#include "meta/store_int.h"

/* True: the thread waits for this, and goes on waiting until it is answered. */
static bool
take(struct store *st, enum gc_ask what)
{
	bool is;

	if (st->gc == NULL)
		return (false);
	lk_lock(&st->lk);
	is = st->gc->ask == what;
	if (is)
		st->gc->taken = true;
	lk_unlock(&st->lk);
	return (is);
}

static void
answer(struct gc *gc, enum gc_ask what, int rc)
{

	lk_lock(&gc->st->lk);
	if (gc->ask == what) {
		gc->ask = GC_ASK_NONE;
		gc->taken = false;
		gc->answer = rc;
		(void)pthread_cond_broadcast(&gc->wake);
	}
	lk_unlock(&gc->st->lk);
}

static int
add_root(void *arg, const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen)
{
	struct gc_run *run = arg;
	struct gc_root r;
	struct root_row row;
	int rc;

	if (klen != 16)
		return (-EUCLEAN);
	if ((rc = root_row_dec(val, vlen, &row)) != 0)
		return (rc);
	r = (struct gc_root){ get_be64(key), get_be64(key + 8), row.root };
	return (gc_push(&run->roots, sizeof(r), &r));
}

/*
 * Commit N is what LMDB holds now, for this thread alone writes to it.  All
 * that was made before it has numbers below those of its position and of its
 * node pair, or a row of its own (MOVED).
 */
static int
begin_run(struct store *st, struct gc_run *run)
{
	int rc;

	if (st->conf.ops->settled != NULL &&
	    !st->conf.ops->settled(st->conf.arg, false))
		return (-EAGAIN);
	if ((rc = catalog_each(st->cat, CAT_ROOT, add_root, run)) != 0)
		return (rc);
	run->log_limit = st->row.pos.segment;
	run->node_limit = st->row.node_segment;
	run->number_limit = st->row.next_segment;
	return (0);
}

bool
gc_wants_dump(struct store *st)
{
	bool is;

	if (st->gc == NULL)
		return (false);
	lk_lock(&st->lk);
	is = st->gc->ask == GC_ASK_START;
	lk_unlock(&st->lk);
	return (is);
}

/* It was asked for before the transaction of this checkpoint was made. */
static bool
is_taken(struct gc *gc, enum gc_ask what)
{
	bool is;

	if (gc == NULL)
		return (false);
	lk_lock(&gc->st->lk);
	is = gc->ask == what && gc->taken;
	lk_unlock(&gc->st->lk);
	return (is);
}

void
gc_checkpointed(struct store *st, bool dumped, int dump_rc)
{
	struct gc *gc = st->gc;
	int rc = dump_rc;

	if (is_taken(gc, GC_ASK_NEXT))
		answer(gc, GC_ASK_NEXT, 0);
	/* One that began to ask behind the dump waits for the next. */
	if (!dumped || !take(st, GC_ASK_START))
		return;
	if (rc == 0)
		rc = begin_run(st, gc->asking);
	if (rc == 0)
		gc->run = gc->asking;
	answer(gc, GC_ASK_START, rc);
}

void
gc_failed(struct store *st, int rc)
{

	if (st->gc == NULL)
		return;
	answer(st->gc, GC_ASK_START, rc);
	answer(st->gc, GC_ASK_COMMIT, rc);
	answer(st->gc, GC_ASK_NEXT, rc);
}

void
gc_between(struct store *st)
{

	if (take(st, GC_ASK_FREEZE)) {
		atomic_store(&st->gc->run->frozen, true);
		answer(st->gc, GC_ASK_FREEZE, 0);
	}
	if (take(st, GC_ASK_END)) {
		struct gc_vec was = st->gc->doomed;

		/* One that came to no list of them leaves the old one. */
		if (st->gc->run->sorted) {
			st->gc->doomed = st->gc->run->freed;
			st->gc->run->freed = was;
		}
		st->gc->run = NULL;
		answer(st->gc, GC_ASK_END, 0);
	}
}

int
gc_commit_rows(struct store *st, struct cat_txn *t)
{

	(void)take(st, GC_ASK_NEXT);
	return (take(st, GC_ASK_COMMIT) ?
	    gc_batch_commit(st->gc->run, t) : 0);
}

void
gc_committed(struct store *st)
{

	if (is_taken(st->gc, GC_ASK_COMMIT))
		answer(st->gc, GC_ASK_COMMIT, 0);
}

void
gc_deleted(struct store *st)
{

	if (st->gc != NULL)
		atomic_store(&st->gc->deleted_ms, clock_mono_ms());
}

static int
by_segment(const void *a, const void *b)
{
	const struct gc_seg *x = a, *y = b;

	return ((x->number > y->number) - (x->number < y->number));
}

/* In a segment that was freed and is there still, and not moved from it. */
static bool
is_doomed(struct store *st, locator loc)
{
	struct gc_seg key = { .number = loc_segment(loc) };
	uint32_t segment, off;

	return (st->gc != NULL && st->gc->doomed.n > 0 &&
	    bsearch(&key, st->gc->doomed.v, st->gc->doomed.n, sizeof(key),
	    by_segment) != NULL &&
	    moved_find(st->moved, loc, &segment, &off) != 0);
}

/* A place of what is to be shared, behind FREEZE: does it stay? */
static bool
stays(const struct gc_run *run, locator loc)
{
	uint32_t segment = loc_segment(loc);

	return (segment >= run->number_limit || !gc_in_window(run, segment) ||
	    locset_has(run->live, loc));
}

static bool
is_live(const struct gc_run *run, locator loc)
{
	uint32_t segment, off;
	int rc;

	rc = moved_find(run->st->moved, loc, &segment, &off);
	if (rc == -ENOENT)
		return (stays(run, loc));
	if (rc != 0 || !stays(run, loc_make(segment, off, loc_sectors(loc),
	    loc_flags(loc))))
		return (false);
	/* The file of its birth may be there as well. */
	return (!locset_wants(run->live, loc_segment(loc)) || stays(run, loc));
}

/*
 * While a run marks, what is shared becomes live in it.  Once it is frozen,
 * what is dead stays dead, until the run is over: until the files are gone,
 * or have holes so that they do not compare equal any more.
 */
bool
store_may_share(struct store *st, locator loc)
{
	struct gc_run *run = st->gc == NULL ? NULL : st->gc->run;

	if (is_doomed(st, loc))
		return (false);
	if (run == NULL || loc_segment(loc) >= run->log_limit)
		return (true);
	if (atomic_load(&run->frozen))
		return (is_live(run, loc));
	return (gc_mark_loc(run, loc) >= 0);
}
