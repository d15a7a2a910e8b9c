/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/registry.h"

#include <errno.h>

#include "target/registry_int.h"
#include "target/scsi/lu_int.h"
#include "tests/unit/target/real_store.h"

static const struct iscsi_peer here = {
	.initiator = "iqn.2026-01.com.example:host",
	.address = "127.0.0.1:40000",
	.local = "127.0.0.1:3260",
	.loopback = true,
	.tag = 1
};

/* 0 when there is such a target. */
static int
has(const char *iqn)
{
	struct iscsi_target *t;
	const int rc = access_ops.target_find(rs_reg, iqn, &here, &t);

	if (rc == 0)
		access_ops.target_put(rs_reg, t);
	return (rc);
}

static void
test_load(void)
{
	struct lun_info a, b;
	struct snap_info s;
	struct exposure_info x;

	rs_make();
	rs_open();
	CU_ASSERT_EQUAL(registry_load(rs_reg), 0);	/* an empty store */
	rs_create("one", true, NULL, 0, &a);
	rs_create("two", true, NULL, 0, &b);
	CU_ASSERT_EQUAL(has(PREFIX ":one"), -ENOENT);	/* not added yet */
	CU_ASSERT_EQUAL(lunset_snapshot(rs_ls, "one", "s1", &s), 0);
	CU_ASSERT_EQUAL(lunset_expose(rs_ls, "one", "s1", &x), 0);
	rs_close();

	rs_open();		/* the next start of the daemon */
	CU_ASSERT_EQUAL(registry_load(rs_reg), 0);
	CU_ASSERT_EQUAL(has(PREFIX ":one"), 0);
	CU_ASSERT_EQUAL(has(PREFIX ":two"), 0);
	CU_ASSERT_EQUAL(has(PREFIX ":one:s1"), 0);
	CU_ASSERT_EQUAL(has(PREFIX ":one:s2"), -ENOENT);
	CU_ASSERT_EQUAL(has(PREFIX), -ENOENT);
	CU_ASSERT_EQUAL(has(""), -ENOENT);
	rs_close();
	rs_remove();
}

static void
test_add_remove(void)
{
	struct lun_info a, gone = { .number = 999, .name = "gone",
	    .sector_bytes = 512, .identity.serial = "0123456789abcdef",
	    .identity.naa = { 0x30 } };
	struct iscsi_target *t;
	struct snap_info s;
	struct exposure_info x;

	rs_make();
	rs_open();
	rs_create("one", false, NULL, 0, &a);
	CU_ASSERT_EQUAL(registry_add_lun(rs_reg, &a), 0);
	CU_ASSERT_EQUAL(registry_add_lun(rs_reg, &a), -EEXIST);
	CU_ASSERT_EQUAL(registry_add_lun(rs_reg, &gone), -ENOENT);
	CU_ASSERT_EQUAL(registry_remove(rs_reg, 999, LUN_HEAD), -ENOENT);

	/* Somebody who is just logging in keeps it there. */
	CU_ASSERT_EQUAL(access_ops.target_find(rs_reg, PREFIX ":one", &here,
	    &t), 0);
	CU_ASSERT_EQUAL(registry_remove(rs_reg, a.number, LUN_HEAD), -EBUSY);
	CU_ASSERT_EQUAL(has(PREFIX ":one"), 0);
	access_ops.target_put(rs_reg, t);

	/* As long as it is a target, the engine does not let it go. */
	CU_ASSERT_EQUAL(lunset_delete(rs_ls, "one", false), -EBUSY);
	CU_ASSERT_EQUAL(registry_remove(rs_reg, a.number, LUN_HEAD), 0);
	CU_ASSERT_EQUAL(has(PREFIX ":one"), -ENOENT);
	CU_ASSERT_EQUAL(registry_remove(rs_reg, a.number, LUN_HEAD), -ENOENT);
	CU_ASSERT_EQUAL(registry_add_lun(rs_reg, &a), 0);	/* put back */
	CU_ASSERT_EQUAL(has(PREFIX ":one"), 0);

	CU_ASSERT_EQUAL(lunset_snapshot(rs_ls, "one", "s1", &s), 0);
	CU_ASSERT_EQUAL(lunset_expose(rs_ls, "one", "s1", &x), 0);
	CU_ASSERT_EQUAL(registry_add_exposure(rs_reg, &x), 0);
	CU_ASSERT_EQUAL(registry_add_exposure(rs_reg, &x), -EEXIST);
	CU_ASSERT_EQUAL(has(PREFIX ":one:s1"), 0);
	CU_ASSERT_EQUAL(lunset_unexpose(rs_ls, "one", "s1"), -EBUSY);
	CU_ASSERT_EQUAL(registry_remove(rs_reg, x.lun, x.seq), 0);
	CU_ASSERT_EQUAL(lunset_unexpose(rs_ls, "one", "s1"), 0);
	CU_ASSERT_EQUAL(has(PREFIX ":one:s1"), -ENOENT);
	CU_ASSERT_EQUAL(has(PREFIX ":one"), 0);

	CU_ASSERT_EQUAL(registry_remove(rs_reg, a.number, LUN_HEAD), 0);
	CU_ASSERT_EQUAL(lunset_delete(rs_ls, "one", true), 0);
	rs_close();
	rs_remove();
}

/* By force: nobody enters, and its name is remembered. */
static void
test_evict(void)
{
	struct iscsi_target **all;
	struct lun_info a;
	size_t n;

	rs_make();
	rs_open();
	rs_create("one", true, NULL, 0, &a);
	CU_ASSERT_EQUAL(registry_add_lun(rs_reg, &a), 0);
	CU_ASSERT_EQUAL(registry_evict(rs_reg, 999, LUN_HEAD, 10), -ENOENT);
	CU_ASSERT_EQUAL(registry_evict(rs_reg, a.number, LUN_HEAD, 10), 0);
	CU_ASSERT_EQUAL(has(PREFIX ":one"), -EIDRM);
	CU_ASSERT_EQUAL_FATAL(registry_all(rs_reg, &all, &n), 0);
	CU_ASSERT_EQUAL(n, 0);		/* not told of any more */
	free(all);
	registry_readmit(rs_reg, a.number, LUN_HEAD);
	CU_ASSERT_EQUAL(has(PREFIX ":one"), 0);

	CU_ASSERT_EQUAL(registry_evict(rs_reg, a.number, LUN_HEAD, 10), 0);
	CU_ASSERT_EQUAL(registry_remove(rs_reg, a.number, LUN_HEAD), 0);
	CU_ASSERT_EQUAL(has(PREFIX ":one"), -EIDRM);
	CU_ASSERT_EQUAL(has(PREFIX ":two"), -ENOENT);
	CU_ASSERT_EQUAL(has(""), -ENOENT);
	/* A target of that name makes it forget. */
	CU_ASSERT_EQUAL(registry_add_lun(rs_reg, &a), 0);
	CU_ASSERT_EQUAL(has(PREFIX ":one"), 0);
	CU_ASSERT_EQUAL(registry_remove(rs_reg, a.number, LUN_HEAD), 0);
	CU_ASSERT_EQUAL(has(PREFIX ":one"), -ENOENT);
	rs_close();
	rs_remove();
}

/* More targets than hash chains, out again in another order. */
static void
test_many(void)
{
	enum { N = 300 };
	static struct lun_info l[N];
	char name[32], iqn[64];

	rs_make();
	rs_open();
	for (unsigned i = 0; i < N; i++) {
		(void)snprintf(name, sizeof(name), "lun-%u", i);
		rs_create(name, true, NULL, 0, &l[i]);
		CU_ASSERT_EQUAL(registry_add_lun(rs_reg, &l[i]), 0);
	}
	for (unsigned i = 0; i < N; i += 3)
		CU_ASSERT_EQUAL(registry_remove(rs_reg, l[i].number, LUN_HEAD),
		    0);
	for (unsigned i = 0; i < N; i++) {
		(void)snprintf(iqn, sizeof(iqn), PREFIX ":lun-%u", i);
		CU_ASSERT_EQUAL(has(iqn), i % 3 == 0 ? -ENOENT : 0);
	}
	rs_close();
	rs_remove();
}

static void
test_names(void)
{
	char iqn[REGISTRY_IQN_CAP] = "as it was", name[200];

	rs_make();
	rs_open();
	CU_ASSERT_EQUAL(registry_iqn(rs_reg, "demo", NULL, iqn), 0);
	CU_ASSERT_STRING_EQUAL(iqn, PREFIX ":demo");
	CU_ASSERT_EQUAL(registry_iqn(rs_reg, "demo", "monday", iqn), 0);
	CU_ASSERT_STRING_EQUAL(iqn, PREFIX ":demo:monday");
	/* 223 bytes are allowed, 224 are not. */
	memset(name, 'a', sizeof(name));
	name[223 - strlen(PREFIX) - 1] = '\0';
	CU_ASSERT_EQUAL(registry_iqn(rs_reg, name, NULL, iqn), 0);
	CU_ASSERT_EQUAL(strlen(iqn), 223);
	name[223 - strlen(PREFIX) - 1] = 'a';
	name[224 - strlen(PREFIX) - 1] = '\0';
	CU_ASSERT_EQUAL(registry_iqn(rs_reg, name, NULL, iqn), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(strlen(iqn), 223);
	rs_close();
	rs_remove();
}

static void
test_nobody(void)
{
	const struct registry_portal p[2] = {
		{ "127.0.0.1:3260", "127.0.0.1", 3260, 1, true, true },
		{ "[::1]:4000", "::1", 4000, 7, true, true }
	};
	const struct registry_portal *got;
	struct registry_session *s;
	struct lun_info a;
	size_t n = 99;

	rs_make();
	rs_open();
	got = registry_portals(rs_reg, &n);
	CU_ASSERT_EQUAL(n, 0);
	CU_ASSERT_PTR_NULL(got);
	CU_ASSERT_EQUAL(registry_set_portals(rs_reg, p, 2), 0);
	got = registry_portals(rs_reg, &n);
	CU_ASSERT_EQUAL_FATAL(n, 2);
	CU_ASSERT_STRING_EQUAL(got[1].text, "[::1]:4000");
	CU_ASSERT_STRING_EQUAL(got[1].address, "::1");
	CU_ASSERT_EQUAL(got[1].port, 4000);
	CU_ASSERT_EQUAL(got[1].tag, 7);

	rs_create("one", true, NULL, 0, &a);
	CU_ASSERT_EQUAL(registry_add_lun(rs_reg, &a), 0);
	CU_ASSERT_EQUAL(registry_sessions_of(rs_reg, a.number, LUN_HEAD), 0);
	CU_ASSERT_EQUAL(registry_sessions_of(rs_reg, 12345, LUN_HEAD), 0);
	CU_ASSERT_EQUAL(registry_sessions(rs_reg, &s, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
	free(s);
	CU_ASSERT_EQUAL(registry_remove(rs_reg, a.number, LUN_HEAD), 0);
	rs_close();
	rs_remove();
}

/* Does the target say that writes go through? */
static bool
is_through(const char *iqn)
{
	struct iscsi_target *t;
	bool yes;

	CU_ASSERT_EQUAL_FATAL(access_ops.target_find(rs_reg, iqn, &here, &t),
	    0);
	yes = atomic_load(&t->lu->write_through);
	access_ops.target_put(rs_reg, t);
	return (yes);
}

static void
test_write_through(void)
{
	struct lun_info a, b;

	rs_make();
	rs_open();
	rs_create("one", true, NULL, 0, &a);
	rs_create("two", true, NULL, 0, &b);
	CU_ASSERT_EQUAL(lunset_set_write_through(rs_ls, "two", true), 0);
	CU_ASSERT_EQUAL(registry_set_write_through(rs_reg, a.number, true),
	    -ENOENT);
	rs_close();

	rs_open();
	CU_ASSERT_EQUAL(registry_load(rs_reg), 0);
	CU_ASSERT_FALSE(is_through(PREFIX ":one"));
	CU_ASSERT_TRUE(is_through(PREFIX ":two"));
	CU_ASSERT_EQUAL(registry_set_write_through(rs_reg, a.number, true), 0);
	CU_ASSERT_TRUE(is_through(PREFIX ":one"));
	CU_ASSERT_EQUAL(registry_set_write_through(rs_reg, b.number, false),
	    0);
	CU_ASSERT_FALSE(is_through(PREFIX ":two"));
	rs_close();
	rs_remove();
}

static const struct unit_test tests[] = {
	{ "the write cache", test_write_through },
	{ "what the store has is served", test_load },
	{ "added and removed", test_add_remove },
	{ "evict", test_evict },
	{ "many", test_many },
	{ "names", test_names },
	{ "portals, nobody logged in", test_nobody },
};
UNIT_MAIN("target/registry", tests)
