/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/admin_json.h"

#include <stdio.h>
#include <string.h>

#include "meta/base/bytes.h"
#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "meta/base/rnd.h"

#define TEXT_LEN 1024

void
admin_json_str(json_t *obj, const char *key, const char *s)
{
	char shown[TEXT_LEN];
	json_t *v = json_string(s);

	/* What a peer calls itself need not be UTF-8. */
	if (v == NULL)
		v = json_string(msg_safe(shown, sizeof(shown), s, strlen(s)));
	(void)json_object_set_new(obj, key, v);
}

void
admin_json_u64(json_t *obj, const char *key, uint64_t v)
{

	/* JSON numbers of jansson are signed; nothing of ours is larger. */
	(void)json_object_set_new(obj, key, json_integer(v > INT64_MAX ?
	    INT64_MAX : (json_int_t)v));
}

void
admin_json_bool(json_t *obj, const char *key, bool b)
{

	(void)json_object_set_new(obj, key, json_boolean(b));
}

void
admin_json_time(json_t *obj, const char *key, uint64_t ns)
{
	char text[CLOCK_RFC3339_LEN];

	admin_json_str(obj, key, clock_rfc3339(text, ns));
}

void
admin_json_power(json_t *obj, const struct lun_info *l)
{

	admin_json_str(obj, "after_power_loss", l->hold ? "hold" : "continue");
	admin_json_bool(obj, "held", l->held);
}

void
admin_json_of_lun(struct admin_disk *d, const struct lun_info *l,
    const char *iqn, unsigned sessions)
{

	*d = (struct admin_disk){ .iqn = iqn, .size_bytes = l->size_bytes,
	    .sector_bytes = l->sector_bytes, .block_bytes = l->block_bytes,
	    .identity = l->identity, .open = l->open, .sessions = sessions,
	    .time_ns = l->created_ns };
}

void
admin_json_of_exposure(struct admin_disk *d, const struct exposure_info *x,
    const char *iqn, unsigned sessions)
{

	*d = (struct admin_disk){ .iqn = iqn, .size_bytes = x->size_bytes,
	    .sector_bytes = x->sector_bytes, .block_bytes = x->block_bytes,
	    .identity = x->identity, .open = x->open, .sessions = sessions,
	    .time_ns = x->created_ns };
}

void
admin_json_disk(json_t *obj, const struct admin_disk *d, json_t *portals)
{
	char uuid[UUID_TEXT_LEN], naa[17];

	(void)snprintf(naa, sizeof(naa), "%016llx",
	    (unsigned long long)get_be64(d->identity.naa));
	admin_json_str(obj, "iqn", d->iqn);
	if (portals != NULL)
		(void)json_object_set(obj, "portals", portals);
	admin_json_u64(obj, "size", d->size_bytes);
	admin_json_u64(obj, "sector", d->sector_bytes);
	admin_json_u64(obj, "block", d->block_bytes);
	admin_json_str(obj, "uuid", uuid_format(uuid, d->identity.uuid));
	admin_json_str(obj, "naa", naa);
	admin_json_str(obj, "serial", d->identity.serial);
	admin_json_bool(obj, "open", d->open);
	admin_json_u64(obj, "sessions", d->sessions);
	admin_json_time(obj, "time", d->time_ns);
}

void
admin_json_users(json_t *obj, const struct lun_user *users, size_t n)
{
	json_t *who, *names = json_array();

	for (size_t i = 0; i < n; i++) {
		const char *key = users[i].mutual ? "mutual" : "chap";

		if (!users[i].mutual)
			(void)json_array_append_new(names,
			    json_string(users[i].user));
		if (json_object_get(obj, key) != NULL ||
		    (who = json_object()) == NULL)
			continue;
		admin_json_str(who, "user", users[i].user);
		(void)json_object_set_new(obj, key, who);
	}
	(void)json_object_set_new(obj, "users", names);
}

json_t *
admin_json_snap(const struct snap_info *s, const char *lun, const char *iqn)
{
	json_t *obj = json_object();

	admin_json_str(obj, "name", s->name);
	admin_json_str(obj, "lun", lun);
	admin_json_u64(obj, "seq", s->seq);
	admin_json_time(obj, "time", s->time_ns);
	admin_json_bool(obj, "exposed", s->exposed);
	if (iqn != NULL)
		admin_json_str(obj, "iqn", iqn);
	return (obj);
}

json_t *
admin_json_portal(const char *address, unsigned port, unsigned tag)
{
	json_t *obj = json_object();

	admin_json_str(obj, "address", address);
	admin_json_u64(obj, "port", port);
	admin_json_u64(obj, "tag", tag);
	return (obj);
}
