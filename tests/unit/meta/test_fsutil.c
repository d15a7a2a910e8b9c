/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is freed in pieces: more than one of them, and none too much.
 */
#include "meta/fsutil.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/unit.h"
#include "tests/unit/meta/tmpdir.h"

#define MIB ((off_t)1 << 20)
#define BYTES (11 * MIB)

static uint8_t buf[BYTES];

static int
make(const struct tmpdir *t, char path[static PATH_MAX])
{
	int fd;

	(void)snprintf(path, PATH_MAX, "%.4000s/file", t->path);
	memset(buf, 0x5a, sizeof(buf));
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL_FATAL(fsutil_write(fd, buf, sizeof(buf), 0), 0);
	CU_ASSERT_EQUAL(fsync(fd), 0);
	return (fd);
}

static void
test_shrink(void)
{
	struct tmpdir t;
	struct stat st;
	char path[PATH_MAX], other[PATH_MAX + 8];
	int fd;

	tmpdir_make(&t);
	fd = make(&t, path);
	fsutil_shrink(fd);	/* it has a name */
	CU_ASSERT_EQUAL(fstat(fd, &st), 0);
	CU_ASSERT_EQUAL(st.st_size, BYTES);
	(void)snprintf(other, sizeof(other), "%s.other", path);
	CU_ASSERT_EQUAL(link(path, other), 0);
	CU_ASSERT_EQUAL(unlink(path), 0);
	fsutil_shrink(fd);	/* it still has one */
	CU_ASSERT_EQUAL(fstat(fd, &st), 0);
	CU_ASSERT_EQUAL(st.st_size, BYTES);
	CU_ASSERT_EQUAL(unlink(other), 0);
	fsutil_shrink(fd);
	CU_ASSERT_EQUAL(fstat(fd, &st), 0);
	CU_ASSERT_EQUAL(st.st_size, 0);
	CU_ASSERT_EQUAL(st.st_blocks, 0);
	(void)close(fd);
	tmpdir_remove(&t);
}

static void
test_punch(void)
{
	const off_t from = MIB + 4096, len = 9 * MIB + 8192;
	struct tmpdir t;
	struct stat was, is;
	char path[PATH_MAX];
	int fd;

	tmpdir_make(&t);
	fd = make(&t, path);
	CU_ASSERT_EQUAL(fstat(fd, &was), 0);
	CU_ASSERT_EQUAL(fsutil_punch(fd, (uint64_t)from, (uint64_t)len), 0);
	CU_ASSERT_EQUAL(fstat(fd, &is), 0);
	CU_ASSERT_EQUAL(is.st_size, was.st_size);
	CU_ASSERT_EQUAL((was.st_blocks - is.st_blocks) * 512, len);
	CU_ASSERT_EQUAL_FATAL(fsutil_read(fd, buf, sizeof(buf), 0), 0);
	for (off_t i = 0; i < BYTES; i++)
		if (buf[i] != (i < from || i >= from + len ? 0x5a : 0)) {
			CU_FAIL("a byte that is not what it was, or no hole");
			break;
		}
	(void)close(fd);
	CU_ASSERT_EQUAL(unlink(path), 0);
	tmpdir_remove(&t);
}

static const struct unit_test tests[] = {
	{ "freed when it has no name", test_shrink },
	{ "a hole of several pieces", test_punch },
};

UNIT_MAIN("fsutil", tests)
