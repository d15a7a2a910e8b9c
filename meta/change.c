/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * change.c - changes of the catalogue: first a durable record, then, with the
 * checkpoint that contains the record, its rows in LMDB.
 *
 * Crash between the two: replay meets the record and queues the rows again.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/bytes.h"
#include "meta/gc_int.h"
#include "meta/item.h"
#include "meta/store_int.h"

static void
enqueue(struct store *st, struct queued *q)
{

	lk_lock(&st->lk);
	list_add_tail(&st->queue, &q->link);
	lk_unlock(&st->lk);
}

static struct queued *
queued_new(const void *items, size_t len)
{
	struct queued *q = malloc(sizeof(*q) + len);

	if (q != NULL) {
		q->len = len;
		memcpy(q->items, items, len);
	}
	return (q);
}

static int
append_change(struct store *st, struct log_rec *lr, struct store_cut *cut,
    uint64_t *end_pos)
{
	struct log_batch b;
	struct log_cut c;
	int rc;

	if (lr->kind == REC_SNAPSHOT) {
		if ((rc = log_cut(st->log, lr, &c)) != 0)
			return (rc);
		*end_pos = c.end_pos;
		cut->gen = c.gen;
	} else {
		log_append(st->log, &lr, 1, NULL, NULL, &b);
		log_batch_done(st->log, &b);
		if ((rc = lr->rc) != 0)
			return (rc);
		*end_pos = b.end_pos;
		cut->gen = b.gen;
	}
	cut->seq = lr->seq;
	cut->time_ns = lr->time_ns;
	return (0);
}

int
store_change(struct store *st, enum rec_kind kind, const void *items,
    size_t len, store_logged_fn *logged, void *arg)
{
	uint8_t hdr[SECTOR_BYTES] = { 0 };
	struct queued *q = queued_new(items, len);
	struct iovec iov;
	struct log_rec lr = {
		.kind = kind, .hdr = hdr, .iov = &iov, .n_iov = 1,
		.payload_bytes = (uint32_t)len,
	};
	struct store_cut cut;
	uint64_t end_pos;
	int rc;

	if (q == NULL)
		return (-ENOMEM);
	if (len == 0 || len > REC_PAYLOAD_MAX) {
		free(q);
		return (-EINVAL);
	}
	iov = (struct iovec){ q->items, len };
	lk_lock(&st->change_lk);
	if ((rc = append_change(st, &lr, &cut, &end_pos)) == 0) {
		q->seq = cut.seq;
		enqueue(st, q);
		logged(arg, &cut);
	}
	lk_unlock(&st->change_lk);
	if (rc != 0) {
		free(q);
		return (rc);
	}
	store_wrote(st, len, 1);
	return (log_sync(st->log, end_pos));
}

int
change_requeue(struct store *st, const struct rec *r, const uint8_t *payload)
{
	struct queued *q = queued_new(payload, r->payload_used_bytes);

	if (q == NULL)
		return (-ENOMEM);
	q->seq = r->seq;
	enqueue(st, q);
	return (0);
}

/* ---- rows ------------------------------------------------------------- */

static int
put_row(struct cat_txn *t, struct rd *r)
{
	unsigned tab = rd_u8(r);
	size_t klen = rd_be16(r), vlen;
	const uint8_t *key = rd_bytes(r, klen), *val;

	vlen = rd_left(r);
	val = rd_bytes(r, vlen);
	if (r->bad || tab == 0 || tab >= CAT_TABLES ||
	    cat_is_derived((enum cat_table)tab))
		return (-EILSEQ);
	return (catalog_put(t, (enum cat_table)tab, key, klen, val, vlen));
}

static int
del_row(struct cat_txn *t, struct rd *r)
{
	unsigned tab = rd_u8(r);
	size_t klen = rd_be16(r);
	const uint8_t *key = rd_bytes(r, klen);
	int rc;

	if (r->bad || tab == 0 || tab >= CAT_TABLES ||
	    cat_is_derived((enum cat_table)tab))
		return (-EILSEQ);
	rc = catalog_del(t, (enum cat_table)tab, key, klen);
	return (rc == -ENOENT ? 0 : rc);
}

static int
put_snap(struct cat_txn *t, struct rd *r, uint64_t seq)
{
	uint8_t key[16];
	size_t vlen;

	put_be64(key, rd_be64(r));
	put_be64(key + 8, seq);
	vlen = rd_left(r);
	return (catalog_put(t, CAT_SNAP, key, sizeof(key), rd_bytes(r, vlen),
	    vlen));
}

static int
del_lun(struct cat_txn *t, struct rd *r)
{
	static const enum cat_table tabs[] = { CAT_LUN, CAT_SNAP, CAT_ROOT,
	    CAT_EXPOSE, CAT_ACCESS };
	const uint8_t *key = rd_bytes(r, 8);
	int rc = 0;

	if (r->bad)
		return (-EILSEQ);
	for (size_t i = 0; i < sizeof(tabs) / sizeof(tabs[0]) && rc == 0; i++)
		rc = catalog_del_prefix(t, tabs[i], key, 8);
	return (rc);
}

static int
apply_item(struct cat_txn *t, const struct item *it, uint64_t seq)
{
	struct rd r = rd_init(it->val, it->len);

	switch (it->type) {
	case ITEM_ROW_PUT:
		return (put_row(t, &r));
	case ITEM_ROW_DEL:
		return (del_row(t, &r));
	case ITEM_SNAP:
		return (put_snap(t, &r, seq));
	case ITEM_LUN_DELETE:
		return (del_lun(t, &r));
	default:
		return ((it->type & ITEM_MAY_IGNORE) != 0 ? 0 : -EILSEQ);
	}
}

/* Does it take a root away? */
static bool
deletes_root(const struct item *it)
{

	return (it->type == ITEM_LUN_DELETE || (it->type == ITEM_ROW_DEL &&
	    it->len > 0 && it->val[0] == CAT_ROOT));
}

int
change_commit_rows(struct store *st, struct cat_txn *t, uint64_t seq)
{
	struct list *it;
	struct item item;
	int rc = 0;

	/* Entries are only added at the tail and removed by this thread. */
	lk_lock(&st->lk);
	it = st->queue.next;
	lk_unlock(&st->lk);
	while (it != &st->queue && rc == 0) {
		struct queued *q = LIST_ENTRY(it, struct queued, link);
		struct rd r = rd_init(q->items, q->len);

		if (q->seq > seq)
			break;
		while (rc == 0 && item_next(&r, &item)) {
			rc = apply_item(t, &item, q->seq);
			if (rc == 0 && deletes_root(&item))
				gc_deleted(st);
		}
		if (r.bad)
			rc = -EILSEQ;
		lk_lock(&st->lk);
		it = it->next;
		lk_unlock(&st->lk);
	}
	return (rc);
}

void
change_forget(struct store *st, uint64_t seq)
{

	lk_lock(&st->lk);
	LIST_FOREACH_SAFE(it, nx, &st->queue) {
		struct queued *q = LIST_ENTRY(it, struct queued, link);

		if (q->seq > seq)
			break;
		list_del(&q->link);
		free(q);
	}
	lk_unlock(&st->lk);
}

void
change_free_all(struct store *st)
{

	change_forget(st, UINT64_MAX);
}
