/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The open files and what a refusing disk does to them.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>

#include "meta/segs.h"
#include "tests/unit/meta/faults.h"
#include "tests/unit/meta/segfix.h"

static unsigned
open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return (n);
}

/* Segments 1..n, each with its number in it, synced. */
static void
fill(struct segfix *f, uint32_t n)
{
	struct seg *s;

	for (uint32_t i = 1; i <= n; i++) {
		CU_ASSERT_EQUAL_FATAL(segs_create(f->ss, i, &s), 0);
		CU_ASSERT_EQUAL(segfix_put(s, &i, sizeof(i), 0), 0);
		CU_ASSERT_EQUAL(seg_sync(s), 0);
		seg_put(s);
	}
}

static void
test_bounded(void)
{
	struct seg *held[20], *s;
	unsigned before;
	struct segfix f;

	tmpdir_make(&f.t);
	CU_ASSERT_EQUAL(segs_init(f.t.path), 0);
	before = open_files();
	segfix_open(&f, 8);
	before = open_files();
	fill(&f, 60);
	CU_ASSERT_EQUAL(open_files(), before + 8);
	for (uint32_t i = 1; i <= 60; i++) {
		CU_ASSERT_EQUAL_FATAL(segs_get(f.ss, i, &s), 0);
		CU_ASSERT_TRUE(segfix_has(s, &i, sizeof(i), 0));
		seg_put(s);
	}
	CU_ASSERT_EQUAL(open_files(), before + 8);
	/* Who is referenced stays, beyond the bound if it must be. */
	for (uint32_t i = 0; i < 20; i++)
		CU_ASSERT_EQUAL_FATAL(segs_get(f.ss, i + 1, &held[i]), 0);
	CU_ASSERT_EQUAL(open_files(), before + 20);
	for (uint32_t i = 0, k; i < 20; i++) {
		k = i + 1;
		CU_ASSERT_TRUE(segfix_has(held[i], &k, sizeof(k), 0));
		seg_put(held[i]);
	}
	CU_ASSERT_EQUAL(open_files(), before + 8);
	segfix_teardown(&f);
}

/* The one that was used last stays longest. */
static void
test_least_recent_goes(void)
{
	struct seg *s, *t;
	struct segfix f;
	int fd;

	segfix_setup(&f, 3);
	fill(&f, 10);
	CU_ASSERT_EQUAL_FATAL(segs_get(f.ss, 1, &s), 0);
	fd = seg_fd(s);
	seg_put(s);
	for (uint32_t i = 2; i <= 10; i++) {
		CU_ASSERT_EQUAL_FATAL(segs_get(f.ss, i, &t), 0);
		seg_put(t);
		CU_ASSERT_EQUAL_FATAL(segs_get(f.ss, 1, &s), 0);
		CU_ASSERT_EQUAL(seg_fd(s), fd);
		seg_put(s);
	}
	segfix_teardown(&f);
}

static void
test_unsynced_stay_open(void)
{
	struct seg *s;
	unsigned before;
	struct segfix f;

	segfix_setup(&f, 2);
	before = open_files();
	for (uint32_t i = 1; i <= 10; i++) {
		CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, i, &s), 0);
		CU_ASSERT_EQUAL(segfix_put(s, "x", 1, 0), 0);
		seg_put(s);
	}
	CU_ASSERT_EQUAL(open_files(), before + 10);
	for (uint32_t i = 1; i <= 10; i++) {
		CU_ASSERT_EQUAL_FATAL(segs_get(f.ss, i, &s), 0);
		CU_ASSERT_EQUAL(seg_sync(s), 0);
		seg_put(s);
	}
	CU_ASSERT_EQUAL(open_files(), before + 2);
	segfix_teardown(&f);
}

static void
test_limit_of_the_process(void)
{
	struct rlimit old, low;
	struct segfix f;
	struct seg *s;

	segfix_setup(&f, 1000);
	fill(&f, 20);
	CU_ASSERT_EQUAL(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = open_files() + 3;
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &low), 0);
	for (uint32_t i = 21; i <= 40; i++) {
		CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, i, &s), 0);
		CU_ASSERT_EQUAL(seg_sync(s), 0);
		seg_put(s);
	}
	for (uint32_t i = 1; i <= 40; i++) {
		CU_ASSERT_EQUAL_FATAL(segs_get(f.ss, i, &s), 0);
		seg_put(s);
	}
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &old), 0);
	segfix_teardown(&f);
}

static void
test_no_space_to_create(void)
{
	struct segfix f;
	struct seg *s;

	segfix_setup(&f, 8);
	fault.fallocate_err = ENOSPC;
	CU_ASSERT_EQUAL(segs_create(f.ss, 7, &s), -ENOSPC);
	fault.fallocate_err = 0;
	CU_ASSERT_EQUAL(segfix_listed(&f), 0);
	CU_ASSERT_EQUAL(segs_get(f.ss, 7, &s), -ENOENT);
	CU_ASSERT_EQUAL(segs_create(f.ss, 7, &s), 0);
	seg_put(s);
	segfix_teardown(&f);
}

/* A file system without fallocate: written, so the space is there too. */
static void
test_no_fallocate(void)
{
	struct segfix f;
	struct stat st;
	struct seg *s;
	char *zero = calloc(1, SEG_BYTES);

	segfix_setup(&f, 8);
	fault.fallocate_err = EOPNOTSUPP;
	CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, 7, &s), 0);
	fault.fallocate_err = 0;
	CU_ASSERT_EQUAL(fstat(seg_fd(s), &st), 0);
	CU_ASSERT_EQUAL(st.st_size, SEG_BYTES);
	CU_ASSERT_TRUE(st.st_blocks * 512 >= SEG_BYTES);
	CU_ASSERT_TRUE(segfix_has(s, zero, SEG_BYTES, 0));
	seg_put(s);
	segfix_teardown(&f);
	free(zero);
}

static void
test_short_writes(void)
{
	char buf[1000];
	struct iovec iov[4] = { { buf, 10 }, { buf + 10, 490 }, { NULL, 0 },
	    { buf + 500, 500 } };
	struct segfix f;
	struct seg *s;

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i * 7);
	segfix_setup(&f, 8);
	CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, 1, &s), 0);
	for (int max = 1; max < 1010; max++) {
		uint64_t off = (uint64_t)max * 1024;

		fault.pwritev_max = max;
		CU_ASSERT_EQUAL(seg_write(s, iov, 4, off), 0);
		CU_ASSERT_TRUE(segfix_has(s, buf, sizeof(buf), off));
	}
	/* The rest does not go either: that is the reason, and no success. */
	fault.pwritev_max = 600;
	fault.pwritev_err = ENOSPC;
	CU_ASSERT_EQUAL(seg_write(s, iov, 4, 0), -ENOSPC);
	fault.pwritev_max = 0;
	CU_ASSERT_EQUAL(seg_write(s, iov, 4, 0), -ENOSPC);
	fault.pwritev_err = EIO;
	CU_ASSERT_EQUAL(seg_write(s, iov, 4, 0), -EIO);
	fault.pwritev_err = 0;
	seg_put(s);
	segfix_teardown(&f);
}

/* ---- sync ------------------------------------------------------------- */

static void
test_name_is_synced_once(void)
{
	struct segfix f;
	struct seg *s;

	segfix_setup(&f, 1);
	CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, 1, &s), 0);
	fault.n_fsync = fault.n_fdatasync = 0;
	for (unsigned i = 1; i <= 5; i++) {
		CU_ASSERT_EQUAL(seg_sync(s), 0);
		CU_ASSERT_EQUAL(fault.n_fdatasync, i);
		CU_ASSERT_EQUAL(fault.n_fsync, 1);
	}
	seg_put(s);
	segs_close(f.ss);
	/* Another process made it, and may have died before its sync. */
	segfix_open(&f, 1);
	CU_ASSERT_EQUAL_FATAL(segs_get(f.ss, 1, &s), 0);
	fault.n_fsync = 0;
	CU_ASSERT_EQUAL(seg_sync(s), 0);
	CU_ASSERT_EQUAL(seg_sync(s), 0);
	CU_ASSERT_EQUAL(fault.n_fsync, 1);
	seg_put(s);
	segfix_teardown(&f);
}

/* Reported once by the kernel, for ever by us; also after a put and a get. */
static void
test_failed_sync_stays(void)
{
	struct segfix f;
	struct seg *s, *t;

	segfix_setup(&f, 1);
	CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, 1, &s), 0);
	CU_ASSERT_EQUAL(segfix_put(s, "x", 1, 0), 0);
	fault.fdatasync_once = EIO;
	CU_ASSERT_EQUAL(seg_sync(s), -EIO);
	fault.n_fdatasync = 0;
	CU_ASSERT_EQUAL(seg_sync(s), -EIO);
	seg_put(s);
	for (uint32_t i = 2; i < 9; i++) {	/* would push it out */
		CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, i, &t), 0);
		seg_put(t);
	}
	CU_ASSERT_EQUAL_FATAL(segs_get(f.ss, 1, &s), 0);
	CU_ASSERT_EQUAL(seg_sync(s), -EIO);
	CU_ASSERT_EQUAL(fault.n_fdatasync, 0);	/* never tried again */
	CU_ASSERT_TRUE(segfix_has(s, "x", 1, 0));
	seg_put(s);
	/* The others are not concerned. */
	CU_ASSERT_EQUAL_FATAL(segs_get(f.ss, 2, &s), 0);
	CU_ASSERT_EQUAL(seg_sync(s), 0);
	seg_put(s);
	segfix_teardown(&f);
}

static void
test_failed_name_stays(void)
{
	struct segfix f;
	struct seg *s;

	segfix_setup(&f, 1);
	CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, 1, &s), 0);
	fault.fsync_err = EIO;
	CU_ASSERT_EQUAL(seg_sync(s), -EIO);
	fault.fsync_err = 0;
	CU_ASSERT_EQUAL(seg_sync(s), -EIO);
	seg_put(s);
	segfix_teardown(&f);
}

static void *
sync_thread(void *arg)
{
	struct seg *s = arg;

	return (seg_sync(s) == -EIO ? s : NULL);
}

/*
 * The kernel tells one of those who sync at once; all of them must know,
 * because the lost bytes may be anybody's.
 */
static void
test_all_learn_of_a_failed_sync(void)
{
	struct segfix f;
	pthread_t th[8];
	struct seg *s;
	unsigned told = 0;

	segfix_setup(&f, 1);
	CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, 1, &s), 0);
	CU_ASSERT_EQUAL(segfix_put(s, "x", 1, 0), 0);
	fault.sync_ms = 30;
	fault.fdatasync_once = EIO;
	for (unsigned i = 0; i < 8; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&th[i], NULL,
		    sync_thread, s), 0);
	for (unsigned i = 0; i < 8; i++) {
		void *ret = NULL;

		(void)pthread_join(th[i], &ret);
		told += ret != NULL;
	}
	fault.sync_ms = 0;
	CU_ASSERT_EQUAL(told, 8);
	seg_put(s);
	segfix_teardown(&f);
}

static const struct unit_test tests[] = {
	{ "bounded", test_bounded },
	{ "least recent goes", test_least_recent_goes },
	{ "unsynced stay open", test_unsynced_stay_open },
	{ "limit of the process", test_limit_of_the_process },
	{ "no space to create", test_no_space_to_create },
	{ "no fallocate", test_no_fallocate },
	{ "short writes", test_short_writes },
	{ "name is synced once", test_name_is_synced_once },
	{ "failed sync stays", test_failed_sync_stays },
	{ "failed name stays", test_failed_name_stays },
	{ "all learn of a failed sync", test_all_learn_of_a_failed_sync },
};

UNIT_MAIN("segcache", tests)
