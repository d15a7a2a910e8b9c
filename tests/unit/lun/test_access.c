/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may enter a LUN: rows byte by byte, changes, what a restart keeps. */
#include <errno.h>

#include "lun/rows.h"
#include "tests/lib/unit.h"
#include "tests/unit/lun/engine.h"

#define ANNA "iqn.2026-01.com.example:anna"
#define BERT "iqn.2026-01.com.example:bert"

/* meta/FORMAT.md, rows of CAT_ACCESS. */
static void
test_rows(void)
{
	static const uint8_t key3[] = { 0, 0, 0, 0, 0, 0, 0, 7, 3,
	    'e', 'u', 'i', '.', '0', '2' };
	static const uint8_t val3[] = { 0, 8, 0, 0, 0, 8,
	    1, 2, 3, 4, 5, 6, 7, 8 };
	static const uint8_t key1[] = { 0, 0, 0, 0, 0, 0, 0, 7, 1, 'u' };
	static const uint8_t val1[] = { 0, 10, 0, 0, 0, 2, 0xab, 0xcd };
	struct lun_user u = { .user = "u", .secret = { 0xab, 0xcd },
	    .secret_len = 2 };
	char name[LUN_INITIATOR_CAP], longest[LUN_INITIATOR_CAP + 1];
	uint8_t bad[sizeof(val3)];
	uint64_t lun = 0;
	struct row row;

	CU_ASSERT_EQUAL(row_initiator_enc(7, "eui.02", 0x0102030405060708,
	    &row), 0);
	CU_ASSERT_EQUAL(row.tab, CAT_ACCESS);
	CU_ASSERT(row.klen == sizeof(key3) &&
	    memcmp(row.key, key3, sizeof(key3)) == 0);
	CU_ASSERT(row.vlen == sizeof(val3) &&
	    memcmp(row.val, val3, sizeof(val3)) == 0);
	CU_ASSERT_EQUAL(row_initiator_dec(key3, sizeof(key3), val3,
	    sizeof(val3), &lun, name), 0);
	CU_ASSERT_EQUAL(lun, 7);
	CU_ASSERT_STRING_EQUAL(name, "eui.02");
	CU_ASSERT_EQUAL(row_user_enc(7, &u, &row), 0);
	CU_ASSERT(row.klen == sizeof(key1) &&
	    memcmp(row.key, key1, sizeof(key1)) == 0);
	CU_ASSERT(row.vlen == sizeof(val1) &&
	    memcmp(row.val, val1, sizeof(val1)) == 0);

	/* Neither is taken for the other; no kind is skipped. */
	CU_ASSERT_EQUAL(row_user_dec(key3, sizeof(key3), val3, sizeof(val3),
	    &lun, &u), -EILSEQ);
	CU_ASSERT_EQUAL(row_initiator_dec(key1, sizeof(key1), val1,
	    sizeof(val1), &lun, name), -EILSEQ);
	for (size_t n = 0; n < 14; n++)
		CU_ASSERT_EQUAL(row_initiator_dec(key3, n < 13 ? n : 13, val3,
		    sizeof(val3), &lun, name), -EILSEQ);
	CU_ASSERT_EQUAL(row_initiator_dec(key3, sizeof(key3), val3,
	    sizeof(val3) - 1, &lun, name), -EILSEQ);
	/* Unknown attributes: refused, or skipped with bit 15. */
	memcpy(bad, val3, sizeof(bad));
	bad[1] = 99;
	CU_ASSERT_EQUAL(row_initiator_dec(key3, sizeof(key3), bad,
	    sizeof(bad), &lun, name), -EILSEQ);
	bad[0] = 0x80;
	CU_ASSERT_EQUAL(row_initiator_dec(key3, sizeof(key3), bad,
	    sizeof(bad), &lun, name), 0);

	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "iqn.", 4);
	longest[LUN_INITIATOR_CAP] = '\0';
	CU_ASSERT_EQUAL(row_initiator_enc(1, longest, 0, &row), -EINVAL);
	longest[LUN_INITIATOR_MAX] = '\0';
	CU_ASSERT_EQUAL(row_initiator_enc(1, longest, 0, &row), 0);
	CU_ASSERT_EQUAL(row_initiator_dec(row.key, row.klen, row.val, row.vlen,
	    &lun, name), 0);
	CU_ASSERT_STRING_EQUAL(name, longest);
}

static void
test_names(void)
{
	static const char *const good[] = { ANNA, "eui.02004567a425678d",
	    "naa.52004567ba64678d", "iqn.2001-04.com.example:\xc3\xa4" };
	static const char *const bad[] = { "", "iqn", "iqn.", "demo",
	    "iqn.2026-01.com.example:Anna", "iqn.2026-01.com.example:a b",
	    "iqn.2026-01.com.example:a_b", "iqn.2026-01.com.example:a\n" };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CU_ASSERT(lun_initiator_ok(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_FALSE(lun_initiator_ok(bad[i]));
}

static void
create(struct engine *e, const char *name, struct lun_info *out)
{
	struct lun_params p = { .name = name, .size_bytes = 1u << 20,
	    .block_bytes = 4096, .sector_bytes = 512 };

	CU_ASSERT_EQUAL_FATAL(lunset_create(e->ls, &p, out), 0);
}

static void
user(struct lun_user *u, const char *name, bool mutual)
{

	*u = (struct lun_user){ .mutual = mutual, .secret = "sealed",
	    .secret_len = 6 };
	(void)snprintf(u->user, sizeof(u->user), "%s", name);
}

/* Names of the users, in their order: "a b !m". */
static const char *
users(struct engine *e, uint64_t lun)
{
	static char text[256];
	struct lun_user *all;
	size_t n, len = 0;

	text[0] = '\0';
	CU_ASSERT_EQUAL_FATAL(lunset_users(e->ls, lun, &all, &n), 0);
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "%s%s%s", i == 0 ? "" : " ", all[i].mutual ? "!" : "",
		    all[i].user);
	free(all);
	return (text);
}

static void
test_users(void)
{
	struct engine e;
	struct lun_info a, b;
	struct lun_user u;

	CU_ASSERT_EQUAL_FATAL(engine_make(&e), 0);
	create(&e, "a", &a);
	create(&e, "b", &b);
	user(&u, "one", false);
	CU_ASSERT_EQUAL(lunset_user_add(e.ls, "a", &u), 0);
	CU_ASSERT_EQUAL(lunset_user_add(e.ls, "a", &u), -EEXIST);
	CU_ASSERT_EQUAL(lunset_user_add(e.ls, "none", &u), -ENOENT);
	user(&u, "one", true);		/* the other direction is another */
	CU_ASSERT_EQUAL(lunset_user_add(e.ls, "a", &u), 0);
	user(&u, "two", false);
	CU_ASSERT_EQUAL(lunset_user_add(e.ls, "a", &u), 0);
	user(&u, "", false);
	CU_ASSERT_EQUAL(lunset_user_add(e.ls, "a", &u), -EINVAL);
	CU_ASSERT_STRING_EQUAL(users(&e, a.number), "one two !one");
	CU_ASSERT_STRING_EQUAL(users(&e, b.number), "");
	CU_ASSERT_EQUAL(lunset_user_remove(e.ls, "a", "one", false), 0);
	CU_ASSERT_EQUAL(lunset_user_remove(e.ls, "a", "one", false), -ENOENT);
	CU_ASSERT_EQUAL(lunset_user_remove(e.ls, "b", "two", false), -ENOENT);
	CU_ASSERT_EQUAL(lunset_user_remove(e.ls, "c", "two", false), -ENOENT);
	CU_ASSERT_STRING_EQUAL(users(&e, a.number), "two !one");

	engine_abandon(&e);		/* from the log */
	CU_ASSERT_EQUAL_FATAL(engine_open(&e), 0);
	CU_ASSERT_STRING_EQUAL(users(&e, a.number), "two !one");
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	CU_ASSERT_EQUAL_FATAL(engine_open(&e), 0);	/* the catalogue */
	CU_ASSERT_STRING_EQUAL(users(&e, a.number), "two !one");
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	engine_remove(&e);
}

static size_t
listed(struct engine *e, uint64_t lun, const char *first)
{
	char (*all)[LUN_INITIATOR_CAP];
	size_t n;

	CU_ASSERT_EQUAL_FATAL(lunset_initiators(e->ls, lun, &all, &n), 0);
	if (first != NULL)
		CU_ASSERT_STRING_EQUAL(all[0], first);
	free(all);
	return (n);
}

static void
test_initiators(void)
{
	static const char *const both[] = { BERT, ANNA }, *const half[] = {
	    ANNA, "Anna" };
	struct engine e;
	struct lun_info a, b;

	CU_ASSERT_EQUAL_FATAL(engine_make(&e), 0);
	create(&e, "a", &a);
	create(&e, "b", &b);
	CU_ASSERT_EQUAL(lunset_may_enter(e.ls, a.number, ANNA), 0);
	CU_ASSERT_EQUAL(lunset_may_enter(e.ls, 99, ANNA), -ENOENT);
	/* One bad name: none is taken. */
	CU_ASSERT_EQUAL(lunset_allow(e.ls, "a", half, 2), -EINVAL);
	CU_ASSERT_EQUAL(listed(&e, a.number, NULL), 0);
	CU_ASSERT_EQUAL(lunset_allow(e.ls, "none", both, 2), -ENOENT);
	CU_ASSERT_EQUAL(lunset_deny(e.ls, "a", both, 2), 0);
	CU_ASSERT_EQUAL(lunset_allow(e.ls, "a", both, 2), 0);
	CU_ASSERT_EQUAL(lunset_allow(e.ls, "a", both, 1), 0);
	CU_ASSERT_EQUAL(listed(&e, a.number, ANNA), 2);
	CU_ASSERT_EQUAL(lunset_may_enter(e.ls, a.number, BERT), 0);
	CU_ASSERT_EQUAL(lunset_may_enter(e.ls, a.number, BERT "x"), -EACCES);
	CU_ASSERT_EQUAL(lunset_may_enter(e.ls, b.number, BERT "x"), 0);
	CU_ASSERT_EQUAL(lunset_deny(e.ls, "a", both + 1, 1), 0);
	CU_ASSERT_EQUAL(lunset_may_enter(e.ls, a.number, ANNA), -EACCES);

	engine_abandon(&e);
	CU_ASSERT_EQUAL_FATAL(engine_open(&e), 0);
	CU_ASSERT_EQUAL(listed(&e, a.number, BERT), 1);
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	CU_ASSERT_EQUAL_FATAL(engine_open(&e), 0);
	CU_ASSERT_EQUAL(listed(&e, a.number, BERT), 1);
	CU_ASSERT_EQUAL(lunset_may_enter(e.ls, a.number, ANNA), -EACCES);
	CU_ASSERT_EQUAL(lunset_deny(e.ls, "a", both, 1), 0);
	CU_ASSERT_EQUAL(lunset_may_enter(e.ls, a.number, ANNA), 0);
	CU_ASSERT_EQUAL(lunset_allow(e.ls, "a", both, 2), 0);
	CU_ASSERT_EQUAL(lunset_delete(e.ls, "a", false), 0);
	CU_ASSERT_EQUAL(lunset_may_enter(e.ls, a.number, ANNA), -ENOENT);
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	/* Rows of a LUN that is gone are gone. */
	CU_ASSERT_EQUAL_FATAL(engine_open(&e), 0);
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	engine_remove(&e);
}

static const struct unit_test tests[] = {
	{ "rows", test_rows },
	{ "initiator names", test_names },
	{ "users", test_users },
	{ "initiators", test_initiators },
};
UNIT_MAIN("lun/access", tests)
