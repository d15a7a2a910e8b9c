/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * item.h - lists of typed items: the payload of SNAPSHOT, CATALOG and
 * CHECKPOINT records, and the values of catalogue rows.
 *
 * off len
 *   0   2  type; bit 15 set: may be ignored by who does not know it
 *   2   4  length of the value
 *   6      the value
 *
 * Types are numbered per context: enum item_type for record payloads, the
 * enum attr_* of lun/rows.h for catalogue rows.
 *
 * Items of record payloads
 * ROW_PUT      table 1, key length 2, key, value
 * ROW_DEL      table 1, key length 2, key
 * SNAP         LUN 8, then the attributes of the snapshot's row
 * LUN_DELETE   LUN 8: its rows in every table, its snapshots and its map
 * ROOT         LUN 8, seq 8 (all ones: head), base_seq 8, id 16, locator 8
 *              (CHECKPOINT: what the checkpoint committed)
 * ROOT_FROM    LUN 8, from LUN 8, from seq 8: the head becomes that
 *              snapshot's map (clone, rollback)
 * RESIZE       LUN 8, new size in bytes 8
 * POSITION     segment 4, sectors 4, seq 8, checksum 8, time 8: where replay
 *              begins (CHECKPOINT)
 * BAD          LUN 8, first block 8, blocks 8: content known to be lost
 */
#ifndef META_ITEM_H
#define META_ITEM_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "meta/base/bytes.h"

enum item_type {
	ITEM_ROW_PUT = 1,
	ITEM_ROW_DEL = 2,
	ITEM_SNAP = 3,
	ITEM_LUN_DELETE = 4,
	ITEM_ROOT = 5,
	ITEM_ROOT_FROM = 6,
	ITEM_RESIZE = 7,
	ITEM_POSITION = 8,
	ITEM_BAD = 9
};

#define ITEM_MAY_IGNORE 0x8000u
#define ITEM_HEADER_LEN 6

struct item {
	uint16_t type;
	const uint8_t *val;
	uint32_t len;
};

/*
 * The next item: true and ${*out}, or false at the end of the list (${r->bad}
 * tells a damaged list from a complete one).
 */
static inline bool
item_next(struct rd *r, struct item *out)
{
	struct item it;

	if (r->bad || rd_left(r) == 0)
		return (false);
	it.type = rd_be16(r);
	it.len = rd_be32(r);
	it.val = rd_bytes(r, it.len);
	if (r->bad)
		return (false);
	*out = it;
	return (true);
}

static inline void
item_put(struct wr *w, uint16_t type, const void *val, size_t len)
{

	wr_be16(w, type);
	wr_be32(w, (uint32_t)len);
	wr_bytes(w, val, len);
}

/* Opens an item whose length is known only later; item_end closes it. */
static inline uint8_t *
item_begin(struct wr *w, uint16_t type)
{
	uint8_t *mark = w->p;

	wr_be16(w, type);
	wr_be32(w, 0);
	return (mark);
}

static inline void
item_end(struct wr *w, uint8_t *mark)
{

	if (!w->bad)
		put_be32(mark + 2, (uint32_t)(w->p - mark) - ITEM_HEADER_LEN);
}

#endif /* !META_ITEM_H */
