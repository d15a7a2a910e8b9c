/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * manage.c - changes that a person makes: LUNs, snapshots, exposures (who may
 * enter: access.c).
 *
 * Each is: look under the admin lock whether it may be, make one record of
 * its items, append it (store_change), and apply the same items to memory in
 * the moment in which they are in the log.  Crash: the record is there and the
 * change with it, or neither.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lun/lun_int.h"
#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "meta/base/rnd.h"
#include "meta/item.h"

#define CHANGE_BYTES (256u << 10)

int
manage_begin(struct lunset *ls, enum rec_kind kind, struct manage *c)
{

	c->ls = ls;
	c->kind = kind;
	c->rc = 0;
	if ((c->buf = malloc(CHANGE_BYTES)) == NULL)
		return (-ENOMEM);
	c->w = wr_init(c->buf, CHANGE_BYTES);
	return (0);
}

void
manage_drop(struct manage *c)
{

	free(c->buf);
	c->buf = NULL;
}

/*
 * The record is in the log.  If it cannot be applied now, memory and log say
 * different things; then nothing more may be written until the next opening
 * has read the log.
 */
static void
change_logged(void *arg, const struct store_cut *cut)
{
	struct manage *c = arg;
	size_t len = (size_t)(c->w.p - c->buf);

	c->cut = *cut;
	if (c->kind == REC_SNAPSHOT)
		c->rc = table_apply_snaps(c->ls, cut, c->buf, len);
	else
		c->rc = table_apply(c->ls, cut->seq, c->buf, len);
}

int
manage_end(struct manage *c)
{
	int rc;

	if (c->w.bad) {
		free(c->buf);
		return (-E2BIG);
	}
	rc = store_change(c->ls->store, c->kind, c->buf,
	    (size_t)(c->w.p - c->buf), change_logged, c);
	free(c->buf);
	if (c->rc != 0) {
		msg_err("a change is in the log and could not be applied (%d): "
		    "the store is read-only until it is opened again", c->rc);
		log_fail(c->ls->log, -EIO);
		rc = c->rc;
	}
	return (rc);
}

static void
new_identity(struct lun_identity *id)
{
	static const char chars[] = "0123456789abcdefghijklmnopqrstuv";
	uint8_t r[20];

	rnd_uuid(id->uuid);
	/* NAA 3h: locally assigned, 60 bits of our own choice. */
	rnd_bytes(id->naa, sizeof(id->naa));
	id->naa[0] = (uint8_t)(0x30 | (id->naa[0] & 0x0f));
	rnd_bytes(r, sizeof(r));
	for (unsigned i = 0; i < sizeof(r); i++)
		id->serial[i] = chars[r[i] & 31];
	id->serial[sizeof(r)] = '\0';
}

/* ---- LUNs ------------------------------------------------------------- */

static bool
params_ok(const struct lun_params *p)
{
	uint32_t b = p->block_bytes, s = p->sector_bytes;

	return (lun_name_ok(p->name) &&
	    b >= 1u << BLOCK_SHIFT_MIN && b <= 1u << BLOCK_SHIFT_MAX &&
	    (b & (b - 1)) == 0 && (s == 512 || s == 4096) &&
	    p->size_bytes > 0 && p->size_bytes <= LUN_SIZE_MAX &&
	    p->size_bytes % b == 0);
}

static int
put_create(struct manage *c, const struct lun_params *p,
    const struct lun_info *info)
{
	struct row row = { .tab = CAT_STORE, .klen = strlen(NEXT_LUN_KEY),
	    .vlen = 8 };
	int rc;

	memcpy(row.key, NEXT_LUN_KEY, row.klen);
	put_be64(row.val, info->number + 1);
	row_put_item(&c->w, &row);
	row_lun_enc(info, &row);
	row_put_item(&c->w, &row);
	for (size_t i = 0; i < p->n_users; i++) {
		rc = row_user_enc(info->number, &p->users[i], &row);
		if (rc != 0)
			return (rc);
		row_put_item(&c->w, &row);
	}
	return (0);
}

static int
create_locked(struct lunset *ls, const struct lun_params *p,
    struct lun_info *info)
{
	struct manage c;
	bool taken;
	int rc;

	lk_lock(&ls->lk);
	taken = table_by_name(ls, p->name) != NULL;
	info->number = ls->next_lun;
	lk_unlock(&ls->lk);
	if (taken)
		return (-EEXIST);
	if ((rc = manage_begin(ls, REC_CATALOG, &c)) != 0)
		return (rc);
	if ((rc = put_create(&c, p, info)) != 0) {
		manage_drop(&c);
		return (rc);
	}
	return (manage_end(&c));
}

int
lunset_create(struct lunset *ls, const struct lun_params *p,
    struct lun_info *out)
{
	struct lun_info info = {
		.size_bytes = p->size_bytes,
		.block_bytes = p->block_bytes,
		.sector_bytes = p->sector_bytes,
		.created_ns = clock_utc_ns(),
		.open = p->open,
		.hold = p->hold,
		.dedup = !p->no_dedup,
		.write_through = p->write_through,
	};
	int rc;

	if (!params_ok(p))
		return (-EINVAL);
	(void)snprintf(info.name, sizeof(info.name), "%s", p->name);
	new_identity(&info.identity);
	lk_lock(&ls->admin_lk);
	rc = create_locked(ls, p, &info);
	lk_unlock(&ls->admin_lk);
	if (rc == 0)
		*out = info;
	return (rc);
}

/* Why a LUN cannot be deleted, or 0. */
static int
may_delete_locked(struct lun *l, bool with_snaps)
{
	int rc = l->n_devs > 0 ? -EBUSY : 0;

	lk_lock(&l->lk);
	LIST_FOREACH(it, &l->snaps)
		if (LIST_ENTRY(it, struct snap, link)->deleted_seq == 0 &&
		    !with_snaps && rc == 0)
			rc = -ENOTEMPTY;
	lk_unlock(&l->lk);
	return (rc);
}

/*
 * From the check that nobody has it open until the record is in the log,
 * nobody may open it: a write acknowledged in between would be lost.
 */
static int
delete_locked(struct lunset *ls, const char *name, bool with_snaps)
{
	struct manage c;
	uint8_t number[8];
	struct lun *l;
	int rc = -ENOENT;

	lk_lock(&ls->lk);
	if ((l = table_by_name(ls, name)) != NULL) {
		rc = may_delete_locked(l, with_snaps);
		put_be64(number, l->info.number);
		l->closing = rc == 0;
		(void)lun_ref(l);
	}
	lk_unlock(&ls->lk);
	if (rc == 0 && (rc = manage_begin(ls, REC_CATALOG, &c)) == 0) {
		item_put(&c.w, ITEM_LUN_DELETE, number, sizeof(number));
		rc = manage_end(&c);
	}
	if (l != NULL) {
		lk_lock(&ls->lk);
		l->closing = false;
		lk_unlock(&ls->lk);
		lun_unref(l);
	}
	return (rc);
}

int
lunset_delete(struct lunset *ls, const char *name, bool with_snaps)
{
	int rc;

	lk_lock(&ls->admin_lk);
	rc = delete_locked(ls, name, with_snaps);
	lk_unlock(&ls->admin_lk);
	return (rc);
}

/* ---- snapshots -------------------------------------------------------- */

static void
name_by_time(char dst[static LUN_NAME_MAX + 1], uint64_t ns)
{
	time_t s = (time_t)(ns / 1000000000u);
	char text[32] = "";
	struct tm tm;

	if (gmtime_r(&s, &tm) != NULL)
		(void)strftime(text, sizeof(text), "%Y%m%d-%H%M%S", &tm);
	(void)snprintf(dst, LUN_NAME_MAX + 1, "%s.%06u", text,
	    (unsigned)(ns % 1000000000u / 1000));
}

/*
 * Many snapshots between two checkpoints would make each look-up pass many
 * overlays: then a checkpoint comes first.  Its failure is no reason to
 * refuse: the snapshot is right without it.
 */
static void
limit_overlays(struct lunset *ls, uint64_t number)
{
	struct lun *l;
	unsigned n = 0;

	lk_lock(&ls->lk);
	if ((l = table_by_number(ls, number)) != NULL) {
		lk_lock(&l->lk);
		n = l->cur->n;
		lk_unlock(&l->lk);
	}
	lk_unlock(&ls->lk);
	if (n >= LUN_OVERLAYS_MAX)
		(void)store_checkpoint(ls->store);
}

static int
snapshot_locked(struct lunset *ls, uint64_t number, struct snap_info *info)
{
	struct manage c;
	struct snap *s;
	struct lun *l;
	uint8_t *mark;
	int rc;

	info->lun = number;
	if ((rc = manage_begin(ls, REC_SNAPSHOT, &c)) != 0)
		return (rc);
	mark = item_begin(&c.w, ITEM_SNAP);
	wr_be64(&c.w, number);
	row_snap_val(info, &c.w);
	item_end(&c.w, mark);
	if ((rc = manage_end(&c)) != 0)
		return (rc);
	info->seq = c.cut.seq;
	/* Batches before the cut may still be on their way into the overlay. */
	log_drain(ls->log, c.cut.gen);
	lk_lock(&ls->lk);
	l = table_by_number(ls, number);
	s = l == NULL ? NULL : table_snap(l, info->seq);
	rc = s == NULL ? -ENOENT : view_settle(s);
	lk_unlock(&ls->lk);
	return (rc);
}

static int
find_for_snapshot(struct lunset *ls, const char *lun, const char *name,
    uint64_t *number)
{
	struct lun *l;
	int rc = 0;

	lk_lock(&ls->lk);
	if ((l = table_by_name(ls, lun)) == NULL)
		rc = -ENOENT;
	else if (table_snap_by_name(l, name) != NULL)
		rc = -EEXIST;
	else
		*number = l->info.number;
	lk_unlock(&ls->lk);
	return (rc);
}

int
lunset_snapshot(struct lunset *ls, const char *lun, const char *name,
    struct snap_info *out)
{
	struct snap_info info = { .time_ns = clock_utc_ns() };
	uint64_t number;
	int rc;

	if (name == NULL)
		name_by_time(info.name, info.time_ns);
	else if (!lun_snap_name_ok(name))
		return (-EINVAL);
	else
		(void)snprintf(info.name, sizeof(info.name), "%s", name);
	lk_lock(&ls->admin_lk);
	if ((rc = find_for_snapshot(ls, lun, info.name, &number)) == 0) {
		limit_overlays(ls, number);
		rc = snapshot_locked(ls, number, &info);
	}
	lk_unlock(&ls->admin_lk);
	if (rc == 0)
		*out = info;
	return (rc);
}

/* A live snapshot by names; with set lk held. */
static int
find_snap_locked(struct lunset *ls, const char *lun, const char *name,
    struct snap **out)
{
	struct lun *l = table_by_name(ls, lun);

	if (l == NULL || (*out = table_snap_by_name(l, name)) == NULL)
		return (-ENOENT);
	return (0);
}

/* As for a LUN: ${s} stays closed until its record is in the log. */
static void
snap_reopen(struct lunset *ls, struct snap *s)
{

	lk_lock(&ls->lk);
	s->closing = false;
	lk_unlock(&ls->lk);
	snap_unref(s);
}

static int
snap_delete_locked(struct lunset *ls, const char *lun, const char *name)
{
	struct manage c;
	struct snap *s;
	uint8_t key[16];
	int rc;

	lk_lock(&ls->lk);
	if ((rc = find_snap_locked(ls, lun, name, &s)) == 0 &&
	    (s->info.exposed || s->n_devs > 0))
		rc = -EBUSY;
	if (rc == 0) {
		row_snap_key(s->info.lun, s->info.seq, key);
		s->closing = true;
		(void)snap_ref(s);
	}
	lk_unlock(&ls->lk);
	if (rc != 0)
		return (rc);
	if ((rc = manage_begin(ls, REC_CATALOG, &c)) == 0) {
		row_del_item(&c.w, CAT_SNAP, key, sizeof(key));
		row_del_item(&c.w, CAT_ROOT, key, sizeof(key));
		rc = manage_end(&c);
	}
	snap_reopen(ls, s);
	return (rc);
}

int
lunset_snap_delete(struct lunset *ls, const char *lun, const char *name)
{
	int rc;

	lk_lock(&ls->admin_lk);
	rc = snap_delete_locked(ls, lun, name);
	lk_unlock(&ls->admin_lk);
	return (rc);
}

/* ---- exposures -------------------------------------------------------- */

static int
expose_locked(struct lunset *ls, const char *lun, const char *snap,
    struct exposure_info *out)
{
	struct exposure_info e;
	struct manage c;
	struct snap *s;
	struct row row;
	int rc;

	lk_lock(&ls->lk);
	if ((rc = find_snap_locked(ls, lun, snap, &s)) == 0) {
		exposure_fill(s, &e);
		if (s->info.exposed) {
			*out = e;
			rc = -EEXIST;
		}
	}
	lk_unlock(&ls->lk);
	if (rc != 0 || (rc = manage_begin(ls, REC_CATALOG, &c)) != 0)
		return (rc);
	new_identity(&e.identity);
	e.created_ns = clock_utc_ns();
	row_expose_enc(&e, &row);
	row_put_item(&c.w, &row);
	if ((rc = manage_end(&c)) == 0)
		*out = e;
	return (rc);
}

int
lunset_expose(struct lunset *ls, const char *lun, const char *snap,
    struct exposure_info *out)
{
	int rc;

	lk_lock(&ls->admin_lk);
	rc = expose_locked(ls, lun, snap, out);
	lk_unlock(&ls->admin_lk);
	return (rc);
}

static int
unexpose_locked(struct lunset *ls, const char *lun, const char *snap)
{
	struct manage c;
	struct snap *s;
	uint8_t key[16];
	int rc;

	lk_lock(&ls->lk);
	if ((rc = find_snap_locked(ls, lun, snap, &s)) == 0 &&
	    !s->info.exposed)
		rc = -ENOENT;
	else if (rc == 0 && s->n_devs > 0)
		rc = -EBUSY;
	if (rc == 0) {
		row_snap_key(s->info.lun, s->info.seq, key);
		s->closing = true;
		(void)snap_ref(s);
	}
	lk_unlock(&ls->lk);
	if (rc != 0)
		return (rc);
	if ((rc = manage_begin(ls, REC_CATALOG, &c)) == 0) {
		row_del_item(&c.w, CAT_EXPOSE, key, sizeof(key));
		rc = manage_end(&c);
	}
	snap_reopen(ls, s);
	return (rc);
}

int
lunset_unexpose(struct lunset *ls, const char *lun, const char *snap)
{
	int rc;

	lk_lock(&ls->admin_lk);
	rc = unexpose_locked(ls, lun, snap);
	lk_unlock(&ls->admin_lk);
	return (rc);
}
