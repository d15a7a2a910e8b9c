/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * registry.h - which iSCSI targets there are: one for each LUN and one for
 * each exposure, by name; the portals they are served on; the sessions.
 *
 * A target is known by the number of its LUN and the seq of its snapshot
 * (LUN_HEAD: the LUN itself).  Its iqn is prefix:LUN, or prefix:LUN:SNAPSHOT.
 * It keeps its lun_dev open as long as it is here: to delete a LUN or to
 * unexpose a snapshot, take the target out first (that refuses while somebody
 * is logged in, and nobody can enter any more), then do it in lun/, and put
 * the target back if that failed.
 *
 * Threads: any, unless said otherwise; no lock above LK_TARGETS held.
 */
#ifndef TARGET_REGISTRY_H
#define TARGET_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lun/lun.h"
#include "target/iscsi/iscsi.h"

struct logins;
struct registry;
struct secret_key;
struct workers;

#define REGISTRY_IQN_CAP	ISCSI_NAME_CAP

struct registry_conf {
	const char *iqn_prefix;
	struct lunset *lunset;
	const struct secret_key *key;
	struct logins *logins;		/* NULL: failures are not kept */
	const char *discovery_user;	/* NULL: discovery without CHAP */
	const struct iscsi_secret *discovery_secret;
};

/* All of ${conf} must outlive the registry.  Errors: -ENOMEM. */
int registry_new(const struct registry_conf *conf, struct registry **out);
/* Every session and worker is gone. */
void registry_free(struct registry *r);

/* Add every LUN and every exposure of the store.  Errors: -errno, logged. */
int registry_load(struct registry *r);

/* ---- targets ---------------------------------------------------------- */

/*
 * Errors: -EEXIST it is here, -ENAMETOOLONG, -ENOENT not in the store,
 * -ENOMEM; logged.
 */
int registry_add_lun(struct registry *r, const struct lun_info *info);
int registry_add_exposure(struct registry *r,
    const struct exposure_info *info);

/*
 * Take a target out and close its lun_dev.
 * Errors: -ENOENT; -EBUSY a session, or a login that is under way, uses it.
 */
int registry_remove(struct registry *r, uint64_t lun, uint64_t seq);

/*
 * Let nobody enter a target any more ("target removed"), ask those who are in
 * to log out, wait up to ${ms} for that, and close what is left.  When it has
 * returned 0, registry_remove finds it unused; afterwards its name is still
 * answered "target removed", until 64 others were or a target has it again.
 * registry_readmit: it was not removed after all.
 *
 * Blocks.  Errors: -ENOENT, -ENOMEM, -errno; then nothing has changed.
 */
int registry_evict(struct registry *r, uint64_t lun, uint64_t seq,
    unsigned ms);
void registry_readmit(struct registry *r, uint64_t lun, uint64_t seq);

/* What initiators are told of a LUN's write cache.  Errors: -ENOENT. */
int registry_set_write_through(struct registry *r, uint64_t lun, bool on);

/* A LUN that was held (lun_info.held) is used again.  Errors: -ENOENT. */
int registry_release(struct registry *r, uint64_t lun);

/*
 * The store is running out of space: every session of a LUN hears unit
 * attention 38h/07h (SBC-3 4.7.3.8).
 */
void registry_space_low(struct registry *r);

/* Normal sessions of a target now; 0 when there is no such target. */
unsigned registry_sessions_of(struct registry *r, uint64_t lun, uint64_t seq);

/**
 * registry_iqn(r, lun_name, suffix, dst):
 * The name a target has or would have; ${suffix} NULL: of the LUN itself.
 * Errors: -ENAMETOOLONG.
 */
int registry_iqn(const struct registry *r, const char *lun_name,
    const char *suffix, char dst[static REGISTRY_IQN_CAP]);

/* ---- portals ---------------------------------------------------------- */

struct registry_portal {
	char text[64];		/* "192.0.2.9:3260", "[2001:db8::9]:3260" */
	char address[48];	/* without brackets; may be a wildcard */
	uint16_t port;		/* the real one */
	uint16_t tag;		/* portal group */
	bool is_told;		/* servers are told of it, in discovery */
	bool is_bound;		/* we listen on it; otherwise NAT does */
};

/* Once, before any portal accepts.  Copies.  Errors: -ENOMEM. */
int registry_set_portals(struct registry *r,
    const struct registry_portal *p, size_t n);
/* They stay as long as the registry; none before they were set. */
const struct registry_portal *registry_portals(const struct registry *r,
    size_t *n);

/* ---- sessions --------------------------------------------------------- */

struct registry_session {
	char initiator[ISCSI_NAME_CAP];
	char address[64];	/* of the peer, with its port */
	char iqn[ISCSI_NAME_CAP]; /* "" : a discovery session */
	char user[ISCSI_USER_CAP]; /* CHAP name that was proven, or "" */
	uint64_t since_ns;	/* UTC */
	bool discovery;
};

/* All sessions, a malloc'ed array; the caller frees.  Errors: -ENOMEM. */
int registry_sessions(struct registry *r, struct registry_session **out,
    size_t *out_n);

/* Is a normal session open from the host of ${address} ("192.0.2.1:51234")? */
bool registry_is_known(struct registry *r, const char *address);

/* ---- for the daemon ---------------------------------------------------- */

/* The node whose environment this registry is, and the threads its sessions
 * run on; before any session. */
void registry_set_node(struct registry *r, struct iscsi_node *n);
void registry_set_workers(struct registry *r, const struct workers *ws);

#endif /* !TARGET_REGISTRY_H */
