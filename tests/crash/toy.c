/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * toy.c - a small program with known promises, to test the harness itself.
 *
 * "toy run DIR" keeps two things in DIR: a log of numbered records of 700
 * bytes (so that they tear), synced every few; and a file "state", replaced by
 * writing a new one, syncing it, renaming it, syncing the directory.  It marks
 * what it has promised.  "toy --trace ..." cuts and checks.  TOY_BUG makes it
 * forget one step: nosync, nostatesync, nodirsync, early (the promise comes
 * before the sync).  Each of them must be found, and without one nothing must.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "tests/crash/cuts.h"

#define REC 700u
#define STEPS 400u
#define STATE_BYTES 5000u

struct promise {
	uint32_t what;		/* 0: records of the log, 1: the state */
	uint32_t number;
};

struct toy {
	uint32_t number[2];
};

static void
fill(uint8_t *p, size_t n, uint32_t number)
{

	memcpy(p, &number, 4);
	for (size_t i = 4; i < n; i++)
		p[i] = (uint8_t)(number * 31 + i * 7 + (i >> 8));
}

static bool
holds(const uint8_t *p, size_t n, uint32_t number)
{
	uint8_t want[STATE_BYTES];

	fill(want, n, number);
	return (memcmp(p, want, n) == 0);
}

static void
promise(uint32_t what, uint32_t number)
{
	struct promise p = { what, number };

	if (tt_record_mark != NULL)
		tt_record_mark(&p, sizeof(p));
}

static bool
bug(const char *name)
{
	const char *b = getenv("TOY_BUG");

	return (b != NULL && strcmp(b, name) == 0);
}

static bool
new_state(const char *dir, int dirfd, uint32_t number)
{
	char tmp[PATH_MAX], path[PATH_MAX];
	uint8_t buf[STATE_BYTES];
	int fd;

	(void)snprintf(tmp, sizeof(tmp), "%s/state.new", dir);
	(void)snprintf(path, sizeof(path), "%s/state", dir);
	fill(buf, sizeof(buf), number);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, buf, sizeof(buf)) != (ssize_t)sizeof(buf))
		return (false);
	if (!bug("nostatesync") && fsync(fd) != 0)
		return (false);
	(void)close(fd);
	if (rename(tmp, path) != 0)
		return (false);
	if (!bug("nodirsync") && fsync(dirfd) != 0)
		return (false);
	promise(1, number);
	return (true);
}

static int
toy_run(const char *dir)
{
	char path[PATH_MAX];
	uint8_t buf[REC];
	int dirfd, fd;

	(void)snprintf(path, sizeof(path), "%s/log", dir);
	dirfd = open(dir, O_RDONLY | O_DIRECTORY);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || dirfd < 0 || fsync(dirfd) != 0)
		return (1);
	for (uint32_t i = 1; i <= STEPS; i++) {
		bool sync = i % 7 == 0;

		fill(buf, sizeof(buf), i);
		if (pwrite(fd, buf, sizeof(buf),
		    (off_t)((i - 1) * REC)) != (ssize_t)sizeof(buf))
			return (1);
		if (sync && bug("early"))
			promise(0, i);
		if (sync && !bug("nosync") && fdatasync(fd) != 0)
			return (1);
		if (sync && !bug("early"))
			promise(0, i);
		if (i % 20 == 0 && !new_state(dir, dirfd, i / 20))
			return (1);
	}
	(void)close(fd);
	(void)close(dirfd);
	return (0);
}

static void
toy_mark(void *arg, const uint8_t *data, uint32_t len)
{
	struct toy *t = arg;
	struct promise p;

	TT_ASSERT(len == sizeof(p));
	memcpy(&p, data, sizeof(p));
	t->number[p.what] = p.number;
}

static ssize_t
read_file(const char *dir, const char *name, uint8_t *buf, size_t cap)
{
	char path[PATH_MAX];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	if ((fd = open(path, O_RDONLY)) < 0)
		return (-errno);
	n = read(fd, buf, cap);
	(void)close(fd);
	return (n);
}

static int
toy_check(void *arg, const char *dir, const struct cut *c)
{
	const struct toy *t = arg;
	static uint8_t log[STEPS * REC], state[STATE_BYTES + 1];
	ssize_t n = read_file(dir, "log", log, sizeof(log));
	uint32_t v;

	(void)c;
	for (uint32_t i = 0; i < t->number[0]; i++)
		if (n < (ssize_t)((i + 1) * REC) ||
		    !holds(log + i * REC, REC, i + 1)) {
			(void)fprintf(stderr, "log: %u of %u are there\n", i,
			    t->number[0]);
			return (1);
		}
	n = read_file(dir, "state", state, sizeof(state));
	if (n < 0 && t->number[1] == 0)
		return (0);	/* nothing was promised */
	memcpy(&v, state, sizeof(v));
	if (n != (ssize_t)STATE_BYTES || !holds(state, STATE_BYTES, v) ||
	    v < t->number[1]) {
		(void)fprintf(stderr, "state: %zd bytes, %u, promised %u\n",
		    n, v, t->number[1]);
		return (1);
	}
	return (0);
}

int
main(int argc, char **argv)
{
	struct toy t = { { 0, 0 } };
	struct cuts_ops ops = { toy_mark, toy_check, &t };

	if (argc == 3 && strcmp(argv[1], "run") == 0)
		return (toy_run(argv[2]));
	return (cuts_main(argc, argv, &ops));
}
