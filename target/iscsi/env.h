/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * env.h - what the iSCSI layer asks of the daemon: which targets there are,
 * who may enter, with which secrets; and what it tells it: sessions that
 * begin and end, logins that failed.
 *
 * Threads: every function of the table is called on the loop thread of the
 * connection it is about, so several at once; it may take locks of rank
 * LK_TARGETS and above, and must not wait.  No lock of this layer is held.
 */
#ifndef TARGET_ISCSI_ENV_H
#define TARGET_ISCSI_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct iscsi_conn;		/* target/iscsi/iscsi.h */
struct iscsi_target;		/* the daemon's own; never looked into here */

/* A name of RFC 7143 4.2.7.1: at most 223 bytes, and the zero. */
#define ISCSI_NAME_CAP	224
#define ISCSI_USER_CAP	256
#define ISCSI_SECRET_MAX 255

/* Who is at the other end, as far as it is known when a function is called. */
struct iscsi_peer {
	const char *initiator;	/* InitiatorName, lower case */
	const char *address;	/* "192.0.2.1:51234" */
	const char *local;	/* our end: "192.0.2.9:3260" */
	bool loopback;		/* the peer is on this machine */
	uint16_t tag;		/* portal group the connection came in on */
};

/* A CHAP secret copied out; wiped by this layer after use. */
struct iscsi_secret {
	size_t len;
	uint8_t b[ISCSI_SECRET_MAX];
};

/* Why a login was refused; for the daemon's list of failed logins. */
enum iscsi_refusal {
	ISCSI_REFUSED_PROTOCOL = 1,	/* not understandable, limits */
	ISCSI_REFUSED_NO_TARGET,	/* no such target */
	ISCSI_REFUSED_NOT_ALLOWED,	/* target_find said -EACCES */
	ISCSI_REFUSED_REMOVED,		/* target_find said -EIDRM */
	ISCSI_REFUSED_NOT_READY,	/* target_find said -EAGAIN */
	ISCSI_REFUSED_NO_CHAP,		/* CHAP is needed and was not offered */
	ISCSI_REFUSED_NO_ALGORITHM,	/* no common CHAP_A */
	ISCSI_REFUSED_USER,		/* unknown CHAP_N */
	ISCSI_REFUSED_SECRET,		/* wrong CHAP_R */
	ISCSI_REFUSED_MUTUAL,		/* mutual CHAP impossible, reflected */
	ISCSI_REFUSED_TIMEOUT,		/* login time limit */
	ISCSI_REFUSED_SESSION		/* TSIH unknown, session_start failed */
};
const char *iscsi_refusal_name(enum iscsi_refusal why);

/* One session; the strings live as long as the session. */
struct iscsi_session_info {
	const char *initiator;
	const char *address;	/* of the peer */
	const char *local;
	const char *iqn;	/* "" in a discovery session */
	const char *user;	/* CHAP_N that was proven, or "" */
	uint8_t isid[6];
	uint16_t tsih;
	uint16_t tag;
	bool discovery;
	bool header_digest, data_digest;
	uint64_t since_utc_ns;
};

/* Adds one line pair to a SendTargets answer; see ops.discover. */
typedef void iscsi_emit_fn(void *ctx, const char *iqn,
    const char *const *portals, size_t n_portals);

struct iscsi_env_ops {
	/*
	 * The target named ${iqn} (lower case), with a reference.
	 * Errors: -ENOENT no such target; -EACCES not for this peer (wrong
	 * initiator, or no CHAP beyond loopback); to the peer both look the
	 * same, see chap_absent.  -EIDRM it was removed while in use; -EAGAIN
	 * not yet: say these two only to peers that may know of it.
	 */
	int (*target_find)(void *arg, const char *iqn,
	    const struct iscsi_peer *peer, struct iscsi_target **out);
	void (*target_put)(void *arg, struct iscsi_target *t);

	/*
	 * Optional (NULL: true).  ${peer} asks for a target that does not
	 * exist or is not for it.  True: it goes through CHAP as for a target
	 * that needs it, and fails with "authentication failure" whatever it
	 * answers.  False: "not found" at once.  To hide which targets exist,
	 * say true to every peer from which any target would want CHAP.
	 */
	bool (*chap_absent)(void *arg, const struct iscsi_peer *peer);

	/* Must this peer pass CHAP?  ${t} NULL: for a discovery session. */
	bool (*chap_needed)(void *arg, struct iscsi_target *t,
	    const struct iscsi_peer *peer);

	/*
	 * The secret of ${user} for ${t} (NULL: discovery).
	 * Errors: -ENOENT unknown user; the exchange goes on and fails as
	 * with a wrong secret.  For a target that is not there it is called
	 * with NULL, too, for the time it takes; what it says is not used.
	 */
	int (*chap_secret)(void *arg, struct iscsi_target *t,
	    const char *user, struct iscsi_secret *out);

	/*
	 * Optional (NULL: chap_secret with NULL is asked).  Call ${fn} with
	 * each secret that proves ${user} for a discovery session: the same
	 * name may have another one at every target.
	 */
	void (*discovery_secrets)(void *arg, const char *user,
	    void (*fn)(void *ctx, const struct iscsi_secret *secret),
	    void *ctx);

	/*
	 * How the target proves itself to ${user}, who has passed.
	 * Errors: -ENOENT mutual CHAP is not set up.
	 */
	int (*chap_mutual)(void *arg, struct iscsi_target *t, const char *user,
	    char name[ISCSI_USER_CAP], struct iscsi_secret *out);

	/*
	 * Call ${emit} for each target that this peer may know of, with its
	 * portals as "192.0.2.9:3260,1"; only for ${iqn} when that is not
	 * NULL.  ${user} is the proven CHAP user or "".
	 */
	void (*discover)(void *arg, const struct iscsi_peer *peer,
	    const char *user, const char *iqn, iscsi_emit_fn *emit, void *ctx);

	/*
	 * A normal session enters full feature phase.  ${info} and ${c} stay
	 * valid until session_end.  ${*out_nexus} is what the tasks of the
	 * session carry (iscsi_task_nexus).  Any session that this one
	 * reinstates has already ended.
	 * Errors: -ENOENT the target is gone meanwhile ("not found"),
	 * everything else "out of resources".
	 */
	int (*session_start)(void *arg, struct iscsi_target *t,
	    const struct iscsi_session_info *info, struct iscsi_conn *c,
	    void **out_nexus);
	/* No task of the session exists any more, none will come. */
	void (*session_end)(void *arg, void *nexus);

	/* Optional (NULL).  ${iqn} and ${user} may be "" when unknown. */
	void (*login_failed)(void *arg, const struct iscsi_peer *peer,
	    const char *iqn, const char *user, enum iscsi_refusal why);
};

struct iscsi_task_ops;		/* target/iscsi/task.h */

/* Bits of iscsi_env.chap_algs. */
#define ISCSI_CHAP_MD5		0x1u
#define ISCSI_CHAP_SHA1		0x2u
#define ISCSI_CHAP_SHA256	0x4u
#define ISCSI_CHAP_SHA3_256	0x8u

#define ISCSI_NEVER_MS	0xffffffffu	/* nop_ms: peers are not asked */

/* Given once to iscsi_node_new; zero means the value in parentheses. */
struct iscsi_env {
	const struct iscsi_env_ops *ops;
	const struct iscsi_task_ops *task_ops;
	void *arg;			/* first argument of ops */
	size_t task_priv_bytes;		/* iscsi_task_priv (none) */
	unsigned depth;			/* commands per session (128) */
	unsigned chap_algs;		/* ISCSI_CHAP_* (all four) */
	unsigned login_ms;		/* login time limit (15,000) */
	unsigned nop_ms;		/* silence before a NOP-In (30,000) */
	unsigned nop_timeout_ms;	/* ... and then before the end (30,000) */
	unsigned logout_ms;		/* for a logout we ask for (5,000) */
	uint32_t max_out_bytes;		/* largest data-out (32 MiB) */
	size_t pool_bytes;		/* idle buffers per loop (64 MiB) */
	/*
	 * Buffers of all commands at work (512 MiB; at least 64 MiB).  Each
	 * session takes 1.25 MiB of it; a login beyond is refused.
	 */
	size_t memory_bytes;
	/*
	 * Tasks of other sessions that a reset aborts are answered TASK
	 * ABORTED (the TAS bit of the control mode page is set); otherwise
	 * they are not answered at all.
	 */
	bool task_aborted_status;
};

#endif /* !TARGET_ISCSI_ENV_H */
