/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * batch.c - the writes gathered in one turn become records: one per LUN and
 * kind as far as they fit, appended by one call, then inserted into the
 * overlays of the generation that the log gave them.
 *
 * A record never holds a block twice, and the order of writes to a block is
 * the order in which they came: a write that meets its own block, or that
 * follows a record of the other kind, opens a new record.
 *
 * Crash after the append: replay inserts the same.  What the append refused
 * is neither in the log nor in memory.
 */
#include "lun/io_int.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/msg.h"

#define BATCH_RECS	96u
#define BATCH_LUNS	32u
#define HDR_BYTES	(24u * SECTOR_BYTES)

/* One record being built; its blocks are kept for the insert. */
struct wrec {
	struct wrec *next_free;
	struct wrec *next_same;		/* of the same LUN, in order */
	struct batch_lun *bl;
	struct log_rec lr;
	uint32_t n_blk, n_ext, payload_bytes;
	int n_iov;
	uint64_t blk[REC_BLOCKS];
	struct id id[REC_BLOCKS];
	struct extent ext[REC_EXTENTS];
	struct iovec iov[REC_BLOCKS];
	uint8_t hdr[HDR_BYTES];
};

static_assert(HDR_BYTES >= REC_FIXED_BYTES + REC_EXTENTS * 16 +
    REC_BLOCKS * 16, "a full header fits");

/* What a batch has for one LUN. */
struct batch_lun {
	struct lun *lun;
	struct overlay *ov;		/* with room for n_blk, n_ranges */
	uint64_t gen;			/* of ov */
	size_t n_blk, n_ranges;
	struct wrec *open, *last;
	bool wrote;
};

struct batch {
	struct wrec *recs[BATCH_RECS];
	struct log_rec *lrs[BATCH_RECS];
	unsigned n_recs;
	struct batch_lun luns[BATCH_LUNS];
	unsigned n_luns;
	struct list wops;
};

/* ---- building --------------------------------------------------------- */

static struct batch_lun *
lun_entry(struct batch *b, struct lun *l)
{
	struct batch_lun *bl;

	for (unsigned i = 0; i < b->n_luns; i++)
		if (b->luns[i].lun == l)
			return (&b->luns[i]);
	if (b->n_luns == BATCH_LUNS)
		return (NULL);
	bl = &b->luns[b->n_luns++];
	*bl = (struct batch_lun){ .lun = l };
	return (bl);
}

static struct wrec *
rec_new(struct lun_worker *w, struct batch_lun *bl, enum rec_kind kind)
{
	struct batch *b = w->batch;
	struct wrec *r = w->free_recs;

	if (b->n_recs == BATCH_RECS)
		return (NULL);
	if (r != NULL)
		w->free_recs = r->next_free;
	else if ((r = malloc(sizeof(*r))) == NULL)
		return (NULL);
	r->next_same = NULL;
	r->bl = bl;
	r->n_blk = r->n_ext = r->payload_bytes = 0;
	r->n_iov = 0;
	r->lr = (struct log_rec){
		.kind = kind,
		.block_shift = (uint8_t)bl->lun->block_shift,
		.lun = bl->lun->info.number,
		.hdr = r->hdr,
		.iov = r->iov,
	};
	if (bl->last != NULL)
		bl->last->next_same = r;
	bl->open = bl->last = r;
	b->lrs[b->n_recs] = &r->lr;
	b->recs[b->n_recs++] = r;
	return (r);
}

static bool
holds(const struct wrec *r, uint64_t first, uint64_t n)
{

	for (uint32_t i = 0; i < r->n_ext; i++)
		if (first < r->ext[i].first_blk + r->ext[i].n_blk &&
		    r->ext[i].first_blk < first + n)
			return (true);
	return (false);
}

static bool
has_room(const struct wrec *r, size_t payload)
{

	return (r->n_blk < REC_BLOCKS && r->n_ext < REC_EXTENTS &&
	    r->payload_bytes + payload <= REC_PAYLOAD_MAX);
}

static void
put_block(struct wrec *r, uint64_t blk, const uint8_t *data, struct id id)
{
	size_t bs = r->bl->lun->info.block_bytes;
	struct extent *e = r->n_ext == 0 ? NULL : &r->ext[r->n_ext - 1];
	struct iovec *v = r->n_iov == 0 ? NULL : &r->iov[r->n_iov - 1];

	if (e != NULL && e->first_blk + e->n_blk == blk)
		e->n_blk++;
	else
		r->ext[r->n_ext++] = (struct extent){ blk, 1 };
	r->blk[r->n_blk] = blk;
	r->id[r->n_blk++] = id;
	if (id_is_hole(&id))
		return;
	if (v != NULL && (const uint8_t *)v->iov_base + v->iov_len == data) {
		v->iov_len += bs;
	} else {
		v = &r->iov[r->n_iov++];
		memcpy(&v->iov_base, &data, sizeof(data));
		v->iov_len = bs;
	}
	r->payload_bytes += (uint32_t)bs;
}

/* Records that an operation may need at most. */
static unsigned
recs_needed(const struct wop *x)
{
	unsigned per = TT_MIN(REC_BLOCKS,
	    REC_PAYLOAD_MAX >> x->lun->block_shift);

	if (x->zero)
		return (x->n_ext / REC_EXTENTS + 2);
	return (x->n_blk / per + 2);
}

static int
add_blocks(struct lun_worker *w, struct wop *x, struct batch_lun *bl)
{
	size_t bs = x->lun->info.block_bytes;
	struct wrec *r = bl->open;

	if (r != NULL && (x->atomic || r->lr.kind != REC_DATA ||
	    (r->lr.flags & REC_F_ATOMIC) != 0 ||
	    holds(r, x->first_blk, x->n_blk)))
		r = NULL;
	for (uint32_t i = 0; i < x->n_blk; i++) {
		if ((r == NULL || !has_room(r, bs)) &&
		    (r = rec_new(w, bl, REC_DATA)) == NULL)
			return (-ENOMEM);
		if (x->atomic)
			r->lr.flags = REC_F_ATOMIC;
		if (i == 0)
			x->first_rec = r;
		put_block(r, x->first_blk + i, x->data[i], x->ids[i]);
		x->last_rec = r;
	}
	return (0);
}

static int
add_extents(struct lun_worker *w, struct wop *x, struct batch_lun *bl)
{
	struct wrec *r = bl->open;

	if (r != NULL && r->lr.kind != REC_ZERO)
		r = NULL;
	for (uint32_t i = 0; i < x->n_ext; i++) {
		if ((r == NULL || r->n_ext == REC_EXTENTS) &&
		    (r = rec_new(w, bl, REC_ZERO)) == NULL)
			return (-ENOMEM);
		if (i == 0)
			x->first_rec = r;
		r->ext[r->n_ext++] = x->ext[i];
		x->last_rec = r;
	}
	return (0);
}

/* ---- appending -------------------------------------------------------- */

static void
encode(struct wrec *r)
{
	bool data = r->lr.kind == REC_DATA;
	struct rec counts = { .n_extents = r->n_ext };
	uint32_t sectors;

	r->lr.n_extents = r->n_ext;
	r->lr.n_ids = data ? r->n_blk : 0;
	r->lr.n_iov = r->n_iov;
	r->lr.payload_bytes = r->payload_bytes;
	sectors = rec_header_sectors(r->lr.n_extents, r->lr.n_ids, 0);
	memset(r->hdr, 0, (size_t)sectors * SECTOR_BYTES);
	for (uint32_t i = 0; i < r->n_ext; i++)
		rec_put_extent(r->hdr, i, r->ext[i]);
	for (uint32_t i = 0; data && i < r->n_blk; i++)
		rec_put_id(r->hdr, &counts, i, r->id[i]);
}

static void
release(struct batch_lun *bl)
{

	if (bl->ov == NULL)
		return;
	overlay_unreserve(bl->ov, bl->n_blk, bl->n_ranges);
	overlay_unref(bl->ov);
	bl->ov = NULL;
}

/*
 * Memory for the insert, in the overlays of ${gen}: after the append it must
 * not fail.  Mostly it is all there already and only the generation is
 * compared, so that the log mutex is not held over it.
 */
static int
reserve(void *arg, uint64_t gen)
{
	struct batch *b = arg;
	int rc;

	for (unsigned i = 0; i < b->n_luns; i++) {
		struct batch_lun *bl = &b->luns[i];

		if (bl->ov != NULL && bl->gen == gen)
			continue;
		release(bl);
		if ((rc = view_overlay(bl->lun, gen, &bl->ov)) != 0)
			return (rc);
		rc = overlay_reserve(bl->ov, bl->n_blk, bl->n_ranges);
		if (rc != 0) {
			overlay_unref(bl->ov);
			bl->ov = NULL;
			return (rc);
		}
		bl->gen = gen;
	}
	return (0);
}

static void
count_blocks(struct batch *b)
{

	for (unsigned i = 0; i < b->n_recs; i++) {
		struct wrec *r = b->recs[i];

		if (r->lr.kind == REC_DATA)
			r->bl->n_blk += r->n_blk;
		else
			r->bl->n_ranges += r->n_ext;
	}
}

/* What was inserted uses up its reservation; the rest is given back. */
static void
insert(struct lun_worker *w, struct wrec *r)
{
	struct segs *segs = store_segs(w->ls->store);
	struct batch_lun *bl = r->bl;
	uint32_t off = r->lr.payload_off_sectors;
	uint32_t n = 1u << (bl->lun->block_shift - SECTOR_SHIFT);

	if (r->lr.rc != 0)
		return;
	bl->wrote = true;
	if (r->lr.kind == REC_ZERO) {
		for (uint32_t i = 0; i < r->n_ext; i++)
			overlay_put_hole(bl->ov, r->ext[i].first_blk,
			    r->ext[i].n_blk, r->lr.seq);
		bl->n_ranges -= r->n_ext;
		return;
	}
	for (uint32_t i = 0; i < r->n_blk; i++) {
		struct place p = { .id = r->id[i] };
		locator unused;

		if (!id_is_hole(&p.id)) {
			p.loc = loc_make(r->lr.segment, off, n, 0);
			off += n;
		}
		unused = overlay_put(bl->ov, r->blk[i], p, r->lr.seq);
		if (unused != 0)
			segs_replaced(segs, loc_segment(unused),
			    loc_sectors(unused) * SECTOR_BYTES);
	}
	bl->n_blk -= r->n_blk;
}

static void
note_position(struct batch_lun *bl, uint64_t pos)
{
	uint64_t was = atomic_load(&bl->lun->last_pos);

	if (!bl->wrote)
		return;
	while (was < pos &&
	    !atomic_compare_exchange_weak(&bl->lun->last_pos, &was, pos))
		;
}

static int
result(const struct wop *x)
{
	int rc = 0;

	for (struct wrec *r = x->first_rec; r != NULL; r = r->next_same) {
		if (r->lr.rc != 0 && rc == 0)
			rc = r->lr.rc;
		if (r == x->last_rec)
			break;
	}
	return (rc);
}

static struct msg_limit full_limit;

static void
report(int rc)
{

	if (rc == -ENOSPC && msg_allowed(&full_limit, 1))
		msg_err("the store is full: writes fail until there is space");
	else if (rc != 0 && rc != -EROFS && rc != -ENOSPC &&
	    msg_allowed(&full_limit, 10))
		msg_err("append to the log failed (%d)", rc);
}

static void
finish_wops(struct batch *b, uint64_t end_pos)
{
	struct list done;

	list_init(&done);
	list_splice_tail(&done, &b->wops);
	/* Results first: answering frees records' users one by one. */
	LIST_FOREACH(it, &done) {
		struct wop *x = LIST_ENTRY(it, struct wop, link);

		if (x->rc == 0)
			x->rc = result(x);
		x->end_pos = end_pos;
		report(x->rc);
	}
	while (!list_empty(&done)) {
		struct wop *x = LIST_FIRST(&done, struct wop, link);

		list_del(&x->link);
		wop_appended(x);
	}
}

static void
write_batch(struct lun_worker *w)
{
	struct batch *b = w->batch;
	struct log_batch lb;
	uint64_t bytes = 0;
	unsigned n = 0;

	if (b->n_recs == 0) {
		/* Nothing to do; or no memory for a single record. */
		finish_wops(b, 0);
		b->n_luns = 0;
		return;
	}
	for (unsigned i = 0; i < b->n_recs; i++)
		encode(b->recs[i]);
	count_blocks(b);
	/* Ahead of the mutex, for the generation that it will probably be. */
	(void)reserve(b, log_gen(w->ls->log));
	log_append(w->ls->log, b->lrs, b->n_recs, reserve, b, &lb);
	for (unsigned i = 0; i < b->n_recs; i++) {
		insert(w, b->recs[i]);
		if (b->recs[i]->lr.rc == 0) {
			bytes += b->recs[i]->payload_bytes + SECTOR_BYTES;
			n++;
		}
	}
	for (unsigned i = 0; i < b->n_luns; i++) {
		release(&b->luns[i]);
		note_position(&b->luns[i], lb.end_pos);
	}
	log_batch_done(w->ls->log, &lb);
	store_wrote(w->ls->store, bytes, n);
	finish_wops(b, lb.end_pos);
	for (unsigned i = 0; i < b->n_recs; i++) {
		b->recs[i]->next_free = w->free_recs;
		w->free_recs = b->recs[i];
	}
	b->n_recs = b->n_luns = 0;
}

/* False: the batch has to be written first. */
static bool
add(struct lun_worker *w, struct wop *x)
{
	struct batch *b = w->batch;
	struct batch_lun *bl;
	int rc;

	if (b->n_recs + recs_needed(x) > BATCH_RECS ||
	    (bl = lun_entry(b, x->lun)) == NULL)
		return (false);
	list_add_tail(&b->wops, &x->link);
	rc = x->zero ? add_extents(w, x, bl) : add_blocks(w, x, bl);
	/* Memory ran out in the middle: what is in records is written and
	 * visible, as after a crash; the operation fails. */
	x->rc = rc;
	return (true);
}

void
batch_flush(struct lun_worker *w)
{

	while (!list_empty(&w->gathered)) {
		struct wop *x = LIST_FIRST(&w->gathered, struct wop, link);

		list_del(&x->link);
		if (atomic_load_explicit(&x->op->cancelled,
		    memory_order_relaxed)) {
			/* The last moment in which that can be kept. */
			x->rc = -ECANCELED;
			wop_appended(x);
		} else if (!add(w, x)) {
			write_batch(w);
			TT_ASSERT(add(w, x));
		}
	}
	write_batch(w);
}

int
batch_init(struct lun_worker *w)
{

	if ((w->batch = calloc(1, sizeof(*w->batch))) == NULL)
		return (-ENOMEM);
	list_init(&w->batch->wops);
	return (0);
}

void
batch_free(struct lun_worker *w)
{

	while (w->free_recs != NULL) {
		struct wrec *r = w->free_recs;

		w->free_recs = r->next_free;
		free(r);
	}
	free(w->batch);
}
