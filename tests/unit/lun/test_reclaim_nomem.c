/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Space reclaim without memory: the n-th allocation of a run fails, be it on
 * its own thread or on the keeper's, for as many n as there is time for
 * (TT_LONG: for each).  What the run comes to is its own affair; all that was
 * written is there, then and after a restart, and the next run finishes the
 * job.  The sanitizer's build tells what is not freed.
 */
#include "tests/fault/inject.h"
#include "tests/unit/lun/reclaimfix.h"

#define POINTS		12u
#define REOPEN_EACH	4u

/* The result of a run of which a call fails; this thread's do not. */
static int
run_with(struct reclaimfix *f, unsigned at, bool sticky, unsigned *calls)
{
	int rc;

	inject_spare_me(true);
	inject_arm(INJECT_MEMORY, at, ENOMEM, sticky);
	rc = lunset_gc(f->e.ls, true);
	*calls = inject_disarm();
	inject_spare_me(false);
	return (rc);
}

static void
finishes(struct reclaimfix *f)
{
	struct lun_gc g;

	CU_ASSERT_EQUAL(lunset_gc(f->e.ls, true), 0);
	lunset_gc_state(f->e.ls, &g);
	CU_ASSERT_EQUAL(g.unique_bytes, N_BLK * BLK);
	CU_ASSERT(segs_used_bytes(f->e.ls->segs) < N_BLK * BLK * 4);
	CU_ASSERT_EQUAL(wrong(f), 0);
}

static void
some_calls(bool sticky, uint64_t share)
{
	unsigned calls, last, step, early = 0, n = 0;
	struct reclaimfix f;

	setup(&f);
	lun_dev_close(f.d);
	CU_ASSERT_EQUAL(engine_close(&f.e), 0);
	f.e.conf.reclaim_bytes = share;
	CU_ASSERT_EQUAL_FATAL(engine_open(&f.e), 0);
	attach(&f);
	/* Later runs have MOVED segments among their victims. */
	for (unsigned i = 0; i < 2; i++) {
		age(&f);
		CU_ASSERT_EQUAL(run_with(&f, UINT32_MAX, false, &calls), 0);
	}
	CU_ASSERT(calls > 50);
	step = getenv("TT_LONG") != NULL ? 1 : TT_MAX(1u, calls / POINTS);
	for (unsigned at = 1; at <= calls; at += step, n++) {
		age(&f);
		early += run_with(&f, at, sticky, &last) != 0;
		CU_ASSERT_EQUAL_FATAL(wrong(&f), 0);
		if (n % REOPEN_EACH == 0) {
			reopen(&f);
			CU_ASSERT_EQUAL_FATAL(wrong(&f), 0);
		}
		finishes(&f);
	}
	CU_ASSERT(early > 0);
	teardown(&f);
}

static void
test_one(void)
{

	some_calls(false, 0);
}

static void
test_all_from(void)
{

	some_calls(true, 0);
}

static void
test_windows(void)
{

	some_calls(false, 1);
}

static const struct unit_test tests[] = {
	{ "an allocation fails", test_one },
	{ "from one on all fail", test_all_from },
	{ "an allocation fails, window by window", test_windows },
};

UNIT_MAIN("reclaim without memory", tests)
