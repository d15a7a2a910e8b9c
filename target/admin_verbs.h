/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * admin_verbs.h - what an administrator can ask ttd to do: the rows for
 * admin_start.  Their first argument is a struct daemon.
 *
 * admin_create.c, admin_delete.c: LUNs; admin_snap.c: snapshots, exposures;
 * admin_gc.c: space; admin_set.c: after a loss of power; admin_user.c, admin_access.c: who may
 * enter; admin_verify.c: verification; admin_state.c: everything that only
 * tells.
 *
 * Each checks everything before it changes anything, and undoes what it did
 * when a later step fails.  Threads: the admin thread.
 */
#ifndef TARGET_ADMIN_VERBS_H
#define TARGET_ADMIN_VERBS_H

#include "target/admin.h"

extern const struct admin_verb admin_verbs[];
extern const size_t admin_verbs_n;

admin_verb_fn admin_create, admin_delete, admin_snapshot, admin_expose,
    admin_unexpose, admin_list, admin_show, admin_sessions, admin_status,
    admin_user_add, admin_user_remove, admin_user_list, admin_allow,
    admin_deny, admin_logins, admin_set, admin_online, admin_help, admin_verify,
    admin_gc;

/* The object that tells of space reclaim: in gc, and in status. */
struct lun_gc;
json_t *admin_gc_json(const struct lun_gc *g);
/* Into "store" of status: verify, scrub and known_damage, without lists. */
struct lunset;
void admin_verify_status(struct lunset *ls, json_t *store);

#endif /* !TARGET_ADMIN_VERBS_H */
