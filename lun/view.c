/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * view.c - published views: a reader can never miss a block between an
 * overlay that was dropped and a root that was not there yet, because it
 * holds both in one object that does not change.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "lun/lun_int.h"

struct view *
view_new(struct map_root root, struct overlay *const *ov, unsigned n)
{
	struct view *v = malloc(sizeof(*v) + n * sizeof(v->ov[0]));

	if (v == NULL)
		return (NULL);
	atomic_init(&v->refs, 1);
	v->old = NULL;
	v->root = root;
	v->n = n;
	for (unsigned i = 0; i < n; i++)
		v->ov[i] = overlay_ref(ov[i]);
	return (v);
}

struct view *
view_ref(struct view *v)
{

	atomic_fetch_add(&v->refs, 1);
	return (v);
}

void
view_unref(struct view *v)
{

	if (v == NULL || atomic_fetch_sub(&v->refs, 1) != 1)
		return;
	for (unsigned i = 0; i < v->n; i++)
		overlay_unref(v->ov[i]);
	if (v->old != NULL)
		atomic_fetch_sub(v->old, 1);
	free(v);
}

void
view_retire(struct lunset *ls, struct view *v)
{

	if (v == NULL)
		return;
	/* Counted before anybody else can let it go. */
	atomic_fetch_add(&ls->old_views, 1);
	v->old = &ls->old_views;
	view_unref(v);
}

struct view *
view_of(struct lun *l, struct snap *s)
{
	struct view *v;

	lk_lock(&l->lk);
	v = view_ref(s == NULL ? l->cur : s->view);
	lk_unlock(&l->lk);
	return (v);
}

static struct overlay *
find(const struct view *v, uint64_t gen)
{

	for (unsigned i = 0; i < v->n; i++)
		if (overlay_gen(v->ov[i]) == gen)
			return (v->ov[i]);
	return (NULL);
}

/* ${v} with one overlay more, at its place in the order. */
static struct view *
with_overlay(const struct view *v, struct overlay *o)
{
	struct view *nv = malloc(sizeof(*nv) +
	    (v->n + 1) * sizeof(nv->ov[0]));
	unsigned i = 0, k = 0;

	if (nv == NULL)
		return (NULL);
	atomic_init(&nv->refs, 1);
	nv->old = NULL;
	nv->root = v->root;
	nv->n = v->n + 1;
	while (i < v->n && overlay_gen(v->ov[i]) > overlay_gen(o))
		nv->ov[k++] = overlay_ref(v->ov[i++]);
	nv->ov[k++] = overlay_ref(o);
	while (i < v->n)
		nv->ov[k++] = overlay_ref(v->ov[i++]);
	return (nv);
}

int
view_overlay(struct lun *l, uint64_t gen, struct overlay **out)
{
	struct overlay *o, *fresh = NULL;
	struct view *nv = NULL, *old = NULL;
	int rc = 0;

	lk_lock(&l->lk);
	if ((o = find(l->cur, gen)) == NULL &&
	    (rc = overlay_new(gen, &fresh)) == 0) {
		if ((nv = with_overlay(l->cur, fresh)) == NULL) {
			rc = -ENOMEM;
		} else {
			old = l->cur;
			l->cur = nv;
			o = fresh;
		}
	}
	if (rc == 0)
		*out = overlay_ref(o);
	lk_unlock(&l->lk);
	view_retire(l->set, old);
	if (fresh != NULL)
		overlay_unref(fresh);
	return (rc);
}

struct view *
view_slice(const struct view *v, struct map_root root, uint64_t from,
    uint64_t to)
{
	unsigned i = 0, n = 0;

	while (i < v->n && overlay_gen(v->ov[i]) > to)
		i++;
	while (i + n < v->n && overlay_gen(v->ov[i + n]) >= from)
		n++;
	return (view_new(root, v->ov + i, n));
}

/*
 * The head's view has everything up to the cut and perhaps more: newer
 * generations are left out.  When a checkpoint has come between, it has given
 * the snapshot its view already.
 */
int
view_settle(struct snap *s)
{
	struct lun *l = s->lun;
	int rc = 0;

	lk_lock(&l->lk);
	if (s->view == NULL) {
		s->view = view_slice(l->cur, l->cur->root, 0, s->gen);
		if (s->view == NULL)
			rc = -ENOMEM;
	}
	lk_unlock(&l->lk);
	return (rc);
}
