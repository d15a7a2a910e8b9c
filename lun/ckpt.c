/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ckpt.c - the part of a checkpoint that knows LUNs: fold frozen overlays
 * into trees, then let readers use the result.
 *
 * The overlays of a LUN are folded in the order of their generations; at each
 * cut of a snapshot in between, the tree so far is the snapshot's.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "lun/lun_int.h"
#include "meta/dedup.h"

/* ---- fold ------------------------------------------------------------- */

/* References of all LUNs, so that the tables need no lock while folding. */
static int
take_luns(struct lunset *ls)
{
	size_t n = 0, i = 0;

	ckpt_drop(ls);
	lk_lock(&ls->lk);
	n = list_count(&ls->luns);
	ls->folding = calloc(n + 1, sizeof(struct lun *));
	if (ls->folding != NULL) {
		LIST_FOREACH(it, &ls->luns)
			ls->folding[i++] = lun_ref(LIST_ENTRY(it, struct lun,
			    link));
		ls->n_folding = n;
	}
	lk_unlock(&ls->lk);
	return (ls->folding == NULL ? -ENOMEM : 0);
}

void
ckpt_drop(struct lunset *ls)
{

	for (size_t i = 0; i < ls->n_folding; i++)
		lun_unref(ls->folding[i]);
	free(ls->folding);
	ls->folding = NULL;
	ls->n_folding = 0;
}

static bool
gone_by(uint64_t deleted_seq, uint64_t seq)
{

	return (deleted_seq != 0 && deleted_seq <= seq);
}

/*
 * The next snapshot, by seq, behind ${after} that this checkpoint has to give
 * a root; a reference.
 */
static struct snap *
next_snap(struct lun *l, uint64_t after, uint64_t gen, uint64_t seq)
{
	struct snap *found = NULL;

	lk_lock(&l->lk);
	LIST_FOREACH(it, &l->snaps) {
		struct snap *s = LIST_ENTRY(it, struct snap, link);

		if (found == NULL && s->info.seq > after && !s->folded &&
		    s->gen <= gen && !gone_by(s->deleted_seq, seq))
			found = snap_ref(s);
	}
	lk_unlock(&l->lk);
	return (found);
}

/* ---- dedup ------------------------------------------------------------ */

#define SHARE_BLOCKS 16384u	/* places that are given to it at once */

static void
note_block(void *arg, const struct place *p)
{

	if (dedup_is_sample(&p->id))
		dedup_note(arg, p);
}

static void
note_lun(struct lunset *ls, const struct view *v, uint64_t gen)
{

	for (unsigned i = v->n; i-- > 0; )
		if (overlay_gen(v->ov[i]) <= gen)
			overlay_each_block(v->ov[i], note_block, ls->store);
}

static bool
wants_dedup(struct lun *l)
{
	bool on;

	lk_lock(&l->set->lk);
	on = l->info.dedup;
	lk_unlock(&l->set->lk);
	return (on);
}

/* Places of blocks that are there already; without memory all stay. */
static void
share(struct lunset *ls, struct lun *l, struct change *changes, size_t n)
{
	struct place **p = malloc(SHARE_BLOCKS * sizeof(struct place *));
	size_t k = 0;

	if (p == NULL)
		return;
	for (size_t i = 0; i < n; i++) {
		if (!id_is_hole(&changes[i].place.id))
			p[k++] = &changes[i].place;
		if (k == SHARE_BLOCKS || i == n - 1) {
			dedup_places(ls->store, p, k, l->block_shift);
			k = 0;
		}
	}
	free(p);
}

/* ---- fold, one LUN after the other ------------------------------------- */

static int
fold_one(struct lunset *ls, struct lun *l, bool dedup, struct overlay *o,
    struct map_root *root)
{
	const struct map_lossy lossy = { lost_met, &ls->lost };
	struct change *changes;
	size_t n;
	int rc;

	if ((rc = overlay_list(o, &changes, &n)) != 0)
		return (rc);
	if (dedup)
		share(ls, l, changes, n);
	rc = map_fold_lossy(ls->nodes, root, changes, n, &lossy, root);
	free(changes);
	return (rc);
}

struct folder {
	struct lun *l;
	struct checkpoint *cp;
	uint64_t gen, seq, after;
	bool dedup;
	struct map_root root;
};

/* Roots of the snapshots whose cut is before generation ${before}. */
static int
name_snaps(struct folder *f, uint64_t before)
{
	struct snap *s;
	int rc = 0;

	while (rc == 0 &&
	    (s = next_snap(f->l, f->after, f->gen, f->seq)) != NULL) {
		if (s->gen >= before) {
			snap_unref(s);
			break;
		}
		s->new_root = f->root;
		f->after = s->info.seq;
		rc = checkpoint_root(f->cp, f->l->info.number, s->info.seq,
		    f->root.top);
		snap_unref(s);
	}
	return (rc);
}

static int
fold_lun(struct lunset *ls, struct lun *l, struct view *v, struct folder *f)
{
	int rc = 0;

	f->root = v->root;
	for (unsigned i = v->n; i-- > 0 && rc == 0; ) {
		struct overlay *o = v->ov[i];

		if (overlay_gen(o) > f->gen)
			break;
		if ((rc = name_snaps(f, overlay_gen(o))) == 0)
			rc = fold_one(ls, l, f->dedup, o, &f->root);
	}
	if (rc == 0)
		rc = name_snaps(f, UINT64_MAX);
	if (rc == 0)
		rc = checkpoint_root(f->cp, l->info.number, STORE_HEAD,
		    f->root.top);
	l->new_root = f->root;
	return (rc);
}

/* True when this checkpoint changes anything of the LUN. */
static bool
has_work(struct lun *l, const struct view *v, uint64_t gen, uint64_t seq)
{
	struct snap *s;

	if (v->n > 0 && overlay_gen(v->ov[v->n - 1]) <= gen)
		return (true);
	if ((s = next_snap(l, 0, gen, seq)) == NULL)
		return (false);
	snap_unref(s);
	return (true);
}

/* Samples of all LUNs, before the first of them is folded. */
static void
note_samples(struct lunset *ls, uint64_t gen, uint64_t seq,
    struct checkpoint *cp)
{
	bool begun = false, gone;
	struct view *v;

	for (size_t i = 0; i < ls->n_folding; i++) {
		struct lun *l = ls->folding[i];

		if (!wants_dedup(l))
			continue;
		if (!begun)
			dedup_begin(cp);
		begun = true;
		lk_lock(&l->lk);
		v = view_ref(l->cur);
		gone = gone_by(l->deleted_seq, seq);
		lk_unlock(&l->lk);
		if (!gone)
			note_lun(ls, v, gen);
		view_unref(v);
	}
}

int
ckpt_fold(void *arg, uint64_t gen, uint64_t seq, struct checkpoint *cp)
{
	struct lunset *ls = arg;
	int rc;

	if ((rc = take_luns(ls)) != 0)
		return (rc);
	ls->fold_seq = seq;
	note_samples(ls, gen, seq, cp);
	lost_begin(&ls->lost);
	for (size_t i = 0; i < ls->n_folding && rc == 0; i++) {
		struct lun *l = ls->folding[i];
		struct folder f = { .l = l, .cp = cp, .gen = gen, .seq = seq,
		    .dedup = wants_dedup(l) };
		struct view *v;
		bool gone;

		lk_lock(&l->lk);
		v = view_ref(l->cur);
		gone = gone_by(l->deleted_seq, seq);
		lk_unlock(&l->lk);
		l->new_root = v->root;
		lost_lun(&ls->lost, l->info.name);
		if (!gone && has_work(l, v, gen, seq))
			rc = fold_lun(ls, l, v, &f);
		view_unref(v);
	}
	return (rc == 0 ? lost_end(&ls->lost) : rc);
}

/* ---- publish ---------------------------------------------------------- */

/*
 * A view without what was folded.  Memory for it is small, and there is no
 * way back here: the commit is durable.  Without memory the old view stays:
 * it says the same, and the next checkpoint folds it again.
 */
static struct view *
slim(const struct view *v, struct map_root root, uint64_t gen, uint64_t to)
{

	return (view_slice(v, root, gen + 1, to));
}

static void
swap(struct view **at, struct view *nv, struct view **old)
{

	*old = NULL;
	if (nv != NULL) {
		*old = *at;
		*at = nv;
	}
}

/*
 * False: a snapshot that was not settled yet could not be given its view; it
 * will take it from the head's, which must stay as it is then.
 */
static bool
publish_snap(struct lun *l, struct snap *s, const struct view *cur,
    uint64_t gen)
{
	struct view *nv = NULL, *old;

	if (s->gen <= gen) {
		bool due = !s->folded || s->stale;

		if (due)
			nv = view_new(s->new_root, NULL, 0);
		s->stale = due && nv == NULL;
		if (s->stale)
			atomic_store(&l->set->stale, true);
		if (nv == NULL && s->view == NULL) {
			s->stale = false;
			return (false);
		}
		/* Without memory its old view stays; it says the same. */
		s->folded = true;
	} else if (s->view != NULL) {
		/* Newer than the cut: the same content over the new root. */
		nv = slim(cur, l->new_root, gen, s->gen);
		if (nv == NULL)
			atomic_store(&l->set->stale, true);
	}
	swap(&s->view, nv, &old);
	view_retire(l->set, old);
	return (true);
}

static void
publish_lun(struct lunset *ls, struct lun *l, uint64_t gen)
{
	struct view *nv = NULL, *old;
	bool all = true;

	lk_lock(&l->lk);
	LIST_FOREACH_SAFE(it, nx, &l->snaps) {
		struct snap *s = LIST_ENTRY(it, struct snap, link);

		if (gone_by(s->deleted_seq, ls->fold_seq)) {
			list_del(it);
			snap_unref(s);
		} else {
			all = publish_snap(l, s, l->cur, gen) && all;
		}
	}
	if (all)
		nv = slim(l->cur, l->new_root, gen, UINT64_MAX);
	if (nv == NULL)
		atomic_store(&ls->stale, true);
	swap(&l->cur, nv, &old);
	lk_unlock(&l->lk);
	l->base_seq = ls->fold_seq;
	view_retire(ls, old);
}

void
ckpt_publish(void *arg, uint64_t gen)
{
	struct lunset *ls = arg;

	atomic_store(&ls->stale, false);
	for (size_t i = 0; i < ls->n_folding; i++) {
		struct lun *l = ls->folding[i];
		bool gone;

		lk_lock(&l->lk);
		gone = gone_by(l->deleted_seq, ls->fold_seq);
		lk_unlock(&l->lk);
		if (gone)
			table_forget(ls, l);
		else
			publish_lun(ls, l, gen);
	}
	lost_committed(&ls->lost);
	ckpt_drop(ls);
	(void)pressure_measure(ls);
}

/*
 * A view that could not be replaced stands on a root that the catalogue does
 * not name any more; it is replaced by the next checkpoint.
 */
bool
ckpt_settled(void *arg, bool unused)
{
	struct lunset *ls = arg;

	return (!atomic_load(&ls->stale) &&
	    (!unused || atomic_load(&ls->old_views) == 0));
}
