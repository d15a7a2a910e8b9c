/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets of locators: what is in it, what its sums say, and many at once.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "meta/locset.h"
#include "meta/node.h"
#include "tests/lib/unit.h"
#include "tests/unit/lun/steps.h"

#define SEG		(64u << 20)
#define SEG_SECTORS	(SEG / SECTOR_BYTES)

static struct locset *
make(void)
{
	struct locset *s;

	CU_ASSERT_EQUAL_FATAL(locset_new(SEG, &s), 0);
	return (s);
}

static locator
node_at(uint32_t segment, uint32_t off)
{

	return (loc_make(segment, off, NODE_SECTORS, LOC_F_NODE));
}

static void
test_add(void)
{
	struct locset *s = make();
	locator a = loc_make(7, 16, 8, 0), b = loc_make(7, 24, 128, 0);

	CU_ASSERT_FALSE(locset_has(s, a));
	CU_ASSERT_EQUAL(locset_add(s, a), 1);
	CU_ASSERT_EQUAL(locset_add(s, a), 0);
	CU_ASSERT_TRUE(locset_has(s, a));
	CU_ASSERT_FALSE(locset_has(s, b));
	CU_ASSERT_EQUAL(locset_add(s, b), 1);
	CU_ASSERT_EQUAL(locset_segment_bytes(s, 7), 136 * 512);
	CU_ASSERT_EQUAL(locset_segment_bytes(s, 8), 0);
	/* Far apart in the tree of segments. */
	CU_ASSERT_EQUAL(locset_add(s, loc_make(UINT32_MAX, 16, 8, 0)), 1);
	CU_ASSERT_EQUAL(locset_add(s, loc_make(7 | 1u << 20, 16, 8, 0)), 1);
	CU_ASSERT_EQUAL(locset_add(s, loc_make(7 | 1u << 10, 16, 8, 0)), 1);
	CU_ASSERT_EQUAL(locset_segment_bytes(s, 7), 136 * 512);
	CU_ASSERT_EQUAL(locset_bytes(s), (136 + 3 * 8) * 512);
	locset_free(s);
	locset_free(NULL);
}

/* Nodes in a row and blocks in a row are told apart, wherever they begin. */
static void
test_neighbours(void)
{
	struct locset *s = make();
	unsigned wrong = 0;

	for (uint32_t first = 8; first < 16; first++) {
		uint32_t seg = first * 2;

		for (uint32_t i = 0; i < 1000; i++)
			wrong += locset_add(s, node_at(seg, first + 3 * i)) != 1;
		for (uint32_t i = 0; i < 1000; i++)
			wrong += locset_add(s, loc_make(seg + 1, first + 8 * i,
			    8, 0)) != 1;
		CU_ASSERT_EQUAL(locset_segment_bytes(s, seg), 1000 * 1536);
		CU_ASSERT_EQUAL(locset_segment_bytes(s, seg + 1),
		    1000 * 4096);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	locset_free(s);
}

/* Bytes of a damaged node are asked about, too. */
static void
test_no_place(void)
{
	struct locset *s = make();
	const locator bad[] = {
		0, LOC_LOST,
		loc_make(0, 16, 8, 0),			/* no segment */
		loc_make(3, 7, 8, 0),			/* in the header */
		loc_make(3, SEG_SECTORS - 7, 8, 0),	/* over the end */
		node_at(3, SEG_SECTORS - 2),
		loc_make(3, 0x3ffff, 8, 0),
		loc_make(3, 16, 7, 0),			/* too short */
		loc_make(3, 16, 8, LOC_F_NODE),
		loc_make(3, 16, 8, 4),			/* unknown flags */
		loc_make(3, 16, 3, LOC_F_NODE | 2)
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_EQUAL(locset_add(s, bad[i]), -EILSEQ);
		CU_ASSERT_FALSE(locset_has(s, bad[i]));
		CU_ASSERT_FALSE(locset_fits(s, bad[i]));
	}
	CU_ASSERT_TRUE(locset_fits(s, loc_make(3, 16, 8, 0)));
	CU_ASSERT_EQUAL(locset_bytes(s), 0);
	/* The last places there are. */
	CU_ASSERT_EQUAL(locset_add(s, loc_make(3, SEG_SECTORS - 8, 8, 0)), 1);
	CU_ASSERT_EQUAL(locset_add(s, node_at(4, SEG_SECTORS - 3)), 1);
	CU_ASSERT_FALSE(locset_has(s, loc_make(3, 16, 8, 4)));
	locset_free(s);
}

static void
test_memory(void)
{
	struct locset *s = make();
	uint64_t was = locset_memory_bytes(s);

	CU_ASSERT_TRUE(was <= 64 << 10);
	CU_ASSERT_EQUAL(locset_add(s, loc_make(1, 16, 8, 0)), 1);
	was = locset_memory_bytes(s);
	/* A bit for each 4 KiB. */
	for (uint32_t i = 2; i <= 1000; i++)
		CU_ASSERT_EQUAL(locset_add(s, loc_make(i, 16, 8, 0)), 1);
	CU_ASSERT_TRUE(locset_memory_bytes(s) - was <= 999 * 2300);
	was = locset_memory_bytes(s);
	for (uint32_t off = 24; off < 8000; off += 8)
		CU_ASSERT_EQUAL(locset_add(s, loc_make(5, off, 8, 0)), 1);
	CU_ASSERT_EQUAL(locset_memory_bytes(s), was);
	locset_free(s);
}

/* Only some segments: of the others nothing is noted, nor is memory taken. */
static void
test_wanted(void)
{
	struct locset *s = make();
	uint64_t was;

	locset_want_from(s, 5000);
	CU_ASSERT_EQUAL(locset_want(s, 7), 0);
	CU_ASSERT_EQUAL(locset_want(s, 9), 0);
	was = locset_memory_bytes(s);
	CU_ASSERT_TRUE(locset_wants(s, 7));
	CU_ASSERT_FALSE(locset_wants(s, 8));
	CU_ASSERT_FALSE(locset_wants(s, 4999));
	CU_ASSERT_TRUE(locset_wants(s, 5000));
	CU_ASSERT_EQUAL(locset_add(s, loc_make(8, 16, 8, 0)), 0);
	CU_ASSERT_EQUAL(locset_add(s, loc_make(4999, 16, 8, 0)), 0);
	CU_ASSERT_EQUAL(locset_add(s, loc_make(8, 3, 8, 0)), -EILSEQ);
	CU_ASSERT_FALSE(locset_has(s, loc_make(8, 16, 8, 0)));
	CU_ASSERT_EQUAL(locset_memory_bytes(s), was);
	was += locset_need_bytes(s, 7, false) + locset_need_bytes(s, 9, true);
	CU_ASSERT_EQUAL(locset_add(s, loc_make(7, 16, 8, 0)), 1);
	CU_ASSERT_EQUAL(locset_add(s, node_at(9, 16)), 1);
	CU_ASSERT_EQUAL(locset_memory_bytes(s), was);
	was += locset_need_bytes(s, 5000, false);
	CU_ASSERT_EQUAL(locset_add(s, loc_make(5000, 16, 8, 0)), 1);
	CU_ASSERT_EQUAL(locset_memory_bytes(s), was);
	CU_ASSERT_TRUE(locset_has(s, loc_make(5000, 16, 8, 0)));
	CU_ASSERT_EQUAL(locset_bytes(s), 2 * 4096 + 1536);
	locset_free(s);
}

/* What does not fit is new each time; what is in it stays. */
static void
test_limit(void)
{
	struct locset *s = make();
	uint64_t limit = locset_memory_bytes(s) + (100 << 10);
	unsigned noted = 0;

	locset_limit(s, limit);
	for (uint32_t i = 1; i <= 1000; i++) {
		CU_ASSERT_EQUAL(locset_add(s, node_at(i, 16)), 1);
		noted += locset_has(s, node_at(i, 16));
		CU_ASSERT_EQUAL(locset_add(s, node_at(i, 16)),
		    !locset_has(s, node_at(i, 16)));
	}
	CU_ASSERT(noted >= 10 && noted <= 20);
	CU_ASSERT(locset_memory_bytes(s) <= limit);
	/* More in the same segments costs nothing. */
	CU_ASSERT_EQUAL(locset_add(s, node_at(1, 19)), 1);
	CU_ASSERT_EQUAL(locset_add(s, node_at(1, 19)), 0);
	locset_free(s);
}

/* Against a plain table. */
static void
test_random(void)
{
	enum { SEGS = 5, SLOTS = 3000 };
	static bool in[SEGS][2][SLOTS];
	struct locset *s = make();
	struct rnd r = { 99 };
	uint64_t bytes[SEGS] = { 0 };
	unsigned wrong = 0;

	for (unsigned i = 0; i < steps(100000); i++) {
		unsigned g = (unsigned)rnd_below(&r, SEGS);
		unsigned node = (unsigned)rnd_below(&r, 2);
		uint32_t k = (uint32_t)rnd_below(&r, SLOTS);
		locator loc = node ? node_at(g + 1, 8 + 3 * k) :
		    loc_make(g + 1, 8 + 8 * k, 8, 0);

		if (rnd_below(&r, 2) == 0) {
			wrong += locset_has(s, loc) != in[g][node][k];
			continue;
		}
		wrong += locset_add(s, loc) != !in[g][node][k];
		bytes[g] += in[g][node][k] ? 0 : node ? 1536 : 4096;
		in[g][node][k] = true;
	}
	CU_ASSERT_EQUAL(wrong, 0);
	for (unsigned g = 0; g < SEGS; g++)
		CU_ASSERT_EQUAL(locset_segment_bytes(s, g + 1), bytes[g]);
	locset_free(s);
}

static _Atomic unsigned added;

static void *
adder(void *arg)
{

	for (uint32_t i = 0; i < steps(60000); i++)
		atomic_fetch_add(&added, (unsigned)locset_add(arg,
		    loc_make(1 + i % 40, 16 + 8 * (i / 40), 8, 0)));
	return (NULL);
}

/* Each is new for exactly one. */
static void
test_threads(void)
{
	struct locset *s = make();
	pthread_t t[4];

	for (unsigned i = 0; i < 4; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, adder, s),
		    0);
	for (unsigned i = 0; i < 4; i++)
		(void)pthread_join(t[i], NULL);
	CU_ASSERT_EQUAL(added, steps(60000));
	CU_ASSERT_EQUAL(locset_bytes(s), (uint64_t)added * 4096);
	locset_free(s);
}

static const struct unit_test tests[] = {
	{ "add and has", test_add },
	{ "neighbours", test_neighbours },
	{ "no place", test_no_place },
	{ "memory", test_memory },
	{ "wanted segments", test_wanted },
	{ "a limit", test_limit },
	{ "at random", test_random },
	{ "threads", test_threads },
};

UNIT_MAIN("locset", tests)
