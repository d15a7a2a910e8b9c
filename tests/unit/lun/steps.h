/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * steps.h - seeded random numbers and the number of steps for random tests.
 *
 * TT_TEST_STEPS (per cent, default 100) scales; sanitizers take fewer.
 */
#ifndef TESTS_UNIT_LUN_STEPS_H
#define TESTS_UNIT_LUN_STEPS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "meta/rec.h"

static inline unsigned
steps(unsigned n)
{
	const char *e = getenv("TT_TEST_STEPS");
	uint64_t k = n * (e == NULL ? 100 : strtoull(e, NULL, 10)) / 100;

#if defined(__SANITIZE_THREAD__)
	k /= 15;
#elif defined(__SANITIZE_ADDRESS__)
	k /= 6;
#endif
	return (k == 0 ? 1 : (unsigned)k);
}

/* splitmix64 */
struct rnd {
	uint64_t s;
};

static inline uint64_t
rnd_next(struct rnd *r)
{
	uint64_t z = r->s += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31));
}

/* 0..n-1 */
static inline uint64_t
rnd_below(struct rnd *r, uint64_t n)
{

	return (rnd_next(r) % n);
}

/* A place that stands for token ${t}; 0 is the hole. */
static inline struct place
token_place(uint64_t t)
{

	if (t == 0)
		return ((struct place){ { 0, 0 }, 0 });
	return ((struct place){ { t * UINT64_C(0x9e3779b97f4a7c15), t },
	    loc_make((uint32_t)t, (uint32_t)(t % 1000) * 8, 8, 0) });
}

static inline bool
token_is(const struct place *p, uint64_t t)
{
	const struct place q = token_place(t);

	return (id_equal(&p->id, &q.id) && p->loc == q.loc);
}

#endif /* !TESTS_UNIT_LUN_STEPS_H */
