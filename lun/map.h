/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * map.h - the Merkle radix tree block number -> place of a LUN at one moment.
 *
 * A root is the place of the top node (or a hole); the height follows from
 * the size of the LUN.  Level 0 are the leaves, whose children are blocks.
 * Trees are never changed: folding changes into one gives another that shares
 * what did not change.
 */
#ifndef LUN_MAP_H
#define LUN_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lun/overlay.h"
#include "meta/node.h"

#define MAP_HEIGHT_MAX 6	/* 64 TiB of 4 KiB blocks need 6 levels */

struct map_root {
	struct place top;
	unsigned height;	/* 1..MAP_HEIGHT_MAX */
};

/* Levels that ${n_blk} blocks need, at least 1; beyond what a tree of
 * MAP_HEIGHT_MAX covers it is more than that. */
unsigned map_height(uint64_t n_blk);

/**
 * map_fold(ns, root, changes, n, out):
 * Write the nodes that differ, bottom-up, and give the new root.  Changes are
 * sorted and do not overlap (overlay_list).  Reads the nodes it needs, and none
 * of which all blocks are changed.  Peak memory is a few nodes per level,
 * whatever ${n}.
 * Errors:  -EIO/-EILSEQ an old node is unreadable, -ENOSPC, -ENOMEM,
 *          -EINVAL changes out of order or beyond the tree; ${*out} untouched.
 * Threads: only the keeper.   Durable: after nodes_flush and nodes_sync.
 */
int map_fold(struct nodes *ns, const struct map_root *root,
    const struct change *changes, size_t n, struct map_root *out);

/*
 * What to do about a node of which no copy can be read, and a change falls
 * below it: ${met} is told its place, the ${n_blk} blocks from ${first_blk}
 * that it covers and the error (never one that memory or descriptors cause).
 * True: the fold goes on as if all of them had been lost (rec.h), so that
 * those which are not changed stay lost; false: the fold fails with the error.
 */
struct map_lossy {
	bool (*met)(void *arg, struct place p, uint64_t first_blk,
	    uint64_t n_blk, int rc);
	void *arg;
};
int map_fold_lossy(struct nodes *ns, const struct map_root *root,
    const struct change *changes, size_t n, const struct map_lossy *lossy,
    struct map_root *out);

/*
 * Look up the leaf that covers a block, without blocking.  The owner embeds
 * it, fills in the first part and calls map_find:
 *  0             ${leaf} is there (or ${hole} is true: all of its 64 blocks
 *                are holes); ${done} is not called
 *  -EINPROGRESS  ${done} will be called on the executor's thread with rc set
 *  -errno        as nodes_load
 * With ${flags} NODE_FROM_TWIN the path is read again from the other copies.
 * Blocks beyond the tree are holes.  What is lost is a place in the leaf, also
 * where a whole subtree is (place_is_lost).
 */
struct map_find {
	struct nodes *ns;
	struct exec *ex;
	struct map_root root;
	uint64_t blk;
	unsigned flags;
	void (*done)(struct map_find *);
	/* results */
	int rc;
	bool hole;
	struct node leaf;
	/* private */
	unsigned level;
	struct node_load load;
};
int map_find(struct map_find *f);

/* The same, blocking, for the keeper and tools. */
int map_find_wait(struct nodes *ns, const struct map_root *root, uint64_t blk,
    unsigned flags, struct node *leaf, bool *hole);

#endif /* !LUN_MAP_H */
