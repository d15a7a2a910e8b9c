/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scsi_io.c - SCSI commands on their way in: immediate data, unsolicited
 * Data-Out, R2T and what it asked for (RFC 7143 11.3, 11.7, 11.8).
 *
 * Data comes strictly in order (DataPDUInOrder, DataSequenceInOrder), so one
 * number, ${got}, says what is here.  One sequence is under way at a time: the
 * unsolicited one (${unsol}), then one R2T after the other (${r2t_open}); the
 * F bit ends it.  A command that has failed keeps eating its data until the
 * sequence ends, and is answered then.
 *
 * EDTL is the peer's word: memory is taken for what may come next, never for
 * the whole of it, and it is charged first (flow.c).
 */
#include <errno.h>
#include <string.h>

#include "target/iscsi/conn_int.h"

/* Sense for what fails here: RFC 7143 11.4.7.2, SPC-4. */
static const struct {
	uint8_t status, key, asc, ascq;
} failures[] = {
	[TF_UNEXPECTED] = { 0x02, 0x0b, 0x0c, 0x0c },
	[TF_INCORRECT] = { 0x02, 0x0b, 0x0c, 0x0d },
	[TF_DIGEST] = { 0x02, 0x0b, 0x47, 0x05 },
	[TF_TOO_LARGE] = { 0x02, 0x05, 0x24, 0x00 },
	[TF_BIDI] = { 0x02, 0x05, 0x24, 0x00 },
	[TF_NO_WAY] = { 0x02, 0x05, 0x0e, 0x03 },
	[TF_BUSY] = { 0x08, 0, 0, 0 },
	[TF_FULL] = { 0x28, 0, 0, 0 }	/* TASK SET FULL */
};

static void
answer_failure(struct iscsi_task *t)
{

	t->status = failures[t->fail].status;
	if (t->status == 0x02) {
		memset(t->sense, 0, 18);
		t->sense[0] = 0x70;	/* fixed format, current */
		t->sense[2] = failures[t->fail].key;
		t->sense[7] = 10;
		t->sense[12] = failures[t->fail].asc;
		t->sense[13] = failures[t->fail].ascq;
		t->sense_len = 18;
	}
	datain_respond(t);
}

/*
 * The CDB: 16 bytes and, in an additional header, its continuation (11.2.2.3).
 * Errors: -EINVAL the lengths do not add up, or an unknown type.
 */
static int
take_cdb(struct iscsi_task *t, const struct rx *rx)
{
	struct rd r = rd_init(rx->ahs, rx->ahs_len);

	memcpy(t->cdb, scmd_cdb(&rx->bhs), 16);
	t->cdb_len = 16;
	while (rd_left(&r) > 0) {
		uint16_t len = rd_be16(&r);
		uint8_t type = rd_u8(&r) & 0x3f;
		const uint8_t *p = rd_bytes(&r, len);

		(void)rd_bytes(&r, pdu_pad(3u + len));
		if (r.bad)
			return (-EINVAL);
		if (type == 2 && len == 5)
			continue;	/* bidirectional read: fails later */
		if (type != 1 || len < 2 || t->cdb_len != 16)
			return (-EINVAL);
		memcpy(t->cdb + 16, p + 1, len - 1u);
		t->cdb_len += len - 1u;
	}
	return (0);
}

/* What the flags and lengths of the command allow. */
static enum task_fail
check_command(const struct iscsi_conn *c, const struct iscsi_task *t)
{
	const struct neg_params *p = &c->neg.p;
	uint32_t len = c->rx.len;

	if (t->rd && t->wr)
		return (TF_BIDI);
	/* RFC 7143 11.3.1: data is expected, and neither way is named. */
	if (!t->rd && !t->wr && t->edtl > 0)
		return (TF_NO_WAY);
	if (t->wr && t->edtl > c->node->env.max_out_bytes)
		return (TF_TOO_LARGE);
	if (len > 0 && (!t->wr || !p->immediate || len > p->first_burst))
		return (TF_UNEXPECTED);
	if (len > t->edtl)
		return (TF_INCORRECT);
	if (t->unsol && p->initial_r2t)
		return (TF_UNEXPECTED);
	return (TF_NONE);
}

void
scsi_io_header(struct iscsi_conn *c)
{
	struct rx *rx = &c->rx;
	struct iscsi_task *t = rx->task;
	uint32_t first;

	if (take_cdb(t, rx) != 0) {
		rx->reject = REJ_INVALID_FIELD;
		return;
	}
	t->edtl = scmd_edtl_bytes(&rx->bhs);
	t->rd = (t->flags & PDU_READ) != 0;
	t->wr = (t->flags & PDU_WRITE) != 0;
	t->unsol = t->wr && (t->flags & PDU_FINAL) == 0;
	t->fail = check_command(c, t);
	if (!t->wr || t->edtl == 0 || t->fail != TF_NONE)
		return;
	/* What may come without being asked for. */
	first = t->unsol ? TT_MIN(c->neg.p.first_burst, t->edtl) : rx->len;
	t->burst_end = first;
	if (first == 0)
		return;
	if (!flow_take(t, t->edtl, first)) {
		t->fail = TF_FULL;
		return;
	}
	buf_plan(&t->buf, t->edtl);
	if (buf_reserve(&c->w->pool, &t->buf, first) != 0) {
		t->fail = TF_BUSY;
		return;
	}
	if (rx->len > 0)
		rx_to_task(c, t, 0);
}

/* The command PDU is whole; it is admitted next. */
void
scsi_io_pdu(struct iscsi_conn *c)
{
	struct iscsi_task *t = c->rx.task;

	if (t->fail != TF_NONE)
		return;
	t->got = c->rx.len;
	if (t->got == t->edtl)
		t->unsol = false;
}

/* A sequence may go wrong once; the first reason counts. */
static void
fail(struct iscsi_task *t, enum task_fail why)
{

	if (t->fail == TF_NONE)
		t->fail = why;
}

void
scsi_io_dataout_header(struct iscsi_conn *c)
{
	struct rx *rx = &c->rx;
	const struct bhs *h = &rx->bhs;
	struct iscsi_task *t = task_find(c, bhs_itt(h));
	uint32_t off = dout_offset_bytes(h), ttt = bhs_ttt(h);

	/* Late data of a task that was aborted or has failed: let it pass. */
	if (t == NULL || t->op != PDU_SCSI_CMD || t->st != TS_COLLECT ||
	    t->aborted)
		return;
	if (ttt == PDU_NO_TAG ? !t->unsol : !t->r2t_open || ttt != t->ttt)
		return;
	task_ref(t);
	rx->task = t;
	if (dout_datasn(h) != t->datasn)
		fail(t, TF_DIGEST);	/* one before it was lost */
	else if (off != t->got || (uint64_t)off + rx->len > t->edtl)
		fail(t, TF_INCORRECT);
	else if (rx->len > t->burst_end - off)
		fail(t, t->unsol ? TF_UNEXPECTED : TF_INCORRECT);
	if (t->fail == TF_NONE && rx->len > 0)
		rx_to_task(c, t, off);
}

void
scsi_io_dataout_pdu(struct iscsi_conn *c, bool digest_ok)
{
	struct rx *rx = &c->rx;
	struct iscsi_task *t = rx->task;

	if (t == NULL || t->st != TS_COLLECT || t->aborted)
		return;
	if (!digest_ok) {
		tx_reject(c, REJ_DATA_DIGEST, &rx->bhs);
		fail(t, TF_DIGEST);
	}
	t->datasn++;
	if (t->fail == TF_NONE)
		t->got += rx->len;
	if ((bhs_flags(&rx->bhs) & PDU_FINAL) == 0)
		return;
	/* A solicited sequence brings exactly what was asked for. */
	if (t->r2t_open && t->got != t->burst_end)
		fail(t, TF_INCORRECT);
	t->unsol = t->r2t_open = false;
	scsi_io_progress(t);
}

static void
send_r2t(struct iscsi_task *t)
{
	struct iscsi_conn *c = t->c;
	uint32_t len = TT_MIN(t->edtl - t->got, c->neg.p.max_burst);
	struct tx_pdu *p;

	if (t->buf.bytes == 0)
		buf_plan(&t->buf, t->edtl);
	if (buf_reserve(&c->w->pool, &t->buf, t->got + len) != 0) {
		t->fail = TF_BUSY;
		answer_failure(t);
		return;
	}
	if ((p = tx_new(c)) == NULL)
		return;
	if (++c->next_ttt == PDU_NO_TAG)
		c->next_ttt = 0;
	t->ttt = c->next_ttt;
	t->r2t_open = true;
	t->datasn = 0;
	t->burst_end = t->got + len;
	pdu_r2t(&p->bhs, t->lun, t->itt, t->ttt, t->r2tsn++, t->got, len);
	t->n_data++;
	tx_send(p, TX_PEEK);
}

/* What the command needs next, once nothing is under way for it. */
void
scsi_io_progress(struct iscsi_task *t)
{
	struct iscsi_conn *c = t->c;

	if (!t->admitted || t->unsol || t->r2t_open || t->st != TS_COLLECT)
		return;
	if (t->fail != TF_NONE) {
		answer_failure(t);
		return;
	}
	if (!flow_take_all(t))
		return;
	if (t->wr && t->got < t->edtl) {
		send_r2t(t);
		return;
	}
	t->st = TS_BUSY;
	t->submitted = true;
	c->node->env.task_ops->submit(t);
}
