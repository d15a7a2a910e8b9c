/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stale.h - segments whose pages in the page cache nobody will ask for.
 *
 * A log never writes to the same place twice.  So what was overwritten stays
 * in the page cache as long as what is read all day, and each append takes
 * pages that were not used lately: where a hypervisor gives memory on demand
 * that costs several times the append itself.  Whoever replaces a block by a
 * newer one says so here; of a segment that is mostly replaced the pages are
 * given back, and the next appends get them while they are warm.
 *
 * All this is a hint: what snapshots still need is read from the disk.
 *
 * Threads: any; no lock.
 */
#ifndef META_STALE_H
#define META_STALE_H

#include <stdint.h>

struct stale;

/* -ENOMEM. */
int stale_new(uint32_t segment_bytes, struct stale **out);
void stale_free(struct stale *st);

/* ${bytes} of segment ${number} were replaced. */
void stale_note(struct stale *st, uint32_t number, uint32_t bytes);

/* The oldest segment of which enough was; once each.  0: none. */
uint32_t stale_take(struct stale *st);

#endif /* !META_STALE_H */
