/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How full a store is: levels, the reserve, what the log refuses and what it
 * does not.  The file system says what the test wants it to say.
 */
#include <sys/statvfs.h>

#include "meta/space.h"
#include "tests/unit/meta/logfix.h"

#define MIB	(UINT64_C(1) << 20)
#define SEG	((uint64_t)SEG_BYTES)
#define EXPORT	__attribute__((visibility("default")))

/* ---- the file system --------------------------------------------------- */

static _Atomic uint64_t fs_total, fs_avail;
static _Atomic bool fs_full;		/* fallocate refuses */

EXPORT int
fstatvfs(int fd, struct statvfs *v)
{

	(void)fd;
	*v = (struct statvfs){ .f_frsize = 4096, .f_bsize = 4096,
	    .f_blocks = fs_total / 4096, .f_bavail = fs_avail / 4096 };
	return (0);
}

EXPORT int
fallocate(int fd, int mode, off_t off, off_t len)
{

	(void)mode;
	if (fs_full) {
		errno = ENOSPC;
		return (-1);
	}
	return (ftruncate(fd, off + len));
}

/* ---- a space with a log ------------------------------------------------ */

struct fix {
	struct logfix x;
	struct space *sp;
	int dir_fd;
	_Atomic uint64_t need;
	_Atomic unsigned n_told;
	_Atomic int told;
};

static uint64_t
need(void *arg)
{

	return (((struct fix *)arg)->need);
}

static void
level(void *arg, enum space_level now)
{
	struct fix *f = arg;

	f->told = now;
	f->n_told++;
}

static void
setup(struct fix *f, uint64_t reserve, unsigned low)
{
	struct space_conf sc;

	memset(f, 0, sizeof(*f));
	fs_full = false;
	fs_total = 1000 * MIB;
	fs_avail = 900 * MIB;
	logfix_setup(&f->x);
	f->dir_fd = open(f->x.f.t.path, O_RDONLY | O_DIRECTORY);
	CU_ASSERT_FATAL(f->dir_fd >= 0);
	sc = (struct space_conf){ .dir_fd = f->dir_fd, .segs = f->x.f.ss,
	    .segment_bytes = SEG_BYTES, .low_percent = low,
	    .reserve_bytes = reserve, .need = need, .level = level, .arg = f };
	CU_ASSERT_EQUAL_FATAL(space_new(&sc, &f->sp), 0);
	/* The log again, with it. */
	log_close(f->x.l);
	f->x.conf.space = f->sp;
	CU_ASSERT_EQUAL_FATAL(log_open(&f->x.conf, &f->x.l), 0);
}

static void
teardown(struct fix *f)
{

	log_close(f->x.l);
	space_free(f->sp);
	(void)close(f->dir_fd);
	segfix_teardown(&f->x.f);
}

static enum space_level
now(struct fix *f)
{
	struct space_state st;

	space_state(f->sp, &st);
	return (st.level);
}

static off_t
reserve_size(struct fix *f)
{
	struct stat sb;

	return (stat(tmpdir_path(&f->x.f.t, "reserve"), &sb) == 0 ?
	    sb.st_size : -1);
}

/* Until the thread has seen it. */
static bool
becomes(struct fix *f, int want)
{

	for (unsigned i = 0; i < 500 && f->told != want; i++) {
		space_look(f->sp);
		(void)usleep(10000);
	}
	return (f->told == want);
}

/* ---- levels ------------------------------------------------------------ */

/*
 * A reserve of 16 MiB covers one segment (2), the catalogue (8) and 6 of what
 * a checkpoint needs; 2 segments must stay, and one is the step.
 */
static void
test_levels(void)
{
	struct space_state st;
	struct fix f;

	setup(&f, 16 * MIB, 10);
	space_state(f.sp, &st);
	CU_ASSERT_EQUAL(st.level, SPACE_OK);
	CU_ASSERT_EQUAL(st.total_bytes, 1000 * MIB);
	CU_ASSERT_EQUAL(st.free_bytes, 900 * MIB);
	CU_ASSERT(st.low_bytes > 99 * MIB && st.low_bytes <= 100 * MIB);
	CU_ASSERT_EQUAL(st.hard_bytes, 2 * SEG);
	CU_ASSERT_EQUAL(st.reserve_bytes, 16 * MIB);
	CU_ASSERT_EQUAL(reserve_size(&f), 16 * (off_t)MIB);

	fs_avail = 101 * MIB;
	CU_ASSERT_EQUAL(now(&f), SPACE_OK);
	fs_avail = 99 * MIB;
	CU_ASSERT_EQUAL(now(&f), SPACE_LOW);
	CU_ASSERT_TRUE(space_may_write(f.sp));
	fs_avail = 101 * MIB;			/* not with each segment */
	CU_ASSERT_EQUAL(now(&f), SPACE_LOW);
	fs_avail = 110 * MIB;
	CU_ASSERT_EQUAL(now(&f), SPACE_OK);

	fs_avail = 3 * SEG;
	CU_ASSERT_EQUAL(now(&f), SPACE_LOW);
	CU_ASSERT_TRUE(space_may_grow(f.sp));
	fs_avail = 3 * SEG - 4096;
	CU_ASSERT_FALSE(space_may_grow(f.sp));
	CU_ASSERT_FALSE(space_may_write(f.sp));
	fs_avail = 4 * SEG - 4096;
	CU_ASSERT_FALSE(space_may_grow(f.sp));
	fs_avail = 4 * SEG;
	CU_ASSERT_TRUE(space_may_grow(f.sp));
	CU_ASSERT_TRUE(space_may_write(f.sp));
	space_state(f.sp, &st);
	CU_ASSERT_EQUAL(st.n_low, 2);
	CU_ASSERT_EQUAL(st.n_full, 1);
	teardown(&f);
}

/* What a checkpoint would write has to stay free, beyond the reserve. */
static void
test_need(void)
{
	struct space_state st;
	struct fix f;

	setup(&f, 16 * MIB, 10);
	CU_ASSERT_EQUAL_FATAL(space_start(f.sp), 0);
	f.need = 106 * MIB;
	fs_avail = 80 * MIB;
	CU_ASSERT_TRUE(becomes(&f, SPACE_FULL));
	space_state(f.sp, &st);
	CU_ASSERT_EQUAL(st.hard_bytes, 100 * MIB + 2 * SEG);
	f.need = 0;
	CU_ASSERT_TRUE(becomes(&f, SPACE_LOW));
	fs_avail = 900 * MIB;
	CU_ASSERT_TRUE(becomes(&f, SPACE_OK));
	CU_ASSERT_EQUAL(f.n_told, 3);
	space_stop(f.sp);
	teardown(&f);
}

/* Without a reserve only the file system says no. */
static void
test_none(void)
{
	struct fix f;

	setup(&f, 0, 0);
	fs_avail = 0;
	CU_ASSERT_EQUAL(now(&f), SPACE_OK);
	CU_ASSERT_TRUE(space_may_grow(f.sp));
	CU_ASSERT_EQUAL(reserve_size(&f), -1);
	CU_ASSERT_FALSE(space_release(f.sp));
	teardown(&f);
}

/* ---- the reserve ------------------------------------------------------- */

static void
test_reserve(void)
{
	struct space_conf sc;
	struct space_state st;
	struct fix f;

	setup(&f, 64 * MIB, 10);
	/* At most 1/32 of the file system. */
	space_state(f.sp, &st);
	CU_ASSERT_EQUAL(st.reserve_bytes, 1000 * MIB / 32);
	CU_ASSERT_EQUAL(reserve_size(&f), 1000 * (off_t)MIB / 32);

	/* Given back once; what it covered must now be free. */
	fs_avail = 10 * MIB;
	CU_ASSERT_TRUE(space_release(f.sp));
	CU_ASSERT_FALSE(space_release(f.sp));
	CU_ASSERT_EQUAL(reserve_size(&f), -1);
	space_state(f.sp, &st);
	CU_ASSERT_EQUAL(st.reserve_bytes, 0);
	CU_ASSERT_EQUAL(st.hard_bytes, 3 * SEG + 8 * MIB);
	CU_ASSERT_EQUAL(st.level, SPACE_FULL);

	/* Made again when there is room, by the thread. */
	CU_ASSERT_EQUAL_FATAL(space_start(f.sp), 0);
	CU_ASSERT_TRUE(becomes(&f, SPACE_FULL));
	CU_ASSERT_EQUAL(reserve_size(&f), -1);
	fs_full = true;
	fs_avail = 800 * MIB;
	CU_ASSERT_TRUE(becomes(&f, SPACE_OK));
	CU_ASSERT_EQUAL(reserve_size(&f), -1);	/* it was refused */
	fs_full = false;
	for (unsigned i = 0; i < 500 && reserve_size(&f) < 0; i++) {
		space_look(f.sp);
		(void)usleep(10000);
	}
	space_stop(f.sp);
	CU_ASSERT_EQUAL(reserve_size(&f), 1000 * (off_t)MIB / 32);
	space_free(f.sp);

	/* The next owner finds one of another size, and has none to make. */
	sc = (struct space_conf){ .dir_fd = f.dir_fd, .segs = f.x.f.ss,
	    .segment_bytes = SEG_BYTES, .reserve_bytes = 16 * MIB };
	fs_avail = 16 * MIB;
	CU_ASSERT_EQUAL_FATAL(space_new(&sc, &f.sp), 0);
	CU_ASSERT_EQUAL(reserve_size(&f), -1);
	f.x.conf.space = f.sp;
	log_close(f.x.l);
	CU_ASSERT_EQUAL_FATAL(log_open(&f.x.conf, &f.x.l), 0);
	teardown(&f);
}

/* Prepared files count, and go when space is little. */
static void
test_prepared(void)
{
	struct space_state st;
	struct fix f;

	setup(&f, 16 * MIB, 10);
	CU_ASSERT_EQUAL(segs_prepare(f.x.f.ss, 3), 0);
	for (unsigned i = 0; i < 500 && segs_prepared(f.x.f.ss) < 3; i++)
		(void)usleep(10000);
	CU_ASSERT_EQUAL(segs_prepare(f.x.f.ss, 0), 0);
	fs_avail = 0;
	space_state(f.sp, &st);
	CU_ASSERT_EQUAL(st.free_bytes, 3 * SEG);
	CU_ASSERT_EQUAL_FATAL(space_start(f.sp), 0);
	CU_ASSERT_TRUE(becomes(&f, SPACE_FULL));
	for (unsigned i = 0; i < 500 && segs_prepared(f.x.f.ss) > 0; i++)
		(void)usleep(10000);
	CU_ASSERT_EQUAL(segs_prepared(f.x.f.ss), 0);
	CU_ASSERT_EQUAL(segfix_files(&f.x.f, "spare", NULL), 0);
	space_stop(f.sp);
	teardown(&f);
}

/* ---- the log ----------------------------------------------------------- */

/* Data is refused; in the same batch the rest gets in, and is found. */
static void
test_log(void)
{
	static struct found fd;
	struct one all[6];
	struct recovery *rv;
	struct fix f;

	setup(&f, 16 * MIB, 10);
	one_data(&all[0], 4, 1);
	CU_ASSERT(logfix_append(&f.x, &all[0], 1) > 0);
	CU_ASSERT_EQUAL_FATAL(all[0].lr.rc, 0);

	fs_avail = SEG;
	(void)now(&f);
	one_data(&all[1], 4, 2);
	one_zero(&all[2], 7);
	one_data(&all[3], 4, 3);
	one_items(&all[4], REC_CATALOG, 100, 4);
	one_items(&all[5], REC_CHECKPOINT, 100, 5);
	(void)logfix_append(&f.x, &all[1], 5);
	CU_ASSERT_EQUAL(all[1].lr.rc, -ENOSPC);
	CU_ASSERT_EQUAL(all[2].lr.rc, 0);
	CU_ASSERT_EQUAL(all[3].lr.rc, -ENOSPC);
	CU_ASSERT_EQUAL(all[4].lr.rc, 0);
	CU_ASSERT_EQUAL(all[5].lr.rc, 0);

	CU_ASSERT_EQUAL_FATAL(logfix_recover(&f.x, &fd, &rv), 0);
	CU_ASSERT_EQUAL(fd.n, 4);
	recovery_free(rv);

	/* It goes on by itself when there is space. */
	fs_avail = 500 * MIB;
	(void)now(&f);
	one_free(&all[1]);
	one_data(&all[1], 4, 2);
	(void)logfix_append(&f.x, &all[1], 1);
	CU_ASSERT_EQUAL(all[1].lr.rc, 0);
	for (unsigned i = 0; i < 6; i++)
		one_free(&all[i]);
	teardown(&f);
}

/* Many records that are not data, through several segments, while full; and
 * when the file system refuses as well, on the reserve. */
static void
test_log_roll(void)
{
	struct one big;
	struct fix f;
	unsigned n;

	setup(&f, 16 * MIB, 10);
	fs_avail = SEG;
	(void)now(&f);
	for (n = 0; n < 30; n++) {
		one_items(&big, REC_CATALOG, 200 << 10, n);
		(void)logfix_append(&f.x, &big, 1);
		CU_ASSERT_EQUAL(big.lr.rc, 0);
		one_free(&big);
	}
	CU_ASSERT(segfix_listed(&f.x.f) >= 3);

	/* Nothing at all: the reserve goes, which does not help here. */
	fs_full = true;
	for (n = 0; n < 30; n++) {
		one_items(&big, REC_CATALOG, 200 << 10, n);
		(void)logfix_append(&f.x, &big, 1);
		if (big.lr.rc != 0)
			break;
		one_free(&big);
	}
	CU_ASSERT_EQUAL(big.lr.rc, -ENOSPC);
	CU_ASSERT(n < 30);
	CU_ASSERT_EQUAL(reserve_size(&f), -1);
	one_free(&big);
	teardown(&f);
}

static const struct unit_test tests[] = {
	{ "levels", test_levels },
	{ "what a checkpoint needs", test_need },
	{ "no reserve, no level", test_none },
	{ "the reserve", test_reserve },
	{ "prepared files", test_prepared },
	{ "a full log refuses data only", test_log },
	{ "a full log rolls over for the rest", test_log_roll },
};
UNIT_MAIN("meta/space", tests)
