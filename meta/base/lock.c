/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lock.c - the set of ranks that a thread holds is one word of bits, so the
 * check costs a comparison.
 */
#include "meta/base/lock.h"

#include <errno.h>
#include <stdatomic.h>
#include <time.h>

#include "meta/base/check.h"
#include "meta/base/clock.h"

static _Thread_local uint64_t held;	/* bit r: a lock of rank r */

static uintptr_t
self(void)
{

	return ((uintptr_t)pthread_self());
}

void
lk_init(struct lk *l, enum lk_rank rank)
{

	TT_ASSERT(rank > 0 && rank < LK_RANKS);
	TT_ASSERT(pthread_mutex_init(&l->mtx, NULL) == 0);
	l->rank = rank;
	atomic_init(&l->owner, 0);
}

void
lk_destroy(struct lk *l)
{

	TT_ASSERT(pthread_mutex_destroy(&l->mtx) == 0);
}

void
lk_lock(struct lk *l)
{

	TT_ASSERT((held >> l->rank) == 0);
	TT_ASSERT(pthread_mutex_lock(&l->mtx) == 0);
	held |= UINT64_C(1) << l->rank;
	atomic_store_explicit(&l->owner, self(), memory_order_relaxed);
}

void
lk_unlock(struct lk *l)
{

	TT_ASSERT(lk_held(l));
	atomic_store_explicit(&l->owner, 0, memory_order_relaxed);
	held &= ~(UINT64_C(1) << l->rank);
	TT_ASSERT(pthread_mutex_unlock(&l->mtx) == 0);
}

bool
lk_held(const struct lk *l)
{

	return (atomic_load_explicit(&l->owner, memory_order_relaxed) ==
	    self());
}

void
lk_wait(struct lk *l, pthread_cond_t *c)
{

	TT_ASSERT(lk_held(l));
	atomic_store_explicit(&l->owner, 0, memory_order_relaxed);
	held &= ~(UINT64_C(1) << l->rank);
	TT_ASSERT(pthread_cond_wait(c, &l->mtx) == 0);
	held |= UINT64_C(1) << l->rank;
	atomic_store_explicit(&l->owner, self(), memory_order_relaxed);
}

bool
lk_wait_until(struct lk *l, pthread_cond_t *c, uint64_t end_ns)
{
	const struct timespec ts = { (time_t)(end_ns / 1000000000),
	    (long)(end_ns % 1000000000) };
	int rc;

	TT_ASSERT(lk_held(l));
	atomic_store_explicit(&l->owner, 0, memory_order_relaxed);
	held &= ~(UINT64_C(1) << l->rank);
	rc = pthread_cond_timedwait(c, &l->mtx, &ts);
	TT_ASSERT(rc == 0 || rc == ETIMEDOUT);
	held |= UINT64_C(1) << l->rank;
	atomic_store_explicit(&l->owner, self(), memory_order_relaxed);
	return (rc == 0);
}

bool
lk_wait_ms(struct lk *l, pthread_cond_t *c, uint64_t ms)
{

	return (lk_wait_until(l, c, clock_mono_ns() + ms * 1000000));
}

void
cond_init(pthread_cond_t *c)
{
	pthread_condattr_t a;

	TT_ASSERT(pthread_condattr_init(&a) == 0);
	TT_ASSERT(pthread_condattr_setclock(&a, CLOCK_MONOTONIC) == 0);
	TT_ASSERT(pthread_cond_init(c, &a) == 0);
	(void)pthread_condattr_destroy(&a);
}
