/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_map.c - what an overlay and a fold cost, without a disk: nodes are in
 * memory, as if the node cache held all of them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lun/map.h"
#include "lun/overlay.h"
#include "meta/base/clock.h"
#include "tests/unit/lun/fake_nodes.h"
#include "tests/unit/lun/steps.h"

#define TREE_BLKS (UINT64_C(1) << 28)	/* 1 TiB of 4 KiB blocks */

static void
report(const char *what, uint64_t since_ns, uint64_t n)
{
	const uint64_t ns = clock_mono_ns() - since_ns;

	printf("%-44s %9" PRIu64 " x %8.1f ns = %8.2f ms\n", what, n,
	    (double)ns / (double)n, (double)ns / 1e6);
}

static struct overlay *
new_overlay(void)
{
	struct overlay *o;

	TT_ASSERT(overlay_new(1, &o) == 0);
	return (o);
}

/* ${n} blocks of a LUN of 1 TiB: in a row, or anywhere. */
static struct overlay *
fill(uint64_t n, bool random, uint64_t seed)
{
	struct overlay *o = new_overlay();
	struct rnd r = { seed };

	for (uint64_t i = 0; i < n; i++) {
		const uint64_t b = random ? rnd_below(&r, TREE_BLKS) : i;

		TT_ASSERT(overlay_reserve(o, 1, 0) == 0);
		overlay_put(o, b, token_place(i + 1), i + 1);
	}
	return (o);
}

static void
bench_overlay(uint64_t n, bool random)
{
	uint64_t t = clock_mono_ns(), known, hits = 0;
	struct overlay *o = fill(n, random, 1);
	struct rnd r = { 1 };
	struct place p[64];
	struct change *c;
	size_t n_c;

	printf("-- %" PRIu64 " blocks %s\n", n, random ? "anywhere in 1 TiB" :
	    "in a row");
	report("reserve + put", t, n);
	printf("%-44s %9.1f bytes\n", "memory per block",
	    (double)overlay_bytes(o) / (double)n);
	t = clock_mono_ns();
	for (uint64_t i = 0; i < n; i++)
		hits += overlay_get(o, random ? rnd_below(&r, TREE_BLKS) : i,
		    p);
	TT_ASSERT(hits == n);
	report("get, there", t, n);
	t = clock_mono_ns();
	for (uint64_t i = 0; i < n; i++)
		hits += overlay_get(o, TREE_BLKS + rnd_below(&r, TREE_BLKS),
		    p);
	report("get, not there", t, n);
	t = clock_mono_ns();
	for (uint64_t i = 0; i < n / 64; i++)
		overlay_get_run(o, random ? rnd_below(&r, TREE_BLKS - 64) :
		    64 * i, 64, &known, p);
	report("get_run of 64", t, n / 64);
	t = clock_mono_ns();
	TT_ASSERT(overlay_list(o, &c, &n_c) == 0);
	report("list", t, n_c);
	free(c);
	overlay_unref(o);
}

static void
bench_holes(uint64_t n)
{
	struct overlay *o = new_overlay();
	struct rnd r = { 2 };
	uint64_t t = clock_mono_ns(), hits = 0;
	struct place p;

	printf("-- %" PRIu64 " ranges of holes\n", n);
	for (uint64_t i = 0; i < n; i++) {
		TT_ASSERT(overlay_reserve(o, 0, 1) == 0);
		overlay_put_hole(o, rnd_below(&r, TREE_BLKS),
		    1 + rnd_below(&r, 2000), i + 1);
	}
	report("reserve + put_hole", t, n);
	printf("%-44s %9.1f bytes\n", "memory per range",
	    (double)overlay_bytes(o) / (double)n);
	t = clock_mono_ns();
	for (uint64_t i = 0; i < n; i++)
		hits += overlay_get(o, rnd_below(&r, TREE_BLKS), &p);
	report("get", t, n);
	TT_ASSERT(hits > 0);
	overlay_unref(o);
}

/* ${n} blocks folded into a tree that ${base} random blocks made. */
static void
bench_fold(uint64_t base, uint64_t n)
{
	struct nodes *ns = fake_nodes_new();
	struct map_root root = { { { 0, 0 }, 0 }, map_height(TREE_BLKS) };
	struct overlay *o = fill(base, true, 3);
	struct change *c;
	struct rnd r = { 5 };
	struct node leaf;
	bool is_hole;
	uint64_t t;
	size_t n_c;

	/* Memory that was never touched would be most of what is measured. */
	ns->cap = base * 3;
	TT_ASSERT((ns->slots = malloc(ns->cap * sizeof(*ns->slots))) != NULL);
	memset(ns->slots, 1, ns->cap * sizeof(*ns->slots));
	printf("-- a tree of %" PRIu64 " random blocks of 1 TiB\n", base);
	TT_ASSERT(overlay_list(o, &c, &n_c) == 0);
	overlay_unref(o);
	t = clock_mono_ns();
	TT_ASSERT(map_fold(ns, &root, c, n_c, &root) == 0);
	report("fold into nothing", t, n_c);
	free(c);
	o = fill(n, true, 4);
	TT_ASSERT(overlay_list(o, &c, &n_c) == 0);
	overlay_unref(o);
	fake_nodes_count(ns);
	t = clock_mono_ns();
	TT_ASSERT(map_fold(ns, &root, c, n_c, &root) == 0);
	report("fold random blocks", t, n_c);
	printf("%-44s %9u read, %u written: %.2f bytes per byte of data\n",
	    "nodes of that", ns->n_peek, ns->n_put,
	    (double)ns->n_put * NODE_BYTES / ((double)n_c * 4096));
	free(c);
	t = clock_mono_ns();
	for (uint64_t i = 0; i < 1000000; i++)
		TT_ASSERT(map_find_wait(ns, &root, rnd_below(&r, TREE_BLKS), 0,
		    &leaf, &is_hole) == 0);
	report("look up, all in memory", t, 1000000);
	fake_nodes_free(ns);
}

int
main(void)
{

	bench_overlay(65536, false);
	bench_overlay(65536, true);
	bench_overlay(1000000, false);
	bench_overlay(1000000, true);
	bench_holes(50000);
	bench_fold(300000, 65536);
	return (0);
}
