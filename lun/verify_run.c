/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verify_run.c - tree after tree.
 *
 * A tree is walked once to read what no tree before it had.  If that finds
 * something bad, the tree is gone through again, nodes only, to tell for each
 * reference which LUN and blocks are harmed; the nodes above damage are
 * remembered (tainted), so that in later trees, which share them, only these
 * are entered for that.  A reference is told when it still stands then: what
 * was overwritten, deleted or moved since the walk began is no damage.
 *
 * Overlays are not looked at: the checkpoint that comes first puts everything
 * acknowledged before into the trees.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lun/verify_int.h"
#include "meta/base/msg.h"
#include "meta/base/vec.h"
#include "meta/noderepair.h"
#include "meta/twin.h"

#define ROUNDS_MAX	4u	/* over a tree that changes under the walk */

/* ---- what stands now --------------------------------------------------- */

/* The view of a target; NULL: it is gone. */
static struct view *
view_now(struct run *r, const struct target *t)
{
	struct view *v = NULL;
	struct snap *s = NULL;
	struct lun *l;

	lk_lock(&r->ls->lk);
	l = table_by_number(r->ls, t->lun);
	if (l != NULL && t->seq != LUN_HEAD)
		s = table_snap(l, t->seq);
	if (l != NULL && (t->seq == LUN_HEAD || s != NULL)) {
		lk_lock(&l->lk);
		v = s != NULL ? s->view : l->cur;
		if (v != NULL)
			(void)view_ref(v);
		lk_unlock(&l->lk);
	}
	lk_unlock(&r->ls->lk);
	return (v);
}

/* The place of the node of ${level} (0: the block) above ${blk} now. */
static int
place_in(struct run *r, const struct view *v, uint64_t blk, unsigned level,
    struct place *out)
{
	struct place p = v->root.top;
	struct node n;
	int rc;

	for (unsigned i = 0; i < v->n && level == 0; i++) {
		uint64_t bit = 0;

		overlay_get_run(v->ov[i], blk, 1, &bit, out);
		if (bit != 0)
			return (0);
	}
	for (unsigned l = v->root.height; l > level; l--) {
		if (id_is_hole(&p.id) || place_is_lost(&p))
			break;
		rc = nodes_load(r->ls->nodes, p, NODE_NO_KEEP, &n);
		if (rc != 0)
			return (rc);
		p = node_child(&n, (unsigned)(blk >> ((l - 1) * NODE_SHIFT)) &
		    (NODE_FANOUT - 1));
	}
	*out = p;
	return (0);
}

/*
 * Does the target still refer to ${p} there?  When that cannot be found out
 * because a node above is unreadable now: that one is what will be told.
 */
static bool
stands(struct run *r, uint64_t blk, unsigned level, struct place p)
{
	struct view *v = view_now(r, r->t);
	struct place now = { .loc = 0 };
	int rc;

	if (v == NULL)
		return (false);
	rc = place_in(r, v, blk, level, &now);
	view_unref(v);
	return (rc == 0 && now.loc == p.loc && id_equal(&now.id, &p.id));
}

/* ---- telling ----------------------------------------------------------- */

static void
taint_path(struct run *r)
{

	/* Without memory it is told for fewer, and the bad block is found. */
	for (unsigned i = 0; i < r->walk.depth; i++)
		(void)locset_add(r->tainted, r->walk.path[i]);
}

static void
tell(struct run *r, enum verify_kind kind, struct place p, unsigned copy,
    uint64_t blk, uint64_t n_blk, int rc)
{
	const struct target *t = r->t;
	uint64_t end = TT_MIN(blk + n_blk, t->n_blk), off;
	struct verify_damage d = {
		.kind = kind, .lun = t->lun, .seq = t->seq,
		.off_bytes = blk << t->block_shift,
		.sector_bytes = t->sector_bytes, .rc = rc,
	};
	struct seg *s;

	if (blk >= end)
		return;
	d.len_bytes = (end - blk) << t->block_shift;
	memcpy(d.lun_name, t->lun_name, sizeof(d.lun_name));
	memcpy(d.snap_name, t->snap_name, sizeof(d.snap_name));
	if (kind != VERIFY_LOST) {
		d.segment = loc_segment(p.loc) + copy;
		d.segment_off_bytes = (uint64_t)loc_off_sectors(p.loc) *
		    SECTOR_BYTES;
		if (moved_get(r->ls->moved, p.loc, copy, &s, &off) == 0) {
			d.segment = seg_number(s);
			d.segment_off_bytes = off;
			seg_put(s);
		}
	}
	verify_found(r, &d);
}

/* ---- the second time: who is harmed ------------------------------------ */

static unsigned
level_of(uint64_t n_blk)
{
	unsigned level = 0;

	while (n_blk > 1) {
		n_blk >>= NODE_SHIFT;
		level++;
	}
	return (level);
}

static int
tell_block(void *arg, struct place p, uint64_t blk)
{
	struct run *r = arg;
	bool fits = (loc_flags(p.loc) & LOC_F_NODE) == 0 &&
	    locset_fits(r->seen, p.loc);
	int rc;

	if (fits && !locset_has(r->bad, p.loc))
		return (0);
	taint_path(r);
	rc = fits ? verify_again(r, p) : -EILSEQ;
	if (rc == -ENOMEM)
		return (rc);
	if (rc != 0 && stands(r, blk, 0, p))
		tell(r, VERIFY_DATA, p, 0, blk, 1, rc);
	return (0);
}

static int
tell_node(void *arg, struct place p, uint64_t blk, uint64_t n_blk, int rc)
{
	struct run *r = arg;

	taint_path(r);
	(void)locset_add(r->tainted, p.loc);
	if (stands(r, blk, level_of(n_blk), p))
		tell(r, VERIFY_NODE, p, 0, blk, n_blk, rc);
	return (0);
}

static int
tell_lost(void *arg, uint64_t blk, uint64_t n_blk)
{
	struct run *r = arg;

	taint_path(r);
	if (stands(r, blk, level_of(n_blk), PLACE_LOST))
		tell(r, VERIFY_LOST, PLACE_LOST, 0, blk, n_blk, -EILSEQ);
	return (0);
}

static void
tell_copy(struct run *r, struct place p, uint64_t blk, uint64_t n_blk)
{
	struct node_check c;
	struct node n;

	if (nodes_check(r->ls->nodes, p, false, &n, &c) == 0 &&
	    (c.rc[0] != 0 || c.rc[1] != 0 || c.differ) &&
	    stands(r, blk, level_of(n_blk), p))
		tell(r, VERIFY_COPY, p, c.rc[0] != 0 ? 0 : 1, blk, n_blk,
		    c.rc[0] != 0 ? c.rc[0] : c.rc[1]);
}

static bool
tell_want(void *arg, struct place p, uint64_t blk, uint64_t n_blk)
{
	struct run *r = arg;

	if (locset_fits(r->half, p.loc) && locset_has(r->half, p.loc)) {
		taint_path(r);
		(void)locset_add(r->tainted, p.loc);
		tell_copy(r, p, blk, n_blk);
	}
	return (r->found_bad || !locset_fits(r->tainted, p.loc) ||
	    locset_has(r->tainted, p.loc));
}

static int
tell_pace(void *arg)
{

	return (verify_pace(arg));
}

static const struct walk_ops tell_ops = { .block = tell_block,
    .bad_node = tell_node, .lost = tell_lost, .pace = tell_pace,
    .want = tell_want };

/* ---- the first time: read ---------------------------------------------- */

static int
see_block(void *arg, struct place p, uint64_t blk)
{
	struct run *r = arg;
	int rc;

	if (blk < r->from_blk)
		return (0);
	if ((loc_flags(p.loc) & LOC_F_NODE) != 0 ||
	    !locset_fits(r->seen, p.loc)) {
		r->found_bad = true;
		return (0);
	}
	if ((rc = locset_add(r->read, p.loc)) < 0)
		return (rc);
	if (rc == 1)
		return (verify_block(r, p));
	if (locset_has(r->bad, p.loc))
		taint_path(r);
	return (0);
}

/*
 * A file of the pair is gone as a whole, or its header is: made again, true.
 * The headers are looked at when the walk comes from another pair.
 */
static bool
pair_mended(struct run *r, const struct node_check *c)
{
	bool gone = c->rc[0] == -ENOENT || c->rc[1] == -ENOENT;
	unsigned lost;
	int rc;

	if (r->ls->read_only || r->no_twins ||
	    c->segment[1] != c->segment[0] + 1 ||
	    (!gone && r->pair == c->segment[0]))
		return (false);
	rc = twin_lost(r->ls->nodes, c->segment[0], &lost);
	if (rc == 0)
		r->pair = c->segment[0];
	if (rc != 1)
		return (false);
	rc = twin_make(r->ls->nodes, c->segment[0], lost);
	if (rc == 0)
		verify_remade(r);
	else if (rc != -ESTALE && rc != -EBUSY && rc != -EILSEQ &&
	    rc != -EUCLEAN)
		/* No space, as a rule: not once more for each node. */
		r->no_twins = true;
	return (rc == 0);
}

static void
note_repaired(struct run *r, const struct node_check *c)
{
	unsigned n = (unsigned)c->repaired[0] + (unsigned)c->repaired[1];

	if (n > 0)
		verify_repaired(r, n);
}

/* Both copies from the medium; a bad one is made good. */
static int
see_load(void *arg, struct place p, struct node *out)
{
	struct run *r = arg;
	struct node_check c;
	int rc;

	rc = nodes_check(r->ls->nodes, p, !r->ls->read_only, out, &c);
	verify_read(r, 2 * NODE_BYTES, true);
	/* Freed and written over meanwhile, or moved: once more. */
	if (rc != 0 && rc != -ENOMEM)
		rc = nodes_check(r->ls->nodes, p, !r->ls->read_only, out, &c);
	if (rc != 0)
		return (rc);
	note_repaired(r, &c);
	if (pair_mended(r, &c)) {
		rc = nodes_check(r->ls->nodes, p, true, out, &c);
		if (rc != 0)
			return (rc);
		note_repaired(r, &c);
	}
	if ((c.rc[0] != 0 && !c.repaired[0]) ||
	    (c.rc[1] != 0 && !c.repaired[1]) ||
	    (c.differ && !c.repaired[0] && !c.repaired[1])) {
		r->found_bad = true;
		if ((rc = locset_add(r->half, p.loc)) < 0 && rc != -EILSEQ)
			return (rc);
	}
	return (0);
}

static int
see_node(void *arg, struct place p, uint64_t blk, uint64_t n_blk, int rc)
{
	struct run *r = arg;

	(void)rc;
	if (stands(r, blk, level_of(n_blk), p))
		r->found_bad = true;
	else
		r->stale++;
	return (0);
}

static int
see_lost(void *arg, uint64_t blk, uint64_t n_blk)
{
	struct run *r = arg;

	(void)blk;
	(void)n_blk;
	r->found_bad = true;
	return (0);
}

static bool
see_want(void *arg, struct place p, uint64_t blk, uint64_t n_blk)
{
	struct run *r = arg;

	if (blk + n_blk <= r->from_blk)
		return (false);
	if (locset_has(r->tainted, p.loc))
		taint_path(r);
	verify_at(r, blk);
	return (true);
}

static const struct walk_ops see_ops = { .block = see_block,
    .bad_node = see_node, .lost = see_lost, .pace = tell_pace,
    .want = see_want, .load = see_load };

/* ---- a target ---------------------------------------------------------- */

/*
 * The root alone: a view that is held keeps a reclaim of space from giving
 * anything back, and this may take days.  What is freed meanwhile is found to
 * be so (stands).
 */
static bool
root_now(struct run *r, struct map_root *out)
{
	struct view *v = view_now(r, r->t);

	if (v == NULL)
		return (false);
	*out = v->root;
	view_unref(v);
	return (true);
}

static int
walk_round(struct run *r, bool *gone)
{
	struct map_root root;
	int rc;

	*gone = !root_now(r, &root);
	if (*gone)
		return (0);
	r->stale = 0;
	r->walk = (struct walk){ .ns = r->ls->nodes, .ops = &see_ops,
	    .arg = r, .seen = r->seen };
	rc = walk_tree(&r->walk, root.top, root.height);
	if (rc == 0)
		rc = verify_flush(r);
	r->n_batch = 0;
	return (rc);
}

static int
walk_tell(struct run *r)
{
	struct map_root root;

	if (!root_now(r, &root))
		return (0);
	r->walk = (struct walk){ .ns = r->ls->nodes, .ops = &tell_ops,
	    .arg = r };
	return (walk_tree(&r->walk, root.top, root.height));
}

static int
one_target(struct run *r)
{
	bool gone = false;
	int rc = 0;

	r->found_bad = false;
	for (unsigned i = 0; i < ROUNDS_MAX && rc == 0 && !gone; i++) {
		rc = walk_round(r, &gone);
		if (r->stale == 0)
			break;
	}
	if (rc == 0 && !gone &&
	    (r->found_bad || locset_bytes(r->tainted) > 0))
		rc = walk_tell(r);
	return (rc);
}

/* ---- all of them ------------------------------------------------------- */

static void
target_of(const struct lun *l, const struct snap *s, struct target *t)
{

	*t = (struct target){
		.lun = l->info.number,
		.seq = s == NULL ? LUN_HEAD : s->info.seq,
		.height = l->height,
		.block_shift = l->block_shift,
		.sector_bytes = l->info.sector_bytes,
		.n_blk = l->n_blk,
	};
	memcpy(t->lun_name, l->info.name, sizeof(t->lun_name));
	if (s != NULL)
		memcpy(t->snap_name, s->info.name, sizeof(t->snap_name));
}

static int
by_key(const void *a, const void *b)
{
	const struct target *x = a, *y = b;

	if (x->lun != y->lun)
		return (x->lun < y->lun ? -1 : 1);
	return ((x->seq > y->seq) - (x->seq < y->seq));
}

static int
add_target(struct run *r, const struct lun *l, const struct snap *s,
    size_t *room)
{
	struct target *all;

	all = vec_room(r->targets, room, r->n_targets, sizeof(*all));
	if (all == NULL)
		return (-ENOMEM);
	r->targets = all;
	target_of(l, s, &r->targets[r->n_targets++]);
	return (0);
}

/* In the order of the catalogue's keys, which a scrub can go on from. */
static int
find_targets(struct run *r, const char *lun, const char *snap)
{
	size_t room = 0;
	int rc = 0;

	lk_lock(&r->ls->lk);
	LIST_FOREACH(it, &r->ls->luns) {
		struct lun *l = LIST_ENTRY(it, struct lun, link);

		lk_lock(&l->lk);
		if (l->deleted_seq != 0 ||
		    (lun[0] != '\0' && strcmp(lun, l->info.name) != 0)) {
			lk_unlock(&l->lk);
			continue;
		}
		LIST_FOREACH(is, &l->snaps) {
			struct snap *s = LIST_ENTRY(is, struct snap, link);

			if (rc == 0 && s->deleted_seq == 0 &&
			    (snap[0] == '\0' ||
			    strcmp(snap, s->info.name) == 0))
				rc = add_target(r, l, s, &room);
		}
		if (rc == 0 && snap[0] == '\0')
			rc = add_target(r, l, NULL, &room);
		lk_unlock(&l->lk);
	}
	lk_unlock(&r->ls->lk);
	if (r->n_targets > 0)
		qsort(r->targets, r->n_targets, sizeof(*r->targets), by_key);
	return (rc);
}

static int
run_init(struct run *r)
{
	uint32_t seg = store_segment_bytes(r->ls->store);

	r->batch = malloc(BATCH_BLOCKS * sizeof(*r->batch));
	r->buf = malloc(BATCH_BYTES + (1u << BLOCK_SHIFT_MAX));
	if (r->batch == NULL || r->buf == NULL)
		return (-ENOMEM);
	if (locset_new(seg, &r->seen) != 0 || locset_new(seg, &r->bad) != 0 ||
	    locset_new(seg, &r->half) != 0 ||
	    locset_new(seg, &r->tainted) != 0 ||
	    locset_new(seg, &r->read) != 0)
		return (-ENOMEM);
	/* Beyond its share of the memory blocks are read twice. */
	locset_limit(r->read, r->ls->verify_limit);
	return (0);
}

static void
run_fini(struct run *r)
{

	free(r->targets);
	free(r->batch);
	free(r->buf);
	locset_free(r->seen);
	locset_free(r->read);
	locset_free(r->bad);
	locset_free(r->half);
	locset_free(r->tainted);
}

/* Behind what an interrupted scrub has done already. */
static void
go_on_from(struct run *r, const struct scrub_row *from)
{

	while (r->at < r->n_targets) {
		const struct target *t = &r->targets[r->at];

		if (t->lun > from->lun ||
		    (t->lun == from->lun && t->seq >= from->seq))
			break;
		r->at++;
	}
	if (r->at < r->n_targets && r->targets[r->at].lun == from->lun &&
	    r->targets[r->at].seq == from->seq)
		r->from_blk = from->blk;
}

int
verify_run(struct run *r, const char *lun, const char *snap,
    const struct scrub_row *from)
{
	int rc, first = 0;

	/*
	 * What cannot be folded is in the log, and the trees are worth being
	 * looked at all the more.
	 */
	if (!r->ls->read_only)
		first = store_checkpoint(r->ls->store);
	if ((rc = run_init(r)) == 0)
		rc = find_targets(r, lun, snap);
	if (rc == 0 && from != NULL)
		go_on_from(r, from);
	for (; rc == 0 && r->at < r->n_targets; r->at++) {
		r->t = &r->targets[r->at];
		verify_at(r, r->from_blk);
		rc = one_target(r);
		r->from_blk = 0;
	}
	run_fini(r);
	return (rc != 0 ? rc : first);
}
