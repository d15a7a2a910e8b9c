/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * list.c - what there is, as copies for whoever asks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lun/lun_int.h"

static void
fill_lun_locked(struct lun *l, struct lun_info *out)
{

	*out = l->info;
	out->n_snaps = out->n_exposures = 0;
	lk_lock(&l->lk);
	LIST_FOREACH(it, &l->snaps) {
		struct snap *s = LIST_ENTRY(it, struct snap, link);

		if (s->deleted_seq != 0)
			continue;
		out->n_snaps++;
		out->n_exposures += s->info.exposed;
	}
	lk_unlock(&l->lk);
}

int
lunset_find(struct lunset *ls, const char *name, struct lun_info *out)
{
	struct lun *l;

	lk_lock(&ls->lk);
	if ((l = table_by_name(ls, name)) != NULL)
		fill_lun_locked(l, out);
	lk_unlock(&ls->lk);
	return (l == NULL ? -ENOENT : 0);
}

static int
by_lun_name(const void *a, const void *b)
{
	const struct lun_info *x = a, *y = b;

	return (strcmp(x->name, y->name));
}

int
lunset_list(struct lunset *ls, struct lun_info **out, size_t *out_n)
{
	struct lun_info *all;
	size_t n = 0;

	lk_lock(&ls->lk);
	all = calloc(list_count(&ls->luns) + 1, sizeof(*all));
	if (all != NULL) {
		LIST_FOREACH(it, &ls->luns) {
			struct lun *l = LIST_ENTRY(it, struct lun, link);

			if (l->deleted_seq == 0)
				fill_lun_locked(l, &all[n++]);
		}
	}
	lk_unlock(&ls->lk);
	if (all == NULL)
		return (-ENOMEM);
	qsort(all, n, sizeof(*all), by_lun_name);
	*out = all;
	*out_n = n;
	return (0);
}

int
lunset_snaps(struct lunset *ls, const char *lun, struct snap_info **out,
    size_t *out_n)
{
	struct snap_info *all;
	struct lun *l;
	size_t n = 0;
	int rc = -ENOENT;

	lk_lock(&ls->lk);
	if ((l = table_by_name(ls, lun)) != NULL) {
		lk_lock(&l->lk);
		all = calloc(list_count(&l->snaps) + 1, sizeof(*all));
		rc = all == NULL ? -ENOMEM : 0;
		if (rc == 0) {
			LIST_FOREACH(it, &l->snaps) {
				struct snap *s = LIST_ENTRY(it, struct snap,
				    link);

				if (s->deleted_seq == 0)
					all[n++] = s->info;
			}
			*out = all;
			*out_n = n;
		}
		lk_unlock(&l->lk);
	}
	lk_unlock(&ls->lk);
	return (rc);
}

void
exposure_fill(const struct snap *s, struct exposure_info *e)
{
	const struct lun_info *l = &s->lun->info;

	*e = s->expose;
	e->lun = s->info.lun;
	e->seq = s->info.seq;
	memcpy(e->lun_name, l->name, sizeof(e->lun_name));
	memcpy(e->snap_name, s->info.name, sizeof(e->snap_name));
	e->size_bytes = l->size_bytes;
	e->block_bytes = l->block_bytes;
	e->sector_bytes = l->sector_bytes;
	e->open = l->open;
}

static int
by_exposure_name(const void *a, const void *b)
{
	const struct exposure_info *x = a, *y = b;
	int c = strcmp(x->lun_name, y->lun_name);

	return (c != 0 ? c : strcmp(x->snap_name, y->snap_name));
}

/* Exposures of one LUN into ${out} (may be NULL); how many. */
static size_t
exposures_of(struct lun *l, struct exposure_info *out)
{
	size_t n = 0;

	lk_lock(&l->lk);
	LIST_FOREACH(it, &l->snaps) {
		struct snap *s = LIST_ENTRY(it, struct snap, link);

		if (s->deleted_seq != 0 || !s->info.exposed)
			continue;
		if (out != NULL)
			exposure_fill(s, &out[n]);
		n++;
	}
	lk_unlock(&l->lk);
	return (n);
}

int
lunset_exposures(struct lunset *ls, struct exposure_info **out, size_t *out_n)
{
	struct exposure_info *all;
	size_t n = 0, room = 1;

	lk_lock(&ls->lk);
	LIST_FOREACH(it, &ls->luns)
		room += exposures_of(LIST_ENTRY(it, struct lun, link), NULL);
	if ((all = calloc(room, sizeof(*all))) != NULL) {
		LIST_FOREACH(it, &ls->luns) {
			struct lun *l = LIST_ENTRY(it, struct lun, link);

			if (l->deleted_seq == 0)
				n += exposures_of(l, all + n);
		}
	}
	lk_unlock(&ls->lk);
	if (all == NULL)
		return (-ENOMEM);
	qsort(all, n, sizeof(*all), by_exposure_name);
	*out = all;
	*out_n = n;
	return (0);
}
