/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * range.h - range locks of one LUN.
 *
 * Whole-block writes hold their blocks shared (their order is the order of
 * the log); whatever reads a base and writes it back - parts of a block,
 * COMPARE AND WRITE, atomic writes - holds them exclusive, from the read to
 * the insert.  A request waits only for earlier requests that overlap and of
 * which one of the two is exclusive, so nobody starves and nothing deadlocks
 * (a request is one extent).  Nobody blocks: who must wait is posted to its
 * executor when it is his turn.
 *
 * Exact extents, in the order of arrival, instead of stripes: nothing waits
 * for a neighbour by accident, and a request is never held in part.
 */
#ifndef LUN_RANGE_H
#define LUN_RANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "meta/base/exec.h"
#include "meta/base/lock.h"

struct range_set {
	struct lk lk;		/* rank LK_RANGE */
	struct list held;	/* [lk] granted, any order */
	struct list waiting;	/* [lk] in order of arrival */
};

/* One request; the owner embeds it until range_unlock. */
struct range {
	uint64_t first_blk, n_blk;
	bool exclusive;
	struct exec *ex;
	void (*granted)(struct range *);	/* on ex, when it had to wait */
	/* private */
	struct list link;
	struct exec_call call;
	unsigned n_before;	/* conflicting requests that came before */
};

void range_init(struct range_set *rs);
void range_destroy(struct range_set *rs);	/* nothing held or waiting */

/* True: held.  False: granted will be called. */
bool range_lock(struct range_set *rs, struct range *r);
void range_unlock(struct range_set *rs, struct range *r);

#endif /* !LUN_RANGE_H */
