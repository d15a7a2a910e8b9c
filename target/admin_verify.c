/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verify: start it, end it, and tell how it is.  It runs on a thread of the
 * engine; who asked for it asks again how far it is.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lun/verify.h"
#include "meta/base/msg.h"
#include "target/admin_find.h"
#include "target/admin_verbs.h"

#define WHAT_LEN	(2 * ADMIN_SHOWN_LEN + 48)

/* ---- telling ----------------------------------------------------------- */

static const char *
trouble(int rc)
{

	switch (-rc) {
	case EILSEQ:
		return ("content does not match");
	case ENODATA:
		return ("the file is too short");
	case ENOENT:
		return ("the file is not there");
	default:
		return (strerror(-rc));
	}
}

static void
put_disk(json_t *o, const char *lun, const char *snap, uint64_t off_bytes,
    uint64_t len_bytes, uint32_t sector)
{

	admin_json_str(o, "lun", lun);
	if (snap[0] != '\0')
		admin_json_str(o, "snapshot", snap);
	admin_json_u64(o, "offset", off_bytes);
	admin_json_u64(o, "length", len_bytes);
	admin_json_u64(o, "lba", off_bytes / sector);
	admin_json_u64(o, "sectors", len_bytes / sector);
}

static json_t *
damage_row(const struct verify_damage *d)
{
	json_t *o = json_object();
	char file[32];

	put_disk(o, d->lun_name, d->snap_name, d->off_bytes, d->len_bytes,
	    d->sector_bytes);
	admin_json_str(o, "kind", verify_kind_name(d->kind));
	admin_json_str(o, "why", trouble(d->rc));
	if (d->segment == 0)
		return (o);
	(void)snprintf(file, sizeof(file), "seg/%02x/%08x", d->segment & 0xff,
	    d->segment);
	admin_json_str(o, "file", file);
	admin_json_u64(o, "file_offset", d->segment_off_bytes);
	return (o);
}

static void
put_damage(struct lunset *ls, json_t *o, enum verify_found_by by)
{
	struct verify_damage *d;
	json_t *list;
	size_t n;

	if (lunset_verify_damage(ls, by, &d, &n) != 0)
		return;
	list = json_array();
	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(list, damage_row(&d[i]));
	(void)json_object_set_new(o, "damage", list);
	free(d);
}

static void
put_unreadable(struct lunset *ls, json_t *o)
{
	struct bad_block *b;
	json_t *list, *row;
	size_t n;

	if (lunset_bad_blocks(ls, &b, &n) != 0)
		return;
	list = json_array();
	for (size_t i = 0; i < n; i++) {
		row = json_object();
		put_disk(row, b[i].lun_name, b[i].snap_name, b[i].off_bytes,
		    b[i].block_bytes, b[i].sector_bytes);
		admin_json_str(row, "why", trouble(b[i].rc));
		admin_json_time(row, "since", b[i].first_ns);
		admin_json_time(row, "last", b[i].last_ns);
		admin_json_u64(row, "times", b[i].times);
		(void)json_array_append_new(list, row);
	}
	(void)json_object_set_new(o, "unreadable", list);
	free(b);
}

static json_t *
scrub_of(struct lunset *ls, const struct verify_state *s, bool brief)
{
	json_t *o = json_object();

	admin_json_u64(o, "days", s->scrub_every_s / 86400);
	admin_json_bool(o, "running", s->scrubbing);
	if (s->scrub_begun_ns != 0)
		admin_json_time(o, "begun", s->scrub_begun_ns);
	if (s->scrub_done_ns != 0)
		admin_json_time(o, "done", s->scrub_done_ns);
	admin_json_u64(o, "permille", s->scrub_permille);
	admin_json_u64(o, "repaired", s->scrub_repaired);
	admin_json_u64(o, "remade", s->scrub_remade);
	admin_json_u64(o, "damaged", s->scrub_n_damage);
	if (!brief)
		put_damage(ls, o, VERIFY_BY_SCRUB);
	return (o);
}

/* All damage that is known, whoever found it. */
static json_t *
known_of(struct lunset *ls, const struct verify_state *s, bool brief)
{
	json_t *o = json_object();

	admin_json_u64(o, "damaged", s->known_n_damage);
	if (s->known_n_damage != 0) {
		admin_json_time(o, "found", s->known_ns);
		admin_json_str(o, "by", s->known_scrub ? "scrub" :
		    "verification");
	}
	if (!brief)
		put_damage(ls, o, VERIFY_BY_ANY);
	return (o);
}

void
admin_verify_status(struct lunset *ls, json_t *store)
{
	json_t *run = json_object();
	struct verify_state s;

	lunset_verify_state(ls, &s);
	admin_json_bool(run, "running", s.running);
	if (s.running) {
		admin_json_str(run, "what", s.what);
		admin_json_time(run, "begun", s.begun_ns);
		admin_json_u64(run, "permille", s.permille);
	}
	(void)json_object_set_new(store, "verify", run);
	(void)json_object_set_new(store, "scrub", scrub_of(ls, &s, true));
	(void)json_object_set_new(store, "known_damage",
	    known_of(ls, &s, true));
}

static json_t *
state_of(struct lunset *ls, bool brief)
{
	json_t *o = json_object();
	struct verify_state s;

	lunset_verify_state(ls, &s);
	admin_json_bool(o, "running", s.running);
	if (s.begun_ns != 0) {
		admin_json_str(o, "what", s.what);
		admin_json_time(o, "begun", s.begun_ns);
		admin_json_u64(o, "rate", s.rate_bytes);
	}
	if (s.ended_ns != 0) {
		admin_json_time(o, "ended", s.ended_ns);
		admin_json_bool(o, "complete", s.rc == 0);
		if (s.rc != 0)
			admin_json_str(o, "why", s.rc == -EINTR ?
			    "it was stopped" : strerror(-s.rc));
	}
	admin_json_u64(o, "permille", s.permille);
	admin_json_u64(o, "data_bytes", s.data_bytes);
	admin_json_u64(o, "map_bytes", s.node_bytes);
	admin_json_u64(o, "repaired", s.repaired);
	admin_json_u64(o, "remade", s.remade);
	admin_json_u64(o, "damaged", s.n_damage);
	admin_json_u64(o, "damaged_bytes", s.damaged_bytes);
	(void)json_object_set_new(o, "scrub", scrub_of(ls, &s, brief));
	(void)json_object_set_new(o, "known_damage", known_of(ls, &s, brief));
	if (!brief) {
		put_damage(ls, o, VERIFY_BY_RUN);
		put_unreadable(ls, o);
	}
	return (o);
}

/* ---- asking ------------------------------------------------------------ */

static int
check_rate(const struct verify_params *p, const char *what,
    struct admin_reply *reply)
{

	if (p->rate_bytes == 0 || (p->rate_bytes >= VERIFY_RATE_MIN &&
	    p->rate_bytes <= VERIFY_RATE_MAX))
		return (0);
	admin_msg_error(reply, ADMIN_INVALID, "%s\n%llu bytes a second is not "
	    "a rate for it\nfrom 1M to 1T, or none: as fast as it goes", what,
	    (unsigned long long)p->rate_bytes);
	return (-EINVAL);
}

static int
start(struct daemon *d, const struct verify_params *p,
    struct admin_reply *reply)
{
	char what[WHAT_LEN], a[ADMIN_SHOWN_LEN], b[ADMIN_SHOWN_LEN];
	struct lun_info lun;
	struct snap_info snap;
	int rc;

	(void)snprintf(what, sizeof(what), "cannot verify %s%s%s",
	    p->lun == NULL ? "the store" : admin_find_shown(a, p->lun),
	    p->snap == NULL ? "" : "@",
	    p->snap == NULL ? "" : admin_find_shown(b, p->snap));
	if (p->lun != NULL &&
	    (rc = admin_find_lun(d, p->lun, what, reply, &lun)) != 0)
		return (rc);
	if (p->snap != NULL && (rc = admin_find_snap(d, &lun, p->snap, what,
	    reply, &snap)) != 0)
		return (rc);
	if ((rc = check_rate(p, what, reply)) != 0)
		return (rc);
	rc = lunset_verify(d->lunset, p);
	if (rc == -EBUSY)
		admin_msg_error(reply, ADMIN_BUSY, "%s\nanother one is "
		    "running\nsee how far it is: tt-admin verify; end it: "
		    "tt-admin verify --stop", what);
	else if (rc != 0)
		admin_msg_errno(reply, rc, "%s", what);
	return (rc);
}

static int
stop(struct daemon *d, struct admin_reply *reply)
{
	int rc = lunset_verify_cancel(d->lunset);

	if (rc != 0)
		admin_msg_error(reply, ADMIN_NOT_FOUND, "nothing to stop\n"
		    "no verification that was asked for is running\n"
		    "see: tt-admin verify; the scrub is turned off in "
		    "tt.conf");
	return (rc);
}

void
admin_verify(void *ctx, json_t *args, struct admin_reply *reply)
{
	struct daemon *d = ctx;
	struct verify_params p = { .lun = NULL };
	bool all = false, end = false, brief = false;
	json_int_t rate = 0;
	const struct admin_arg spec[] = {
		{ "lun", ADMIN_STRING, false, &p.lun },
		{ "snapshot", ADMIN_STRING, false, &p.snap },
		{ "all", ADMIN_BOOLEAN, false, &all },
		{ "rate", ADMIN_INTEGER, false, &rate },
		{ "stop", ADMIN_BOOLEAN, false, &end },
		{ "brief", ADMIN_BOOLEAN, false, &brief },
	};
	bool begin;

	if (admin_msg_args(args, spec, sizeof(spec) / sizeof(spec[0]),
	    reply) != 0)
		return;
	begin = all || p.lun != NULL;
	if ((all && p.lun != NULL) || (p.snap != NULL && p.lun == NULL) ||
	    (begin && end) || (rate != 0 && !begin) || rate < 0) {
		admin_msg_error(reply, ADMIN_INVALID, "cannot verify\n"
		    "these fields do not go together, or the rate is "
		    "negative\na LUN, one of its snapshots, or all");
		return;
	}
	p.rate_bytes = (uint64_t)rate;
	if ((begin && start(d, &p, reply) != 0) ||
	    (end && stop(d, reply) != 0))
		return;
	reply->result = state_of(d->lunset, brief);
}
