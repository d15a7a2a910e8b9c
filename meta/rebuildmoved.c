/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rebuildmoved.c - where moved blocks and nodes are, from the headers of MOVED
 * records.
 *
 * The records of an attempt that was never committed are there as well, and
 * perhaps torn.  What makes that harmless:
 *  - no note is made for what is still at its birth place: nothing was freed
 *    then, and there are the bytes;
 *  - of several records for one place the one in the segment with the highest
 *    number counts, as each move replaced the note of the one before; but only
 *    if its bytes match its id there, because that one may be the torn attempt,
 *    and then the one before has the bytes still.
 *
 * So there are two passes over the headers: which places are named twice; then
 * from the highest number on, first come, first served.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/bytes.h"
#include "meta/base/msg.h"
#include "meta/locset.h"
#include "meta/moved.h"
#include "meta/rebuild_int.h"
#include "meta/segscan.h"
#include "meta/walk.h"

struct mover {
	struct rebuild *rb;
	struct locset *once, *twice;	/* named by one record; by more */
	struct locset *noted;
	struct moved *moved;
	const struct seg_header *h;	/* of the segment being scanned */
	uint32_t names;			/* the segment that notes name */
	struct moved_run run;		/* being gathered; n_sectors 0: none */
};

/* Both segments of a pair have the same layout; notes name the first. */
static bool
is_second(const struct seg_header *h)
{

	return (h->twin != 0 && h->twin < h->number);
}

/* The second of a pair whose first is lost stands for both. */
static bool
is_counted(const struct rebuild *rb, const struct seg_header *h)
{

	return (h->kind == SEG_MOVED &&
	    (!is_second(h) || rb_find(rb, h->twin) == NULL));
}

static bool
at_birth(const struct rebuild *rb, locator loc)
{

	if (rb_find(rb, loc_segment(loc)) == NULL)
		return (false);
	return ((loc_flags(loc) & LOC_F_NODE) == 0 ||
	    rb_find(rb, loc_segment(loc) + 1) != NULL);
}

/* ---- first pass --------------------------------------------------------- */

static int
count(void *arg, const struct rec *r, const uint8_t *hdr)
{
	struct mover *m = arg;
	int rc = 0;

	if (r->kind != REC_MOVED)
		return (0);
	for (uint32_t i = 0; i < r->n_runs && rc >= 0; i++) {
		locator loc = rec_run(hdr, r, i).loc;

		m->rb->max_number = TT_MAX(m->rb->max_number,
		    loc_segment(loc) + ((loc_flags(loc) & LOC_F_NODE) != 0));
		if ((rc = locset_add(m->once, loc)) == 0)
			rc = locset_add(m->twice, loc);
	}
	return (rc < 0 && rc != -EILSEQ ? rc : 0);
}

/* ---- second pass -------------------------------------------------------- */

static int
flush(struct mover *m)
{
	struct rebuild *rb = m->rb;
	uint8_t key[8], val[16] = { 1 };

	if (m->run.n_sectors == 0)
		return (0);
	put_be32(key, m->run.birth_segment);
	put_be32(key + 4, m->run.birth_off_sectors);
	put_be32(val + 4, m->run.n_sectors);
	put_be32(val + 8, m->run.segment);
	put_be32(val + 12, m->run.off_sectors);
	m->run.n_sectors = 0;
	rb->info.moved++;
	return (rb_put(rb, CAT_MOVED, key, sizeof(key), val, sizeof(val)));
}

static int
note(struct mover *m, locator loc, uint32_t off_sectors)
{
	struct moved_run *u = &m->run;
	int rc;

	if ((rc = locset_add(m->noted, loc)) <= 0)
		return (rc == -EILSEQ ? 0 : rc);
	if (u->n_sectors != 0 && u->birth_segment == loc_segment(loc) &&
	    u->birth_off_sectors + u->n_sectors == loc_off_sectors(loc) &&
	    u->segment == m->names &&
	    u->off_sectors + u->n_sectors == off_sectors) {
		u->n_sectors += loc_sectors(loc);
		return (0);
	}
	if ((rc = flush(m)) != 0)
		return (rc);
	*u = (struct moved_run){ loc_segment(loc), loc_off_sectors(loc),
	    loc_sectors(loc), m->names, off_sectors };
	return (0);
}

/* The payload as far as it can be read; NULL: not at all. */
static int
read_payload(struct mover *m, const struct rec *r, uint8_t **out)
{
	uint8_t *buf;
	struct seg *s;
	int rc;

	if ((buf = malloc(r->payload_used_bytes + 1u)) == NULL)
		return (-ENOMEM);
	if ((rc = segs_get(m->rb->segs, r->segment, &s)) == 0) {
		rc = seg_read(s, buf, r->payload_used_bytes,
		    (uint64_t)(r->off_sectors + r->header_sectors) *
		    SECTOR_BYTES);
		seg_put(s);
	}
	if (rc != 0) {
		free(buf);
		buf = NULL;
	}
	*out = buf;
	return (0);
}

/*
 * Each piece for itself: beside one that is dead, and was given back, or has
 * rotted, others are live.
 */
static bool
piece_is_whole(const struct rec *r, const uint8_t *payload, uint32_t at_bytes,
    const struct place *p)
{
	uint32_t len = loc_sectors(p->loc) * SECTOR_BYTES;
	struct node n;
	struct id id;

	if (payload == NULL || at_bytes + len > r->payload_used_bytes)
		return (false);
	if ((loc_flags(p->loc) & LOC_F_NODE) != 0 && len == NODE_BYTES) {
		memcpy(n.b, payload + at_bytes, NODE_BYTES);
		id = node_id(&n);
	} else {
		id = id_of(payload + at_bytes, len);
	}
	return (id_equal(&id, &p->id));
}

static bool
is_ambiguous(struct mover *m, const struct rec *r, const uint8_t *hdr)
{

	for (uint32_t i = 0; i < r->n_runs; i++)
		if (locset_has(m->twice, rec_run(hdr, r, i).loc))
			return (true);
	return (false);
}

static int
take(void *arg, const struct rec *r, const uint8_t *hdr)
{
	uint32_t first = r->off_sectors + r->header_sectors, off = first;
	uint8_t *payload = NULL;
	struct mover *m = arg;
	int rc = 0;

	if (r->kind != REC_MOVED)
		return (0);
	if (is_ambiguous(m, r, hdr) &&
	    (rc = read_payload(m, r, &payload)) != 0)
		return (rc);
	for (uint32_t i = 0; i < r->n_runs && rc == 0; i++) {
		struct place p = rec_run(hdr, r, i);

		if (!at_birth(m->rb, p.loc) &&
		    (!locset_has(m->twice, p.loc) || piece_is_whole(r, payload,
		    (off - first) * SECTOR_BYTES, &p)))
			rc = note(m, p.loc, off);
		off += loc_sectors(p.loc);
	}
	free(payload);
	return (rc);
}

/* ---- both --------------------------------------------------------------- */

static int
scan(struct mover *m, const struct seg_header *h, segscan_fn *fn)
{
	int rc;

	if (rb_tell(m->rb))
		msg_info("rebuild: moved blocks, segment %u", h->number);
	m->h = h;
	m->names = is_second(h) ? h->twin : h->number;
	rc = segscan(m->rb->segs, m->rb->super.uuid, h->number, NULL, fn, m);
	if (rc == 0)
		rc = flush(m);
	if ((rc == -EIO || rc == -EILSEQ || rc == -ENOENT) && m->rb->salvage)
		rc = 0;
	if (rc != 0)
		msg_err("rebuild: segment %u of moved blocks: %s", h->number,
		    strerror(-rc));
	return (rc);
}

/*
 * What notes lead to must be on the disk: an attempt that did not come to its
 * commit may have left its copies in the page cache alone, and the places
 * before may be given back from now on.
 */
static int
settle(struct mover *m, const struct seg_header *h)
{
	struct seg *s;
	int rc;

	if ((rc = segs_get(m->rb->segs, h->number, &s)) == 0) {
		rc = seg_sync(s);
		seg_put(s);
	}
	if (rc != 0)
		msg_err("rebuild: segment %u of moved blocks: %s", h->number,
		    strerror(-rc));
	return (m->rb->salvage ? 0 : rc);
}

/*
 * The second of a pair names the same places and tells nothing new, unless
 * the first is damaged; so it comes behind it and is not counted.
 */
static int
passes(struct mover *m)
{
	struct rebuild *rb = m->rb;
	int rc = 0;

	for (size_t i = 0; i < rb->n_seg && rc == 0; i++)
		if (is_counted(rb, &rb->seg[i].h))
			rc = scan(m, &rb->seg[i].h, count);
	for (size_t i = rb->n_seg; rc == 0 && i-- > 0; ) {
		const struct seg_header *h = &rb->seg[i].h;

		if (!is_counted(rb, h))
			continue;
		if ((rc = scan(m, h, take)) == 0)
			rc = settle(m, h);
		if (rc == 0 && i + 1 < rb->n_seg &&
		    rb->seg[i + 1].h.kind == SEG_MOVED &&
		    is_second(&rb->seg[i + 1].h) &&
		    rb->seg[i + 1].h.twin == h->number &&
		    (rc = scan(m, &rb->seg[i + 1].h, take)) == 0)
			rc = settle(m, &rb->seg[i + 1].h);
	}
	return (rc);
}

int
rb_moved(struct rebuild *rb)
{
	struct mover m = { .rb = rb };
	uint32_t bytes = rb->super.segment_bytes;
	int rc;

	if ((rc = locset_new(bytes, &m.once)) == 0 &&
	    (rc = locset_new(bytes, &m.twice)) == 0 &&
	    (rc = locset_new(bytes, &m.noted)) == 0)
		rc = passes(&m);
	locset_free(m.once);
	locset_free(m.twice);
	locset_free(m.noted);
	return (rc);
}

/* ---- are the trees there? ----------------------------------------------- */

struct walker {
	struct rebuild *rb;
	struct walk w;
};

static int
no_block(void *arg, struct place p, uint64_t blk)
{

	(void)arg;
	(void)p;
	(void)blk;
	return (0);
}

static int
walk_root(void *arg, const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen)
{
	struct walker *wk = arg;
	struct root_row row;
	int rc;

	(void)key;
	(void)klen;
	if (root_row_dec(val, vlen, &row) != 0)
		return (-EUCLEAN);
	if (id_is_hole(&row.root.id))
		return (0);
	rc = walk_tree(&wk->w, row.root, 0);
	if (rc == -EILSEQ || rc == -EIO || rc == -ENOENT) {
		msg_err("rebuild: what the older dump refers to is not there "
		    "any more (%s); there is no newer one that is whole",
		    msg_why(rc));
		rc = -EUCLEAN;
	}
	return (rc);
}

int
rb_walk_roots(struct rebuild *rb)
{
	static const struct walk_ops ops = { .block = no_block };
	struct walker wk = { .rb = rb, .w = { .ops = &ops, .arg = rb } };
	_Atomic uint32_t next = rb->max_number + 1;
	struct nodes_conf nc = {
		.segs = rb->segs,
		.segment_bytes = rb->super.segment_bytes,
		.next_segment = &next,
	};
	struct locset *seen = NULL;
	int rc;

	msg_warn("rebuild: an older dump is used; looking whether all that it "
	    "refers to is there");
	memcpy(nc.store_uuid, rb->super.uuid, 16);
	if ((rc = rb_commit(rb)) != 0 ||
	    (rc = moved_open(rb->cat, rb->segs, &nc.moved)) != 0)
		return (rc);
	if ((rc = nodes_new(&nc, &wk.w.ns)) == 0 &&
	    (rc = locset_new(rb->super.segment_bytes, &seen)) == 0) {
		wk.w.seen = seen;
		rc = catalog_each(rb->cat, CAT_ROOT, walk_root, &wk);
	}
	locset_free(seen);
	nodes_free(wk.w.ns);
	moved_close(nc.moved);
	return (rc);
}
