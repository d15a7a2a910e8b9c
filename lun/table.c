/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * table.c - the LUNs, snapshots, exposures and users in memory.
 *
 * There is one way in: rows and items, as the catalogue and the log have
 * them.  Opening applies the rows, then replays records; a change made now is
 * appended to the log and then applied by the same code, so memory and replay
 * cannot differ.
 *
 * What is deleted stays here, marked with the seq of its record, until a
 * checkpoint has passed it: a checkpoint with an older cut still needs it.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lun/lun_int.h"
#include "meta/base/msg.h"
#include "meta/item.h"

/* ---- LUNs ------------------------------------------------------------- */

struct lun *
lun_ref(struct lun *l)
{

	atomic_fetch_add(&l->refs, 1);
	return (l);
}

void
lun_unref(struct lun *l)
{

	if (l == NULL || atomic_fetch_sub(&l->refs, 1) != 1)
		return;
	LIST_FOREACH_SAFE(it, nx, &l->snaps) {
		list_del(it);
		snap_unref(LIST_ENTRY(it, struct snap, link));
	}
	access_free(l);
	view_unref(l->cur);
	range_destroy(&l->ranges);
	lk_destroy(&l->lk);
	free(l);
}

static unsigned
log2_of(uint32_t v)
{

	return ((unsigned)__builtin_ctz(v));
}

static int
add_lun(struct lunset *ls, const struct lun_info *info)
{
	struct map_root hole = { .height = 0 };
	struct lun *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return (-ENOMEM);
	l->block_shift = log2_of(info->block_bytes);
	l->n_blk = info->size_bytes >> l->block_shift;
	l->height = hole.height = map_height(l->n_blk);
	if ((l->cur = view_new(hole, NULL, 0)) == NULL) {
		free(l);
		return (-ENOMEM);
	}
	atomic_init(&l->refs, 1);
	l->set = ls;
	l->info = *info;
	atomic_store(&l->write_through, info->write_through);
	list_init(&l->users);
	list_init(&l->initiators);
	list_init(&l->snaps);
	range_init(&l->ranges);
	lk_init(&l->lk, LK_LUN);
	list_add_tail(&ls->luns, &l->link);
	list_add_tail(&ls->hash[info->number % LUN_HASH], &l->hash);
	return (0);
}

static struct lun *
by_number(struct lunset *ls, uint64_t number)
{

	LIST_FOREACH(it, &ls->hash[number % LUN_HASH]) {
		struct lun *l = LIST_ENTRY(it, struct lun, hash);

		if (l->info.number == number)
			return (l);
	}
	return (NULL);
}

struct lun *
table_by_number(struct lunset *ls, uint64_t number)
{
	struct lun *l = by_number(ls, number);

	return (l == NULL || l->deleted_seq != 0 ? NULL : l);
}

struct lun *
table_by_name(struct lunset *ls, const char *name)
{

	LIST_FOREACH(it, &ls->luns) {
		struct lun *l = LIST_ENTRY(it, struct lun, link);

		if (l->deleted_seq == 0 && strcmp(l->info.name, name) == 0)
			return (l);
	}
	return (NULL);
}

void
table_forget(struct lunset *ls, struct lun *l)
{

	lk_lock(&ls->lk);
	list_del(&l->link);
	list_del(&l->hash);
	lk_unlock(&ls->lk);
	lun_unref(l);
}

/* ---- snapshots -------------------------------------------------------- */

struct snap *
snap_ref(struct snap *s)
{

	atomic_fetch_add(&s->refs, 1);
	return (s);
}

void
snap_unref(struct snap *s)
{

	if (s == NULL || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	view_retire(s->lun->set, s->view);
	free(s);
}

static struct snap *
snap_by_seq(struct lun *l, uint64_t seq)
{

	LIST_FOREACH(it, &l->snaps) {
		struct snap *s = LIST_ENTRY(it, struct snap, link);

		if (s->info.seq == seq)
			return (s);
	}
	return (NULL);
}

struct snap *
table_snap(struct lun *l, uint64_t seq)
{
	struct snap *s;

	lk_lock(&l->lk);
	s = snap_by_seq(l, seq);
	if (s != NULL && s->deleted_seq != 0)
		s = NULL;
	lk_unlock(&l->lk);
	return (s);
}

struct snap *
table_snap_by_name(struct lun *l, const char *name)
{
	struct snap *found = NULL;

	lk_lock(&l->lk);
	LIST_FOREACH(it, &l->snaps) {
		struct snap *s = LIST_ENTRY(it, struct snap, link);

		if (s->deleted_seq == 0 && strcmp(s->info.name, name) == 0)
			found = s;
	}
	lk_unlock(&l->lk);
	return (found);
}

static struct snap *
add_snap(struct lun *l, const struct snap_info *info, uint64_t gen)
{
	struct snap *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return (NULL);
	atomic_init(&s->refs, 1);
	s->lun = l;
	s->info = *info;
	s->gen = gen;
	lk_lock(&l->lk);
	list_add_tail(&l->snaps, &s->link);
	lk_unlock(&l->lk);
	return (s);
}

/* ---- rows ------------------------------------------------------------- */

static int
put_lun_row(struct lunset *ls, const uint8_t *key, size_t klen,
    const uint8_t *val, size_t vlen)
{
	struct lun_info info;
	struct lun *l;
	int rc;

	if ((rc = row_lun_dec(key, klen, val, vlen, &info)) != 0)
		return (rc);
	ls->next_lun = TT_MAX(ls->next_lun, info.number + 1);
	if ((l = by_number(ls, info.number)) == NULL)
		return (add_lun(ls, &info));
	/* What can change in place. */
	if (l->info.size_bytes != info.size_bytes ||
	    l->info.block_bytes != info.block_bytes)
		return (-EILSEQ);
	memcpy(l->info.name, info.name, sizeof(l->info.name));
	l->info.open = info.open;
	l->info.hold = info.hold;
	l->info.dedup = info.dedup;
	l->info.write_through = info.write_through;
	atomic_store(&l->write_through, info.write_through);
	l->info.held = info.held;
	return (0);
}

static int
put_snap_row(struct lunset *ls, const uint8_t *key, size_t klen,
    const uint8_t *val, size_t vlen)
{
	struct snap_info info;
	struct lun *l;
	int rc;

	if ((rc = row_snap_dec(key, klen, val, vlen, &info)) != 0)
		return (rc);
	if ((l = by_number(ls, info.lun)) == NULL)
		return (-EILSEQ);
	return (add_snap(l, &info, 0) == NULL ? -ENOMEM : 0);
}

/* A root of what is not there (any more) is harmless; the next delete of its
 * LUN takes it along. */
static int
put_root_row(struct lunset *ls, const uint8_t *key, size_t klen,
    const uint8_t *val, size_t vlen)
{
	struct map_root root;
	struct root_row row;
	struct view *v;
	struct snap *s;
	struct lun *l;
	int rc;

	if (klen != 16)
		return (-EILSEQ);
	if ((rc = root_row_dec(val, vlen, &row)) != 0)
		return (rc);
	if ((l = by_number(ls, get_be64(key))) == NULL)
		return (0);
	root = (struct map_root){ row.root, l->height };
	if ((v = view_new(root, NULL, 0)) == NULL)
		return (-ENOMEM);
	if (get_be64(key + 8) == STORE_HEAD) {
		view_unref(l->cur);
		l->cur = v;
		l->base_seq = row.base_seq;
	} else if ((s = snap_by_seq(l, get_be64(key + 8))) != NULL) {
		s->view = v;
		s->folded = true;
	} else {
		view_unref(v);
	}
	return (0);
}

static int
put_expose_row(struct lunset *ls, const uint8_t *key, size_t klen,
    const uint8_t *val, size_t vlen)
{
	struct exposure_info e;
	struct snap *s;
	struct lun *l;
	int rc;

	if ((rc = row_expose_dec(key, klen, val, vlen, &e)) != 0)
		return (rc);
	if ((l = by_number(ls, e.lun)) == NULL)
		return (-EILSEQ);
	/* The keeper takes deleted ones out of the list at any time. */
	lk_lock(&l->lk);
	if ((s = snap_by_seq(l, e.seq)) != NULL) {
		s->expose = e;
		s->info.exposed = true;
	}
	lk_unlock(&l->lk);
	return (s == NULL ? -EILSEQ : 0);
}

static int
put_access_row(struct lunset *ls, const uint8_t *key, size_t klen,
    const uint8_t *val, size_t vlen)
{
	struct lun *l = klen < 8 ? NULL : by_number(ls, get_be64(key));

	return (l == NULL ? -EILSEQ : access_put_row(l, key, klen, val, vlen));
}

static int
put_store_row(struct lunset *ls, const uint8_t *key, size_t klen,
    const uint8_t *val, size_t vlen)
{

	if (klen == strlen(NEXT_LUN_KEY) &&
	    memcmp(key, NEXT_LUN_KEY, klen) == 0) {
		if (vlen != 8)
			return (-EILSEQ);
		ls->next_lun = TT_MAX(ls->next_lun, get_be64(val));
	}
	if (klen == strlen(SCRUB_KEY) && memcmp(key, SCRUB_KEY, klen) == 0)
		return (scrub_row_put(ls->verifier, val, vlen));
	return (0);
}

static int
put_row(struct lunset *ls, enum cat_table tab, const uint8_t *key, size_t klen,
    const uint8_t *val, size_t vlen)
{

	switch (tab) {
	case CAT_STORE:
		return (put_store_row(ls, key, klen, val, vlen));
	case CAT_LUN:
		return (put_lun_row(ls, key, klen, val, vlen));
	case CAT_SNAP:
		return (put_snap_row(ls, key, klen, val, vlen));
	case CAT_ROOT:
		return (put_root_row(ls, key, klen, val, vlen));
	case CAT_EXPOSE:
		return (put_expose_row(ls, key, klen, val, vlen));
	case CAT_ACCESS:
		return (put_access_row(ls, key, klen, val, vlen));
	case CAT_SEGMENT:
	case CAT_MOVED:
	case CAT_DEDUP:
	case CAT_TABLES:
		break;
	}
	return (-EILSEQ);
}

int
table_row(void *arg, enum cat_table tab, const uint8_t *key, size_t klen,
    const uint8_t *val, size_t vlen)
{
	struct lunset *ls = arg;
	int rc;

	lk_lock(&ls->lk);
	rc = put_row(ls, tab, key, klen, val, vlen);
	lk_unlock(&ls->lk);
	return (rc);
}

/* ---- deletions -------------------------------------------------------- */

static void
del_snap(struct lun *l, uint64_t snap_seq, uint64_t seq)
{
	struct snap *s;

	lk_lock(&l->lk);
	if ((s = snap_by_seq(l, snap_seq)) != NULL && s->deleted_seq == 0)
		s->deleted_seq = seq;
	lk_unlock(&l->lk);
}

static void
del_expose(struct lun *l, uint64_t snap_seq)
{
	struct snap *s;

	lk_lock(&l->lk);
	if ((s = snap_by_seq(l, snap_seq)) != NULL)
		s->info.exposed = false;
	lk_unlock(&l->lk);
}

static int
del_row(struct lunset *ls, enum cat_table tab, const uint8_t *key, size_t klen,
    uint64_t seq)
{
	struct lun *l;

	if (klen < 8 || (l = by_number(ls, get_be64(key))) == NULL)
		return (0);
	if (tab == CAT_ACCESS)
		access_del_row(l, key, klen);
	if (klen != 16)
		return (0);
	if (tab == CAT_SNAP)
		del_snap(l, get_be64(key + 8), seq);
	if (tab == CAT_EXPOSE)
		del_expose(l, get_be64(key + 8));
	return (0);
}

static void
del_lun(struct lunset *ls, uint64_t number, uint64_t seq)
{
	struct lun *l = by_number(ls, number);

	if (l == NULL || l->deleted_seq != 0)
		return;
	lk_lock(&l->lk);
	l->deleted_seq = seq;
	lk_unlock(&l->lk);
}

/* ---- items ------------------------------------------------------------ */

static int
apply_row_item(struct lunset *ls, const struct item *it, uint64_t seq)
{
	struct rd r = rd_init(it->val, it->len);
	unsigned tab = rd_u8(&r);
	size_t klen = rd_be16(&r);
	const uint8_t *key = rd_bytes(&r, klen);

	if (r.bad || tab == 0 || tab >= CAT_TABLES)
		return (-EILSEQ);
	if (it->type == ITEM_ROW_DEL)
		return (del_row(ls, (enum cat_table)tab, key, klen, seq));
	return (put_row(ls, (enum cat_table)tab, key, klen, r.p, rd_left(&r)));
}

static int
apply_item(struct lunset *ls, const struct item *it, uint64_t seq)
{

	switch (it->type) {
	case ITEM_ROW_PUT:
	case ITEM_ROW_DEL:
		return (apply_row_item(ls, it, seq));
	case ITEM_LUN_DELETE:
		if (it->len != 8)
			return (-EILSEQ);
		del_lun(ls, get_be64(it->val), seq);
		return (0);
	default:
		return ((it->type & ITEM_MAY_IGNORE) != 0 ? 0 : -EILSEQ);
	}
}

int
table_apply(struct lunset *ls, uint64_t seq, const void *items, size_t len)
{
	struct rd r = rd_init(items, len);
	struct item it;
	int rc = 0;

	lk_lock(&ls->lk);
	while (rc == 0 && item_next(&r, &it))
		rc = apply_item(ls, &it, seq);
	lk_unlock(&ls->lk);
	return (rc == 0 && r.bad ? -EILSEQ : rc);
}

static int
apply_snap(struct lunset *ls, const struct item *it,
    const struct store_cut *cut)
{
	struct snap_info info;
	uint8_t key[16];
	struct lun *l;
	int rc;

	if (it->type != ITEM_SNAP)
		return ((it->type & ITEM_MAY_IGNORE) != 0 ? 0 : -EILSEQ);
	if (it->len < 8)
		return (-EILSEQ);
	row_snap_key(get_be64(it->val), cut->seq, key);
	rc = row_snap_dec(key, sizeof(key), it->val + 8, it->len - 8, &info);
	if (rc != 0)
		return (rc);
	if ((l = by_number(ls, info.lun)) == NULL)
		return (-EILSEQ);
	return (add_snap(l, &info, cut->gen) == NULL ? -ENOMEM : 0);
}

int
table_apply_snaps(struct lunset *ls, const struct store_cut *cut,
    const void *items, size_t len)
{
	struct rd r = rd_init(items, len);
	struct item it;
	int rc = 0;

	lk_lock(&ls->lk);
	while (rc == 0 && item_next(&r, &it))
		rc = apply_snap(ls, &it, cut);
	lk_unlock(&ls->lk);
	return (rc == 0 && r.bad ? -EILSEQ : rc);
}

int
table_check(struct lunset *ls)
{

	LIST_FOREACH(it, &ls->luns) {
		struct lun *l = LIST_ENTRY(it, struct lun, link);

		LIST_FOREACH(is, &l->snaps) {
			struct snap *s = LIST_ENTRY(is, struct snap, link);

			if (s->view != NULL || s->deleted_seq != 0 ||
			    l->deleted_seq != 0)
				continue;
			msg_err("snapshot %s@%s has no map: the catalogue is "
			    "damaged", l->info.name, s->info.name);
			if (!ls->salvage)
				return (-EUCLEAN);
			s->deleted_seq = s->info.seq;
			ls->damaged = true;
		}
	}
	return (0);
}
