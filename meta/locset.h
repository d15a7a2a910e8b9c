/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * locset.h - a set of locators: one bit for each block or node of a segment.
 *
 * Blocks begin at least 8 sectors apart and nodes 3, so a bit for each such
 * stretch tells them apart: 2 KiB for a segment of 64 MiB with data, 5.3 KiB
 * for one with nodes; memory only for segments of which something is in it.
 *
 * Memory can be bounded in two ways.  A set may be told which segments it is
 * wanted for, and takes no notice of others.  Or it gets a limit, and forgets
 * what is beyond it, for who can stand to be told twice that something is new.
 *
 * Threads: any, at the same time.
 */
#ifndef META_LOCSET_H
#define META_LOCSET_H

#include <stdbool.h>
#include <stdint.h>

#include "meta/rec.h"

struct locset;

/* -ENOMEM. */
int locset_new(uint32_t segment_bytes, struct locset **out);
void locset_free(struct locset *s);

/*
 * From ${segment} on all are wanted (at first: from 0 on), below it those that
 * locset_want names.  Both before anything is in it.  -ENOMEM.
 */
void locset_want_from(struct locset *s, uint32_t segment);
int locset_want(struct locset *s, uint32_t segment);
bool locset_wants(const struct locset *s, uint32_t segment);
/* What memory may grow by for a segment, with blocks or with nodes in it. */
uint64_t locset_need_bytes(const struct locset *s, uint32_t segment,
    bool nodes);
/* Memory is not to grow beyond this; before anything is in it. */
void locset_limit(struct locset *s, uint64_t bytes);

/*
 * 1: it is new, or there is no room to note it; 0: it was there, or is not
 * wanted; -ENOMEM; -EILSEQ no place in a segment.
 */
int locset_add(struct locset *s, locator loc);
/* Could it be in it? */
bool locset_fits(const struct locset *s, locator loc);
bool locset_has(const struct locset *s, locator loc);

/* Sum of the lengths of what is in it, of one segment and of all. */
uint64_t locset_segment_bytes(const struct locset *s, uint32_t segment);
uint64_t locset_bytes(const struct locset *s);
/* Memory held. */
uint64_t locset_memory_bytes(const struct locset *s);

#endif /* !META_LOCSET_H */
