/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * holes.h - the ranges of holes of one overlay (internal to overlay.c).
 *
 * Pieces that do not overlap, each with the seq of the record it came from;
 * where two ranges overlap, the higher seq keeps the blocks, in whatever order
 * they come.  Blocks are below 2^63, so that an end never wraps.
 *
 * Threads: any; it has a lock of its own.
 */
#ifndef LUN_HOLES_H
#define LUN_HOLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "meta/base/lock.h"

struct hole_piece;
struct hole_chunk;

/*
 * Members are protected by:  l  lk   a  atomic   I  immutable
 * Invariant when lk is not held: n_allocated >= borders + 2 * n_reserved, where
 * borders is the number of different ends of pieces (holes.c says why).
 */
struct holes {
	struct lk lk;			/* rank LK_OVERLAY */
	struct hole_piece *root;	/* [l] */
	struct hole_piece *free;	/* [l] linked by right */
	struct hole_chunk *chunks;	/* [l] what was allocated */
	size_t n_allocated;		/* [l] pieces, used and free */
	size_t n_reserved;		/* [l] ranges that may still come */
	size_t n_pieces;		/* [l] in the tree */
	uint32_t rnd;			/* [l] state of the priorities */
	_Atomic bool any;		/* [a] a range was ever put */
	_Atomic uint64_t *bytes;	/* [I] the account of the owner */
};

/* Blocks first_blk .. end_blk - 1 are holes since ${seq}. */
struct hole_range {
	uint64_t first_blk, end_blk, seq;
};

void holes_init(struct holes *h, _Atomic uint64_t *bytes);
void holes_fini(struct holes *h);

/* Memory for ${n} more holes_put, which then cannot fail.  -ENOMEM. */
int holes_reserve(struct holes *h, size_t n);
void holes_unreserve(struct holes *h, size_t n);

/* Uses up one reservation.  ${n_blk} 0 is nothing. */
void holes_put(struct holes *h, uint64_t first_blk, uint64_t n_blk,
    uint64_t seq);

/* Without a lock: true when a range was put before this call. */
bool holes_any(struct holes *h);

/* The seq of the piece that covers ${blk}, if there is one. */
bool holes_find(struct holes *h, uint64_t blk, uint64_t *out_seq);

/* The pieces that overlap ${n} <= 64 blocks, rising, uncut; how many. */
unsigned holes_find_run(struct holes *h, uint64_t first_blk, unsigned n,
    struct hole_range out[static 64]);

/* All pieces, rising.  The caller frees ${*out}, NULL if none.  -ENOMEM. */
int holes_list(struct holes *h, struct hole_range **out, size_t *out_n);

#endif /* !LUN_HOLES_H */
