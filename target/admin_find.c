/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/admin_find.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/msg.h"

const char *
admin_find_shown(char dst[static ADMIN_SHOWN_LEN], const char *name)
{

	return (msg_safe(dst, ADMIN_SHOWN_LEN, name, strlen(name)));
}

int
admin_find_lun(struct daemon *d, const char *name, const char *what,
    struct admin_reply *reply, struct lun_info *out)
{
	char shown[ADMIN_SHOWN_LEN];
	int rc = lunset_find(d->lunset, name, out);

	if (rc == -ENOENT)
		admin_msg_error(reply, ADMIN_NOT_FOUND, "%s\nthere is no LUN "
		    "%s\nsee which there are: tt-admin list", what,
		    admin_find_shown(shown, name));
	else if (rc != 0)
		admin_msg_errno(reply, rc, "%s", what);
	return (rc);
}

int
admin_find_snap(struct daemon *d, const struct lun_info *lun,
    const char *name, const char *what, struct admin_reply *reply,
    struct snap_info *out)
{
	struct snap_info *all = NULL;
	char shown[ADMIN_SHOWN_LEN];
	size_t n = 0, i;
	int rc;

	if ((rc = lunset_snaps(d->lunset, lun->name, &all, &n)) != 0) {
		admin_msg_errno(reply, rc, "%s", what);
		return (rc);
	}
	for (i = 0; i < n; i++)
		if (strcmp(all[i].name, name) == 0)
			break;
	if (i < n)
		*out = all[i];
	free(all);
	if (i < n)
		return (0);
	admin_msg_error(reply, ADMIN_NOT_FOUND, "%s\n%s has no snapshot %s\n"
	    "see which there are: tt-admin list %s", what, lun->name,
	    admin_find_shown(shown, name), lun->name);
	return (-ENOENT);
}

int
admin_find_exposure(struct daemon *d, const struct snap_info *s,
    struct exposure_info *out)
{
	struct exposure_info *all = NULL;
	size_t n = 0, i;
	int rc;

	if ((rc = lunset_exposures(d->lunset, &all, &n)) != 0)
		return (rc);
	for (i = 0; i < n; i++)
		if (all[i].lun == s->lun && all[i].seq == s->seq)
			break;
	if (i < n)
		*out = all[i];
	else
		rc = -ENOENT;
	free(all);
	return (rc);
}

int
admin_find_writable(struct daemon *d, const char *what,
    struct admin_reply *reply)
{
	struct lunset_status st;

	lunset_status(d->lunset, &st);
	if (st.failed == 0)
		return (0);
	admin_msg_errno(reply, -EROFS, "%s", what);
	return (-EROFS);
}

void
admin_find_iqn(struct daemon *d, const char *lun, const char *snap,
    char dst[static REGISTRY_IQN_CAP])
{

	if (registry_iqn(d->registry, lun, snap, dst) != 0)
		dst[0] = '\0';
}

#define BUSY_NAMED 3	/* sessions named in an error */

void
admin_find_busy(struct daemon *d, const char *iqn, const char *name,
    const char *what, struct admin_reply *reply)
{
	struct registry_session *all = NULL;
	char who[ADMIN_TEXT_LEN], a[ADMIN_SHOWN_LEN], b[ADMIN_SHOWN_LEN];
	size_t n = 0, in = 0, len = 0;

	if (registry_sessions(d->registry, &all, &n) != 0)
		n = 0;
	who[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		if (all[i].discovery || strcmp(all[i].iqn, iqn) != 0)
			continue;
		if (in++ < BUSY_NAMED)
			len += (size_t)snprintf(who + len, sizeof(who) - len,
			    "%s%s from %s", in == 1 ? "" : ", ",
			    admin_find_shown(a, all[i].initiator),
			    admin_find_shown(b, all[i].address));
	}
	free(all);
	if (in == 0)
		admin_msg_error(reply, ADMIN_BUSY, "%s\nsomebody is just "
		    "logging in to %s\ntry again in a moment", what, name);
	else
		admin_msg_error(reply, ADMIN_BUSY, "%s\n%zu session%s %s "
		    "logged in to %s: %s%s\nlog out there, then try again; or "
		    "give --force", what, in, in == 1 ? "" : "s", in == 1 ?
		    "is" : "are", name, who, in > BUSY_NAMED ? " and more" :
		    "");
}

json_t *
admin_find_portals(struct daemon *d, bool bound)
{
	const struct registry_portal *p;
	json_t *list = json_array();
	size_t n;

	p = registry_portals(d->registry, &n);
	for (size_t i = 0; i < n; i++)
		if (bound ? p[i].is_bound : p[i].is_told)
			(void)json_array_append_new(list, admin_json_portal(
			    p[i].address, p[i].port, p[i].tag));
	return (list);
}

json_t *
admin_find_initiators(struct daemon *d, uint64_t lun)
{
	char (*names)[LUN_INITIATOR_CAP] = NULL;
	json_t *list = json_array();
	size_t n = 0;

	if (lunset_initiators(d->lunset, lun, &names, &n) != 0)
		return (list);
	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(list, json_string(names[i]));
	free(names);
	return (list);
}

/* Who may enter LUN ${number}; secrets stay sealed. */
static void
put_access(struct daemon *d, json_t *obj, uint64_t number)
{
	struct lun_user *users = NULL;
	size_t n = 0;

	if (lunset_users(d->lunset, number, &users, &n) == 0)
		admin_json_users(obj, users, n);
	free(users);
	(void)json_object_set_new(obj, "initiators",
	    admin_find_initiators(d, number));
	/* Whose name a server has to give before it is told of anything. */
	if (d->conf->discovery_user != NULL)
		admin_json_str(obj, "discovery_user",
		    d->conf->discovery_user);
}

void
admin_find_put_lun(struct daemon *d, json_t *obj, const struct lun_info *l)
{
	char iqn[REGISTRY_IQN_CAP];
	struct admin_disk disk;
	json_t *portals = admin_find_portals(d, false);

	admin_find_iqn(d, l->name, NULL, iqn);
	admin_json_of_lun(&disk, l, iqn, registry_sessions_of(d->registry,
	    l->number, LUN_HEAD));
	admin_json_disk(obj, &disk, portals);
	json_decref(portals);
	admin_json_power(obj, l);
	admin_json_bool(obj, "dedup", l->dedup);
	admin_json_bool(obj, "cache", !l->write_through);
	put_access(d, obj, l->number);
}

void
admin_find_put_exposure(struct daemon *d, json_t *obj,
    const struct exposure_info *x)
{
	char iqn[REGISTRY_IQN_CAP];
	struct admin_disk disk;
	json_t *portals = admin_find_portals(d, false);

	admin_find_iqn(d, x->lun_name, x->snap_name, iqn);
	admin_json_of_exposure(&disk, x, iqn, registry_sessions_of(d->registry,
	    x->lun, x->seq));
	admin_json_disk(obj, &disk, portals);
	json_decref(portals);
	put_access(d, obj, x->lun);
}
