/* SPDX-License-Identifier: BSD-2-Clause */
/* When the preparer works, and when it stands back. */
#include "meta/prep.h"

#include <poll.h>

#include "meta/base/clock.h"
#include "tests/unit/meta/segfix.h"

#define SPARES	2u

/* Waits until ${n} files are ready; how long, in ms. */
static uint64_t
until_prepared(struct segfix *f, unsigned n)
{
	uint64_t begun = clock_mono_ms();

	while (segs_prepared(f->ss) < n && clock_mono_ms() < begun + 20000)
		(void)poll(NULL, 0, 1);
	CU_ASSERT_EQUAL(segs_prepared(f->ss), n);
	return (clock_mono_ms() - begun);
}

/* Uses up ${n} files; true: fast enough to be called a hurry. */
static bool
use(struct segfix *f, uint32_t first, unsigned n)
{
	uint64_t begun = clock_mono_ms();

	for (unsigned i = 0; i < n; i++) {
		struct seg *s;

		CU_ASSERT_EQUAL_FATAL(segs_create(f->ss, first + i, &s), 0);
		seg_put(s);
	}
	return (clock_mono_ms() < begun + 200);
}

/* In a hurry nothing is prepared; when it is over, it is. */
static void
test_stands_back(void)
{
	struct segfix f;

	segfix_setup(&f, 64);
	CU_ASSERT_EQUAL_FATAL(segs_prepare(f.ss, SPARES), 0);
	(void)until_prepared(&f, SPARES);
	/* More than can be in the making; a slow machine proves nothing. */
	if (use(&f, 1, SPARES + 4)) {
		(void)poll(NULL, 0, 300);
		CU_ASSERT_TRUE(segs_prepared(f.ss) <= 1);
		CU_ASSERT_TRUE(until_prepared(&f, SPARES) >= 500);
	}
	(void)until_prepared(&f, SPARES);
	segfix_teardown(&f);
}

/* For who flushes, it is prepared all the same. */
static void
test_flushes(void)
{
	struct segfix f;
	uint64_t best = UINT64_MAX;

	segfix_setup(&f, 64);
	CU_ASSERT_EQUAL_FATAL(segs_prepare(f.ss, SPARES), 0);
	(void)until_prepared(&f, SPARES);
	for (uint32_t i = 0; i < 5; i++) {
		uint64_t ms;

		segs_asked(f.ss);
		(void)use(&f, 1 + 8 * i, SPARES + 4);
		ms = until_prepared(&f, SPARES);
		best = ms < best ? ms : best;
	}
	/* A rest would have been a second, each time. */
	CU_ASSERT_TRUE(best < 700);
	segfix_teardown(&f);
}

static const struct unit_test tests[] = {
	{ "stands back", test_stands_back },
	{ "works for flushes", test_flushes },
};

UNIT_MAIN("prep", tests)
