/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gcsort.c - what is in each segment, and what is to become of it.
 *
 * What is live is known twice: from the trees (the sets of the mark), and from
 * the headers of the records when they are walked through.  Only where the two
 * agree, to the byte, is anything freed, copied or punched: a header that
 * cannot be read may hide live blocks.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "meta/base/check.h"
#include "meta/gc_int.h"
#include "meta/segscan.h"
#include "meta/store_int.h"

#define PAGE_SECTORS	8u
#define WASTE_PART	16u		/* 1/16: not worth the copying */

/* ---- pieces ----------------------------------------------------------- */

struct pieces {
	struct gc_run *run;
	const struct gc_seg *s;
	const struct gc_piece_ops *ops;
	void *arg;
	uint64_t live_bytes;
};

static int
one_piece(struct pieces *x, const struct rec *r, struct place place,
    uint32_t off_sectors)
{
	struct gc_piece p = { .place = place, .off_sectors = off_sectors };
	locator here = loc_make(r->segment, off_sectors,
	    loc_sectors(place.loc), loc_flags(place.loc));

	p.live = locset_has(x->run->live, here);
	if (p.live)
		x->live_bytes +=
		    (uint64_t)loc_sectors(place.loc) * SECTOR_BYTES;
	return (x->ops->piece(x->arg, r, &p));
}

/* Where its payload has which block or node. */
static int
one_record(void *arg, const struct rec *r, const uint8_t *hdr)
{
	uint32_t off = r->off_sectors + r->header_sectors, len;
	struct pieces *x = arg;
	struct place p;
	int rc = 0;

	if (x->ops->record != NULL && (rc = x->ops->record(x->arg, r)) != 0)
		return (rc);
	if (r->kind == REC_MOVED) {
		for (uint32_t i = 0; i < r->n_runs && rc == 0; i++) {
			p = rec_run(hdr, r, i);
			rc = one_piece(x, r, p, off);
			off += loc_sectors(p.loc);
		}
		return (rc);
	}
	if (r->kind != REC_DATA && r->kind != REC_NODES)
		return (0);
	len = r->kind == REC_NODES ? NODE_SECTORS :
	    1u << (r->block_shift - SECTOR_SHIFT);
	for (uint32_t i = 0; i < r->n_ids && rc == 0; i++) {
		p.id = rec_id(hdr, r, i);
		if (id_is_hole(&p.id))
			continue;
		p.loc = loc_make(r->segment, off, len,
		    r->kind == REC_NODES ? LOC_F_NODE : 0);
		rc = one_piece(x, r, p, off);
		off += len;
	}
	return (rc);
}

int
gc_pieces(struct gc_run *run, const struct gc_seg *s,
    const struct gc_piece_ops *ops, void *arg)
{
	struct pieces x = { run, s, ops, arg, 0 };
	int rc;

	rc = segscan(run->st->segs, run->st->super.uuid, s->number, NULL,
	    one_record, &x);
	if (rc == 0 && x.live_bytes != s->live_bytes)
		rc = -EILSEQ;
	return (rc);
}

/* ---- holes ------------------------------------------------------------ */

struct holes {
	struct gc_vec *out;
	uint32_t kept;			/* up to here nothing is punched */
	struct gc_vec heads;		/* uint32_t: headers since */
	bool record_kept;
	int rc;
};

static uint32_t
page_up(uint32_t sectors)
{

	return ((sectors + PAGE_SECTORS - 1) & ~(PAGE_SECTORS - 1));
}

/*
 * Whoever scans the segment later must find its way over the hole: no header
 * may begin inside the last page of one, where it would be cut, and the scan
 * would meet neither a header nor a whole page of zeroes.
 */
static uint32_t
hole_end(const struct holes *x, uint32_t to)
{
	const uint32_t *heads = x->heads.v;
	uint32_t end = to & ~(PAGE_SECTORS - 1);

	for (size_t i = x->heads.n; i-- > 0; )
		if (heads[i] < end && heads[i] > end - PAGE_SECTORS)
			end -= PAGE_SECTORS;
	return (end);
}

/* Nothing live from the last kept sector up to ${to}. */
static int
dead_up_to(struct holes *x, uint32_t to)
{
	struct gc_hole h = { page_up(x->kept), 0 };

	if (to < PAGE_SECTORS)
		return (0);
	h.end = hole_end(x, to);
	if (h.end <= h.first || h.end - h.first < GC_PUNCH_SECTORS)
		return (0);
	return (gc_push(x->out, sizeof(h), &h));
}

static int
keep(struct holes *x, uint32_t from, uint32_t to)
{
	int rc = dead_up_to(x, from);

	x->kept = TT_MAX(x->kept, to);
	x->heads.n = 0;
	return (rc);
}

static int
hole_record(void *arg, const struct rec *r)
{
	struct holes *x = arg;

	x->record_kept = false;
	/* A header that begins in a page that is kept is kept whole. */
	if (r->off_sectors < page_up(x->kept)) {
		x->kept = TT_MAX(x->kept, r->off_sectors + r->header_sectors);
		return (0);
	}
	return (gc_push(&x->heads, sizeof(uint32_t), &r->off_sectors));
}

static int
hole_piece(void *arg, const struct rec *r, const struct gc_piece *p)
{
	struct holes *x = arg;
	int rc = 0;

	if (!p->live)
		return (0);
	if (!x->record_kept)
		rc = keep(x, r->off_sectors, r->off_sectors +
		    r->header_sectors);
	x->record_kept = true;
	if (rc == 0)
		rc = keep(x, p->off_sectors, p->off_sectors +
		    loc_sectors(p->place.loc));
	return (rc);
}

int
gc_holes(struct gc_run *run, const struct gc_seg *s, struct gc_vec *out)
{
	static const struct gc_piece_ops ops = { hole_record, hole_piece };
	struct holes x = { .out = out, .kept = SEG_HEADER_SECTORS };
	struct stat sb;
	struct seg *seg;
	int rc;

	out->n = 0;
	if ((rc = gc_pieces(run, s, &ops, &x)) == 0 &&
	    (rc = segs_get(run->st->segs, s->number, &seg)) == 0) {
		if (fstat(seg_fd(seg), &sb) != 0)
			rc = -errno;
		else
			rc = dead_up_to(&x, (uint32_t)((uint64_t)sb.st_size /
			    SECTOR_BYTES));
		seg_put(seg);
	}
	free(x.heads.v);
	if (rc != 0)
		out->n = 0;
	return (rc);
}

/* ---- sorting ---------------------------------------------------------- */

struct sorter {
	struct gc_run *run;
	uint64_t store_bytes;
	uint32_t n;
	uint32_t twin;			/* of the pair just seen */
	struct gc_vec holes;
};

static int
file_bytes(struct gc_run *run, uint32_t number, uint64_t *out)
{
	struct stat sb;
	struct seg *s;
	int rc;

	if ((rc = segs_get(run->st->segs, number, &s)) != 0)
		return (rc);
	rc = fstat(seg_fd(s), &sb) != 0 ? -errno : 0;
	seg_put(s);
	if (rc == 0)
		*out = (uint64_t)sb.st_blocks * 512;
	return (rc);
}

/*
 * Was it complete before the run began?  Of a MOVED segment the row says so:
 * it appears with the notes that lead there.
 */
static bool
is_complete(const struct gc_run *run, const struct seg_header *h, bool has_row,
    enum seg_kind row_kind)
{

	switch (h->kind) {
	case SEG_LOG:
		return (h->number < run->log_limit);
	case SEG_NODES:
		return (h->number < run->node_limit);
	case SEG_MOVED:
		return (has_row && row_kind == SEG_MOVED &&
		    h->number < run->number_limit);
	}
	return (false);
}

static int
count_holes(struct sorter *x, struct gc_seg *s)
{
	const struct gc_hole *h;
	int rc;

	if (s->live_bytes == 0 || s->file_bytes < s->live_bytes ||
	    s->file_bytes - s->live_bytes < (uint64_t)GC_PUNCH_SECTORS *
	    SECTOR_BYTES)
		return (0);
	rc = gc_holes(x->run, s, &x->holes);
	/* What cannot be read is left as it is, and looked at again. */
	if (rc == -EILSEQ || rc == -EIO || rc == -ENOENT)
		return (0);
	h = x->holes.v;
	for (size_t i = 0; i < x->holes.n; i++)
		s->punch_bytes += (uint64_t)(h[i].end - h[i].first) *
		    SECTOR_BYTES;
	return (rc);
}

static int
sort_one(void *arg, uint32_t number)
{
	struct sorter *x = arg;
	struct gc_run *run = x->run;
	struct gc_seg s = { .number = number };
	struct seg_header h;
	enum seg_kind kind = SEG_LOG;
	bool freed = false, row;
	int rc;

	if ((rc = gc_pace(run)) != 0)
		return (rc);
	x->n++;
	rc = gc_row_get(run->st->cat, number, &kind, &freed);
	if (rc != 0 && rc != -ENOENT)
		return (rc);
	row = rc == 0;
	/* An earlier run has committed that, and then something failed. */
	if (freed)
		return (gc_push(&run->freed, sizeof(s), &s));
	if (number == x->twin || file_bytes(run, number, &s.file_bytes) != 0)
		return (0);
	x->store_bytes += s.file_bytes;
	/* Of others nothing was marked. */
	if (!gc_in_window(run, number) || !locset_wants(run->live, number))
		return (0);
	if (segscan_header(run->st->segs, run->st->super.uuid, number,
	    &h) != 0 || !is_complete(run, &h, row, kind))
		return (0);
	s.kind = (uint8_t)h.kind;
	s.nodes = h.twin != 0;
	s.pair = s.nodes && h.twin == number + 1;
	/* A twin whose first is gone is told by nobody's locator: it stays. */
	if (s.nodes && !s.pair)
		return (0);
	if (s.pair)
		x->twin = h.twin;
	s.live_bytes = locset_segment_bytes(run->live, number);
	if ((rc = count_holes(x, &s)) != 0)
		return (rc);
	return (gc_push(&run->segs, sizeof(s), &s));
}

static int
by_live(const void *a, const void *b)
{
	const struct gc_seg *x = a, *y = b;

	if (x->live_bytes != y->live_bytes)
		return (x->live_bytes < y->live_bytes ? -1 : 1);
	return ((x->number > y->number) - (x->number < y->number));
}

/* Half of what is free beyond what others need; one segment at least. */
static uint64_t
budget(struct gc_run *run)
{
	uint64_t one = run->st->super.segment_bytes;
	struct space_state ss;

	space_state(run->st->space, &ss);
	if (ss.free_bytes <= ss.hard_bytes)
		return (one);
	return (TT_MAX(one, (ss.free_bytes - ss.hard_bytes) / 2));
}

int
gc_sort(struct gc_run *run)
{
	struct sorter x = { .run = run };
	int rc;

	rc = segs_list(run->st->segs, sort_one, &x);
	free(x.holes.v);
	if (rc != 0)
		return (rc);
	run->sorted = true;
	/* The cheapest first: they give most for what is copied. */
	if (run->segs.n > 0)
		qsort(run->segs.v, run->segs.n, sizeof(struct gc_seg),
		    by_live);
	run->gc->store_bytes = x.store_bytes;
	run->budget_bytes = budget(run);
	return (0);
}

/*
 * Mostly dead; or, when a person asks or there is no room, what keeps more
 * than a small part of dead bytes that no hole can give back.
 */
bool
gc_is_victim(const struct gc_run *run, const struct gc_seg *s)
{
	uint64_t left = s->file_bytes - TT_MIN(s->file_bytes, s->punch_bytes);
	uint64_t live = s->live_bytes;

	/* So small that a copy would save nothing. */
	if (s->file_bytes <= live + live / WASTE_PART + SEG_HEADER_BYTES * 2)
		return (false);
	if (live * 2 <= s->file_bytes)
		return (true);
	return (run->thorough && left > live + live / WASTE_PART);
}
