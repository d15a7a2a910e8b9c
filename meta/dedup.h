/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dedup.h - find blocks that are in the store already, at the checkpoint.
 *
 * The index holds samples (1 id in 16) in CAT_DEDUP, behind a filter in
 * memory; a hit loads the ids of its whole segment, which are looked at first
 * from then on.  Every match is compared byte by byte before it is used.  The
 * index is a hint: losing it loses savings, never data.
 * DESIGN.md "Dedup" has the reasons.
 *
 * Threads: the keeper; the state: any.
 */
#ifndef META_DEDUP_H
#define META_DEDUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "meta/rec.h"

struct store;
struct checkpoint;

/* One id in 16 is a sample: the same ones of every copy of the same data. */
static inline bool
dedup_is_sample(const struct id *id)
{

	return ((id->lo & 15) == 0 && !id_is_hole(id));
}

/*
 * A fold begins, the first one of this checkpoint or another try: what was
 * noted is forgotten, the time for comparing begins.  Not called, nothing is
 * shared.
 */
void dedup_begin(struct checkpoint *cp);

/*
 * A sample of the blocks that this checkpoint is going to fold.  All of them
 * are noted before the first dedup_places: of two copies in one checkpoint
 * the one with the smaller locator stays, whichever is folded first.
 */
void dedup_note(struct store *st, const struct place *p);

/*
 * Replace places of blocks that are about to be folded by places of older
 * blocks with the same bytes; ${p} are in the order of the LUN's blocks, holes
 * are left alone.  The caller folds them in this checkpoint or not at all.
 * Never fails: what cannot be looked up or compared stays as it is.
 */
void dedup_places(struct store *st, struct place *const *p, size_t n,
    unsigned block_shift);

/*
 * The checkpoint is committed: keep its samples for later ones.  In
 * transactions of its own, of a bounded size.  Crash: these are not found.
 */
void dedup_committed(struct store *st);

/* ${memory_bytes}: for all of it.  -ENOMEM. */
int dedup_open(struct store *st, uint64_t memory_bytes);
void dedup_close(struct store *st);

/* Since the opening, but for the last two. */
struct dedup_state {
	uint64_t looked_bytes;		/* blocks that came by */
	uint64_t shared_bytes;		/* ... were found and shared */
	uint64_t compared_bytes;
	uint64_t collisions;		/* equal ids, other bytes */
	uint64_t skipped_bytes;		/* beyond the budget */
	uint64_t lookups;		/* in CAT_DEDUP */
	uint64_t rows;			/* in CAT_DEDUP */
	uint64_t memory_bytes;
};
void store_dedup_state(struct store *st, struct dedup_state *out);

#endif /* !META_DEDUP_H */
