/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_misc.c - lists, text of times and UUIDs, safe text, message limits.
 */
#include <errno.h>
#include <string.h>

#include "meta/base/clock.h"
#include "meta/base/list.h"
#include "meta/base/msg.h"
#include "meta/base/rnd.h"
#include "tests/lib/unit.h"

struct item {
	int v;
	struct list link;
};

static int
digits(const struct list *h)
{
	int n = 0;

	LIST_FOREACH(it, h)
		n = n * 10 + LIST_ENTRY(it, struct item, link)->v;
	return (n);
}

static void
test_list(void)
{
	struct item i[5] = { { .v = 1 }, { .v = 2 }, { .v = 3 }, { .v = 4 },
	    { .v = 5 } };
	struct list a, b;

	list_init(&a);
	list_init(&b);
	CU_ASSERT_TRUE(list_empty(&a));
	CU_ASSERT_PTR_NULL(LIST_FIRST(&a, struct item, link));
	for (int k = 0; k < 3; k++)
		list_add_tail(&a, &i[k].link);
	list_add_head(&a, &i[3].link);
	CU_ASSERT_EQUAL(digits(&a), 4123);
	list_del(&i[0].link);
	list_del(&i[0].link);	/* harmless */
	CU_ASSERT_EQUAL(digits(&a), 423);
	list_add_tail(&b, &i[4].link);
	list_splice_tail(&b, &a);
	CU_ASSERT_TRUE(list_empty(&a));
	CU_ASSERT_EQUAL(digits(&b), 5423);
	list_splice_tail(&b, &a);
	CU_ASSERT_EQUAL(digits(&b), 5423);
	LIST_FOREACH_SAFE(it, nx, &b)
		list_del(it);
	CU_ASSERT_TRUE(list_empty(&b));
}

static void
test_texts(void)
{
	static const uint8_t u[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
	    12, 13, 14, 255 };
	char t[CLOCK_RFC3339_LEN], text[UUID_TEXT_LEN], s[32];
	uint8_t id[16];

	CU_ASSERT_STRING_EQUAL(clock_rfc3339(t, UINT64_C(951782399123456789)),
	    "2000-02-28T23:59:59.123456789Z");
	CU_ASSERT_STRING_EQUAL(clock_rfc3339(t, 0),
	    "1970-01-01T00:00:00.000000000Z");
	CU_ASSERT_STRING_EQUAL(uuid_format(text, u),
	    "00010203-0405-0607-0809-0a0b0c0d0eff");
	for (int k = 0; k < 100; k++) {
		rnd_uuid(id);
		CU_ASSERT_EQUAL(id[6] >> 4, 4);
		CU_ASSERT_EQUAL(id[8] >> 6, 2);
	}
	CU_ASSERT_STRING_EQUAL(msg_safe(s, sizeof(s), "a\n\x1b\\\xff", 5),
	    "a\\x0a\\x1b\\x5c\\xff");
	CU_ASSERT_STRING_EQUAL(msg_safe(s, 4, "abcdef", 6), "abc");
	CU_ASSERT_STRING_EQUAL(msg_safe(s, 5, "ab\n", 3), "ab");
	CU_ASSERT_STRING_EQUAL(msg_safe(s, 1, "ab", 2), "");
	CU_ASSERT_STRING_EQUAL(msg_why(-EILSEQ), "content does not match");
	CU_ASSERT_STRING_EQUAL(msg_why(-EUCLEAN), "damaged");
	CU_ASSERT_STRING_EQUAL(msg_why(-EACCES), strerror(EACCES));
}

static void
test_limit(void)
{
	struct msg_limit l = { 0 };
	int n = 0;

	for (int k = 0; k < 1000; k++)
		n += msg_allowed(&l, 7);
	/* Ten seconds may end in between. */
	CU_ASSERT_TRUE(n == 7 || n == 14);
}

static const struct unit_test tests[] = {
	{ "list", test_list },
	{ "texts", test_texts },
	{ "limit of messages", test_limit },
};

UNIT_MAIN("base", tests)
