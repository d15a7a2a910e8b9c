/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Space reclaim on a disk that refuses: the n-th call that changes it fails,
 * for every seventh n of a run (TT_LONG: for each).  Whatever comes of the run,
 * nothing is lost.
 */
#include "tests/fault/inject.h"
#include "tests/unit/lun/reclaimfix.h"

/* Writes a run's calls: those of the checkpoints in it as well. */
static unsigned
calls_of_a_run(struct reclaimfix *f)
{
	unsigned n;

	age(f);
	inject_arm(INJECT_CHANGE, UINT32_MAX, EIO, false);
	CU_ASSERT_EQUAL(lunset_gc(f->e.ls, true), 0);
	n = inject_disarm();
	return (n);
}

static void
some_calls(int err, bool sticky)
{
	unsigned step = getenv("TT_LONG") == NULL ? 7 : 1;
	struct reclaimfix f;
	struct lun_gc g;
	unsigned calls, early = 0;

	setup(&f);
	calls = calls_of_a_run(&f);
	CU_ASSERT(calls > 20);
	for (unsigned at = 1; at <= calls; at += step) {
		age(&f);
		inject_arm(INJECT_CHANGE, at, err, sticky);
		early += lunset_gc(f.e.ls, true) != 0;
		(void)inject_disarm();
		CU_ASSERT_EQUAL_FATAL(wrong(&f), 0);
		reopen(&f);
		CU_ASSERT_EQUAL_FATAL(wrong(&f), 0);
	}
	/* Some calls matter, and some do not. */
	CU_ASSERT(early > 0);
	/* In the end nothing is in the way. */
	CU_ASSERT_EQUAL(lunset_gc(f.e.ls, true), 0);
	lunset_gc_state(f.e.ls, &g);
	CU_ASSERT_EQUAL(g.unique_bytes, N_BLK * BLK);
	CU_ASSERT(segs_used_bytes(f.e.ls->segs) < N_BLK * BLK * 4);
	CU_ASSERT_EQUAL(wrong(&f), 0);
	teardown(&f);
}

static void
test_eio(void)
{

	some_calls(EIO, false);
}

static void
test_full(void)
{

	some_calls(ENOSPC, false);
}

static void
test_full_for_good(void)
{

	some_calls(ENOSPC, true);
}

static const struct unit_test tests[] = {
	{ "a call fails: EIO", test_eio },
	{ "a call fails: ENOSPC", test_full },
	{ "from a call on: ENOSPC", test_full_for_good },
};

UNIT_MAIN("reclaim faults", tests)
