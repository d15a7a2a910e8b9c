/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dedup_int.h - the parts of dedup: the samples (dedup_index.c), the ids of
 * whole segments (dedup_ids.c), the samples of the checkpoint (dedup_notes.c), the
 * comparison (dedup_cmp.c); dedup.c and their tests use them, nobody else.
 *
 * Threads: the keeper.
 */
#ifndef META_DEDUP_INT_H
#define META_DEDUP_INT_H

#include "meta/catalog.h"
#include "meta/dedup.h"
#include "meta/moved.h"
#include "meta/segs.h"

/* A block's place in a record: what a row may name. */
static inline bool
dedup_loc_ok(locator l)
{

	return (loc_segment(l) != 0 && loc_flags(l) == 0 &&
	    loc_off_sectors(l) >= SEG_HEADER_SECTORS &&
	    loc_off_sectors(l) + loc_sectors(l) <=
	    SEGMENT_BYTES_MAX / SECTOR_BYTES);
}

/* ---- samples ----------------------------------------------------------- */

/*
 * The table CAT_DEDUP behind a filter: a key that the filter has not seen is
 * not in the table.  The filter is made anew, from the first row to the last,
 * in rounds that take as many steps as they need: after opening, when the
 * table has outgrown it, and when much has changed; a round also finds the
 * rows whose segment is gone.
 */
struct dedup_index;

struct dedup_index_conf {
	struct catalog *cat;
	struct segs *segs;
	struct moved *moved;
	uint64_t filter_bytes;		/* at most */
};

/* -ENOMEM. */
int dedup_index_new(const struct dedup_index_conf *conf,
    struct dedup_index **out);
void dedup_index_free(struct dedup_index *x);

/* Go on with a round, if there is one or it is time for one, for ${ms}. */
void dedup_index_step(struct dedup_index *x, unsigned ms);

/* False: the table has no such key. */
bool dedup_index_may_have(const struct dedup_index *x, uint64_t hi);

/* -ENOENT no such row, or none that can be right; those of catalog_get. */
int dedup_index_get(struct dedup_index *x, uint64_t hi, locator *out);

/*
 * Write rows, in the order of their keys, and delete some that are of no use,
 * in transactions of a bounded size.
 * Errors: those of the catalogue; what was written before stays.  After one
 * that is not for want of space or memory nothing is written any more.
 * Crash: any number of the transactions.
 */
struct dedup_row {
	uint64_t hi;
	locator loc;
};
int dedup_index_put(struct dedup_index *x, const struct dedup_row *rows,
    size_t n);

struct dedup_index_state {
	uint64_t rows, memory_bytes;
	bool filling;			/* a round is under way */
};
void dedup_index_state(const struct dedup_index *x,
    struct dedup_index_state *out);

/* ---- ids of whole segments ----------------------------------------------- */

/*
 * Of each id the few places with the smallest locators are known.  When there
 * is no room, segments go that were not used for the longest time.
 *
 * A log segment may have records behind the end of the stream in it, which
 * a failed write has left and which a recovery cuts off: places are given out
 * only up to where a block was known to be part of the log (dedup_ids_trust).
 */
struct dedup_ids;

/* Room for ${n_max} ids, taken as needed.  -ENOMEM. */
int dedup_ids_new(size_t n_max, struct dedup_ids **out);
void dedup_ids_free(struct dedup_ids *x);

/*
 * The ids of segment ${number} up to ${end_sectors} from now on; those before
 * the error when it cannot be read, so that it is not tried again and again.
 * Nothing happens when they are there, up to ${at_sectors} at least.
 * Result: 1 read now; 0 was there; -ENOMEM; -ENOSPC no room, but for what was
 * loaded or asked for since the last dedup_ids_window.
 */
int dedup_ids_load(struct dedup_ids *x, struct segs *ss,
    const uint8_t store_uuid[static 16], uint32_t number, uint32_t at_sectors,
    uint32_t end_sectors);

/* What is wanted from now on is wanted together. */
void dedup_ids_window(struct dedup_ids *x);

/* The block at ${loc} belongs to the log, and so does what is before it. */
void dedup_ids_trust(struct dedup_ids *x, locator loc);

/* The smallest place of a block with this id, below ${below}; 0 none. */
locator dedup_ids_find(struct dedup_ids *x, struct id id, locator below);

/* There is not what it should be. */
void dedup_ids_drop(struct dedup_ids *x, struct id id, locator loc);

uint64_t dedup_ids_bytes(const struct dedup_ids *x);

/* ---- samples of one checkpoint -------------------------------------------- */

struct dedup_note {
	struct id id;			/* 0: free */
	locator loc;			/* smallest in this checkpoint */
	locator older;			/* row of the table, or 0 */
	bool looked;			/* ... is known */
	bool stays;			/* the row is right: not written again */
};

struct dedup_notes;

/* -ENOMEM. */
int dedup_notes_new(uint64_t max_bytes, struct dedup_notes **out);
void dedup_notes_free(struct dedup_notes *x);
void dedup_notes_clear(struct dedup_notes *x);
/* Without room or memory for it nothing happens. */
void dedup_notes_add(struct dedup_notes *x, const struct place *p);
/* NULL: not noted.  Valid until the next one is added. */
struct dedup_note *dedup_notes_find(struct dedup_notes *x, struct id id);
/* What is to be written to the table; the caller frees ${*rows}.  -ENOMEM. */
int dedup_notes_rows(const struct dedup_notes *x, struct dedup_row **rows,
    size_t *n);
uint64_t dedup_notes_bytes(const struct dedup_notes *x);

/* ---- comparison ---------------------------------------------------------- */

/* Does the block that is at ${mine} also lie at ${older}? */
struct dedup_pair {
	locator mine, older;
	uint32_t index;			/* the caller's */
	bool same;			/* result */
	bool read;			/* result: both could be read */
};

struct dedup_cmp;
#define DEDUP_CMP_BYTES	(512u << 10)	/* memory it takes */

int dedup_cmp_new(struct moved *m, struct dedup_cmp **out);
void dedup_cmp_free(struct dedup_cmp *c);
/*
 * Compare byte by byte; pairs that lie beside each other on both sides are
 * read together.  Both places of a pair have one length.
 */
void dedup_cmp_run(struct dedup_cmp *c, struct dedup_pair *p, size_t n);

#endif /* !META_DEDUP_INT_H */
