/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * allow, deny: the initiator names that may enter a LUN; logins: who was
 * refused.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/msg.h"
#include "target/admin_find.h"
#include "target/admin_verbs.h"
#include "target/logins.h"

#define WHAT_LEN	(ADMIN_SHOWN_LEN + 48)
#define NAMES_MAX	256u	/* in one request, and of a LUN */

struct request {
	bool may, dry_run;
	const char *name;
	json_t *initiators;
	struct lun_info lun;
	char names[NAMES_MAX][LUN_INITIATOR_CAP];
	const char *list[NAMES_MAX];
	size_t n;
	char what[WHAT_LEN];
};

/* Names are compared in lower case (RFC 7143 4.2.7.2), so kept in it. */
static bool
take_name(struct request *r, const char *name)
{
	const size_t len = name == NULL ? 0 : strlen(name);

	if (len == 0 || len >= LUN_INITIATOR_CAP)
		return (false);
	for (size_t i = 0; i <= len; i++)
		r->names[r->n][i] = name[i] >= 'A' && name[i] <= 'Z' ?
		    (char)(name[i] - 'A' + 'a') : name[i];
	if (!lun_initiator_ok(r->names[r->n]))
		return (false);
	r->list[r->n] = r->names[r->n];
	r->n++;
	return (true);
}

static int
check_names(struct request *r, struct admin_reply *reply)
{
	char shown[ADMIN_SHOWN_LEN];
	const char *name;
	json_t *v;
	size_t i;

	if (json_array_size(r->initiators) == 0 ||
	    json_array_size(r->initiators) > NAMES_MAX) {
		admin_msg_error(reply, ADMIN_INVALID, "%s\nthere are none, or "
		    "more than 256 names\ngive 1 to 256 initiator names",
		    r->what);
		return (-EINVAL);
	}
	json_array_foreach(r->initiators, i, v) {
		name = json_string_value(v);
		if (take_name(r, name))
			continue;
		admin_msg_error(reply, ADMIN_INVALID, "%s\n%s is not the name "
		    "of an initiator\non the server it is in "
		    "/etc/iscsi/initiatorname.iscsi: iqn.YYYY-MM.DOMAIN:NAME",
		    r->what, name == NULL ? "what is no text" :
		    admin_find_shown(shown, name));
		return (-EINVAL);
	}
	return (0);
}

/* How many there would be. */
static int
check_room(struct daemon *d, const struct request *r,
    struct admin_reply *reply)
{
	json_t *now = admin_find_initiators(d, r->lun.number);
	const size_t n = json_array_size(now);

	json_decref(now);
	if (!r->may || n + r->n <= NAMES_MAX)
		return (0);
	admin_msg_error(reply, ADMIN_INVALID, "%s\nmore than 256 names would "
	    "be allowed\nuse CHAP users to tell so many apart", r->what);
	return (-EINVAL);
}

static int
change(struct daemon *d, const struct request *r, struct admin_reply *reply)
{
	int rc;

	rc = r->may ? lunset_allow(d->lunset, r->lun.name, r->list, r->n) :
	    lunset_deny(d->lunset, r->lun.name, r->list, r->n);
	if (rc != 0) {
		admin_msg_errno(reply, rc, "%s", r->what);
		return (rc);
	}
	for (size_t i = 0; i < r->n; i++)
		msg_info("%s: %s %s", r->lun.name, r->may ? "allowed" :
		    "denied", r->list[i]);
	return (0);
}

static int
work(struct daemon *d, json_t *args, struct admin_reply *reply,
    struct request *r)
{
	const struct admin_arg spec[] = {
		{ "lun", ADMIN_STRING, true, &r->name },
		{ "initiators", ADMIN_ARRAY, true, &r->initiators },
		{ "dry_run", ADMIN_BOOLEAN, false, &r->dry_run },
	};
	char shown[ADMIN_SHOWN_LEN];
	int rc;

	if ((rc = admin_msg_args(args, spec, 3, reply)) != 0)
		return (rc);
	(void)snprintf(r->what, sizeof(r->what), "cannot change who may enter "
	    "%s", admin_find_shown(shown, r->name));
	if ((rc = admin_find_lun(d, r->name, r->what, reply, &r->lun)) != 0 ||
	    (rc = check_names(r, reply)) != 0 ||
	    (rc = check_room(d, r, reply)) != 0 ||
	    (rc = admin_find_writable(d, r->what, reply)) != 0)
		return (rc);
	return (r->dry_run ? 0 : change(d, r, reply));
}

static void
allow_or_deny(struct daemon *d, json_t *args, bool may,
    struct admin_reply *reply)
{
	struct request *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		admin_msg_errno(reply, -ENOMEM, "cannot change who may enter");
		return;
	}
	r->may = may;
	if (work(d, args, reply, r) == 0) {
		reply->result = json_object();
		admin_json_str(reply->result, "lun", r->lun.name);
		(void)json_object_set_new(reply->result, "initiators",
		    admin_find_initiators(d, r->lun.number));
		if (r->dry_run)
			admin_json_bool(reply->result, "dry_run", true);
	}
	free(r);
}

void
admin_allow(void *ctx, json_t *args, struct admin_reply *reply)
{

	allow_or_deny(ctx, args, true, reply);
}

void
admin_deny(void *ctx, json_t *args, struct admin_reply *reply)
{

	allow_or_deny(ctx, args, false, reply);
}

void
admin_logins(void *ctx, json_t *args, struct admin_reply *reply)
{
	struct daemon *d = ctx;
	struct login_failure *all = NULL;
	json_t *rows, *row;
	size_t n = 0;
	int rc;

	if (admin_msg_args(args, NULL, 0, reply) != 0)
		return;
	if ((rc = logins_list(d->logins, &all, &n)) != 0) {
		admin_msg_errno(reply, rc, "cannot list the logins");
		return;
	}
	rows = json_array();
	for (size_t i = 0; i < n; i++) {
		row = json_object();
		admin_json_time(row, "time", all[i].time_ns);
		admin_json_str(row, "address", all[i].address);
		admin_json_str(row, "initiator", all[i].initiator);
		admin_json_str(row, "iqn", all[i].iqn);
		admin_json_str(row, "user", all[i].user);
		admin_json_str(row, "reason", logins_reason(all[i].why));
		(void)json_array_append_new(rows, row);
	}
	free(all);
	reply->result = json_pack("{s:o}", "logins", rows);
}
