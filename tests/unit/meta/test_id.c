/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "meta/rec.h"
#include "tests/lib/unit.h"

/* Published: XXH3-128 of nothing. */
static void
test_known(void)
{
	struct id i = id_of("", 0);

	CU_ASSERT_EQUAL(i.hi, UINT64_C(0x99aa06d3014798d8));
	CU_ASSERT_EQUAL(i.lo, UINT64_C(0x6001c324468d497f));
}

/* Whatever code the processor makes us use, the ids are those of the rest. */
static void
test_same_as_the_plain_library(void)
{
	static const size_t lens[] = { 1, 16, 240, 241, 512, 1024, 1536, 4096,
	    8192, 16384, 32768, 65536 };
	uint8_t *buf = malloc(65536);

	srand(2);
	for (size_t i = 0; i < 65536; i++)
		buf[i] = (uint8_t)rand();
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		XXH128_hash_t h = XXH3_128bits(buf, lens[i]);
		struct id id = id_of(buf, lens[i]);

		CU_ASSERT_EQUAL(id.hi, h.high64);
		CU_ASSERT_EQUAL(id.lo, h.low64);
	}
	free(buf);
}

/* Few bits: collisions, and never the id that says hole. */
static void
test_bits(void)
{
	uint8_t buf[64] = { 0 };
	unsigned ones = 0, holes = 0, wide = 0;

	id_set_test_bits(1);
	for (unsigned i = 0; i < 200; i++) {
		struct id id;

		buf[0] = (uint8_t)i;
		id = id_of(buf, sizeof(buf));
		holes += id_is_hole(&id);
		ones += id.hi == 0 && id.lo == 1;
	}
	CU_ASSERT_EQUAL(holes, 0);
	CU_ASSERT_EQUAL(ones, 200);

	for (unsigned bits = 2; bits <= 128; bits++) {
		struct id id;

		id_set_test_bits(bits);
		id = id_of(buf, sizeof(buf));
		if (bits <= 64)
			wide += id.hi != 0;
		if (bits < 64)
			wide += id.lo >> bits != 0;
		if (bits > 64 && bits < 128)
			wide += id.hi >> (bits - 64) != 0;
	}
	CU_ASSERT_EQUAL(wide, 0);
	id_set_test_bits(0);
	CU_ASSERT_EQUAL(id_of(buf, 64).hi, XXH3_128bits(buf, 64).high64);
}

static void
test_equal_and_hole(void)
{
	struct id a = { 1, 2 }, b = { 1, 3 }, c = { 2, 2 }, z = { 0, 0 };

	CU_ASSERT_TRUE(id_equal(&a, &a));
	CU_ASSERT_FALSE(id_equal(&a, &b));
	CU_ASSERT_FALSE(id_equal(&a, &c));
	CU_ASSERT_TRUE(id_is_hole(&z));
	CU_ASSERT_FALSE(id_is_hole(&(struct id){ 1, 0 }));
	CU_ASSERT_FALSE(id_is_hole(&(struct id){ 0, 1 }));
}

static void
test_locators(void)
{
	locator l = loc_make(0x12345678, 0x3ffff, 128, 0x7f);

	CU_ASSERT_EQUAL(l, UINT64_C(0x12345678ffffffff));
	l = loc_make(1, 8, 3, LOC_F_NODE);
	CU_ASSERT_EQUAL(l, UINT64_C(0x0000000100020101));
	CU_ASSERT_EQUAL(loc_segment(l), 1);
	CU_ASSERT_EQUAL(loc_off_sectors(l), 8);
	CU_ASSERT_EQUAL(loc_sectors(l), 3);
	CU_ASSERT_EQUAL(loc_flags(l), LOC_F_NODE);
	srand(3);
	for (unsigned i = 0; i < 100000; i++) {
		uint32_t seg = (uint32_t)rand() * 3u, off = (uint32_t)rand() &
		    0x3ffff, n = ((uint32_t)rand() & 127) + 1;
		unsigned flags = (unsigned)rand() & 127;

		l = loc_make(seg, off, n, flags);
		if (loc_segment(l) != seg || loc_off_sectors(l) != off ||
		    loc_sectors(l) != n || loc_flags(l) != flags)
			CU_FAIL("locator");
	}
}

static const struct unit_test tests[] = {
	{ "known", test_known },
	{ "same as the plain library", test_same_as_the_plain_library },
	{ "test bits", test_bits },
	{ "equal and hole", test_equal_and_hole },
	{ "locators", test_locators },
};

UNIT_MAIN("id", tests)
