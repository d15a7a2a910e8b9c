/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/paste.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/unit.h"

static void
test_quote(void)
{
	static const struct {
		const char *in, *out;
	} q[] = {
		{ "demo", "demo" },
		{ "iqn.2026-01.org.example:a,b=c@d+e%f",
		    "iqn.2026-01.org.example:a,b=c@d+e%f" },
		{ "", "''" },
		{ "a b", "'a b'" },
		{ "$HOME", "'$HOME'" },
		{ "it's", "'it'\\''s'" },
		{ "'", "''\\'''" },
		{ "!`\"\\", "'!`\"\\'" },
		{ "~root", "'~root'" },
		{ "#x", "'#x'" },
	};
	char buf[256];

	for (size_t i = 0; i < sizeof(q) / sizeof(q[0]); i++)
		CU_ASSERT_STRING_EQUAL(paste_quote(buf, sizeof(buf),
		    q[i].in), q[i].out);
	/* Cut, but never an open quote. */
	CU_ASSERT_STRING_EQUAL(paste_quote(buf, 3, "a b"), "''");
	CU_ASSERT_STRING_EQUAL(paste_quote(buf, 5, "a b"), "'a '");
	CU_ASSERT_STRING_EQUAL(paste_quote(buf, 6, "a'b"), "'a'");
	CU_ASSERT_STRING_EQUAL(paste_quote(buf, 4, "demo"), "'d'");
}

/* Every printable character, as a real shell reads it back. */
static void
test_shell(void)
{
	char text[128], quoted[1024], cmd[2048], got[256] = "";
	size_t n = 0;
	FILE *f;

	for (char c = 0x20; c < 0x7f; c++)
		text[n++] = c;
	text[n] = '\0';
	(void)snprintf(cmd, sizeof(cmd), "printf %%s %s", paste_quote(quoted,
	    sizeof(quoted), text));
	f = popen(cmd, "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	n = fread(got, 1, sizeof(got) - 1, f);
	got[n] = '\0';
	CU_ASSERT_EQUAL(pclose(f), 0);
	CU_ASSERT_STRING_EQUAL(got, text);
}

static void
test_portal(void)
{
	unsigned char raw[16];
	char buf[128];

	CU_ASSERT_STRING_EQUAL(paste_portal(buf, sizeof(buf), "192.0.2.1",
	    3260), "192.0.2.1:3260");
	CU_ASSERT_STRING_EQUAL(paste_portal(buf, sizeof(buf), "2001:db8::1",
	    1), "[2001:db8::1]:1");
	CU_ASSERT_STRING_EQUAL(paste_reachable(buf, sizeof(buf),
	    "192.0.2.1"), "192.0.2.1");
	CU_ASSERT_STRING_NOT_EQUAL(paste_reachable(buf, sizeof(buf),
	    "0.0.0.0"), "0.0.0.0");
	CU_ASSERT_EQUAL(inet_pton(AF_INET, buf, raw), 1);
	CU_ASSERT_STRING_NOT_EQUAL(paste_reachable(buf, sizeof(buf), "::"),
	    "::");
	CU_ASSERT_EQUAL(inet_pton(AF_INET6, buf, raw), 1);
}

static void
check_paste(json_t *disk, const char *want)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(disk);
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	paste_print(f, disk);
	(void)fclose(f);
	CU_ASSERT_STRING_EQUAL(text, want);
	if (strcmp(text, want) != 0)
		printf("%s", text);
	free(text);
	json_decref(disk);
}

#define UPDATE "iscsiadm -m node -T iqn.x:demo -o update " \
	"-n node.session.auth."
#define DB "iscsiadm -m discoverydb -t sendtargets -p 192.0.2.1:3260 "

static void
test_lines(void)
{

	check_paste(json_pack("{s:s,s:[{s:s,s:i,s:i}],s:b}", "iqn",
	    "iqn.x:demo", "portals", "address", "192.0.2.1", "port", 3260,
	    "tag", 1, "open", 1),
	    "iscsiadm -m discovery -t sendtargets -p 192.0.2.1:3260 -o new\n"
	    "iscsiadm -m node -T iqn.x:demo --login\n");
	check_paste(json_pack("{s:s,s:[{s:s,s:i}],s:{s:s,s:s},s:{s:s,s:s}}",
	    "iqn", "iqn.x:demo", "portals", "address", "::1", "port", 860,
	    "chap", "user", "demo", "secret", "it's a secret", "mutual",
	    "user", "demo-target", "secret", "0123456789abcdef"),
	    "iscsiadm -m discovery -t sendtargets -p [::1]:860 -o new\n"
	    UPDATE "authmethod -v CHAP\n"
	    UPDATE "chap_algs -v SHA3-256,SHA256,SHA1,MD5\n"
	    UPDATE "username -v demo\n"
	    UPDATE "password -v 'it'\\''s a secret'\n"
	    UPDATE "username_in -v demo-target\n"
	    UPDATE "password_in -v 0123456789abcdef\n"
	    "iscsiadm -m node -T iqn.x:demo --login\n");
	/* Without the secrets, from variables of the shell. */
	check_paste(json_pack("{s:s,s:[{s:s,s:i}],s:{s:s},s:{s:s}}",
	    "iqn", "iqn.x:demo", "portals", "address", "192.0.2.1", "port",
	    3260, "chap", "user", "demo", "mutual", "user", "m"),
	    "iscsiadm -m discovery -t sendtargets -p 192.0.2.1:3260 -o new\n"
	    UPDATE "authmethod -v CHAP\n"
	    UPDATE "chap_algs -v SHA3-256,SHA256,SHA1,MD5\n"
	    UPDATE "username -v demo\n"
	    UPDATE "password -v \"$CHAP_SECRET\"\n"
	    UPDATE "username_in -v m\n"
	    UPDATE "password_in -v \"$MUTUAL_SECRET\"\n"
	    "iscsiadm -m node -T iqn.x:demo --login\n");
	/* Where discovery needs CHAP: by a user of the LUN, if it has one. */
	check_paste(json_pack("{s:s,s:[{s:s,s:i}],s:{s:s,s:s},s:s}",
	    "iqn", "iqn.x:demo", "portals", "address", "192.0.2.1", "port",
	    3260, "chap", "user", "demo", "secret", "it's a secret",
	    "discovery_user", "finder"),
	    DB "-o new\n"
	    DB "-o update -n discovery.sendtargets.auth.authmethod -v CHAP\n"
	    DB "-o update -n discovery.sendtargets.auth.username -v demo\n"
	    DB "-o update -n discovery.sendtargets.auth.password -v "
	    "'it'\\''s a secret'\n"
	    DB "--discover -o new\n"
	    UPDATE "authmethod -v CHAP\n"
	    UPDATE "chap_algs -v SHA3-256,SHA256,SHA1,MD5\n"
	    UPDATE "username -v demo\n"
	    UPDATE "password -v 'it'\\''s a secret'\n"
	    "iscsiadm -m node -T iqn.x:demo --login\n");
	check_paste(json_pack("{s:s,s:[{s:s,s:i}],s:s}",
	    "iqn", "iqn.x:demo", "portals", "address", "192.0.2.1", "port",
	    3260, "discovery_user", "finder"),
	    DB "-o new\n"
	    DB "-o update -n discovery.sendtargets.auth.authmethod -v CHAP\n"
	    DB "-o update -n discovery.sendtargets.auth.username -v finder\n"
	    DB "-o update -n discovery.sendtargets.auth.password -v "
	    "\"$DISCOVERY_SECRET\"\n"
	    DB "--discover -o new\n"
	    "iscsiadm -m node -T iqn.x:demo --login\n");
	/* Nothing to say without a portal. */
	check_paste(json_pack("{s:s,s:[]}", "iqn", "iqn.x:demo", "portals"),
	    "");
}

static const struct unit_test tests[] = {
	{ "quoting", test_quote },
	{ "quoting, by a shell", test_shell },
	{ "portals", test_portal },
	{ "the lines", test_lines },
};

UNIT_MAIN("cli/paste", tests)
