/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * admin_find.h - what several verbs look for: a LUN, a snapshot, an exposure
 * by name; names, portals and users as the protocol shows them.
 *
 * Functions that take a reply make it the error to send when they fail;
 * ${what} says in it what was wanted: "cannot delete demo".
 * Threads: the admin thread.
 */
#ifndef TARGET_ADMIN_FIND_H
#define TARGET_ADMIN_FIND_H

#include <stdbool.h>

#include "target/admin_json.h"
#include "target/admin_msg.h"
#include "target/daemon.h"

/* With force: how long servers have to log out. */
#define ADMIN_FORCE_MS 5000u

/* A name of a peer, so that it can be shown. */
#define ADMIN_SHOWN_LEN 96
const char *admin_find_shown(char dst[static ADMIN_SHOWN_LEN],
    const char *name);

/* -ENOENT. */
int admin_find_lun(struct daemon *d, const char *name, const char *what,
    struct admin_reply *reply, struct lun_info *out);
/* -ENOENT, -ENOMEM. */
int admin_find_snap(struct daemon *d, const struct lun_info *lun,
    const char *name, const char *what, struct admin_reply *reply,
    struct snap_info *out);
/* The exposure of a snapshot.  -ENOENT without a word, -ENOMEM. */
int admin_find_exposure(struct daemon *d, const struct snap_info *s,
    struct exposure_info *out);

/* May anything be changed?  -EROFS: the store stopped after an error. */
int admin_find_writable(struct daemon *d, const char *what,
    struct admin_reply *reply);

/* The iqn of a LUN (${snap} NULL) or an exposure; "" when it is too long. */
void admin_find_iqn(struct daemon *d, const char *lun, const char *snap,
    char dst[static REGISTRY_IQN_CAP]);

/*
 * An error of what is in use: names the sessions of target ${iqn}, called
 * ${name}, or says that somebody is just logging in.
 */
void admin_find_busy(struct daemon *d, const char *iqn, const char *name,
    const char *what, struct admin_reply *reply);

/* Portals as the protocol shows them, new: those that servers are told of, or
 * (${bound}) those that we listen on. */
json_t *admin_find_portals(struct daemon *d, bool bound);

/* One user for lunset_create or lunset_user_add.  Errors: of secret_seal. */
int admin_user_seal(struct daemon *d, const char *user, const char *secret,
    bool mutual, struct lun_user *u);

/* "continue" or "hold".  -EINVAL. */
int admin_set_parse(const char *text, const char *what,
    struct admin_reply *reply, bool *hold);

/* The initiator names that may enter a LUN, none: all; new. */
json_t *admin_find_initiators(struct daemon *d, uint64_t lun);

/* *disk* of a LUN or an exposure with portals and users into ${obj}. */
void admin_find_put_lun(struct daemon *d, json_t *obj,
    const struct lun_info *l);
void admin_find_put_exposure(struct daemon *d, json_t *obj,
    const struct exposure_info *x);

#endif /* !TARGET_ADMIN_FIND_H */
