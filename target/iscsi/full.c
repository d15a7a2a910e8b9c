/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * full.c - full feature phase: what becomes of each PDU.
 *
 * One table says for each opcode how large its data may be, whether it carries
 * a CmdSN, and whether a discovery session may send it.  The header of a
 * request decides where its data goes; when the PDU is whole it is admitted in
 * the order of its CmdSN (cmdsn.c) and run.
 *
 * A PDU that cannot be what the peer means is rejected, its data discarded and
 * its CmdSN consumed.  One that makes the stream itself doubtful (too long a
 * segment) closes the connection.
 */
#include <string.h>

#include "target/iscsi/conn_int.h"

enum {
	FO_CMDSN = 1,		/* takes a task, in the order of CmdSN */
	FO_DISCOVERY = 2,	/* also in a discovery session */
	FO_DATA = 4		/* a data segment goes into the task's buffer */
};

struct full_op {
	bool known;
	unsigned flags;
	uint32_t max_bytes;	/* of the data segment, with FO_DATA */
};

static const struct full_op ops[64] = {
	[PDU_NOP_OUT] = { true, FO_CMDSN | FO_DATA, NEG_OUR_MRDSL },
	[PDU_SCSI_CMD] = { true, FO_CMDSN, 0 },
	[PDU_TMF] = { true, FO_CMDSN, 0 },
	[PDU_TEXT] = { true, FO_CMDSN | FO_DATA | FO_DISCOVERY,
	    CONN_TEXT_MAX },
	[PDU_DATA_OUT] = { true, 0, 0 },
	[PDU_LOGOUT] = { true, FO_CMDSN | FO_DISCOVERY, 0 },
	[PDU_SNACK] = { true, 0, 0 }
};

/* Is ${h} an answer to our own ping, or a ping that wants no answer? */
static bool
is_pong(const struct bhs *h)
{

	return (bhs_opcode(h) == PDU_NOP_OUT && bhs_itt(h) == PDU_NO_TAG);
}

/* Room in the task's buffer for the whole data segment. */
static void
data_to_task(struct iscsi_conn *c, struct iscsi_task *t)
{

	if (!flow_take(t, c->rx.len, c->rx.len)) {
		c->rx.reject = REJ_NO_RESOURCES;
		return;
	}
	buf_plan(&t->buf, c->rx.len);
	if (buf_reserve(&c->w->pool, &t->buf, c->rx.len) != 0) {
		conn_kill(c);
		return;
	}
	rx_to_task(c, t, 0);
}

/* Why a request cannot be taken, or 0. */
static enum pdu_reject
unfit(struct iscsi_conn *c, const struct full_op *op)
{
	const struct bhs *h = &c->rx.bhs;

	if (!op->known)
		return (bhs_opcode(h) == PDU_LOGIN ? REJ_PROTOCOL :
		    REJ_UNSUPPORTED);
	if (bhs_opcode(h) == PDU_SNACK)
		return (REJ_SNACK);
	if (c->info.discovery && (op->flags & FO_DISCOVERY) == 0)
		return (REJ_PROTOCOL);
	if ((op->flags & FO_CMDSN) == 0)
		return (0);
	if (bhs_itt(h) == PDU_NO_TAG)
		return (REJ_PROTOCOL);
	if (bhs_is_immed(h) && c->n_immediate >= CONN_IMMEDIATE_MAX)
		return (REJ_TOO_MANY_IMMEDIATE);
	if (task_find(c, bhs_itt(h)) != NULL)
		return (REJ_TASK_IN_PROGRESS);
	if ((op->flags & FO_DATA) != 0 && c->rx.len > op->max_bytes)
		return (REJ_INVALID_FIELD);
	return (0);
}

void
full_header(struct iscsi_conn *c)
{
	struct rx *rx = &c->rx;
	const struct bhs *h = &rx->bhs;
	const struct full_op *op = &ops[bhs_opcode(h)];
	struct iscsi_task *t;

	if (rx->len > c->neg.p.our_mrdsl) {
		conn_complain(c, "data segment longer than declared");
		conn_kill(c);
		return;
	}
	if (is_pong(h))
		return;
	/* Outside the window nothing is answered, not even a reject. */
	if (op->known && (op->flags & FO_CMDSN) != 0 && !bhs_is_immed(h) &&
	    !cmdsn_fits(c, bhs_cmdsn(h)))
		return;
	if ((rx->reject = (uint8_t)unfit(c, op)) != 0)
		return;
	if (bhs_opcode(h) == PDU_DATA_OUT) {
		scsi_io_dataout_header(c);
		return;
	}
	if ((t = task_new(c, h)) == NULL)
		return;
	rx->task = t;
	if (t->op == PDU_SCSI_CMD)
		scsi_io_header(c);
	else if ((op->flags & FO_DATA) != 0 && rx->len > 0)
		data_to_task(c, t);
}

static void
rejected(struct iscsi_conn *c)
{
	const struct bhs *h = &c->rx.bhs;
	const struct full_op *op = &ops[bhs_opcode(h)];

	/* The answer says already that its CmdSN is used up. */
	if (op->known && (op->flags & FO_CMDSN) != 0 && !bhs_is_immed(h))
		cmdsn_skip(c, bhs_cmdsn(h));
	tx_reject(c, (enum pdu_reject)c->rx.reject, h);
	if (bhs_opcode(h) == PDU_LOGIN && c->st == CS_FULL) {
		conn_complain(c, "login request in full feature phase");
		conn_drain(c);
	}
}

void
full_pdu(struct iscsi_conn *c, bool digest_ok)
{
	struct rx *rx = &c->rx;

	if (rx->reject != 0) {
		rejected(c);
		return;
	}
	if (bhs_opcode(&rx->bhs) == PDU_DATA_OUT) {
		scsi_io_dataout_pdu(c, digest_ok);
		return;
	}
	if (rx->task == NULL)	/* outside the window, or a pong */
		return;
	if (!digest_ok) {
		/* 7.8: as if it had not come; its CmdSN stays open. */
		tx_reject(c, REJ_DATA_DIGEST, &rx->bhs);
		return;
	}
	if (rx->task->op == PDU_SCSI_CMD)
		scsi_io_pdu(c);
	task_publish(rx->task);
	cmdsn_admit(rx->task);
}

static void
nop_answer(struct iscsi_task *t)
{
	struct iscsi_conn *c = t->c;
	size_t n = TT_MIN(t->buf.bytes, c->neg.p.peer_mrdsl);
	struct tx_pdu *p = tx_new(c);

	if (p == NULL)
		return;
	pdu_nop_in(&p->bhs, t->lun, t->itt, PDU_NO_TAG);
	task_ref(t);
	p->task = t;
	if (n > 0) {
		size_t len;
		const uint8_t *d = buf_at(&t->buf, 0, &len);

		tx_data(p, d, TT_MIN(n, len));
	}
	task_end(t);
	tx_send(p, TX_STATUS);
}

/* The turn of ${t} has come. */
void
full_run(struct iscsi_task *t)
{

	if (t->aborted) {
		task_end(t);
		return;
	}
	switch (t->op) {
	case PDU_SCSI_CMD:
		scsi_io_progress(t);
		break;
	case PDU_NOP_OUT:
		nop_answer(t);
		break;
	case PDU_TMF:
		tmf_run(t);
		break;
	case PDU_LOGOUT:
		tmf_logout(t);
		break;
	case PDU_TEXT:
		text_io_run(t);
		break;
	default:	/* cmdsn_skip: nothing but a number */
		task_end(t);
		break;
	}
}
