/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * list, show, sessions, status, help: what only tells.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "meta/base/rnd.h"
#include "target/admin_find.h"
#include "target/admin_verbs.h"

#define WHAT_LEN	(2 * ADMIN_SHOWN_LEN + 32)

static json_t *
lun_row(struct daemon *d, const struct lun_info *l)
{
	char iqn[REGISTRY_IQN_CAP];
	struct admin_disk disk;
	json_t *row = json_object();

	admin_find_iqn(d, l->name, NULL, iqn);
	admin_json_of_lun(&disk, l, iqn, registry_sessions_of(d->registry,
	    l->number, LUN_HEAD));
	admin_json_str(row, "name", l->name);
	admin_json_disk(row, &disk, NULL);
	admin_json_bool(row, "dedup", l->dedup);
	admin_json_bool(row, "cache", !l->write_through);
	admin_json_u64(row, "snapshots", l->n_snaps);
	admin_json_u64(row, "exposures", l->n_exposures);
	return (row);
}

static void
list_luns(struct daemon *d, struct admin_reply *reply)
{
	struct lun_info *all = NULL;
	json_t *rows = json_array();
	size_t n = 0;
	int rc;

	if ((rc = lunset_list(d->lunset, &all, &n)) != 0) {
		json_decref(rows);
		admin_msg_errno(reply, rc, "cannot list the LUNs");
		return;
	}
	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(rows, lun_row(d, &all[i]));
	free(all);
	reply->result = json_pack("{s:o}", "luns", rows);
}

static json_t *
snap_row(struct daemon *d, const struct lun_info *l, const struct snap_info *s)
{
	char iqn[REGISTRY_IQN_CAP];

	admin_find_iqn(d, l->name, s->name, iqn);
	return (admin_json_snap(s, l->name, s->exposed ? iqn : NULL));
}

static void
list_snaps(struct daemon *d, const char *lun, struct admin_reply *reply)
{
	char what[WHAT_LEN], shown[ADMIN_SHOWN_LEN];
	struct snap_info *all = NULL;
	struct lun_info info;
	json_t *rows;
	size_t n = 0;
	int rc;

	(void)snprintf(what, sizeof(what), "cannot list the snapshots of %s",
	    admin_find_shown(shown, lun));
	if (admin_find_lun(d, lun, what, reply, &info) != 0)
		return;
	if ((rc = lunset_snaps(d->lunset, info.name, &all, &n)) != 0) {
		admin_msg_errno(reply, rc, "%s", what);
		return;
	}
	rows = json_array();
	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(rows, snap_row(d, &info,
		    &all[i]));
	free(all);
	reply->result = json_pack("{s:s,s:o}", "lun", info.name, "snapshots",
	    rows);
}

void
admin_list(void *ctx, json_t *args, struct admin_reply *reply)
{
	const char *lun = NULL;
	const struct admin_arg spec[] = {
		{ "lun", ADMIN_STRING, false, &lun },
	};

	if (admin_msg_args(args, spec, 1, reply) != 0)
		return;
	if (lun == NULL)
		list_luns(ctx, reply);
	else
		list_snaps(ctx, lun, reply);
}

static void
show_snap(struct daemon *d, const struct lun_info *l,
    const struct snap_info *s, struct admin_reply *reply)
{
	struct exposure_info x;
	json_t *obj = json_object(), *snap;

	if (s->exposed && admin_find_exposure(d, s, &x) == 0)
		admin_find_put_exposure(d, obj, &x);
	snap = snap_row(d, l, s);
	(void)json_object_update(obj, snap);
	json_decref(snap);
	reply->result = obj;
}

void
admin_show(void *ctx, json_t *args, struct admin_reply *reply)
{
	struct daemon *d = ctx;
	const char *lun = NULL, *snapshot = NULL;
	const struct admin_arg spec[] = {
		{ "lun", ADMIN_STRING, true, &lun },
		{ "snapshot", ADMIN_STRING, false, &snapshot },
	};
	char what[WHAT_LEN], shown[ADMIN_SHOWN_LEN], shown2[ADMIN_SHOWN_LEN];
	struct lun_info info;
	struct snap_info s;

	if (admin_msg_args(args, spec, 2, reply) != 0)
		return;
	(void)snprintf(what, sizeof(what), "cannot show %s%s%s",
	    admin_find_shown(shown, lun), snapshot != NULL ? "@" : "",
	    snapshot != NULL ? admin_find_shown(shown2, snapshot) : "");
	if (admin_find_lun(d, lun, what, reply, &info) != 0)
		return;
	if (snapshot != NULL) {
		if (admin_find_snap(d, &info, snapshot, what, reply, &s) == 0)
			show_snap(d, &info, &s, reply);
		return;
	}
	reply->result = json_object();
	admin_json_str(reply->result, "name", info.name);
	admin_find_put_lun(d, reply->result, &info);
	admin_json_u64(reply->result, "snapshots", info.n_snaps);
	admin_json_u64(reply->result, "exposures", info.n_exposures);
}

void
admin_sessions(void *ctx, json_t *args, struct admin_reply *reply)
{
	struct daemon *d = ctx;
	struct registry_session *all = NULL;
	json_t *rows, *row;
	size_t n = 0;
	int rc;

	if (admin_msg_args(args, NULL, 0, reply) != 0)
		return;
	if ((rc = registry_sessions(d->registry, &all, &n)) != 0) {
		admin_msg_errno(reply, rc, "cannot list the sessions");
		return;
	}
	rows = json_array();
	for (size_t i = 0; i < n; i++) {
		/* Discovery is a moment's question, nobody works in it. */
		if (all[i].discovery)
			continue;
		row = json_object();
		admin_json_str(row, "initiator", all[i].initiator);
		admin_json_str(row, "address", all[i].address);
		admin_json_str(row, "iqn", all[i].iqn);
		admin_json_time(row, "since", all[i].since_ns);
		admin_json_str(row, "user", all[i].user);
		(void)json_array_append_new(rows, row);
	}
	free(all);
	reply->result = json_pack("{s:o}", "sessions", rows);
}

/* What was written since the start, and what of it was there already. */
static json_t *
dedup_status(const struct lun_dedup *s)
{
	json_t *obj = json_object();

	admin_json_u64(obj, "looked_bytes", s->looked_bytes);
	admin_json_u64(obj, "shared_bytes", s->shared_bytes);
	admin_json_u64(obj, "skipped_bytes", s->skipped_bytes);
	admin_json_u64(obj, "collisions", s->collisions);
	admin_json_u64(obj, "memory_bytes", s->memory_bytes);
	return (obj);
}

static json_t *
store_status(struct daemon *d)
{
	char uuid[UUID_TEXT_LEN];
	struct lunset_status st;
	json_t *s = json_object();

	lunset_status(d->lunset, &st);
	admin_json_str(s, "path", d->conf->store);
	admin_json_str(s, "uuid", uuid_format(uuid, st.uuid));
	admin_json_str(s, "state", st.failed == 0 ? "ok" : "stopped");
	if (st.failed != 0)
		admin_json_str(s, "why", strerror(-st.failed));
	admin_json_u64(s, "epoch", st.epoch);
	admin_json_u64(s, "seq", st.seq);
	admin_json_u64(s, "synced_seq", st.synced_seq);
	admin_json_u64(s, "bytes", st.store_bytes);
	admin_json_u64(s, "free_bytes", st.free_bytes);
	admin_json_str(s, "space", st.space == LUN_SPACE_OK ? "ok" :
	    st.space == LUN_SPACE_LOW ? "low" : "full");
	admin_json_u64(s, "fs_bytes", st.fs_bytes);
	admin_json_u64(s, "low_bytes", st.low_bytes);
	admin_json_u64(s, "hard_bytes", st.hard_bytes);
	admin_json_u64(s, "reserve_bytes", st.reserve_bytes);
	admin_json_u64(s, "prepared_bytes", st.prepared_bytes);
	admin_json_u64(s, "log_bytes", st.log_bytes);
	admin_json_u64(s, "checkpoints", st.checkpoints);
	if (st.checkpoint_ns != 0)
		admin_json_time(s, "checkpoint_time", st.checkpoint_ns);
	admin_json_u64(s, "overlay_bytes", st.overlay_bytes);
	admin_json_u64(s, "node_cache_bytes", st.node_cache_bytes);
	admin_json_u64(s, "memory_bytes", st.memory_bytes);
	admin_json_u64(s, "medium_errors", st.medium_errors);
	(void)json_object_set_new(s, "dedup", dedup_status(&st.dedup));
	(void)json_object_set_new(s, "gc", admin_gc_json(&st.gc));
	admin_verify_status(d->lunset, s);
	if (st.power_lost) {
		admin_json_time(s, "power_lost_from", st.power_from_ns);
		admin_json_time(s, "power_lost_to", st.power_to_ns);
	}
	return (s);
}

void
admin_status(void *ctx, json_t *args, struct admin_reply *reply)
{
	struct daemon *d = ctx;
	struct lun_info *luns = NULL;
	uint64_t exposures = 0;
	size_t n_luns = 0;
	json_t *obj;
	int rc;

	if (admin_msg_args(args, NULL, 0, reply) != 0)
		return;
	if ((rc = lunset_list(d->lunset, &luns, &n_luns)) != 0) {
		admin_msg_errno(reply, rc, "cannot tell the status");
		return;
	}
	for (size_t i = 0; i < n_luns; i++)
		exposures += luns[i].n_exposures;
	free(luns);
	obj = json_object();
	admin_json_str(obj, "version", TT_VERSION);
	admin_json_u64(obj, "pid", (uint64_t)getpid());
	admin_json_time(obj, "since", d->started_ns);
	(void)json_object_set_new(obj, "portals", admin_find_portals(d, true));
	admin_json_u64(obj, "luns", n_luns);
	admin_json_u64(obj, "exposures", exposures);
	admin_json_u64(obj, "sessions", iscsi_node_count(d->node, NULL));
	(void)json_object_set_new(obj, "store", store_status(d));
	reply->result = obj;
}

const struct admin_verb admin_verbs[] = {
	{ "create", admin_create, "make a LUN and serve it" },
	{ "delete", admin_delete, "delete a LUN or a snapshot" },
	{ "list", admin_list, "list the LUNs, or the snapshots of one" },
	{ "show", admin_show, "tell all about a LUN or a snapshot" },
	{ "snapshot", admin_snapshot, "keep a LUN as it is now" },
	{ "expose", admin_expose, "serve a snapshot as a read-only disk" },
	{ "unexpose", admin_unexpose, "serve it no longer" },
	{ "set", admin_set, "change whether a LUN shares blocks, and what it does "
	    "after a loss of power" },
	{ "online", admin_online, "use a LUN again that was held" },
	{ "user-add", admin_user_add, "let one more CHAP user into a LUN" },
	{ "user-remove", admin_user_remove, "let one in no longer" },
	{ "user-list", admin_user_list, "list the CHAP users of a LUN" },
	{ "allow", admin_allow, "let only named initiators into a LUN" },
	{ "deny", admin_deny, "let initiators in no longer" },
	{ "logins", admin_logins, "list the logins that failed" },
	{ "sessions", admin_sessions, "list who is logged in" },
	{ "status", admin_status, "tell how the daemon is" },
	{ "gc", admin_gc, "give back the space of what is not there any more" },
	{ "verify", admin_verify, "read everything and say what is damaged" },
	{ "help", admin_help, "list the verbs" },
};
const size_t admin_verbs_n = sizeof(admin_verbs) / sizeof(admin_verbs[0]);

void
admin_help(void *ctx, json_t *args, struct admin_reply *reply)
{
	json_t *rows;

	(void)ctx;
	if (admin_msg_args(args, NULL, 0, reply) != 0)
		return;
	rows = json_array();
	for (size_t i = 0; i < admin_verbs_n; i++)
		(void)json_array_append_new(rows, json_pack("{s:s,s:s}",
		    "name", admin_verbs[i].name, "help",
		    admin_verbs[i].help));
	reply->result = json_pack("{s:o}", "verbs", rows);
}
