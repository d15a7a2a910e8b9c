/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Space reclaim under a LUN: what is damaged, and what there is no room for.
 */
#include <errno.h>
#include <sys/stat.h>

#include "lun/lun_int.h"
#include "meta/moved.h"
#include "meta/store_int.h"
#include "tests/unit/lun/reclaimfix.h"

/* The place of a block, from the tree. */
static struct place
place_of(struct reclaimfix *f, uint64_t blk)
{
	struct lun *l = table_by_number(f->e.ls, f->info.number);
	struct view *v = view_of(l, NULL);
	struct node leaf;
	bool hole = true;

	CU_ASSERT_EQUAL_FATAL(map_find_wait(f->e.ls->nodes, &v->root, blk, 0,
	    &leaf, &hole), 0);
	CU_ASSERT_FALSE_FATAL(hole);
	view_unref(v);
	return (node_child(&leaf, (unsigned)blk % NODE_FANOUT));
}

static void
smash(struct reclaimfix *f, locator loc)
{
	uint8_t bad[8] = { 0xde, 0xad };
	struct iovec iov = { bad, sizeof(bad) };
	struct seg *s;
	uint64_t off;

	CU_ASSERT_EQUAL_FATAL(moved_get(f->e.ls->moved, loc, 0, &s, &off), 0);
	CU_ASSERT_EQUAL(seg_write(s, &iov, 1, off + 100), 0);
	seg_put(s);
}

static bool
segment_is_there(struct reclaimfix *f, uint32_t number)
{
	struct seg *s;

	if (segs_get(f->e.ls->segs, number, &s) != 0)
		return (false);
	seg_put(s);
	return (true);
}

static void
test_moves(void)
{
	struct lun_gc g;
	struct place p;
	struct reclaimfix f;

	setup(&f);
	age(&f);
	lk_lock(&f.e.ls->lk);
	p = place_of(&f, 0);
	lk_unlock(&f.e.ls->lk);
	CU_ASSERT_EQUAL(lunset_gc(f.e.ls, true), 0);
	lunset_gc_state(f.e.ls, &g);
	CU_ASSERT(g.moved_bytes >= 200 * BLK);
	CU_ASSERT(g.freed_bytes >= 4u << 20);
	CU_ASSERT_EQUAL(g.logical_bytes, N_BLK * BLK);
	CU_ASSERT_EQUAL(g.unique_bytes, N_BLK * BLK);
	CU_ASSERT_EQUAL(g.snapshot_bytes, 0);
	/* the place is the same, and its segment is gone */
	CU_ASSERT_FALSE(segment_is_there(&f, loc_segment(p.loc)));
	CU_ASSERT_EQUAL(wrong(&f), 0);
	/* again: what was moved is dense, and stays where it is */
	CU_ASSERT_EQUAL(lunset_gc(f.e.ls, true), 0);
	CU_ASSERT_EQUAL(wrong(&f), 0);
	lun_dev_close(f.d);
	engine_abandon(&f.e);
	CU_ASSERT_EQUAL_FATAL(engine_open(&f.e), 0);
	attach(&f);
	CU_ASSERT_EQUAL(wrong(&f), 0);
	teardown(&f);
}

/* A damaged block is not copied: its segment stays, and it is an error. */
static void
test_damaged(void)
{
	struct place p;
	struct reclaimfix f;

	setup(&f);
	age(&f);
	lk_lock(&f.e.ls->lk);
	p = place_of(&f, 8);
	lk_unlock(&f.e.ls->lk);
	smash(&f, p.loc);
	CU_ASSERT_EQUAL(lunset_gc(f.e.ls, true), 0);
	CU_ASSERT_TRUE(segment_is_there(&f, loc_segment(p.loc)));
	CU_ASSERT_EQUAL(is(&f, 8, 1), -EILSEQ);
	CU_ASSERT_EQUAL(wrong(&f), 1);
	/* once it is written again, nothing keeps the segment */
	put(&f, 8, 1);
	CU_ASSERT_EQUAL(lunset_gc(f.e.ls, true), 0);
	CU_ASSERT_FALSE(segment_is_there(&f, loc_segment(p.loc)));
	CU_ASSERT_EQUAL(wrong(&f), 0);
	teardown(&f);
}

/* A header that cannot be read hides live blocks: the segment stays. */
static void
test_hidden(void)
{
	uint8_t bad[8] = { 0xde, 0xad };
	struct iovec iov = { bad, sizeof(bad) };
	struct place p;
	struct seg *s;
	struct reclaimfix f;

	setup(&f);
	age(&f);
	lk_lock(&f.e.ls->lk);
	p = place_of(&f, 8);
	lk_unlock(&f.e.ls->lk);
	CU_ASSERT_EQUAL_FATAL(segs_get(f.e.ls->segs, loc_segment(p.loc), &s),
	    0);
	/* the header of its record is the sector before it */
	CU_ASSERT_EQUAL(seg_write(s, &iov, 1, ((uint64_t)
	    loc_off_sectors(p.loc) - 1) * SECTOR_BYTES), 0);
	seg_put(s);
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(lunset_gc(f.e.ls, true), 0);
		CU_ASSERT_TRUE(segment_is_there(&f, loc_segment(p.loc)));
		CU_ASSERT_EQUAL(wrong(&f), 0);
	}
	teardown(&f);
}

/* A snapshot keeps what it has, and nothing more when it is deleted. */
static void
test_snapshot(void)
{
	struct snap_info s;
	struct lun_gc g;
	struct reclaimfix f;

	setup(&f);
	for (uint64_t b = 0; b < N_BLK; b++)
		put(&f, b, 1);
	CU_ASSERT_EQUAL(lunset_snapshot(f.e.ls, "one", "s", &s), 0);
	age(&f);
	CU_ASSERT_EQUAL(lunset_gc(f.e.ls, true), 0);
	lunset_gc_state(f.e.ls, &g);
	/* turn 1 was written a second time: other places, the same bytes */
	CU_ASSERT_EQUAL(g.snapshot_bytes, N_BLK * BLK);
	CU_ASSERT_EQUAL(g.unique_bytes, N_BLK * BLK);
	lun_dev_close(f.d);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(f.e.ls, f.info.number, s.seq, &f.d),
	    0);
	for (uint64_t b = 0; b < N_BLK; b++)
		CU_ASSERT_EQUAL(is(&f, b, 1), 0);
	lun_dev_close(f.d);
	attach(&f);
	CU_ASSERT_EQUAL(wrong(&f), 0);
	CU_ASSERT_EQUAL(lunset_snap_delete(f.e.ls, "one", "s"), 0);
	CU_ASSERT_EQUAL(lunset_gc(f.e.ls, true), 0);
	lunset_gc_state(f.e.ls, &g);
	CU_ASSERT_EQUAL(g.snapshot_bytes, 0);
	CU_ASSERT_EQUAL(wrong(&f), 0);
	teardown(&f);
}

/*
 * A share of the memory that is enough for one segment: each is looked at by
 * itself, and what comes of it is the same.
 */
static void
lives(struct reclaimfix *f, uint64_t share, struct lun_gc *g)
{
	struct snap_info s;

	setup(f);
	lun_dev_close(f->d);
	CU_ASSERT_EQUAL(engine_close(&f->e), 0);
	f->e.conf.reclaim_bytes = share;
	CU_ASSERT_EQUAL_FATAL(engine_open(&f->e), 0);
	attach(f);
	age(f);
	CU_ASSERT_EQUAL(lunset_snapshot(f->e.ls, "one", "s", &s), 0);
	age(f);
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(lunset_gc(f->e.ls, true), 0);
		CU_ASSERT_EQUAL(wrong(f), 0);
	}
	lunset_gc_state(f->e.ls, g);
	CU_ASSERT_EQUAL(g->snapshot_bytes, N_BLK * BLK);
	CU_ASSERT_EQUAL(lunset_snap_delete(f->e.ls, "one", "s"), 0);
	age(f);
	/* What was moved before is moved again, or freed. */
	for (unsigned i = 0; i < 2; i++)
		CU_ASSERT_EQUAL(lunset_gc(f->e.ls, true), 0);
	lunset_gc_state(f->e.ls, g);
	CU_ASSERT_EQUAL(wrong(f), 0);
	reopen(f);
	CU_ASSERT_EQUAL(wrong(f), 0);
}

static void
test_windows(void)
{
	struct reclaimfix f, t;
	struct lun_gc all, tiny;
	uint64_t a, b;

	lives(&f, 0, &all);
	lives(&t, 1, &tiny);
	CU_ASSERT_EQUAL(all.windows, all.runs);
	CU_ASSERT(tiny.windows > 10 * tiny.runs);
	CU_ASSERT_EQUAL(tiny.logical_bytes, all.logical_bytes);
	CU_ASSERT_EQUAL(tiny.unique_bytes, all.unique_bytes);
	CU_ASSERT_EQUAL(tiny.snapshot_bytes, 0);
	CU_ASSERT(tiny.freed_bytes >= all.freed_bytes / 10 * 9);
	a = segs_used_bytes(f.e.ls->segs);
	b = segs_used_bytes(t.e.ls->segs);
	CU_ASSERT(b <= a + (4u << 20));
	teardown(&f);
	teardown(&t);
}

static const struct unit_test tests[] = {
	{ "little memory", test_windows },
	{ "the live rest is moved", test_moves },
	{ "a damaged block stays", test_damaged },
	{ "a hidden block stays", test_hidden },
	{ "a snapshot", test_snapshot },
};

UNIT_MAIN("reclaim", tests)
