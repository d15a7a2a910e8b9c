/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recent.c - the blocks that readers could not get, the last ones.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lun/lun_int.h"
#include "lun/verify.h"
#include "meta/base/clock.h"

void
recent_init(struct recent *t)
{

	memset(t, 0, sizeof(*t));
	lk_init(&t->lk, LK_VERIFY);
}

void
recent_fini(struct recent *t)
{

	lk_destroy(&t->lk);
}

/* Where it is, or the place of what was met longest ago. */
static struct recent_block *
slot_locked(struct recent *t, uint64_t lun, uint64_t seq, uint64_t blk)
{
	struct recent_block *old = &t->at[0];

	for (unsigned i = 0; i < RECENT_MAX; i++) {
		struct recent_block *b = &t->at[i];

		if (b->times > 0 && b->lun == lun && b->seq == seq &&
		    b->blk == blk)
			return (b);
		if (b->last_ns < old->last_ns)
			old = b;
	}
	memset(old, 0, sizeof(*old));
	return (old);
}

void
recent_add(struct recent *t, uint64_t lun, uint64_t seq, uint64_t blk, int rc)
{
	uint64_t now = clock_utc_ns();
	struct recent_block *b;

	lk_lock(&t->lk);
	b = slot_locked(t, lun, seq, blk);
	*b = (struct recent_block){ lun, seq, blk,
	    b->times == 0 ? now : b->first_ns, now, b->times + 1, rc };
	lk_unlock(&t->lk);
}

static int
by_time(const void *a, const void *b)
{
	const struct bad_block *x = a, *y = b;

	return ((x->last_ns < y->last_ns) - (x->last_ns > y->last_ns));
}

/* Its names; false: it is gone. */
static bool
name_it(struct lunset *ls, const struct recent_block *b, struct bad_block *out)
{
	struct snap *s = NULL;
	struct lun *l;

	lk_lock(&ls->lk);
	l = table_by_number(ls, b->lun);
	if (l != NULL && b->seq != LUN_HEAD)
		s = table_snap(l, b->seq);
	if (l != NULL) {
		*out = (struct bad_block){
			.lun = b->lun, .seq = b->seq,
			.off_bytes = b->blk << l->block_shift,
			.block_bytes = l->info.block_bytes,
			.sector_bytes = l->info.sector_bytes,
			.rc = b->rc, .first_ns = b->first_ns,
			.last_ns = b->last_ns, .times = b->times,
		};
		memcpy(out->lun_name, l->info.name, sizeof(out->lun_name));
	}
	if (s != NULL)
		memcpy(out->snap_name, s->info.name, sizeof(out->snap_name));
	lk_unlock(&ls->lk);
	return (l != NULL && (b->seq == LUN_HEAD || s != NULL));
}

int
lunset_bad_blocks(struct lunset *ls, struct bad_block **out, size_t *out_n)
{
	struct recent_block at[RECENT_MAX];
	struct bad_block *all;
	size_t n = 0;

	if ((all = calloc(RECENT_MAX, sizeof(*all))) == NULL)
		return (-ENOMEM);
	lk_lock(&ls->recent.lk);
	memcpy(at, ls->recent.at, sizeof(at));
	lk_unlock(&ls->recent.lk);
	for (unsigned i = 0; i < RECENT_MAX; i++)
		if (at[i].times > 0 && name_it(ls, &at[i], &all[n]))
			n++;
	if (n > 1)
		qsort(all, n, sizeof(*all), by_time);
	*out = all;
	*out_n = n;
	return (0);
}
