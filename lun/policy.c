/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * policy.c - what an administrator may change of a LUN at any time: attributes
 * of its row that have no effect on what it contains.
 */
#include <errno.h>

#include "lun/lun_int.h"

/* One LUN's row; with the admin lock held. */
static int
change_locked(struct lunset *ls, const struct lun_info *info)
{
	struct manage c;
	struct row row;
	int rc;

	if ((rc = manage_begin(ls, REC_CATALOG, &c)) != 0)
		return (rc);
	row_lun_enc(info, &row);
	row_put_item(&c.w, &row);
	return (manage_end(&c));
}

/* What ${fn} changes; it returns false when there is nothing to change. */
static int
change(struct lunset *ls, const char *lun,
    bool (*fn)(struct lun_info *info, bool on), bool on)
{
	struct lun_info info;
	struct lun *l;
	int rc = 0;

	lk_lock(&ls->admin_lk);
	lk_lock(&ls->lk);
	if ((l = table_by_name(ls, lun)) != NULL)
		info = l->info;
	lk_unlock(&ls->lk);
	if (l == NULL)
		rc = -ENOENT;
	else if (fn(&info, on))
		rc = change_locked(ls, &info);
	lk_unlock(&ls->admin_lk);
	return (rc);
}

static bool
put_hold(struct lun_info *info, bool on)
{
	bool differs = info->hold != on;

	info->hold = on;
	return (differs);
}

static bool
put_held(struct lun_info *info, bool on)
{
	bool differs = info->held != on;

	info->held = on;
	return (differs);
}

static bool
put_dedup(struct lun_info *info, bool on)
{
	bool differs = info->dedup != on;

	info->dedup = on;
	return (differs);
}

static bool
put_write_through(struct lun_info *info, bool on)
{
	bool differs = info->write_through != on;

	info->write_through = on;
	return (differs);
}

int
lunset_set_hold(struct lunset *ls, const char *lun, bool hold)
{

	return (change(ls, lun, put_hold, hold));
}

int
lunset_online(struct lunset *ls, const char *lun)
{

	return (change(ls, lun, put_held, false));
}

int
lunset_set_dedup(struct lunset *ls, const char *lun, bool on)
{

	return (change(ls, lun, put_dedup, on));
}

/*
 * All that was acknowledged before the record is durable with it.  A write that
 * came between the record and its effect may have been answered without waiting
 * for anything: so there is one more sync behind the effect.
 */
int
lunset_set_write_through(struct lunset *ls, const char *lun, bool on)
{
	struct log_state now;
	int rc = change(ls, lun, put_write_through, on);

	if (rc != 0 || !on)
		return (rc);
	log_state(ls->log, &now);
	return (log_sync(ls->log, now.end_pos));
}
