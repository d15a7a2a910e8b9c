/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/access.h"

#include <errno.h>

#include "target/registry_int.h"
#include "tests/unit/target/real_store.h"

#define SECRET	"in-secret-0123"
#define BACK	"back-secret-0123"

static const struct iscsi_peer here = {
	.initiator = "iqn.2026-01.com.example:host",
	.address = "127.0.0.1:40000",
	.local = "127.0.0.1:3260",
	.loopback = true,
	.tag = 1
};
static const struct iscsi_peer away = {
	.initiator = "iqn.2026-01.com.example:host",
	.address = "192.0.2.1:40000",
	.local = "192.0.2.9:3260",
	.tag = 1
};
static const struct iscsi_peer away6 = {
	.initiator = "iqn.2026-01.com.example:host",
	.address = "[2001:db8::1]:40000",
	.local = "[2001:db8::9]:3260",
	.tag = 1
};

/* LUNs "bare", "open" and "chap" (mutual, with an exposed snapshot s1). */
static void
begin(void)
{
	struct lun_user u[3];
	struct lun_info l;
	struct snap_info s;
	struct exposure_info x;

	rs_make();
	rs_open();
	rs_create("bare", false, NULL, 0, &l);
	rs_create("open", true, NULL, 0, &l);
	rs_user(&u[0], "alice", SECRET, false);
	rs_user(&u[1], "target", BACK, true);
	rs_user(&u[2], "bob", "bobs-own-secret", false);
	rs_create("chap", false, u, 3, &l);
	CU_ASSERT_EQUAL(lunset_snapshot(rs_ls, "chap", "s1", &s), 0);
	CU_ASSERT_EQUAL(lunset_expose(rs_ls, "chap", "s1", &x), 0);
	CU_ASSERT_EQUAL_FATAL(registry_load(rs_reg), 0);
}

static void
end(void)
{

	rs_close();
	rs_remove();
}

/* Who gets to the door, and whether he must prove himself there. */
static void
test_rule(void)
{
	static const struct {
		const char *iqn;
		const struct iscsi_peer *peer;
		int rc;
		bool chap;
	} t[] = {
		{ PREFIX ":bare", &here, 0, false },
		{ PREFIX ":bare", &away, -EACCES, false },
		{ PREFIX ":bare", &away6, -EACCES, false },
		{ PREFIX ":open", &here, 0, false },
		{ PREFIX ":open", &away, 0, false },
		{ PREFIX ":chap", &here, 0, true },
		{ PREFIX ":chap", &away, 0, true },
		{ PREFIX ":chap:s1", &away6, 0, true },
		{ PREFIX ":none", &here, -ENOENT, false },
	};
	struct iscsi_target *tg;

	begin();
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		CU_ASSERT_EQUAL(access_ops.target_find(rs_reg, t[i].iqn,
		    t[i].peer, &tg), t[i].rc);
		if (t[i].rc != 0)
			continue;
		CU_ASSERT_EQUAL(access_ops.chap_needed(rs_reg, tg, t[i].peer),
		    t[i].chap);
		access_ops.target_put(rs_reg, tg);
	}
	CU_ASSERT(!access_ops.chap_needed(rs_reg, NULL, &away));
	end();
}

static void
test_secrets(void)
{
	static const char *const names[] = { PREFIX ":chap", PREFIX ":chap:s1" };
	struct iscsi_target *t;
	struct iscsi_secret s;
	char name[ISCSI_USER_CAP];

	begin();
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL_FATAL(access_ops.target_find(rs_reg, names[i],
		    &away, &t), 0);
		CU_ASSERT_EQUAL(access_ops.chap_secret(rs_reg, t, "alice", &s),
		    0);
		CU_ASSERT_EQUAL(s.len, strlen(SECRET));
		CU_ASSERT_EQUAL(memcmp(s.b, SECRET, s.len), 0);
		CU_ASSERT_EQUAL(access_ops.chap_secret(rs_reg, t, "bob", &s),
		    0);
		CU_ASSERT_EQUAL(s.len, 15);
		CU_ASSERT_EQUAL(access_ops.chap_secret(rs_reg, t, "Alice", &s),
		    -ENOENT);
		CU_ASSERT_EQUAL(access_ops.chap_secret(rs_reg, t, "", &s),
		    -ENOENT);
		/* The target's own name lets nobody in. */
		CU_ASSERT_EQUAL(access_ops.chap_secret(rs_reg, t, "target",
		    &s), -ENOENT);
		CU_ASSERT_EQUAL(access_ops.chap_mutual(rs_reg, t, "alice",
		    name, &s), 0);
		CU_ASSERT_STRING_EQUAL(name, "target");
		CU_ASSERT_EQUAL(s.len, strlen(BACK));
		CU_ASSERT_EQUAL(memcmp(s.b, BACK, s.len), 0);
		access_ops.target_put(rs_reg, t);
	}
	CU_ASSERT_EQUAL_FATAL(access_ops.target_find(rs_reg, PREFIX ":open",
	    &away, &t), 0);
	CU_ASSERT_EQUAL(access_ops.chap_secret(rs_reg, t, "alice", &s),
	    -ENOENT);
	CU_ASSERT_EQUAL(access_ops.chap_mutual(rs_reg, t, "alice", name, &s),
	    -ENOENT);
	access_ops.target_put(rs_reg, t);
	CU_ASSERT_EQUAL(access_ops.chap_secret(rs_reg, NULL, "alice", &s),
	    -ENOENT);
	end();
}

/* With the key file of another store, nobody gets in by any secret. */
static void
test_other_key(void)
{
	struct iscsi_target *t;
	struct iscsi_secret s;
	char path[80], name[ISCSI_USER_CAP];

	begin();
	rs_close();
	(void)snprintf(path, sizeof(path), "%s/key", rs_dir);
	CU_ASSERT_EQUAL(unlink(path), 0);
	CU_ASSERT_EQUAL(secret_key_create(rs_dir), 0);
	rs_open();
	CU_ASSERT_EQUAL_FATAL(registry_load(rs_reg), 0);
	CU_ASSERT_EQUAL_FATAL(access_ops.target_find(rs_reg, PREFIX ":chap",
	    &away, &t), 0);
	CU_ASSERT(access_ops.chap_needed(rs_reg, t, &away));
	CU_ASSERT_EQUAL(access_ops.chap_secret(rs_reg, t, "alice", &s),
	    -EBADMSG);
	CU_ASSERT_EQUAL(access_ops.chap_mutual(rs_reg, t, "alice", name, &s),
	    -EBADMSG);
	access_ops.target_put(rs_reg, t);
	end();
}

/* --- discovery --- */

static char told[2048];

static void
emit(void *ctx, const char *iqn, const char *const *portals, size_t n)
{
	size_t len = strlen(told);

	CU_ASSERT_PTR_EQUAL(ctx, told);
	len += (size_t)snprintf(told + len, sizeof(told) - len, "%s", iqn +
	    strlen(PREFIX));
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(told + len, sizeof(told) - len, " %s",
		    portals[i]);
	(void)snprintf(told + len, sizeof(told) - len, "\n");
}

static const char *
discover(const struct iscsi_peer *peer, const char *iqn)
{

	told[0] = '\0';
	access_ops.discover(rs_reg, peer, "", iqn, emit, told);
	return (told);
}

static void
test_discovery(void)
{
	const struct registry_portal p[3] = {
		{ "192.0.2.9:3260", "192.0.2.9", 3260, 1, true, true },
		{ "0.0.0.0:3261", "0.0.0.0", 3261, 2, true, true },
		{ "[::]:3262", "::", 3262, 3, true, true }
	};

	begin();
	/* Before there are portals: names without addresses. */
	CU_ASSERT_STRING_EQUAL(discover(&away, PREFIX ":open"), ":open\n");
	CU_ASSERT_EQUAL(registry_set_portals(rs_reg, p, 3), 0);
#define P4 " 192.0.2.9:3260,1 192.0.2.9:3261,2\n"
#define P6 " 192.0.2.9:3260,1 [2001:db8::9]:3262,3\n"
#define PL " 192.0.2.9:3260,1 127.0.0.1:3261,2\n"
	CU_ASSERT_STRING_EQUAL(discover(&away, NULL),
	    ":chap" P4 ":chap:s1" P4 ":open" P4);
	CU_ASSERT_STRING_EQUAL(discover(&away6, NULL),
	    ":chap" P6 ":chap:s1" P6 ":open" P6);
	CU_ASSERT_STRING_EQUAL(discover(&here, NULL),
	    ":bare" PL ":chap" PL ":chap:s1" PL ":open" PL);
	CU_ASSERT_STRING_EQUAL(discover(&here, PREFIX ":chap"), ":chap" PL);
	CU_ASSERT_STRING_EQUAL(discover(&away, PREFIX ":bare"), "");
	CU_ASSERT_STRING_EQUAL(discover(&away, PREFIX ":none"), "");
	end();
}

/* Behind NAT: told in place of what the group listens on. */
static void
test_advertised(void)
{
	const struct registry_portal p[4] = {
		{ "10.0.0.1:3260", "10.0.0.1", 3260, 1, false, true },
		{ "192.0.2.9:3260", "192.0.2.9", 3260, 1, true, false },
		{ "[2001:db8::7]:860", "2001:db8::7", 860, 1, true, false },
		{ "[::1]:3261", "::1", 3261, 2, true, true }
	};

	begin();
	CU_ASSERT_EQUAL(registry_set_portals(rs_reg, p, 4), 0);
	CU_ASSERT_STRING_EQUAL(discover(&away, PREFIX ":open"), ":open "
	    "192.0.2.9:3260,1 [2001:db8::7]:860,1 [::1]:3261,2\n");
	end();
}

static void
add_secret(void *ctx, const struct iscsi_secret *s)
{
	size_t len = strlen(told);

	CU_ASSERT_PTR_EQUAL(ctx, told);
	(void)snprintf(told + len, sizeof(told) - len, "%.*s ", (int)s->len,
	    (const char *)s->b);
}

/* Those by which ${user} may prove himself for discovery. */
static const char *
secrets(const char *user)
{

	told[0] = '\0';
	access_ops.discovery_secrets(rs_reg, user, add_secret, told);
	return (told);
}

static const char *
discover_as(const char *user, const struct iscsi_peer *peer)
{

	told[0] = '\0';
	access_ops.discover(rs_reg, peer, user, NULL, emit, told);
	return (told);
}

static void
test_discovery_chap(void)
{
	const struct iscsi_secret secret = { .len = 3, .b = "abc" };
	struct iscsi_secret s;
	struct lun_user u[1];
	struct lun_info l;

	begin();
	CU_ASSERT(!access_ops.chap_needed(rs_reg, NULL, &away));
	rs_reg->conf.discovery_user = "finder";
	rs_reg->conf.discovery_secret = &secret;
	CU_ASSERT(access_ops.chap_needed(rs_reg, NULL, &away));
	CU_ASSERT_EQUAL(access_ops.chap_secret(rs_reg, NULL, "alice", &s),
	    -ENOENT);
	CU_ASSERT_EQUAL(access_ops.chap_secret(rs_reg, NULL, "finder", &s), 0);
	CU_ASSERT(s.len == 3 && memcmp(s.b, "abc", 3) == 0);
	/* Whoever may enter a LUN may ask, by each secret that he has. */
	rs_user(&u[0], "alice", "another-secret", false);
	rs_create("second", false, u, 1, &l);
	CU_ASSERT_EQUAL(registry_add_lun(rs_reg, &l), 0);
	CU_ASSERT_STRING_EQUAL(secrets("alice"),
	    SECRET " another-secret ");
	CU_ASSERT_STRING_EQUAL(secrets("bob"), "bobs-own-secret ");
	CU_ASSERT_STRING_EQUAL(secrets("finder"), "abc ");
	CU_ASSERT_STRING_EQUAL(secrets("target"), "");
	CU_ASSERT_STRING_EQUAL(secrets("mallory"), "");
	/* Everybody is told what he may enter. */
	CU_ASSERT_STRING_EQUAL(discover_as("alice", &away),
	    ":chap\n:chap:s1\n:open\n:second\n");
	CU_ASSERT_STRING_EQUAL(discover_as("bob", &away),
	    ":chap\n:chap:s1\n:open\n");
	CU_ASSERT_STRING_EQUAL(discover_as("finder", &away), ":open\n");
	CU_ASSERT_STRING_EQUAL(discover_as("finder", &here),
	    ":bare\n:open\n");
	CU_ASSERT_STRING_EQUAL(discover_as("target", &away), ":open\n");
	end();
}

/* A list of names: others do not learn that there is a target. */
static void
test_allow(void)
{
	static const char *const name[] = { "iqn.2026-01.com.example:host" };
	static const char *const iqns[] = { PREFIX ":chap", PREFIX ":chap:s1" };
	const struct iscsi_peer other = {
		.initiator = "iqn.2026-01.com.example:other",
		.address = "127.0.0.1:40000", .local = "127.0.0.1:3260",
		.loopback = true, .tag = 1
	};
	struct iscsi_target *t;

	begin();
	CU_ASSERT_EQUAL(lunset_allow(rs_ls, "chap", name, 1), 0);
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(access_ops.target_find(rs_reg, iqns[i], &other,
		    &t), -EACCES);
		CU_ASSERT_EQUAL_FATAL(access_ops.target_find(rs_reg, iqns[i],
		    &away, &t), 0);
		access_ops.target_put(rs_reg, t);
	}
	CU_ASSERT_STRING_EQUAL(discover(&other, NULL), ":bare\n:open\n");
	CU_ASSERT_STRING_EQUAL(discover(&away, NULL),
	    ":chap\n:chap:s1\n:open\n");
	/* On a list or not: a LUN without CHAP stays on this machine. */
	CU_ASSERT_EQUAL(lunset_allow(rs_ls, "bare", name, 1), 0);
	CU_ASSERT_EQUAL(access_ops.target_find(rs_reg, PREFIX ":bare", &away,
	    &t), -EACCES);
	CU_ASSERT_EQUAL(lunset_deny(rs_ls, "chap", name, 1), 0);
	CU_ASSERT_EQUAL_FATAL(access_ops.target_find(rs_reg, iqns[0], &other,
	    &t), 0);
	access_ops.target_put(rs_reg, t);
	end();
}

/* A user that comes or goes counts for the next login. */
static void
test_users_change(void)
{
	struct iscsi_target *t;
	struct iscsi_secret s;
	struct lun_user u;

	begin();
	CU_ASSERT_EQUAL_FATAL(access_ops.target_find(rs_reg, PREFIX ":chap:s1",
	    &away, &t), 0);
	CU_ASSERT_EQUAL(access_ops.chap_secret(rs_reg, t, "carol", &s),
	    -ENOENT);
	rs_user(&u, "carol", "carols-own-secret", false);
	CU_ASSERT_EQUAL(lunset_user_add(rs_ls, "chap", &u), 0);
	CU_ASSERT_EQUAL(access_ops.chap_secret(rs_reg, t, "carol", &s), 0);
	CU_ASSERT_EQUAL(lunset_user_remove(rs_ls, "chap", "alice", false), 0);
	CU_ASSERT_EQUAL(access_ops.chap_secret(rs_reg, t, "alice", &s),
	    -ENOENT);
	CU_ASSERT_EQUAL(lunset_user_remove(rs_ls, "chap", "target", true), 0);
	CU_ASSERT_EQUAL(access_ops.chap_mutual(rs_reg, t, "carol",
	    (char[ISCSI_USER_CAP]){ 0 }, &s), -ENOENT);
	access_ops.target_put(rs_reg, t);
	end();
}

static const struct unit_test tests[] = {
	{ "who may try to enter", test_rule },
	{ "secrets", test_secrets },
	{ "the key of another store", test_other_key },
	{ "discovery", test_discovery },
	{ "advertised portals", test_advertised },
	{ "discovery by CHAP", test_discovery_chap },
	{ "initiator names", test_allow },
	{ "users come and go", test_users_change },
};
UNIT_MAIN("target/access", tests)
