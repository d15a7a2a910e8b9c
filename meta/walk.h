/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * walk.h - go through trees of nodes: for the mark of a space reclaim, for
 * verification and for counting.
 *
 * Depth first, children in order, so that nodes which were folded together
 * are read together.  Nodes and blocks are told apart by their locators
 * (LOC_F_NODE), so a tree can be walked by who does not know its LUN.
 * Nodes are not put into the cache, and finding them there does not keep them.
 *
 * Threads: any that may block; the caller sees to it that what the root refers
 * to is not freed meanwhile.
 */
#ifndef META_WALK_H
#define META_WALK_H

#include "meta/locset.h"
#include "meta/node.h"

struct walk_ops {
	/*
	 * A block: ${blk} is its number when the walk knows the height, else
	 * 0.  Not 0 ends the walk.
	 */
	int (*block)(void *arg, struct place p, uint64_t blk);
	/*
	 * A node of which no copy can be read (${rc}), covering ${n_blk}
	 * blocks from ${blk} (0 when the walk does not know the height): 0
	 * goes on behind it, else the walk ends so.  NULL: every such node
	 * ends the walk with ${rc}.
	 */
	int (*bad_node)(void *arg, struct place p, uint64_t blk,
	    uint64_t n_blk, int rc);
	/*
	 * ${n_blk} blocks (0: not known) that an earlier fold had to call
	 * lost; not 0 ends the walk.  May be NULL.
	 */
	int (*lost)(void *arg, uint64_t blk, uint64_t n_blk);
	/* Between two nodes: pause here; not 0 ends the walk.  May be NULL. */
	int (*pace)(void *arg);
	/* In place of nodes_load.  May be NULL. */
	int (*load)(void *arg, struct place p, struct node *out);
	/*
	 * A node that would be entered, as for bad_node: false skips it.  May
	 * be NULL.
	 */
	bool (*want)(void *arg, struct place p, uint64_t blk, uint64_t n_blk);
	/*
	 * In place of ${seen}: 1 the node is to be entered, 0 it was before;
	 * -errno as when it could not be read.  May be NULL.
	 */
	int (*enter)(void *arg, locator loc);
};

#define WALK_DEPTH_MAX 6

struct walk {
	struct nodes *ns;
	const struct walk_ops *ops;
	void *arg;
	/*
	 * Nodes whose locator is in it are not entered again; may be NULL:
	 * everything is walked.
	 */
	struct locset *seen;
	bool both;		/* read both copies of each node (NODE_BOTH) */
	uint64_t nodes;		/* result: nodes read */
	/* During a call of an op: the nodes above, the top one first. */
	locator path[WALK_DEPTH_MAX];
	unsigned depth;
};

/*
 * ${height} 0: not known.  Errors: of ops, -ENOMEM, -EILSEQ/-EIO an unreadable
 * node (without bad_node).
 */
int walk_tree(struct walk *w, struct place root, unsigned height);

#endif /* !META_WALK_H */
