/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn.c - one socket: at most one receive and one sendmsg in the kernel.
 *
 * The life of a conn:
 *
 *	OPEN	 receives and sends
 *	DRAIN	 conn_close(drain): the receive is being cancelled, what is
 *		 queued is still sent
 *	LINGER	 all of it is sent and our side is shut down; input is read
 *		 and dropped until the peer closes too.  Closing with unread
 *		 input would reset the connection, and a reset makes the peer
 *		 drop what it has not read yet: often the very PDU that says
 *		 why we close.
 *	CLOSING	 everything in flight is cancelled and waited for
 *	DONE	 the last call is posted: it gives back what was never sent,
 *		 closes the socket, calls closed and frees
 *
 * conn_step makes the moves that are due; whatever may have made one due
 * calls it.  States only go down this list.
 */
#include "target/net/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "target/net/addr.h"
#include "target/net/loop_int.h"

#define CONN_MAGIC	0x636f6e6eu
#define CONN_IOV_MAX	256		/* per sendmsg */
#define CONN_DRAIN_US	5000000
#define CONN_LINGER_US	1000000

enum conn_state { CONN_OPEN, CONN_DRAIN, CONN_LINGER, CONN_CLOSING, CONN_DONE };

/* Everything belongs to the loop's thread. */
struct conn {
	unsigned magic;
	struct loop *loop;
	int fd;
	enum conn_state state;
	const struct conn_ops *ops;
	void *arg;
	bool peer_gone;			/* end of input, or an error */

	uint8_t *rbuf;			/* the owner's */
	size_t r_got, r_min, r_cap;
	struct loop_op rop;
	struct loop_cancel rcancel;

	struct list outq;		/* of conn_out */
	struct list refused;		/* came too late; to be given back */
	size_t unsent_bytes;
	int send_rc;			/* the socket's error, once broken */
	bool is_flush_due;
	struct loop_op sop;
	struct loop_cancel scancel;
	struct exec_call flush;		/* before the next submit */
	struct exec_call unsendable;	/* give-back outside of conn_send */
	bool is_unsendable_posted;
	struct msghdr msg;
	struct iovec iov[CONN_IOV_MAX];	/* also what LINGER reads into */

	struct exec_timer timer;	/* bounds DRAIN and LINGER */
	struct exec_call last;
	bool is_loopback;
	char peer[ADDR_TEXT_LEN];
	char local[ADDR_TEXT_LEN];
};

static void conn_step(struct conn *c);

/* --- receiving --- */

static void
conn_recv_prep(struct loop_op *op, struct io_uring_sqe *sqe)
{
	struct conn *c = TT_CONTAINER(op, struct conn, rop);

	if (c->state == CONN_LINGER)
		io_uring_prep_recv(sqe, c->fd, c->iov, sizeof(c->iov), 0);
	else
		io_uring_prep_recv(sqe, c->fd, c->rbuf + c->r_got,
		    c->r_cap - c->r_got, 0);
}

static void
conn_recv_done(struct loop_op *op, int res)
{
	struct conn *c = TT_CONTAINER(op, struct conn, rop);
	const bool again = res == -EINTR || res == -EAGAIN;

	TT_MAGIC(c, CONN_MAGIC);
	if (c->state != CONN_OPEN) {
		if (res == 0 || (res < 0 && !again && res != -ECANCELED))
			c->peer_gone = true;
		if (c->state == CONN_LINGER && !c->peer_gone)
			loop_start(c->loop, op);
		conn_step(c);
		return;
	}
	if (res > 0)
		c->r_got += (size_t)res;
	if (again || (res > 0 && c->r_got < c->r_min)) {
		loop_start(c->loop, op);
		return;
	}
	if (res <= 0)
		c->peer_gone = true;
	c->ops->received(c->arg, res > 0 ? (ssize_t)c->r_got : res);
}

void
conn_recv(struct conn *c, void *buf, size_t min, size_t cap)
{

	TT_MAGIC(c, CONN_MAGIC);
	TT_ASSERT(min >= 1 && min <= cap);
	if (c->state != CONN_OPEN)
		return;
	c->rbuf = buf;
	c->r_got = 0;
	c->r_min = min;
	c->r_cap = TT_MIN(cap, (size_t)INT32_MAX);
	loop_start(c->loop, &c->rop);
}

/* --- sending --- */

static void
conn_give_back(struct list *q, int rc)
{

	while (!list_empty(q)) {
		struct conn_out *o = LIST_FIRST(q, struct conn_out, link);

		list_del(&o->link);
		o->sent(o, rc);
	}
}

/* What a message that cannot be sent any more is told. */
static int
conn_send_error(const struct conn *c)
{

	return (c->send_rc != 0 ? c->send_rc : -ECANCELED);
}

/* The socket took ${n} more bytes of the queue. */
static void
conn_taken(struct conn *c, size_t n)
{
	struct conn_out *o;

	c->unsent_bytes -= n;
	while ((o = LIST_FIRST(&c->outq, struct conn_out, link)) != NULL) {
		while (o->n_iov > 0 && o->iov->iov_len <= n) {
			n -= o->iov->iov_len;
			o->iov++;
			o->n_iov--;
		}
		if (o->n_iov > 0) {
			o->iov->iov_base = (char *)o->iov->iov_base + n;
			o->iov->iov_len -= n;
			return;
		}
		list_del(&o->link);
		o->sent(o, 0);
	}
	TT_ASSERT(n == 0);
}

static void
conn_send_prep(struct loop_op *op, struct io_uring_sqe *sqe)
{
	struct conn *c = TT_CONTAINER(op, struct conn, sop);

	io_uring_prep_sendmsg(sqe, c->fd, &c->msg, MSG_NOSIGNAL);
}

static void
conn_want_flush(struct conn *c)
{

	if (c->is_flush_due || c->sop.state != LOOP_OP_IDLE)
		return;
	c->is_flush_due = true;
	loop_before_submit(c->loop, &c->flush);
}

static void
conn_send_done(struct loop_op *op, int res)
{
	struct conn *c = TT_CONTAINER(op, struct conn, sop);

	TT_MAGIC(c, CONN_MAGIC);
	if (res >= 0) {
		conn_taken(c, (size_t)res);
	} else if (res != -EINTR && res != -EAGAIN) {
		if (c->send_rc == 0)
			c->send_rc = res;
		c->unsent_bytes = 0;
		conn_give_back(&c->outq, c->send_rc);
	}
	if (!list_empty(&c->outq) && c->state <= CONN_DRAIN)
		conn_want_flush(c);
	conn_step(c);
}

static void
conn_want_unsendable(struct conn *c)
{

	if (c->is_unsendable_posted)
		return;
	c->is_unsendable_posted = true;
	exec_post(loop_exec(c->loop), &c->unsendable);
}

/* Makes one sendmsg of what the turn has queued. */
static void
conn_flush(struct exec_call *call)
{
	struct conn *c = TT_CONTAINER(call, struct conn, flush);
	size_t n = 0, bytes = 0;

	c->is_flush_due = false;
	if (c->state > CONN_DRAIN || c->sop.state != LOOP_OP_IDLE)
		return;
	LIST_FOREACH(it, &c->outq) {
		const struct conn_out *o = LIST_ENTRY(it, struct conn_out,
		    link);

		for (unsigned i = 0; i < o->n_iov && n < CONN_IOV_MAX; i++) {
			if (o->iov[i].iov_len == 0)
				continue;
			bytes += o->iov[i].iov_len;
			c->iov[n++] = o->iov[i];
		}
		if (n == CONN_IOV_MAX)
			break;
	}
	if (bytes == 0) {
		/* Only empty messages: they are sent, but not from in here. */
		if (!list_empty(&c->outq))
			conn_want_unsendable(c);
		return;
	}
	memset(&c->msg, 0, sizeof(c->msg));
	c->msg.msg_iov = c->iov;
	c->msg.msg_iovlen = n;
	loop_start(c->loop, &c->sop);
}

/* Completes messages without bytes, and those that came too late. */
static void
conn_unsendable(struct exec_call *call)
{
	struct conn *c = TT_CONTAINER(call, struct conn, unsendable);

	c->is_unsendable_posted = false;
	conn_give_back(&c->refused, conn_send_error(c));
	if (c->sop.state == LOOP_OP_IDLE)
		conn_taken(c, 0);
	conn_step(c);
}

void
conn_send(struct conn *c, struct conn_out *o)
{

	TT_MAGIC(c, CONN_MAGIC);
	if (c->state == CONN_OPEN && c->send_rc == 0) {
		for (unsigned i = 0; i < o->n_iov; i++)
			c->unsent_bytes += o->iov[i].iov_len;
		list_add_tail(&c->outq, &o->link);
		conn_want_flush(c);
		return;
	}
	list_add_tail(&c->refused, &o->link);
	if (c->state != CONN_DONE)
		conn_want_unsendable(c);
}

size_t
conn_unsent_bytes(const struct conn *c)
{

	return (c->unsent_bytes);
}

/* --- ending --- */

static void
conn_last(struct exec_call *call)
{
	struct conn *c = TT_CONTAINER(call, struct conn, last);

	/* A message given back may make its owner send one more: refused. */
	conn_give_back(&c->outq, conn_send_error(c));
	conn_give_back(&c->refused, conn_send_error(c));
	(void)close(c->fd);
	c->ops->closed(c->arg);
	c->magic = 0;
	free(c);
}

static void
conn_cancelled(struct loop_op *op, int res)
{
	struct loop_cancel *lc = TT_CONTAINER(op, struct loop_cancel, op);

	(void)res;
	conn_step(lc->arg);
}

static void
conn_cancel(struct conn *c, struct loop_cancel *lc)
{

	if (lc->target->state != LOOP_OP_IDLE && lc->op.state == LOOP_OP_IDLE)
		loop_start(c->loop, &lc->op);
}

static void
conn_abort(struct conn *c)
{

	if (c->state >= CONN_CLOSING)
		return;
	c->state = CONN_CLOSING;
	exec_cancel(loop_exec(c->loop), &c->timer);
	/* So that an operation which is just being retried ends as well. */
	(void)shutdown(c->fd, SHUT_RDWR);
	conn_cancel(c, &c->rcancel);
	conn_cancel(c, &c->scancel);
	conn_step(c);
}

static void
conn_timeout(struct exec_timer *t)
{

	conn_abort(TT_CONTAINER(t, struct conn, timer));
}

static bool
conn_in_kernel(const struct conn *c)
{

	return (c->rop.state != LOOP_OP_IDLE || c->sop.state != LOOP_OP_IDLE ||
	    c->rcancel.op.state != LOOP_OP_IDLE ||
	    c->scancel.op.state != LOOP_OP_IDLE);
}

static void
conn_step(struct conn *c)
{

	if (c->state == CONN_DRAIN && list_empty(&c->outq) &&
	    !conn_in_kernel(c) && !c->is_unsendable_posted) {
		if (c->peer_gone || c->send_rc != 0) {
			conn_abort(c);
			return;
		}
		c->state = CONN_LINGER;
		(void)shutdown(c->fd, SHUT_WR);
		exec_after(loop_exec(c->loop), &c->timer, CONN_LINGER_US);
		loop_start(c->loop, &c->rop);
	}
	if (c->state == CONN_LINGER && c->peer_gone) {
		conn_abort(c);
		return;
	}
	if (c->state == CONN_CLOSING && !conn_in_kernel(c) &&
	    !c->is_unsendable_posted) {
		c->state = CONN_DONE;
		if (c->is_flush_due)
			list_del(&c->flush.link);
		exec_post(loop_exec(c->loop), &c->last);
	}
}

void
conn_close(struct conn *c, bool drain)
{

	TT_MAGIC(c, CONN_MAGIC);
	if (!drain) {
		conn_abort(c);
		return;
	}
	if (c->state != CONN_OPEN)
		return;
	c->state = CONN_DRAIN;
	exec_after(loop_exec(c->loop), &c->timer, CONN_DRAIN_US);
	conn_cancel(c, &c->rcancel);
	conn_step(c);
}

/* --- making --- */

static void
conn_name(struct conn *c)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	memset(&sa, 0, sizeof(sa));
	(void)getsockname(c->fd, (struct sockaddr *)&sa, &len);
	(void)addr_format(c->local, &sa);
	memset(&sa, 0, sizeof(sa));
	len = sizeof(sa);
	/* A peer that is gone already has no name and is nobody's neighbour. */
	if (getpeername(c->fd, (struct sockaddr *)&sa, &len) == 0)
		c->is_loopback = addr_is_loopback(&sa);
	(void)addr_format(c->peer, &sa);
}

int
conn_new(struct loop *l, int fd, const struct conn_ops *ops, void *arg,
    struct conn **out)
{
	static const int on = 1;
	struct conn *c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return (-ENOMEM);
	c->magic = CONN_MAGIC;
	c->loop = l;
	c->fd = fd;
	c->ops = ops;
	c->arg = arg;
	c->rop.prep = conn_recv_prep;
	c->rop.done = conn_recv_done;
	loop_cancel_init(&c->rcancel, &c->rop, conn_cancelled, c);
	list_init(&c->outq);
	list_init(&c->refused);
	c->sop.prep = conn_send_prep;
	c->sop.done = conn_send_done;
	loop_cancel_init(&c->scancel, &c->sop, conn_cancelled, c);
	c->flush.fn = conn_flush;
	c->unsendable.fn = conn_unsendable;
	c->timer.fn = conn_timeout;
	c->last.fn = conn_last;
	/* Not a TCP socket in some tests: then there is nothing to set. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	conn_name(c);
	*out = c;
	return (0);
}

struct loop *
conn_loop(const struct conn *c)
{

	return (c->loop);
}

const char *
conn_peer(const struct conn *c)
{

	return (c->peer);
}

const char *
conn_local(const struct conn *c)
{

	return (c->local);
}

bool
conn_is_loopback(const struct conn *c)
{

	return (c->is_loopback);
}
