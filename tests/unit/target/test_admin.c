/* SPDX-License-Identifier: BSD-2-Clause */
/* The server of the admin socket, over a real one, with verbs of its own. */
#include "target/admin.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "tests/lib/unit.h"

#define ANSWER_LEN 4096

static char dir[] = "/tmp/tt-admin-XXXXXX";
static char path[128];
static struct admin *server;
static int calls;

/* Echoes its argument ${text}. */
static void
verb_echo(void *ctx, json_t *args, struct admin_reply *reply)
{
	const char *text = "";
	const struct admin_arg spec[] = {
		{ "text", ADMIN_STRING, false, &text },
	};

	(*(int *)ctx)++;
	if (admin_msg_args(args, spec, 1, reply) != 0)
		return;
	reply->result = json_pack("{s:s}", "text", text);
}

/* An answer of 4 MiB. */
static void
verb_big(void *ctx, json_t *args, struct admin_reply *reply)
{
	char *text = malloc((4u << 20) + 1);

	(void)ctx;
	(void)args;
	memset(text, 'x', 4u << 20);
	text[4u << 20] = '\0';
	reply->result = json_pack("{s:s}", "text", text);
	free(text);
}

static const struct admin_verb verbs[] = {
	{ "echo", verb_echo, "say it again" },
	{ "big", verb_big, "say much" },
};

static int
start_with(uid_t uid, unsigned clients, unsigned idle_ms)
{
	const struct admin_conf conf = { .path = path, .verbs = verbs,
	    .n_verbs = 2, .ctx = &calls, .uid = uid, .clients = clients,
	    .idle_ms = idle_ms };

	server = NULL;
	return (admin_start(&conf, &server));
}

static void
start(unsigned clients, unsigned idle_ms)
{

	CU_ASSERT_EQUAL_FATAL(start_with(geteuid(), clients, idle_ms), 0);
}

static int
dial(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(sun.sun_path, path, strlen(path) + 1);
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) != 0) {
		close(fd);
		return (-errno);
	}
	return (fd);
}

static void
say(int fd, const char *text)
{

	(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* One line; "" at the end, "?" after five seconds. */
static const char *
hear(int fd)
{
	static char line[ANSWER_LEN];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t n = 0;

	while (n < sizeof(line) - 1) {
		if (poll(&p, 1, 5000) != 1)
			return ("?");
		if (recv(fd, line + n, 1, 0) != 1)
			break;
		if (line[n++] == '\n')
			break;
	}
	line[n] = '\0';
	return (line);
}

static bool
hears(int fd, const char *part)
{
	const char *line = hear(fd);

	if (strstr(line, part) != NULL)
		return (true);
	printf("wanted %s, got %s\n", part, line);
	return (false);
}

#define ECHO(t)	"{\"v\":1,\"verb\":\"echo\",\"args\":{\"text\":\"" t "\"}}\n"

static void
test_requests(void)
{
	struct stat st;
	int fd;

	start(0, 0);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
	fd = dial();
	CU_ASSERT_FATAL(fd >= 0);
	say(fd, ECHO("one"));
	CU_ASSERT(hears(fd, "{\"text\":\"one\"}"));
	/* Several in one piece, one in many. */
	say(fd, ECHO("two") ECHO("three") "{\"v\":1,");
	CU_ASSERT(hears(fd, "two"));
	CU_ASSERT(hears(fd, "three"));
	say(fd, "\"verb\":\"ec");
	say(fd, "ho\"}\n");
	CU_ASSERT(hears(fd, "{\"text\":\"\"}"));
	/* An error does not end the connection. */
	say(fd, "{\"v\":1,\"verb\":\"frob\",\"id\":3}\n");
	CU_ASSERT(hears(fd, "\"bad-request\""));
	say(fd, "nonsense\n\n" ECHO("four"));
	CU_ASSERT(hears(fd, "bad-request"));
	CU_ASSERT(hears(fd, "bad-request"));
	CU_ASSERT(hears(fd, "four"));
	say(fd, "{\"v\":1,\"verb\":\"echo\",\"args\":{\"txet\":\"\"}}\n");
	CU_ASSERT(hears(fd, "no argument txet"));
	/* Who stops talking still hears the answer; half a line is none. */
	say(fd, ECHO("last") "{\"v\":1,\"verb\":\"echo\"}");
	(void)shutdown(fd, SHUT_WR);
	CU_ASSERT(hears(fd, "last"));
	CU_ASSERT_STRING_EQUAL(hear(fd), "");
	close(fd);
	admin_stop(server);
	CU_ASSERT_EQUAL(access(path, F_OK), -1);
}

/* Exactly 1 MiB is taken; one byte more is not. */
static void
test_line_limit(void)
{
	char *text = malloc(ADMIN_LINE_MAX_BYTES + 1);
	int fd;

	CU_ASSERT_FATAL(text != NULL);
	start(0, 0);
	memset(text, ' ', ADMIN_LINE_MAX_BYTES);
	memcpy(text, "{\"v\":1,\"verb\":\"echo\"}", 21);
	text[ADMIN_LINE_MAX_BYTES - 1] = '\n';
	text[ADMIN_LINE_MAX_BYTES] = '\0';
	fd = dial();
	say(fd, text);
	CU_ASSERT(hears(fd, "\"result\""));
	text[ADMIN_LINE_MAX_BYTES - 1] = ' ';
	text[ADMIN_LINE_MAX_BYTES] = '\0';
	say(fd, text);
	say(fd, " \n");
	CU_ASSERT(hears(fd, "longer than 1 MiB"));
	CU_ASSERT_STRING_EQUAL(hear(fd), "");
	close(fd);
	/* Others go on. */
	fd = dial();
	say(fd, ECHO("here"));
	CU_ASSERT(hears(fd, "here"));
	close(fd);
	admin_stop(server);
	free(text);
}

/* Who does not read the answers holds up nobody. */
static void
test_slow_reader(void)
{
	char buf[65536];
	size_t got = 0;
	ssize_t n;
	int slow, fd;

	start(0, 0);
	slow = dial();
	say(slow, "{\"v\":1,\"verb\":\"big\"}\n" ECHO("after"));
	fd = dial();
	say(fd, ECHO("quick"));
	CU_ASSERT(hears(fd, "quick"));
	close(fd);
	while (got < (4u << 20) && (n = recv(slow, buf, sizeof(buf), 0)) > 0) {
		got += (size_t)n;
		if (memchr(buf, '\n', (size_t)n) != NULL)
			break;
	}
	CU_ASSERT(got >= (4u << 20));
	close(slow);
	admin_stop(server);
}

static void
test_too_many(void)
{
	int fd[4];

	start(3, 0);
	for (int i = 0; i < 4; i++) {
		fd[i] = dial();
		CU_ASSERT_FATAL(fd[i] >= 0);
		if (i < 3) {
			say(fd[i], ECHO("in"));
			CU_ASSERT(hears(fd[i], "in"));
		}
	}
	CU_ASSERT(hears(fd[3], "\"busy\""));
	CU_ASSERT_STRING_EQUAL(hear(fd[3]), "");
	close(fd[0]);
	/* A place is free again, as soon as the server has seen it. */
	for (int i = 0; i < 200; i++) {
		close(fd[3]);
		fd[3] = dial();
		say(fd[3], ECHO("in"));
		if (strstr(hear(fd[3]), "busy") == NULL)
			break;
		(void)usleep(10000);
	}
	say(fd[3], ECHO("now"));
	CU_ASSERT(hears(fd[3], "now"));
	for (int i = 1; i < 4; i++)
		close(fd[i]);
	admin_stop(server);
}

static void
test_idle(void)
{
	uint64_t t0;
	int fd;

	start(0, 200);
	fd = dial();
	t0 = clock_mono_ms();
	say(fd, "{\"v\":1");
	CU_ASSERT_STRING_EQUAL(hear(fd), "");
	CU_ASSERT(clock_mono_ms() - t0 >= 190);
	close(fd);
	admin_stop(server);
}

/* Somebody else is told so, even when the mode of the file lets him in. */
static void
test_peer(void)
{
	int fd, status = -1;
	bool root = geteuid() == 0;
	pid_t pid;

	CU_ASSERT_EQUAL_FATAL(start_with(root ? 0 : geteuid() + 1, 0, 0), 0);
	CU_ASSERT_EQUAL(chmod(path, 0666), 0);
	CU_ASSERT_EQUAL(chmod(dir, 0755), 0);
	calls = 0;
	if ((pid = fork()) == 0) {
		if (root && setuid(65534) != 0)
			_exit(3);
		if ((fd = dial()) < 0)
			_exit(2);
		say(fd, ECHO("let me in"));
		_exit(hears(fd, "\"denied\"") ? 0 : 1);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CU_ASSERT_EQUAL(calls, 0);
	admin_stop(server);
	CU_ASSERT_EQUAL(chmod(dir, 0700), 0);
}

static void
test_socket_file(void)
{
	struct admin *first;
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char longer[200];
	FILE *f;
	int fd;

	/* A second daemon. */
	start(0, 0);
	first = server;
	CU_ASSERT_EQUAL(start_with(geteuid(), 0, 0), -EADDRINUSE);
	CU_ASSERT_PTR_NULL(server);
	fd = dial();
	CU_ASSERT(fd >= 0);
	close(fd);
	admin_stop(first);

	/* What a killed one left. */
	memcpy(sun.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL(bind(fd, (const struct sockaddr *)&sun, sizeof(sun)),
	    0);
	close(fd);
	CU_ASSERT_EQUAL(access(path, F_OK), 0);
	start(0, 0);
	admin_stop(server);

	/* Something that is none of ours is left alone. */
	f = fopen(path, "w");
	CU_ASSERT_FATAL(f != NULL);
	(void)fclose(f);
	CU_ASSERT_EQUAL(start_with(geteuid(), 0, 0), -EEXIST);
	CU_ASSERT_EQUAL(unlink(path), 0);

	/* Too long for an address. */
	(void)strcpy(longer, path);
	memset(path + strlen(dir) + 1, 'a', sizeof(path) - strlen(dir) - 2);
	path[sizeof(path) - 1] = '\0';
	CU_ASSERT_EQUAL(start_with(geteuid(), 0, 0), -ENAMETOOLONG);
	(void)strcpy(path, longer);

	/* No folder, and none can be made. */
	(void)snprintf(path, sizeof(path), "%s/no/such/sock", dir);
	CU_ASSERT_EQUAL(start_with(geteuid(), 0, 0), -ENOENT);
	/* One level is. */
	(void)snprintf(path, sizeof(path), "%s/run/sock", dir);
	start(0, 0);
	admin_stop(server);
	(void)strcpy(path, longer);
	(void)snprintf(longer, sizeof(longer), "%s/run", dir);
	CU_ASSERT_EQUAL(rmdir(longer), 0);
}

static const struct unit_test tests[] = {
	{ "requests", test_requests },
	{ "longest line", test_line_limit },
	{ "slow reader", test_slow_reader },
	{ "too many clients", test_too_many },
	{ "idle client", test_idle },
	{ "wrong user", test_peer },
	{ "socket file", test_socket_file },
};

int
main(void)
{
	int rc;

	msg_set_level(MSG_ERR);
	if (mkdtemp(dir) == NULL)
		return (2);
	(void)snprintf(path, sizeof(path), "%s/sock", dir);
	rc = unit_run("target/admin", tests, sizeof(tests) / sizeof(tests[0]));
	(void)rmdir(dir);
	return (rc);
}
