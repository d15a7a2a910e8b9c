/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rx.c - from bytes to PDUs.
 *
 * Bytes are received into one buffer, so that many small PDUs cost one system
 * call; the rest of a large data segment is received right where it belongs.
 * A PDU passes HEADER (its handler decides where the data goes), DATA and
 * TAIL (padding and digest; then its handler gets the whole PDU).
 *
 * Invariants: while a receive is in flight nothing is parsed; [beg, end) of
 * the buffer is what was received and not looked at.  Once the connection is
 * neither in LOGIN nor in FULL, nothing is parsed any more, whatever there is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "target/iscsi/conn_int.h"

int
rx_init(struct rx *rx)
{

	*rx = (struct rx){ .st = RX_HEADER };
	rx->buf = malloc(RX_BUF_BYTES);
	return (rx->buf == NULL ? -ENOMEM : 0);
}

/* Drop the reference to the task that the segment went to. */
void
rx_forget(struct iscsi_conn *c)
{
	struct iscsi_task *t = c->rx.task;

	c->rx.task = NULL;
	c->rx.dst = RX_DISCARD;
	if (t != NULL)
		task_unref(t);
}

/* The data segment of this PDU goes to ${t} at ${off}. */
void
rx_to_task(struct iscsi_conn *c, struct iscsi_task *t, uint32_t off)
{

	c->rx.dst = RX_TASK;
	c->rx.task_off = off;
	if (c->rx.task == NULL) {
		task_ref(t);
		c->rx.task = t;
	}
}

/* Do we take PDUs?  A peer that does not read its answers has to wait. */
static bool
wants(const struct iscsi_conn *c)
{

	return ((c->st == CS_LOGIN || c->st == CS_FULL) && c->net != NULL &&
	    c->n_pdus < 4 * TX_PDUS_MAX &&
	    conn_unsent_bytes(c->net) < 2 * (size_t)TX_BYTES_MAX);
}

/* Where byte ${off} of the segment goes, and how many lie together. */
static uint8_t *
place(const struct rx *rx, size_t *len)
{
	size_t rest = rx->len - rx->off;
	uint8_t *p = NULL;

	*len = rest;
	if (rx->dst == RX_LINEAR)
		p = rx->linear + rx->off;
	else if (rx->dst == RX_TASK) {
		p = buf_at(&rx->task->buf, rx->task_off + rx->off, len);
		if (*len > rest)
			*len = rest;
	}
	return (p);
}

static void
finish_pdu(struct iscsi_conn *c, bool digest_ok)
{

	c->rx.st = RX_HEADER;
	if (c->st == CS_LOGIN)
		login_io_pdu(c);
	else
		full_pdu(c, digest_ok);
	rx_forget(c);
}

/*
 * Bytes of the header as far as it is known.  A login has no additional ones,
 * and nobody waits for what a stranger's fifth byte promises.
 */
static size_t
header_bytes(const struct iscsi_conn *c, size_t avail)
{
	const struct rx *rx = &c->rx;
	size_t n = BHS_LEN + (c->hdigest ? 4 : 0);

	if (avail >= BHS_LEN && c->st != CS_LOGIN)
		n += 4u * rx->buf[rx->beg + 4];
	return (n);
}

/* Each step returns false when it needs more bytes. */
static bool
step_header(struct iscsi_conn *c)
{
	struct rx *rx = &c->rx;
	size_t avail = rx->end - rx->beg, need = header_bytes(c, avail);
	const uint8_t *p = rx->buf + rx->beg;

	if (avail < need)
		return (false);
	memcpy(rx->bhs.b, p, BHS_LEN);
	rx->ahs_len = bhs_ahs_bytes(&rx->bhs);
	memcpy(rx->ahs, p + BHS_LEN, need - BHS_LEN - (c->hdigest ? 4 : 0));
	rx->beg += need;
	if (c->hdigest && !pdu_crc_is(p + BHS_LEN + rx->ahs_len,
	    pdu_crc(PDU_CRC_INIT, p, BHS_LEN + rx->ahs_len))) {
		/* Not even the length is certain: the stream is lost. */
		conn_complain(c, "header digest error");
		conn_kill(c);
		return (true);
	}
	rx->len = bhs_data_bytes(&rx->bhs);
	rx->off = 0;
	rx->crc = PDU_CRC_INIT;
	rx->dst = RX_DISCARD;
	rx->reject = 0;
	rx->big = rx->big && rx->len >= RX_DIRECT_BYTES;
	if (c->st == CS_LOGIN)
		login_io_header(c);
	else
		full_header(c);
	if (c->st != CS_LOGIN && c->st != CS_FULL)
		return (true);
	rx->st = RX_DATA;
	if (rx->len == 0)
		finish_pdu(c, true);
	return (true);
}

static void
took(struct iscsi_conn *c, const uint8_t *p, size_t n)
{
	struct rx *rx = &c->rx;

	if (c->ddigest)
		rx->crc = pdu_crc(rx->crc, p, (uint32_t)n);
	rx->off += (uint32_t)n;
	if (rx->off == rx->len)
		rx->st = RX_TAIL;
}

static bool
step_data(struct iscsi_conn *c)
{
	struct rx *rx = &c->rx;
	size_t n = rx->end - rx->beg, room;
	uint8_t *dst = place(rx, &room);

	if (n == 0)
		return (false);
	if (n > room)
		n = room;
	if (dst != NULL)
		memcpy(dst, rx->buf + rx->beg, n);
	rx->beg += n;
	took(c, rx->buf + rx->beg - n, n);
	return (true);
}

static bool
step_tail(struct iscsi_conn *c)
{
	struct rx *rx = &c->rx;
	const uint8_t *p = rx->buf + rx->beg;
	uint32_t pad = pdu_pad(rx->len);
	size_t need = pad + (c->ddigest ? 4 : 0);
	bool ok = true;

	if (rx->end - rx->beg < need)
		return (false);
	if (c->ddigest)
		ok = pdu_crc_is(p + pad, pdu_crc(rx->crc, p, pad));
	rx->beg += need;
	finish_pdu(c, ok);
	return (true);
}

static bool
step(struct iscsi_conn *c)
{

	switch (c->rx.st) {
	case RX_HEADER:
		return (step_header(c));
	case RX_DATA:
		return (step_data(c));
	case RX_TAIL:
		return (step_tail(c));
	}
	return (false);
}

/* The fewest bytes that bring the PDU forward a step. */
static size_t
needed(const struct iscsi_conn *c)
{
	const struct rx *rx = &c->rx;
	size_t avail = rx->end - rx->beg, rest = rx->len - rx->off;
	size_t tail = pdu_pad(rx->len) + (c->ddigest ? 4u : 0u);

	if (rx->st == RX_HEADER)
		return (header_bytes(c, avail) - avail);
	if (rx->st == RX_TAIL)
		return (tail - avail);
	return (rest < RX_DIRECT_BYTES ? rest + tail : 1);
}

static void
arm(struct iscsi_conn *c)
{
	struct rx *rx = &c->rx;
	size_t need = needed(c), cap, len;
	uint8_t *p;

	rx->armed = true;
	if (rx->st == RX_DATA && rx->dst != RX_DISCARD &&
	    rx->len - rx->off >= RX_DIRECT_BYTES) {
		p = place(rx, &len);
		rx->direct = rx->big = true;
		conn_recv(c->net, p, len, len);
		return;
	}
	if (rx->beg > 0)
		memmove(rx->buf, rx->buf + rx->beg, rx->end - rx->beg);
	rx->end -= rx->beg;
	rx->beg = 0;
	cap = RX_BUF_BYTES - rx->end;
	/* In a stream of large segments take little but the header here. */
	if (rx->big && cap > 4096 && need <= 4096)
		cap = 4096;
	rx->direct = false;
	conn_recv(c->net, rx->buf + rx->end, need, cap);
}

void
rx_run(struct iscsi_conn *c)
{
	struct rx *rx = &c->rx;

	if (rx->running || rx->armed)
		return;
	rx->running = true;
	while (wants(c))
		if (!step(c))
			break;
	rx->running = false;
	if (wants(c))
		arm(c);
}

void
rx_received(struct iscsi_conn *c, ssize_t n)
{
	struct rx *rx = &c->rx;

	rx->armed = false;
	if (c->st == CS_DEAD || c->st == CS_DRAIN)
		return;
	if (n <= 0) {
		conn_kill(c);
		return;
	}
	rx->count++;
	if (rx->direct) {
		size_t len;
		uint8_t *p = place(rx, &len);

		took(c, p, (size_t)n);
	} else
		rx->end += (size_t)n;
	rx_run(c);
}
