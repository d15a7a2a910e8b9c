/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/spec.h"

#include <errno.h>
#include <string.h>

#include "tests/lib/unit.h"

static void
test_good(void)
{
	struct spec s;

	CU_ASSERT_EQUAL(spec_parse("demo", &s), 0);
	CU_ASSERT_STRING_EQUAL(s.lun, "demo");
	CU_ASSERT_STRING_EQUAL(s.snapshot, "");
	CU_ASSERT_EQUAL(spec_parse("demo@monday", &s), 0);
	CU_ASSERT_STRING_EQUAL(s.lun, "demo");
	CU_ASSERT_STRING_EQUAL(s.snapshot, "monday");
	/* What is allowed in a name is the daemon's affair. */
	CU_ASSERT_EQUAL(spec_parse("D mo:1@20261121-134501.123456", &s), 0);
	CU_ASSERT_STRING_EQUAL(s.lun, "D mo:1");
	CU_ASSERT_STRING_EQUAL(s.snapshot, "20261121-134501.123456");
}

static void
test_bad(void)
{
	static const char *const bad[] = { "", "@", "demo@", "@monday",
	    "a@b@c", "a@@b", "a@b@" };
	struct spec s, before;

	memset(&s, 7, sizeof(s));
	before = s;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(spec_parse(bad[i], &s), -EINVAL);
	CU_ASSERT_EQUAL(memcmp(&s, &before, sizeof(s)), 0);
}

static void
test_long(void)
{
	char text[2 * SPEC_PART_MAX + 8];
	struct spec s;

	memset(text, 'a', sizeof(text));
	text[SPEC_PART_MAX] = '\0';
	CU_ASSERT_EQUAL(spec_parse(text, &s), 0);
	CU_ASSERT_EQUAL(strlen(s.lun), SPEC_PART_MAX);
	text[SPEC_PART_MAX] = '@';
	text[2 * SPEC_PART_MAX + 1] = '\0';
	CU_ASSERT_EQUAL(spec_parse(text, &s), 0);
	CU_ASSERT_EQUAL(strlen(s.snapshot), SPEC_PART_MAX);
	text[2 * SPEC_PART_MAX + 1] = 'a';
	text[2 * SPEC_PART_MAX + 2] = '\0';
	CU_ASSERT_EQUAL(spec_parse(text, &s), -ENAMETOOLONG);
	text[SPEC_PART_MAX] = 'a';
	CU_ASSERT_EQUAL(spec_parse(text, &s), -ENAMETOOLONG);
}

static const struct unit_test tests[] = {
	{ "good", test_good },
	{ "bad", test_bad },
	{ "long", test_long },
};

UNIT_MAIN("cli/spec", tests)
