/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * login.h - the login phase (RFC 7143 chapter 6.3 and 11.12) as a machine:
 * Login Requests in, Login Responses out.  Knows no socket and no time; the
 * connection feeds it, sends its answers and limits how long it takes.
 *
 * Threads: the connection's loop.
 */
#ifndef TARGET_ISCSI_LOGIN_H
#define TARGET_ISCSI_LOGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "target/iscsi/env.h"
#include "target/iscsi/neg.h"
#include "target/iscsi/pdu.h"

/* Bytes of one login, headers included, before it is cut off. */
#define LOGIN_TOTAL_MAX	(64u << 10)

/* Login status, class and detail: 11.13.5. */
enum login_status {
	LOGIN_OK = 0x0000,
	LOGIN_INITIATOR_ERROR = 0x0200,
	LOGIN_AUTH_FAILURE = 0x0201,
	LOGIN_NOT_FOUND = 0x0203,
	LOGIN_REMOVED = 0x0204,
	LOGIN_VERSION = 0x0205,
	LOGIN_TOO_MANY_CONNS = 0x0206,
	LOGIN_MISSING = 0x0207,
	LOGIN_SESSION_TYPE = 0x0209,
	LOGIN_NO_SESSION = 0x020a,
	LOGIN_TARGET_ERROR = 0x0300,
	LOGIN_UNAVAILABLE = 0x0301,
	LOGIN_NO_RESOURCES = 0x0302
};

enum login_next {
	LOGIN_MORE,	/* send the answer, wait for the next request */
	LOGIN_DONE,	/* the answer, once the session is set up, ends login */
	LOGIN_REFUSED,	/* send the answer and close */
	LOGIN_DROP	/* not worth an answer: close */
};

/*
 * Invariants: from SEC_METHOD on, names are known, and a normal session has
 * its target or is ${absent}; in OPER and FULL, CHAP was passed if it is
 * needed, and it is when ${absent}.
 */
enum login_state {
	LS_FIRST,	/* nothing was received */
	LS_SEC_METHOD,	/* security stage, AuthMethod open */
	LS_SEC_CHAP_A,	/* CHAP agreed, algorithm open */
	LS_SEC_CHAP_R,	/* challenge sent, response due */
	LS_SEC_DONE,	/* security is settled, the peer has not moved on */
	LS_OPER,	/* operational stage */
	LS_FULL,
	LS_FAILED,
	LS_N
};

struct chap_alg;

struct login {
	const struct iscsi_env *env;
	struct iscsi_peer peer;
	enum login_state st;

	char initiator[ISCSI_NAME_CAP];
	char iqn[ISCSI_NAME_CAP];	/* "" in a discovery session */
	char user[ISCSI_USER_CAP];	/* proven, or tried when it failed */
	struct iscsi_target *target;	/* reference; NULL in discovery */
	bool discovery, chap_needed, authenticated;
	/*
	 * Not 0: there is no target for this peer, and it is not told before
	 * it has gone through CHAP.
	 */
	enum iscsi_refusal absent;
	struct neg neg;

	/* Pinned by the first request. */
	uint8_t isid[6];
	uint16_t tsih, cid;
	uint32_t itt;

	unsigned n_keys;
	size_t total_bytes;

	const struct chap_alg *alg;
	uint8_t chap_id;
	uint8_t challenge[32];

	char *text;			/* of the request being gathered */
	size_t text_len, text_cap;

	/* The answer. */
	struct text_out reply;
	uint8_t rsp_flags;		/* T, CSG, NSG; never C */
	enum login_status status;
	enum iscsi_refusal why;		/* when refused */
};

/**
 * login_new(env, peer, out): Errors: -ENOMEM.
 * ${peer}: address, local, loopback and tag; its strings stay.
 */
int login_new(const struct iscsi_env *env, const struct iscsi_peer *peer,
    struct login **out);
/* Gives the target back unless it was taken (set to NULL). */
void login_free(struct login *l);

/**
 * login_room(l, len):
 * Where the ${len} bytes of the next request's data segment go.
 * NULL: too much for a login, or no memory; close.
 */
uint8_t *login_room(struct login *l, uint32_t len);

/* The request ${h}, whose data is in login_room, was received. */
enum login_next login_pdu(struct login *l, const struct bhs *h);

/* Tell the daemon that the login failed (also the time limit). */
void login_report(struct login *l, enum iscsi_refusal why);

/* For login_auth.c: the security pairs of one request; NULL when absent. */
struct login_keys {
	const char *method, *a, *n, *r, *i, *c;
};
int login_refuse(struct login *l, enum login_status status,
    enum iscsi_refusal why);

/* login_auth.c: a step of the security stage; 0 or -EACCES (refused). */
int login_auth_method(struct login *l, const struct login_keys *k,
    bool transit);
int login_auth_choose(struct login *l, const struct login_keys *k);
int login_auth_verify(struct login *l, const struct login_keys *k);

#endif /* !TARGET_ISCSI_LOGIN_H */
