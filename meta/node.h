/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * node.h - the nodes of the maps: bytes, cache, reading, writing.
 *
 * A node is 64 entries of 24 bytes: the id of a child, then its locator; a
 * hole is all zero.  The id of a node is id_of of its children's ids only (64
 * x 16 bytes), not of their locators: equal content has equal ids on any
 * store.  A subtree of holes is a hole, so no node has only holes.
 *
 * Nodes are written twice, to two segments of the same layout with consecutive
 * numbers: a locator names the first, its twin is that number + 1.  A locator
 * that was damaged in one copy leads to a child whose id does not match; the
 * other copy then gives the right one (nodes_load with NODE_FROM_TWIN).
 */
#ifndef META_NODE_H
#define META_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "meta/base/exec.h"
#include "meta/moved.h"
#include "meta/rec.h"
#include "meta/segs.h"

#define NODE_FANOUT	64u
#define NODE_SHIFT	6
#define NODE_BYTES	1536u
#define NODE_SECTORS	(NODE_BYTES / SECTOR_BYTES)

/* A node as on disk. */
struct node {
	uint8_t b[NODE_BYTES];
};

static inline struct place
node_child(const struct node *n, unsigned i)
{

	return (place_get(n->b + i * PLACE_LEN));
}

static inline void
node_set_child(struct node *n, unsigned i, struct place p)
{

	place_put(n->b + i * PLACE_LEN, p);
}

/* The id of the node; of a node of holes only: 0. */
struct id node_id(const struct node *n);

struct nodes;		/* the cache and the two ways to the segments */

struct nodes_conf {
	struct segs *segs;
	struct moved *moved;		/* NULL: nothing has ever moved */
	uint8_t store_uuid[16];
	uint32_t segment_bytes;
	uint64_t epoch;
	uint64_t cache_bytes;		/* budget; some nodes are always kept */
	_Atomic uint32_t *next_segment;	/* the store's source of numbers */
	/* A segment comes into being (before its first byte); 0 or -errno. */
	int (*created)(void *arg, uint32_t number);
	/*
	 * For twin.c.  Is the segment in use by the word of the catalogue, and
	 * as what?  1, 0 (freed, or not known), -errno.  NULL: no twin is made
	 * again.
	 */
	int (*in_use)(void *arg, uint32_t number, enum seg_kind *out);
	/* Is there room for one?  NULL: that is found out by writing it. */
	bool (*may_grow)(void *arg);
	/* One that was lost is there again. */
	void (*again)(void *arg, uint32_t number, enum seg_kind kind);
	void *created_arg;
};
int nodes_new(const struct nodes_conf *conf, struct nodes **out);
void nodes_free(struct nodes *ns);
struct segs *nodes_segs(const struct nodes *ns);
uint64_t nodes_cached_bytes(const struct nodes *ns);

/*
 * A copy of the node at ${loc} if the cache has it: 0 or -EAGAIN.  Only
 * verified nodes are ever in the cache.  Threads: any.
 */
int nodes_peek(struct nodes *ns, locator loc, struct node *out);

/* The same, only when both copies are known to be equal. */
int nodes_peek_both(struct nodes *ns, locator loc, struct node *out);

enum {
	NODE_FROM_TWIN = 1,	/* not from the cache: from the twin first */
	/*
	 * Read both copies; where they differ, for each child take the locator
	 * that leads to it.  For who writes what he read into a new node.
	 */
	NODE_BOTH = 2,
	/*
	 * Passing through, on another thread than the keeper: the cache is
	 * looked at and stays as it is.  Only for nodes that a commit refers
	 * to.
	 */
	NODE_NO_KEEP = 4
};

/**
 * nodes_load(ns, p, flags, out):
 * Read, verify and cache a node, the first copy or else the other; blocks.
 * Errors: -EILSEQ both copies are damaged, -EIO or -ENOENT unreadable; logged.
 * With NODE_BOTH -ENOMEM, -EMFILE, -ENFILE: one of them was not looked at.
 * Threads: any that may block (the keeper, tools).
 */
int nodes_load(struct nodes *ns, struct place p, unsigned flags,
    struct node *out);

/* The same without blocking, for workers; the owner embeds it. */
struct node_load {
	struct node node;		/* the result */
	int rc;				/* 0 or as nodes_load */
	void (*done)(struct node_load *);
	/* private */
	struct nodes *ns;
	struct exec *ex;
	struct place place;
	struct seg *seg;
	struct iovec iov;
	struct exec_read rd;
	struct exec_call call;
	unsigned flags, tries;
	int first_rc;
};
void nodes_load_async(struct nodes *ns, struct exec *ex, struct place p,
    unsigned flags, struct node_load *nl);

/*
 * Writing: only the keeper.  node_put gives a node its place; it can be read
 * back (from the cache or the writer's buffer) at once, is in its segments
 * after nodes_flush, and durable after nodes_sync.
 * Errors: -ENOSPC, -EIO; after an error the caller abandons its checkpoint
 * and calls nodes_discard, or nodes_reset when the catalogue may refer to what
 * was put.  nodes_committed: it does.
 */
int nodes_put(struct nodes *ns, const struct node *n, struct place *out);
int nodes_flush(struct nodes *ns);
int nodes_sync(struct nodes *ns);
void nodes_committed(struct nodes *ns);
/* Gathered nodes are dropped; what comes goes to a fresh pair. */
void nodes_reset(struct nodes *ns);
/* The same, and pairs made since nodes_committed are removed. */
void nodes_discard(struct nodes *ns);

/* The current pair's first segment (0: none yet) and the end of what was
 * flushed to it: behind it nothing is referred to. */
uint32_t nodes_end(const struct nodes *ns, uint32_t *out_sectors);

#endif /* !META_NODE_H */
