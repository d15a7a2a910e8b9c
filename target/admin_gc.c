/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gc: begin to give back space, and tell how far that is.  It runs on a thread
 * of the engine; who waits for it asks again.
 */
#include <errno.h>
#include <string.h>

#include "target/admin_find.h"
#include "target/admin_verbs.h"

static const char *
phase_name(enum lun_gc_phase p)
{

	switch (p) {
	case LUN_GC_IDLE:
		return ("idle");
	case LUN_GC_MARK:
		return ("mark");
	case LUN_GC_MOVE:
		return ("move");
	case LUN_GC_FREE:
		return ("free");
	}
	return ("idle");
}

static const char *
trouble(int rc)
{

	switch (-rc) {
	case EILSEQ:
	case EIO:
	case ENOENT:
	case ENODATA:
		return ("a map is damaged; tt-admin verify tells where");
	case EINTR:
		return ("the daemon was stopped");
	default:
		return (strerror(-rc));
	}
}

json_t *
admin_gc_json(const struct lun_gc *g)
{
	json_t *o = json_object();

	admin_json_bool(o, "running", g->phase != LUN_GC_IDLE ||
	    g->asked > g->ended);
	admin_json_str(o, "phase", phase_name(g->phase));
	admin_json_u64(o, "permille", g->total == 0 ? 0 :
	    g->done * 1000 / g->total);
	admin_json_u64(o, "asked", g->asked);
	admin_json_u64(o, "ended", g->ended);
	admin_json_u64(o, "runs", g->runs);
	if (g->last_ns != 0) {
		admin_json_time(o, "last", g->last_ns);
		admin_json_bool(o, "complete", g->last_rc == 0);
		if (g->last_rc != 0)
			admin_json_str(o, "why", trouble(g->last_rc));
	}
	admin_json_u64(o, "reclaimed_bytes", g->freed_bytes > g->moved_bytes ?
	    g->freed_bytes - g->moved_bytes + g->punched_bytes :
	    g->punched_bytes);
	admin_json_u64(o, "freed_bytes", g->freed_bytes);
	admin_json_u64(o, "holes_bytes", g->punched_bytes);
	admin_json_u64(o, "moved_bytes", g->moved_bytes);
	/* What nobody has counted yet is not 0. */
	if (g->logical_bytes + g->snapshot_bytes + g->node_bytes == 0)
		return (o);
	admin_json_u64(o, "logical_bytes", g->logical_bytes);
	admin_json_u64(o, "unique_bytes", g->unique_bytes);
	admin_json_u64(o, "deduplicated_bytes",
	    g->logical_bytes - g->unique_bytes);
	admin_json_u64(o, "snapshot_bytes", g->snapshot_bytes);
	admin_json_u64(o, "map_bytes", g->node_bytes);
	return (o);
}

void
admin_gc(void *ctx, json_t *args, struct admin_reply *reply)
{
	struct daemon *d = ctx;
	bool state = false;
	const struct admin_arg spec[] = {
		{ "state", ADMIN_BOOLEAN, false, &state },
	};
	struct lun_gc g;
	int rc;

	if (admin_msg_args(args, spec, 1, reply) != 0)
		return;
	if (!state && (rc = lunset_gc(d->lunset, false)) != 0) {
		admin_msg_errno(reply, rc, "cannot reclaim space");
		return;
	}
	lunset_gc_state(d->lunset, &g);
	reply->result = admin_gc_json(&g);
}
