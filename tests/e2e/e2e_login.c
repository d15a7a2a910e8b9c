/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * e2e_login.c - who gets in and who does not; what a client sees first.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/e2e/ini.h"
#include "tests/lib/unit.h"

#define NAME "iqn.2026-01.org.example:client"

static struct daemon d;
static struct disk open_disk, chap_disk, mutual_disk;

static bool
gets_in(const struct disk *k)
{
	char why[256] = "";
	struct iscsi_context *ctx = ini_login(k, NAME, why);
	unsigned char buf[4096];
	bool ok;

	if (ctx == NULL) {
		(void)printf("\n    refused: %s\n", why);
		return (false);
	}
	ok = ini_read(ctx, 0, buf, sizeof(buf), k->sector);
	(void)iscsi_logout_sync(ctx);
	(void)iscsi_destroy_context(ctx);
	return (ok);
}

static void
test_create(void)
{

	CU_ASSERT_TRUE_FATAL(daemon_create(&d, &open_disk,
	    "plain 16M --open"));
	CU_ASSERT_TRUE_FATAL(daemon_create(&d, &mutual_disk, "both 16M"));
	CU_ASSERT_STRING_EQUAL(open_disk.user, "");
	CU_ASSERT_STRING_EQUAL(open_disk.iqn, "iqn.2026-01.org.example:plain");
	CU_ASSERT(strlen(mutual_disk.secret) >= 12);
	CU_ASSERT(strlen(mutual_disk.target_secret) >= 12);
	CU_ASSERT_STRING_NOT_EQUAL(mutual_disk.secret,
	    mutual_disk.target_secret);
}

/* Credentials of the administrator's choice, by files. */
static void
test_create_own_secret(void)
{
	char path[400];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/secret", d.dir);
	f = fopen(path, "we");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	(void)fputs("correct-horse-1\n", f);
	(void)fclose(f);
	(void)chmod(path, 0600);
	CU_ASSERT_TRUE_FATAL(daemon_create(&d, &chap_disk,
	    "oneway 16M --chap alice --secret-file %s", path));
	CU_ASSERT_STRING_EQUAL(chap_disk.user, "alice");
	CU_ASSERT_STRING_EQUAL(chap_disk.secret, "correct-horse-1");
	CU_ASSERT_STRING_EQUAL(chap_disk.target_user, "");
}

static void
test_open(void)
{

	CU_ASSERT_TRUE(gets_in(&open_disk));
}

static void
test_chap(void)
{

	CU_ASSERT_TRUE(gets_in(&chap_disk));
}

static void
test_mutual(void)
{

	CU_ASSERT_TRUE(gets_in(&mutual_disk));
}

/* One-way is enough for the target; that it proves itself is for the client
 * to ask. */
static void
test_mutual_not_asked(void)
{
	struct disk k = mutual_disk;

	k.target_user[0] = '\0';
	CU_ASSERT_TRUE(gets_in(&k));
}

static void
test_no_chap(void)
{
	struct disk k = chap_disk;

	k.user[0] = '\0';
	CU_ASSERT_FALSE(gets_in(&k));
}

static void
test_wrong_secret(void)
{
	struct disk k = chap_disk;

	k.secret[3] ^= 1;
	CU_ASSERT_FALSE(gets_in(&k));
	k = chap_disk;
	k.secret[strlen(k.secret) - 1] = '\0';
	CU_ASSERT_FALSE(gets_in(&k));
}

static void
test_wrong_user(void)
{
	struct disk k = chap_disk;

	(void)strcpy(k.user, "mallory");
	CU_ASSERT_FALSE(gets_in(&k));
	(void)strcpy(k.user, "alic");
	CU_ASSERT_FALSE(gets_in(&k));
}

/* The credentials of one LUN do not open another. */
static void
test_other_lun(void)
{
	struct disk k = chap_disk;

	(void)strcpy(k.iqn, mutual_disk.iqn);
	CU_ASSERT_FALSE(gets_in(&k));
}

/* The client refuses a target that cannot prove itself. */
static void
test_wrong_target_secret(void)
{
	struct disk k = mutual_disk;

	k.target_secret[0] ^= 1;
	CU_ASSERT_FALSE(gets_in(&k));
}

static void
test_unknown_target(void)
{
	struct disk k = chap_disk;

	(void)strcat(k.iqn, "x");
	CU_ASSERT_FALSE(gets_in(&k));
	(void)strcpy(k.iqn, "iqn.1999-01.com.elsewhere:disk");
	CU_ASSERT_FALSE(gets_in(&k));
}

static struct iscsi_discovery_address *
find_address(struct iscsi_discovery_address *a, const char *iqn)
{

	while (a != NULL && strcmp(a->target_name, iqn) != 0)
		a = a->next;
	return (a);
}

static void
test_discovery(void)
{
	struct iscsi_context *ctx = iscsi_create_context(NAME);
	struct iscsi_discovery_address *a, *one;
	char want[96];

	CU_ASSERT_PTR_NOT_NULL_FATAL(ctx);
	(void)iscsi_set_session_type(ctx, ISCSI_SESSION_DISCOVERY);
	CU_ASSERT_EQUAL_FATAL(iscsi_connect_sync(ctx, open_disk.portal), 0);
	CU_ASSERT_EQUAL_FATAL(iscsi_login_sync(ctx), 0);
	a = iscsi_discovery_sync(ctx);
	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	CU_ASSERT_PTR_NOT_NULL(find_address(a, chap_disk.iqn));
	CU_ASSERT_PTR_NOT_NULL(find_address(a, mutual_disk.iqn));
	one = find_address(a, open_disk.iqn);
	CU_ASSERT_PTR_NOT_NULL_FATAL(one);
	(void)snprintf(want, sizeof(want), "%s,1", open_disk.portal);
	CU_ASSERT_PTR_NOT_NULL_FATAL(one->portals);
	CU_ASSERT_STRING_EQUAL(one->portals->portal, want);
	iscsi_free_discovery_data(ctx, a);
	(void)iscsi_logout_sync(ctx);
	(void)iscsi_destroy_context(ctx);
}

/* "sessions" names who is there, and no longer when he has gone. */
static void
test_sessions(void)
{
	struct iscsi_context *ctx = ini_login(&chap_disk, NAME, NULL);
	json_t *j, *s;
	int rc;

	CU_ASSERT_PTR_NOT_NULL_FATAL(ctx);
	j = daemon_admin(&d, &rc, "sessions");
	CU_ASSERT_EQUAL(rc, 0);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(j, "sessions")), 1);
	s = json_array_get(json_object_get(j, "sessions"), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(s,
	    "initiator")), NAME);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(s, "iqn")),
	    chap_disk.iqn);
	CU_ASSERT_EQUAL(strncmp(json_string_value(json_object_get(s,
	    "address")), "127.0.0.1:", 10), 0);
	CU_ASSERT_PTR_NOT_NULL(json_object_get(s, "since"));
	json_decref(j);
	/* In use: not to be deleted. */
	j = daemon_admin(&d, &rc, "delete oneway --yes");
	CU_ASSERT_EQUAL(rc, 6);
	json_decref(j);
	(void)iscsi_logout_sync(ctx);
	(void)iscsi_destroy_context(ctx);
	for (int i = 0; i < 200 && daemon_status(&d, "sessions") != 0; i++)
		(void)usleep(10000);
	CU_ASSERT_EQUAL(daemon_status(&d, "sessions"), 0);
}

/* Errors of the administrator: exit status, and nothing half done. */
static void
test_admin_errors(void)
{
	static const struct {
		const char *args;
		int exit_status;
	} t[] = {
		{ "create plain 16M --open", 5 },
		{ "create UPPER 16M", 2 },
		{ "create nothing 0", 2 },
		{ "create absurd 65T", 2 },
		{ "create odd 4097", 2 },
		{ "create odd 1M --block 5K", 2 },
		{ "create odd 1M --sector 1024", 2 },
		{ "show nobody", 4 },
		{ "snapshot nobody", 4 },
		{ "expose plain@nothing", 4 },
		{ "unexpose plain@nothing", 4 },
		{ "delete plain@nothing --yes", 4 },
		{ "delete nobody --yes", 4 },
		{ "frobnicate", 2 },
	};
	json_t *j;
	int rc;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		json_decref(daemon_admin(&d, &rc, "%s", t[i].args));
		if (rc != t[i].exit_status)
			(void)printf("\n    %s: exit %d\n", t[i].args, rc);
		CU_ASSERT_EQUAL(rc, t[i].exit_status);
	}
	j = daemon_admin(&d, &rc, "list");
	CU_ASSERT_EQUAL(json_array_size(json_object_get(j, "luns")), 3);
	json_decref(j);
}

/* No secret is in the log, and a new start knows everybody. */
static void
test_restart(void)
{
	char cmd[2048];

	CU_ASSERT_TRUE(daemon_stop(&d));
	(void)snprintf(cmd, sizeof(cmd), "! grep -qF -e '%s' -e '%s' -e '%s' "
	    "'%s'", chap_disk.secret, mutual_disk.secret,
	    mutual_disk.target_secret, d.log);
	CU_ASSERT_EQUAL(system(cmd), 0);
	(void)snprintf(cmd, sizeof(cmd), "! grep -rqF -e '%s' -e '%s' '%s'",
	    chap_disk.secret, mutual_disk.secret, d.store);
	CU_ASSERT_EQUAL(system(cmd), 0);
	daemon_start(&d);
	(void)snprintf(chap_disk.portal, sizeof(chap_disk.portal),
	    "127.0.0.1:%u", d.port);
	(void)strcpy(mutual_disk.portal, chap_disk.portal);
	CU_ASSERT_TRUE(gets_in(&chap_disk));
	CU_ASSERT_TRUE(gets_in(&mutual_disk));
	CU_ASSERT_TRUE(daemon_stop(&d));
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "create", test_create },
		{ "create with own secrets", test_create_own_secret },
		{ "open LUN", test_open },
		{ "CHAP", test_chap },
		{ "mutual CHAP", test_mutual },
		{ "mutual CHAP not asked for", test_mutual_not_asked },
		{ "no CHAP where it is needed", test_no_chap },
		{ "wrong secret", test_wrong_secret },
		{ "wrong user", test_wrong_user },
		{ "user of another LUN", test_other_lun },
		{ "target with a wrong secret", test_wrong_target_secret },
		{ "unknown target", test_unknown_target },
		{ "discovery", test_discovery },
		{ "sessions", test_sessions },
		{ "errors of the administrator", test_admin_errors },
		{ "restart", test_restart },
	};
	int rc;

	daemon_init(&d, NULL);
	daemon_start(&d);
	rc = unit_run("e2e-login", tests, sizeof(tests) / sizeof(tests[0]));
	daemon_fini(&d, rc != 0);
	return (rc);
}
