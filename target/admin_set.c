/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * set, online: what becomes of a LUN when power was lost, whether it shares
 * blocks, and whether it has a write cache.
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
	admin_json_bool(reply->result, "dedup", now.dedup);
	admin_json_bool(reply->result, "cache", !now.write_through);
	if (dry_run)
		admin_json_bool(reply->result, "dry_run", true);
}

/* What is to be changed; NULL, -1: not this. */
struct change {
	const char *power;
	int dedup, cache;
	bool hold;
};

static int
read_change(json_t *args, const char *what, struct change *c,
    struct admin_reply *reply)
{
	json_t *dedup = json_object_get(args, "dedup");
	json_t *cache = json_object_get(args, "cache");

	c->dedup = dedup == NULL ? -1 : json_is_true(dedup);
	c->cache = cache == NULL ? -1 : json_is_true(cache);
	if (c->power == NULL && c->dedup < 0 && c->cache < 0) {
		admin_msg_error(reply, ADMIN_BAD_REQUEST, "%s\nit was not said "
		    "what to change\ngive after_power_loss, dedup or cache",
		    what);
		return (-EINVAL);
	}
	return (c->power == NULL ? 0 :
	    admin_set_parse(c->power, what, reply, &c->hold));
}

/*
 * Initiators hear of a cache before there is one, and of none when there is
 * none any more: what they are told is never better than what is done.
 */
static int
apply_cache(struct daemon *d, const struct lun_info *l, bool cache)
{
	int rc;

	if (cache)
		(void)registry_set_write_through(d->registry, l->number, false);
	rc = lunset_set_write_through(d->lunset, l->name, !cache);
	if (rc != 0)
		cache = !l->write_through;
	(void)registry_set_write_through(d->registry, l->number, !cache);
	if (rc == 0)
		msg_info("%s: cache=%s", l->name, cache ? "on" : "off");
	return (rc);
}

static int
apply(struct daemon *d, const struct lun_info *l, const struct change *c)
{
	const char *lun = l->name;
	int rc;

	if (c->power != NULL) {
		if ((rc = lunset_set_hold(d->lunset, lun, c->hold)) != 0)
			return (rc);
		msg_info("%s: after-power-loss=%s", lun, c->power);
	}
	if (c->dedup >= 0) {
		if ((rc = lunset_set_dedup(d->lunset, lun,
		    c->dedup != 0)) != 0)
			return (rc);
		msg_info("%s: dedup=%s", lun, c->dedup != 0 ? "on" : "off");
	}
	return (c->cache >= 0 ? apply_cache(d, l, c->cache != 0) : 0);
}

void
admin_set(void *ctx, json_t *args, struct admin_reply *reply)
{
	struct daemon *d = ctx;
	struct change c = { 0 };
	const char *lun = NULL;
	bool dry_run = false, dedup, cache;
	const struct admin_arg spec[] = {
		{ "lun", ADMIN_STRING, true, &lun },
		{ "after_power_loss", ADMIN_STRING, false, &c.power },
		{ "dedup", ADMIN_BOOLEAN, false, &dedup },
		{ "cache", ADMIN_BOOLEAN, false, &cache },
		{ "dry_run", ADMIN_BOOLEAN, false, &dry_run },
	};
	char what[WHAT_LEN], shown[ADMIN_SHOWN_LEN];
	struct lun_info info;
	int rc;

	if (admin_msg_args(args, spec, 5, reply) != 0)
		return;
	(void)snprintf(what, sizeof(what), "cannot change %s",
	    admin_find_shown(shown, lun));
	if (admin_find_lun(d, lun, what, reply, &info) != 0 ||
	    read_change(args, what, &c, reply) != 0 ||
	    admin_find_writable(d, what, reply) != 0)
		return;
	if (!dry_run && (rc = apply(d, &info, &c)) != 0) {
		admin_msg_errno(reply, rc, "%s", what);
		return;
	}
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
