/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tmpdir.h - a folder for one test: under TT_TEST_DIR, TMPDIR or /tmp, removed
 * with all that is in it.
 */
#ifndef TESTS_UNIT_META_TMPDIR_H
#define TESTS_UNIT_META_TMPDIR_H

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct tmpdir {
	char path[PATH_MAX];
};

static inline void
tmpdir_make(struct tmpdir *t)
{
	const char *base = getenv("TT_TEST_DIR");

	if (base == NULL)
		base = getenv("TMPDIR");
	if (base == NULL)
		base = "/tmp";
	(void)snprintf(t->path, sizeof(t->path), "%s/tt-unit-XXXXXX", base);
	if (mkdtemp(t->path) == NULL) {
		perror(t->path);
		abort();
	}
}

/*
 * For tests that open a store hundreds of times and need no real disk: what
 * TT_TEST_DIR names, else memory if there is a file system in it.
 */
static inline void
tmpdir_prefer_memory(void)
{

	if (access("/dev/shm", W_OK) == 0)
		(void)setenv("TT_TEST_DIR", "/dev/shm", 0);
}

static inline int
tmpdir_unlink(const char *path, const struct stat *st, int flag,
    struct FTW *ftw)
{

	(void)st;
	(void)flag;
	(void)ftw;
	return (remove(path));
}

static inline void
tmpdir_remove(struct tmpdir *t)
{

	(void)nftw(t->path, tmpdir_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

/* "PATH/NAME", in one of a few static buffers of the calling thread. */
static inline const char *
tmpdir_path(const struct tmpdir *t, const char *name)
{
	static _Thread_local char buf[4][2 * PATH_MAX];
	static _Thread_local unsigned next;
	char *dst = buf[next++ % 4];

	(void)snprintf(dst, sizeof(buf[0]), "%s/%s", t->path, name);
	return (dst);
}

#endif /* !TESTS_UNIT_META_TMPDIR_H */
