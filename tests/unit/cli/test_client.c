/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests to a daemon that answers all kinds of things. */
#include "cli/client.h"

#include <sys/stat.h>

#include "cli/report.h"
#include "tests/lib/unit.h"
#include "tests/unit/cli/canned.h"

static struct canned daemon_;
static char said[8192];

static int
call(const char *answer, json_t *args, json_t **out)
{
	struct capture cap;
	int rc;

	memset(&daemon_, 0, sizeof(daemon_));
	daemon_.answers[0] = answer;
	daemon_.n_answers = 1;
	canned_start(&daemon_);
	capture_start(&cap, STDERR_FILENO);
	rc = client_call(daemon_.path, "list", args, out);
	capture_stop(&cap, said, sizeof(said));
	canned_stop(&daemon_);
	return (rc);
}

static void
test_result(void)
{
	json_t *r = NULL;

	CU_ASSERT_EQUAL(call("{\"v\":1,\"result\":{\"luns\":[]},\"new\":0}\n",
	    json_pack("{s:s}", "lun", "demo"), &r), EXIT_OK);
	CU_ASSERT(json_is_array(json_object_get(r, "luns")));
	CU_ASSERT_STRING_EQUAL(daemon_.asked[0], "{\"v\":1,\"verb\":\"list\","
	    "\"args\":{\"lun\":\"demo\"}}\n");
	CU_ASSERT_STRING_EQUAL(said, "");
	json_decref(r);
}

/* More than any buffer holds at first. */
static void
test_large(void)
{
	size_t n = 3u << 20;
	char *text = malloc(n + 64);
	json_t *r = NULL;
	int at;

	CU_ASSERT_FATAL(text != NULL);
	at = sprintf(text, "{\"v\":1,\"result\":{\"x\":\"");
	memset(text + at, 'x', n);
	(void)strcpy(text + at + n, "\"}}\n");
	CU_ASSERT_EQUAL(call(text, json_object(), &r), EXIT_OK);
	CU_ASSERT_EQUAL(json_string_length(json_object_get(r, "x")), n);
	json_decref(r);
	free(text);
}

static void
test_errors(void)
{
	static const struct {
		const char *code;
		int exit_code;
	} map[] = {
		{ "bad-request", 1 }, { "invalid", 2 }, { "not-found", 4 },
		{ "exists", 5 }, { "busy", 6 }, { "not-empty", 6 },
		{ "denied", 7 }, { "no-space", 8 }, { "stopped", 9 },
		{ "failed", 1 }, { "something new", 1 }, { "ok", 1 },
	};
	char line[256];
	json_t *r = NULL;

	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++) {
		(void)snprintf(line, sizeof(line), "{\"v\":1,\"error\":"
		    "{\"code\":\"%s\",\"what\":\"W\",\"why\":\"Y\\u001b[1m\","
		    "\"next\":\"N\"}}\n", map[i].code);
		CU_ASSERT_EQUAL(call(line, json_object(), &r),
		    map[i].exit_code);
		/* Nothing from outside moves the terminal. */
		CU_ASSERT_STRING_EQUAL(said,
		    "tt-admin: W: Y\\x1b[1m\n  N\n");
	}
	CU_ASSERT_PTR_NULL(r);
}

static void
test_strange(void)
{
	static const char *const strange[] = {
		"", "{\"v\":1,\"result\":{}}", "\n", "nonsense\n", "[]\n",
		"{}\n", "{\"v\":2,\"result\":{}}\n", "{\"result\":{}}\n",
		"{\"v\":1,\"result\":[]}\n", "{\"v\":1,\"error\":1}\n",
		"{\"v\":1,\"v\":1,\"result\":{}}\n",
	};
	json_t *r = NULL;

	for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
		CU_ASSERT_EQUAL(call(strange[i], json_object(), &r),
		    EXIT_FAILED);
		CU_ASSERT_STRING_NOT_EQUAL(said, "");
	}
	CU_ASSERT_EQUAL(call("{\"v\":1,\"error\":{}}\n", json_object(), &r),
	    EXIT_FAILED);
	CU_ASSERT_PTR_NULL(r);
}

static void
test_unreachable(void)
{
	char path[300], dir[] = "/tmp/tt-client-XXXXXX";
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct capture cap;
	json_t *r = NULL;
	int fd;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	capture_start(&cap, STDERR_FILENO);
	(void)snprintf(path, sizeof(path), "%s/sock", dir);
	CU_ASSERT_EQUAL(client_call(path, "list", json_object(), &r),
	    EXIT_UNREACHABLE);
	memcpy(sun.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL(bind(fd, (const struct sockaddr *)&sun, sizeof(sun)),
	    0);
	CU_ASSERT_EQUAL(client_call(path, "list", json_object(), &r),
	    EXIT_UNREACHABLE);
	(void)close(fd);
	(void)unlink(path);
	(void)rmdir(dir);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	CU_ASSERT_EQUAL(client_call(path, "list", json_object(), &r),
	    EXIT_UNREACHABLE);
	/* An argument that was not UTF-8: nobody is asked. */
	CU_ASSERT_EQUAL(client_call(path, "list", NULL, &r), EXIT_USAGE);
	capture_stop(&cap, said, sizeof(said));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "no such socket"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "nobody listens there"));
	CU_ASSERT_PTR_NULL(r);
}

static const struct unit_test tests[] = {
	{ "result", test_result },
	{ "large result", test_large },
	{ "errors", test_errors },
	{ "strange answers", test_strange },
	{ "unreachable", test_unreachable },
};

UNIT_MAIN("cli/client", tests)
