/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names that a LUN or a snapshot may have.
 */
#include <string.h>

#include "lun/lun.h"
#include "tests/lib/unit.h"

#define X61 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const char *const good[] = {
	"a", "0", "a-", "a.", "db1", "www.example.org", "9-lives", "a..b",
	"a--b", "lasting", "last.1", "nowhere", "snap", "agony", X61 "ab"
};

static const char *const bad[] = {
	"", "-a", ".a", "A", "aB", "a b", "a_b", "a/b", "a:b", "a@b", "a\n",
	"..", "\xc3\xa4", "a\xc3\xa4", "a\x7f", "a\x01", X61 "abc"
};

/* Words of the grammar of moments: no snapshot may be called so. */
static const char *const words[] = {
	"last", "now", "today", "yesterday", "ago", "head", "last-", "last-0",
	"last-1", "last-3", "last-12345678901234567890"
};

/* What only begins like one. */
static const char *const no_words[] = {
	"last-a", "last-1a", "last-1-2", "lastly", "today1", "now-1",
	"20261121-134501.123456", "heads"
};

static void
test_lun_names(void)
{

	CU_ASSERT_EQUAL(strlen(X61 "ab"), LUN_NAME_MAX);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CU_ASSERT_TRUE(lun_name_ok(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_FALSE(lun_name_ok(bad[i]));
	/* A LUN may have these. */
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		CU_ASSERT_TRUE(lun_name_ok(words[i]));
}

static void
test_snap_names(void)
{

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CU_ASSERT_TRUE(lun_snap_name_ok(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_FALSE(lun_snap_name_ok(bad[i]));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		CU_ASSERT_FALSE(lun_snap_name_ok(words[i]));
	for (size_t i = 0; i < sizeof(no_words) / sizeof(no_words[0]); i++)
		CU_ASSERT_TRUE(lun_snap_name_ok(no_words[i]));
}

/* Every byte, in the first place and behind it. */
static void
test_every_byte(void)
{

	for (int c = 1; c < 256; c++) {
		char first[3] = { (char)c, 'x', '\0' };
		char later[3] = { 'x', (char)c, '\0' };
		bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		CU_ASSERT_EQUAL(lun_name_ok(first), alnum);
		CU_ASSERT_EQUAL(lun_name_ok(later), alnum || c == '.' ||
		    c == '-');
	}
}

static const struct unit_test tests[] = {
	{ "LUNs", test_lun_names },
	{ "snapshots", test_snap_names },
	{ "every byte", test_every_byte },
};

UNIT_MAIN("names", tests)
