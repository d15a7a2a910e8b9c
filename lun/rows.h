/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rows.h - rows of the catalogue that belong to LUNs (meta/FORMAT.md "Rows").
 *
 * A value is a list of items (meta/item.h) whose types are the attributes
 * below; an attribute that is not known makes the row unreadable unless its
 * type has ITEM_MAY_IGNORE.  Numbers are big-endian.
 *
 * Keys: CAT_LUN      LUN 8
 *       CAT_SNAP     LUN 8, seq 8
 *       CAT_EXPOSE   LUN 8, seq 8
 *       CAT_ACCESS   LUN 8, kind 1 (enum access_kind), name
 */
#ifndef LUN_ROWS_H
#define LUN_ROWS_H

#include "lun/lun.h"
#include "meta/base/bytes.h"
#include "meta/catalog.h"

enum attr {
	ATTR_NAME = 1,		/* text */
	ATTR_SIZE = 2,		/* 8: bytes */
	ATTR_BLOCK = 3,		/* 4: bytes */
	ATTR_SECTOR = 4,	/* 4: bytes */
	ATTR_UUID = 5,		/* 16 */
	ATTR_NAA = 6,		/* 8 */
	ATTR_SERIAL = 7,	/* text */
	ATTR_CREATED = 8,	/* 8: ns UTC */
	ATTR_OPEN = 9,		/* 1: 0 or 1 */
	ATTR_SECRET = 10,	/* sealed bytes */
	ATTR_HOLD = 11,		/* 1: 1; absent: no */
	ATTR_HELD = 12,		/* 1: 1; absent: no */
	ATTR_NO_DEDUP = 13,	/* 1: 1; absent: blocks are shared */
	ATTR_WRITE_THROUGH = 14	/* 1: 1; absent: there is a write cache */
};

enum access_kind {
	ACCESS_USER = 1,	/* by whom initiators log in */
	ACCESS_MUTUAL = 2,	/* the target's own name */
	ACCESS_INITIATOR = 3	/* an initiator name that may enter */
};

#define ROW_KEY_MAX (9 + LUN_INITIATOR_MAX)
#define ROW_VAL_MAX 1024

struct row {
	enum cat_table tab;
	uint8_t key[ROW_KEY_MAX];
	size_t klen;
	uint8_t val[ROW_VAL_MAX];
	size_t vlen;
};

void row_lun_enc(const struct lun_info *l, struct row *out);
int row_lun_dec(const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen, struct lun_info *out);

/* The value of a snapshot's row; its key needs the seq of its record. */
void row_snap_val(const struct snap_info *s, struct wr *w);
int row_snap_dec(const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen, struct snap_info *out);
void row_snap_key(uint64_t lun, uint64_t seq, uint8_t out[static 16]);

/* Of an exposure the row holds identity and time; names are its snapshot's. */
void row_expose_enc(const struct exposure_info *e, struct row *out);
int row_expose_dec(const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen, struct exposure_info *out);

/* -EINVAL: name or secret too long or empty. */
int row_user_enc(uint64_t lun, const struct lun_user *u, struct row *out);
int row_user_dec(const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen, uint64_t *lun, struct lun_user *out);

/* Kind 3; ${time_ns}: since when.  -EINVAL: no such name is allowed. */
int row_initiator_enc(uint64_t lun, const char *name, uint64_t time_ns,
    struct row *out);
int row_initiator_dec(const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen, uint64_t *lun, char name[static LUN_INITIATOR_CAP]);

/* Items of a CATALOG record. */
void row_put_item(struct wr *w, const struct row *r);
void row_del_item(struct wr *w, enum cat_table tab, const void *key,
    size_t klen);

#endif /* !LUN_ROWS_H */
