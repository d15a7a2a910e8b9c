/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tx.c - from PDUs to bytes: one conn_send per PDU, whose vectors are header,
 * pieces of data, padding with digest.  Structures are recycled per worker.
 *
 * Sequence numbers are given when a PDU is queued, and the queue keeps its
 * order, so StatSN rises on the wire.
 */
#include <stdlib.h>
#include <string.h>

#include "target/iscsi/conn_int.h"

#define IDLE_PDUS_MAX 1024

static void
release(struct tx_pdu *p)
{
	struct iscsi_worker *w = p->c->w;

	if (p->task != NULL)
		task_unref(p->task);
	free(p->heap);
	if (w->n_pdus >= IDLE_PDUS_MAX) {
		free(p);
		return;
	}
	w->n_pdus++;
	list_add_head(&w->pdus, &p->link);
}

void
tx_idle_free(struct iscsi_worker *w)
{

	LIST_FOREACH_SAFE(it, nx, &w->pdus)
		free(LIST_ENTRY(it, struct tx_pdu, link));
	list_init(&w->pdus);
	w->n_pdus = 0;
}

static void
sent(struct conn_out *o, int rc)
{
	struct tx_pdu *p = TT_CONTAINER(o, struct tx_pdu, out);
	struct iscsi_conn *c = p->c;

	c->n_pdus--;
	c->tx_count++;
	release(p);
	if (rc != 0) {
		conn_kill(c);
		return;
	}
	datain_pump(c);
	conn_leave_check(c);
	rx_run(c);
}

/* NULL: no memory; the connection was killed. */
struct tx_pdu *
tx_new(struct iscsi_conn *c)
{
	struct iscsi_worker *w = c->w;
	struct tx_pdu *p = LIST_FIRST(&w->pdus, struct tx_pdu, link);

	if (p != NULL) {
		list_del(&p->link);
		w->n_pdus--;
	} else if ((p = malloc(sizeof(*p))) == NULL) {
		conn_kill(c);
		return (NULL);
	}
	list_init(&p->link);
	p->c = c;
	p->task = NULL;
	p->heap = NULL;
	p->data_bytes = 0;
	p->n_iov = 1;
	return (p);
}

/* The bytes must stay until the PDU is sent. */
void
tx_data(struct tx_pdu *p, const void *data, size_t len)
{
	union {
		const void *c;
		void *v;
	} u = { .c = data };	/* struct iovec lacks the const */

	if (len == 0)
		return;
	TT_ASSERT(p->n_iov < TX_VECS - 1);
	p->iov[p->n_iov++] = (struct iovec){ u.v, len };
	p->data_bytes += (uint32_t)len;
}

static void
add_digests(struct tx_pdu *p)
{
	struct iscsi_conn *c = p->c;
	uint32_t pad = pdu_pad(p->data_bytes), crc, n = pad;

	p->iov[0] = (struct iovec){ p->bhs.b, BHS_LEN };
	if (c->hdigest) {
		pdu_crc_put(p->hdr_tail, pdu_crc(PDU_CRC_INIT, p->bhs.b,
		    BHS_LEN));
		p->iov[0].iov_len += 4;
	}
	if (p->data_bytes == 0)
		return;
	memset(p->tail, 0, pad);
	if (c->ddigest) {
		crc = PDU_CRC_INIT;
		for (unsigned i = 1; i < p->n_iov; i++)
			crc = pdu_crc(crc, p->iov[i].iov_base,
			    (uint32_t)p->iov[i].iov_len);
		pdu_crc_put(p->tail + pad, pdu_crc(crc, p->tail, pad));
		n += 4;
	}
	if (n > 0)
		p->iov[p->n_iov++] = (struct iovec){ p->tail, n };
}

_Static_assert(offsetof(struct tx_pdu, hdr_tail) ==
    offsetof(struct tx_pdu, bhs) + BHS_LEN, "the digest follows the header");

void
tx_send(struct tx_pdu *p, enum tx_sn sn)
{
	struct iscsi_conn *c = p->c;

	if (c->st == CS_DRAIN || c->st == CS_DEAD) {
		release(p);
		return;
	}
	pdu_set_sn(&p->bhs, sn == TX_NONE ? 0 : c->statsn, c->exp_cmdsn,
	    cmdsn_max(c));
	if (sn == TX_STATUS)
		c->statsn++;
	bhs_set_data_bytes(&p->bhs, p->data_bytes);
	add_digests(p);
	list_init(&p->out.link);
	p->out.iov = p->iov;
	p->out.n_iov = p->n_iov;
	p->out.sent = sent;
	c->n_pdus++;
	conn_send(c->net, &p->out);
}

void
tx_reject(struct iscsi_conn *c, enum pdu_reject reason, const struct bhs *h)
{
	struct tx_pdu *p = tx_new(c);

	if (p == NULL)
		return;
	pdu_reject(&p->bhs, reason);
	memcpy(p->inl, h->b, BHS_LEN);
	tx_data(p, p->inl, BHS_LEN);
	tx_send(p, TX_STATUS);
}
