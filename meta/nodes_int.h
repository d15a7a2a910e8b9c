/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nodes_int.h - what node.c (reading) and nodewrite.c (writing) share.
 */
#ifndef META_NODES_INT_H
#define META_NODES_INT_H

#include "meta/node.h"
#include "meta/nodecache.h"

#define NODES_PER_RECORD	496u
#define NODES_HEADER_SECTORS	16u	/* (128 + 496 * 16) / 512 */
#define NODES_PAIRS_MAX		64u	/* unsynced in one checkpoint */

/* The stream of NODES records; the keeper's alone. */
struct nodes {
	struct nodes_conf conf;
	uint8_t boot_id[16];
	struct nodecache *cache;
	/* the current pair */
	struct seg *seg[2];
	uint8_t nonce[2][16];
	uint32_t off_sectors;
	uint32_t prev_segment, prev_end_sectors;
	uint64_t prev_sum[2];
	/* the record being gathered */
	uint8_t *hdr, *buf;
	uint32_t n;			/* nodes in it */
	uint64_t records;		/* numbers the records of the stream */
	/* pairs that were left with unsynced bytes */
	struct seg *left[NODES_PAIRS_MAX][2];
	unsigned n_left;
	bool dirty;			/* the current pair */
	/* first segments of the pairs that no checkpoint has committed */
	uint32_t *fresh;
	size_t n_fresh, room_fresh;
};

/* True and a copy when the node is gathered and not flushed yet. */
bool nodes_pending(const struct nodes *ns, locator loc, struct node *out);

/* node.c: a locator that a node can have. */
bool nodes_is_locator(locator loc);
/* node.c: ${n} and ${twin} have the same id; take, for each child, the locator
 * that leads to it.  1; 0: neither does so now, for one of them at least;
 * -ENOMEM, -EMFILE, -ENFILE it was not looked at. */
int nodes_reconcile(struct nodes *ns, struct place p, struct node *n,
    const struct node *twin);

#endif /* !META_NODES_INT_H */
