/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * admin_json.h - the common shapes of target/ADMIN.md: disk, snapshot,
 * portal, time.
 *
 * Objects are new, or NULL without memory; what cannot be added for want of
 * memory is left out.  Threads: any.
 */
#ifndef TARGET_ADMIN_JSON_H
#define TARGET_ADMIN_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lun/lun.h"

/* What a server sees of a LUN or of an exposure. */
struct admin_disk {
	const char *iqn;
	uint64_t size_bytes;
	uint32_t sector_bytes, block_bytes;
	struct lun_identity identity;
	bool open;
	unsigned sessions;
	uint64_t time_ns;
};

void admin_json_of_lun(struct admin_disk *d, const struct lun_info *l,
    const char *iqn, unsigned sessions);
void admin_json_of_exposure(struct admin_disk *d,
    const struct exposure_info *x, const char *iqn, unsigned sessions);

/* Adds "after_power_loss" and "held". */
void admin_json_power(json_t *obj, const struct lun_info *l);

/* Adds the fields of ${d} to ${obj}; ${portals} is shared, NULL: none. */
void admin_json_disk(json_t *obj, const struct admin_disk *d,
    json_t *portals);

/*
 * Adds "users", the names of all that may enter, "chap" with the first of
 * them, and "mutual" with the target's own; no secrets.
 */
void admin_json_users(json_t *obj, const struct lun_user *users, size_t n);

/* {"name","lun","seq","time","exposed"}, and "iqn" when it is not NULL. */
json_t *admin_json_snap(const struct snap_info *s, const char *lun,
    const char *iqn);

/* {"address","port","tag"} */
json_t *admin_json_portal(const char *address, unsigned port, unsigned tag);

/* obj[key] = ..., for values that are no JSON yet. */
void admin_json_time(json_t *obj, const char *key, uint64_t ns);
void admin_json_u64(json_t *obj, const char *key, uint64_t v);
void admin_json_str(json_t *obj, const char *key, const char *s);
void admin_json_bool(json_t *obj, const char *key, bool b);

#endif /* !TARGET_ADMIN_JSON_H */
