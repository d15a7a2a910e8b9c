/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blocks.c - hash tables of single blocks.
 *
 * Entries are numbered and lie in chunks that never move; a shard (a lock, by
 * block number / 64) has only the heads of its chains.  Thus one reservation
 * serves whatever shards the blocks fall into, and inserting needs no memory:
 * when the array of heads cannot grow, chains get longer.  Heads are added one
 * at a time, by splitting one chain (linear hashing), so no write pays for a
 * rehash.
 *
 * Numbers are handed out by counting and never come back:
 *	n_entries <= n_committed (entries and reservations) <= capacity
 * Whoever is given a number has synchronised with all who were before him,
 * so also with the one who allocated its chunk.
 */
#include "lun/blocks.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/check.h"

#define SHARDS		32u
#define RUN_SHIFT	6	/* 64 blocks in a row are in one shard */
#define HEADS_MIN	8u	/* a power of two; hash_of needs 8 */

/* Chunks 0 and 1 hold 32 entries, each further one twice that, up to 1,024. */
#define CHUNK_MIN_SHIFT	5
#define CHUNK_MAX_SHIFT	10

/* key = block number << 28 | number + 1 of the next entry in the chain */
#define NEXT_MASK	((UINT64_C(1) << BLOCK_KEY_SHIFT) - 1)
#define ENTRIES_MAX	NEXT_MASK

static_assert(BLOCK_KEY_SHIFT + OVERLAY_BLK_SHIFT == 64,
    "a block number and a link share 64 bits");
static_assert(sizeof(struct block) == 40, "the memory budget counts on it");

/* Members are protected by:  l  lk   a  atomic, written under lk */
struct shard {
	struct lk lk;			/* rank LK_OVERLAY */
	uint32_t *heads;		/* [l] number + 1, 0 = none */
	uint32_t first[HEADS_MIN];	/* [l] heads at first: never none */
	uint32_t n_heads, cap_heads;	/* [l] cap_heads: a power of two */
	uint32_t mask;			/* [l] 2^k - 1 >= n_heads - 1 */
	_Atomic uint32_t n;		/* [a] entries */
};

/* Where the chunks are.  It is replaced when full; old ones stay readable. */
struct dir {
	struct dir *older;
	size_t cap;
	struct block *chunk[];
};

void
blocks_init(struct blocks *b, _Atomic uint64_t *bytes)
{

	atomic_init(&b->n_entries, 0);
	atomic_init(&b->n_committed, 0);
	atomic_init(&b->capacity, 0);
	atomic_init(&b->shards, NULL);
	atomic_init(&b->dir, NULL);
	b->n_chunks = 0;
	lk_init(&b->grow, LK_OVERLAY);
	b->bytes = bytes;
}

void
blocks_fini(struct blocks *b)
{
	struct shard *s = atomic_load(&b->shards);
	struct dir *d = atomic_load(&b->dir), *older;

	for (size_t i = 0; i < b->n_chunks; i++)
		free(d->chunk[i]);
	for (; d != NULL; d = older) {
		older = d->older;
		free(d);
	}
	for (unsigned i = 0; s != NULL && i < SHARDS; i++) {
		lk_destroy(&s[i].lk);
		if (s[i].heads != s[i].first)
			free(s[i].heads);
	}
	free(s);
	lk_destroy(&b->grow);
}

/* In which chunk entry ${i} is, and where. */
static size_t
chunk_of(uint64_t i, size_t *out_at)
{
	unsigned top;

	if (i >= UINT64_C(1) << CHUNK_MAX_SHIFT) {
		*out_at = i & ((UINT64_C(1) << CHUNK_MAX_SHIFT) - 1);
		return (CHUNK_MAX_SHIFT - CHUNK_MIN_SHIFT +
		    (i >> CHUNK_MAX_SHIFT));
	}
	if (i < UINT64_C(1) << CHUNK_MIN_SHIFT) {
		*out_at = i;
		return (0);
	}
	top = 63u - (unsigned)__builtin_clzll(i);
	*out_at = i - (UINT64_C(1) << top);
	return (top - CHUNK_MIN_SHIFT + 1);
}

static size_t
chunk_len(size_t k)
{
	const size_t shift = k == 0 ? CHUNK_MIN_SHIFT : CHUNK_MIN_SHIFT + k - 1;

	return ((size_t)1 << TT_MIN(shift, (size_t)CHUNK_MAX_SHIFT));
}

/* The entry with number ${i} + 1, as links have it. */
static struct block *
entry_at(struct blocks *b, uint64_t link)
{
	const struct dir *d = atomic_load_explicit(&b->dir,
	    memory_order_acquire);
	size_t at, k = chunk_of(link - 1, &at);

	return (&d->chunk[k][at]);
}

static int
dir_grow_locked(struct blocks *b)
{
	struct dir *old = atomic_load(&b->dir), *d;
	const size_t n = old == NULL ? 0 : old->cap;
	const size_t cap = n == 0 ? 8 : 2 * n;
	const size_t bytes = sizeof(*d) + cap * sizeof(d->chunk[0]);

	if (b->n_chunks < n)
		return (0);
	if ((d = calloc(1, bytes)) == NULL)
		return (-ENOMEM);
	d->older = old;
	d->cap = cap;
	if (n > 0)
		memcpy(d->chunk, old->chunk, n * sizeof(d->chunk[0]));
	atomic_store_explicit(&b->dir, d, memory_order_release);
	atomic_fetch_add(b->bytes, bytes);
	return (0);
}

static int
chunk_add_locked(struct blocks *b)
{
	const size_t len = chunk_len(b->n_chunks);
	struct block *e;
	int rc;

	if ((rc = dir_grow_locked(b)) != 0)
		return (rc);
	if ((e = malloc(len * sizeof(*e))) == NULL)
		return (-ENOMEM);
	atomic_load(&b->dir)->chunk[b->n_chunks++] = e;
	atomic_fetch_add(b->bytes, len * sizeof(*e));
	atomic_fetch_add(&b->capacity, len);
	return (0);
}

static int
shards_new_locked(struct blocks *b)
{
	struct shard *s;

	if (atomic_load(&b->shards) != NULL)
		return (0);
	if ((s = calloc(SHARDS, sizeof(*s))) == NULL)
		return (-ENOMEM);
	for (unsigned i = 0; i < SHARDS; i++) {
		lk_init(&s[i].lk, LK_OVERLAY);
		s[i].heads = s[i].first;
		s[i].n_heads = s[i].cap_heads = HEADS_MIN;
		s[i].mask = HEADS_MIN - 1;
	}
	atomic_store(&b->shards, s);
	atomic_fetch_add(b->bytes, SHARDS * sizeof(*s));
	return (0);
}

int
blocks_reserve(struct blocks *b, size_t n)
{
	uint64_t want;
	int rc;

	if (n == 0)
		return (0);
	if (n > ENTRIES_MAX)
		return (-ENOMEM);
	want = atomic_fetch_add(&b->n_committed, n) + n;
	if (want <= atomic_load(&b->capacity))
		return (0);
	rc = want > ENTRIES_MAX ? -ENOMEM : 0;
	lk_lock(&b->grow);
	if (rc == 0)
		rc = shards_new_locked(b);
	while (rc == 0 && atomic_load(&b->capacity) < want)
		rc = chunk_add_locked(b);
	lk_unlock(&b->grow);
	if (rc != 0)
		atomic_fetch_sub(&b->n_committed, n);
	return (rc);
}

void
blocks_unreserve(struct blocks *b, size_t n)
{
	/* Read first: it only rises, and others insert meanwhile. */
	const uint64_t n_entries = atomic_load(&b->n_entries);
	const uint64_t had = atomic_fetch_sub(&b->n_committed, n);

	TT_ASSERT(had >= n && had - n >= n_entries);
}

static unsigned
shard_of(uint64_t blk)
{

	return ((unsigned)(((blk >> RUN_SHIFT) *
	    UINT64_C(0x9e3779b97f4a7c15)) >> 59));
}

static_assert(SHARDS == 1u << (64 - 59), "shard_of takes the top bits");

/* The heads of eight neighbours are neighbours: they are read together. */
static uint32_t
hash_of(uint64_t blk)
{
	uint64_t h = (blk >> 3) * UINT64_C(0xd6e8feb86659fd93);

	h ^= h >> 32;
	return ((uint32_t)(h << 3 | (blk & 7)));
}

static uint32_t *
head_of_locked(struct shard *s, uint64_t blk)
{
	uint32_t i = hash_of(blk) & s->mask;

	if (i >= s->n_heads)
		i &= s->mask >> 1;	/* its chain was not split yet */
	return (&s->heads[i]);
}

static uint32_t
entry_next(const struct block *e)
{

	return ((uint32_t)(e->key & NEXT_MASK));
}

static void
entry_set_next(struct block *e, uint32_t link)
{

	e->key = (e->key & ~NEXT_MASK) | link;
}

static struct block *
find_locked(struct blocks *b, struct shard *s, uint64_t blk)
{
	struct block *e;

	for (uint32_t l = *head_of_locked(s, blk); l != 0; l = entry_next(e)) {
		e = entry_at(b, l);
		if (block_number(e) == blk)
			return (e);
	}
	return (NULL);
}

/* Room for one more head, if there is memory for it. */
static bool
heads_grow_locked(struct blocks *b, struct shard *s)
{
	const uint32_t cap = s->cap_heads;
	const size_t bytes = cap * sizeof(s->heads[0]);
	const bool inside = s->heads == s->first;
	uint32_t *h;

	if (s->n_heads < cap)
		return (true);
	if (cap > UINT32_MAX / 2)
		return (false);
	if ((h = realloc(inside ? NULL : s->heads, 2 * bytes)) == NULL)
		return (false);
	if (inside)
		memcpy(h, s->first, bytes);
	s->heads = h;
	s->cap_heads = 2 * cap;
	atomic_fetch_add(b->bytes, inside ? 2 * bytes : bytes);
	return (true);
}

/* Adds a head and moves to it what belongs there, from one other chain. */
static void
split_locked(struct blocks *b, struct shard *s)
{
	const uint32_t nb = s->n_heads;
	const uint32_t mask = nb > s->mask ? 2 * s->mask + 1 : s->mask;
	uint32_t l = s->heads[nb & (mask >> 1)], next;
	uint32_t keep = 0, move = 0;

	for (; l != 0; l = next) {
		struct block *e = entry_at(b, l);
		uint32_t *to = (hash_of(block_number(e)) & mask) == nb ?
		    &move : &keep;

		next = entry_next(e);
		entry_set_next(e, *to);
		*to = l;
	}
	s->mask = mask;
	s->n_heads = nb + 1;
	s->heads[nb & (mask >> 1)] = keep;
	s->heads[nb] = move;
}

static void
insert_locked(struct blocks *b, struct shard *s, uint64_t blk,
    struct place p, uint64_t seq)
{
	const uint64_t i = atomic_fetch_add(&b->n_entries, 1);
	struct block *e;
	uint32_t *head;

	/* Else it was not reserved. */
	TT_ASSERT(i < atomic_load(&b->n_committed));
	e = entry_at(b, i + 1);
	head = head_of_locked(s, blk);
	*e = (struct block){ blk << BLOCK_KEY_SHIFT | *head, p, seq };
	*head = (uint32_t)(i + 1);
	atomic_fetch_add(&s->n, 1);
	/* Two heads to an entry: most look-ups read no foreign entry. */
	for (int k = 0; k < 2; k++) {
		if (s->n_heads / 2 > atomic_load(&s->n) ||
		    !heads_grow_locked(b, s))
			break;
		split_locked(b, s);
	}
}

locator
blocks_put(struct blocks *b, uint64_t blk, struct place p, uint64_t seq)
{
	struct shard *s = atomic_load(&b->shards);
	locator unused = 0;
	struct block *e;

	TT_ASSERT(blk < OVERLAY_BLK_MAX && s != NULL);
	s += shard_of(blk);
	lk_lock(&s->lk);
	e = find_locked(b, s, blk);
	if (e == NULL) {
		insert_locked(b, s, blk, p, seq);
	} else if (seq >= e->seq) {
		/* Equal: the same block twice in one record; the last stays. */
		unused = e->place.loc;
		e->place = p;
		e->seq = seq;
	} else {
		unused = p.loc;
	}
	lk_unlock(&s->lk);
	if (e != NULL)
		blocks_unreserve(b, 1);
	return (unused);
}

/* ${n} blocks of one shard; bit i is for ${first_blk} + i. */
static uint64_t
get_in_shard(struct blocks *b, uint64_t first_blk, unsigned n,
    struct place *out, uint64_t *out_seq)
{
	struct shard *s = atomic_load(&b->shards);
	const struct block *e;
	uint64_t known = 0;

	if (s == NULL)
		return (0);
	s += shard_of(first_blk);
	if (atomic_load(&s->n) == 0)
		return (0);
	lk_lock(&s->lk);
	for (unsigned i = 0; i < n; i++) {
		if ((e = find_locked(b, s, first_blk + i)) == NULL)
			continue;
		known |= UINT64_C(1) << i;
		out[i] = e->place;
		out_seq[i] = e->seq;
	}
	lk_unlock(&s->lk);
	return (known);
}

uint64_t
blocks_get_run(struct blocks *b, uint64_t first_blk, unsigned n,
    struct place *out, uint64_t *out_seq)
{
	const unsigned run = 1u << RUN_SHIFT;
	const unsigned here = TT_MIN(n,
	    run - (unsigned)(first_blk & (run - 1)));
	uint64_t known;

	known = get_in_shard(b, first_blk, here, out, out_seq);
	if (n > here)
		known |= get_in_shard(b, first_blk + here, n - here,
		    out + here, out_seq + here) << here;
	return (known);
}

bool
blocks_any(struct blocks *b)
{

	return (atomic_load(&b->n_entries) > 0);
}

/*
 * Sorts keys by block number, 12 bits at a time from below; ${tmp} has room
 * for as many.  Three passes, an odd number: the result is in ${tmp}.
 */
static void
sort_keys(uint64_t *keys, uint64_t *tmp, size_t n)
{
	for (unsigned shift = BLOCK_KEY_SHIFT; shift < 64; shift += 12) {
		size_t at[4096] = { 0 }, sum = 0, c;
		uint64_t *t;

		for (size_t i = 0; i < n; i++)
			at[keys[i] >> shift & 4095]++;
		for (size_t d = 0; d < 4096; d++) {
			c = at[d];
			at[d] = sum;
			sum += c;
		}
		for (size_t i = 0; i < n; i++)
			tmp[at[keys[i] >> shift & 4095]++] = keys[i];
		t = keys;
		keys = tmp;
		tmp = t;
	}
}

int
blocks_sort(struct blocks *b, uint64_t **out, size_t *out_n)
{
	const size_t n = atomic_load(&b->n_entries);
	uint64_t *keys = NULL, *tmp = NULL;

	if (n > 0) {
		keys = malloc(n * sizeof(*keys));
		tmp = malloc(n * sizeof(*tmp));
		if (keys == NULL || tmp == NULL) {
			free(keys);
			free(tmp);
			return (-ENOMEM);
		}
		for (size_t i = 0; i < n; i++)
			keys[i] = (entry_at(b, i + 1)->key & ~NEXT_MASK) |
			    (i + 1);
		sort_keys(keys, tmp, n);
		free(keys);
	}
	*out = tmp;
	*out_n = n;
	return (0);
}

const struct block *
blocks_at(struct blocks *b, uint64_t ref)
{

	return (entry_at(b, ref & NEXT_MASK));
}

void
blocks_each(struct blocks *b, void (*fn)(void *arg, const struct place *p),
    void *arg)
{
	const size_t n = atomic_load(&b->n_entries);

	for (size_t i = 0; i < n; i++)
		fn(arg, &entry_at(b, i + 1)->place);
}
