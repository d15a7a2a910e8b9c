/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * moved.h - where blocks and nodes are whose birth segment is gone.
 *
 * A locator never changes: snapshots and nodes refer to the birth place for
 * ever.  Space reclaim copies the live rest of a segment that is mostly dead
 * into MOVED segments and notes runs "birth place -> place now" in the table
 * CAT_MOVED.  Only segments that are gone (or about to go) have notes.  What
 * is moved once more gets a new note in place of the old one: no chains.
 *
 * Nodes are moved as pairs: the segment behind the one named here is the twin.
 *
 * Threads: any for looking up; notes are written by the keeper only, in the
 * transaction that frees the birth segment.
 */
#ifndef META_MOVED_H
#define META_MOVED_H

#include <stdint.h>

#include "meta/catalog.h"
#include "meta/rec.h"
#include "meta/segs.h"

struct moved;

/* Reads which segments have notes.  -ENOMEM, -EUCLEAN a damaged row. */
int moved_open(struct catalog *cat, struct segs *segs, struct moved **out);
void moved_close(struct moved *m);

/*
 * The segment that holds the bytes of ${loc} now (a reference) and their
 * offset in it; ${copy} 1: of the twin (nodes only).
 * Errors: -ENOENT neither the birth segment nor a note, or those of segs_get.
 */
int moved_get(struct moved *m, locator loc, unsigned copy, struct seg **out,
    uint64_t *out_off_bytes);

/*
 * The same for blocks that lie behind each other from ${loc} on:
 * ${*out_sectors} of the ${want_sectors} are behind each other there as well,
 * at least those of ${loc}.
 */
int moved_get_run(struct moved *m, locator loc, unsigned copy,
    uint32_t want_sectors, struct seg **out, uint64_t *out_off_bytes,
    uint32_t *out_sectors);

/* The note alone: -ENOENT none. */
int moved_find(struct moved *m, locator loc, uint32_t *out_segment,
    uint32_t *out_off_sectors);

/* Keeper: a run of bytes moved together.  Adjoining runs may be merged. */
struct moved_run {
	uint32_t birth_segment, birth_off_sectors, n_sectors;
	uint32_t segment, off_sectors;
};
int moved_put(struct moved *m, struct cat_txn *t, const struct moved_run *r);
/* Keeper: the note that begins there goes, if there is one. */
int moved_del(struct moved *m, struct cat_txn *t, uint32_t birth_segment,
    uint32_t birth_off_sectors);
/* Keeper: all notes of a birth segment go. */
int moved_forget(struct moved *m, struct cat_txn *t, uint32_t birth_segment);

/*
 * The notes of a birth segment as the last commit left them, in falling order;
 * stops at the first result of ${fn} that is not 0 and returns it.
 */
int moved_each(struct moved *m, uint32_t birth_segment,
    int (*fn)(void *arg, const struct moved_run *r), void *arg);

/* All notes, in the order of their birth places; ${fn} writes nothing. */
int moved_all(struct moved *m, int (*fn)(void *arg, const struct moved_run *r),
    void *arg);
/* The same from a birth place on. */
int moved_all_from(struct moved *m, uint32_t birth_segment,
    uint32_t birth_off_sectors,
    int (*fn)(void *arg, const struct moved_run *r), void *arg);

#endif /* !META_MOVED_H */
