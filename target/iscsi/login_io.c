/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * login_io.c - the login phase on a connection: requests to login.c, its
 * answers to the wire, and the step into full feature phase.
 *
 * Whatever is not a Login Request, or is larger than a login may be, closes
 * the connection without an answer: nothing is known about the peer yet.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "target/iscsi/conn_int.h"

void
login_io_header(struct iscsi_conn *c)
{
	struct rx *rx = &c->rx;
	uint8_t *room;

	if (bhs_opcode(&rx->bhs) != PDU_LOGIN || rx->ahs_len != 0 ||
	    (room = login_room(c->login, rx->len)) == NULL) {
		login_report(c->login, ISCSI_REFUSED_PROTOCOL);
		conn_kill(c);
		return;
	}
	rx->dst = RX_LINEAR;
	rx->linear = room;
}

static void
respond(struct iscsi_conn *c, const struct bhs *req, uint8_t flags,
    enum login_status status)
{
	struct text_out *o = &c->login->reply;
	struct tx_pdu *p = tx_new(c);

	if (p == NULL)
		return;
	pdu_login_rsp(&p->bhs, req, flags,
	    status == LOGIN_OK ? c->info.tsih : 0, (uint8_t)(status >> 8),
	    (uint8_t)status);
	if (o->len > 0) {
		if ((p->heap = malloc(o->len)) == NULL) {
			conn_kill(c);
			tx_send(p, TX_STATUS);	/* only gives it back */
			return;
		}
		memcpy(p->heap, o->buf, o->len);
		tx_data(p, p->heap, o->len);
	}
	tx_send(p, TX_STATUS);
}

/* Login failed after the machine had agreed. */
static void
fail_late(struct iscsi_conn *c, enum login_status status)
{

	text_out_reset(&c->login->reply);
	login_report(c->login, ISCSI_REFUSED_SESSION);
	respond(c, &c->login_bhs, (uint8_t)(login_csg(&c->login_bhs) << 2),
	    status);
	conn_drain(c);
}

static int
start_session(struct iscsi_conn *c)
{
	const struct iscsi_env *e = &c->node->env;
	char user[ISCSI_USER_CAP];
	int rc;

	if (!c->info.discovery) {
		rc = e->ops->session_start(e->arg, c->target, &c->info, c,
		    &c->nexus);
		if (rc != 0)
			return (rc);
		c->started = true;
	}
	msg_at(c->info.discovery ? MSG_DEBUG : MSG_INFO,
	    "session of %s to %s from %s started%s%s", c->initiator,
	    c->info.discovery ? "discovery" : c->iqn, c->address,
	    c->user[0] != '\0' ? ", user " : "",
	    msg_safe(user, sizeof(user), c->user, strlen(c->user)));
	return (0);
}

/* Take the place in the table, or wait for it; then the last answer. */
void
login_io_claim(struct iscsi_conn *c)
{
	struct login *l = c->login;
	int rc;

	switch (session_claim(c)) {
	case CLAIM_OK:
		break;
	case CLAIM_WAIT:
		c->st = CS_CLAIM;
		return;
	case CLAIM_NO_SESSION:
		fail_late(c, LOGIN_NO_SESSION);
		return;
	case CLAIM_TOO_MANY:
		fail_late(c, LOGIN_TOO_MANY_CONNS);
		return;
	case CLAIM_FULL:
		fail_late(c, LOGIN_NO_RESOURCES);
		return;
	}
	if (!c->info.discovery && !flow_join(c)) {
		fail_late(c, LOGIN_NO_RESOURCES);
		return;
	}
	if ((rc = start_session(c)) != 0) {
		fail_late(c, rc == -ENOENT ? LOGIN_NOT_FOUND :
		    LOGIN_NO_RESOURCES);
		return;
	}
	if (c->info.discovery)
		conn_weigh_no_more(c);
	respond(c, &c->login_bhs, l->rsp_flags, LOGIN_OK);
	if (c->st == CS_DEAD)
		return;
	/* Digests begin behind the last PDU of the login, both ways. */
	c->hdigest = c->info.header_digest;
	c->ddigest = c->info.data_digest;
	c->st = CS_FULL;
	c->login = NULL;
	login_free(l);
	conn_silence_start(c);
}

/* Everything the session is known by goes from the login to the session. */
static void
take_over(struct iscsi_conn *c)
{
	struct login *l = c->login;

	memcpy(c->iqn, l->iqn, sizeof(c->iqn));
	/* A name given without CHAP proves nothing. */
	if (l->authenticated)
		memcpy(c->user, l->user, sizeof(c->user));
	c->target = l->target;
	l->target = NULL;
	c->neg = l->neg;
	c->cid = l->cid;
	c->info = (struct iscsi_session_info){
		.initiator = c->initiator, .address = c->address,
		.local = c->local, .iqn = c->iqn, .user = c->user,
		.tsih = l->tsih, .tag = c->peer.tag,
		.discovery = l->discovery,
		.header_digest = l->neg.p.hdigest != 0,
		.data_digest = l->neg.p.ddigest != 0,
		.since_utc_ns = clock_utc_ns()
	};
	memcpy(c->info.isid, l->isid, sizeof(c->info.isid));
}

void
login_io_pdu(struct iscsi_conn *c)
{
	struct login *l = c->login;
	const struct bhs *h = &c->rx.bhs;
	bool first = l->total_bytes == 0, finds = l->st == LS_FIRST;
	enum login_next next;

	if (first) {
		c->statsn = bhs_expstatsn(h);
		c->exp_cmdsn = bhs_cmdsn(h);
		c->max_cmdsn = c->exp_cmdsn - 1;
	}
	if (finds)
		evict_finding(c);
	next = login_pdu(l, h);
	if (finds && evict_found(c, l->target)) {
		conn_kill(c);
		return;
	}
	memcpy(c->initiator, l->initiator, sizeof(c->initiator));
	switch (next) {
	case LOGIN_MORE:
		respond(c, h, l->rsp_flags, LOGIN_OK);
		break;
	case LOGIN_DONE:
		c->login_bhs = *h;
		take_over(c);
		login_io_claim(c);
		break;
	case LOGIN_REFUSED:
		respond(c, h, l->rsp_flags, l->status);
		conn_drain(c);
		break;
	case LOGIN_DROP:
		conn_kill(c);
		break;
	}
}
