/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whole command lines against a daemon of canned answers: what is asked, what
 * is printed, how it ends.
 */
#include "cli/cmd.h"

#include <netinet/in.h>

#include "tests/lib/unit.h"
#include "tests/unit/cli/canned.h"

#define MAX_WORDS 16

static struct canned daemon_;
static char out[16384], err[16384];

/* Runs ${line}, split at blanks, with up to two answers. */
static int
run(const char *line, const char *first, const char *second)
{
	char buf[256], *argv[MAX_WORDS + 3];
	struct capture cap_out, cap_err;
	int n = 0, rc;

	memset(&daemon_, 0, sizeof(daemon_));
	daemon_.answers[0] = first;
	daemon_.answers[1] = second;
	daemon_.n_answers = (first != NULL) + (second != NULL);
	canned_start(&daemon_);
	CU_ASSERT_EQUAL(setenv("TT_SOCKET", daemon_.path, 1), 0);
	(void)snprintf(buf, sizeof(buf), "%s", line);
	for (char *p = strtok(buf, " "); p != NULL && n < MAX_WORDS;
	    p = strtok(NULL, " "))
		argv[n++] = p;
	argv[n] = NULL;
	capture_start(&cap_out, STDOUT_FILENO);
	capture_start(&cap_err, STDERR_FILENO);
	rc = cmd_main(n, argv);
	capture_stop(&cap_err, err, sizeof(err));
	capture_stop(&cap_out, out, sizeof(out));
	canned_stop(&daemon_);
	return (rc);
}

#define R(x)	"{\"v\":1,\"result\":" x "}\n"
#define DISK	"\"iqn\":\"iqn.x:demo\",\"portals\":[{\"address\":\"192.0.2.1\"," \
	"\"port\":3260,\"tag\":1}],\"size\":10737418240,\"sector\":512," \
	"\"block\":4096,\"uuid\":\"u-u\",\"naa\":\"3123\",\"serial\":\"S1\"," \
	"\"open\":false,\"sessions\":0,\"time\":\"2026-11-21T13:45:01.5Z\""

static void
test_create(void)
{

	CU_ASSERT_EQUAL(run("tt-admin create demo 10G", R("{\"name\":\"demo\","
	    DISK ",\"chap\":{\"user\":\"demo\",\"secret\":\"SECRETSECRET1\"}}"),
	    NULL), EXIT_OK);
	CU_ASSERT_STRING_EQUAL(daemon_.asked[0], "{\"v\":1,\"verb\":"
	    "\"create\",\"args\":{\"lun\":\"demo\",\"size\":10737418240}}\n");
	CU_ASSERT_STRING_EQUAL(out,
	    "created demo\n"
	    "\n"
	    "  size      10G, blocks of 4K, sectors of 512\n"
	    "  iqn       iqn.x:demo\n"
	    "  portal    192.0.2.1:3260\n"
	    "  uuid      u-u\n"
	    "  naa       3123\n"
	    "  serial    S1\n"
	    "  access    CHAP, user demo\n"
	    "\n"
	    "To use it, paste on the server, as root (the secrets are shown "
	    "only now):\n"
	    "\n"
	    "iscsiadm -m discovery -t sendtargets -p 192.0.2.1:3260 "
	    "-o new\n"
	    "iscsiadm -m node -T iqn.x:demo -o update "
	    "-n node.session.auth.authmethod -v CHAP\n"
	    "iscsiadm -m node -T iqn.x:demo -o update "
	    "-n node.session.auth.chap_algs -v SHA3-256,SHA256,SHA1,MD5\n"
	    "iscsiadm -m node -T iqn.x:demo -o update "
	    "-n node.session.auth.username -v demo\n"
	    "iscsiadm -m node -T iqn.x:demo -o update "
	    "-n node.session.auth.password -v SECRETSECRET1\n"
	    "iscsiadm -m node -T iqn.x:demo --login\n");
	CU_ASSERT_STRING_EQUAL(err, "");
	/* Larger than what is free: thin, so it may be; free enough: silent. */
	CU_ASSERT_EQUAL(run("tt-admin create demo 10G", R("{\"name\":\"demo\","
	    "\"free_bytes\":10737418239," DISK "}"), NULL), EXIT_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "  note      larger than the 10.0G "
	    "that are free; it is thin: watch tt-admin status\n"));
	CU_ASSERT_EQUAL(run("tt-admin create demo 10G -n", R("{\"name\":"
	    "\"demo\",\"free_bytes\":1024," DISK "}"), NULL), EXIT_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "larger than the 1.0K"));
	CU_ASSERT_EQUAL(run("tt-admin create demo 10G", R("{\"name\":\"demo\","
	    "\"free_bytes\":10737418240," DISK "}"), NULL), EXIT_OK);
	CU_ASSERT_PTR_NULL(strstr(out, "note"));
}

static void
test_create_options(void)
{
	char secret[] = "/tmp/tt-cmd-XXXXXX", line[200], want[400];
	int fd = mkstemp(secret);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(write(fd, "abcdefghijklmnop\n", 17), 17);
	(void)close(fd);
	(void)snprintf(line, sizeof(line), "tt-admin create a 1T -n --block "
	    "64K --sector 4096 --chap u --secret-file %s --mutual m", secret);
	(void)snprintf(want, sizeof(want), "{\"v\":1,\"verb\":\"create\","
	    "\"args\":{\"lun\":\"a\",\"size\":1099511627776,\"block\":65536,"
	    "\"sector\":4096,\"dry_run\":true,\"chap\":{\"user\":\"u\","
	    "\"secret\":\"abcdefghijklmnop\"},\"mutual\":{\"user\":\"m\"}}}\n");
	CU_ASSERT_EQUAL(run(line, R("{\"name\":\"a\",\"size\":1,"
	    "\"block\":4096,\"sector\":512,\"iqn\":\"i\",\"dry_run\":true}"),
	    NULL), EXIT_OK);
	CU_ASSERT_STRING_EQUAL(daemon_.asked[0], want);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "would create a\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "nothing was changed"));
	CU_ASSERT_PTR_NULL(strstr(out, "abcdef"));
	CU_ASSERT_PTR_NULL(strstr(out, "iscsiadm"));
	CU_ASSERT_EQUAL(unlink(secret), 0);
}

static void
test_usage(void)
{
	static const char *const bad[] = {
		"tt-admin", "tt-admin frob", "tt-admin help frob",
		"tt-admin create", "tt-admin create demo",
		"tt-admin create demo 1G more", "tt-admin create demo 1Q",
		"tt-admin create demo -- -1", "tt-admin create demo 1.5G",
		"tt-admin create demo 99999999T", "tt-admin create a@b 1G",
		"tt-admin create demo 1G --block x",
		"tt-admin create demo 1G --open --chap u",
		"tt-admin create demo 1G --secret-file /nonexistent",
		"tt-admin create demo 1G --secret-file /a "
		    "--mutual-secret-file /a",
		"tt-admin delete", "tt-admin delete a@", "tt-admin delete @b",
		"tt-admin delete a@b --with-snapshots",
		"tt-admin list a b", "tt-admin list a@b", "tt-admin list -n",
		"tt-admin show", "tt-admin show a@b@c", "tt-admin snapshot",
		"tt-admin snapshot a@b", "tt-admin snapshot a b c",
		"tt-admin expose a", "tt-admin unexpose a",
		"tt-admin sessions x", "tt-admin status --yes",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_EQUAL(run(bad[i], NULL, NULL), EXIT_USAGE);
		CU_ASSERT_STRING_NOT_EQUAL(err, "");
		CU_ASSERT_STRING_EQUAL(out, "");
	}
	/* For a program: the same in JSON, wherever the option stands. */
	CU_ASSERT_EQUAL(run("tt-admin frob --json", NULL, NULL), EXIT_USAGE);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "\"code\": \"usage\""));
	CU_ASSERT_EQUAL(run("tt-admin --json list --frob", NULL, NULL),
	    EXIT_USAGE);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "\"code\": \"usage\""));
}

/* What it says then: what is wrong, and where more is to be read. */
static void
test_usage_words(void)
{
	static const struct {
		const char *line, *says, *next;
	} t[] = {
		{ "tt-admin create", "create: NAME and SIZE are missing",
		    "see tt-admin help create\n" },
		{ "tt-admin create x", "create: SIZE is missing",
		    "see tt-admin help create\n" },
		{ "tt-admin user", "user: add, remove or list and LUN are "
		    "missing", "see tt-admin help user\n" },
		{ "tt-admin set x", "set: KEY=VALUE is missing",
		    "see tt-admin help set\n" },
		{ "tt-admin show", "show: LUN or LUN@NAME is missing",
		    "see tt-admin help show\n" },
		{ "tt-admin create x -5G", "-5G is not a size: a whole",
		    "see tt-admin help create\n" },
		{ "tt-admin create x --json -5", "-5 is not a size: a whole",
		    "see tt-admin help create\n" },
		{ "tt-admin create x 1G -x5", "there is no option -x",
		    "see tt-admin help create\n" },
		{ "tt-admin list -5G", "there is no option -5",
		    "see tt-admin help list\n" },
		{ "tt-admin create x 1G --open=1", "there is no option --open, "
		    "or it takes no value", "see tt-admin help create\n" },
		{ "tt-admin list -s", "option -s needs a value",
		    "see tt-admin help list\n" },
		{ "tt-admin ls", "there is no verb 'ls'; did you mean list?",
		    "see tt-admin help\n" },
		{ "tt-admin snapshots a", "there is no verb 'snapshots'; did "
		    "you mean list LUN?", "see tt-admin help\n" },
		{ "tt-admin help rm", "there is no verb 'rm'; did you mean "
		    "delete?", "see tt-admin help\n" },
		{ "tt-admin frob", "there is no verb 'frob'\n",
		    "see tt-admin help\n" },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		CU_ASSERT_EQUAL(run(t[i].line, NULL, NULL), EXIT_USAGE);
		if (strstr(err, t[i].says) == NULL ||
		    strstr(err, t[i].next) == NULL) {
			(void)printf("%s: %s", t[i].line, err);
			CU_FAIL("other words");
		}
	}
}

static void
test_help(void)
{
	char line[64];

	CU_ASSERT_EQUAL(run("tt-admin help", NULL, NULL), EXIT_OK);
	for (size_t i = 0; i < cmd_n; i++)
		CU_ASSERT_PTR_NOT_NULL(strstr(out, cmd_table[i].help));
	for (size_t i = 0; i < cmd_n; i++) {
		(void)snprintf(line, sizeof(line), "tt-admin help %s",
		    cmd_table[i].name);
		CU_ASSERT_EQUAL(run(line, NULL, NULL), EXIT_OK);
		CU_ASSERT_PTR_NOT_NULL(strstr(out, cmd_table[i].name));
		(void)snprintf(line, sizeof(line), "tt-admin %s --help",
		    cmd_table[i].name);
		CU_ASSERT_EQUAL(run(line, NULL, NULL), EXIT_OK);
	}
	CU_ASSERT_EQUAL(run("tt-admin --version", NULL, NULL), EXIT_OK);
	CU_ASSERT_STRING_EQUAL(out, "tt-admin " TT_VERSION "\n");
}

static void
test_list(void)
{

	CU_ASSERT_EQUAL(run("tt-admin list", R("{\"luns\":["
	    "{\"name\":\"a\",\"size\":1024,\"block\":4096,\"snapshots\":12,"
	    "\"exposures\":1,\"sessions\":0,\"time\":\"2026-11-21T13:45:01.5Z\"},"
	    "{\"name\":\"longer\",\"size\":1,\"block\":65536,\"snapshots\":0,"
	    "\"exposures\":0,\"sessions\":2,\"time\":\"\"}]}"), NULL), EXIT_OK);
	CU_ASSERT_STRING_EQUAL(daemon_.asked[0],
	    "{\"v\":1,\"verb\":\"list\",\"args\":{}}\n");
	CU_ASSERT_STRING_EQUAL(out,
	    "NAME    SIZE  BLOCK  SNAPSHOTS  EXPOSED  SESSIONS  CREATED\n"
	    "a         1K     4K         12        1         0  "
	    "2026-11-21T13:45:01Z\n"
	    "longer     1    64K          0        0         2  -\n");
	CU_ASSERT_EQUAL(run("tt-admin list", R("{\"luns\":[]}"), NULL),
	    EXIT_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "no LUN yet"));
	CU_ASSERT_EQUAL(run("tt-admin list a", R("{\"lun\":\"a\","
	    "\"snapshots\":[{\"name\":\"s\",\"lun\":\"a\",\"seq\":7,\"time\":"
	    "\"2026-11-21T13:45:01.5Z\",\"exposed\":false},{\"name\":\"t\","
	    "\"lun\":\"a\",\"seq\":1234,\"time\":\"2026-11-21T13:45:02Z\","
	    "\"exposed\":true,\"iqn\":\"iqn.x:a:t\"}]}"), NULL), EXIT_OK);
	CU_ASSERT_STRING_EQUAL(out,
	    "SNAPSHOT   SEQ  TIME                  EXPOSED AS\n"
	    "a@s          7  2026-11-21T13:45:01Z  -\n"
	    "a@t       1234  2026-11-21T13:45:02Z  iqn.x:a:t\n");
	CU_ASSERT_EQUAL(run("tt-admin list a --json", R("{\"lun\":\"a\","
	    "\"snapshots\":[]}"), NULL), EXIT_OK);
	CU_ASSERT_STRING_EQUAL(out,
	    "{\n  \"lun\": \"a\",\n  \"snapshots\": []\n}\n");
}

/* Standard input of a test is no terminal: nothing is asked. */
static void
test_delete(void)
{

	CU_ASSERT_EQUAL(run("tt-admin delete a --with-snapshots --yes",
	    R("{\"deleted\":[\"a@s\",\"a@t\",\"a\"]}"), NULL), EXIT_OK);
	CU_ASSERT_STRING_EQUAL(daemon_.asked[0], "{\"v\":1,\"verb\":"
	    "\"delete\",\"args\":{\"lun\":\"a\",\"with_snapshots\":true}}\n");
	CU_ASSERT_STRING_EQUAL(out, "deleted a@s, a@t and a\n");
	CU_ASSERT_EQUAL(run("tt-admin delete a@s -n",
	    R("{\"deleted\":[\"a@s\"],\"dry_run\":true}"), NULL), EXIT_OK);
	CU_ASSERT_STRING_EQUAL(daemon_.asked[0], "{\"v\":1,\"verb\":"
	    "\"delete\",\"args\":{\"lun\":\"a\",\"snapshot\":\"s\","
	    "\"dry_run\":true}}\n");
	CU_ASSERT_STRING_EQUAL(out,
	    "would delete a@s; nothing was changed (-n)\n");
	CU_ASSERT_EQUAL(run("tt-admin delete a --yes", R("{\"deleted\":["
	    "\"1\",\"2\",\"3\",\"4\",\"5\",\"a\"]}"), NULL), EXIT_OK);
	CU_ASSERT_STRING_EQUAL(out, "deleted a and its 5 snapshots\n");
	/* What is exposed goes, too: the person is told before. */
	CU_ASSERT_EQUAL(run("tt-admin delete a --with-snapshots -n",
	    R("{\"deleted\":[\"a@s\",\"a@t\",\"a\"],\"exposed\":[\"a@t\"]}"),
	    NULL), EXIT_OK);
	CU_ASSERT_STRING_EQUAL(out, "would delete a@s, a@t (exposed) and a; "
	    "nothing was changed (-n)\n");
	CU_ASSERT_EQUAL(run("tt-admin delete a -n", R("{\"deleted\":["
	    "\"1\",\"2\",\"3\",\"4\",\"5\",\"a\"],\"exposed\":[\"1\",\"2\"]}"),
	    NULL), EXIT_OK);
	CU_ASSERT_STRING_EQUAL(out, "would delete a and its 5 snapshots (2 of "
	    "them exposed); nothing was changed (-n)\n");
}

static void
test_snapshots(void)
{

	CU_ASSERT_EQUAL(run("tt-admin snapshot a s", R("{\"name\":\"s\","
	    "\"lun\":\"a\",\"seq\":7,\"time\":\"2026-11-21T13:45:01.5Z\","
	    "\"exposed\":false}"), NULL), EXIT_OK);
	CU_ASSERT_STRING_EQUAL(daemon_.asked[0], "{\"v\":1,\"verb\":"
	    "\"snapshot\",\"args\":{\"lun\":\"a\",\"name\":\"s\"}}\n");
	CU_ASSERT_STRING_EQUAL(out, "a@s, taken 2026-11-21T13:45:01Z\n");
	CU_ASSERT_EQUAL(run("tt-admin expose a@s", R("{\"name\":\"s\","
	    "\"lun\":\"a\"," DISK ",\"chap\":{\"user\":\"demo\"}}"), NULL),
	    EXIT_OK);
	CU_ASSERT_STRING_EQUAL(daemon_.asked[0], "{\"v\":1,\"verb\":"
	    "\"expose\",\"args\":{\"lun\":\"a\",\"snapshot\":\"s\"}}\n");
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "a@s is served read-only\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "\n\nFill in the secrets that "
	    "`create` showed, then paste on the server, as root:\n\n"
	    "CHAP_SECRET='...'       # that of a\niscsiadm "));
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "-v \"$CHAP_SECRET\"\n"));
	CU_ASSERT_PTR_NULL(strstr(out, "MUTUAL_SECRET"));
	/* No secret in the lines: none is spoken of. */
	CU_ASSERT_EQUAL(run("tt-admin expose a@s", R("{\"name\":\"s\","
	    "\"lun\":\"a\"," DISK "}"), NULL), EXIT_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "\n\nTo use it, paste on the "
	    "server, as root:\n\niscsiadm "));
	CU_ASSERT_PTR_NULL(strstr(out, "SECRET"));
	/* Or only that of everybody. */
	CU_ASSERT_EQUAL(run("tt-admin expose a@s", R("{\"name\":\"s\","
	    "\"lun\":\"a\",\"discovery_user\":\"finder\"," DISK "}"), NULL),
	    EXIT_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "\n\nFill in the secret of "
	    "discovery-user, then paste on the server, as root:\n\n"
	    "DISCOVERY_SECRET='...'  # of discovery-user in tt.conf\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "-v \"$DISCOVERY_SECRET\"\n"));
	CU_ASSERT_EQUAL(run("tt-admin --json expose a@s", R("{\"name\":"
	    "\"s\"," DISK "}"), NULL), EXIT_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "\"login\": [\n    \"iscsiadm -m "
	    "discovery -t sendtargets -p 192.0.2.1:3260 -o new\","));
	CU_ASSERT_EQUAL(run("tt-admin unexpose a@s", R("{}"), NULL), EXIT_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "a@s is served no longer"));
	CU_ASSERT_EQUAL(run("tt-admin show a", R("{\"name\":\"a\"," DISK
	    ",\"snapshots\":1,\"exposures\":0}"), NULL), EXIT_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "  snapshots 1, 0 of them "
	    "exposed\n"));
	/* Nobody's: said, and what to do, also for an exposure. */
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "  access    no user: only from "
	    "this machine (127.0.0.1, ::1), without CHAP; for servers: "
	    "tt-admin user add a USER\n"));
	CU_ASSERT_EQUAL(run("tt-admin show a@s", R("{\"name\":\"s\","
	    "\"lun\":\"a\"," DISK "}"), NULL), EXIT_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "tt-admin user add a USER\n"));
	CU_ASSERT_PTR_NULL(strstr(out, "iscsiadm"));
}

static void
test_sessions(void)
{

	CU_ASSERT_EQUAL(run("tt-admin sessions", R("{\"sessions\":[]}"), NULL),
	    EXIT_OK);
	CU_ASSERT_STRING_EQUAL(out, "nobody is logged in\n");
	/* The name comes from the network. */
	CU_ASSERT_EQUAL(run("tt-admin sessions", R("{\"sessions\":[{"
	    "\"initiator\":\"iqn.y:\\u001b[2J\",\"address\":\"192.0.2.7:99\","
	    "\"iqn\":\"iqn.x:a\",\"since\":\"2026-11-21T13:45:01.5Z\"}]}"),
	    NULL), EXIT_OK);
	CU_ASSERT_STRING_EQUAL(out,
	    "INITIATOR      ADDRESS       IQN      SINCE\n"
	    "iqn.y:\\x1b[2J  192.0.2.7:99  iqn.x:a  2026-11-21T13:45:01Z\n");
}

/* A port of this machine that listens, and one that does not. */
static int
listener(unsigned *out_port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CU_ASSERT_EQUAL_FATAL(bind(fd, (const struct sockaddr *)&sin, len),
	    0);
	CU_ASSERT_EQUAL_FATAL(getsockname(fd, (struct sockaddr *)&sin, &len),
	    0);
	*out_port = ntohs(sin.sin_port);
	return (fd);
}

static int
run_status(const char *state, const char *address, unsigned port,
    unsigned port2)
{
	char answer[1024];

	(void)snprintf(answer, sizeof(answer), R("{\"version\":\"9\","
	    "\"pid\":77,\"since\":\"2026-11-21T13:45:01.5Z\",\"luns\":1,"
	    "\"exposures\":0,\"sessions\":2,\"portals\":[{\"address\":"
	    "\"%s\",\"port\":%u,\"tag\":1},{\"address\":"
	    "\"127.0.0.1\",\"port\":%u,\"tag\":2}],\"store\":{\"path\":"
	    "\"/s\",\"state\":\"%s\",\"why\":\"I/O error\",\"bytes\":1024,"
	    "\"free_bytes\":2048}}"), address, port, port2, state);
	return (run("tt-admin status --json", answer, NULL));
}

static void
test_status(void)
{
	unsigned port, port2;
	int fd = listener(&port), fd2 = listener(&port2);

	CU_ASSERT_EQUAL(listen(fd, 8), 0);
	CU_ASSERT_EQUAL(run_status("ok", "127.0.0.1", port, port), EXIT_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "\"healthy\": true"));
	CU_ASSERT_EQUAL(run_status("ok", "0.0.0.0", port, port), EXIT_OK);
	/* One that is bound and does not listen. */
	CU_ASSERT_EQUAL(run_status("ok", "127.0.0.1", port, port2),
	    EXIT_STOPPED);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "\"healthy\": false"));
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "\"accepts\": true"));
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "\"accepts\": false"));
	CU_ASSERT_EQUAL(run_status("stopped", "127.0.0.1", port, port),
	    EXIT_STOPPED);
	CU_ASSERT_EQUAL(run_status("ok", "no address", port, port),
	    EXIT_STOPPED);
	CU_ASSERT_EQUAL(run_status("ok", "127.0.0.1", 0, port),
	    EXIT_STOPPED);
	/* No portal at all is not well either. */
	CU_ASSERT_EQUAL(run("tt-admin status", R("{\"portals\":[],\"store\":"
	    "{\"state\":\"ok\"}}"), NULL), EXIT_STOPPED);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "portals   NONE"));
	CU_ASSERT_PTR_NULL(strstr(out, "LOW"));
	CU_ASSERT_EQUAL(run("tt-admin status", R("{\"portals\":[],\"store\":"
	    "{\"state\":\"ok\",\"space\":\"low\"}}"), NULL), EXIT_STOPPED);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "free: LOW"));
	CU_ASSERT_EQUAL(run("tt-admin status", R("{\"portals\":[],\"store\":"
	    "{\"state\":\"ok\",\"space\":\"full\"}}"), NULL), EXIT_STOPPED);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "free: FULL, writes fail"));
	CU_ASSERT_PTR_NULL(strstr(out, "scrub"));
	CU_ASSERT_EQUAL(run("tt-admin status", R("{\"portals\":[],\"store\":"
	    "{\"state\":\"ok\",\"scrub\":{\"days\":30,\"running\":true,"
	    "\"begun\":\"2026-11-21T13:45:01.5Z\",\"permille\":421,"
	    "\"done\":\"2026-10-20T13:45:01.5Z\",\"damaged\":2}}}"), NULL),
	    EXIT_STOPPED);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "every 30 days, last one ended: "
	    "2026-10-2"));
	CU_ASSERT_PTR_NOT_NULL(strstr(out, ", 42.1 %"));
	CU_ASSERT_EQUAL(run("tt-admin status", R("{\"portals\":[],\"store\":"
	    "{\"state\":\"ok\",\"scrub\":{\"days\":30}}}"), NULL),
	    EXIT_STOPPED);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "every 30 days, none has ended "
	    "yet\n"));
	(void)close(fd);
	(void)close(fd2);
}

/* A status with ${store} beside a portal that accepts, or one that does not. */
static int
run_store(const char *options, unsigned port, const char *store)
{
	char answer[2048], line[64];

	(void)snprintf(line, sizeof(line), "tt-admin status%s", options);
	(void)snprintf(answer, sizeof(answer), R("{\"portals\":[{\"address\":"
	    "\"127.0.0.1\",\"port\":%u,\"tag\":1}],\"store\":{\"path\":\"/s\","
	    "%s}}"), port, store);
	return (run(line, answer, NULL));
}

#define KNOWN(n, by)	"\"known_damage\":{\"damaged\":" n ",\"found\":" \
	"\"2026-11-21T13:45:01.5Z\",\"by\":\"" by "\"}"

static void
test_status_damage(void)
{
	unsigned port;
	int fd = listener(&port);

	CU_ASSERT_EQUAL(listen(fd, 8), 0);
	CU_ASSERT_EQUAL(run_store("", port, "\"state\":\"ok\","
	    "\"known_damage\":{\"damaged\":0},\"verify\":{\"running\":false}"),
	    EXIT_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "  store     /s: ok\n"));
	CU_ASSERT_PTR_NULL(strstr(out, "damage"));
	CU_ASSERT_PTR_NULL(strstr(out, "verify"));
	CU_ASSERT_EQUAL(run_store("", port, "\"state\":\"ok\","
	    KNOWN("2", "verification")), EXIT_DAMAGED);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "  store     /s: DAMAGED; the rest "
	    "is served\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "  damage    2 places, found by the "
	    "verification that ended 2026-11-21T13:45:01Z; where: tt-admin "
	    "verify\n"));
	CU_ASSERT_EQUAL(run_store("", port, "\"state\":\"ok\","
	    KNOWN("1", "scrub")), EXIT_DAMAGED);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "  damage    1 place, found by the "
	    "scrub, the last one 2026-11-21T13:45:01Z; where: tt-admin "
	    "verify\n"));
	CU_ASSERT_EQUAL(run_store(" --json", port, "\"state\":\"ok\","
	    KNOWN("1", "scrub")), EXIT_DAMAGED);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "\"healthy\": false"));
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "\"unhealthy\": [\n    \"damage\"\n"
	    "  ]"));
	/* The worse of two decides how it ends; both are told. */
	CU_ASSERT_EQUAL(run_store(" --json", port, "\"state\":\"stopped\","
	    KNOWN("1", "scrub")), EXIT_STOPPED);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "\"damage\",\n    \"stopped\"\n"));
	CU_ASSERT_EQUAL(run_store(" --json", 0, "\"state\":\"ok\""),
	    EXIT_STOPPED);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "\"unhealthy\": [\n    \"portal\"\n"));
	CU_ASSERT_EQUAL(run_store(" --json", port, "\"state\":\"ok\""),
	    EXIT_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "\"unhealthy\": []"));
	/* What is under way, beside what readers met. */
	CU_ASSERT_EQUAL(run_store("", port, "\"state\":\"ok\","
	    "\"medium_errors\":3,\"verify\":{\"running\":true,\"what\":"
	    "\"demo\",\"permille\":421}," KNOWN("1", "verification")),
	    EXIT_DAMAGED);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "found by verification, the last "
	    "one 2026-11-21T13:45:01Z"));
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "  readers   met 3 unreadable "
	    "blocks since the start; where: tt-admin verify\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "  verify    of demo, RUNNING, "
	    "about 42.1 % done\n"));
	(void)close(fd);
}

static void
test_verify(void)
{

	CU_ASSERT_EQUAL(run("tt-admin verify --all", R("{\"running\":true,"
	    "\"what\":\"\",\"begun\":\"2026-11-21T13:45:01.5Z\"}"), NULL),
	    EXIT_OK);
	CU_ASSERT_STRING_EQUAL(out, "begun; how far it is: tt-admin status; "
	    "what it finds: tt-admin verify\n");
	CU_ASSERT_EQUAL(run("tt-admin verify --stop", R("{\"running\":true,"
	    "\"damaged\":1}"), NULL), EXIT_OK);
	CU_ASSERT_STRING_EQUAL(out, "asked to stop; tt-admin verify tells when "
	    "it has ended\n");
	/* Another run found something, this one nothing. */
	CU_ASSERT_EQUAL(run("tt-admin verify", R("{\"begun\":\"\",\"what\":"
	    "\"web\",\"complete\":true,\"damaged\":0,\"scrub\":{\"days\":0},"
	    "\"known_damage\":{\"damaged\":1,\"damage\":[{\"lun\":\"mail\","
	    "\"lba\":8,\"sectors\":8,\"kind\":\"data\",\"why\":\"w\"}]}}"),
	    NULL), EXIT_DAMAGED);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "  damage    none found\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "  known     1 damaged place in "
	    "all"));
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "\nmail  8    8        data"));
	/* All of it by this one: it is not listed twice. */
	CU_ASSERT_EQUAL(run("tt-admin verify", R("{\"begun\":\"\",\"what\":"
	    "\"\",\"complete\":true,\"damaged\":1,\"damage\":[{\"lun\":"
	    "\"mail\"}],\"scrub\":{\"days\":0},\"known_damage\":"
	    "{\"damaged\":1}}"), NULL), EXIT_DAMAGED);
	CU_ASSERT_PTR_NULL(strstr(out, "known"));
}

static void
test_user(void)
{

	CU_ASSERT_EQUAL(run("tt-admin user add a bob", R("{\"lun\":\"a\","
	    "\"user\":\"bob\",\"mutual\":false,\"secret\":\"S3CRET\"}"),
	    NULL), EXIT_OK);
	CU_ASSERT_STRING_EQUAL(daemon_.asked[0], "{\"v\":1,\"verb\":"
	    "\"user-add\",\"args\":{\"lun\":\"a\",\"user\":\"bob\"}}\n");
	CU_ASSERT_STRING_EQUAL(out, "added user bob\n\n  secret    S3CRET\n\n"
	    "It is shown only now.  The next login may use it.\n");
	CU_ASSERT_EQUAL(run("tt-admin user remove a t --mutual -n",
	    R("{\"lun\":\"a\",\"user\":\"t\",\"left\":0}"), NULL), EXIT_OK);
	CU_ASSERT_STRING_EQUAL(daemon_.asked[0], "{\"v\":1,\"verb\":"
	    "\"user-remove\",\"args\":{\"lun\":\"a\",\"dry_run\":true,"
	    "\"user\":\"t\",\"mutual\":true}}\n");
	CU_ASSERT_STRING_EQUAL(out, "would remove the target's own name t; "
	    "nothing was changed (-n)\n");
	CU_ASSERT_EQUAL(run("tt-admin user remove a bob", R("{\"lun\":\"a\","
	    "\"user\":\"bob\",\"left\":0}"), NULL), EXIT_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "a has no user any more"));
	CU_ASSERT_EQUAL(run("tt-admin user list a", R("{\"lun\":\"a\","
	    "\"users\":[{\"user\":\"bob\",\"mutual\":false},{\"user\":\"t\","
	    "\"mutual\":true}]}"), NULL), EXIT_OK);
	CU_ASSERT_STRING_EQUAL(out, "USER  PROVES\nbob   the server\n"
	    "t     the target to the server\n");
	CU_ASSERT_EQUAL(run("tt-admin user drop a b", NULL, NULL), EXIT_USAGE);
	CU_ASSERT_EQUAL(run("tt-admin user add a", NULL, NULL), EXIT_USAGE);
	CU_ASSERT_EQUAL(run("tt-admin user list a b", NULL, NULL), EXIT_USAGE);
	CU_ASSERT_EQUAL(run("tt-admin user add a@s b", NULL, NULL), EXIT_USAGE);
	CU_ASSERT_EQUAL(run("tt-admin user remove a b --secret-file f", NULL,
	    NULL), EXIT_USAGE);
}

static void
test_allow(void)
{

	CU_ASSERT_EQUAL(run("tt-admin allow a iqn.x:1 iqn.x:2", R("{\"lun\":"
	    "\"a\",\"initiators\":[\"iqn.x:1\",\"iqn.x:2\"]}"), NULL),
	    EXIT_OK);
	CU_ASSERT_STRING_EQUAL(daemon_.asked[0], "{\"v\":1,\"verb\":"
	    "\"allow\",\"args\":{\"lun\":\"a\",\"initiators\":[\"iqn.x:1\","
	    "\"iqn.x:2\"]}}\n");
	CU_ASSERT_STRING_EQUAL(out, "a may be entered by\n  iqn.x:1\n"
	    "  iqn.x:2\n");
	CU_ASSERT_EQUAL(run("tt-admin deny a iqn.x:1", R("{\"lun\":\"a\","
	    "\"initiators\":[]}"), NULL), EXIT_OK);
	CU_ASSERT_STRING_EQUAL(out, "a has no list: every initiator name may "
	    "enter\n");
	CU_ASSERT_EQUAL(run("tt-admin allow a", NULL, NULL), EXIT_USAGE);
	CU_ASSERT_EQUAL(run("tt-admin allow a@s iqn.x:1", NULL, NULL),
	    EXIT_USAGE);
	CU_ASSERT_EQUAL(run("tt-admin logins", R("{\"logins\":[]}"), NULL),
	    EXIT_OK);
	CU_ASSERT_STRING_EQUAL(out, "no login failed since ttd was started\n");
	CU_ASSERT_EQUAL(run("tt-admin logins", R("{\"logins\":[{\"time\":"
	    "\"2026-11-21T13:45:01.5Z\",\"address\":\"192.0.2.1:5\","
	    "\"initiator\":\"iqn.x:h\",\"iqn\":\"\",\"user\":\"bob\","
	    "\"reason\":\"wrong-secret\"}]}"), NULL), EXIT_OK);
	CU_ASSERT_STRING_EQUAL(out,
	    "TIME                  ADDRESS      INITIATOR  TARGET  USER  "
	    "REASON\n"
	    "2026-11-21T13:45:01Z  192.0.2.1:5  iqn.x:h    -       bob   "
	    "wrong secret\n");
}

static void
test_force(void)
{

	CU_ASSERT_EQUAL(run("tt-admin unexpose a@s --force", R("{\"targets\":"
	    "[\"iqn.x:a:s\"]}"), NULL), EXIT_OK);
	CU_ASSERT_STRING_EQUAL(daemon_.asked[0], "{\"v\":1,\"verb\":"
	    "\"unexpose\",\"args\":{\"lun\":\"a\",\"force\":true,"
	    "\"snapshot\":\"s\"}}\n");
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "\n\n"
	    "iscsiadm -m node -T iqn.x:a:s --logout\n"
	    "iscsiadm -m node -T iqn.x:a:s -o delete\n"));
	CU_ASSERT_EQUAL(run("tt-admin --json delete a --force", R("{"
	    "\"deleted\":[\"a\"],\"targets\":[\"iqn.x:a\"]}"), NULL),
	    EXIT_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "\"cleanup\": [\n    \"iscsiadm "
	    "-m node -T iqn.x:a --logout\","));
	CU_ASSERT_EQUAL(run("tt-admin expose a@s --force", NULL, NULL),
	    EXIT_USAGE);
}

static const struct unit_test tests[] = {
	{ "create", test_create },
	{ "create with options", test_create_options },
	{ "usage", test_usage },
	{ "usage, the words", test_usage_words },
	{ "help", test_help },
	{ "list", test_list },
	{ "delete", test_delete },
	{ "snapshot, expose, show", test_snapshots },
	{ "sessions", test_sessions },
	{ "status", test_status },
	{ "status, damage", test_status_damage },
	{ "verify", test_verify },
	{ "user", test_user },
	{ "allow, deny, logins", test_allow },
	{ "force", test_force },
};

int
main(void)
{

	/* Also when somebody runs this on a terminal. */
	if (freopen("/dev/null", "r", stdin) == NULL)
		return (2);
	return (unit_run("cli/cmd", tests, sizeof(tests) / sizeof(tests[0])));
}
