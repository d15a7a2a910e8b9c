/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dead segments: recycled as prepared files, or removed; holes.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "meta/fsutil.h"
#include "tests/unit/meta/segfix.h"

static void
make(struct segfix *f, uint32_t number, uint8_t fill, struct seg **out)
{
	static uint8_t buf[SEG_BYTES];
	struct seg *s;

	memset(buf, fill, sizeof(buf));
	CU_ASSERT_EQUAL_FATAL(segs_create(f->ss, number, &s), 0);
	CU_ASSERT_EQUAL(segfix_put(s, buf, sizeof(buf), 0), 0);
	CU_ASSERT_EQUAL(seg_sync(s), 0);
	if (out != NULL)
		*out = s;
	else
		seg_put(s);
}

static unsigned
spares(struct segfix *f)
{

	return (segfix_files(f, "spare", NULL));
}

static void
test_recycle(void)
{
	static const uint8_t zero[4096];
	static uint8_t old[4096];
	struct segfix f;
	struct seg *s;
	unsigned before;

	segfix_setup(&f, 16);
	make(&f, 1, 0x11, NULL);
	make(&f, 2, 0x22, NULL);
	/* none wanted: removed */
	CU_ASSERT_EQUAL(segs_retire(f.ss, 1), 0);
	CU_ASSERT_EQUAL(spares(&f), 0);
	CU_ASSERT_EQUAL(segs_retire(f.ss, 1), -ENOENT);
	CU_ASSERT_EQUAL(segs_retire(f.ss, 2), 0);
	CU_ASSERT_EQUAL(spares(&f), 0);
	segfix_teardown(&f);

	segfix_setup(&f, 16);
	make(&f, 3, 0x33, NULL);
	/* too many are wanted for the preparer to have them all at once */
	CU_ASSERT_EQUAL(segs_prepare(f.ss, 16), 0);
	CU_ASSERT_EQUAL(segs_retire(f.ss, 3), 0);
	CU_ASSERT_EQUAL(segs_get(f.ss, 3, &s), -ENOENT);
	CU_ASSERT_EQUAL(segs_sync_name(f.ss, 3), 0);
	while (segs_prepared(f.ss) < 16)
		(void)usleep(1000);
	CU_ASSERT_EQUAL(segs_prepare(f.ss, 0), 0);
	before = segs_prepared(f.ss);
	/* one of them has the old content behind an empty header */
	memset(old, 0x33, sizeof(old));
	for (uint32_t n = 100; before > 0; before--, n++) {
		CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, n, &s), 0);
		CU_ASSERT_TRUE(segfix_has(s, zero, sizeof(zero), 0));
		if (segfix_has(s, old, sizeof(old), 4096))
			old[0] = 1;
		seg_put(s);
	}
	CU_ASSERT_EQUAL(old[0], 1);
	segfix_teardown(&f);
}

/* Who has it open reads on: its bytes are not given to another segment. */
static void
test_referenced(void)
{
	static uint8_t old[4096];
	struct segfix f;
	struct seg *s, *n;

	segfix_setup(&f, 16);
	make(&f, 3, 0x33, &s);
	memset(old, 0x33, sizeof(old));
	CU_ASSERT_EQUAL(segs_prepare(f.ss, 4), 0);
	CU_ASSERT_EQUAL(segs_retire(f.ss, 3), 0);
	while (segs_prepared(f.ss) < 4)
		(void)usleep(1000);
	CU_ASSERT_EQUAL(segs_prepare(f.ss, 0), 0);
	for (uint32_t k = 10; k < 14; k++) {
		CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, k, &n), 0);
		CU_ASSERT_FALSE(segfix_has(n, old, sizeof(old), 4096));
		seg_put(n);
	}
	CU_ASSERT_TRUE(segfix_has(s, old, sizeof(old), 0));
	seg_put(s);
	segfix_teardown(&f);
}

/* Small holes are filled: each byte of a prepared file has its place. */
static void
test_holes_filled(void)
{
	static uint8_t old[4096];
	static const uint32_t holes[][2] = { { 4096, 4096 }, { 65536, 65536 },
	    { SEG_BYTES - 8192, 8192 } };
	struct segfix f;
	struct seg *s;
	bool found = false;

	segfix_setup(&f, 16);
	make(&f, 3, 0x33, &s);
	memset(old, 0x33, sizeof(old));
	for (size_t i = 0; i < sizeof(holes) / sizeof(holes[0]); i++)
		CU_ASSERT_EQUAL(seg_punch(s, holes[i][0], holes[i][1]), 0);
	seg_put(s);
	/* too many are wanted for the preparer to have them all at once */
	CU_ASSERT_EQUAL(segs_prepare(f.ss, 16), 0);
	CU_ASSERT_EQUAL(segs_retire(f.ss, 3), 0);
	while (segs_prepared(f.ss) < 16)
		(void)usleep(1000);
	CU_ASSERT_EQUAL(segs_prepare(f.ss, 0), 0);
	for (uint32_t n = 100; segs_prepared(f.ss) > 0; n++) {
		CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, n, &s), 0);
		CU_ASSERT_EQUAL(lseek(seg_fd(s), 0, SEEK_HOLE), SEG_BYTES);
		found |= segfix_has(s, old, sizeof(old), 8192);
		seg_put(s);
	}
	CU_ASSERT_TRUE(found);
	segfix_teardown(&f);
}

/* ---- a file system that answers wrongly ---------------------------------- */

off_t __real_lseek(int fd, off_t off, int whence);
off_t __wrap_lseek(int fd, off_t off, int whence);

static struct {
	int whence;		/* this question is answered ... */
	int err;		/* ... so; 0: with the place it was asked for */
	unsigned asked;
	bool header;		/* was there still one? */
} liar = { .whence = -1 };

off_t
__wrap_lseek(int fd, off_t off, int whence)
{
	/* For O_DIRECT. */
	static uint8_t head[4096] __attribute__((aligned(4096)));

	if (whence != liar.whence || ++liar.asked > 1000)
		return (__real_lseek(fd, off, whence));
	liar.header |= pread(fd, head, sizeof(head), 0) !=
	    (ssize_t)sizeof(head) || head[0] != 0;
	errno = liar.err;
	return (liar.err != 0 ? -1 : off);
}

/* Nothing is filled on a wrong answer, nor as long as there is a header. */
static void
test_liar(void)
{
	static const struct {
		int whence, err;
	} lies[] = { { SEEK_DATA, EIO }, { SEEK_DATA, 0 }, { SEEK_HOLE, EIO } };
	static uint8_t old[4096];
	struct segfix f;
	struct seg *s;

	memset(old, 0x33, sizeof(old));
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		segfix_setup(&f, 16);
		make(&f, 3, 0x33, &s);
		CU_ASSERT_EQUAL(seg_punch(s, 65536, 65536), 0);
		seg_put(s);
		CU_ASSERT_EQUAL(segs_prepare(f.ss, 16), 0);
		memset(&liar, 0, sizeof(liar));
		liar.err = lies[i].err;
		liar.whence = lies[i].whence;
		CU_ASSERT_EQUAL(segs_retire(f.ss, 3), 0);
		liar.whence = -1;
		CU_ASSERT(liar.asked > 0 && liar.asked < 10);
		CU_ASSERT_FALSE(liar.header);
		while (segs_prepared(f.ss) < 16)
			(void)usleep(1000);
		CU_ASSERT_EQUAL(segs_prepare(f.ss, 0), 0);
		for (uint32_t n = 100; segs_prepared(f.ss) > 0; n++) {
			CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, n, &s), 0);
			CU_ASSERT_FALSE(segfix_has(s, old, sizeof(old), 8192));
			seg_put(s);
		}
		segfix_teardown(&f);
	}
}

/*
 * The last who reads from a removed segment reads what was there, also at its
 * end, which would be the first to go.
 */
static void
test_shrinks_last(void)
{
	static uint8_t old[4096];
	struct segfix f;
	struct seg *s;
	struct stat st;
	int fd;

	segfix_setup(&f, 16);
	make(&f, 3, 0x33, &s);
	memset(old, 0x33, sizeof(old));
	fd = dup(seg_fd(s));
	CU_ASSERT_FATAL(fd >= 0);
	fsutil_shrink(fd);	/* not while it has a name */
	CU_ASSERT_EQUAL(fstat(fd, &st), 0);
	CU_ASSERT_EQUAL(st.st_size, SEG_BYTES);
	CU_ASSERT_EQUAL(segs_retire(f.ss, 3), 0);
	CU_ASSERT_TRUE(segfix_has(s, old, sizeof(old), SEG_BYTES - 4096));
	seg_put(s);
	CU_ASSERT_EQUAL(fstat(fd, &st), 0);
	CU_ASSERT_EQUAL(st.st_nlink, 0);
	CU_ASSERT_EQUAL(st.st_size, 0);
	(void)close(fd);
	segfix_teardown(&f);
}

/* Big holes, or no tail: not worth it. */
static void
test_unfit(void)
{
	static uint8_t old[4096];
	struct segfix f;
	struct seg *s;

	for (unsigned how = 0; how < 2; how++) {
		segfix_setup(&f, 16);
		make(&f, 3, 0x33, &s);
		memset(old, 0x33, sizeof(old));
		if (how == 0)
			CU_ASSERT_EQUAL(seg_cut_tail(s, SEG_BYTES / 2), 0);
		if (how == 1)
			CU_ASSERT_EQUAL(seg_punch(s, 65536,
			    SEG_BYTES / 2), 0);
		seg_put(s);
		CU_ASSERT_EQUAL(segs_prepare(f.ss, 2), 0);
		CU_ASSERT_EQUAL(segs_retire(f.ss, 3), 0);
		while (segs_prepared(f.ss) < 2)
			(void)usleep(1000);
		CU_ASSERT_EQUAL(segs_prepare(f.ss, 0), 0);
		for (uint32_t k = 10; k < 12; k++) {
			CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, k, &s), 0);
			CU_ASSERT_FALSE(segfix_has(s, old, sizeof(old),
			    4096));
			seg_put(s);
		}
		segfix_teardown(&f);
	}
}

static void
test_punch(void)
{
	static const uint8_t zero[65536];
	static uint8_t old[65536];
	struct segfix f;
	struct stat was, is;
	struct seg *s;

	segfix_setup(&f, 16);
	make(&f, 3, 0x33, &s);
	memset(old, 0x33, sizeof(old));
	CU_ASSERT_EQUAL(fstat(seg_fd(s), &was), 0);
	CU_ASSERT_EQUAL(seg_punch(s, 131072, 65536), 0);
	CU_ASSERT_EQUAL(fstat(seg_fd(s), &is), 0);
	CU_ASSERT_EQUAL(is.st_size, was.st_size);
	CU_ASSERT_EQUAL(was.st_blocks - is.st_blocks, 65536 / 512);
	CU_ASSERT_TRUE(segfix_has(s, old, sizeof(old), 65536));
	CU_ASSERT_TRUE(segfix_has(s, zero, sizeof(zero), 131072));
	CU_ASSERT_TRUE(segfix_has(s, old, sizeof(old), 196608));
	seg_put(s);
	segfix_teardown(&f);
}

static const struct unit_test tests[] = {
	{ "recycled when one is wanted", test_recycle },
	{ "never while somebody has it open", test_referenced },
	{ "small holes are filled", test_holes_filled },
	{ "not on a wrong answer", test_liar },
	{ "space goes with the last reader", test_shrinks_last },
	{ "never with big holes or without its tail", test_unfit },
	{ "holes", test_punch },
};

UNIT_MAIN("segretire", tests)
