/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/nodecache.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/lock.h"

#define SHARDS		16u
#define ENTRIES_MIN	64u		/* per shard */

struct entry {
	locator loc;
	uint32_t next;			/* in the bucket, index + 1 */
	bool used;			/* since the hand passed */
	bool both;			/* the two copies are equal */
	struct node node;
};

/* Members are protected by lk.  Entries fill up once, then are recycled. */
struct shard {
	struct lk lk;			/* rank LK_NODE */
	struct entry **entries;
	uint32_t *buckets;		/* index + 1, 0 = empty */
	uint32_t n, max, n_buckets, hand;
};

struct nodecache {
	struct shard shards[SHARDS];
	_Atomic uint64_t bytes;
};

static uint64_t
mix(locator loc)
{
	uint64_t x = loc * UINT64_C(0x9e3779b97f4a7c15);

	return (x ^ (x >> 29));
}

static struct shard *
shard_of(struct nodecache *c, locator loc)
{

	return (&c->shards[mix(loc) % SHARDS]);
}

static uint32_t *
bucket_of(struct shard *s, locator loc)
{

	return (&s->buckets[(mix(loc) >> 8) % s->n_buckets]);
}

static int
shard_init(struct shard *s, uint64_t max)
{

	lk_init(&s->lk, LK_NODE);
	s->max = (uint32_t)max;
	s->n_buckets = s->max | 1;
	s->entries = calloc(s->max, sizeof(struct entry *));
	s->buckets = calloc(s->n_buckets, sizeof(uint32_t));
	return (s->entries == NULL || s->buckets == NULL ? -ENOMEM : 0);
}

int
nodecache_new(uint64_t budget_bytes, struct nodecache **out)
{
	uint64_t max = budget_bytes / SHARDS / (sizeof(struct entry) + 16);
	struct nodecache *c;
	int rc = 0;

	max = TT_MIN(TT_MAX(max, ENTRIES_MIN), UINT32_MAX / 2);
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return (-ENOMEM);
	for (unsigned i = 0; i < SHARDS; i++)
		if (shard_init(&c->shards[i], max) != 0)
			rc = -ENOMEM;
	if (rc != 0) {
		nodecache_free(c);
		return (rc);
	}
	*out = c;
	return (0);
}

void
nodecache_free(struct nodecache *c)
{

	if (c == NULL)
		return;
	for (unsigned i = 0; i < SHARDS; i++) {
		struct shard *s = &c->shards[i];

		for (uint32_t k = 0; k < s->n; k++)
			free(s->entries[k]);
		free(s->entries);
		free(s->buckets);
		lk_destroy(&s->lk);
	}
	free(c);
}

static struct entry *
find_locked(struct shard *s, locator loc)
{

	for (uint32_t i = *bucket_of(s, loc); i != 0; ) {
		struct entry *e = s->entries[i - 1];

		if (e->loc == loc)
			return (e);
		i = e->next;
	}
	return (NULL);
}

static bool
copy_out(struct nodecache *c, locator loc, bool both, bool hot,
    struct node *out)
{
	struct shard *s = shard_of(c, loc);
	struct entry *e;

	lk_lock(&s->lk);
	if ((e = find_locked(s, loc)) != NULL && both && !e->both)
		e = NULL;
	if (e != NULL) {
		e->used = e->used || hot;
		memcpy(out, &e->node, sizeof(*out));
	}
	lk_unlock(&s->lk);
	return (e != NULL);
}

bool
nodecache_get(struct nodecache *c, locator loc, bool both, struct node *out)
{

	return (copy_out(c, loc, both, true, out));
}

bool
nodecache_look(struct nodecache *c, locator loc, bool both, struct node *out)
{

	return (copy_out(c, loc, both, false, out));
}

static void
unlink_locked(struct shard *s, uint32_t index)
{
	struct entry *e = s->entries[index];
	uint32_t *at = bucket_of(s, e->loc);

	if (e->loc == 0)
		return;
	while (*at != index + 1)
		at = &s->entries[*at - 1]->next;
	*at = e->next;
	e->loc = 0;
}

/* An entry for a new node: a fresh one while there is budget, or a victim. */
static struct entry *
victim_locked(struct nodecache *c, struct shard *s, uint32_t *index)
{
	struct entry *e;

	if (s->n < s->max && (e = malloc(sizeof(*e))) != NULL) {
		*index = s->n;
		s->entries[s->n++] = e;
		atomic_fetch_add(&c->bytes, sizeof(*e) + 16);
		return (e);
	}
	if (s->n == 0)
		return (NULL);
	while (s->entries[s->hand]->used) {
		s->entries[s->hand]->used = false;
		s->hand = (s->hand + 1) % s->n;
	}
	*index = s->hand;
	s->hand = (s->hand + 1) % s->n;
	unlink_locked(s, *index);
	return (s->entries[*index]);
}

void
nodecache_put(struct nodecache *c, locator loc, bool both,
    const struct node *n)
{
	struct shard *s = shard_of(c, loc);
	struct entry *e;
	uint32_t index, *bucket;

	lk_lock(&s->lk);
	if (find_locked(s, loc) == NULL &&
	    (e = victim_locked(c, s, &index)) != NULL) {
		bucket = bucket_of(s, loc);
		e->loc = loc;
		e->used = false;
		e->both = both;
		memcpy(&e->node, n, sizeof(*n));
		e->next = *bucket;
		*bucket = index + 1;
	}
	lk_unlock(&s->lk);
}

void
nodecache_drop(struct nodecache *c, locator loc)
{
	struct shard *s = shard_of(c, loc);

	lk_lock(&s->lk);
	for (uint32_t i = *bucket_of(s, loc); i != 0;
	    i = s->entries[i - 1]->next) {
		if (s->entries[i - 1]->loc == loc) {
			unlink_locked(s, i - 1);
			break;
		}
	}
	lk_unlock(&s->lk);
}

uint64_t
nodecache_bytes(const struct nodecache *c)
{

	return (atomic_load(&c->bytes));
}
