/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * neg.h - negotiation of operational keys (RFC 7143 chapter 13): one pair in,
 * at most one answer and one changed parameter out.  Knows no connection and
 * no time.
 *
 * Security keys and names belong to login.c, SendTargets to discovery.c.
 *
 * Threads: any; a struct neg belongs to one.
 */
#ifndef TARGET_ISCSI_NEG_H
#define TARGET_ISCSI_NEG_H

#include <stdbool.h>
#include <stdint.h>

#include "target/iscsi/text.h"

/* What we offer; the peer's wish may lower (or raise, see the table) it. */
#define NEG_OUR_MRDSL	(256u << 10)	/* bytes per PDU that we receive */
#define NEG_OUR_BURST	(1u << 20)
#define NEG_OUR_FIRST	(256u << 10)
#define NEG_LOGIN_MRDSL	8192u		/* both ways until declared */

/* Most pairs that one login, or one text exchange, may carry. */
#define NEG_KEYS_MAX	128

/* Results; the defaults of RFC 7143 13 until a key is negotiated. */
struct neg_params {
	uint32_t peer_mrdsl;	/* bytes per PDU that the peer receives */
	uint32_t our_mrdsl;	/* what we declared */
	uint32_t max_burst;
	uint32_t first_burst;
	uint32_t t2w_s, t2r_s;
	uint32_t max_r2t;
	uint32_t initial_r2t;	/* booleans are 0 or 1 */
	uint32_t immediate;
	uint32_t pdu_order, seq_order;
	uint32_t erl;
	uint32_t max_conns;
	uint32_t level;		/* iSCSIProtocolLevel */
	uint32_t hdigest, ddigest;	/* 1: CRC32C */
	uint32_t reporting;	/* TaskReporting; 0: RFC3720 */
};

enum neg_phase { NEG_SECURITY, NEG_OPERATIONAL, NEG_FULL };

struct neg {
	struct neg_params p;
	bool discovery;
	bool leading;		/* false: connection reinstatement */
	bool declared;		/* our MaxRecvDataSegmentLength was sent */
	uint64_t seen;		/* bit i: row i of the table came already */
};

void neg_init(struct neg *n);

/**
 * neg_key(n, phase, kv, reply):
 * Negotiate one pair.  The answer, if there is one, goes to ${reply}: the
 * result, Reject (the value is not allowed, or not now), Irrelevant, or
 * NotUnderstood (unknown key).
 * Errors: -EPROTO the key was negotiated before in this login.
 */
int neg_key(struct neg *n, enum neg_phase phase, const struct text_pair *kv,
    struct text_out *reply);

/* Declare what we receive, once per login, in the operational stage. */
void neg_declare(struct neg *n, struct text_out *reply);

/*
 * Connection reinstatement: what holds for the whole session comes from
 * ${from}.  Reads nothing of ${from} that changes after login.
 */
void neg_inherit(struct neg *to, const struct neg *from);

#endif /* !TARGET_ISCSI_NEG_H */
