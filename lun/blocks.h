/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blocks.h - the single blocks of one overlay (internal to overlay.c).
 *
 * Threads: any; blocks_sort only when no put is in flight.
 */
#ifndef LUN_BLOCKS_H
#define LUN_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lun/overlay.h"
#include "meta/base/lock.h"
#include "meta/rec.h"

#define BLOCK_KEY_SHIFT	28

struct block {
	uint64_t key;		/* number << BLOCK_KEY_SHIFT | a link */
	struct place place;
	uint64_t seq;
};

static inline uint64_t
block_number(const struct block *e)
{

	return (e->key >> BLOCK_KEY_SHIFT);
}

struct shard;
struct dir;

/* Members are protected by:  I  immutable   a  atomic   g  grow */
struct blocks {
	_Atomic uint64_t n_entries;	/* [a] */
	_Atomic uint64_t n_committed;	/* [a] entries and reserved */
	_Atomic uint64_t capacity;	/* [a] raised under grow */
	_Atomic(struct shard *) shards;	/* [a] set once under grow */
	_Atomic(struct dir *) dir;	/* [a] replaced under grow */
	size_t n_chunks;		/* [g] */
	struct lk grow;			/* rank LK_OVERLAY */
	_Atomic uint64_t *bytes;	/* [I] the account of the owner */
};

void blocks_init(struct blocks *b, _Atomic uint64_t *bytes);
void blocks_fini(struct blocks *b);

/* Memory for ${n} more blocks_put, which then cannot fail.  -ENOMEM. */
int blocks_reserve(struct blocks *b, size_t n);
void blocks_unreserve(struct blocks *b, size_t n);

/*
 * Uses up one reservation.  The locator that lost: of an older version, or
 * ${p}'s own; 0: the block is new.
 */
locator blocks_put(struct blocks *b, uint64_t blk, struct place p,
    uint64_t seq);

/* For ${n} <= 64 blocks: the bits of those it has, their places and seqs. */
uint64_t blocks_get_run(struct blocks *b, uint64_t first_blk, unsigned n,
    struct place *out, uint64_t *out_seq);

/* Without a lock: true when a block was put before this call. */
bool blocks_any(struct blocks *b);

/*
 * References to all blocks, rising by number; the caller frees ${*out}, NULL
 * if none.  -ENOMEM.
 */
int blocks_sort(struct blocks *b, uint64_t **out, size_t *out_n);
const struct block *blocks_at(struct blocks *b, uint64_t ref);

/* Every block, in no order; no put is in flight. */
void blocks_each(struct blocks *b,
    void (*fn)(void *arg, const struct place *p), void *arg);

#endif /* !LUN_BLOCKS_H */
