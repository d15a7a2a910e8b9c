/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dedup.c - which blocks of a checkpoint are there already.
 *
 * Per window of blocks, in the order of the LUN:
 *  1. Each sample is looked up: among the samples of this checkpoint, then (if
 *     the filter knows it) in the table.  A hit counts for its segment.
 *  2. The ids of the segments with the most hits are read.
 *  3. Each block is looked up in these ids: so blocks beside a sample are
 *     found, on both sides.
 *  4. What was found is compared byte by byte, and store_may_share says
 *     whether the older place is safe from the reclaim that may be running.
 *
 * Why what is shared is durable when the catalogue says so: the older place
 * has the smaller locator, so it is in the log before its block, and the block
 * is before the cut.  The log up to the cut is synced before the commit; what
 * older epochs wrote was synced by the recovery.  (Whole records that are not
 * in the log, because their write failed: see dedup_ids_trust.)  Smaller
 * locators only: so there are no cycles, whoever is folded first.
 *
 * Rows of the table are written after the commit that made their blocks
 * durable, so a row never names what a crash takes away.  Crash before they
 * are written: these blocks are not found later.  Nothing else.
 */
#include "meta/dedup.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/check.h"
#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "meta/dedup_int.h"
#include "meta/gc.h"
#include "meta/segscan.h"
#include "meta/store_int.h"

#define WINDOW		8192u		/* blocks */
#define HITS_MAX	1024u		/* segments that one window hits */
#define TIME_MS		10000u		/* of one checkpoint */
#define CLOSING_MS	1000u		/* of the last one */
#define LOADS_MAX	16u		/* of segments that one sample hits */
#define NEXT_MAX	8u		/* numbers: node pairs lie between */
#define STEP_MS		500u		/* for the filter, per checkpoint */
#define ID_BYTES	48u		/* dedup_ids.c, for each */

struct hit {
	uint32_t segment, at_sectors, n;
};

/* What is taken with the first window, whatever the budget. */
#define FIXED_BYTES	(DEDUP_CMP_BYTES + WINDOW * sizeof(struct dedup_pair) + \
    HITS_MAX * sizeof(struct hit))

/* All of it is the keeper's but what is atomic. */
struct dedup {
	struct store *st;
	struct dedup_index *index;
	struct dedup_ids *ids;
	struct dedup_cmp *cmp;
	struct dedup_notes *notes;
	struct hit *hits;
	size_t n_hits;
	struct dedup_pair *pairs;
	struct log_pos cut;
	uint64_t until_ms;
	bool begun, over;
	_Atomic uint64_t looked, shared, compared, collisions, skipped;
	_Atomic uint64_t lookups, rows, memory;
};

/* ---- budget -------------------------------------------------------------- */

void
dedup_begin(struct checkpoint *cp)
{
	struct store *st = cp->st;
	struct dedup *d = st->dedup;
	bool closing;

	if (d == NULL)
		return;
	dedup_notes_clear(d->notes);
	lk_lock(&st->lk);
	closing = st->stop;
	lk_unlock(&st->lk);
	d->begun = true;
	d->over = false;
	d->cut = cp->cut.pos;
	d->until_ms = clock_mono_ms() + (closing ? CLOSING_MS : TIME_MS);
	dedup_index_step(d->index, STEP_MS);
}

/*
 * Writers come first: when the log has grown by half of what asks for the next
 * checkpoint, this one must end soon.
 */
static bool
is_over(struct dedup *d)
{
	struct store *st = d->st;
	bool closing;

	if (d->over)
		return (true);
	lk_lock(&st->lk);
	closing = st->stop;
	lk_unlock(&st->lk);
	if (closing)
		d->until_ms = TT_MIN(d->until_ms,
		    clock_mono_ms() + CLOSING_MS);
	d->over = clock_mono_ms() >= d->until_ms ||
	    atomic_load(&st->log_bytes) >= st->conf.checkpoint_bytes / 2 ||
	    atomic_load(&st->log_records) >= CHECKPOINT_RECORDS / 2;
	return (d->over);
}

void
dedup_note(struct store *st, const struct place *p)
{

	if (st->dedup != NULL && st->dedup->begun && dedup_loc_ok(p->loc))
		dedup_notes_add(st->dedup->notes, p);
}

/* ---- hits ---------------------------------------------------------------- */

/* Holes and what is lost have no bytes. */
static bool
has_bytes(const struct place *p, unsigned sectors)
{

	return (!id_is_hole(&p->id) && dedup_loc_ok(p->loc) &&
	    loc_sectors(p->loc) == sectors);
}

/* Where the bytes are now; the ids are in the record there. */
static void
add_hit(struct dedup *d, locator loc)
{
	uint32_t segment = loc_segment(loc), at = loc_off_sectors(loc), to, off;
	struct hit *h;

	if (moved_find(d->st->moved, loc, &to, &off) == 0) {
		segment = to;
		at = off;
	}
	/* Neighbours mostly hit the segment of the last one. */
	for (size_t i = d->n_hits; i-- > 0; ) {
		h = &d->hits[i];
		if (h->segment != segment)
			continue;
		h->n++;
		h->at_sectors = TT_MAX(h->at_sectors, at);
		return;
	}
	if (d->n_hits < HITS_MAX)
		d->hits[d->n_hits++] = (struct hit){ segment, at, 1 };
}

static void
look_up(struct dedup *d, struct dedup_note *n)
{
	int rc;

	n->looked = true;
	if (!dedup_index_may_have(d->index, n->id.hi))
		return;
	atomic_fetch_add(&d->lookups, 1);
	rc = dedup_index_get(d->index, n->id.hi, &n->older);
	if (rc != 0)
		n->older = 0;
}

static void
find_hits(struct dedup *d, struct place *const *p, size_t n, unsigned sectors)
{
	struct dedup_note *nt;

	d->n_hits = 0;
	for (size_t i = 0; i < n; i++) {
		if (!dedup_is_sample(&p[i]->id) || !has_bytes(p[i], sectors) ||
		    (nt = dedup_notes_find(d->notes, p[i]->id)) == NULL)
			continue;
		if (!nt->looked)
			look_up(d, nt);
		if (nt->older != 0 && nt->older < p[i]->loc &&
		    loc_sectors(nt->older) == sectors)
			add_hit(d, nt->older);
		else if (nt->loc < p[i]->loc)
			add_hit(d, nt->loc);
	}
}

static int
most_first(const void *a, const void *b)
{
	const struct hit *x = a, *y = b;

	return (x->n != y->n ? (x->n < y->n ? 1 : -1) :
	    (x->segment < y->segment ? -1 : x->segment > y->segment));
}

/*
 * The segment that continues ${number} says where the stream left it; it has
 * one of the next numbers, if it is still there.  0: not known.
 */
static uint32_t
stream_end(struct dedup *d, uint32_t number)
{
	uint32_t end = 0;
	struct seg_header h;

	if (number == d->cut.segment)
		return (d->cut.end_sectors);
	for (uint32_t i = 1; i <= NEXT_MAX && number + i <= d->cut.segment;
	    i++)
		if (segscan_header(d->st->segs, d->st->super.uuid, number + i,
		    &h) == 0 && h.kind == SEG_LOG &&
		    h.prev_segment == number && (end == 0 ||
		    h.prev_end_sectors < end))
			end = h.prev_end_sectors;
	return (end);
}

static void
load_hits(struct dedup *d)
{
	uint32_t end;
	int rc = 0;

	if (d->n_hits > 1)
		qsort(d->hits, d->n_hits, sizeof(*d->hits), most_first);
	dedup_ids_window(d->ids);
	for (size_t i = 0; i < d->n_hits && rc >= 0 && !is_over(d); i++) {
		const struct hit *h = &d->hits[i];

		/* Blocks here and there: not worth that much reading. */
		if (i >= LOADS_MAX && h->n < 2)
			break;
		end = h->segment == d->cut.segment ? d->cut.end_sectors :
		    UINT32_MAX;
		rc = dedup_ids_load(d->ids, d->st->segs, d->st->super.uuid,
		    h->segment, h->at_sectors, end);
		if (rc == 1 &&
		    (end = stream_end(d, h->segment)) > SEG_HEADER_SECTORS)
			dedup_ids_trust(d->ids, loc_make(h->segment, end - 1,
			    1, 0));
	}
}

/* Blocks of this checkpoint, and those that rows name, are in the log. */
static void
trust(struct dedup *d, struct place *const *p, size_t n)
{
	const struct dedup_note *nt;

	for (size_t i = 0; i < n; i++) {
		dedup_ids_trust(d->ids, p[i]->loc);
		if (!dedup_is_sample(&p[i]->id) ||
		    (nt = dedup_notes_find(d->notes, p[i]->id)) == NULL)
			continue;
		dedup_ids_trust(d->ids, nt->loc);
		if (nt->older != 0)
			dedup_ids_trust(d->ids, nt->older);
	}
}

/* ---- matches ------------------------------------------------------------- */

/* An older place that may have the same bytes; 0 none. */
static locator
candidate(struct dedup *d, const struct place *p, unsigned sectors)
{
	locator loc = dedup_ids_find(d->ids, p->id, p->loc);
	const struct dedup_note *n;

	if (loc == 0 && dedup_is_sample(&p->id) &&
	    (n = dedup_notes_find(d->notes, p->id)) != NULL) {
		loc = n->older != 0 && n->older < p->loc ? n->older :
		    n->loc < p->loc ? n->loc : 0;
	}
	return (loc != 0 && loc_sectors(loc) == sectors ? loc : 0);
}

static size_t
find_pairs(struct dedup *d, struct place *const *p, size_t n,
    unsigned sectors)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		locator older;

		if (!has_bytes(p[i], sectors))
			continue;
		atomic_fetch_add(&d->looked, SECTOR_BYTES * sectors);
		if ((older = candidate(d, p[i], sectors)) != 0)
			d->pairs[k++] = (struct dedup_pair){ .mine = p[i]->loc,
			    .older = older, .index = (uint32_t)i };
	}
	return (k);
}

/* There is nothing, or not what was wanted: the next row says where it is. */
static void
no_match(struct dedup *d, const struct place *p, const struct dedup_pair *m)
{
	struct dedup_note *n;

	if (m->read && !m->same)
		atomic_fetch_add(&d->collisions, 1);
	dedup_ids_drop(d->ids, p->id, m->older);
	if (dedup_is_sample(&p->id) &&
	    (n = dedup_notes_find(d->notes, p->id)) != NULL &&
	    n->older == m->older)
		n->older = 0;
}

static void
share(struct dedup *d, struct place *p, locator older)
{
	struct dedup_note *n;

	p->loc = older;
	atomic_fetch_add(&d->shared,
	    (uint64_t)loc_sectors(older) * SECTOR_BYTES);
	if (!dedup_is_sample(&p->id) ||
	    (n = dedup_notes_find(d->notes, p->id)) == NULL)
		return;
	if (older == n->older)
		n->stays = true;
	else if (older < n->loc)
		n->loc = older;
}

static void
take_pairs(struct dedup *d, struct place *const *p, size_t n)
{
	/* Pieces, so that the budget is looked at between them. */
	for (size_t i = 0, k; i < n; i += k) {
		k = TT_MIN(n - i, (size_t)256);
		if (is_over(d)) {
			for (size_t j = i; j < n; j++)
				atomic_fetch_add(&d->skipped, SECTOR_BYTES *
				    (uint64_t)loc_sectors(d->pairs[j].mine));
			return;
		}
		dedup_cmp_run(d->cmp, d->pairs + i, k);
		for (size_t j = i; j < i + k; j++) {
			const struct dedup_pair *m = &d->pairs[j];

			if (m->read)
				atomic_fetch_add(&d->compared, SECTOR_BYTES *
				    (uint64_t)loc_sectors(m->mine));
			/* Asked last: what it has said holds from then on. */
			if (m->same && store_may_share(d->st, m->older))
				share(d, p[m->index], m->older);
			else
				no_match(d, p[m->index], m);
		}
	}
}

static void
window(struct dedup *d, struct place *const *p, size_t n, unsigned sectors)
{
	size_t k;

	find_hits(d, p, n, sectors);
	load_hits(d);
	trust(d, p, n);
	if ((k = find_pairs(d, p, n, sectors)) > 0)
		take_pairs(d, p, k);
}

static void
count_memory(struct dedup *d)
{
	struct dedup_index_state ix;

	dedup_index_state(d->index, &ix);
	atomic_store(&d->rows, ix.rows);
	atomic_store(&d->memory, ix.memory_bytes + dedup_ids_bytes(d->ids) +
	    dedup_notes_bytes(d->notes) + (d->cmp == NULL ? 0 : FIXED_BYTES));
}

static bool
ensure_buffers(struct dedup *d)
{

	if (d->pairs == NULL)
		d->pairs = malloc(WINDOW * sizeof(*d->pairs));
	if (d->hits == NULL)
		d->hits = malloc(HITS_MAX * sizeof(*d->hits));
	if (d->cmp == NULL && dedup_cmp_new(d->st->moved, &d->cmp) != 0)
		d->cmp = NULL;
	return (d->pairs != NULL && d->hits != NULL && d->cmp != NULL);
}

static void
skip(struct dedup *d, struct place *const *p, size_t n, unsigned sectors)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += has_bytes(p[i], sectors) ? sectors * SECTOR_BYTES : 0;
	atomic_fetch_add(&d->skipped, sum);
	atomic_fetch_add(&d->looked, sum);
}

void
dedup_places(struct store *st, struct place *const *p, size_t n,
    unsigned block_shift)
{
	struct dedup *d = st->dedup;
	const unsigned sectors = 1u << (block_shift - SECTOR_SHIFT);
	size_t k;

	if (d == NULL || !d->begun || !ensure_buffers(d))
		return;
	for (; n > 0; p += k, n -= k) {
		k = TT_MIN(n, (size_t)WINDOW);
		if (is_over(d)) {
			skip(d, p, n, sectors);
			break;
		}
		window(d, p, k, sectors);
	}
	count_memory(d);
}

/* ---- after the commit ------------------------------------------------------ */

static int
by_key(const void *a, const void *b)
{
	const struct dedup_row *x = a, *y = b;

	return (x->hi != y->hi ? (x->hi < y->hi ? -1 : 1) :
	    (x->loc < y->loc ? -1 : x->loc > y->loc));
}

void
dedup_committed(struct store *st)
{
	struct dedup *d = st->dedup;
	struct dedup_row *rows;
	size_t n;
	int rc;

	if (d == NULL || !d->begun)
		return;
	/* What is left of a full store is not for hints. */
	if (atomic_load(&st->level) != SPACE_FULL &&
	    dedup_notes_rows(d->notes, &rows, &n) == 0) {
		/* Samples come in no order, and the table is in that of keys. */
		qsort(rows, n, sizeof(*rows), by_key);
		rc = n == 0 ? 0 : dedup_index_put(d->index, rows, n);
		if (rc != 0)
			msg_warn("dedup: samples are not kept (%d): copies of "
			    "these blocks will be stored again", rc);
		free(rows);
	}
	dedup_notes_clear(d->notes);
	d->begun = false;
	count_memory(d);
}

/* ---- open and close -------------------------------------------------------- */

int
dedup_open(struct store *st, uint64_t memory_bytes)
{
	uint64_t bytes = TT_MAX(memory_bytes, 2 * FIXED_BYTES) - FIXED_BYTES;
	struct dedup_index_conf ic = {
		.cat = st->cat,
		.segs = st->segs,
		.moved = st->moved,
		.filter_bytes = bytes / 2,
	};
	struct dedup *d = calloc(1, sizeof(*d));
	int rc;

	if (d == NULL)
		return (-ENOMEM);
	d->st = st;
	if ((rc = dedup_index_new(&ic, &d->index)) != 0 ||
	    (rc = dedup_ids_new(bytes * 3 / 8 / ID_BYTES, &d->ids)) != 0 ||
	    (rc = dedup_notes_new(bytes / 8, &d->notes)) != 0) {
		st->dedup = d;
		dedup_close(st);
		return (rc);
	}
	st->dedup = d;
	return (0);
}

void
dedup_close(struct store *st)
{
	struct dedup *d = st->dedup;

	if (d == NULL)
		return;
	st->dedup = NULL;
	dedup_index_free(d->index);
	dedup_ids_free(d->ids);
	dedup_notes_free(d->notes);
	dedup_cmp_free(d->cmp);
	free(d->pairs);
	free(d->hits);
	free(d);
}

void
store_dedup_state(struct store *st, struct dedup_state *out)
{
	const struct dedup *d = st->dedup;

	memset(out, 0, sizeof(*out));
	if (d == NULL)
		return;
	out->looked_bytes = atomic_load(&d->looked);
	out->shared_bytes = atomic_load(&d->shared);
	out->compared_bytes = atomic_load(&d->compared);
	out->collisions = atomic_load(&d->collisions);
	out->skipped_bytes = atomic_load(&d->skipped);
	out->lookups = atomic_load(&d->lookups);
	out->rows = atomic_load(&d->rows);
	out->memory_bytes = atomic_load(&d->memory);
}
