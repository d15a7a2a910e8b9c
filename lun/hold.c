/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hold.c - LUNs that are not to be used after a loss of power before a person
 * has said so.
 *
 * That power was lost is known to the store until it is told that it may
 * forget it: the same record that marks the LUNs deletes the row by which it
 * remembers, so a crash in between marks them again.  The checkpoint behind
 * it makes the deletion count for the next opening.
 */
#include <errno.h>
#include <string.h>

#include "lun/lun_int.h"
#include "meta/base/msg.h"

static void
put_row(struct manage *c, const struct lun_info *info)
{
	struct row row;

	row_lun_enc(info, &row);
	row_put_item(&c->w, &row);
}

/* Marks of LUNs and the end of the store's memory of it, in one record. */
static int
record_locked(struct lunset *ls)
{
	struct manage c;
	int rc;

	if ((rc = manage_begin(ls, REC_CATALOG, &c)) != 0)
		return (rc);
	lk_lock(&ls->lk);
	LIST_FOREACH(it, &ls->luns) {
		struct lun *l = LIST_ENTRY(it, struct lun, link);

		if (l->deleted_seq == 0 && l->info.held)
			put_row(&c, &l->info);
	}
	lk_unlock(&ls->lk);
	row_del_item(&c.w, CAT_STORE, STORE_POWER_ROW,
	    strlen(STORE_POWER_ROW));
	return (manage_end(&c));
}

static void
mark(struct lunset *ls)
{

	lk_lock(&ls->lk);
	LIST_FOREACH(it, &ls->luns) {
		struct lun *l = LIST_ENTRY(it, struct lun, link);

		if (l->deleted_seq != 0 || !l->info.hold)
			continue;
		l->info.held = true;
		msg_warn("LUN %s is held until somebody has looked: tt-admin "
		    "online %s", l->info.name, l->info.name);
	}
	lk_unlock(&ls->lk);
}

void
hold_after_power_loss(struct lunset *ls)
{
	struct store_power power;
	int rc;

	store_power(ls->store, &power);
	if (!power.lost)
		return;
	/* First in memory: a store that is full must still be readable. */
	mark(ls);
	lk_lock(&ls->admin_lk);
	rc = record_locked(ls);
	lk_unlock(&ls->admin_lk);
	if (rc == 0)
		rc = store_checkpoint(ls->store);
	if (rc != 0)
		msg_warn("that LUNs are held is not recorded: %s; the next "
		    "start finds the loss of power again", strerror(-rc));
}
