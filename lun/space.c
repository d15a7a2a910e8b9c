/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * space.c - what the store asks and tells about space.
 */
#include <assert.h>

#include "lun/lun_int.h"

static_assert((int)LUN_SPACE_OK == (int)SPACE_OK &&
    (int)LUN_SPACE_LOW == (int)SPACE_LOW &&
    (int)LUN_SPACE_FULL == (int)SPACE_FULL, "one is cast to the other");

/*
 * Both copies of one node, with its part of the headers of records; and what
 * any checkpoint adds: one more header, and the rest of a page.
 */
#define NODE_COST_BYTES	(2u * (NODE_BYTES + 64u))
#define FOLD_COST_BYTES	(2u * (8192u + 4096u))

/*
 * Nodes that folding ${n} single blocks of a map writes at most: on each level
 * one per block, and never more than the level has.
 */
static uint64_t
nodes_of(uint64_t n_blk, uint64_t n)
{
	uint64_t sum = 0;

	while (n_blk > 1) {
		n_blk = (n_blk + NODE_FANOUT - 1) / NODE_FANOUT;
		sum += TT_MIN(n, n_blk);
	}
	return (sum);
}

/* A range of holes changes the nodes on the way to its two ends. */
uint64_t
space_fold_need(void *arg)
{
	struct lunset *ls = arg;
	uint64_t sum = 0, blks, ranges;

	lk_lock(&ls->lk);
	LIST_FOREACH(it, &ls->luns) {
		struct lun *l = LIST_ENTRY(it, struct lun, link);

		lk_lock(&l->lk);
		for (unsigned i = 0; i < l->cur->n; i++) {
			overlay_count(l->cur->ov[i], &blks, &ranges);
			sum += nodes_of(l->n_blk, blks + 2 * ranges);
		}
		lk_unlock(&l->lk);
	}
	lk_unlock(&ls->lk);
	return (sum == 0 ? 0 : sum * NODE_COST_BYTES + FOLD_COST_BYTES);
}

void
space_changed(void *arg, enum space_level now)
{
	struct lunset *ls = arg;

	lk_lock(&ls->notify_lk);
	if (ls->on_space != NULL)
		ls->on_space(ls->on_space_arg, (enum lun_space)now);
	lk_unlock(&ls->notify_lk);
}

uint64_t
lunset_low_bytes(struct lunset *ls)
{
	struct space_state st;

	space_state(store_space(ls->store), &st);
	return (st.low_bytes);
}

void
lunset_on_space(struct lunset *ls, lunset_space_fn *fn, void *arg)
{

	lk_lock(&ls->notify_lk);
	ls->on_space = fn;
	ls->on_space_arg = arg;
	lk_unlock(&ls->notify_lk);
}
