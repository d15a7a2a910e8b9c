/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * locset.c - bits by segment, in a tree of three levels over the segment's
 * number.
 *
 * Nothing is ever taken out, so everything is published once and stays: a
 * table by compare-and-swap, a bit by an atomic OR.  No locks.
 */
#include "meta/locset.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "meta/base/bytes.h"

#define ROOT_BITS	12		/* with two tables: 32, a segment's number */
#define TABLE_BITS	10
#define N_ROOT		(1u << ROOT_BITS)
#define N_TABLE		(1u << TABLE_BITS)
#define BLOCK_STRIDE	8u
#define NODE_STRIDE	3u		/* sectors */

struct words {
	uint32_t n;			/* of at */
	_Atomic uint64_t at[];
};

struct seg_bits {
	_Atomic uint64_t bytes;		/* sum of lengths of what is in it */
	_Atomic(struct words *) words[2]; /* blocks, nodes */
};

struct leaf_table {
	_Atomic(struct seg_bits *) at[N_TABLE];
};

struct mid_table {
	_Atomic(struct leaf_table *) at[N_TABLE];
};

struct locset {
	uint32_t segment_sectors;
	uint32_t want_from;		/* below: only if seg_bits are there */
	uint64_t limit_bytes;
	_Atomic uint64_t bytes, memory;
	_Atomic(struct mid_table *) root[N_ROOT];
};

int
locset_new(uint32_t segment_bytes, struct locset **out)
{
	struct locset *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return (-ENOMEM);
	s->segment_sectors = segment_bytes / SECTOR_BYTES;
	s->limit_bytes = UINT64_MAX;
	atomic_store(&s->memory, sizeof(*s));
	*out = s;
	return (0);
}

static void
leaf_free(struct leaf_table *t)
{

	for (unsigned i = 0; i < N_TABLE; i++) {
		struct seg_bits *b = atomic_load(&t->at[i]);

		if (b == NULL)
			continue;
		free(atomic_load(&b->words[0]));
		free(atomic_load(&b->words[1]));
		free(b);
	}
	free(t);
}

void
locset_free(struct locset *s)
{

	if (s == NULL)
		return;
	for (unsigned i = 0; i < N_ROOT; i++) {
		struct mid_table *m = atomic_load(&s->root[i]);

		for (unsigned k = 0; m != NULL && k < N_TABLE; k++) {
			struct leaf_table *t = atomic_load(&m->at[k]);

			if (t != NULL)
				leaf_free(t);
		}
		free(m);
	}
	free(s);
}

/* ---- finding ----------------------------------------------------------- */

static struct mid_table *
mid_of(const struct locset *s, uint32_t segment)
{

	return (atomic_load(&s->root[segment >> (2 * TABLE_BITS)]));
}

static struct leaf_table *
leaf_of(const struct locset *s, uint32_t segment)
{
	struct mid_table *m = mid_of(s, segment);

	return (m == NULL ? NULL :
	    atomic_load(&m->at[segment >> TABLE_BITS & (N_TABLE - 1)]));
}

static struct seg_bits *
bits_of(const struct locset *s, uint32_t segment)
{
	struct leaf_table *t = leaf_of(s, segment);

	return (t == NULL ? NULL : atomic_load(&t->at[segment &
	    (N_TABLE - 1)]));
}

static unsigned
is_node(locator loc)
{

	return ((loc_flags(loc) & LOC_F_NODE) != 0);
}

/* Shorter than the stretch that has a bit, it could share one. */
bool
locset_fits(const struct locset *s, locator loc)
{
	unsigned node = is_node(loc);

	return (loc_segment(loc) != 0 && loc_flags(loc) == node &&
	    loc_off_sectors(loc) >= SEG_HEADER_SECTORS &&
	    (node ? loc_sectors(loc) == NODE_STRIDE :
	    loc_sectors(loc) >= BLOCK_STRIDE) &&
	    loc_off_sectors(loc) + loc_sectors(loc) <= s->segment_sectors);
}

static uint32_t
bit_of(locator loc)
{

	return (loc_off_sectors(loc) / (is_node(loc) ? NODE_STRIDE :
	    BLOCK_STRIDE));
}

static uint32_t
n_words(const struct locset *s, unsigned node)
{
	uint32_t n = s->segment_sectors / (node ? NODE_STRIDE :
	    BLOCK_STRIDE) + 1;

	return ((n + 63) / 64);
}

bool
locset_has(const struct locset *s, locator loc)
{
	struct seg_bits *b = bits_of(s, loc_segment(loc));
	uint32_t bit = bit_of(loc);
	struct words *w;

	if (b == NULL || !locset_fits(s, loc) ||
	    (w = atomic_load(&b->words[is_node(loc)])) == NULL)
		return (false);
	return ((atomic_load(&w->at[bit / 64]) >> bit % 64 & 1) != 0);
}

/* ---- adding ------------------------------------------------------------ */

/*
 * Each of these gives what is there, made if it must be.  Of two who make the
 * same at the same time one throws its own away.
 */
static struct mid_table *
mid_make(struct locset *s, uint32_t segment)
{
	struct mid_table *m = mid_of(s, segment), *had = NULL;

	if (m != NULL || (m = calloc(1, sizeof(*m))) == NULL)
		return (m);
	if (!atomic_compare_exchange_strong(
	    &s->root[segment >> (2 * TABLE_BITS)], &had, m)) {
		free(m);
		return (had);
	}
	atomic_fetch_add(&s->memory, sizeof(*m));
	return (m);
}

static struct leaf_table *
leaf_make(struct locset *s, uint32_t segment)
{
	struct leaf_table *t = leaf_of(s, segment), *had = NULL;
	struct mid_table *m;

	if (t != NULL)
		return (t);
	if ((m = mid_make(s, segment)) == NULL ||
	    (t = calloc(1, sizeof(*t))) == NULL)
		return (NULL);
	if (!atomic_compare_exchange_strong(
	    &m->at[segment >> TABLE_BITS & (N_TABLE - 1)], &had, t)) {
		free(t);
		return (had);
	}
	atomic_fetch_add(&s->memory, sizeof(*t));
	return (t);
}

static struct seg_bits *
bits_make(struct locset *s, uint32_t segment)
{
	struct seg_bits *b = bits_of(s, segment), *had = NULL;
	struct leaf_table *t;

	if (b != NULL)
		return (b);
	if ((t = leaf_make(s, segment)) == NULL ||
	    (b = calloc(1, sizeof(*b))) == NULL)
		return (NULL);
	if (!atomic_compare_exchange_strong(&t->at[segment & (N_TABLE - 1)],
	    &had, b)) {
		free(b);
		return (had);
	}
	atomic_fetch_add(&s->memory, sizeof(*b));
	return (b);
}

void
locset_want_from(struct locset *s, uint32_t segment)
{

	s->want_from = segment;
}

int
locset_want(struct locset *s, uint32_t segment)
{

	return (bits_make(s, segment) == NULL ? -ENOMEM : 0);
}

bool
locset_wants(const struct locset *s, uint32_t segment)
{

	return (segment >= s->want_from || bits_of(s, segment) != NULL);
}

static uint64_t
words_bytes(const struct locset *s, unsigned node)
{

	return (sizeof(struct words) + n_words(s, node) * sizeof(uint64_t));
}

uint64_t
locset_need_bytes(const struct locset *s, uint32_t segment, bool nodes)
{
	struct seg_bits *b = bits_of(s, segment);

	if (b != NULL)
		return (atomic_load(&b->words[nodes]) != NULL ? 0 :
		    words_bytes(s, nodes));
	return ((mid_of(s, segment) != NULL ? 0 : sizeof(struct mid_table)) +
	    (leaf_of(s, segment) != NULL ? 0 : sizeof(struct leaf_table)) +
	    sizeof(*b) + words_bytes(s, nodes));
}

void
locset_limit(struct locset *s, uint64_t bytes)
{

	s->limit_bytes = bytes;
}

static bool
has_room(const struct locset *s, locator loc)
{
	uint64_t need = s->limit_bytes == UINT64_MAX ? 0 :
	    locset_need_bytes(s, loc_segment(loc), is_node(loc));

	return (need == 0 ||
	    atomic_load(&s->memory) + need <= s->limit_bytes);
}

static struct words *
words_make(struct locset *s, struct seg_bits *b, unsigned node)
{
	struct words *w = atomic_load(&b->words[node]), *had = NULL;

	if (w != NULL || (w = calloc(1, words_bytes(s, node))) == NULL)
		return (w);
	w->n = n_words(s, node);
	if (!atomic_compare_exchange_strong(&b->words[node], &had, w)) {
		free(w);
		return (had);
	}
	atomic_fetch_add(&s->memory, words_bytes(s, node));
	return (w);
}

int
locset_add(struct locset *s, locator loc)
{
	uint32_t bit = bit_of(loc), len = loc_sectors(loc) * SECTOR_BYTES;
	uint64_t mask = UINT64_C(1) << bit % 64;
	struct seg_bits *b;
	struct words *w;

	if (!locset_fits(s, loc))
		return (-EILSEQ);
	if (!locset_wants(s, loc_segment(loc)))
		return (0);
	if (!has_room(s, loc))
		return (1);
	if ((b = bits_make(s, loc_segment(loc))) == NULL ||
	    (w = words_make(s, b, is_node(loc))) == NULL)
		return (-ENOMEM);
	if ((atomic_fetch_or(&w->at[bit / 64], mask) & mask) != 0)
		return (0);
	atomic_fetch_add(&b->bytes, len);
	atomic_fetch_add(&s->bytes, len);
	return (1);
}

/* ---- sums -------------------------------------------------------------- */

uint64_t
locset_segment_bytes(const struct locset *s, uint32_t segment)
{
	struct seg_bits *b = bits_of(s, segment);

	return (b == NULL ? 0 : atomic_load(&b->bytes));
}

uint64_t
locset_bytes(const struct locset *s)
{

	return (atomic_load(&s->bytes));
}

uint64_t
locset_memory_bytes(const struct locset *s)
{

	return (atomic_load(&s->memory));
}
