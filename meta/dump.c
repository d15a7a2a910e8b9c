/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dump.c - a full copy of the catalogue in the log, from time to time, so
 * that LMDB can be rebuilt from the segments alone: the last complete dump,
 * the CATALOG, SNAPSHOT and CHECKPOINT records behind its position, replay.
 *
 * A dump is a run of CATALOG records with REC_F_DUMP, the last with
 * REC_F_DUMP_END as well; other records may lie between them.  It begins with
 * POSITION and then has a ROW_PUT for each row.  Crash: a dump without its end
 * is none.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/item.h"
#include "meta/store_int.h"

#define DUMP_RECORD_BYTES (256u << 10)

/* Append one record of items; waits for nothing. */
static int
dump_append(struct store *st, enum rec_kind kind, uint8_t flags,
    const void *items, size_t len, uint64_t *out_bytes)
{
	uint8_t hdr[SECTOR_BYTES] = { 0 };
	struct iovec iov = { NULL, len };
	struct log_rec lr = {
		.kind = kind, .flags = flags, .hdr = hdr, .iov = &iov,
		.n_iov = 1, .payload_bytes = (uint32_t)len,
	}, *one = &lr;
	struct log_batch b;

	memcpy(&iov.iov_base, &items, sizeof(items));
	log_append(st->log, &one, 1, NULL, NULL, &b);
	log_batch_done(st->log, &b);
	if (lr.rc == 0)
		*out_bytes += len + SECTOR_BYTES;
	return (lr.rc);
}

struct dump {
	struct store *st;
	uint8_t *buf;
	struct wr w;
	enum cat_table tab;
	uint64_t bytes;
};

static int
dump_write(struct dump *d, uint8_t flags)
{
	int rc;

	rc = dump_append(d->st, REC_CATALOG, flags, d->buf,
	    (size_t)(d->w.p - d->buf), &d->bytes);
	d->w = wr_init(d->buf, DUMP_RECORD_BYTES);
	return (rc);
}

static int
dump_row(void *arg, const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen)
{
	struct dump *d = arg;
	uint8_t *mark;
	int rc;

	if ((size_t)(d->w.end - d->w.p) < ITEM_HEADER_LEN + 3 + klen + vlen &&
	    (rc = dump_write(d, REC_F_DUMP)) != 0)
		return (rc);
	mark = item_begin(&d->w, ITEM_ROW_PUT);
	wr_u8(&d->w, (uint8_t)d->tab);
	wr_be16(&d->w, (uint16_t)klen);
	wr_bytes(&d->w, key, klen);
	wr_bytes(&d->w, val, vlen);
	item_end(&d->w, mark);
	return (0);
}

static void
put_position(struct wr *w, const struct log_pos *pos)
{
	uint8_t *mark = item_begin(w, ITEM_POSITION);

	wr_be32(w, pos->segment);
	wr_be32(w, pos->end_sectors);
	wr_be64(w, pos->seq);
	wr_be64(w, pos->sum);
	wr_be64(w, pos->time_ns);
	item_end(w, mark);
}

int
dump_catalog(struct store *st, const struct log_pos *pos, uint64_t *out_bytes)
{
	struct dump d = { .st = st };
	int rc = 0;

	if ((d.buf = malloc(DUMP_RECORD_BYTES)) == NULL)
		return (-ENOMEM);
	d.w = wr_init(d.buf, DUMP_RECORD_BYTES);
	put_position(&d.w, pos);
	for (unsigned t = CAT_STORE; t < CAT_TABLES && rc == 0; t++) {
		d.tab = (enum cat_table)t;
		if (cat_is_derived(d.tab))
			continue;
		rc = catalog_each(st->cat, d.tab, dump_row, &d);
	}
	if (rc == 0)
		rc = dump_write(&d, REC_F_DUMP | REC_F_DUMP_END);
	free(d.buf);
	if (rc == 0)
		*out_bytes = d.bytes;
	return (rc);
}

/*
 * CHECKPOINT: what is about to be committed, once the nodes are durable.
 * Crash before the commit: the record is ignored by recovery, and true.
 */
int
dump_checkpoint(struct store *st, const struct checkpoint *cp,
    uint64_t *out_bytes)
{
	uint8_t *buf = malloc(DUMP_RECORD_BYTES);
	struct wr w;
	int rc = 0;

	if (buf == NULL)
		return (-ENOMEM);
	w = wr_init(buf, DUMP_RECORD_BYTES);
	put_position(&w, &cp->cut.pos);
	for (size_t i = 0; i < cp->n_roots && rc == 0; i++) {
		const struct ckpt_root *r = &cp->roots[i];
		uint8_t *mark, place[PLACE_LEN];

		if (w.end - w.p < 64) {
			rc = dump_append(st, REC_CHECKPOINT, 0, buf,
			    (size_t)(w.p - buf), out_bytes);
			w = wr_init(buf, DUMP_RECORD_BYTES);
			put_position(&w, &cp->cut.pos);
		}
		mark = item_begin(&w, ITEM_ROOT);
		wr_be64(&w, r->lun);
		wr_be64(&w, r->seq);
		wr_be64(&w, cp->cut.pos.seq);
		place_put(place, r->root);
		wr_bytes(&w, place, sizeof(place));
		item_end(&w, mark);
	}
	if (rc == 0)
		rc = dump_append(st, REC_CHECKPOINT, 0, buf,
		    (size_t)(w.p - buf), out_bytes);
	free(buf);
	return (rc);
}
