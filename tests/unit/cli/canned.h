/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * canned.h - a daemon that says what a test tells it to: listens on a socket,
 * takes one line of one client, answers with given bytes, hangs up.
 */
#ifndef TESTS_UNIT_CLI_CANNED_H
#define TESTS_UNIT_CLI_CANNED_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/lib/unit.h"

struct canned {
	char dir[32], path[64];
	int fd;
	pthread_t thread;
	const char *answers[4];	/* to one client after the other */
	int n_answers;
	char asked[4][4096];	/* what each said */
};

static void *
canned_main(void *arg)
{
	struct canned *c = arg;
	size_t len;
	ssize_t n;
	int fd;

	for (int i = 0; i < c->n_answers; i++) {
		if ((fd = accept(c->fd, NULL, NULL)) < 0)
			break;
		len = 0;
		while (len < sizeof(c->asked[i]) - 1 &&
		    memchr(c->asked[i], '\n', len) == NULL) {
			n = recv(fd, c->asked[i] + len,
			    sizeof(c->asked[i]) - 1 - len, 0);
			if (n <= 0)
				break;
			len += (size_t)n;
		}
		c->asked[i][len] = '\0';
		len = strlen(c->answers[i]);
		for (size_t off = 0; off < len; off += (size_t)n) {
			n = send(fd, c->answers[i] + off, len - off,
			    MSG_NOSIGNAL);
			if (n <= 0)
				break;
		}
		(void)close(fd);
	}
	return (NULL);
}

/* Set ${answers} and ${n_answers} first. */
static inline void
canned_start(struct canned *c)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	(void)strcpy(c->dir, "/tmp/tt-canned-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(c->dir));
	(void)snprintf(c->path, sizeof(c->path), "%s/sock", c->dir);
	memcpy(sun.sun_path, c->path, strlen(c->path) + 1);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL_FATAL(bind(c->fd, (const struct sockaddr *)&sun,
	    sizeof(sun)), 0);
	CU_ASSERT_EQUAL_FATAL(listen(c->fd, 4), 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&c->thread, NULL, canned_main,
	    c), 0);
}

static inline void
canned_stop(struct canned *c)
{

	(void)pthread_join(c->thread, NULL);
	(void)close(c->fd);
	(void)unlink(c->path);
	(void)rmdir(c->dir);
}

/* What is written to a standard stream meanwhile; free it. */
struct capture {
	int stream, saved;
	FILE *file;
};

static inline void
capture_start(struct capture *c, int stream)
{

	(void)fflush(stdout);
	c->stream = stream;
	c->saved = dup(stream);
	c->file = tmpfile();
	CU_ASSERT_PTR_NOT_NULL_FATAL(c->file);
	(void)dup2(fileno(c->file), stream);
}

static inline void
capture_stop(struct capture *c, char *dst, size_t cap)
{
	size_t n;

	(void)fflush(stdout);
	(void)dup2(c->saved, c->stream);
	(void)close(c->saved);
	rewind(c->file);
	n = fread(dst, 1, cap - 1, c->file);
	dst[n] = '\0';
	(void)fclose(c->file);
}

#endif /* !TESTS_UNIT_CLI_CANNED_H */
