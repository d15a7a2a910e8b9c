/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/item.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/unit.h"

static void
test_golden(void)
{
	static const uint8_t golden[] = {
		0, 1, 0, 0, 0, 3, 'a', 'b', 'c',
		0x80, 7, 0, 0, 0, 0,
		0, 8, 0, 0, 0, 4, 1, 2, 3, 4
	};
	uint8_t buf[64], *mark;
	struct wr w = wr_init(buf, sizeof(buf));

	item_put(&w, ITEM_ROW_PUT, "abc", 3);
	item_put(&w, ITEM_MAY_IGNORE | 7, NULL, 0);
	mark = item_begin(&w, ITEM_POSITION);
	wr_be32(&w, 0x01020304);
	item_end(&w, mark);
	CU_ASSERT_FALSE(w.bad);
	CU_ASSERT_EQUAL_FATAL((size_t)(w.p - buf), sizeof(golden));
	CU_ASSERT_EQUAL(memcmp(buf, golden, sizeof(golden)), 0);
}

static void
test_empty_list(void)
{
	struct rd r = rd_init("", 0);
	struct item it = { .type = 42 };

	CU_ASSERT_FALSE(item_next(&r, &it));
	CU_ASSERT_FALSE(r.bad);
	CU_ASSERT_EQUAL(it.type, 42);
}

#define N_ROUNDS 2000u
#define N_ITEMS 20u

static void
test_round_trip(void)
{
	uint8_t buf[N_ITEMS * 80], val[64];

	srand(1);
	for (unsigned round = 0; round < N_ROUNDS; round++) {
		struct wr w = wr_init(buf, sizeof(buf));
		unsigned n = (unsigned)rand() % N_ITEMS, bad = 0;
		struct item it = { 0 };
		struct rd r;

		for (unsigned i = 0; i < n; i++) {
			size_t len = (i * 7 + round) % sizeof(val);
			uint8_t *mark;

			memset(val, (int)i, len);
			if (i % 2 == 0) {
				item_put(&w, (uint16_t)(i + 1), val, len);
				continue;
			}
			mark = item_begin(&w, (uint16_t)(i + 1));
			wr_bytes(&w, val, len);
			item_end(&w, mark);
		}
		CU_ASSERT_FALSE_FATAL(w.bad);
		r = rd_init(buf, (size_t)(w.p - buf));
		for (unsigned i = 0; i < n; i++) {
			CU_ASSERT_TRUE_FATAL(item_next(&r, &it));
			bad += it.type != i + 1 ||
			    it.len != (i * 7 + round) % sizeof(val);
			for (uint32_t k = 0; k < it.len; k++)
				bad += it.val[k] != i;
		}
		CU_ASSERT_EQUAL(bad, 0);
		CU_ASSERT_FALSE(item_next(&r, &it));
		CU_ASSERT_FALSE(r.bad);
	}
}

/* Cut at each byte: whole items come out, then a complete or a bad end. */
static void
test_truncated(void)
{
	uint8_t buf[128];
	struct wr w = wr_init(buf, sizeof(buf));
	size_t ends[5] = { 0 }, len;

	for (unsigned i = 0; i < 4; i++) {
		item_put(&w, (uint16_t)(i + 1), "0123456789", i * 3);
		ends[i + 1] = (size_t)(w.p - buf);
	}
	len = ends[4];
	for (size_t cut = 0; cut <= len; cut++) {
		/* Exactly so much memory, so that a look behind is caught. */
		uint8_t *copy = malloc(cut + 1);
		struct item it = { 0 };
		struct rd r;
		unsigned n = 0;

		memcpy(copy, buf, cut);
		r = rd_init(copy, cut);
		while (item_next(&r, &it))
			n++;
		CU_ASSERT_TRUE(n <= 4 && ends[n] <= cut);
		CU_ASSERT_TRUE(n == 4 || ends[n + 1] > cut);
		CU_ASSERT_EQUAL(r.bad, cut != ends[n]);
		/* And it stays so. */
		CU_ASSERT_FALSE(item_next(&r, &it));
		free(copy);
	}
}

static void
test_length_beyond_the_end(void)
{
	static const uint32_t lens[] = { 5, 6, 0x7fffffff, 0x80000000,
	    0xfffffffa, 0xffffffff };
	uint8_t buf[ITEM_HEADER_LEN + 4] = { 0, 1 };

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct item it = { .type = 42 };
		struct rd r = rd_init(buf, sizeof(buf));

		put_be32(buf + 2, lens[i]);
		CU_ASSERT_FALSE(item_next(&r, &it));
		CU_ASSERT_TRUE(r.bad);
		CU_ASSERT_EQUAL(it.type, 42);
	}
	put_be32(buf + 2, 4);
	CU_ASSERT_TRUE(item_next(&(struct rd){ buf, buf + sizeof(buf), false },
	    &(struct item){ 0 }));
}

/* No room: bad, and not a byte behind the end. */
static void
test_no_room(void)
{

	for (size_t room = 0; room < 20; room++) {
		uint8_t *buf = malloc(room + 1), *mark;
		struct wr w = wr_init(buf, room);

		mark = item_begin(&w, 1);
		wr_bytes(&w, "0123456789abc", 13);
		item_end(&w, mark);
		CU_ASSERT_EQUAL(w.bad, room < ITEM_HEADER_LEN + 13);
		w = wr_init(buf, room);
		item_put(&w, 1, "0123456789abc", 13);
		CU_ASSERT_EQUAL(w.bad, room < ITEM_HEADER_LEN + 13);
		free(buf);
	}
}

static const struct unit_test tests[] = {
	{ "golden bytes", test_golden },
	{ "empty list", test_empty_list },
	{ "round trip", test_round_trip },
	{ "truncated", test_truncated },
	{ "length beyond the end", test_length_beyond_the_end },
	{ "no room", test_no_room },
};

UNIT_MAIN("item", tests)
