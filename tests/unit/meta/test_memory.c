/* SPDX-License-Identifier: BSD-2-Clause */
/* The shares of a budget: what the documents say, and no more than there is. */
#include "meta/memory.h"
#include "tests/lib/unit.h"

#define MIB (UINT64_C(1) << 20)

static void
test_shares(void)
{
	struct memory_shares s;

	memory_divide(512 * MIB, &s);
	CU_ASSERT_EQUAL(s.buffers, 240 * MIB);
	CU_ASSERT_EQUAL(s.node_cache, 96 * MIB);
	CU_ASSERT_EQUAL(s.overlays, 64 * MIB);
	CU_ASSERT_EQUAL(s.folding, 32 * MIB);
	CU_ASSERT_EQUAL(s.dedup, 32 * MIB);
	CU_ASSERT_EQUAL(s.reclaim, 32 * MIB);
	CU_ASSERT_EQUAL(s.verify, 16 * MIB);
}

static void
test_sum(void)
{
	struct memory_shares s;
	uint64_t sum;

	for (uint64_t n = 64 * MIB; n <= (UINT64_C(16) << 40); n *= 2) {
		memory_divide(n, &s);
		sum = s.buffers + s.node_cache + s.overlays + s.folding +
		    s.dedup + s.reclaim + s.verify;
		/* The smallest budgets give more to buffers than there is. */
		CU_ASSERT(sum <= (n < 137 * MIB ? n + 34 * MIB : n));
		CU_ASSERT(s.buffers >= MEMORY_BUFFERS_MIN);
	}
}

static const struct unit_test tests[] = {
	{ "shares", test_shares },
	{ "they add up", test_sum },
};
UNIT_MAIN("meta/memory", tests)
