/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dedup_ids.c - the ids of the segments that were hit last.
 *
 * Each segment has an array of its own, so that it can go as a whole; the hash
 * chains go through all arrays by links: slot << 20 | place in the array, + 1.
 * An id is in its chain a few times, with the smallest locators that were
 * read: of a block that is there ten thousand times these are enough, and one
 * that turns out to be no good is not the only one.
 */
#include "meta/dedup_int.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/check.h"
#include "meta/segscan.h"

#define SLOTS		512u
#define SAME_MAX	4u		/* places of one id */
#define LINK_SHIFT	20
#define LINK_MASK	((1u << LINK_SHIFT) - 1)

static_assert(SEGMENT_BYTES_MAX >> BLOCK_SHIFT_MIN <= LINK_MASK,
    "a link reaches every block of a segment");

struct entry {
	struct id id;
	locator loc;
	uint32_t next;			/* a link; 0 ends the chain */
	bool linked;
};

struct slot {
	uint32_t number;		/* 0: free */
	uint32_t end;			/* read up to here, in sectors */
	uint32_t trusted;		/* in the log up to here, in sectors */
	bool moved;			/* its blocks were born elsewhere */
	uint64_t used;			/* when last, of the clock */
	struct entry *e;
	uint32_t n;
};

struct dedup_ids {
	size_t n_max, n;		/* entries of all slots */
	uint64_t clock, window;
	uint32_t *heads;		/* links; made with the first segment */
	size_t n_heads;			/* a power of two */
	unsigned last;			/* slot of the last dedup_ids_trust ... */
	uint32_t missing;		/* ... or this number had none */
	struct slot slot[SLOTS];
};

static struct entry *
at(struct dedup_ids *x, uint32_t link)
{

	return (&x->slot[(link - 1) >> LINK_SHIFT].e[(link - 1) & LINK_MASK]);
}

static uint32_t *
head(struct dedup_ids *x, struct id id)
{

	/* Samples alone have four equal bits in lo; both halves, then. */
	return (&x->heads[((id.lo ^ id.hi >> 17) *
	    UINT64_C(0x9e3779b97f4a7c15) >> 20) & (x->n_heads - 1)]);
}

static struct slot *
find_slot(struct dedup_ids *x, uint32_t number)
{

	for (unsigned i = 0; i < SLOTS; i++)
		if (x->slot[i].number == number)
			return (&x->slot[i]);
	return (NULL);
}

/* ---- chains ------------------------------------------------------------- */

static void
unlink_entry(struct dedup_ids *x, struct entry *e)
{
	uint32_t *p = head(x, e->id);

	while (at(x, *p) != e)
		p = &at(x, *p)->next;
	*p = e->next;
	e->linked = false;
}

static void
link_entry(struct dedup_ids *x, struct entry *e, uint32_t link)
{
	uint32_t *h = head(x, e->id);
	struct entry *largest = NULL;
	unsigned n = 0;

	for (uint32_t l = *h; l != 0; l = at(x, l)->next) {
		struct entry *o = at(x, l);

		if (!id_equal(&o->id, &e->id))
			continue;
		n++;
		if (largest == NULL || o->loc > largest->loc)
			largest = o;
	}
	if (n >= SAME_MAX) {
		if (largest->loc <= e->loc)
			return;
		unlink_entry(x, largest);
	}
	e->next = *h;
	e->linked = true;
	*h = link;
}

static void
free_slot(struct dedup_ids *x, struct slot *s)
{

	for (uint32_t i = 0; i < s->n; i++)
		if (s->e[i].linked)
			unlink_entry(x, &s->e[i]);
	x->n -= s->n;
	free(s->e);
	memset(s, 0, sizeof(*s));
}

/* ---- reading a segment --------------------------------------------------- */

struct reading {
	struct entry *e;
	uint32_t n, room, max;
	bool moved;
};

static int
add(struct reading *r, struct id id, locator loc)
{
	uint32_t room = r->room == 0 ? 1024 : r->room * 2;
	struct entry *all;

	if (r->n == r->max)
		return (-ENOSPC);
	if (r->n == r->room) {
		all = realloc(r->e, room * sizeof(*all));
		if (all == NULL)
			return (-ENOMEM);
		r->e = all;
		r->room = room;
	}
	r->e[r->n++] = (struct entry){ .id = id, .loc = loc };
	return (0);
}

static int
add_data(struct reading *rd, const struct rec *r, const uint8_t *hdr)
{
	uint32_t off = r->off_sectors + r->header_sectors;
	uint32_t each = 1u << (r->block_shift - SECTOR_SHIFT);
	int rc = 0;

	for (uint32_t i = 0; i < r->n_ids && rc == 0; i++) {
		struct id id = rec_id(hdr, r, i);

		if (id_is_hole(&id))
			continue;
		rc = add(rd, id, loc_make(r->segment, off, each, 0));
		off += each;
	}
	return (rc);
}

static int
add_moved(struct reading *rd, const struct rec *r, const uint8_t *hdr)
{
	int rc = 0;

	rd->moved = true;
	for (uint32_t i = 0; i < r->n_runs && rc == 0; i++) {
		struct place p = rec_run(hdr, r, i);

		if (loc_flags(p.loc) == 0)
			rc = add(rd, p.id, p.loc);
	}
	return (rc);
}

static int
one_record(void *arg, const struct rec *r, const uint8_t *hdr)
{

	if (r->kind == REC_DATA)
		return (add_data(arg, r, hdr));
	if (r->kind == REC_MOVED)
		return (add_moved(arg, r, hdr));
	return (0);
}

/* A free slot, and room for ${n} more ids; NULL: all are of this window. */
static struct slot *
make_room(struct dedup_ids *x, uint32_t n)
{
	struct slot *s, *oldest;

	for (;;) {
		s = find_slot(x, 0);
		if (s != NULL && x->n + n <= x->n_max)
			return (s);
		oldest = NULL;
		for (unsigned i = 0; i < SLOTS; i++)
			if (x->slot[i].number != 0 &&
			    x->slot[i].used <= x->window && (oldest == NULL ||
			    x->slot[i].used < oldest->used))
				oldest = &x->slot[i];
		if (oldest == NULL)
			return (NULL);
		free_slot(x, oldest);
	}
}

void
dedup_ids_window(struct dedup_ids *x)
{

	x->window = x->clock;
}

int
dedup_ids_load(struct dedup_ids *x, struct segs *ss,
    const uint8_t store_uuid[static 16], uint32_t number, uint32_t at_sectors,
    uint32_t end_sectors)
{
	struct reading r = { .max = (uint32_t)TT_MIN(x->n_max,
	    (size_t)LINK_MASK) };
	struct slot *s = find_slot(x, number);
	uint32_t trusted = 0;

	if (x->heads == NULL && (x->heads = calloc(x->n_heads,
	    sizeof(*x->heads))) == NULL)
		return (-ENOMEM);
	if (s != NULL && at_sectors < s->end) {
		s->used = ++x->clock;
		return (0);
	}
	if (s != NULL) {
		trusted = s->trusted;
		free_slot(x, s);
	}
	/* An error ends it: what was told before is there all the same. */
	(void)segscan_to(ss, store_uuid, number, end_sectors, NULL, one_record,
	    &r);
	if ((s = make_room(x, r.n)) == NULL) {
		free(r.e);
		return (-ENOSPC);
	}
	*s = (struct slot){ .number = number, .end = end_sectors,
	    .trusted = trusted, .moved = r.moved, .used = ++x->clock,
	    .e = r.e, .n = r.n };
	x->n += r.n;
	x->missing = 0;
	for (uint32_t i = 0; i < r.n; i++)
		link_entry(x, &s->e[i],
		    ((uint32_t)(s - x->slot) << LINK_SHIFT | i) + 1);
	return (1);
}

/* ---- looking ------------------------------------------------------------- */

void
dedup_ids_trust(struct dedup_ids *x, locator loc)
{
	struct slot *s = &x->slot[x->last];
	uint32_t end = loc_off_sectors(loc) + loc_sectors(loc);

	if (x->n == 0 || loc_segment(loc) == x->missing)
		return;
	if (s->number != loc_segment(loc)) {
		if ((s = find_slot(x, loc_segment(loc))) == NULL) {
			x->missing = loc_segment(loc);
			return;
		}
		x->last = (unsigned)(s - x->slot);
	}
	s->trusted = TT_MAX(s->trusted, end);
}

locator
dedup_ids_find(struct dedup_ids *x, struct id id, locator below)
{
	const struct entry *e;
	locator best = 0;
	struct slot *s;

	if (x->n == 0)
		return (0);
	for (uint32_t l = *head(x, id); l != 0; l = e->next) {
		e = at(x, l);
		if (!id_equal(&e->id, &id) || e->loc >= below ||
		    (best != 0 && e->loc >= best))
			continue;
		s = &x->slot[(l - 1) >> LINK_SHIFT];
		if (!s->moved && loc_off_sectors(e->loc) +
		    loc_sectors(e->loc) > s->trusted)
			continue;
		s->used = x->clock;
		best = e->loc;
	}
	return (best);
}

void
dedup_ids_drop(struct dedup_ids *x, struct id id, locator loc)
{

	if (x->n == 0)
		return;
	for (uint32_t l = *head(x, id); l != 0; l = at(x, l)->next) {
		struct entry *e = at(x, l);

		if (e->loc == loc && id_equal(&e->id, &id)) {
			unlink_entry(x, e);
			return;
		}
	}
}

/* ---- the whole ----------------------------------------------------------- */

int
dedup_ids_new(size_t n_max, struct dedup_ids **out)
{
	struct dedup_ids *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return (-ENOMEM);
	x->n_max = n_max;
	x->n_heads = 1024;
	while (x->n_heads < n_max)
		x->n_heads *= 2;
	*out = x;
	return (0);
}

void
dedup_ids_free(struct dedup_ids *x)
{

	if (x == NULL)
		return;
	for (unsigned i = 0; i < SLOTS; i++)
		free(x->slot[i].e);
	free(x->heads);
	free(x);
}

uint64_t
dedup_ids_bytes(const struct dedup_ids *x)
{

	return (sizeof(*x) + x->n * sizeof(struct entry) +
	    (x->heads == NULL ? 0 : x->n_heads * sizeof(*x->heads)));
}
