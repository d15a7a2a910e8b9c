/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/stale.h"

#include <poll.h>
#include <sys/vfs.h>

#include "meta/base/check.h"
#include "tests/unit/meta/segfix.h"

#define SEG	(64u << 20)
#define ENOUGH	(SEG / 4 * 3)
#define APART	4096u		/* numbers that share a word */
#define TMPFS	0x01021994

static void
test_enough(void)
{
	struct stale *st;

	CU_ASSERT_EQUAL_FATAL(stale_new(SEG, &st), 0);
	CU_ASSERT_EQUAL(stale_take(st), 0);
	for (uint32_t n = 4096; n < ENOUGH; n += 4096)
		stale_note(st, 7, 4096);
	CU_ASSERT_EQUAL(stale_take(st), 0);
	stale_note(st, 7, 4096);
	CU_ASSERT_EQUAL(stale_take(st), 7);
	/* Once; the rest of it is not enough for a second time. */
	CU_ASSERT_EQUAL(stale_take(st), 0);
	stale_note(st, 7, SEG - ENOUGH);
	CU_ASSERT_EQUAL(stale_take(st), 0);
	stale_free(st);
}

static void
test_oldest_first(void)
{
	static const uint32_t at[] = { 90, 5, APART - 1, 17 };
	struct stale *st;

	CU_ASSERT_EQUAL_FATAL(stale_new(SEG, &st), 0);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		stale_note(st, at[i], ENOUGH);
	CU_ASSERT_EQUAL(stale_take(st), 5);
	CU_ASSERT_EQUAL(stale_take(st), 17);
	CU_ASSERT_EQUAL(stale_take(st), 90);
	CU_ASSERT_EQUAL(stale_take(st), APART - 1);
	CU_ASSERT_EQUAL(stale_take(st), 0);
	stale_free(st);
}

/* Sums of two segments never add up to one, and none runs over. */
static void
test_shared_word(void)
{
	struct stale *st;

	CU_ASSERT_EQUAL_FATAL(stale_new(SEG, &st), 0);
	stale_note(st, 3, ENOUGH - 1);
	stale_note(st, 3 + APART, ENOUGH - 1);
	CU_ASSERT_EQUAL(stale_take(st), 0);
	stale_note(st, 3 + APART, 1);
	CU_ASSERT_EQUAL(stale_take(st), 3 + APART);
	for (unsigned i = 0; i < 10; i++)
		stale_note(st, UINT32_MAX, UINT32_MAX);
	CU_ASSERT_EQUAL(stale_take(st), UINT32_MAX);
	stale_note(st, 0, ENOUGH);	/* no segment has this number */
	CU_ASSERT_EQUAL(stale_take(st), 0);
	stale_free(st);
}

static bool
is_cached(struct seg *s)
{
	uint8_t b[4096];
	struct iovec iov = { b, sizeof(b) };

	return (seg_read_cached(s, &iov, 1, SEG_BYTES / 2) > 0);
}

static struct seg *
make_segment(struct segfix *f, uint32_t number)
{
	uint8_t *buf = malloc(SEG_BYTES);
	struct seg *s = NULL;

	memset(buf, (int)number, SEG_BYTES);
	CU_ASSERT_EQUAL_FATAL(segs_create(f->ss, number, &s), 0);
	CU_ASSERT_EQUAL(segfix_put(s, buf, SEG_BYTES, 0), 0);
	CU_ASSERT_EQUAL(seg_sync(s), 0);
	free(buf);
	return (s);
}

/* The pages of a segment that was replaced go, of that one only. */
static void
test_pages_go(void)
{
	struct statfs fs;
	struct segfix f;
	struct seg *s[3];
	uint8_t same[4096];

	segfix_setup(&f, 16);
	CU_ASSERT_EQUAL_FATAL(statfs(f.t.path, &fs), 0);
	CU_ASSERT_EQUAL_FATAL(segs_prepare(f.ss, 1), 0);
	for (uint32_t i = 0; i < 2; i++)
		s[i] = make_segment(&f, i + 1);
	CU_ASSERT_TRUE(is_cached(s[0]));
	CU_ASSERT_TRUE(is_cached(s[1]));
	segs_replaced(f.ss, 1, SEG_BYTES / 4 * 3);
	segs_replaced(f.ss, 2, SEG_BYTES / 2);
	s[2] = make_segment(&f, 3);
	for (unsigned i = 0; i < 5000 && is_cached(s[0]); i++)
		(void)poll(NULL, 0, 1);
	/* In a file system of memory there is nowhere to go to. */
	CU_ASSERT_TRUE(!is_cached(s[0]) || fs.f_type == TMPFS);
	CU_ASSERT_TRUE(is_cached(s[1]));
	CU_ASSERT_TRUE(is_cached(s[2]));
	/* And nothing is lost. */
	memset(same, 1, sizeof(same));
	CU_ASSERT_TRUE(segfix_has(s[0], same, sizeof(same), SEG_BYTES / 2));
	for (unsigned i = 0; i < 3; i++)
		seg_put(s[i]);
	segfix_teardown(&f);
}

static const struct unit_test tests[] = {
	{ "enough is replaced", test_enough },
	{ "oldest first", test_oldest_first },
	{ "two segments with one word", test_shared_word },
	{ "the pages go", test_pages_go },
};

UNIT_MAIN("stale", tests)
