/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * delete: first the targets are taken out, so that nobody can enter any more
 * (which is also the real check whether somebody is in), then the store is
 * changed.  When one of the two fails, the targets are put back.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/msg.h"
#include "target/admin_find.h"
#include "target/admin_verbs.h"

#define WHAT_LEN	(2 * ADMIN_SHOWN_LEN + 32)

struct options {
	bool with_snaps, force, dry_run;
};

/* What hangs on a LUN. */
struct family {
	struct lun_info lun;
	struct snap_info *snaps;
	size_t n_snaps;
	struct exposure_info *exposures;	/* only of this LUN */
	size_t n_exposures;
};

static void
family_free(struct family *f)
{

	free(f->snaps);
	free(f->exposures);
}

static int
family_load(struct daemon *d, const struct lun_info *lun, struct family *f)
{
	size_t n = 0;
	int rc;

	memset(f, 0, sizeof(*f));
	f->lun = *lun;
	if ((rc = lunset_snaps(d->lunset, lun->name, &f->snaps,
	    &f->n_snaps)) != 0 ||
	    (rc = lunset_exposures(d->lunset, &f->exposures, &n)) != 0) {
		family_free(f);
		return (rc);
	}
	for (size_t i = 0; i < n; i++)
		if (f->exposures[i].lun == lun->number)
			f->exposures[f->n_exposures++] = f->exposures[i];
	return (0);
}

/* Names the sessions of the LUN, or of its exposure ${x}. */
static int
busy(struct daemon *d, const struct family *f, const struct exposure_info *x,
    const char *what, struct admin_reply *reply)
{
	char iqn[REGISTRY_IQN_CAP], name[2 * LUN_NAME_MAX + 2];

	admin_find_iqn(d, f->lun.name, x == NULL ? NULL : x->snap_name, iqn);
	(void)snprintf(name, sizeof(name), "%s%s%s", f->lun.name, x == NULL ?
	    "" : "@", x == NULL ? "" : x->snap_name);
	admin_find_busy(d, iqn, name, what, reply);
	return (-EBUSY);
}

/* What can be seen before anything is touched. */
static int
check_family(struct daemon *d, const struct family *f, const struct options *o,
    const char *what, struct admin_reply *reply)
{

	if (f->n_snaps > 0 && !o->with_snaps) {
		admin_msg_error(reply, ADMIN_NOT_EMPTY, "%s\nit has %zu "
		    "snapshot%s\ndelete %s too: tt-admin delete %s "
		    "--with-snapshots", what, f->n_snaps, f->n_snaps == 1 ?
		    "" : "s", f->n_snaps == 1 ? "it" : "them", f->lun.name);
		return (-ENOTEMPTY);
	}
	if (o->force)
		return (0);
	if (registry_sessions_of(d->registry, f->lun.number, LUN_HEAD) > 0)
		return (busy(d, f, NULL, what, reply));
	for (size_t i = 0; i < f->n_exposures; i++)
		if (registry_sessions_of(d->registry, f->lun.number,
		    f->exposures[i].seq) > 0)
			return (busy(d, f, &f->exposures[i], what, reply));
	return (0);
}

/* Serve again what was taken out: the LUN and the first ${n} exposures. */
static void
put_back(struct daemon *d, const struct family *f, size_t n)
{
	int rc;

	if ((rc = registry_add_lun(d->registry, &f->lun)) != 0 &&
	    rc != -EEXIST)
		msg_err("%s: it is kept, but not served until ttd is "
		    "restarted: %s", f->lun.name, strerror(-rc));
	for (size_t i = 0; i < n; i++)
		if ((rc = registry_add_exposure(d->registry,
		    &f->exposures[i])) != 0 && rc != -EEXIST)
			msg_err("%s@%s: it is kept, but not served until ttd "
			    "is restarted: %s", f->lun.name,
			    f->exposures[i].snap_name, strerror(-rc));
}

/* Whoever was put out may come in again. */
static void
readmit(struct daemon *d, const struct family *f)
{

	registry_readmit(d->registry, f->lun.number, LUN_HEAD);
	for (size_t i = 0; i < f->n_exposures; i++)
		registry_readmit(d->registry, f->lun.number,
		    f->exposures[i].seq);
}

static int
evict(struct daemon *d, const struct family *f)
{
	int rc;

	rc = registry_evict(d->registry, f->lun.number, LUN_HEAD,
	    ADMIN_FORCE_MS);
	for (size_t i = 0; (rc == 0 || rc == -ENOENT) && i < f->n_exposures;
	    i++)
		rc = registry_evict(d->registry, f->lun.number,
		    f->exposures[i].seq, ADMIN_FORCE_MS);
	if (rc == 0 || rc == -ENOENT)
		return (0);
	readmit(d, f);
	return (rc);
}

static int
take_out(struct daemon *d, const struct family *f)
{
	size_t i;
	int rc;

	/* -ENOENT: it could not be served; then nobody is in it. */
	rc = registry_remove(d->registry, f->lun.number, LUN_HEAD);
	if (rc != 0 && rc != -ENOENT)
		return (rc);
	for (i = 0; i < f->n_exposures; i++) {
		rc = registry_remove(d->registry, f->lun.number,
		    f->exposures[i].seq);
		if (rc != 0 && rc != -ENOENT) {
			put_back(d, f, i);
			return (rc);
		}
	}
	return (0);
}

static int
delete_family(struct daemon *d, const struct family *f,
    const struct options *o, const char *what, struct admin_reply *reply)
{
	int rc;

	if (o->force && (rc = evict(d, f)) != 0) {
		admin_msg_errno(reply, rc, "%s", what);
		return (rc);
	}
	if ((rc = take_out(d, f)) != 0) {
		readmit(d, f);
		if (rc == -EBUSY)
			return (busy(d, f, NULL, what, reply));
		admin_msg_errno(reply, rc, "%s", what);
		return (rc);
	}
	if ((rc = lunset_delete(d->lunset, f->lun.name, o->with_snaps)) != 0) {
		put_back(d, f, f->n_exposures);
		admin_msg_errno(reply, rc, "%s", what);
		return (rc);
	}
	msg_info("deleted LUN %s with %zu snapshots", f->lun.name,
	    f->n_snaps);
	return (0);
}

/* The names that go: the snapshots, then the LUN. */
static json_t *
names(const struct family *f)
{
	char name[2 * LUN_NAME_MAX + 2];
	json_t *list = json_array();

	for (size_t i = 0; i < f->n_snaps; i++) {
		(void)snprintf(name, sizeof(name), "%s@%s", f->lun.name,
		    f->snaps[i].name);
		(void)json_array_append_new(list, json_string(name));
	}
	(void)json_array_append_new(list, json_string(f->lun.name));
	return (list);
}

/* Those of them that are exposed. */
static json_t *
exposed(const struct family *f)
{
	char name[2 * LUN_NAME_MAX + 2];
	json_t *list = json_array();

	for (size_t i = 0; i < f->n_exposures; i++) {
		(void)snprintf(name, sizeof(name), "%s@%s", f->lun.name,
		    f->exposures[i].snap_name);
		(void)json_array_append_new(list, json_string(name));
	}
	return (list);
}

/* The targets that go. */
static json_t *
targets(struct daemon *d, const struct family *f)
{
	char iqn[REGISTRY_IQN_CAP];
	json_t *list = json_array();

	for (size_t i = 0; i < f->n_exposures; i++) {
		admin_find_iqn(d, f->lun.name, f->exposures[i].snap_name, iqn);
		(void)json_array_append_new(list, json_string(iqn));
	}
	admin_find_iqn(d, f->lun.name, NULL, iqn);
	(void)json_array_append_new(list, json_string(iqn));
	return (list);
}

static void
delete_lun(struct daemon *d, const struct lun_info *lun,
    const struct options *o, struct admin_reply *reply)
{
	char what[WHAT_LEN];
	struct family f;
	int rc;

	(void)snprintf(what, sizeof(what), "cannot delete %s", lun->name);
	if ((rc = family_load(d, lun, &f)) != 0) {
		admin_msg_errno(reply, rc, "%s", what);
		return;
	}
	if (check_family(d, &f, o, what, reply) == 0 && (o->dry_run ||
	    delete_family(d, &f, o, what, reply) == 0)) {
		reply->result = json_object();
		(void)json_object_set_new(reply->result, "targets",
		    targets(d, &f));
		(void)json_object_set_new(reply->result, "deleted", names(&f));
		(void)json_object_set_new(reply->result, "exposed",
		    exposed(&f));
	}
	family_free(&f);
}

static void
delete_snap(struct daemon *d, const struct lun_info *lun,
    const struct snap_info *s, bool dry_run, struct admin_reply *reply)
{
	int rc;

	if (s->exposed) {
		admin_msg_error(reply, ADMIN_BUSY, "cannot delete %s@%s\n"
		    "it is exposed\nfirst: tt-admin unexpose %s@%s",
		    lun->name, s->name, lun->name, s->name);
		return;
	}
	if (!dry_run && (rc = lunset_snap_delete(d->lunset, lun->name,
	    s->name)) != 0) {
		admin_msg_errno(reply, rc, "cannot delete %s@%s", lun->name,
		    s->name);
		return;
	}
	if (!dry_run)
		msg_info("deleted snapshot %s@%s", lun->name, s->name);
	reply->result = json_pack("{s:[s++]}", "deleted", lun->name, "@",
	    s->name);
}

void
admin_delete(void *ctx, json_t *args, struct admin_reply *reply)
{
	struct daemon *d = ctx;
	const char *lun = NULL, *snapshot = NULL;
	struct options o = { .force = false };
	const struct admin_arg spec[] = {
		{ "lun", ADMIN_STRING, true, &lun },
		{ "snapshot", ADMIN_STRING, false, &snapshot },
		{ "with_snapshots", ADMIN_BOOLEAN, false, &o.with_snaps },
		{ "force", ADMIN_BOOLEAN, false, &o.force },
		{ "dry_run", ADMIN_BOOLEAN, false, &o.dry_run },
	};
	char what[WHAT_LEN], shown[ADMIN_SHOWN_LEN], shown2[ADMIN_SHOWN_LEN];
	struct lun_info info;
	struct snap_info s;

	if (admin_msg_args(args, spec, 5, reply) != 0)
		return;
	(void)snprintf(what, sizeof(what), "cannot delete %s%s%s",
	    admin_find_shown(shown, lun), snapshot != NULL ? "@" : "",
	    snapshot != NULL ? admin_find_shown(shown2, snapshot) : "");
	if (snapshot != NULL && (o.with_snaps || o.force)) {
		admin_msg_error(reply, ADMIN_INVALID, "%s\n%s is for a "
		    "LUN\ngive one of the two", what, o.force ? "force" :
		    "with_snapshots");
		return;
	}
	if (admin_find_lun(d, lun, what, reply, &info) != 0)
		return;
	if (snapshot != NULL &&
	    admin_find_snap(d, &info, snapshot, what, reply, &s) != 0)
		return;
	if (admin_find_writable(d, what, reply) != 0)
		return;
	if (snapshot == NULL)
		delete_lun(d, &info, &o, reply);
	else
		delete_snap(d, &info, &s, o.dry_run, reply);
	if (reply->result != NULL && o.dry_run)
		admin_json_bool(reply->result, "dry_run", true);
}
