/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/net/timers.h"

#include <stdlib.h>

#include "tests/lib/unit.h"

#define N 512

static uint64_t rnd_state = 88172645463325252u;

static uint64_t
next_rnd(void)
{

	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return (rnd_state);
}

/* The sorted lists against a plain array, with random steps. */
static void
test_model(void)
{
	static struct exec_timer t[N];
	static uint64_t due[N];		/* 0: idle */
	struct timers ts;
	uint64_t now = 1000;
	unsigned bad = 0, fired = 0;

	timers_init(&ts);
	for (unsigned step = 0; step < 200000; step++) {
		const unsigned i = (unsigned)(next_rnd() % N);
		const uint64_t us = next_rnd() % (1u << (next_rnd() % 24));
		struct exec_timer *f;
		uint64_t first = TIMERS_NEVER;

		switch (next_rnd() % 4) {
		case 0: case 1:
			timers_arm(&ts, &t[i], now, us);
			due[i] = now + us * 1000;
			break;
		case 2:
			timers_cancel(&ts, &t[i]);
			due[i] = 0;
			break;
		default:
			now += us * 100;
			break;
		}
		while ((f = timers_pop(&ts, now)) != NULL) {
			const size_t k = (size_t)(f - t);

			for (unsigned j = 0; j < N; j++)
				bad += due[j] != 0 && due[j] < due[k];
			bad += due[k] == 0 || due[k] > now || f->armed;
			due[k] = 0;
			fired++;
		}
		if (step % 16 != 0)
			continue;
		for (unsigned j = 0; j < N; j++)
			if (due[j] != 0 && due[j] < first)
				first = due[j];
		bad += timers_next_ns(&ts) != first;
	}
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT(fired > 10000);
}

static void
test_ends(void)
{
	struct exec_timer zero = { .armed = 0 }, huge = { .armed = 0 };
	struct timers ts;

	timers_init(&ts);
	CU_ASSERT_EQUAL(timers_next_ns(&ts), TIMERS_NEVER);
	CU_ASSERT_PTR_NULL(timers_pop(&ts, UINT64_MAX));
	timers_cancel(&ts, &zero);
	timers_arm(&ts, &huge, 5, UINT64_MAX);
	CU_ASSERT(timers_next_ns(&ts) < TIMERS_NEVER);
	CU_ASSERT_PTR_NULL(timers_pop(&ts, UINT64_C(1) << 56));
	timers_arm(&ts, &zero, 5, 0);
	CU_ASSERT_EQUAL(timers_next_ns(&ts), 5);
	CU_ASSERT_PTR_EQUAL(timers_pop(&ts, 5), &zero);
	CU_ASSERT_PTR_NULL(timers_pop(&ts, 5));
	timers_cancel(&ts, &huge);
	CU_ASSERT_EQUAL(ts.used, 0);
}

static const struct unit_test tests[] = {
	{ "random steps against an array", test_model },
	{ "first, last, none", test_ends },
};
UNIT_MAIN("net/timers", tests)
