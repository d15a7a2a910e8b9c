/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * snapshot, expose, unexpose.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/msg.h"
#include "target/admin_find.h"
#include "target/admin_verbs.h"

#define WHAT_LEN	(2 * ADMIN_SHOWN_LEN + 48)

/* What expose and unexpose are about. */
struct subject {
	struct lun_info lun;
	struct snap_info snap;
	bool dry_run, force;
	char what[WHAT_LEN];
};

static int
read_subject(struct daemon *d, json_t *args, const char *verb,
    struct admin_reply *reply, struct subject *s)
{
	const char *lun = NULL, *snapshot = NULL;
	const struct admin_arg spec[] = {
		{ "lun", ADMIN_STRING, true, &lun },
		{ "snapshot", ADMIN_STRING, true, &snapshot },
		{ "dry_run", ADMIN_BOOLEAN, false, &s->dry_run },
		{ "force", ADMIN_BOOLEAN, false, &s->force },
	};
	char shown[ADMIN_SHOWN_LEN], shown2[ADMIN_SHOWN_LEN];
	int rc;

	s->dry_run = s->force = false;
	if ((rc = admin_msg_args(args, spec, strcmp(verb, "unexpose") == 0 ?
	    4 : 3, reply)) != 0)
		return (rc);
	(void)snprintf(s->what, sizeof(s->what), "cannot %s %s@%s", verb,
	    admin_find_shown(shown, lun), admin_find_shown(shown2, snapshot));
	if ((rc = admin_find_lun(d, lun, s->what, reply, &s->lun)) != 0)
		return (rc);
	return (admin_find_snap(d, &s->lun, snapshot, s->what, reply,
	    &s->snap));
}

static int
check_snapshot(struct daemon *d, const struct lun_info *lun, const char *name,
    const char *what, struct admin_reply *reply)
{
	struct snap_info *all = NULL;
	char iqn[REGISTRY_IQN_CAP];
	size_t n = 0;
	int rc;

	if (!lun_snap_name_ok(name)) {
		admin_msg_error(reply, ADMIN_INVALID, "%s\nthe name is not "
		    "allowed\nbegin with a lower-case letter or a digit, go on "
		    "with these, dots and dashes, at most 63 characters; words "
		    "for a moment, such as last or now, are not names", what);
		return (-EINVAL);
	}
	if (registry_iqn(d->registry, lun->name, name, iqn) != 0) {
		admin_msg_error(reply, ADMIN_INVALID, "%s\nits iSCSI name "
		    "would be too long\nchoose a shorter name", what);
		return (-EINVAL);
	}
	if ((rc = lunset_snaps(d->lunset, lun->name, &all, &n)) != 0) {
		admin_msg_errno(reply, rc, "%s", what);
		return (rc);
	}
	for (size_t i = 0; i < n && rc == 0; i++)
		if (strcmp(all[i].name, name) == 0) {
			admin_msg_error(reply, ADMIN_EXISTS, "%s\n%s has a "
			    "snapshot of this name\nchoose another name, or "
			    "none: then it is the time", what, lun->name);
			rc = -EEXIST;
		}
	free(all);
	return (rc);
}

void
admin_snapshot(void *ctx, json_t *args, struct admin_reply *reply)
{
	struct daemon *d = ctx;
	const char *lun = NULL, *name = NULL;
	bool dry_run = false;
	const struct admin_arg spec[] = {
		{ "lun", ADMIN_STRING, true, &lun },
		{ "name", ADMIN_STRING, false, &name },
		{ "dry_run", ADMIN_BOOLEAN, false, &dry_run },
	};
	char what[WHAT_LEN], shown[ADMIN_SHOWN_LEN];
	struct lun_info info;
	struct snap_info s;
	int rc;

	if (admin_msg_args(args, spec, 3, reply) != 0)
		return;
	(void)snprintf(what, sizeof(what), "cannot take a snapshot of %s",
	    admin_find_shown(shown, lun));
	if (admin_find_lun(d, lun, what, reply, &info) != 0 || (name != NULL &&
	    check_snapshot(d, &info, name, what, reply) != 0) ||
	    admin_find_writable(d, what, reply) != 0)
		return;
	if (dry_run) {
		reply->result = json_pack("{s:s,s:b}", "lun", info.name,
		    "dry_run", 1);
		if (name != NULL)
			admin_json_str(reply->result, "name", name);
		return;
	}
	if ((rc = lunset_snapshot(d->lunset, info.name, name, &s)) != 0) {
		admin_msg_errno(reply, rc, "%s", what);
		return;
	}
	msg_info("snapshot %s@%s, seq %llu", info.name, s.name,
	    (unsigned long long)s.seq);
	reply->result = admin_json_snap(&s, info.name, NULL);
}

static int
expose(struct daemon *d, struct subject *s, struct exposure_info *x,
    struct admin_reply *reply)
{
	int rc, undo;

	if ((rc = lunset_expose(d->lunset, s->lun.name, s->snap.name,
	    x)) != 0) {
		admin_msg_errno(reply, rc, "%s", s->what);
		return (rc);
	}
	if ((rc = registry_add_exposure(d->registry, x)) == 0) {
		msg_info("exposed %s@%s", s->lun.name, s->snap.name);
		return (0);
	}
	admin_msg_errno(reply, rc, "%s", s->what);
	if ((undo = lunset_unexpose(d->lunset, s->lun.name,
	    s->snap.name)) != 0)
		msg_err("%s@%s: it cannot be served, and that it should be "
		    "not be taken back: %s; unexpose it by hand", s->lun.name,
		    s->snap.name, strerror(-undo));
	return (rc);
}

void
admin_expose(void *ctx, json_t *args, struct admin_reply *reply)
{
	struct daemon *d = ctx;
	struct exposure_info x;
	struct subject s;
	char iqn[REGISTRY_IQN_CAP];
	json_t *obj, *snap;

	if (read_subject(d, args, "expose", reply, &s) != 0)
		return;
	admin_find_iqn(d, s.lun.name, s.snap.name, iqn);
	if (s.snap.exposed) {
		admin_msg_error(reply, ADMIN_EXISTS, "%s\nit is exposed "
		    "already, as %s\nlog in to that; more: tt-admin show "
		    "%s@%s", s.what, iqn, s.lun.name, s.snap.name);
		return;
	}
	if (admin_find_writable(d, s.what, reply) != 0)
		return;
	if (!s.dry_run && expose(d, &s, &x, reply) != 0)
		return;
	s.snap.exposed = !s.dry_run;
	obj = json_object();
	if (!s.dry_run)
		admin_find_put_exposure(d, obj, &x);
	/* Name and time are those of the snapshot. */
	snap = admin_json_snap(&s.snap, s.lun.name, iqn);
	(void)json_object_update(obj, snap);
	json_decref(snap);
	if (s.dry_run)
		admin_json_bool(obj, "dry_run", true);
	reply->result = obj;
}

static int
unexpose(struct daemon *d, const struct subject *s,
    const struct exposure_info *x, struct admin_reply *reply)
{
	char iqn[REGISTRY_IQN_CAP];
	int rc = 0, undo;

	if (s->force)
		rc = registry_evict(d->registry, x->lun, x->seq,
		    ADMIN_FORCE_MS);
	if (rc != 0 && rc != -ENOENT) {
		admin_msg_errno(reply, rc, "%s", s->what);
		return (rc);
	}
	rc = registry_remove(d->registry, x->lun, x->seq);
	if (rc == -EBUSY) {
		registry_readmit(d->registry, x->lun, x->seq);
		admin_find_iqn(d, s->lun.name, s->snap.name, iqn);
		admin_find_busy(d, iqn, "it", s->what, reply);
		return (rc);
	}
	if (rc == 0 || rc == -ENOENT)
		rc = lunset_unexpose(d->lunset, s->lun.name, s->snap.name);
	if (rc == 0) {
		msg_info("unexposed %s@%s", s->lun.name, s->snap.name);
		return (0);
	}
	admin_msg_errno(reply, rc, "%s", s->what);
	if ((undo = registry_add_exposure(d->registry, x)) != 0 &&
	    undo != -EEXIST)
		msg_err("%s@%s: it is still exposed, but not served until ttd "
		    "is restarted: %s", s->lun.name, s->snap.name,
		    strerror(-undo));
	return (rc);
}

void
admin_unexpose(void *ctx, json_t *args, struct admin_reply *reply)
{
	struct daemon *d = ctx;
	struct exposure_info x;
	struct subject s;
	char iqn[REGISTRY_IQN_CAP];
	json_t *list;
	int rc;

	if (read_subject(d, args, "unexpose", reply, &s) != 0)
		return;
	rc = admin_find_exposure(d, &s.snap, &x);
	if (rc == -ENOENT) {
		admin_msg_error(reply, ADMIN_NOT_FOUND, "%s\nit is not "
		    "exposed\nsee what is: tt-admin list %s", s.what,
		    s.lun.name);
		return;
	}
	if (rc != 0) {
		admin_msg_errno(reply, rc, "%s", s.what);
		return;
	}
	admin_find_iqn(d, s.lun.name, s.snap.name, iqn);
	if (!s.force && registry_sessions_of(d->registry, x.lun, x.seq) > 0) {
		admin_find_busy(d, iqn, "it", s.what, reply);
		return;
	}
	if (admin_find_writable(d, s.what, reply) != 0)
		return;
	if (!s.dry_run && unexpose(d, &s, &x, reply) != 0)
		return;
	s.snap.exposed = s.dry_run;
	reply->result = admin_json_snap(&s.snap, s.lun.name, NULL);
	list = json_array();
	(void)json_array_append_new(list, json_string(iqn));
	(void)json_object_set_new(reply->result, "targets", list);
	if (s.dry_run)
		admin_json_bool(reply->result, "dry_run", true);
}
