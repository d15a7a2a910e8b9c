/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/gc_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta/base/clock.h"
#include "tests/unit/meta/storefix.h"

static void
open_it(struct storefix *x)
{

	CU_ASSERT_EQUAL_FATAL(storefix_open(x), 0);
	CU_ASSERT_EQUAL_FATAL(store_start(x->st), 0);
}

static void
setup(struct storefix *x)
{

	storefix_setup(x);
	CU_ASSERT_EQUAL_FATAL(store_start(x->st), 0);
}

/* ---- rows and headers ------------------------------------------------- */

static void
row_put(struct storefix *x, uint32_t number, enum seg_kind kind, bool freed)
{
	struct cat_txn *t;

	CU_ASSERT_EQUAL_FATAL(catalog_begin(x->st->cat, &t), 0);
	CU_ASSERT_EQUAL(gc_row_put(t, number, kind, freed, 0x0102), 0);
	CU_ASSERT_EQUAL_FATAL(catalog_commit(t), 0);
}

/* FORMAT.md, rows of CAT_SEGMENT. */
static void
test_row(void)
{
	static const uint8_t key[4] = { 0, 0, 0x12, 0x34 };
	static const uint8_t want[16] = { 1, 3, 1, 0, 0, 0, 0, 0,
	    0, 0, 0, 0, 0, 0, 1, 2 };
	static const struct { uint8_t at, to; } bad[] = { { 0, 2 }, { 1, 0 },
	    { 1, 4 }, { 2, 2 }, { 3, 1 }, { 7, 1 } };
	uint8_t val[16];
	size_t vlen = sizeof(val);
	enum seg_kind kind;
	struct storefix x;
	bool freed;

	setup(&x);
	row_put(&x, 0x1234, SEG_MOVED, true);
	CU_ASSERT_EQUAL(catalog_get(x.st->cat, CAT_SEGMENT, key, 4, val,
	    &vlen), 0);
	CU_ASSERT_EQUAL(vlen, sizeof(want));
	CU_ASSERT_EQUAL(memcmp(val, want, sizeof(want)), 0);
	CU_ASSERT_EQUAL(gc_row_get(x.st->cat, 0x1234, &kind, &freed), 0);
	CU_ASSERT_EQUAL(kind, SEG_MOVED);
	CU_ASSERT_TRUE(freed);
	row_put(&x, 0x1234, SEG_LOG, false);
	CU_ASSERT_EQUAL(gc_row_get(x.st->cat, 0x1234, &kind, &freed), 0);
	CU_ASSERT_EQUAL(kind, SEG_LOG);
	CU_ASSERT_FALSE(freed);
	CU_ASSERT_EQUAL(gc_row_get(x.st->cat, 0x1235, &kind, &freed), -ENOENT);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct cat_txn *t;

		memcpy(val, want, sizeof(val));
		val[bad[i].at] = bad[i].to;
		CU_ASSERT_EQUAL_FATAL(catalog_begin(x.st->cat, &t), 0);
		CU_ASSERT_EQUAL(catalog_put(t, CAT_SEGMENT, key, 4, val, 16),
		    0);
		CU_ASSERT_EQUAL_FATAL(catalog_commit(t), 0);
		CU_ASSERT_EQUAL(gc_row_get(x.st->cat, 0x1234, &kind, &freed),
		    -EUCLEAN);
	}
	row_put(&x, 0x1234, SEG_LOG, true);
	storefix_teardown(&x);
}

/* ---- the opening ------------------------------------------------------ */

static void
make_file(struct storefix *x, uint32_t number, enum seg_kind kind,
    uint32_t twin, bool header)
{
	uint8_t buf[SEG_HEADER_BYTES] = { 0 };
	struct seg_header h = { .kind = kind, .number = number, .bytes =
	    x->st->super.segment_bytes, .epoch = 1, .twin = twin };
	struct seg *s;

	memcpy(h.store_uuid, x->st->super.uuid, 16);
	if (header)
		seg_header_enc(&h, buf);
	CU_ASSERT_EQUAL_FATAL(segs_create(x->st->segs, number, &s), 0);
	CU_ASSERT_EQUAL(segfix_put(s, buf, sizeof(buf), 0), 0);
	CU_ASSERT_EQUAL(seg_sync(s), 0);
	seg_put(s);
}

static bool
is_there(struct storefix *x, uint32_t number)
{
	struct seg *s;

	if (segs_get(x->st->segs, number, &s) != 0)
		return (false);
	seg_put(s);
	return (true);
}

/*
 * Freed ones go, and so do copies that no commit knows; what has a row and is
 * in use stays, and a log segment without a row gets one.
 */
static void
test_opening(void)
{
	enum seg_kind kind;
	struct storefix x;
	bool freed;

	setup(&x);
	CU_ASSERT_EQUAL(storefix_write(&x, 0, 0, 1), 0);
	CU_ASSERT_EQUAL(store_checkpoint(x.st), 0);
	CU_ASSERT_EQUAL(storefix_write(&x, 0, 1, 2), 0);
	/* behind everything that recovery looks at, but for their numbers */
	make_file(&x, 900, SEG_MOVED, 0, true);
	make_file(&x, 901, SEG_MOVED, 0, true);
	make_file(&x, 902, SEG_MOVED, 903, true);
	make_file(&x, 903, SEG_MOVED, 902, true);
	make_file(&x, 904, SEG_MOVED, 0, false);
	CU_ASSERT_EQUAL(store_close(x.st, true), 0);
	open_it(&x);
	for (uint32_t i = 900; i < 905; i++)
		CU_ASSERT_FALSE(is_there(&x, i));
	make_file(&x, 910, SEG_MOVED, 0, true);
	make_file(&x, 911, SEG_MOVED, 0, true);
	row_put(&x, 910, SEG_MOVED, false);
	row_put(&x, 911, SEG_MOVED, true);
	row_put(&x, 890, SEG_LOG, true);	/* its file went already */
	CU_ASSERT_EQUAL(store_close(x.st, false), 0);
	open_it(&x);
	CU_ASSERT_TRUE(is_there(&x, 910));
	CU_ASSERT_FALSE(is_there(&x, 911));
	CU_ASSERT_EQUAL(storefix_write(&x, 0, 2, 3), 0);
	CU_ASSERT_EQUAL(store_checkpoint(x.st), 0);
	CU_ASSERT_EQUAL(gc_row_get(x.st->cat, 910, &kind, &freed), 0);
	CU_ASSERT_EQUAL(gc_row_get(x.st->cat, 911, &kind, &freed), -ENOENT);
	CU_ASSERT_EQUAL(gc_row_get(x.st->cat, 890, &kind, &freed), -ENOENT);
	CU_ASSERT_TRUE(storefix_right(&x));
	storefix_teardown(&x);
}

/*
 * Freed, and its file can neither be removed nor opened (here because it is a
 * folder): only its row says that it is dead, so the row stays.
 */
static void
test_stubborn(void)
{
	struct gc_seg gone = { .number = 920 }, stays = { .number = 921 };
	struct gc_run run = { .log_limit = 1000 };
	char name[64];
	struct storefix x;
	enum seg_kind kind;
	bool freed = false;

	setup(&x);
	run.st = x.st;
	run.gc = x.st->gc;
	make_file(&x, gone.number, SEG_LOG, 0, true);
	row_put(&x, gone.number, SEG_LOG, true);
	row_put(&x, stays.number, SEG_LOG, true);
	(void)snprintf(name, sizeof(name), "seg/%02x/%08x", stays.number & 0xff,
	    stays.number);
	CU_ASSERT_EQUAL_FATAL(mkdir(tmpdir_path(&x.t, name), 0700), 0);
	CU_ASSERT_EQUAL(gc_push(&run.freed, sizeof(gone), &gone), 0);
	CU_ASSERT_EQUAL(gc_push(&run.freed, sizeof(stays), &stays), 0);
	CU_ASSERT_EQUAL(gc_remove_freed(&run), 0);
	CU_ASSERT_EQUAL(storefix_write(&x, 0, 0, 1), 0);
	CU_ASSERT_EQUAL(store_checkpoint(x.st), 0);
	CU_ASSERT_EQUAL(gc_row_get(x.st->cat, gone.number, &kind, &freed),
	    -ENOENT);
	CU_ASSERT_EQUAL(gc_row_get(x.st->cat, stays.number, &kind, &freed), 0);
	CU_ASSERT_TRUE(freed);
	CU_ASSERT_EQUAL(rmdir(tmpdir_path(&x.t, name)), 0);
	free(run.freed.v);
	storefix_teardown(&x);
}

/* ---- runs ------------------------------------------------------------- */

static int
count_file(void *arg, uint32_t number)
{

	(void)number;
	++*(unsigned *)arg;
	return (0);
}

static unsigned
files(struct storefix *x)
{
	unsigned n = 0;

	CU_ASSERT_EQUAL(segs_list(x->st->segs, count_file, &n), 0);
	return (n);
}

/*
 * Each opening begins a segment of the log and a pair for nodes; all but the
 * last of them are dead then.
 */
static void
test_run(void)
{
	struct gc_state g;
	struct storefix x;
	unsigned before;

	setup(&x);
	for (unsigned i = 0; i < 6; i++) {
		CU_ASSERT_EQUAL(storefix_write(&x, i % LUNS, i, 100 + i), 0);
		CU_ASSERT_EQUAL(store_close(x.st, true), 0);
		open_it(&x);
	}
	before = files(&x);
	CU_ASSERT_EQUAL(store_gc(x.st, true), 0);
	store_gc_state(x.st, &g);
	CU_ASSERT_EQUAL(g.phase, GC_IDLE);
	CU_ASSERT_EQUAL(g.last_rc, 0);
	CU_ASSERT_EQUAL(g.runs, 1);
	CU_ASSERT_EQUAL(g.asked, g.ended);
	CU_ASSERT(g.freed_bytes > 0 && g.node_bytes > 0);
	CU_ASSERT(files(&x) < before);
	CU_ASSERT_TRUE(storefix_right(&x));
	CU_ASSERT_EQUAL(store_close(x.st, false), 0);
	open_it(&x);
	CU_ASSERT_TRUE(storefix_right(&x));
	storefix_teardown(&x);
}

static void
smash(struct storefix *x, struct place p, unsigned copy)
{
	static const uint8_t ff[16] = { 0xff, 0xff, 0xff, 0xff };
	struct seg *s;
	uint64_t off;

	CU_ASSERT_EQUAL_FATAL(moved_get(x->st->moved, p.loc, copy, &s, &off),
	    0);
	CU_ASSERT_EQUAL(segfix_put(s, ff, sizeof(ff), off), 0);
	seg_put(s);
}

/* A map that cannot be read may refer to anything: nothing is freed. */
static void
test_unreadable(void)
{
	struct storefix x;
	unsigned before;

	setup(&x);
	for (unsigned i = 0; i < 4; i++) {
		CU_ASSERT_EQUAL(storefix_write(&x, i % LUNS, i, 100 + i), 0);
		CU_ASSERT_EQUAL(store_close(x.st, true), 0);
		open_it(&x);
	}
	smash(&x, x.root[1], 0);
	smash(&x, x.root[1], 1);
	before = files(&x);
	CU_ASSERT_EQUAL(store_gc(x.st, true), -EILSEQ);
	CU_ASSERT(files(&x) >= before);
	/* one copy is enough */
	CU_ASSERT_EQUAL(storefix_write(&x, 1, 60, 1), 0);
	storefix_teardown(&x);
}

static void
test_one_copy(void)
{
	struct storefix x;
	unsigned before;

	setup(&x);
	for (unsigned i = 0; i < 4; i++) {
		CU_ASSERT_EQUAL(storefix_write(&x, i % LUNS, i, 100 + i), 0);
		CU_ASSERT_EQUAL(store_close(x.st, true), 0);
		open_it(&x);
	}
	smash(&x, x.root[0], 0);
	smash(&x, x.root[1], 1);
	before = files(&x);
	CU_ASSERT_EQUAL(store_gc(x.st, true), 0);
	CU_ASSERT(files(&x) < before);
	CU_ASSERT_TRUE(storefix_right(&x));
	storefix_teardown(&x);
}

/* What a fold shares while a run marks is live; later only what is live is. */
static void
test_may_share(void)
{
	locator dead = loc_make(3, 16, 8, 0), live = loc_make(3, 32, 8, 0);
	locator young = loc_make(50, 16, 8, 0);
	struct gc_run run = { .log_limit = 40, .number_limit = 60,
	    .end = UINT32_MAX };
	struct gc_seg doomed = { .number = 3 };
	struct storefix x;

	setup(&x);
	CU_ASSERT_TRUE(store_may_share(x.st, dead));
	run.st = x.st;
	CU_ASSERT_EQUAL_FATAL(locset_new(SEG_BYTES, &run.live), 0);
	CU_ASSERT_EQUAL_FATAL(locset_new(SEG_BYTES, &run.seen), 0);
	x.st->gc->run = &run;
	CU_ASSERT_TRUE(store_may_share(x.st, live));
	CU_ASSERT_TRUE(locset_has(run.live, live));
	atomic_store(&run.frozen, true);
	CU_ASSERT_TRUE(store_may_share(x.st, live));
	CU_ASSERT_FALSE(store_may_share(x.st, dead));
	CU_ASSERT_FALSE(locset_has(run.live, dead));
	CU_ASSERT_TRUE(store_may_share(x.st, young));
	/* What a run does not look at, it does not free. */
	run.first = 4;
	CU_ASSERT_TRUE(store_may_share(x.st, dead));
	run.first = 0;
	run.end = 3;
	CU_ASSERT_TRUE(store_may_share(x.st, dead));
	run.end = 4;
	CU_ASSERT_FALSE(store_may_share(x.st, dead));
	CU_ASSERT_TRUE(store_may_share(x.st, live));
	x.st->gc->run = NULL;
	CU_ASSERT_TRUE(store_may_share(x.st, dead));
	CU_ASSERT_EQUAL_FATAL(gc_push(&x.st->gc->doomed, sizeof(doomed),
	    &doomed), 0);
	CU_ASSERT_FALSE(store_may_share(x.st, dead));
	CU_ASSERT_TRUE(store_may_share(x.st, young));
	locset_free(run.live);
	locset_free(run.seen);
	storefix_teardown(&x);
}

/* Closing while a run is on its way ends it at once and loses nothing. */
static void
test_close_in_run(void)
{
	struct storefix x;

	setup(&x);
	for (unsigned i = 0; i < 12; i++) {
		CU_ASSERT_EQUAL(storefix_write(&x, i % LUNS, i, 100 + i), 0);
		CU_ASSERT_EQUAL(store_gc(x.st, false), 0);
		(void)usleep(i * 700);
		CU_ASSERT_EQUAL(store_close(x.st, i % 2 == 0), 0);
		open_it(&x);
		CU_ASSERT_TRUE(storefix_right(&x));
	}
	storefix_teardown(&x);
}

/* By itself, some time after a root was deleted. */
static void
test_by_itself(void)
{
	struct gc_state g = { .runs = 0 };
	struct storefix x;

	setup(&x);
	CU_ASSERT_EQUAL(storefix_write(&x, 0, 0, 100), 0);
	gc_deleted(x.st);
	(void)usleep(1200000);
	store_gc_state(x.st, &g);
	CU_ASSERT_EQUAL(g.runs, 0);	/* others may be deleted soon */
	atomic_store(&x.st->gc->deleted_ms, clock_mono_ms() - 10001);
	for (unsigned i = 0; i < 100 && g.runs == 0; i++) {
		(void)usleep(100000);
		store_gc_state(x.st, &g);
	}
	CU_ASSERT_EQUAL(g.runs, 1);
	CU_ASSERT_EQUAL(g.last_rc, 0);
	CU_ASSERT_EQUAL(atomic_load(&x.st->gc->deleted_ms), 0);
	CU_ASSERT_TRUE(storefix_right(&x));
	storefix_teardown(&x);
}

/* ---- windows ---------------------------------------------------------- */

#define MIB	(UINT64_C(1) << 20)
#define BIG	(64u << 20)		/* as if segments were of that size */
#define FILES	1500u

/* Something in each that is wanted, as much memory as it can take. */
static unsigned
fill_window(struct gc_run *run)
{
	unsigned n = 0;

	for (uint32_t i = 1; i < FILES * 3; i++) {
		bool node = i % 3 != 0;
		locator loc = node ? loc_make(i, 8, NODE_SECTORS, LOC_F_NODE) :
		    loc_make(i, 8, 8, 0);

		bool wanted = locset_wants(run->live, i);

		CU_ASSERT(i > FILES || wanted == gc_in_window(run, i));
		n += wanted && i <= FILES;
		CU_ASSERT(locset_add(run->seen, loc) >= 0);
		/* Of a pair the first is named; later ones are no files. */
		if (i % 3 == 2 || i > FILES)
			continue;
		CU_ASSERT_EQUAL(gc_mark_loc(run, loc), wanted);
	}
	return (n);
}

/*
 * Of a store that is too large for its share: whatever is live in a window fits
 * into it, and each segment is in one.
 */
static void
share_holds(struct storefix *x, uint64_t share)
{
	unsigned windows = 0, n = 0;
	uint32_t first = 0;
	bool more;

	x->st->conf.reclaim_bytes = share;
	do {
		struct gc_run run = { .st = x->st, .gc = x->st->gc };

		CU_ASSERT_EQUAL_FATAL(locset_new(BIG, &run.live), 0);
		CU_ASSERT_EQUAL_FATAL(locset_new(BIG, &run.seen), 0);
		CU_ASSERT_EQUAL_FATAL(gc_window(&run, first), 0);
		CU_ASSERT(run.end > first);
		n += fill_window(&run);
		/* Beside it: lists, buffers, a batch. */
		CU_ASSERT(locset_memory_bytes(run.live) <= share - 5 * MIB ||
		    locset_memory_bytes(run.live) <= share / 4);
		CU_ASSERT(gc_memory_bytes(&run) <= share);
		first = run.end;
		more = !run.last;
		windows++;
		locset_free(run.live);
		locset_free(run.seen);
	} while (more && windows < 100);
	CU_ASSERT(windows > 1 && windows < 100);
	CU_ASSERT_EQUAL(n, FILES);
}

static void
test_share(void)
{
	struct storefix x;

	storefix_setup(&x);
	CU_ASSERT_EQUAL(store_start(x.st), 0);
	gc_stop(x.st);
	atomic_store(&x.st->gc->stop, false);
	for (uint32_t i = 1; i <= FILES; i++)
		if (!is_there(&x, i))
			make_file(&x, i, i % 3 == 0 ? SEG_LOG : SEG_NODES,
			    i % 3 == 0 ? 0 : i % 3 == 1 ? i + 1 : i - 1, true);
	atomic_store(&x.st->next_segment, FILES + 1);
	share_holds(&x, 6 * MIB);
	share_holds(&x, 7 * MIB);
	storefix_teardown(&x);
}

static const struct unit_test tests[] = {
	{ "memory within its share", test_share },
	{ "by itself", test_by_itself },
	{ "golden bytes of a segment's row", test_row },
	{ "the opening", test_opening },
	{ "a file that cannot be removed or opened", test_stubborn },
	{ "a run", test_run },
	{ "an unreadable map frees nothing", test_unreadable },
	{ "one copy of a map is enough", test_one_copy },
	{ "what may be shared", test_may_share },
	{ "closing in the middle", test_close_in_run },
};

UNIT_MAIN("gc", tests)
