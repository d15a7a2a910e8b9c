/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * access.c - who may enter a LUN: its users and the initiator names on its
 * list.  Rows of CAT_ACCESS in, copies out, and the changes of a person.
 *
 * Snapshots have no access of their own: who may enter a LUN may enter its
 * exposures.  Nothing is cached by anybody, so a change counts from the next
 * login on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lun/lun_int.h"
#include "meta/base/clock.h"

/* ---- rows ------------------------------------------------------------- */

static struct user *
user_of(struct lun *l, bool mutual, const char *name)
{

	LIST_FOREACH(it, &l->users) {
		struct user *u = LIST_ENTRY(it, struct user, link);

		if (u->u.mutual == mutual && strcmp(u->u.user, name) == 0)
			return (u);
	}
	return (NULL);
}

static struct initiator *
initiator_of(struct lun *l, const char *name)
{

	LIST_FOREACH(it, &l->initiators) {
		struct initiator *i = LIST_ENTRY(it, struct initiator, link);

		if (strcmp(i->name, name) == 0)
			return (i);
	}
	return (NULL);
}

/* In the order of their keys, so that it is the same after a restart. */
static struct list *
user_place(struct lun *l, const struct lun_user *lu)
{

	LIST_FOREACH(it, &l->users) {
		const struct lun_user *o = &LIST_ENTRY(it, struct user,
		    link)->u;

		if (o->mutual != lu->mutual ? o->mutual :
		    strcmp(o->user, lu->user) > 0)
			return (it);
	}
	return (&l->users);
}

static int
put_user(struct lun *l, const struct lun_user *lu)
{
	struct user *u = user_of(l, lu->mutual, lu->user);

	if (u == NULL) {
		if ((u = calloc(1, sizeof(*u))) == NULL)
			return (-ENOMEM);
		list_add_tail(user_place(l, lu), &u->link);
	}
	u->u = *lu;
	return (0);
}

static int
put_initiator(struct lun *l, const char *name)
{
	struct list *before = &l->initiators;
	struct initiator *i;

	if (initiator_of(l, name) != NULL)
		return (0);
	if ((i = calloc(1, sizeof(*i))) == NULL)
		return (-ENOMEM);
	memcpy(i->name, name, strlen(name) + 1);
	LIST_FOREACH(it, &l->initiators)
		if (strcmp(LIST_ENTRY(it, struct initiator, link)->name,
		    name) > 0) {
			before = it;
			break;
		}
	list_add_tail(before, &i->link);
	return (0);
}

int
access_put_row(struct lun *l, const uint8_t *key, size_t klen,
    const uint8_t *val, size_t vlen)
{
	char name[LUN_INITIATOR_CAP];
	struct lun_user u;
	uint64_t number;
	int rc;

	if (klen > 8 && key[8] == ACCESS_INITIATOR) {
		rc = row_initiator_dec(key, klen, val, vlen, &number, name);
		return (rc != 0 ? rc : put_initiator(l, name));
	}
	rc = row_user_dec(key, klen, val, vlen, &number, &u);
	return (rc != 0 ? rc : put_user(l, &u));
}

/* Is ${name} what stands in a key behind LUN and kind? */
static bool
is_key(const char *name, const uint8_t *key, size_t klen)
{

	return (strlen(name) == klen - 9 &&
	    memcmp(name, key + 9, klen - 9) == 0);
}

void
access_del_row(struct lun *l, const uint8_t *key, size_t klen)
{

	if (klen < 10)
		return;
	LIST_FOREACH_SAFE(it, nx, &l->users) {
		struct user *u = LIST_ENTRY(it, struct user, link);

		if (key[8] == (u->u.mutual ? ACCESS_MUTUAL : ACCESS_USER) &&
		    is_key(u->u.user, key, klen)) {
			list_del(it);
			free(u);
		}
	}
	LIST_FOREACH_SAFE(it, nx, &l->initiators) {
		struct initiator *i = LIST_ENTRY(it, struct initiator, link);

		if (key[8] == ACCESS_INITIATOR && is_key(i->name, key, klen)) {
			list_del(it);
			free(i);
		}
	}
}

void
access_free(struct lun *l)
{

	LIST_FOREACH_SAFE(it, nx, &l->users)
		free(LIST_ENTRY(it, struct user, link));
	LIST_FOREACH_SAFE(it, nx, &l->initiators)
		free(LIST_ENTRY(it, struct initiator, link));
}

/* ---- copies out -------------------------------------------------------- */

int
lunset_users(struct lunset *ls, uint64_t number, struct lun_user **out,
    size_t *out_n)
{
	struct lun_user *all;
	struct lun *l;
	size_t n = 0;
	int rc = -ENOENT;

	lk_lock(&ls->lk);
	if ((l = table_by_number(ls, number)) != NULL) {
		all = calloc(list_count(&l->users) + 1, sizeof(*all));
		rc = all == NULL ? -ENOMEM : 0;
		if (rc == 0) {
			LIST_FOREACH(it, &l->users)
				all[n++] = LIST_ENTRY(it, struct user,
				    link)->u;
			*out = all;
			*out_n = n;
		}
	}
	lk_unlock(&ls->lk);
	return (rc);
}

int
lunset_initiators(struct lunset *ls, uint64_t number,
    char (**out)[LUN_INITIATOR_CAP], size_t *out_n)
{
	char (*all)[LUN_INITIATOR_CAP];
	struct lun *l;
	size_t n = 0;
	int rc = -ENOENT;

	lk_lock(&ls->lk);
	if ((l = table_by_number(ls, number)) != NULL) {
		all = calloc(list_count(&l->initiators) + 1, sizeof(*all));
		rc = all == NULL ? -ENOMEM : 0;
		if (rc == 0) {
			LIST_FOREACH(it, &l->initiators)
				memcpy(all[n++], LIST_ENTRY(it,
				    struct initiator, link)->name,
				    sizeof(*all));
			*out = all;
			*out_n = n;
		}
	}
	lk_unlock(&ls->lk);
	return (rc);
}

int
lunset_may_enter(struct lunset *ls, uint64_t number, const char *initiator)
{
	struct lun *l;
	int rc = 0;

	lk_lock(&ls->lk);
	if ((l = table_by_number(ls, number)) == NULL)
		rc = -ENOENT;
	else if (!list_empty(&l->initiators) &&
	    initiator_of(l, initiator) == NULL)
		rc = -EACCES;
	lk_unlock(&ls->lk);
	return (rc);
}

/* ---- changes ----------------------------------------------------------- */

/* With the admin lock held, which keeps what is found as it is. */
static int
find_locked(struct lunset *ls, const char *lun, const char *user, bool mutual,
    uint64_t *number, bool *has)
{
	struct lun *l;

	lk_lock(&ls->lk);
	if ((l = table_by_name(ls, lun)) != NULL) {
		*number = l->info.number;
		*has = user != NULL && user_of(l, mutual, user) != NULL;
	}
	lk_unlock(&ls->lk);
	return (l == NULL ? -ENOENT : 0);
}

static int
user_add_locked(struct lunset *ls, const char *lun, const struct lun_user *u)
{
	struct manage c;
	struct row row;
	uint64_t number;
	bool has;
	int rc;

	if ((rc = find_locked(ls, lun, u->user, u->mutual, &number,
	    &has)) != 0)
		return (rc);
	if (has)
		return (-EEXIST);
	if ((rc = row_user_enc(number, u, &row)) != 0 ||
	    (rc = manage_begin(ls, REC_CATALOG, &c)) != 0)
		return (rc);
	row_put_item(&c.w, &row);
	return (manage_end(&c));
}

int
lunset_user_add(struct lunset *ls, const char *lun, const struct lun_user *u)
{
	int rc;

	lk_lock(&ls->admin_lk);
	rc = user_add_locked(ls, lun, u);
	lk_unlock(&ls->admin_lk);
	return (rc);
}

static int
user_remove_locked(struct lunset *ls, const char *lun, const char *user,
    bool mutual)
{
	uint8_t key[9 + LUN_USER_MAX];
	size_t len = strlen(user);
	struct manage c;
	uint64_t number;
	bool has;
	int rc;

	if ((rc = find_locked(ls, lun, user, mutual, &number, &has)) != 0)
		return (rc);
	if (!has)
		return (-ENOENT);
	put_be64(key, number);
	key[8] = mutual ? ACCESS_MUTUAL : ACCESS_USER;
	memcpy(key + 9, user, len);
	if ((rc = manage_begin(ls, REC_CATALOG, &c)) != 0)
		return (rc);
	row_del_item(&c.w, CAT_ACCESS, key, 9 + len);
	return (manage_end(&c));
}

int
lunset_user_remove(struct lunset *ls, const char *lun, const char *user,
    bool mutual)
{
	int rc;

	lk_lock(&ls->admin_lk);
	rc = user_remove_locked(ls, lun, user, mutual);
	lk_unlock(&ls->admin_lk);
	return (rc);
}

static int
put_names(struct manage *c, uint64_t number, bool may,
    const char *const *names, size_t n)
{
	const uint64_t now = clock_utc_ns();
	struct row row;
	int rc;

	for (size_t i = 0; i < n; i++) {
		if ((rc = row_initiator_enc(number, names[i], now, &row)) != 0)
			return (rc);
		if (may)
			row_put_item(&c->w, &row);
		else
			row_del_item(&c->w, CAT_ACCESS, row.key, row.klen);
	}
	return (0);
}

static int
set_names(struct lunset *ls, const char *lun, bool may,
    const char *const *names, size_t n)
{
	struct manage c;
	uint64_t number;
	bool has;
	int rc;

	lk_lock(&ls->admin_lk);
	rc = find_locked(ls, lun, NULL, false, &number, &has);
	if (rc == 0 && n > 0 &&
	    (rc = manage_begin(ls, REC_CATALOG, &c)) == 0) {
		if ((rc = put_names(&c, number, may, names, n)) == 0)
			rc = manage_end(&c);
		else
			manage_drop(&c);
	}
	lk_unlock(&ls->admin_lk);
	return (rc);
}

int
lunset_allow(struct lunset *ls, const char *lun, const char *const *names,
    size_t n)
{

	return (set_names(ls, lun, true, names, n));
}

int
lunset_deny(struct lunset *ls, const char *lun, const char *const *names,
    size_t n)
{

	return (set_names(ls, lun, false, names, n));
}
