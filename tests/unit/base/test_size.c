/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/base/size.h"

#include <errno.h>
#include <string.h>

#include "tests/lib/unit.h"

static void
test_parse(void)
{
	static const struct {
		const char *text;
		uint64_t want;
	} good[] = {
		{ "0", 0 }, { "512", 512 }, { "4K", 4096 }, { "4k", 4096 },
		{ "64KiB", 65536 }, { "10G", UINT64_C(10) << 30 },
		{ "1T", UINT64_C(1) << 40 }, { "7PB", UINT64_C(7) << 50 },
		{ "3M", 3 << 20 }, { "9223372036854775807", INT64_MAX },
	};
	static const char *const bad[] = { "", "K", "-1", "+1", " 1", "1 ",
	    "1.5G", "1X", "1KK", "1Ki", "0x10", "1KiBs", "G1" };
	static const char *const big[] = { "9223372036854775808", "8192P",
	    "99999999999999999999", "18446744073709551616", "16777216T" };
	uint64_t v = 77;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		CU_ASSERT_EQUAL(size_parse(good[i].text, &v), 0);
		CU_ASSERT_EQUAL(v, good[i].want);
	}
	v = 77;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(size_parse(bad[i], &v), -EINVAL);
	for (size_t i = 0; i < sizeof(big) / sizeof(big[0]); i++)
		CU_ASSERT_EQUAL(size_parse(big[i], &v), -ERANGE);
	CU_ASSERT_EQUAL(v, 77);
}

static void
test_format(void)
{
	char s[SIZE_TEXT_LEN];
	uint64_t v, back;

	CU_ASSERT_STRING_EQUAL(size_format(s, 0), "0");
	CU_ASSERT_STRING_EQUAL(size_format(s, 1000), "1000");
	CU_ASSERT_STRING_EQUAL(size_format(s, 1536 << 20), "1536M");
	CU_ASSERT_STRING_EQUAL(size_human(s, 1536 << 20), "1.5G");
	CU_ASSERT_STRING_EQUAL(size_human(s, 512), "512");
	CU_ASSERT_STRING_EQUAL(size_human(s, 20 << 20), "20M");
	for (v = 1; v < UINT64_C(1) << 55; v = v * 3 + 1) {
		CU_ASSERT_EQUAL(size_parse(size_format(s, v), &back), 0);
		CU_ASSERT_EQUAL(back, v);
	}
}

static const struct unit_test tests[] = {
	{ "parse", test_parse },
	{ "format", test_format },
};

UNIT_MAIN("size", tests)
