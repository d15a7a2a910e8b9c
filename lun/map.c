/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * map.c - folding walks the changes once, from left to right, and the tree
 * only where they fall.  A range of holes that covers a subtree replaces it
 * without reading it; at its ends the walk goes down.
 *
 * The id of a node says what its children hold and not where they are, so a
 * locator that went bad in one copy of a node shows only when its child turns
 * out to be another.  The walk then takes the child from the other copy.  For
 * the same reason a node from the cache, which is found by its locator alone,
 * is compared with the id that its parent has for it.
 *
 * When no copy can be read at all, the caller decides whether what it held is
 * lost.  A lost subtree is a place like a hole: whatever is not changed below
 * it stays lost.
 *
 * A subtree of level n covers 64^n blocks: a node of level 1 is a leaf, level
 * 0 is a block.
 */
#include "lun/map.h"

#include <errno.h>
#include <string.h>

#include "meta/base/check.h"

static const struct place hole;
static const struct place lost = { { UINT64_MAX, UINT64_MAX }, LOC_LOST };

static uint64_t
level_blks(unsigned level)
{

	return (UINT64_C(1) << (level * NODE_SHIFT));
}

/* Which child of a node of ${level} has the block. */
static unsigned
child_of(unsigned level, uint64_t blk)
{

	return ((unsigned)(blk >> ((level - 1) * NODE_SHIFT)) &
	    (NODE_FANOUT - 1));
}

unsigned
map_height(uint64_t n_blk)
{
	unsigned h = 1;

	while (h <= MAP_HEIGHT_MAX && level_blks(h) < n_blk)
		h++;
	return (h);
}

/* From the cache; false: it is not there. */
static bool
node_cached(struct nodes *ns, const struct place *p, unsigned flags,
    struct node *out)
{
	struct id id;

	if ((flags & NODE_FROM_TWIN) != 0 || nodes_peek(ns, p->loc, out) != 0)
		return (false);
	id = node_id(out);
	return (id_equal(&id, &p->id));
}

static int
node_read(struct nodes *ns, const struct place *p, unsigned flags,
    struct node *out)
{

	if (node_cached(ns, p, flags, out))
		return (0);
	return (nodes_load(ns, *p, flags, out));
}

/*
 * For folding: what is copied from here goes into both copies of a new node,
 * so a locator that is bad in one copy of the old one must not be among it.
 */
static bool
both_cached(struct nodes *ns, const struct place *p, struct node *out)
{
	struct id id;

	if (nodes_peek_both(ns, p->loc, out) != 0)
		return (false);
	id = node_id(out);
	return (id_equal(&id, &p->id));
}

static int
node_read_both(struct nodes *ns, const struct place *p, struct node *out)
{

	if (both_cached(ns, p, out))
		return (0);
	return (nodes_load(ns, *p, NODE_BOTH, out));
}

/* ---- folding ----------------------------------------------------------- */

/* How far the walk is: what lies below ${pos} is done. */
struct fold_at {
	size_t i;			/* the first change not wholly done */
	uint64_t pos;
};

struct fold {
	struct nodes *ns;
	const struct map_lossy *lossy;	/* or NULL */
	const struct change *changes;
	size_t n;
	struct fold_at at;
	bool unreadable;		/* the error came from reading */
	bool denied;			/* ... and that is not to be borne */
};

static uint64_t
change_end(const struct change *c)
{

	return (c->first_blk + c->n_blk);
}

/* The next block to be changed; UINT64_MAX at the end. */
static uint64_t
fold_next(const struct fold *f)
{

	if (f->at.i == f->n)
		return (UINT64_MAX);
	return (TT_MAX(f->at.pos, f->changes[f->at.i].first_blk));
}

static int fold_node(struct fold *f, unsigned level, uint64_t base,
    const struct place *old, struct place *out);

/* One block or subtree in which the next change begins or goes on. */
static int
fold_child(struct fold *f, unsigned level, uint64_t base,
    const struct place *old, struct place *out)
{
	const struct change *c = &f->changes[f->at.i];
	const uint64_t end = base + level_blks(level);

	/* Only holes are longer than a block. */
	if (c->first_blk > base || change_end(c) < end)
		return (fold_node(f, level, base, old, out));
	*out = id_is_hole(&c->place.id) ? hole : c->place;
	f->at.pos = end;
	if (change_end(c) == end)
		f->at.i++;
	return (0);
}

/* Do the changes from here on leave nothing of [${base}, ${end})? */
static bool
all_changed(const struct fold *f, uint64_t base, uint64_t end)
{
	uint64_t pos = base;

	for (size_t i = f->at.i; i < f->n && pos < end; i++) {
		if (f->changes[i].first_blk > pos)
			return (false);
		pos = change_end(&f->changes[i]);
	}
	return (pos >= end);
}

/*
 * Reading below child ${k} of ${p} failed.  True, and where the other copy of
 * the node says that the child is, when the two differ.
 */
static bool
other_child(struct fold *f, const struct place *p, unsigned k,
    struct place *child)
{
	struct node n;
	struct place c;

	if (nodes_load(f->ns, *p, NODE_FROM_TWIN, &n) != 0)
		return (false);
	c = node_child(&n, k);
	if (!id_equal(&c.id, &child->id) || c.loc == child->loc)
		return (false);
	*child = c;
	return (true);
}

/* Errors that say something about what is on the disk. */
static bool
is_damage(int rc)
{

	return (rc == -EILSEQ || rc == -EIO || rc == -ENODATA ||
	    rc == -ENOENT || rc == -EBADMSG || rc == -EUCLEAN);
}

/* The same walk once more, over a subtree that is lost, if that may be. */
static int
fold_lost(struct fold *f, unsigned level, uint64_t base, struct fold_at at,
    const struct place *old, int rc, struct place *out)
{

	if (f->lossy == NULL || f->denied || !is_damage(rc))
		return (rc);
	if (!f->lossy->met(f->lossy->arg, *old, base, level_blks(level), rc)) {
		f->denied = true;
		return (rc);
	}
	f->at = at;
	f->unreadable = false;
	return (fold_child(f, level, base, &lost, out));
}

/* Child ${k} of the node at ${p}, which was read into ${was}. */
static int
fold_child_of(struct fold *f, unsigned level, uint64_t base,
    const struct place *p, const struct node *was, unsigned k,
    struct place *out)
{
	const struct fold_at at = f->at;
	struct place old = node_child(was, k);
	int rc;

	rc = fold_child(f, level, base, &old, out);
	if (rc == 0 || !f->unreadable)
		return (rc);
	if (other_child(f, p, k, &old)) {
		f->at = at;
		f->unreadable = false;
		rc = fold_child(f, level, base, &old, out);
		if (rc == 0 || !f->unreadable)
			return (rc);
	}
	return (fold_lost(f, level, base, at, &old, rc, out));
}

static bool
only_holes(const struct node *n)
{

	for (unsigned k = 0; k < NODE_FANOUT; k++) {
		const struct place p = node_child(n, k);

		if (!id_is_hole(&p.id))
			return (false);
	}
	return (true);
}

static void
all_lost(struct node *n)
{

	for (unsigned k = 0; k < NODE_FANOUT; k++)
		node_set_child(n, k, lost);
}

/*
 * What a node holds before the changes.  One of which nothing remains is not
 * read: it may as well be a hole, and if it is unreadable nobody is harmed.
 * When it is at hand, though, it may show that nothing changes.
 */
static int
fold_read(struct fold *f, const struct place **old, uint64_t base,
    uint64_t end, struct node *was)
{
	int rc;

	memset(was, 0, sizeof(*was));
	if (!id_is_hole(&(*old)->id) && !place_is_lost(*old) &&
	    all_changed(f, base, end)) {
		if (both_cached(f->ns, *old, was))
			return (0);
		memset(was, 0, sizeof(*was));
		*old = &hole;
	}
	if (id_is_hole(&(*old)->id))
		return (0);
	if (place_is_lost(*old)) {
		all_lost(was);
		return (0);
	}
	if ((rc = node_read_both(f->ns, *old, was)) != 0)
		f->unreadable = true;
	return (rc);
}

/* The blocks of a leaf that are others now. */
static void
note_replaced(struct fold *f, const struct node *was, const struct node *now)
{

	for (unsigned k = 0; k < NODE_FANOUT; k++) {
		const struct place a = node_child(was, k);
		const struct place b = node_child(now, k);

		if (!id_is_hole(&a.id) && !place_is_lost(&a) && a.loc != b.loc)
			segs_replaced(nodes_segs(f->ns), loc_segment(a.loc),
			    loc_sectors(a.loc) * SECTOR_BYTES);
	}
}

static int
fold_node(struct fold *f, unsigned level, uint64_t base,
    const struct place *old, struct place *out)
{
	const uint64_t end = base + level_blks(level);
	struct node was, now;
	struct place child;
	uint64_t blk;
	int rc;

	if ((rc = fold_read(f, &old, base, end, &was)) != 0)
		return (rc);
	now = was;
	while ((blk = fold_next(f)) < end) {
		const unsigned k = child_of(level, blk);

		rc = fold_child_of(f, level - 1,
		    base + k * level_blks(level - 1), old, &was, k, &child);
		if (rc != 0)
			return (rc);
		node_set_child(&now, k, child);
	}
	if (memcmp(&now, &was, sizeof(now)) == 0) {
		*out = id_is_hole(&old->id) ? hole : *old;
		return (0);
	}
	if (level == 1)
		note_replaced(f, &was, &now);
	if (only_holes(&now)) {
		*out = hole;
		return (0);
	}
	return (nodes_put(f->ns, &now, out));
}

/* In order, free of overlaps, inside the tree, and only holes are long. */
static bool
changes_ok(const struct change *c, size_t n, uint64_t n_blk)
{
	uint64_t pos = 0;

	for (; n > 0; c++, n--) {
		if (c->first_blk < pos || c->first_blk >= n_blk ||
		    c->n_blk == 0 || c->n_blk > n_blk - c->first_blk ||
		    (c->n_blk > 1 && !id_is_hole(&c->place.id)))
			return (false);
		pos = change_end(c);
	}
	return (true);
}

int
map_fold(struct nodes *ns, const struct map_root *root,
    const struct change *changes, size_t n, struct map_root *out)
{

	return (map_fold_lossy(ns, root, changes, n, NULL, out));
}

int
map_fold_lossy(struct nodes *ns, const struct map_root *root,
    const struct change *changes, size_t n, const struct map_lossy *lossy,
    struct map_root *out)
{
	struct fold f = { .ns = ns, .lossy = lossy, .changes = changes,
	    .n = n };
	const struct fold_at at = f.at;
	struct map_root r = *root;
	int rc;

	TT_ASSERT(root->height >= 1 && root->height <= MAP_HEIGHT_MAX);
	if (!changes_ok(changes, n, level_blks(root->height)))
		return (-EINVAL);
	if (n > 0) {
		rc = fold_child(&f, root->height, 0, &root->top, &r.top);
		if (rc != 0 && f.unreadable)
			rc = fold_lost(&f, root->height, 0, at, &root->top, rc,
			    &r.top);
		if (rc != 0)
			return (rc);
	}
	*out = r;
	return (0);
}

/* ---- looking up -------------------------------------------------------- */

/* What ends a walk before a node is read. */
static bool
walk_over(const struct map_root *root, uint64_t blk, const struct place *p)
{

	return (id_is_hole(&p->id) || blk >= level_blks(root->height));
}

static void find_loaded(struct node_load *nl);

/* From ${p}, the node of level ${f->level}, to the leaf. */
static int
find_down(struct map_find *f, struct place p)
{

	for (;;) {
		if (walk_over(&f->root, f->blk, &p)) {
			f->hole = true;
			return (0);
		}
		if (place_is_lost(&p)) {
			all_lost(&f->leaf);
			return (0);
		}
		if (!node_cached(f->ns, &p, f->flags, &f->leaf))
			break;
		if (f->level == 1)
			return (0);
		p = node_child(&f->leaf, child_of(f->level--, f->blk));
	}
	f->load.done = find_loaded;
	nodes_load_async(f->ns, f->ex, p, f->flags, &f->load);
	return (-EINPROGRESS);
}

static void
find_loaded(struct node_load *nl)
{
	struct map_find *f = TT_CONTAINER(nl, struct map_find, load);
	int rc = nl->rc;

	if (rc == 0) {
		/* A copy: the cache may be too small to keep a whole path. */
		f->leaf = nl->node;
		if (f->level > 1)
			rc = find_down(f, node_child(&f->leaf,
			    child_of(f->level--, f->blk)));
	}
	if (rc == -EINPROGRESS)
		return;
	f->rc = rc;
	f->done(f);
}

int
map_find(struct map_find *f)
{
	int rc;

	TT_ASSERT(f->root.height >= 1 && f->root.height <= MAP_HEIGHT_MAX);
	f->hole = false;
	f->level = f->root.height;
	rc = find_down(f, f->root.top);
	f->rc = rc;
	return (rc);
}

int
map_find_wait(struct nodes *ns, const struct map_root *root, uint64_t blk,
    unsigned flags, struct node *leaf, bool *is_hole)
{
	struct place p = root->top;
	struct node n;
	unsigned level;
	int rc;

	TT_ASSERT(root->height >= 1 && root->height <= MAP_HEIGHT_MAX);
	for (level = root->height; level > 0; level--) {
		if (walk_over(root, blk, &p)) {
			*is_hole = true;
			return (0);
		}
		if (place_is_lost(&p)) {
			all_lost(leaf);
			*is_hole = false;
			return (0);
		}
		if ((rc = node_read(ns, &p, flags, &n)) != 0)
			return (rc);
		p = node_child(&n, child_of(level, blk));
	}
	*leaf = n;
	*is_hole = false;
	return (0);
}
