/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * daemon.h - ttd as a whole: what it consists of, how it starts and ends.
 *
 * Start: store (with recovery), workers, targets, admin socket, and the
 * portals last: nobody gets in before everything is there.  End (SIGTERM,
 * SIGINT): portals, admin socket, sessions (commands in flight are finished
 * and answered), workers, targets, and the store with a checkpoint.
 */
#ifndef TARGET_DAEMON_H
#define TARGET_DAEMON_H

#include <stddef.h>
#include <stdint.h>

#include "lun/lun.h"
#include "target/config.h"
#include "target/iscsi/iscsi.h"
#include "target/registry.h"
#include "target/secret.h"

struct admin;
struct logins;
struct workers;
struct daemon_run;		/* daemon.c */

/*
 * What the verbs of the admin socket work with.  Set before the admin thread
 * starts, and stays until it has ended.
 */
struct daemon {
	const struct config *conf;
	struct lunset *lunset;
	struct secret_key *key;
	struct iscsi_node *node;
	struct logins *logins;
	struct iscsi_secret discovery_secret;	/* with conf->discovery_user */
	struct registry *registry;
	struct workers *workers;
	struct admin *admin;
	uint64_t started_ns;		/* UTC */
	bool is_low;			/* space; of the thread that tells */
	struct daemon_run *run;
};

/**
 * daemon_check(conf):
 * What config_load cannot see and a start needs: the file with the secret for
 * discovery.  Reads it, changes nothing.  0 or -errno; logged.
 */
int daemon_check(const struct config *conf);

/**
 * daemon_init(conf):
 * Make the store of ${conf}, with its key.  0 or -errno; logged.  This, the
 * next two: -EPERM as root in a folder of another user (owner.h).
 */
int daemon_init(const struct config *conf);

/**
 * daemon_rebuild(conf, force):
 * Make the catalogue of the store of ${conf} anew (lunset_rebuild).  0 or
 * -errno; logged.
 * Threads: before any other exists.
 */
int daemon_rebuild(const struct config *conf, bool force);

/**
 * daemon_main(conf):
 * Serve until SIGTERM or SIGINT.  0, or -errno when it could not start or not
 * end in order; logged.
 * Threads: the main thread, before any other exists (it blocks signals).
 */
int daemon_main(const struct config *conf);

#endif /* !TARGET_DAEMON_H */
