/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * segscan.h - the records of one segment, one after the other, by their
 * headers alone: for who has a number and no chain (space reclaim, dedup,
 * rebuild, tools).
 *
 * Told are only headers that are whole, name their own place and continue the
 * record before them in this segment; payloads are not read and not verified.
 * A gap of at most a page is skipped, and so are holes (punched): behind one
 * the next header that names its own place is told, and the scan goes on from
 * there.  A header that is broken ends the scan of a log segment; in other
 * segments it is skipped like a hole.
 *
 * A log segment may have, behind the end that the header of the next segment
 * of the chain names, whole records that were refused: who scans cannot tell.
 * So what is told is there, and need not be part of the log.
 *
 * Threads: any that may block.
 */
#ifndef META_SEGSCAN_H
#define META_SEGSCAN_H

#include "meta/rec.h"
#include "meta/segs.h"

/* One record; ${hdr} is its whole header, valid during the call. */
typedef int segscan_fn(void *arg, const struct rec *r, const uint8_t *hdr);

/* -EILSEQ no valid segment header, or not of this store; -ENOENT, -EIO. */
int segscan_header(struct segs *ss, const uint8_t store_uuid[static 16],
    uint32_t number, struct seg_header *out);

/**
 * segscan(ss, uuid, number, h, fn, arg):
 * Fills in ${*h} (may be NULL) and calls ${fn} for each record; stops at the
 * first result that is not 0 and returns it.
 * Errors: those of segscan_header, of ${fn} (never positive), -ENOMEM.
 */
int segscan(struct segs *ss, const uint8_t store_uuid[static 16],
    uint32_t number, struct seg_header *h, segscan_fn *fn, void *arg);

/* The same, and nothing at or behind ${end_sectors} is looked at. */
int segscan_to(struct segs *ss, const uint8_t store_uuid[static 16],
    uint32_t number, uint32_t end_sectors, struct seg_header *h,
    segscan_fn *fn, void *arg);

#endif /* !META_SEGSCAN_H */
