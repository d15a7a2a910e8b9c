/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/client.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/report.h"
#include "meta/base/check.h"
#include "meta/base/clock.h"

/* A snapshot waits for the disk; nothing waits longer than this. */
#define ANSWER_MS	300000u
#define IN_START_BYTES	16384u
#define WHAT_LEN	256

struct answer {
	char *buf;
	size_t len, cap;
};

static int
connect_failed(const char *path, int err)
{
	char what[WHAT_LEN];

	(void)snprintf(what, sizeof(what), "cannot reach ttd at %s", path);
	if (err == EACCES || err == EPERM)
		return (report_error(ADMIN_DENIED, what,
		    "this user may not use the socket",
		    "use sudo, or become the user that ttd runs as"));
	if (err == ENOENT)
		return (report_unreachable(what, "there is no such socket",
		    "is ttd running? systemctl status ttd; another socket: "
		    "-s PATH or TT_SOCKET"));
	if (err == ECONNREFUSED)
		return (report_unreachable(what, "nobody listens there",
		    "ttd was stopped: systemctl start ttd"));
	return (report_unreachable(what, strerror(err),
	    "check the path: -s PATH or TT_SOCKET"));
}

/* Result: a file descriptor, or -exit code. */
static int
dial(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(sun.sun_path))
		return (-connect_failed(path, ENAMETOOLONG));
	memcpy(sun.sun_path, path, strlen(path) + 1);
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
		return (-connect_failed(path, errno));
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) != 0) {
		err = errno;
		(void)close(fd);
		return (-connect_failed(path, err));
	}
	return (fd);
}

/*
 * All of it; a daemon that hung up may have answered before, so that is no
 * error yet.
 */
static void
send_all(int fd, const char *p, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = send(fd, p, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		p += n;
		len -= (size_t)n;
	}
}

static bool
grow(struct answer *a)
{
	size_t cap = a->cap == 0 ? IN_START_BYTES : 2 * a->cap;
	char *p;

	if (a->len < a->cap)
		return (true);
	cap = TT_MIN(cap, ADMIN_ANSWER_MAX_BYTES);
	if (cap == a->cap || (p = malloc(cap)) == NULL)
		return (false);
	if (a->len > 0)
		memcpy(p, a->buf, a->len);
	admin_proto_wipe_free(a->buf);
	a->buf = p;
	a->cap = cap;
	return (true);
}

/* Reads up to the line feed, which is cut off.  0 or -errno. */
static int
read_line(int fd, struct answer *a)
{
	uint64_t end_ms = clock_mono_ms() + ANSWER_MS, now_ms;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	const char *nl;
	ssize_t n;

	for (;;) {
		if (!grow(a))
			return (-EMSGSIZE);
		if ((now_ms = clock_mono_ms()) >= end_ms)
			return (-ETIMEDOUT);
		n = poll(&pfd, 1, (int)(end_ms - now_ms));
		if (n < 0 && errno != EINTR)
			return (-errno);
		if (n <= 0)
			continue;
		n = recv(fd, a->buf + a->len, a->cap - a->len, MSG_DONTWAIT);
		if (n == 0)
			return (-ECONNRESET);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return (-errno);
		nl = memchr(a->buf + a->len, '\n', (size_t)n);
		a->len += (size_t)n;
		if (nl != NULL) {
			a->len = (size_t)(nl - a->buf);
			return (0);
		}
	}
}

static int
answer_failed(const char *verb, int rc)
{
	char what[WHAT_LEN];

	(void)snprintf(what, sizeof(what), "no answer to %s", verb);
	if (rc == -ETIMEDOUT)
		return (report_error(ADMIN_FAILED, what,
		    "ttd did not answer within five minutes",
		    "it may still do it; look with tt-admin list, and at the "
		    "log of ttd"));
	if (rc == -ECONNRESET || rc == -EPIPE)
		return (report_error(ADMIN_FAILED, what, "ttd hung up",
		    "look whether it was done with tt-admin list, and at the "
		    "log of ttd"));
	return (report_error(ADMIN_FAILED, what, strerror(-rc),
	    "look at the log of ttd"));
}

static const char *
text_of(json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return (s == NULL ? "" : s);
}

/* The result, or the error told.  ${text} is one line from the daemon. */
static int
understand(const char *text, size_t len, json_t **out)
{
	json_t *root, *v, *err;
	json_error_t jerr;
	int rc;

	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &jerr);
	v = json_object_get(root, "v");
	if ((err = json_object_get(root, "error")) != NULL &&
	    json_is_object(err)) {
		rc = report_error(admin_code_parse(text_of(err, "code")),
		    text_of(err, "what"), text_of(err, "why"),
		    text_of(err, "next"));
		/* An error called "ok" is one all the same. */
		rc = rc == EXIT_OK ? EXIT_FAILED : rc;
		goto out_root;
	}
	if (!json_is_integer(v) || json_integer_value(v) != ADMIN_VERSION ||
	    !json_is_object(json_object_get(root, "result"))) {
		rc = report_error(ADMIN_FAILED, "the answer was not "
		    "understood", "it is not of version 1 of the protocol",
		    "use the tt-admin that came with this ttd");
		goto out_root;
	}
	*out = json_incref(json_object_get(root, "result"));
	rc = EXIT_OK;
out_root:
	json_decref(root);
	return (rc);
}

int
client_call(const char *socket_path, const char *verb, json_t *args,
    json_t **out)
{
	struct answer a = { 0 };
	json_t *req;
	char *text;
	int fd, rc;

	req = args == NULL ? NULL : json_pack("{s:i,s:s,s:o}", "v",
	    ADMIN_VERSION, "verb", verb, "args", args);
	text = req == NULL ? NULL : json_dumps(req, JSON_COMPACT);
	json_decref(req);
	if (text == NULL)
		return (report_error(ADMIN_INVALID, "cannot ask ttd",
		    "an argument is not UTF-8 text", ""));
	if ((fd = dial(socket_path)) < 0) {
		admin_proto_wipe_free(text);
		return (-fd);
	}
	send_all(fd, text, strlen(text));
	send_all(fd, "\n", 1);
	admin_proto_wipe_free(text);
	if ((rc = read_line(fd, &a)) != 0)
		rc = answer_failed(verb, rc);
	else
		rc = understand(a.buf, a.len, out);
	admin_proto_wipe_free(a.buf);
	(void)close(fd);
	return (rc);
}
