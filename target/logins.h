/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * logins.h - the logins that failed: the last hundred of them for
 * tt-admin logins, and how often each address failed lately, by which its
 * next connections are delayed.
 *
 * Only what a guesser does counts for a delay: a wrong secret, an unknown
 * user, a target that is not there or not for him.  A login that succeeds
 * wipes the slate of its address; a minute without a failure does, too.
 *
 * Threads: any; takes a lock of rank LK_TARGETS and calls nobody with it.
 */
#ifndef TARGET_LOGINS_H
#define TARGET_LOGINS_H

#include <stddef.h>
#include <stdint.h>

#include "target/iscsi/env.h"

#define LOGINS_KEPT		100u
#define LOGINS_ADDRESS_CAP	64	/* with the port */
#define LOGINS_HOSTS		128u	/* addresses that are counted */
#define LOGINS_FREE		3u	/* failures that cost nothing */
#define LOGINS_DELAY_MIN_MS	250u
#define LOGINS_DELAY_MAX_MS	3000u
#define LOGINS_FORGET_MS	60000u

struct logins;

struct login_failure {
	uint64_t time_ns;		/* UTC */
	char address[LOGINS_ADDRESS_CAP];
	char initiator[ISCSI_NAME_CAP];
	char iqn[ISCSI_NAME_CAP];	/* "": discovery, or not said yet */
	char user[ISCSI_USER_CAP];	/* "": not said */
	enum iscsi_refusal why;
};

/* Errors: -ENOMEM. */
int logins_new(struct logins **out);
void logins_free(struct logins *ls);

/* The arguments are those of iscsi_env_ops.login_failed. */
void logins_failed(struct logins *ls, const struct iscsi_peer *peer,
    const char *iqn, const char *user, enum iscsi_refusal why);
/* Somebody from ${address} ("192.0.2.1:51234") is in. */
void logins_succeeded(struct logins *ls, const char *address);

/* How long a new connection from there waits; 0: not at all. */
unsigned logins_delay_ms(struct logins *ls, const char *address);

/* All that are kept, oldest first, a malloc'ed array.  Errors: -ENOMEM. */
int logins_list(struct logins *ls, struct login_failure **out, size_t *out_n);

/* A word that stays the same: "wrong-secret" (target/ADMIN.md, logins). */
const char *logins_reason(enum iscsi_refusal why);

/* "192.0.2.1" of "192.0.2.1:51234", "[::1]" of "[::1]:51234". */
void logins_host(char dst[static LOGINS_ADDRESS_CAP], const char *address);

#endif /* !TARGET_LOGINS_H */
