/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/base/bytes.h"

#include "tests/lib/unit.h"

static void
test_golden(void)
{
	static const uint8_t want[17] = { 0x12, 0xde, 0xad, 0x01, 0x02, 0x03,
	    0x04, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0xab, 0xcd };
	uint8_t buf[17] = { 0 }, be24[3];
	struct wr w = wr_init(buf, sizeof(buf));
	struct rd r = rd_init(want, sizeof(want));

	wr_u8(&w, 0x12);
	wr_be16(&w, 0xdead);
	wr_be32(&w, 0x01020304);
	wr_be64(&w, UINT64_C(0x8877665544332211));
	wr_bytes(&w, "\xab\xcd", 2);
	CU_ASSERT_FALSE(w.bad);
	CU_ASSERT_EQUAL(memcmp(buf, want, sizeof(buf)), 0);
	CU_ASSERT_EQUAL(rd_u8(&r), 0x12);
	CU_ASSERT_EQUAL(rd_be16(&r), 0xdead);
	CU_ASSERT_EQUAL(rd_be32(&r), 0x01020304);
	CU_ASSERT_EQUAL(rd_be64(&r), UINT64_C(0x8877665544332211));
	CU_ASSERT_EQUAL(rd_left(&r), 2);
	CU_ASSERT_EQUAL(memcmp(rd_bytes(&r, 2), "\xab\xcd", 2), 0);
	CU_ASSERT_FALSE(r.bad);
	put_be24(be24, 0x123456);
	CU_ASSERT_EQUAL(memcmp(be24, "\x12\x34\x56", 3), 0);
	CU_ASSERT_EQUAL(get_be24(be24), 0x123456);
	CU_ASSERT_EQUAL(get_be32((const uint8_t *)"\xff\xff\xff\xff"),
	    UINT32_MAX);
}

/* Past the end: zeroes, bad for good, and nothing is touched. */
static void
test_bounds(void)
{
	uint8_t buf[4] = { 1, 2, 3, 4 };
	struct rd r = rd_init(buf, 3);
	struct wr w = wr_init(buf, 3);

	CU_ASSERT_EQUAL(rd_be32(&r), 0);
	CU_ASSERT_TRUE(r.bad);
	CU_ASSERT_EQUAL(rd_u8(&r), 0);
	CU_ASSERT_PTR_NULL(rd_bytes(&r, 0));
	wr_be32(&w, 0xffffffff);
	CU_ASSERT_TRUE(w.bad);
	wr_u8(&w, 9);
	CU_ASSERT_EQUAL(memcmp(buf, "\1\2\3\4", 4), 0);
	r = rd_init(buf, 4);
	CU_ASSERT_PTR_NULL(rd_bytes(&r, SIZE_MAX));
	CU_ASSERT_TRUE(r.bad);
}

static const struct unit_test tests[] = {
	{ "golden bytes", test_golden },
	{ "past the end", test_bounds },
};

UNIT_MAIN("bytes", tests)
