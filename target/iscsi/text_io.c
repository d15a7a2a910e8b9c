/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * text_io.c - Text Requests (RFC 7143 11.10): SendTargets, and keys that may
 * be declared again in full feature phase.
 *
 * An exchange is one or more requests, joined by the target transfer tag that
 * we hand out: the request may come in parts (C bit of the initiator), and so
 * may the answer (C bit of ours; the initiator asks on with empty requests).
 * A connection has one exchange; a request without a tag begins a new one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "target/iscsi/conn_int.h"
#include "target/iscsi/discovery.h"

#define ANSWER_MAX	(16u << 20)	/* some 50,000 targets */

struct text_exchange {
	bool open;			/* ${ttt} is with the initiator */
	uint32_t ttt;
	char *in;			/* CONN_TEXT_MAX bytes */
	size_t in_len;
	struct text_out out;
	size_t sent;			/* of ${out} */
};

static void
reset(struct text_exchange *x)
{

	x->open = false;
	x->in_len = 0;
	x->sent = 0;
	/* A large answer is not kept for the life of the session. */
	text_out_free(&x->out);
	text_out_init(&x->out, ANSWER_MAX);
}

void
text_io_free(struct iscsi_conn *c)
{

	if (c->text == NULL)
		return;
	text_out_free(&c->text->out);
	free(c->text->in);
	free(c->text);
	c->text = NULL;
}

static struct text_exchange *
exchange(struct iscsi_conn *c)
{
	struct text_exchange *x;

	if (c->text != NULL)
		return (c->text);
	if ((x = calloc(1, sizeof(*x))) == NULL)
		return (NULL);
	if ((x->in = malloc(CONN_TEXT_MAX)) == NULL) {
		free(x);
		return (NULL);
	}
	text_out_init(&x->out, ANSWER_MAX);
	c->text = x;
	return (x);
}

/* The data of one request, behind what came before it. */
static int
gather(struct text_exchange *x, const struct iscsi_task *t)
{
	size_t len = t->buf.bytes, n;
	const uint8_t *d;

	if (len == 0)
		return (0);
	if (len > CONN_TEXT_MAX - x->in_len)
		return (-EMSGSIZE);
	d = buf_at(&t->buf, 0, &n);
	memcpy(x->in + x->in_len, d, len);
	x->in_len += len;
	return (0);
}

/* The request is whole: answer its pairs. */
static int
answer(struct iscsi_conn *c, struct text_exchange *x)
{
	struct text_in in = text_in(x->in, x->in_len);
	struct text_pair kv;
	unsigned n_keys = 0;
	bool listed = false;
	int rc;

	while ((rc = text_next(&in, &kv)) == 1) {
		if (++n_keys > NEG_KEYS_MAX)
			return (-EPROTO);
		if (strcmp(kv.key, "SendTargets") != 0)
			(void)neg_key(&c->neg, NEG_FULL, &kv, &x->out);
		else if (listed)	/* the list once per request */
			return (-EPROTO);
		else {
			listed = true;
			discovery_answer(&c->node->env, &c->peer, c->user,
			    c->info.discovery ? NULL : c->iqn, kv.value,
			    &x->out);
		}
	}
	x->in_len = 0;
	return (x->out.bad ? -EMSGSIZE : rc);
}

/* The next part of the answer. */
static void
send_part(struct iscsi_task *t, struct text_exchange *x)
{
	struct iscsi_conn *c = t->c;
	size_t n = TT_MIN(x->out.len - x->sent,
	    TT_MIN(c->neg.p.peer_mrdsl, CONN_TEXT_MAX));
	bool more = x->sent + n < x->out.len, final;
	struct tx_pdu *p = tx_new(c);

	if (p == NULL)
		return;
	if (n > 0 && (p->heap = malloc(n)) == NULL) {
		conn_kill(c);		/* ends the task, too */
		tx_send(p, TX_NONE);	/* only gives the PDU back */
		return;
	}
	if (n > 0) {
		memcpy(p->heap, x->out.buf + x->sent, n);
		tx_data(p, p->heap, n);
	}
	x->sent += n;
	final = !more && (t->flags & PDU_FINAL) != 0;
	pdu_text_rsp(&p->bhs, t->lun, t->itt, final ? PDU_NO_TAG : x->ttt,
	    (uint8_t)((final ? PDU_FINAL : 0) | (more ? PDU_CONTINUE : 0)));
	task_end(t);
	tx_send(p, TX_STATUS);
	if (final)
		reset(x);
	else if (!more) {
		x->sent = 0;
		text_out_reset(&x->out);
	}
}

static void
refuse(struct iscsi_task *t, struct text_exchange *x, enum pdu_reject why)
{
	struct iscsi_conn *c = t->c;
	struct bhs h = t->bhs;

	reset(x);
	task_end(t);
	tx_reject(c, why, &h);
}

void
text_io_run(struct iscsi_task *t)
{
	struct iscsi_conn *c = t->c;
	struct text_exchange *x = exchange(c);
	uint32_t ttt = bhs_ttt(&t->bhs);
	uint8_t both = PDU_FINAL | PDU_CONTINUE;

	if (x == NULL) {
		conn_kill(c);
		return;
	}
	if (ttt == PDU_NO_TAG)
		reset(x);
	else if (!x->open || ttt != x->ttt) {
		refuse(t, x, REJ_INVALID_FIELD);
		return;
	}
	if ((t->flags & both) == both || gather(x, t) != 0) {
		refuse(t, x, REJ_PROTOCOL);
		return;
	}
	if (!x->open) {
		if (++c->next_ttt == PDU_NO_TAG)
			c->next_ttt = 0;
		x->ttt = c->next_ttt;
		x->open = true;
	}
	if ((t->flags & PDU_CONTINUE) == 0 && x->in_len > 0 &&
	    answer(c, x) != 0) {
		refuse(t, x, REJ_PROTOCOL);
		return;
	}
	send_part(t, x);
}
