/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * replay.c - records behind the last checkpoint, at opening, in log order.
 *
 * The same overlays result as when the writes were made; a snapshot ends a
 * generation here as it did then.  Generations of the replay are below those
 * of the log (LOG_FIRST_GEN).
 */
#include <errno.h>

#include "lun/lun_int.h"
#include "meta/base/msg.h"

/* The LUN of a record, or NULL when there is nothing to do for it. */
static struct lun *
target(struct lunset *ls, const struct rec *r)
{
	struct lun *l;

	lk_lock(&ls->lk);
	l = table_by_number(ls, r->lun);
	lk_unlock(&ls->lk);
	/* Unknown: deleted since.  Older than the root: it is in there. */
	if (l == NULL || r->seq <= l->base_seq)
		return (NULL);
	return (l);
}

static bool
extents_ok(const struct lun *l, const struct rec *r, const uint8_t *hdr)
{

	if (r->block_shift != 0 && r->block_shift != l->block_shift)
		return (false);
	for (uint32_t i = 0; i < r->n_extents; i++) {
		struct extent e = rec_extent(hdr, i);

		if (e.first_blk >= l->n_blk || e.n_blk > l->n_blk - e.first_blk)
			return (false);
	}
	return (true);
}

/* Place of the next block of a DATA or COPY record. */
struct places {
	const struct rec *r;
	const uint8_t *hdr;
	uint32_t i, off_sectors, n_sectors;
};

static struct place
next_place(struct places *p)
{
	struct place pl = { .loc = 0 };

	if (p->r->kind == REC_COPY)
		return (rec_run(p->hdr, p->r, p->i++));
	pl.id = rec_id(p->hdr, p->r, p->i++);
	if (!id_is_hole(&pl.id)) {
		pl.loc = loc_make(p->r->segment, p->off_sectors, p->n_sectors,
		    0);
		p->off_sectors += p->n_sectors;
	}
	return (pl);
}

static int
replay_blocks(struct lun *l, const struct rec *r, const uint8_t *hdr,
    struct overlay *o)
{
	struct places p = {
		.r = r, .hdr = hdr,
		.off_sectors = r->off_sectors + r->header_sectors,
		.n_sectors = 1u << (l->block_shift - SECTOR_SHIFT),
	};
	uint32_t n = r->kind == REC_COPY ? r->n_runs : r->n_ids;
	int rc;

	if ((rc = overlay_reserve(o, n, 0)) != 0)
		return (rc);
	for (uint32_t i = 0; i < r->n_extents; i++) {
		struct extent e = rec_extent(hdr, i);

		for (uint64_t b = 0; b < e.n_blk; b++)
			overlay_put(o, e.first_blk + b, next_place(&p),
			    r->seq);
	}
	return (0);
}

static int
replay_zero(const struct rec *r, const uint8_t *hdr, struct overlay *o)
{
	int rc;

	if ((rc = overlay_reserve(o, 0, r->n_extents)) != 0)
		return (rc);
	for (uint32_t i = 0; i < r->n_extents; i++) {
		struct extent e = rec_extent(hdr, i);

		overlay_put_hole(o, e.first_blk, e.n_blk, r->seq);
	}
	return (0);
}

static int
replay_write(struct lunset *ls, const struct rec *r, const uint8_t *hdr)
{
	struct lun *l = target(ls, r);
	struct overlay *o;
	int rc;

	if (l == NULL)
		return (0);
	if (!extents_ok(l, r, hdr)) {
		msg_err("log record %llu: extents outside its LUN",
		    (unsigned long long)r->seq);
		return (-EUCLEAN);
	}
	if ((rc = view_overlay(l, ls->replay_gen, &o)) != 0)
		return (rc);
	if (r->kind == REC_ZERO)
		rc = replay_zero(r, hdr, o);
	else
		rc = replay_blocks(l, r, hdr, o);
	overlay_unref(o);
	return (rc);
}

static int
settle_new(struct lunset *ls)
{
	int rc = 0;

	LIST_FOREACH(it, &ls->luns) {
		struct lun *l = LIST_ENTRY(it, struct lun, link);

		LIST_FOREACH(is, &l->snaps) {
			struct snap *s = LIST_ENTRY(is, struct snap, link);

			if (s->gen == ls->replay_gen &&
			    (rc = view_settle(s)) != 0)
				return (rc);
		}
	}
	return (rc);
}

static int
replay_snapshot(struct lunset *ls, const struct rec *r, const uint8_t *payload)
{
	struct store_cut cut = { r->seq, r->time_ns, ls->replay_gen };
	int rc;

	rc = table_apply_snaps(ls, &cut, payload, r->payload_used_bytes);
	if (rc != 0 || (rc = settle_new(ls)) != 0)
		return (rc);
	ls->replay_gen++;
	return (0);
}

int
replay_record(void *arg, const struct rec *r, const uint8_t *hdr,
    const uint8_t *payload)
{
	struct lunset *ls = arg;
	int rc = 0;

	switch (r->kind) {
	case REC_DATA:
	case REC_ZERO:
	case REC_COPY:
		rc = replay_write(ls, r, hdr);
		break;
	case REC_SNAPSHOT:
		rc = replay_snapshot(ls, r, payload);
		break;
	case REC_CATALOG:
		if ((r->flags & REC_F_DUMP) == 0)
			rc = table_apply(ls, r->seq, payload,
			    r->payload_used_bytes);
		break;
	case REC_CHECKPOINT:
		break;
	case REC_NODES:
	case REC_MOVED:
		rc = -EUCLEAN;
		break;
	}
	if (rc != 0)
		msg_err("log record %llu of kind %d cannot be replayed: %s",
		    (unsigned long long)r->seq, (int)r->kind, msg_why(rc));
	return (rc);
}
