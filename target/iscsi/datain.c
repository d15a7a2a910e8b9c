/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * datain.c - what a SCSI command gives back: Data-In PDUs, the status in the
 * last of them when it is GOOD, or a SCSI Response (RFC 7143 11.4, 11.7).
 *
 * A peer that takes 512 bytes per PDU would make thousands of them at once, so
 * only some are queued ahead (TX_PDUS_MAX, TX_BYTES_MAX); tasks with more to
 * send wait in ${outq} and go on as PDUs leave.
 */
#include <string.h>

#include "target/iscsi/conn_int.h"

/* Vectors for [off, off + len) of the data-in; returns how much of it fit. */
static uint32_t
add_buf(const struct iscsi_task *t, struct tx_pdu *p, uint32_t off,
    uint32_t len)
{
	uint32_t done = 0;

	while (done < len && p->n_iov < TX_VECS - 1) {
		size_t n;
		const uint8_t *d = buf_at(&t->buf, off + done, &n);

		n = TT_MIN(n, (size_t)(len - done));
		tx_data(p, d, n);
		done += (uint32_t)n;
	}
	return (done);
}

static uint32_t
add_ext(const struct iscsi_task *t, struct tx_pdu *p, uint32_t off,
    uint32_t len)
{
	uint32_t done = 0;
	size_t skip = off;

	for (unsigned i = 0; i < t->n_ext && done < len &&
	    p->n_iov < TX_VECS - 1; i++) {
		const uint8_t *d = t->ext[i].iov_base;
		size_t n = t->ext[i].iov_len;

		if (skip >= n) {
			skip -= n;
			continue;
		}
		n = TT_MIN(n - skip, (size_t)(len - done));
		tx_data(p, d + skip, n);
		done += (uint32_t)n;
		skip = 0;
	}
	return (done);
}

static void
send_response(struct iscsi_task *t)
{
	struct tx_pdu *p = tx_new(t->c);

	if (p == NULL)
		return;
	pdu_scsi_rsp(&p->bhs, t->itt, t->status, pdu_resid(t->edtl, t->xfer),
	    t->n_data);
	if (t->sense_len > 0) {
		put_be16(p->inl, (uint16_t)t->sense_len);
		memcpy(p->inl + 2, t->sense, t->sense_len);
		tx_data(p, p->inl, 2 + t->sense_len);
	}
	tx_send(p, TX_STATUS);
}

/* One Data-In PDU.  False: no memory, or data-in shorter than promised. */
static bool
send_data_in(struct iscsi_task *t)
{
	const struct neg_params *np = &t->c->neg.p;
	uint32_t left = t->in_len - t->in_off, n, datasn = t->n_data;
	uint32_t burst = np->max_burst - t->in_off % np->max_burst;
	struct tx_pdu *p;
	uint8_t flags = 0;
	bool last;

	if ((p = tx_new(t->c)) == NULL)
		return (false);
	n = TT_MIN(left, TT_MIN(burst, np->peer_mrdsl));
	n = t->ext != NULL ? add_ext(t, p, t->in_off, n) :
	    add_buf(t, p, t->in_off, n);
	TT_ASSERT(n > 0);
	last = n == left;
	if (last || n == burst)
		flags |= PDU_FINAL;
	if (last && t->status == 0)
		flags |= PDU_STATUS;
	pdu_data_in(&p->bhs, t->itt, flags, datasn, t->in_off,
	    pdu_resid(t->edtl, t->xfer));
	task_ref(t);
	p->task = t;
	t->in_off += n;
	t->n_data++;
	tx_send(p, (flags & PDU_STATUS) != 0 ? TX_STATUS : TX_NONE);
	return (true);
}

static bool
may_queue(const struct iscsi_conn *c)
{

	return ((c->st == CS_FULL || c->st == CS_LEAVE) &&
	    c->n_pdus < TX_PDUS_MAX &&
	    conn_unsent_bytes(c->net) < TX_BYTES_MAX);
}

/* Queue what may be queued of the tasks that have more to send. */
void
datain_pump(struct iscsi_conn *c)
{
	struct iscsi_task *t;

	while (may_queue(c) && (t = LIST_FIRST(&c->outq, struct iscsi_task,
	    wait)) != NULL) {
		if (!send_data_in(t))
			return;
		if (t->in_off < t->in_len)
			continue;
		list_del(&t->wait);
		if (t->status != 0)
			send_response(t);
		task_unref(t);
	}
}

/* Answer ${t} with what its fields say; it is over. */
void
datain_respond(struct iscsi_task *t)
{
	struct iscsi_conn *c = t->c;

	task_ref(t);
	task_end(t);
	if (t->in_len == 0 || (c->st != CS_FULL && c->st != CS_LEAVE)) {
		send_response(t);
		task_unref(t);
		return;
	}
	list_add_tail(&c->outq, &t->wait);
	datain_pump(c);
}
