/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fake_nodes.h - node.h in memory, for tests of what stands on it.
 *
 * A program that includes this defines every nodes_ function itself, so the
 * linker takes none of them from the library.  It counts calls, lets the cache
 * miss, fails the n-th load or put, and keeps a damaged first copy of a node
 * beside its twin.  Included once per program; not synchronised.
 */
#ifndef TESTS_UNIT_LUN_FAKE_NODES_H
#define TESTS_UNIT_LUN_FAKE_NODES_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/check.h"
#include "meta/node.h"

#define FAKE_PER_SEGMENT 1000u

struct fake_slot {
	struct node twin;		/* never damaged, but by rc */
	struct node *first;		/* NULL: equal to the twin */
	int rc[2];			/* reading this copy fails */
};

struct nodes {
	struct fake_slot *slots;
	size_t n, cap;
	unsigned miss_every;		/* misses: 0 none, 1 all */
	unsigned peeks;
	unsigned n_peek, n_hit, n_load, n_async, n_put, n_twin;
	unsigned fail_load, fail_put;	/* the n-th fails once; 0 none */
	int fail_rc;
};

static inline struct nodes *
fake_nodes_new(void)
{
	struct nodes *ns = calloc(1, sizeof(*ns));

	TT_ASSERT(ns != NULL);
	ns->fail_rc = -EIO;
	return (ns);
}

static inline void
fake_nodes_free(struct nodes *ns)
{

	for (size_t i = 0; i < ns->n; i++)
		free(ns->slots[i].first);
	free(ns->slots);
	free(ns);
}

static inline void
fake_nodes_count(struct nodes *ns)
{

	ns->n_peek = ns->n_hit = ns->n_load = ns->n_async = 0;
	ns->n_put = ns->n_twin = 0;
}

/* NULL when nothing was put there. */
static inline struct fake_slot *
fake_nodes_slot(struct nodes *ns, locator loc)
{
	const uint32_t seg = loc_segment(loc), off = loc_off_sectors(loc);
	size_t i;

	if (loc_flags(loc) != LOC_F_NODE || loc_sectors(loc) != NODE_SECTORS ||
	    seg < 2 || seg % 2 != 0 || off < SEG_HEADER_SECTORS ||
	    (off - SEG_HEADER_SECTORS) % NODE_SECTORS != 0)
		return (NULL);
	i = (size_t)(seg / 2 - 1) * FAKE_PER_SEGMENT +
	    (off - SEG_HEADER_SECTORS) / NODE_SECTORS;
	return (i < ns->n ? &ns->slots[i] : NULL);
}

/* The first copy of a node, to be damaged. */
static inline struct node *
fake_nodes_first(struct nodes *ns, locator loc)
{
	struct fake_slot *s = fake_nodes_slot(ns, loc);

	TT_ASSERT(s != NULL);
	if (s->first == NULL) {
		s->first = malloc(sizeof(*s->first));
		TT_ASSERT(s->first != NULL);
		*s->first = s->twin;
	}
	return (s->first);
}

static inline int
fake_nodes_copy(struct nodes *ns, const struct place *p, unsigned copy,
    struct node *out)
{
	const struct fake_slot *s = fake_nodes_slot(ns, p->loc);
	struct node n;
	struct id id;

	if (s == NULL)
		return (-ENOENT);
	if (s->rc[copy] != 0)
		return (s->rc[copy]);
	n = copy == 0 && s->first != NULL ? *s->first : s->twin;
	id = node_id(&n);
	if (!id_equal(&id, &p->id))
		return (-EILSEQ);
	*out = n;
	return (0);
}

struct id
node_id(const struct node *n)
{
	uint8_t ids[NODE_FANOUT * 16];
	uint8_t any = 0;

	for (unsigned i = 0; i < NODE_FANOUT; i++)
		memcpy(ids + i * 16, n->b + i * PLACE_LEN, 16);
	for (size_t i = 0; i < sizeof(ids); i++)
		any |= ids[i];
	return (any == 0 ? (struct id){ 0, 0 } : id_of(ids, sizeof(ids)));
}

int
nodes_peek(struct nodes *ns, locator loc, struct node *out)
{
	const struct fake_slot *s = fake_nodes_slot(ns, loc);

	ns->n_peek++;
	if (s == NULL || (ns->miss_every > 0 &&
	    ++ns->peeks % ns->miss_every == 0))
		return (-EAGAIN);
	*out = s->first != NULL ? *s->first : s->twin;
	ns->n_hit++;
	return (0);
}

int
nodes_peek_both(struct nodes *ns, locator loc, struct node *out)
{

	return (nodes_peek(ns, loc, out));
}

int
nodes_load(struct nodes *ns, struct place p, unsigned flags, struct node *out)
{
	const unsigned first = (flags & NODE_FROM_TWIN) != 0;
	int rc;

	ns->n_load++;
	ns->n_twin += first;
	if (ns->fail_load > 0 && --ns->fail_load == 0)
		return (ns->fail_rc);
	rc = fake_nodes_copy(ns, &p, first, out);
	if (rc != 0 && fake_nodes_copy(ns, &p, !first, out) == 0)
		rc = 0;
	return (rc);
}

static inline void
fake_nodes_loaded(struct exec_call *c)
{
	struct node_load *nl = TT_CONTAINER(c, struct node_load, call);

	nl->rc = nodes_load(nl->ns, nl->place, nl->flags, &nl->node);
	nl->done(nl);
}

void
nodes_load_async(struct nodes *ns, struct exec *ex, struct place p,
    unsigned flags, struct node_load *nl)
{

	ns->n_async++;
	nl->ns = ns;
	nl->place = p;
	nl->flags = flags;
	memset(&nl->node, 0xee, sizeof(nl->node));
	nl->call.fn = fake_nodes_loaded;
	exec_post(ex, &nl->call);
}

int
nodes_put(struct nodes *ns, const struct node *n, struct place *out)
{
	struct fake_slot *s;

	ns->n_put++;
	if (ns->fail_put > 0 && --ns->fail_put == 0)
		return (ns->fail_rc);
	if (ns->n == ns->cap) {
		ns->cap = ns->cap + ns->cap / 2 + 64;
		s = realloc(ns->slots, ns->cap * sizeof(*s));
		TT_ASSERT(s != NULL);
		ns->slots = s;
	}
	s = &ns->slots[ns->n];
	*s = (struct fake_slot){ .twin = *n };
	out->id = node_id(n);
	out->loc = loc_make((uint32_t)(2 * (ns->n / FAKE_PER_SEGMENT) + 2),
	    (uint32_t)(SEG_HEADER_SECTORS +
	    ns->n % FAKE_PER_SEGMENT * NODE_SECTORS), NODE_SECTORS, LOC_F_NODE);
	ns->n++;
	return (0);
}

int
nodes_flush(struct nodes *ns)
{

	(void)ns;
	return (0);
}

int
nodes_sync(struct nodes *ns)
{

	(void)ns;
	return (0);
}

void
nodes_reset(struct nodes *ns)
{

	(void)ns;
}

/* What a fold replaces is counted by segments, which are not there. */
struct segs *
nodes_segs(const struct nodes *ns)
{

	(void)ns;
	return (NULL);
}

void
segs_replaced(struct segs *ss, uint32_t number, uint32_t bytes)
{

	(void)ss;
	TT_ASSERT(number != 0 && bytes > 0);
}

#endif /* !TESTS_UNIT_LUN_FAKE_NODES_H */
