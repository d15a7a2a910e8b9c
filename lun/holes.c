/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * holes.c - a treap of pieces.
 *
 * Inserting [first, end) with a seq: the tree is split into what is left of
 * it, what overlaps it and what is right of it, cutting the one or two pieces
 * that stick out; the middle is walked from left to right, older pieces are
 * given back and newer ones kept, and the range fills what remains.  So an
 * insert costs O(log n) and the pieces it removes, each of which paid for that
 * when it was made; only newer pieces that it finds cost extra, and those
 * exist only for records that were in flight together.
 *
 * How much memory can one insert need?  Not two pieces: an old range that
 * comes late fills every gap between newer ones.  But each end of a piece is
 * the end of some range, so counting borders (different ends of pieces)
 * instead: an insert adds at most two, and there are fewer pieces than
 * borders.  With room for borders + 2 * reservations nothing can run out.
 * There are at most two borders to a piece, which is what holes_reserve uses.
 */
#include "lun/holes.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "meta/base/check.h"

#define CHUNK_MIN 16u
#define CHUNK_MAX 1024u

struct hole_piece {
	struct hole_range r;
	struct hole_piece *left, *right;
	uint32_t prio;		/* that of a parent is not below */
};

struct hole_chunk {
	struct hole_chunk *next;
	struct hole_piece piece[];
};

void
holes_init(struct holes *h, _Atomic uint64_t *bytes)
{

	lk_init(&h->lk, LK_OVERLAY);
	h->root = h->free = NULL;
	h->chunks = NULL;
	h->n_allocated = h->n_reserved = h->n_pieces = 0;
	h->rnd = 0x9e3779b9;
	atomic_init(&h->any, false);
	h->bytes = bytes;
}

void
holes_fini(struct holes *h)
{
	struct hole_chunk *c;

	while ((c = h->chunks) != NULL) {
		h->chunks = c->next;
		free(c);
	}
	lk_destroy(&h->lk);
}

static int
pieces_add_locked(struct holes *h, size_t n)
{
	const size_t bytes = sizeof(struct hole_chunk) +
	    n * sizeof(struct hole_piece);
	struct hole_chunk *c;

	if ((c = malloc(bytes)) == NULL)
		return (-ENOMEM);
	c->next = h->chunks;
	h->chunks = c;
	for (size_t i = 0; i < n; i++) {
		c->piece[i].right = h->free;
		h->free = &c->piece[i];
	}
	h->n_allocated += n;
	atomic_fetch_add(h->bytes, bytes);
	return (0);
}

int
holes_reserve(struct holes *h, size_t n)
{
	size_t more, need;
	int rc = 0;

	if (n > SIZE_MAX / (8 * sizeof(struct hole_piece)))
		return (-ENOMEM);
	lk_lock(&h->lk);
	need = 2 * (h->n_pieces + h->n_reserved + n);
	if (need > h->n_allocated) {
		more = TT_MIN(TT_MAX(h->n_allocated, CHUNK_MIN), CHUNK_MAX);
		rc = pieces_add_locked(h, TT_MAX(need - h->n_allocated, more));
	}
	if (rc == 0)
		h->n_reserved += n;
	lk_unlock(&h->lk);
	return (rc);
}

void
holes_unreserve(struct holes *h, size_t n)
{

	lk_lock(&h->lk);
	TT_ASSERT(n <= h->n_reserved);
	h->n_reserved -= n;
	lk_unlock(&h->lk);
}

static struct hole_piece *
piece_take(struct holes *h, uint64_t first_blk, uint64_t end_blk, uint64_t seq)
{
	struct hole_piece *p = h->free;

	TT_ASSERT(p != NULL);
	h->free = p->right;
	/* xorshift32: any sequence without a pattern keeps a treap flat. */
	h->rnd ^= h->rnd << 13;
	h->rnd ^= h->rnd >> 17;
	h->rnd ^= h->rnd << 5;
	p->r = (struct hole_range){ first_blk, end_blk, seq };
	p->left = p->right = NULL;
	p->prio = h->rnd;
	h->n_pieces++;
	return (p);
}

static void
piece_give(struct holes *h, struct hole_piece *p)
{

	p->right = h->free;
	h->free = p;
	h->n_pieces--;
}

/* What begins below ${at} goes to ${l}, the rest to ${r}. */
static void
tree_split(struct hole_piece *t, uint64_t at, struct hole_piece **l,
    struct hole_piece **r)
{

	while (t != NULL) {
		if (t->r.first_blk < at) {
			*l = t;
			l = &t->right;
			t = t->right;
		} else {
			*r = t;
			r = &t->left;
			t = t->left;
		}
	}
	*l = *r = NULL;
}

/* Everything in ${a} lies before everything in ${b}. */
static struct hole_piece *
tree_join(struct hole_piece *a, struct hole_piece *b)
{
	struct hole_piece *root = NULL, **at = &root;

	while (a != NULL && b != NULL) {
		if (a->prio > b->prio) {
			*at = a;
			at = &a->right;
			a = a->right;
		} else {
			*at = b;
			at = &b->left;
			b = b->left;
		}
	}
	*at = a != NULL ? a : b;
	return (root);
}

static struct hole_piece *
tree_last(struct hole_piece *t)
{

	while (t != NULL && t->right != NULL)
		t = t->right;
	return (t);
}

/*
 * Takes the first piece out of ${*t}, turning the way to it into a chain.  The
 * tree stays sorted but not flat: for a tree that is emptied like this.
 */
static struct hole_piece *
tree_pop(struct hole_piece **t)
{
	struct hole_piece *p = *t, *l;

	while ((l = p->left) != NULL) {
		p->left = l->right;
		l->right = p;
		p = l;
	}
	*t = p->right;
	p->right = NULL;
	return (p);
}

/* Ends the last piece of ${l} at ${at}; what it had beyond, or NULL. */
static struct hole_piece *
cut(struct holes *h, struct hole_piece *l, uint64_t at)
{
	struct hole_piece *p = tree_last(l), *q;

	if (p == NULL || p->r.end_blk <= at)
		return (NULL);
	q = piece_take(h, at, p->r.end_blk, p->r.seq);
	p->r.end_blk = at;
	return (q);
}

/* A tree that grows at its right end. */
struct row {
	struct hole_piece *root, *last;
};

static void
row_add(struct holes *h, struct row *row, struct hole_piece *p)
{

	if (row->last != NULL && row->last->r.end_blk == p->r.first_blk &&
	    row->last->r.seq == p->r.seq) {
		row->last->r.end_blk = p->r.end_blk;
		piece_give(h, p);
		return;
	}
	row->root = tree_join(row->root, p);
	row->last = p;
}

/* Appends ${r}, whose first piece may continue the last one of the row. */
static void
row_end(struct holes *h, struct row *row, struct hole_piece *r)
{
	struct hole_piece *p = r;

	while (p != NULL && p->left != NULL)
		p = p->left;
	if (p != NULL && row->last != NULL &&
	    row->last->r.end_blk == p->r.first_blk &&
	    row->last->r.seq == p->r.seq) {
		tree_split(r, p->r.first_blk + 1, &p, &r);
		row_add(h, row, p);
	}
	row->root = tree_join(row->root, r);
}

void
holes_put(struct holes *h, uint64_t first_blk, uint64_t n_blk, uint64_t seq)
{
	const uint64_t end_blk = first_blk + n_blk;
	struct hole_piece *m, *r, *p;
	struct row row;

	TT_ASSERT(end_blk >= first_blk);
	lk_lock(&h->lk);
	TT_ASSERT(h->n_reserved > 0);
	h->n_reserved--;
	if (n_blk == 0) {
		lk_unlock(&h->lk);
		return;
	}
	tree_split(h->root, first_blk, &row.root, &m);
	m = tree_join(cut(h, row.root, first_blk), m);
	tree_split(m, end_blk, &m, &r);
	r = tree_join(cut(h, m, end_blk), r);
	row.last = tree_last(row.root);
	while (m != NULL) {
		p = tree_pop(&m);
		if (p->r.seq <= seq) {
			piece_give(h, p);
			continue;
		}
		if (first_blk < p->r.first_blk)
			row_add(h, &row, piece_take(h, first_blk,
			    p->r.first_blk, seq));
		first_blk = p->r.end_blk;
		row_add(h, &row, p);
	}
	if (first_blk < end_blk)
		row_add(h, &row, piece_take(h, first_blk, end_blk, seq));
	row_end(h, &row, r);
	h->root = row.root;
	/* Pieces are replaced, but once there is one there is always one. */
	atomic_store(&h->any, true);
	lk_unlock(&h->lk);
}

bool
holes_any(struct holes *h)
{

	return (atomic_load(&h->any));
}

bool
holes_find(struct holes *h, uint64_t blk, uint64_t *out_seq)
{
	const struct hole_piece *p;

	lk_lock(&h->lk);
	p = h->root;
	while (p != NULL && (blk < p->r.first_blk || blk >= p->r.end_blk))
		p = blk < p->r.first_blk ? p->left : p->right;
	if (p != NULL)
		*out_seq = p->r.seq;
	lk_unlock(&h->lk);
	return (p != NULL);
}

/* Copies the pieces of ${t} that overlap [first, end) behind ${out}. */
static struct hole_range *
collect(const struct hole_piece *t, uint64_t first_blk, uint64_t end_blk,
    struct hole_range *out)
{

	for (; t != NULL; t = t->right) {
		if (t->r.end_blk <= first_blk)
			continue;
		out = collect(t->left, first_blk, end_blk, out);
		if (t->r.first_blk >= end_blk)
			break;
		*out++ = t->r;
	}
	return (out);
}

unsigned
holes_find_run(struct holes *h, uint64_t first_blk, unsigned n,
    struct hole_range out[static 64])
{
	struct hole_range *end;

	TT_ASSERT(n <= 64);	/* a piece has at least one of the blocks */
	lk_lock(&h->lk);
	end = collect(h->root, first_blk, first_blk + n, out);
	lk_unlock(&h->lk);
	return ((unsigned)(end - out));
}

int
holes_list(struct holes *h, struct hole_range **out, size_t *out_n)
{
	struct hole_range *r = NULL;
	size_t n;
	int rc = 0;

	lk_lock(&h->lk);
	n = h->n_pieces;
	if (n > 0 && (r = malloc(n * sizeof(*r))) == NULL)
		rc = -ENOMEM;
	else if (n > 0)
		TT_ASSERT(collect(h->root, 0, UINT64_MAX, r) == r + n);
	lk_unlock(&h->lk);
	if (rc != 0)
		return (rc);
	*out = r;
	*out_n = n;
	return (0);
}
