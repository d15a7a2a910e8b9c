/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Prepared files and the thread that makes them.
 */
#include <errno.h>

#include "meta/base/clock.h"
#include "meta/segdir.h"
#include "meta/segs_int.h"
#include "tests/unit/meta/faults.h"
#include "tests/unit/meta/segfix.h"

static unsigned
ready(const struct segfix *f)
{

	return (segfix_files(f, "spare", NULL) -
	    segfix_files(f, "spare", ".new"));
}

/*
 * Waits until ${n} are ready, none is half made, and the backend counts them:
 * a file has its name before that.
 */
static bool
wait_ready(const struct segfix *f, unsigned n)
{
	uint64_t end = clock_mono_ms() + 20000;

	while (clock_mono_ms() < end) {
		if (f->ss->ops->prepared(f->ss->be) == n &&
		    segfix_files(f, "spare", NULL) == n)
			return (true);
		fault_sleep(2);
	}
	return (false);
}

static ino_t
inode(const struct segfix *f, const char *name)
{
	struct stat st;

	CU_ASSERT_EQUAL(stat(tmpdir_path(&f->t, name), &st), 0);
	return (st.st_ino);
}

static void
make_file(const struct segfix *f, const char *name, off_t bytes)
{
	int fd = open(tmpdir_path(&f->t, name), O_WRONLY | O_CREAT, 0600);

	CU_ASSERT_TRUE(fd >= 0);
	CU_ASSERT_EQUAL(ftruncate(fd, bytes), 0);
	(void)close(fd);
}

static void
test_prepared_is_used(void)
{
	char *zero = calloc(1, SEG_BYTES);
	unsigned fresh;
	struct segfix f;
	struct stat st;
	struct seg *s;
	ino_t ino;

	segfix_setup(&f, 8);
	CU_ASSERT_EQUAL(segs_prepare(f.ss, 3), 0);
	CU_ASSERT_TRUE(wait_ready(&f, 3));
	ino = inode(&f, "spare/00000002");
	CU_ASSERT_EQUAL(stat(tmpdir_path(&f.t, "spare/00000002"), &st), 0);
	CU_ASSERT_EQUAL(st.st_size, SEG_BYTES);
	CU_ASSERT_TRUE(st.st_blocks * 512 >= SEG_BYTES);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);

	CU_ASSERT_EQUAL(segs_prepare(f.ss, 0), 0);
	fresh = fault.n_fallocate;
	CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, 0x77, &s), 0);
	CU_ASSERT_EQUAL(fault.n_fallocate, fresh);
	CU_ASSERT_EQUAL(inode(&f, "seg/77/00000077"), ino);
	CU_ASSERT_TRUE(segfix_has(s, zero, SEG_BYTES, 0));
	/* Not with O_DIRECT: an odd write from an odd place works. */
	CU_ASSERT_EQUAL(segfix_put(s, "odd" + 1, 2, 3), 0);
	CU_ASSERT_EQUAL(seg_sync(s), 0);
	seg_put(s);
	CU_ASSERT_EQUAL(ready(&f), 2);

	/* They serve also when nobody prepares; then fresh ones do. */
	for (uint32_t i = 0x78; i < 0x7c; i++) {
		CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, i, &s), 0);
		seg_put(s);
	}
	CU_ASSERT_EQUAL(fault.n_fallocate, fresh + 2);
	CU_ASSERT_EQUAL(ready(&f), 0);

	/* And the thread makes new ones, with names that are not in use. */
	CU_ASSERT_EQUAL(segs_prepare(f.ss, 2), 0);
	CU_ASSERT_TRUE(wait_ready(&f, 2));
	CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, 0x80, &s), 0);
	seg_put(s);
	CU_ASSERT_TRUE(wait_ready(&f, 2));
	segfix_teardown(&f);
	free(zero);
}

/* A number that is taken costs no prepared file. */
static void
test_number_taken(void)
{
	struct segfix f;
	struct seg *s;

	segfix_setup(&f, 8);
	CU_ASSERT_EQUAL(segs_prepare(f.ss, 1), 0);
	CU_ASSERT_TRUE(wait_ready(&f, 1));
	make_file(&f, "seg/09/00000009", 10);
	CU_ASSERT_EQUAL(segs_create(f.ss, 9, &s), -EEXIST);
	CU_ASSERT_EQUAL(ready(&f), 1);
	CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, 10, &s), 0);
	seg_put(s);
	segfix_teardown(&f);
}

/* What the owner before left: kept, removed, or none of our business. */
static void
test_left_over(void)
{
	struct segfix f;
	struct seg *s;

	segfix_setup(&f, 8);
	segs_close(f.ss);
	make_file(&f, "spare/00000005", SEG_BYTES);
	make_file(&f, "spare/00000006", SEG_BYTES / 2);
	make_file(&f, "spare/00000007", SEG_BYTES + 1);
	make_file(&f, "spare/00000008.new", SEG_BYTES);
	make_file(&f, "spare/00000009.new", 0);
	make_file(&f, "spare/notes.txt", 5);
	make_file(&f, "spare/0000000x", SEG_BYTES);
	/* A rename that the file system did by halves: also a segment. */
	make_file(&f, "seg/0a/0000000a", SEG_BYTES);
	CU_ASSERT_EQUAL(link(tmpdir_path(&f.t, "seg/0a/0000000a"),
	    tmpdir_path(&f.t, "spare/0000000a")), 0);
	segfix_open(&f, 8);
	CU_ASSERT_EQUAL(segfix_files(&f, "spare", NULL), 3);
	CU_ASSERT_EQUAL(access(tmpdir_path(&f.t, "spare/00000005"), F_OK), 0);
	CU_ASSERT_EQUAL(access(tmpdir_path(&f.t, "spare/notes.txt"), F_OK), 0);
	CU_ASSERT_EQUAL(access(tmpdir_path(&f.t, "seg/0a/0000000a"), F_OK), 0);
	CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, 1, &s), 0);
	seg_put(s);
	CU_ASSERT_EQUAL(access(tmpdir_path(&f.t, "spare/00000005"), F_OK), -1);
	CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, 2, &s), 0);
	seg_put(s);
	CU_ASSERT_EQUAL(segfix_listed(&f), 3);
	segfix_teardown(&f);
}

static void
test_too_many_left_over(void)
{
	struct segfix f;

	segfix_setup(&f, 8);
	segs_close(f.ss);
	for (unsigned i = 0; i < SEGDIR_SPARES_MAX + 10; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "spare/%08x", i * 0x1234);
		make_file(&f, name, SEG_BYTES);
	}
	/* The name where the numbers of spares wrap. */
	make_file(&f, "spare/ffffffff", SEG_BYTES);
	segfix_open(&f, 8);
	CU_ASSERT_EQUAL(ready(&f), SEGDIR_SPARES_MAX);
	segfix_teardown(&f);
}

static void
test_names_wrap(void)
{
	struct segfix f;

	segfix_setup(&f, 8);
	segs_close(f.ss);
	make_file(&f, "spare/ffffffff", SEG_BYTES);
	segfix_open(&f, 8);
	CU_ASSERT_EQUAL(segs_prepare(f.ss, 3), 0);
	CU_ASSERT_TRUE(wait_ready(&f, 3));
	segfix_teardown(&f);
}

/* Somebody deletes them while the store is open. */
static void
test_taken_away(void)
{
	struct segfix f;
	struct seg *s;

	segfix_setup(&f, 8);
	CU_ASSERT_EQUAL(segs_prepare(f.ss, 2), 0);
	CU_ASSERT_TRUE(wait_ready(&f, 2));
	CU_ASSERT_EQUAL(segs_prepare(f.ss, 0), 0);
	CU_ASSERT_EQUAL(unlink(tmpdir_path(&f.t, "spare/00000000")), 0);
	CU_ASSERT_EQUAL(truncate(tmpdir_path(&f.t, "spare/00000001"), 9), 0);
	CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, 1, &s), 0);
	CU_ASSERT_EQUAL(segfix_put(s, "x", 1, SEG_BYTES - 1), 0);
	seg_put(s);
	segfix_teardown(&f);
}

static void
test_without_direct(void)
{
	struct segfix f;

	segfix_setup(&f, 8);
	fault.no_direct = 1;
	fault.n_direct = 0;
	CU_ASSERT_EQUAL(segs_prepare(f.ss, 2), 0);
	CU_ASSERT_TRUE(wait_ready(&f, 2));
	CU_ASSERT_EQUAL(fault.n_direct, 0);
	fault.no_direct = 0;
	CU_ASSERT_EQUAL(segs_prepare(f.ss, 3), 0);
	CU_ASSERT_TRUE(wait_ready(&f, 3));
	segfix_teardown(&f);
}

/* The disk is full: nothing is left behind, and it goes on when it is not. */
static void
test_no_space(void)
{
	unsigned tries;
	struct segfix f;
	struct seg *s;

	segfix_setup(&f, 8);
	fault.fallocate_err = ENOSPC;
	tries = fault.n_fallocate;
	CU_ASSERT_EQUAL(segs_prepare(f.ss, 2), 0);
	while (fault.n_fallocate == tries)
		fault_sleep(1);
	CU_ASSERT_TRUE(wait_ready(&f, 0));
	fault_sleep(50);
	/* It does not try in a circle. */
	CU_ASSERT_EQUAL(fault.n_fallocate, tries + 1);
	CU_ASSERT_EQUAL(segs_create(f.ss, 1, &s), -ENOSPC);
	fault.fallocate_err = 0;
	CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, 1, &s), 0);
	seg_put(s);
	CU_ASSERT_TRUE(wait_ready(&f, 2));
	segfix_teardown(&f);
}

static void
test_failed_sync(void)
{
	struct segfix f;

	segfix_setup(&f, 8);
	fault.fdatasync_err = EIO;
	CU_ASSERT_EQUAL(segs_prepare(f.ss, 1), 0);
	fault_sleep(100);
	CU_ASSERT_EQUAL(ready(&f), 0);
	fault.fdatasync_err = 0;
	CU_ASSERT_EQUAL(segs_prepare(f.ss, 1), 0);
	CU_ASSERT_TRUE(wait_ready(&f, 1));
	segfix_teardown(&f);
}

/* A slow disk: 32 chunks of 50 ms, and closing waits for one of them. */
static void
test_close_does_not_wait(void)
{
	uint64_t start;
	struct segfix f;

	tmpdir_make(&f.t);
	CU_ASSERT_EQUAL_FATAL(segs_init(f.t.path), 0);
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL_FATAL(segs_open(f.t.path, 32u << 20, 8,
		    &f.ss), 0);
		fault.n_pwrite = 0;
		fault.pwrite_ms = 50;
		CU_ASSERT_EQUAL(segs_prepare(f.ss, 4), 0);
		while (fault.n_pwrite < 2)
			fault_sleep(1);
		if (i == 1) {
			/* Put to rest first: that does not wait at all. */
			CU_ASSERT_EQUAL(segs_prepare(f.ss, 0), 0);
			CU_ASSERT_TRUE(wait_ready(&f, 0));
		}
		start = clock_mono_ms();
		segs_close(f.ss);
		CU_ASSERT_TRUE(clock_mono_ms() - start < 600);
		fault.pwrite_ms = 0;
		CU_ASSERT_EQUAL(segfix_files(&f, "spare", NULL), 0);
	}
	tmpdir_remove(&f.t);
}

static const struct unit_test tests[] = {
	{ "prepared is used", test_prepared_is_used },
	{ "number taken", test_number_taken },
	{ "left over", test_left_over },
	{ "too many left over", test_too_many_left_over },
	{ "names wrap", test_names_wrap },
	{ "taken away", test_taken_away },
	{ "without O_DIRECT", test_without_direct },
	{ "no space", test_no_space },
	{ "failed sync", test_failed_sync },
	{ "close does not wait", test_close_does_not_wait },
};

UNIT_MAIN("segspare", tests)
