/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * overlay.h - the in-memory map of the writes of one LUN in one generation:
 * what is in the log and not in the tree yet.
 *
 * Two kinds of entries: single blocks (place and seq) and ranges of holes
 * (seq).  The entry with the highest seq wins for each block, in whatever
 * order they are inserted: batches of several workers are inserted in any
 * order.  A range costs the same however long it is.
 *
 * Threads: insert and look-up from any thread; overlay_list only when the
 * generation is frozen and no insert is in flight.
 */
#ifndef LUN_OVERLAY_H
#define LUN_OVERLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "meta/rec.h"

struct overlay;

/* Block numbers are below this: what a map of full height covers. */
#define OVERLAY_BLK_SHIFT 36
#define OVERLAY_BLK_MAX	(UINT64_C(1) << OVERLAY_BLK_SHIFT)

/* One reference for the caller.  -ENOMEM. */
int overlay_new(uint64_t gen, struct overlay **out);
struct overlay *overlay_ref(struct overlay *o);
void overlay_unref(struct overlay *o);
uint64_t overlay_gen(const struct overlay *o);

/*
 * Reserve, then insert: a write is inserted after it is in the log, where
 * failing is not possible any more.  So before the append the caller reserves
 * memory for ${n_blk} more block entries and ${n_ranges} more ranges (-ENOMEM,
 * also beyond 2^28 blocks in one overlay; then nothing is reserved) and
 * afterwards either inserts that many or calls overlay_unreserve with what
 * it did not use.  overlay_put returns what nobody can read from here any
 * more (the older of two places of the block), 0: nothing.
 */
int overlay_reserve(struct overlay *o, size_t n_blk, size_t n_ranges);
void overlay_unreserve(struct overlay *o, size_t n_blk, size_t n_ranges);
locator overlay_put(struct overlay *o, uint64_t blk, struct place p,
    uint64_t seq);
void overlay_put_hole(struct overlay *o, uint64_t first_blk, uint64_t n_blk,
    uint64_t seq);

/* True and the place (a hole: all zero) when the overlay knows the block. */
bool overlay_get(struct overlay *o, uint64_t blk, struct place *out);

/*
 * The same for ${n} consecutive blocks; sets bit i of ${*known} and out[i].
 * n <= 64.  Each block is consistent in itself, not all of them together.
 */
void overlay_get_run(struct overlay *o, uint64_t first_blk, unsigned n,
    uint64_t *known, struct place *out);

/* True when nothing was ever inserted. */
bool overlay_is_empty(struct overlay *o);

/* Blocks that it knows singly, and ranges.  Any thread. */
void overlay_count(struct overlay *o, uint64_t *n_blk, uint64_t *n_ranges);

/* Memory held, in bytes (about; grows with the entries).  Any thread. */
uint64_t overlay_bytes(const struct overlay *o);

/*
 * What this overlay says, sorted by block and free of overlaps: blocks have
 * n_blk = 1 or are holes of any length (place all zero; neighbouring holes
 * may be merged).  The caller frees ${*out}.  -ENOMEM.
 */
struct change {
	uint64_t first_blk, n_blk;
	struct place place;
};
int overlay_list(struct overlay *o, struct change **out, size_t *out_n);

/*
 * The places of all its single blocks, also of those that a range covers, in
 * no order.  Under the same conditions.
 */
void overlay_each_block(struct overlay *o,
    void (*fn)(void *arg, const struct place *p), void *arg);

#endif /* !LUN_OVERLAY_H */
