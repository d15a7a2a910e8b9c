/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_dedup.c - blocks that are written again: what the maps refer to when
 * a checkpoint has found their copies.
 */
#include "tests/unit/lun/dedupfix.h"

/* ---- copies --------------------------------------------------------------- */

static void
test_same_lun(void)
{
	const size_t n = 8 * MIB;
	uint8_t *p = data(n, 1000);
	struct lun_dev *d;
	struct engine e;

	CU_ASSERT_EQUAL_FATAL(engine_make(&e), 0);
	d = make_disk(&e, "a", BLK, false);
	put(&e, d, 0, p, n, 256 * KIB);
	checkpoint(&e);
	CU_ASSERT_EQUAL(state(&e).shared_bytes, 0);
	CU_ASSERT_EQUAL(distinct(&e), n);
	/* Elsewhere, in other pieces. */
	put(&e, d, 20 * MIB + BLK, p, n, 12 * KIB);
	checkpoint(&e);
	IS_ONE(&e, n);
	CU_ASSERT(has(&e, d, 0, p, n));
	CU_ASSERT(has(&e, d, 20 * MIB + BLK, p, n));
	/* The same place again. */
	put(&e, d, 0, p, n, 64 * KIB);
	checkpoint(&e);
	IS_ONE(&e, n);
	CU_ASSERT(has(&e, d, 0, p, n));
	CU_ASSERT_EQUAL(state(&e).collisions, 0);
	CU_ASSERT_EQUAL(state(&e).skipped_bytes, 0);
	lun_dev_close(d);
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	engine_remove(&e);
	free(p);
}

/* The samples come from the catalogue, after a kill and an orderly end. */
static void
test_other_lun_reopened(void)
{
	const size_t n = 6 * MIB;
	uint8_t *p = data(n, 50000);
	struct lun_dev *a, *b;
	struct engine e;

	CU_ASSERT_EQUAL_FATAL(engine_make(&e), 0);
	a = make_disk(&e, "a", BLK, false);
	put(&e, a, 4 * MIB, p, n, 20 * KIB);
	checkpoint(&e);
	lun_dev_close(a);
	engine_abandon(&e);
	CU_ASSERT_EQUAL_FATAL(engine_open(&e), 0);
	b = make_disk(&e, "b", BLK, false);
	put(&e, b, 3 * BLK, p, n, 128 * KIB);
	checkpoint(&e);
	IS_ONE(&e, n);
	CU_ASSERT(has(&e, b, 3 * BLK, p, n));
	lun_dev_close(b);
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	CU_ASSERT_EQUAL_FATAL(engine_open(&e), 0);
	a = open_disk(&e, "a");
	b = open_disk(&e, "b");
	CU_ASSERT(has(&e, a, 4 * MIB, p, n));
	CU_ASSERT(has(&e, b, 3 * BLK, p, n));
	put(&e, a, 32 * MIB, p, n, 64 * KIB);
	checkpoint(&e);
	IS_ONE(&e, n);
	lun_dev_close(a);
	lun_dev_close(b);
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	engine_remove(&e);
	free(p);
}

/* Both copies in one checkpoint, the later one folded first. */
static void
test_one_checkpoint(void)
{
	const size_t n = 6 * MIB;
	uint8_t *p = data(n, 90000);
	struct lun_dev *a, *b;
	struct engine e;

	CU_ASSERT_EQUAL_FATAL(engine_make(&e), 0);
	a = make_disk(&e, "a", BLK, false);
	b = make_disk(&e, "b", BLK, false);
	put(&e, b, 30 * MIB, p, n, 64 * KIB);
	put(&e, b, 5 * BLK, p, n, 256 * KIB);	/* before it in the map */
	put(&e, a, 7 * BLK, p, n, 28 * KIB);	/* folded before b */
	checkpoint(&e);
	IS_ONE(&e, n);
	CU_ASSERT(has(&e, a, 7 * BLK, p, n));
	CU_ASSERT(has(&e, b, 5 * BLK, p, n));
	CU_ASSERT(has(&e, b, 30 * MIB, p, n));
	lun_dev_close(a);
	lun_dev_close(b);
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	engine_remove(&e);
	free(p);
}

/* Both copies lie beyond a snapshot that is in between. */
static void
test_snapshot_between(void)
{
	const size_t n = 3 * MIB;
	uint8_t *p = data(n, 1234), *q = data(n, 4321);
	struct snap_info s;
	struct lun_dev *d, *sd = NULL;
	struct engine e;

	CU_ASSERT_EQUAL_FATAL(engine_make(&e), 0);
	d = make_disk(&e, "a", BLK, false);
	put(&e, d, 0, p, n, 64 * KIB);
	CU_ASSERT_EQUAL(lunset_snapshot(e.ls, "a", "s", &s), 0);
	put(&e, d, 0, q, n, 64 * KIB);
	put(&e, d, 16 * MIB, p, n, 64 * KIB);
	checkpoint(&e);
	IS_ONE(&e, 2 * n);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(e.ls, s.lun, s.seq, &sd), 0);
	CU_ASSERT(has(&e, sd, 0, p, n));
	CU_ASSERT(has(&e, d, 0, q, n));
	CU_ASSERT(has(&e, d, 16 * MIB, p, n));
	lun_dev_close(sd);
	lun_dev_close(d);
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	engine_remove(&e);
	free(p);
	free(q);
}

static void
test_larger_blocks(void)
{
	const size_t n = 4 * MIB;
	uint8_t *p = data(n, 777);
	struct lun_dev *a, *b, *c;
	struct engine e;

	CU_ASSERT_EQUAL_FATAL(engine_make(&e), 0);
	a = make_disk(&e, "a", 16384, false);
	b = make_disk(&e, "b", 16384, false);
	c = make_disk(&e, "c", BLK, false);
	put(&e, a, 0, p, n, 256 * KIB);
	checkpoint(&e);
	put(&e, b, 16384, p, n, 64 * KIB);
	checkpoint(&e);
	/* Runs are rarer than 1 in 16: fewer samples, fewer found. */
	CU_ASSERT(distinct(&e) <= n + n / 4);
	CU_ASSERT(has(&e, b, 16384, p, n));
	/* Another block size shares nothing. */
	put(&e, c, 0, p, n, 256 * KIB);
	checkpoint(&e);
	CU_ASSERT(distinct(&e) >= 2 * n);
	CU_ASSERT(has(&e, c, 0, p, n));
	lun_dev_close(a);
	lun_dev_close(b);
	lun_dev_close(c);
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	engine_remove(&e);
	free(p);
}

static void
test_off(void)
{
	const size_t n = 2 * MIB;
	uint8_t *p = data(n, 31337);
	struct lun_info info;
	struct lun_dev *a, *b;
	struct engine e;

	CU_ASSERT_EQUAL_FATAL(engine_make(&e), 0);
	a = make_disk(&e, "a", BLK, false);
	b = make_disk(&e, "b", BLK, true);
	put(&e, a, 0, p, n, 64 * KIB);
	checkpoint(&e);
	put(&e, b, 0, p, n, 64 * KIB);
	checkpoint(&e);
	CU_ASSERT_EQUAL(distinct(&e), 2 * n);
	CU_ASSERT_EQUAL(state(&e).looked_bytes, n);
	/* On for what comes from now on. */
	CU_ASSERT_EQUAL(lunset_set_dedup(e.ls, "b", true), 0);
	CU_ASSERT_EQUAL(lunset_set_dedup(e.ls, "nobody", true), -ENOENT);
	put(&e, b, 8 * MIB, p, n, 64 * KIB);
	checkpoint(&e);
	IS_ONE(&e, 2 * n);
	CU_ASSERT_EQUAL(lunset_set_dedup(e.ls, "a", false), 0);
	lun_dev_close(a);
	lun_dev_close(b);
	engine_abandon(&e);
	/* It is in the log. */
	CU_ASSERT_EQUAL_FATAL(engine_open(&e), 0);
	CU_ASSERT_EQUAL(lunset_find(e.ls, "a", &info), 0);
	CU_ASSERT_FALSE(info.dedup);
	CU_ASSERT_EQUAL(lunset_find(e.ls, "b", &info), 0);
	CU_ASSERT_TRUE(info.dedup);
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	engine_remove(&e);
	free(p);
}

/* ---- what is not there twice ----------------------------------------------- */

static void
test_unique(void)
{
	const size_t n = 16 * MIB;
	uint8_t *p;
	struct lun_dev *d;
	struct engine e;
	struct dedup_state ds;

	CU_ASSERT_EQUAL_FATAL(engine_make(&e), 0);
	d = make_disk(&e, "a", BLK, false);
	for (unsigned i = 0; i < 3; i++) {
		p = data(n, 1000000 * (i + 1));
		put(&e, d, i * n, p, n, 256 * KIB);
		checkpoint(&e);
		free(p);
	}
	ds = state(&e);
	CU_ASSERT_EQUAL(ds.looked_bytes, 3 * n);
	CU_ASSERT_EQUAL(ds.shared_bytes, 0);
	CU_ASSERT_EQUAL(ds.compared_bytes, 0);
	/* 1 in 16 has been sampled, and of these the filter stops all but... */
	CU_ASSERT(ds.rows > 3 * n / BLK / 16 * 9 / 10);
	CU_ASSERT(ds.rows < 3 * n / BLK / 16 * 11 / 10);
	CU_ASSERT(ds.lookups <= ds.rows / 50);
	CU_ASSERT(ds.memory_bytes <= e.conf.memory_bytes / 8 + MIB);
	lun_dev_close(d);
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	/* The same with a filter that is read from the catalogue. */
	CU_ASSERT_EQUAL_FATAL(engine_open(&e), 0);
	d = open_disk(&e, "a");
	p = data(n, 9000000);
	put(&e, d, 0, p, n, 256 * KIB);
	checkpoint(&e);
	ds = state(&e);
	CU_ASSERT_EQUAL(ds.shared_bytes, 0);
	CU_ASSERT(ds.lookups <= ds.rows / 50);
	lun_dev_close(d);
	free(p);
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	engine_remove(&e);
}

/* One block, over and over: as often as there is one comparison. */
static void
test_flood(void)
{
	const size_t n = 8 * MIB;
	uint8_t *p = malloc(n);
	uint64_t stamp = 0;
	struct lun_dev *d;
	struct engine e;

	/* One that is a sample. */
	for (;; stamp++) {
		struct id id;

		fill(p, BLK, stamp);
		id = id_of(p, BLK);
		if (dedup_is_sample(&id))
			break;
	}
	for (size_t i = BLK; i < n; i += BLK)
		memcpy(p + i, p, BLK);
	CU_ASSERT_EQUAL_FATAL(engine_make(&e), 0);
	d = make_disk(&e, "a", BLK, false);
	put(&e, d, 0, p, n, 256 * KIB);
	checkpoint(&e);
	CU_ASSERT_EQUAL(distinct(&e), BLK);
	put(&e, d, n, p, n, BLK);
	checkpoint(&e);
	CU_ASSERT_EQUAL(distinct(&e), BLK);
	CU_ASSERT(state(&e).lookups <= 2);
	CU_ASSERT_EQUAL(state(&e).rows, 1);
	CU_ASSERT(has(&e, d, 0, p, n));
	CU_ASSERT(has(&e, d, n, p, n));
	lun_dev_close(d);
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	engine_remove(&e);
	free(p);
}

/* ---- checkpoints that fail, blocks that move ---------------------------------- */

static unsigned folds_to_fail;

static int
fold_and_fail(void *arg, uint64_t gen, uint64_t seq, struct checkpoint *cp)
{
	int rc = ckpt_fold(arg, gen, seq, cp);

	if (rc != 0 || folds_to_fail == 0)
		return (rc);
	folds_to_fail--;
	return (-ENOMEM);
}

/* What a fold has shared is shared anew by the next try. */
static void
test_retried(void)
{
	const size_t n = 4 * MIB;
	uint8_t *p = data(n, 4242);
	struct store_ops ops;
	struct lun_dev *d;
	struct engine e;

	CU_ASSERT_EQUAL_FATAL(engine_make(&e), 0);
	ops = *e.ls->store->conf.ops;
	ops.fold = fold_and_fail;
	e.ls->store->conf.ops = &ops;
	d = make_disk(&e, "a", BLK, false);
	put(&e, d, 0, p, n, 256 * KIB);
	checkpoint(&e);
	put(&e, d, 16 * MIB, p, n, 64 * KIB);
	put(&e, d, 8 * MIB, p, n, 64 * KIB);
	folds_to_fail = 2;
	CU_ASSERT_EQUAL(lunset_checkpoint(e.ls), -ENOMEM);
	CU_ASSERT(has(&e, d, 16 * MIB, p, n));
	put(&e, d, 32 * MIB, p, n, 64 * KIB);
	CU_ASSERT_EQUAL(lunset_checkpoint(e.ls), -ENOMEM);
	checkpoint(&e);
	checkpoint(&e);
	IS_ONE(&e, n);
	CU_ASSERT(has(&e, d, 8 * MIB, p, n));
	CU_ASSERT(has(&e, d, 16 * MIB, p, n));
	CU_ASSERT(has(&e, d, 32 * MIB, p, n));
	lun_dev_close(d);
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	engine_remove(&e);
	free(p);
}

/* A run of 64 blocks stays of each 512; reclaim moves it. */
static void
test_moved(void)
{
	const size_t n = 16 * MIB, run = 64 * BLK, live = n / 8;
	uint8_t *p = data(n, 1), *q = data(n, 500000);
	struct gc_state gs;
	uint64_t before;
	struct lun_dev *d;
	struct engine e;

	CU_ASSERT_EQUAL_FATAL(engine_make(&e), 0);
	d = make_disk(&e, "a", BLK, false);
	put(&e, d, 0, p, n, 256 * KIB);
	checkpoint(&e);
	for (size_t i = 0; i < n; i += run)
		if (i / run % 8 != 0)
			put(&e, d, i, q + i, run, 256 * KIB);
	checkpoint(&e);
	CU_ASSERT_EQUAL(store_gc(e.ls->store, true), 0);
	checkpoint(&e);
	checkpoint(&e);
	CU_ASSERT_EQUAL(store_gc(e.ls->store, true), 0);
	store_gc_state(e.ls->store, &gs);
	CU_ASSERT(gs.moved_bytes >= live / 2);
	for (unsigned again = 0; again < 2; again++) {
		before = state(&e).shared_bytes;
		for (size_t i = 0; i < n; i += 8 * run)
			put(&e, d, (20 + 20 * again) * MIB + BLK + i, p + i,
			    run, 16 * KIB);
		checkpoint(&e);
		CU_ASSERT(state(&e).shared_bytes - before >= live * 95 / 100);
		for (size_t i = 0; i < n; i += 8 * run) {
			CU_ASSERT(has(&e, d, i, p + i, run));
			CU_ASSERT(has(&e, d, (20 + 20 * again) * MIB + BLK + i,
			    p + i, run));
		}
		/* The same with nothing in memory. */
		lun_dev_close(d);
		CU_ASSERT_EQUAL(engine_close(&e), 0);
		CU_ASSERT_EQUAL_FATAL(engine_open(&e), 0);
		d = open_disk(&e, "a");
	}
	lun_dev_close(d);
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	engine_remove(&e);
	free(p);
	free(q);
}

static const struct unit_test tests[] = {
	{ "a copy on the same LUN, at another offset", test_same_lun },
	{ "a copy on another LUN, after a new opening",
	    test_other_lun_reopened },
	{ "both copies in one checkpoint", test_one_checkpoint },
	{ "a snapshot between the copies", test_snapshot_between },
	{ "larger blocks", test_larger_blocks },
	{ "off, and on", test_off },
	{ "unique data is not looked up", test_unique },
	{ "one block over and over", test_flood },
	{ "a checkpoint that is tried again", test_retried },
	{ "an older copy that reclaim has moved", test_moved },
};
UNIT_MAIN("dedup", tests)
