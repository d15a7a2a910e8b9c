/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cache of nodes: its budget, and that what it gives is what was put.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "meta/nodecache.h"
#include "tests/lib/unit.h"
#include "tests/unit/lun/steps.h"

#define KEPT_ALWAYS	(16u * 64u)	/* nodes, whatever the budget */

static locator
loc_of(uint64_t i)
{

	return (loc_make((uint32_t)(i / 80 + 1), (uint32_t)(i % 80) * 3 + 24,
	    NODE_SECTORS, LOC_F_NODE));
}

static void
fill(struct node *n, uint64_t stamp)
{

	for (size_t i = 0; i < sizeof(n->b); i++)
		n->b[i] = (uint8_t)(stamp * 167 + stamp / 256 + i);
}

static bool
is(const struct node *n, uint64_t stamp)
{
	struct node want;

	fill(&want, stamp);
	return (memcmp(n, &want, sizeof(want)) == 0);
}

static void
put(struct nodecache *c, uint64_t i, uint64_t stamp)
{
	struct node n;

	fill(&n, stamp);
	nodecache_put(c, loc_of(i), false, &n);
}

static void
test_put_get_drop(void)
{
	struct nodecache *c;
	struct node n;

	CU_ASSERT_EQUAL_FATAL(nodecache_new(1u << 20, &c), 0);
	CU_ASSERT_EQUAL(nodecache_bytes(c), 0);
	CU_ASSERT_FALSE(nodecache_get(c, loc_of(1), false, &n));
	put(c, 1, 11);
	put(c, 2, 12);
	CU_ASSERT_TRUE(nodecache_get(c, loc_of(1), false, &n) && is(&n, 11));
	CU_ASSERT_TRUE(nodecache_get(c, loc_of(2), false, &n) && is(&n, 12));
	CU_ASSERT_FALSE(nodecache_get(c, loc_of(3), false, &n));
	nodecache_drop(c, loc_of(3));
	nodecache_drop(c, loc_of(1));
	CU_ASSERT_FALSE(nodecache_get(c, loc_of(1), false, &n));
	CU_ASSERT_TRUE(nodecache_get(c, loc_of(2), false, &n) && is(&n, 12));
	/* Only a drop makes room for another content. */
	put(c, 1, 13);
	put(c, 1, 14);
	CU_ASSERT_TRUE(nodecache_get(c, loc_of(1), false, &n) && is(&n, 13));
	nodecache_drop(c, loc_of(1));
	put(c, 1, 14);
	CU_ASSERT_TRUE(nodecache_get(c, loc_of(1), false, &n) && is(&n, 14));
	nodecache_free(c);
	nodecache_free(NULL);
}

/* Who asks for a node whose copies were compared gets no other. */
static void
test_compared(void)
{
	struct nodecache *c;
	struct node n, a, b;

	CU_ASSERT_EQUAL_FATAL(nodecache_new(1u << 20, &c), 0);
	fill(&a, 1);
	fill(&b, 2);
	nodecache_put(c, loc_of(1), false, &a);
	nodecache_put(c, loc_of(2), true, &b);
	CU_ASSERT_TRUE(nodecache_get(c, loc_of(1), false, &n) && is(&n, 1));
	CU_ASSERT_FALSE(nodecache_get(c, loc_of(1), true, &n));
	CU_ASSERT_TRUE(nodecache_get(c, loc_of(2), false, &n) && is(&n, 2));
	CU_ASSERT_TRUE(nodecache_get(c, loc_of(2), true, &n) && is(&n, 2));
	nodecache_drop(c, loc_of(2));
	nodecache_put(c, loc_of(2), false, &a);
	CU_ASSERT_FALSE(nodecache_get(c, loc_of(2), true, &n));
	nodecache_free(c);
}

static void
test_budget(void)
{
	static const uint64_t budgets[] = { 0, 1, 1u << 20, 4u << 20,
	    9u << 20 };

	for (size_t b = 0; b < sizeof(budgets) / sizeof(budgets[0]); b++) {
		uint64_t most = TT_MAX(budgets[b],
		    KEPT_ALWAYS * (NODE_BYTES + 64));
		uint64_t last = 0, hits = 0;
		struct nodecache *c;
		struct node n;

		CU_ASSERT_EQUAL_FATAL(nodecache_new(budgets[b], &c), 0);
		for (uint64_t i = 0; i < 9000; i++) {
			put(c, i, i);
			CU_ASSERT_FATAL(nodecache_bytes(c) >= last);
			last = nodecache_bytes(c);
		}
		CU_ASSERT_TRUE(last <= most);
		/* It is used: most of the budget is nodes. */
		CU_ASSERT_TRUE(last >= most / 10 * 9);
		for (uint64_t i = 0; i < 9000; i++)
			if (nodecache_get(c, loc_of(i), false, &n)) {
				hits++;
				CU_ASSERT_TRUE(is(&n, i));
			}
		CU_ASSERT_TRUE(hits * NODE_BYTES <= most);
		CU_ASSERT_TRUE(hits * NODE_BYTES >= most / 10 * 8);
		nodecache_free(c);
	}
}

/* What is looked at between the passes of the hand stays. */
static void
test_hot_stays(void)
{
	struct nodecache *c;
	struct node n;
	unsigned hot = 0, misses = 0;

	CU_ASSERT_EQUAL_FATAL(nodecache_new(0, &c), 0);
	for (uint64_t i = 0; i < 100; i++)
		put(c, i, i);
	for (uint64_t i = 100; i < 20000; i++) {
		put(c, i, i);
		for (uint64_t k = 0; k < 100 && i % 50 == 0; k++)
			misses += !nodecache_get(c, loc_of(k), false, &n);
	}
	for (uint64_t k = 0; k < 100; k++)
		hot += nodecache_get(c, loc_of(k), false, &n);
	CU_ASSERT_EQUAL(hot, 100);
	CU_ASSERT_EQUAL(misses, 0);
	nodecache_free(c);
}

/* Puts, drops and looks at random: never another content than the last. */
static void
test_random(void)
{
	enum { N = 6000 };
	static uint64_t now[N];		/* stamp + 1, 0 = dropped */
	struct rnd r = { 4711 };
	struct nodecache *c;
	unsigned wrong = 0, hits = 0;
	uint64_t stamp = 0;
	struct node n;

	CU_ASSERT_EQUAL_FATAL(nodecache_new(3u << 20, &c), 0);
	for (unsigned i = 0; i < steps(200000); i++) {
		/* Some are asked for far more often than others. */
		uint64_t k = rnd_below(&r, 1 + rnd_below(&r, N));

		uint64_t what = rnd_below(&r, 5);

		if (what < 2) {
			nodecache_drop(c, loc_of(k));
			now[k] = 0;
		}
		if ((what == 1 || what == 2) &&
		    !nodecache_get(c, loc_of(k), false, &n)) {
			now[k] = ++stamp;
			put(c, k, now[k]);
		}
		if (what > 2 && nodecache_get(c, loc_of(k), false, &n)) {
			hits++;
			wrong += now[k] == 0 || !is(&n, now[k]);
		}
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_TRUE(hits > steps(200000) / 10);
	CU_ASSERT_TRUE(nodecache_bytes(c) <= 3u << 20);
	nodecache_free(c);
}

struct job {
	struct nodecache *c;
	unsigned who;
	_Atomic unsigned *wrong;
	pthread_t thread;
};

static void *
worker(void *arg)
{
	struct job *j = arg;
	struct rnd r = { j->who + 1 };
	struct node n;

	for (unsigned i = 0; i < steps(40000); i++) {
		uint64_t k = rnd_below(&r, 3000);

		if (nodecache_get(j->c, loc_of(k), false, &n)) {
			if (!is(&n, k))
				atomic_fetch_add(j->wrong, 1);
		} else {
			put(j->c, k, k);
		}
		if (rnd_below(&r, 20) == 0)
			nodecache_drop(j->c, loc_of(k));
	}
	return (NULL);
}

static void
test_threads(void)
{
	_Atomic unsigned wrong = 0;
	struct nodecache *c;
	struct job j[4];

	CU_ASSERT_EQUAL_FATAL(nodecache_new(2u << 20, &c), 0);
	for (unsigned i = 0; i < 4; i++) {
		j[i] = (struct job){ .c = c, .who = i, .wrong = &wrong };
		CU_ASSERT_EQUAL_FATAL(pthread_create(&j[i].thread, NULL,
		    worker, &j[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++)
		(void)pthread_join(j[i].thread, NULL);
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_TRUE(nodecache_bytes(c) <= 2u << 20);
	nodecache_free(c);
}

static const struct unit_test tests[] = {
	{ "put, get, drop", test_put_get_drop },
	{ "copies that were compared", test_compared },
	{ "the budget", test_budget },
	{ "what is used stays", test_hot_stays },
	{ "at random", test_random },
	{ "threads", test_threads },
};

UNIT_MAIN("nodecache", tests)
