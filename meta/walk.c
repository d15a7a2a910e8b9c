/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * walk.c - depth first, with a stack of as many nodes as a tree is high.
 *
 * The id of a node does not cover the locators in it.  So when a child is not
 * where one copy of its parent says, the other copy is asked before the child
 * is called unreadable.
 */
#include "meta/walk.h"

#include <errno.h>
#include <stdlib.h>

/* One node on the way down. */
struct step {
	struct place place;
	uint64_t blk;			/* the first that it covers */
	unsigned level;			/* 1 = leaf; 0 = not known */
	unsigned next;			/* child */
	struct node node;
};

struct stack {
	struct walk *w;
	unsigned n;
	struct step at[WALK_DEPTH_MAX];
};

/* A block is level 0 of a tree whose height is known. */
static uint64_t
level_blks(unsigned level)
{

	return (UINT64_C(1) << (level * NODE_SHIFT));
}

static int
load(struct walk *w, struct place p, struct node *out)
{

	if (w->ops->load != NULL)
		return (w->ops->load(w->arg, p, out));
	return (nodes_load(w->ns, p, NODE_NO_KEEP | (w->both ? NODE_BOTH : 0),
	    out));
}

/*
 * The child of ${up} that was just being looked at cannot be read.  True, and
 * where the other copy of ${up} says that it is, when that is elsewhere.
 */
static bool
other_place(struct walk *w, const struct step *up, struct place *p)
{
	struct place q;
	struct node n;

	if (nodes_load(w->ns, up->place, NODE_NO_KEEP | NODE_FROM_TWIN,
	    &n) != 0)
		return (false);
	q = node_child(&n, up->next - 1);
	if (!id_equal(&q.id, &p->id) || q.loc == p->loc)
		return (false);
	*p = q;
	return (true);
}

/* 1: entered before; 0; -ENOMEM; -EILSEQ; of ops. */
static int
mark(struct walk *w, locator loc)
{
	int rc = 1;

	if (w->ops->enter != NULL)
		rc = w->ops->enter(w->arg, loc);
	else if (w->seen != NULL)
		rc = locset_add(w->seen, loc);
	return (rc < 0 ? rc : rc == 0);
}

static bool
ours(int rc)
{

	return (rc == -ENOMEM || rc == -EINTR || rc == -ESHUTDOWN ||
	    rc == -ECANCELED);
}

static int
bad(struct walk *w, const struct step *s, int rc)
{

	if (w->ops->bad_node == NULL || ours(rc))
		return (rc);
	return (w->ops->bad_node(w->arg, s->place, s->blk,
	    s->level == 0 ? 0 : level_blks(s->level), rc));
}

/* Go down to ${p}; 0 also when there is nothing to go down to. */
static int
enter(struct stack *st, struct place p, uint64_t blk, unsigned level)
{
	struct walk *w = st->w;
	struct step *s;
	int rc;

	if (st->n == WALK_DEPTH_MAX)
		return (-EILSEQ);
	if (w->ops->pace != NULL && (rc = w->ops->pace(w->arg)) != 0)
		return (rc);
	s = &st->at[st->n];
	*s = (struct step){ .place = p, .blk = blk, .level = level };
	if ((w->ops->want != NULL && !w->ops->want(w->arg, p, blk,
	    level == 0 ? 0 : level_blks(level))) || (rc = mark(w, p.loc)) == 1)
		return (0);
	if (rc == 0)
		rc = load(w, p, &s->node);
	/*
	 * Where both copies are compared that has been done: one that could
	 * not be read then and can be now would come too late, for the wrong
	 * place was noted as entered, and may be that of another node.
	 */
	if (rc != 0 && !ours(rc) && !w->both && st->n > 0 &&
	    other_place(w, s - 1, &s->place)) {
		if ((rc = mark(w, s->place.loc)) == 1)
			return (0);
		if (rc == 0)
			rc = load(w, s->place, &s->node);
	}
	if (rc != 0)
		return (bad(w, s, rc));
	w->path[st->n++] = s->place.loc;
	w->depth = st->n;
	w->nodes++;
	return (0);
}

static int
lost(struct walk *w, uint64_t blk, uint64_t n_blk)
{

	return (w->ops->lost == NULL ? 0 : w->ops->lost(w->arg, blk, n_blk));
}

static int
child(struct stack *st, struct step *s)
{
	unsigned k = s->next++, below = s->level == 0 ? 0 : s->level - 1;
	struct place p = node_child(&s->node, k);
	uint64_t n_blk = s->level == 0 ? 0 : level_blks(below);
	uint64_t blk = s->blk + k * n_blk;
	bool node = s->level == 0 ? (loc_flags(p.loc) & LOC_F_NODE) != 0 :
	    below != 0;

	if (id_is_hole(&p.id))
		return (0);
	if (place_is_lost(&p))
		return (lost(st->w, blk, n_blk));
	if (node)
		return (enter(st, p, blk, below));
	return (st->w->ops->block(st->w->arg, p, blk));
}

int
walk_tree(struct walk *w, struct place root, unsigned height)
{
	struct stack *st;
	int rc;

	if (id_is_hole(&root.id))
		return (0);
	if (place_is_lost(&root))
		return (lost(w, 0, height == 0 ? 0 : level_blks(height)));
	if (height > WALK_DEPTH_MAX)
		return (-EILSEQ);
	if ((st = malloc(sizeof(*st))) == NULL)
		return (-ENOMEM);
	st->w = w;
	st->n = w->depth = 0;
	rc = enter(st, root, 0, height);
	while (rc == 0 && st->n > 0) {
		struct step *s = &st->at[st->n - 1];

		if (s->next < NODE_FANOUT)
			rc = child(st, s);
		else
			w->depth = --st->n;
	}
	free(st);
	return (rc);
}
