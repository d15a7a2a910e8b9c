/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * segfix.h - a store's segments in a temporary folder, for the tests of
 * meta/seg*.c.
 */
#ifndef TESTS_UNIT_META_SEGFIX_H
#define TESTS_UNIT_META_SEGFIX_H

#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "meta/segs.h"
#include "meta/super.h"
#include "tests/lib/unit.h"
#include "tests/unit/meta/tmpdir.h"

#define SEG_BYTES SEGMENT_BYTES_MIN

struct segfix {
	struct tmpdir t;
	struct segs *ss;
};

static inline void
segfix_open(struct segfix *f, unsigned max_open)
{

	CU_ASSERT_EQUAL_FATAL(segs_open(f->t.path, SEG_BYTES, max_open,
	    &f->ss), 0);
}

static inline void
segfix_setup(struct segfix *f, unsigned max_open)
{

	tmpdir_make(&f->t);
	CU_ASSERT_EQUAL_FATAL(segs_init(f->t.path), 0);
	segfix_open(f, max_open);
}

static inline void
segfix_teardown(struct segfix *f)
{

	segs_close(f->ss);
	tmpdir_remove(&f->t);
}

/* Names in a folder; ${with}: only those that contain it. */
static inline unsigned
segfix_files(const struct segfix *f, const char *folder, const char *with)
{
	DIR *d = opendir(tmpdir_path(&f->t, folder));
	struct dirent *e;
	unsigned n = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0 &&
		    (with == NULL || strstr(e->d_name, with) != NULL))
			n++;
	(void)closedir(d);
	return (n);
}

static inline int
segfix_count(void *arg, uint32_t number)
{

	(void)number;
	++*(unsigned *)arg;
	return (0);
}

/* What segs_list shows. */
static inline unsigned
segfix_listed(struct segfix *f)
{
	unsigned n = 0;

	CU_ASSERT_EQUAL(segs_list(f->ss, segfix_count, &n), 0);
	return (n);
}

static inline int
segfix_put(struct seg *s, const void *buf, size_t len, uint64_t off)
{
	/* Both sides share the type; seg_write only reads. */
	union {
		const void *in;
		void *out;
	} u = { .in = buf };
	struct iovec iov = { u.out, len };

	return (seg_write(s, &iov, 1, off));
}

static inline bool
segfix_has(struct seg *s, const void *buf, size_t len, uint64_t off)
{
	void *got = malloc(len);
	bool same;

	same = seg_read(s, got, len, off) == 0 && memcmp(got, buf, len) == 0;
	free(got);
	return (same);
}

#endif /* !TESTS_UNIT_META_SEGFIX_H */
