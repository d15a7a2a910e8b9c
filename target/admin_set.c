/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * set, online: what becomes of a LUN when power was lost.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "meta/base/msg.h"
#include "target/admin_find.h"
#include "target/admin_verbs.h"

#define WHAT_LEN	(ADMIN_SHOWN_LEN + 64)

int
admin_set_parse(const char *text, const char *what, struct admin_reply *reply,
    bool *hold)
{

	if (strcmp(text, "hold") != 0 && strcmp(text, "continue") != 0) {
		admin_msg_error(reply, ADMIN_INVALID, "%s\nthere are two "
		    "things to do after a loss of power\nchoose continue or "
		    "hold", what);
		return (-EINVAL);
	}
	*hold = strcmp(text, "hold") == 0;
	return (0);
}

static void
answer(struct daemon *d, const struct lun_info *l, bool dry_run,
    struct admin_reply *reply)
{
	struct lun_info now = *l;

	(void)lunset_find(d->lunset, l->name, &now);
	reply->result = json_object();
	admin_json_str(reply->result, "name", l->name);
	admin_json_power(reply->result, &now);
	if (dry_run)
		admin_json_bool(reply->result, "dry_run", true);
}

void
admin_set(void *ctx, json_t *args, struct admin_reply *reply)
{
	struct daemon *d = ctx;
	const char *lun = NULL, *text = NULL;
	bool dry_run = false, hold;
	const struct admin_arg spec[] = {
		{ "lun", ADMIN_STRING, true, &lun },
		{ "after_power_loss", ADMIN_STRING, true, &text },
		{ "dry_run", ADMIN_BOOLEAN, false, &dry_run },
	};
	char what[WHAT_LEN], shown[ADMIN_SHOWN_LEN];
	struct lun_info info;
	int rc;

	if (admin_msg_args(args, spec, 3, reply) != 0)
		return;
	(void)snprintf(what, sizeof(what), "cannot change %s",
	    admin_find_shown(shown, lun));
	if (admin_find_lun(d, lun, what, reply, &info) != 0 ||
	    admin_set_parse(text, what, reply, &hold) != 0 ||
	    admin_find_writable(d, what, reply) != 0)
		return;
	if (!dry_run && (rc = lunset_set_hold(d->lunset, info.name,
	    hold)) != 0) {
		admin_msg_errno(reply, rc, "%s", what);
		return;
	}
	if (!dry_run)
		msg_info("%s: after-power-loss=%s", info.name, text);
	answer(d, &info, dry_run, reply);
}

void
admin_online(void *ctx, json_t *args, struct admin_reply *reply)
{
	struct daemon *d = ctx;
	const char *lun = NULL;
	bool dry_run = false;
	const struct admin_arg spec[] = {
		{ "lun", ADMIN_STRING, true, &lun },
		{ "dry_run", ADMIN_BOOLEAN, false, &dry_run },
	};
	char what[WHAT_LEN], shown[ADMIN_SHOWN_LEN];
	struct lun_info info;
	int rc;

	if (admin_msg_args(args, spec, 2, reply) != 0)
		return;
	(void)snprintf(what, sizeof(what), "cannot bring %s online",
	    admin_find_shown(shown, lun));
	if (admin_find_lun(d, lun, what, reply, &info) != 0 ||
	    admin_find_writable(d, what, reply) != 0)
		return;
	if (!dry_run && info.held) {
		if ((rc = lunset_online(d->lunset, info.name)) != 0 ||
		    (rc = registry_release(d->registry, info.number)) != 0) {
			admin_msg_errno(reply, rc, "%s", what);
			return;
		}
		msg_info("%s is online", info.name);
	}
	answer(d, &info, dry_run, reply);
}
