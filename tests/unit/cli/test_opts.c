/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/opts.h"

#include <stdlib.h>
#include <string.h>

#include "target/admin_proto.h"
#include "tests/lib/unit.h"

#define MAX_WORDS 16

static struct opts o;

/* ${line} split at blanks. */
static int
parse(const char *line)
{
	static char buf[256];
	static char *argv[MAX_WORDS + 1];
	int n = 0;

	(void)snprintf(buf, sizeof(buf), "%s", line);
	for (char *p = strtok(buf, " "); p != NULL && n < MAX_WORDS;
	    p = strtok(NULL, " "))
		argv[n++] = p;
	argv[n] = NULL;
	return (opts_parse(n, argv, &o));
}

static void
test_places(void)
{
	static const char *const same[] = {
		"tt-admin --json create demo 10G -n -s /x",
		"tt-admin create --json -s /x demo -n 10G",
		"tt-admin create demo 10G --json --dry-run --socket=/x",
		"tt-admin -ns/x create demo --json -- 10G",
	};

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		CU_ASSERT_EQUAL(parse(same[i]), 0);
		CU_ASSERT_STRING_EQUAL(o.verb, "create");
		CU_ASSERT_EQUAL_FATAL(o.n_args, 2);
		CU_ASSERT_STRING_EQUAL(o.args[0], "demo");
		CU_ASSERT_STRING_EQUAL(o.args[1], "10G");
		CU_ASSERT_STRING_EQUAL(o.socket, "/x");
		CU_ASSERT(o.json && o.dry_run);
		CU_ASSERT_EQUAL(o.given, OPT_DRY_RUN);
	}
}

static void
test_values(void)
{

	CU_ASSERT_EQUAL(parse("tt-admin create a 1G --block 64K --sector=4096 "
	    "--chap u --secret-file f --mutual m --mutual-secret-file g"), 0);
	CU_ASSERT_STRING_EQUAL(o.block, "64K");
	CU_ASSERT_STRING_EQUAL(o.sector, "4096");
	CU_ASSERT_STRING_EQUAL(o.chap, "u");
	CU_ASSERT_STRING_EQUAL(o.secret_file, "f");
	CU_ASSERT_STRING_EQUAL(o.mutual, "m");
	CU_ASSERT_STRING_EQUAL(o.mutual_secret_file, "g");
	CU_ASSERT_EQUAL(o.given, OPT_BLOCK | OPT_SECTOR | OPT_CHAP |
	    OPT_SECRET_FILE | OPT_MUTUAL | OPT_MUTUAL_SECRET_FILE);
	CU_ASSERT_EQUAL(parse("tt-admin delete a --with-snapshots -y --open"),
	    0);
	CU_ASSERT(o.with_snapshots && o.yes && o.open && !o.json);
	/* A file may be called -. */
	CU_ASSERT_EQUAL(parse("tt-admin create a 1G --secret-file -"), 0);
	CU_ASSERT_STRING_EQUAL(o.secret_file, "-");
}

static void
test_socket(void)
{

	CU_ASSERT_EQUAL(unsetenv("TT_SOCKET"), 0);
	CU_ASSERT_EQUAL(parse("tt-admin list"), 0);
	CU_ASSERT_STRING_EQUAL(o.socket, ADMIN_SOCKET_DEFAULT);
	CU_ASSERT_EQUAL(setenv("TT_SOCKET", "", 1), 0);
	CU_ASSERT_EQUAL(parse("tt-admin list"), 0);
	CU_ASSERT_STRING_EQUAL(o.socket, ADMIN_SOCKET_DEFAULT);
	CU_ASSERT_EQUAL(setenv("TT_SOCKET", "/env", 1), 0);
	CU_ASSERT_EQUAL(parse("tt-admin list"), 0);
	CU_ASSERT_STRING_EQUAL(o.socket, "/env");
	CU_ASSERT_EQUAL(parse("tt-admin list -s /arg"), 0);
	CU_ASSERT_STRING_EQUAL(o.socket, "/arg");
}

static void
test_bad(void)
{
	static const char *const bad[] = {
		"tt-admin list --frob", "tt-admin list -x",
		"tt-admin list -s", "tt-admin create --block",
		"tt-admin list --json=yes", "tt-admin create --sec x",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(parse(bad[i]), EXIT_USAGE);
	CU_ASSERT_EQUAL(parse("tt-admin"), 0);
	CU_ASSERT_PTR_NULL(o.verb);
	CU_ASSERT_EQUAL(parse("tt-admin --help"), 0);
	CU_ASSERT(o.help);
	CU_ASSERT_EQUAL(parse("tt-admin --version"), 0);
	CU_ASSERT(o.version);
}

static void
test_names(void)
{

	CU_ASSERT_STRING_EQUAL(opts_name(OPT_DRY_RUN), "-n");
	CU_ASSERT_STRING_EQUAL(opts_name(OPT_BLOCK | OPT_OPEN), "--block");
	CU_ASSERT_STRING_EQUAL(opts_name(OPT_OPEN), "--open");
	CU_ASSERT_STRING_EQUAL(opts_name(0), "");
}

/* --mutual is a yes for the verb user, and has a value for create. */
static void
test_user(void)
{
	static const char *const lines[] = {
		"tt-admin user add demo bob --mutual",
		"tt-admin user add --mutual demo bob",
		"tt-admin -s /x --json user --mutual add demo bob",
		"tt-admin --socket /x user add demo --mutual bob",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		CU_ASSERT_EQUAL(parse(lines[i]), 0);
		CU_ASSERT_STRING_EQUAL(o.verb, "user");
		CU_ASSERT_EQUAL_FATAL(o.n_args, 3);
		CU_ASSERT_STRING_EQUAL(o.args[2], "bob");
		CU_ASSERT_EQUAL(o.given, OPT_MUTUAL);
		CU_ASSERT_PTR_NOT_NULL(o.mutual);
	}
	CU_ASSERT_EQUAL(parse("tt-admin user list demo"), 0);
	CU_ASSERT_PTR_NULL(o.mutual);
	CU_ASSERT_EQUAL(parse("tt-admin create demo 1G --mutual user"), 0);
	CU_ASSERT_STRING_EQUAL(o.mutual, "user");
	CU_ASSERT_EQUAL(parse("tt-admin --chap user create demo 1G "
	    "--mutual m"), 0);
	CU_ASSERT_STRING_EQUAL(o.mutual, "m");
	CU_ASSERT_EQUAL(o.n_args, 2);
	CU_ASSERT_EQUAL(parse("tt-admin unexpose a@b --force"), 0);
	CU_ASSERT(o.force && o.given == OPT_FORCE);
	CU_ASSERT_STRING_EQUAL(opts_name(OPT_FORCE), "--force");
}

static const struct unit_test tests[] = {
	{ "options anywhere", test_places },
	{ "values", test_values },
	{ "which socket", test_socket },
	{ "bad command lines", test_bad },
	{ "names", test_names },
	{ "options of user", test_user },
};

UNIT_MAIN("cli/opts", tests)
