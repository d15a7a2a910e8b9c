/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * overlay.c - blocks (blocks.c) and hole ranges (holes.c) side by side.
 *
 * A block and a range that covers it are both kept; a look-up takes the one
 * with the higher seq, so it does not matter which was inserted first, and
 * neither has to find the other while it is inserted.
 */
#include "lun/overlay.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "lun/blocks.h"
#include "lun/holes.h"
#include "meta/base/check.h"

#define OVERLAY_MAGIC	0x6f766c79u

/* Members are protected by:  I  immutable   a  atomic */
struct overlay {
	unsigned magic;			/* [I] OVERLAY_MAGIC */
	uint64_t gen;			/* [I] */
	_Atomic unsigned refs;		/* [a] */
	_Atomic uint64_t bytes;		/* [a] all that is allocated */
	struct blocks blocks;		/* locks of its own */
	struct holes holes;		/* a lock of its own */
};

int
overlay_new(uint64_t gen, struct overlay **out)
{
	struct overlay *o;

	if ((o = calloc(1, sizeof(*o))) == NULL)
		return (-ENOMEM);
	o->magic = OVERLAY_MAGIC;
	o->gen = gen;
	atomic_init(&o->refs, 1);
	atomic_init(&o->bytes, sizeof(*o));
	blocks_init(&o->blocks, &o->bytes);
	holes_init(&o->holes, &o->bytes);
	*out = o;
	return (0);
}

struct overlay *
overlay_ref(struct overlay *o)
{

	TT_MAGIC(o, OVERLAY_MAGIC);
	TT_ASSERT(atomic_fetch_add(&o->refs, 1) > 0);
	return (o);
}

void
overlay_unref(struct overlay *o)
{

	if (o == NULL)
		return;
	TT_MAGIC(o, OVERLAY_MAGIC);
	if (atomic_fetch_sub(&o->refs, 1) > 1)
		return;
	blocks_fini(&o->blocks);
	holes_fini(&o->holes);
	o->magic = 0;
	free(o);
}

uint64_t
overlay_gen(const struct overlay *o)
{

	TT_MAGIC(o, OVERLAY_MAGIC);
	return (o->gen);
}

uint64_t
overlay_bytes(const struct overlay *o)
{

	TT_MAGIC(o, OVERLAY_MAGIC);
	return (atomic_load(&o->bytes));
}

void
overlay_count(struct overlay *o, uint64_t *n_blk, uint64_t *n_ranges)
{

	*n_blk = atomic_load(&o->blocks.n_entries);
	lk_lock(&o->holes.lk);
	*n_ranges = o->holes.n_pieces;
	lk_unlock(&o->holes.lk);
}

bool
overlay_is_empty(struct overlay *o)
{

	TT_MAGIC(o, OVERLAY_MAGIC);
	return (!blocks_any(&o->blocks) && !holes_any(&o->holes));
}

int
overlay_reserve(struct overlay *o, size_t n_blk, size_t n_ranges)
{
	int rc;

	TT_MAGIC(o, OVERLAY_MAGIC);
	if ((rc = blocks_reserve(&o->blocks, n_blk)) != 0)
		return (rc);
	if (n_ranges > 0 && (rc = holes_reserve(&o->holes, n_ranges)) != 0)
		blocks_unreserve(&o->blocks, n_blk);
	return (rc);
}

void
overlay_unreserve(struct overlay *o, size_t n_blk, size_t n_ranges)
{

	TT_MAGIC(o, OVERLAY_MAGIC);
	if (n_blk > 0)
		blocks_unreserve(&o->blocks, n_blk);
	if (n_ranges > 0)
		holes_unreserve(&o->holes, n_ranges);
}

locator
overlay_put(struct overlay *o, uint64_t blk, struct place p, uint64_t seq)
{

	TT_MAGIC(o, OVERLAY_MAGIC);
	if (id_is_hole(&p.id))
		p.loc = 0;
	return (blocks_put(&o->blocks, blk, p, seq));
}

void
overlay_put_hole(struct overlay *o, uint64_t first_blk, uint64_t n_blk,
    uint64_t seq)
{

	TT_MAGIC(o, OVERLAY_MAGIC);
	TT_ASSERT(first_blk <= OVERLAY_BLK_MAX &&
	    n_blk <= OVERLAY_BLK_MAX - first_blk);
	holes_put(&o->holes, first_blk, n_blk, seq);
}

bool
overlay_get(struct overlay *o, uint64_t blk, struct place *out)
{
	uint64_t seq = 0, hole_seq;
	bool known;

	TT_MAGIC(o, OVERLAY_MAGIC);
	if (blk >= OVERLAY_BLK_MAX)
		return (false);
	known = blocks_get_run(&o->blocks, blk, 1, out, &seq) != 0;
	if (holes_any(&o->holes) && holes_find(&o->holes, blk, &hole_seq) &&
	    (!known || hole_seq > seq)) {
		*out = (struct place){ 0 };
		known = true;
	}
	return (known);
}

/* Lays the pieces of ${r} over what the blocks said. */
static uint64_t
lay_holes(const struct hole_range *r, unsigned n_r, uint64_t first_blk,
    unsigned n, uint64_t known, const uint64_t *seq, struct place *out)
{

	for (; n_r > 0; r++, n_r--) {
		uint64_t b = TT_MAX(r->first_blk, first_blk);
		const uint64_t end = TT_MIN(r->end_blk, first_blk + n);

		for (; b < end; b++) {
			const uint64_t i = b - first_blk;

			if ((known >> i & 1) != 0 && seq[i] >= r->seq)
				continue;
			out[i] = (struct place){ 0 };
			known |= UINT64_C(1) << i;
		}
	}
	return (known);
}

void
overlay_get_run(struct overlay *o, uint64_t first_blk, unsigned n,
    uint64_t *known, struct place *out)
{
	struct hole_range r[64];
	uint64_t seq[64], k;

	TT_MAGIC(o, OVERLAY_MAGIC);
	TT_ASSERT(n <= 64 && first_blk <= OVERLAY_BLK_MAX &&
	    n <= OVERLAY_BLK_MAX - first_blk);
	k = blocks_get_run(&o->blocks, first_blk, n, out, seq);
	if (n > 0 && holes_any(&o->holes))
		k = lay_holes(r, holes_find_run(&o->holes, first_blk, n, r),
		    first_blk, n, k, seq, out);
	*known = k;
}

/* A list that grows; neighbouring holes become one. */
struct changes {
	struct change *c;
	size_t n, cap;
	int rc;
};

static void
changes_add(struct changes *l, uint64_t first_blk, uint64_t n_blk,
    struct place p)
{
	struct change *c = l->n > 0 ? &l->c[l->n - 1] : NULL;

	if (l->rc != 0 || n_blk == 0)
		return;
	if (c != NULL && id_is_hole(&p.id) && id_is_hole(&c->place.id) &&
	    c->first_blk + c->n_blk == first_blk) {
		c->n_blk += n_blk;
		return;
	}
	if (l->n == l->cap) {
		const size_t cap = l->cap + l->cap / 2 + 16;

		if ((c = realloc(l->c, cap * sizeof(*c))) == NULL) {
			l->rc = -ENOMEM;
			return;
		}
		l->c = c;
		l->cap = cap;
	}
	l->c[l->n++] = (struct change){ first_blk, n_blk, p };
}

/* The blocks of an overlay, rising. */
struct cursor {
	struct blocks *blocks;
	uint64_t *refs;
	size_t n, i;
};

/* The next block if it lies below ${end_blk}, or NULL. */
static const struct block *
cursor_next(struct cursor *c, uint64_t end_blk)
{
	const struct block *e;

	if (c->i == c->n)
		return (NULL);
	e = blocks_at(c->blocks, c->refs[c->i]);
	if (block_number(e) >= end_blk)
		return (NULL);
	c->i++;
	return (e);
}

/* Adds the blocks below ${end}; in a piece: those not older, and the rest. */
static void
changes_blocks(struct changes *l, struct cursor *c, uint64_t end_blk,
    const struct hole_range *r)
{
	uint64_t at = r == NULL ? 0 : r->first_blk;
	const struct block *e;

	while ((e = cursor_next(c, end_blk)) != NULL) {
		const uint64_t blk = block_number(e);

		if (r != NULL) {
			if (e->seq < r->seq)
				continue;
			changes_add(l, at, blk - at, (struct place){ 0 });
			at = blk + 1;
		}
		changes_add(l, blk, 1, e->place);
	}
	if (r != NULL)
		changes_add(l, at, end_blk - at, (struct place){ 0 });
}

int
overlay_list(struct overlay *o, struct change **out, size_t *out_n)
{
	struct changes l = { .n = 0 };
	struct cursor c = { .blocks = &o->blocks };
	struct hole_range *r;
	size_t n_r;
	int rc;

	TT_MAGIC(o, OVERLAY_MAGIC);
	if ((rc = blocks_sort(&o->blocks, &c.refs, &c.n)) != 0)
		return (rc);
	if ((rc = holes_list(&o->holes, &r, &n_r)) != 0)
		goto out_refs;
	/* Enough but when blocks cut pieces; one more, so never NULL. */
	l.cap = c.n + n_r + 1;
	if ((l.c = malloc(l.cap * sizeof(*l.c))) == NULL) {
		rc = -ENOMEM;
		goto out_pieces;
	}
	for (size_t k = 0; k < n_r; k++) {
		changes_blocks(&l, &c, r[k].first_blk, NULL);
		changes_blocks(&l, &c, r[k].end_blk, &r[k]);
	}
	changes_blocks(&l, &c, OVERLAY_BLK_MAX, NULL);
	if ((rc = l.rc) != 0) {
		free(l.c);
		goto out_pieces;
	}
	*out = l.c;
	*out_n = l.n;
out_pieces:
	free(r);
out_refs:
	free(c.refs);
	return (rc);
}

void
overlay_each_block(struct overlay *o,
    void (*fn)(void *arg, const struct place *p), void *arg)
{

	TT_MAGIC(o, OVERLAY_MAGIC);
	blocks_each(&o->blocks, fn, arg);
}
