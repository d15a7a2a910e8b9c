/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/net/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "meta/base/msg.h"
#include "target/net/addr.h"
#include "target/net/loop_int.h"

#define LISTENER_BACKLOG	1024
#define LISTENER_PAUSE_US	100000	/* when there are no descriptors left */

/* Everything belongs to the loop's thread. */
struct listener {
	struct loop *loop;
	int fd;
	bool is_freed;			/* goes away with its last operation */
	listener_fn *fn;
	void *arg;
	struct loop_op accept;
	struct loop_cancel cancel;
	struct exec_timer pause;
	struct msg_limit limit;
	uint16_t port;
	char address[ADDR_TEXT_LEN];
};

static void
listener_destroy(struct listener *ls)
{

	if (ls->fd >= 0)
		(void)close(ls->fd);
	free(ls);
}

static void
listener_prep(struct loop_op *op, struct io_uring_sqe *sqe)
{
	struct listener *ls = TT_CONTAINER(op, struct listener, accept);

	io_uring_prep_accept(sqe, ls->fd, NULL, NULL,
	    SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static void
listener_resume(struct exec_timer *t)
{
	struct listener *ls = TT_CONTAINER(t, struct listener, pause);

	loop_start(ls->loop, &ls->accept);
}

/* Errors of accept that pass when somebody closes something. */
static bool
listener_is_short(int res)
{

	return (res == -EMFILE || res == -ENFILE || res == -ENOBUFS ||
	    res == -ENOMEM);
}

static void
listener_step(struct listener *ls)
{

	if (ls->is_freed && ls->accept.state == LOOP_OP_IDLE &&
	    ls->cancel.op.state == LOOP_OP_IDLE)
		listener_destroy(ls);
}

static void
listener_accepted(struct loop_op *op, int res)
{
	struct listener *ls = TT_CONTAINER(op, struct listener, accept);

	if (ls->is_freed) {
		if (res >= 0)
			(void)close(res);
		listener_step(ls);
		return;
	}
	if (listener_is_short(res)) {
		if (msg_allowed(&ls->limit, 1))
			msg_err("accept on %s: %s", ls->address,
			    strerror(-res));
		exec_after(loop_exec(ls->loop), &ls->pause, LISTENER_PAUSE_US);
		return;
	}
	/* Anything else is the matter of one peer that went away again. */
	loop_start(ls->loop, op);
	if (res >= 0)
		ls->fn(ls->arg, res);
}

static void
listener_cancelled(struct loop_op *op, int res)
{
	struct loop_cancel *c = TT_CONTAINER(op, struct loop_cancel, op);

	(void)res;
	listener_step(c->arg);
}

static int
listener_bind(struct listener *ls, const struct sockaddr_storage *sa,
    socklen_t len)
{
	static const int on = 1;
	struct sockaddr_storage real;
	socklen_t real_len = sizeof(real);

	ls->fd = socket(sa->ss_family, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);
	if (ls->fd < 0 || setsockopt(ls->fd, SOL_SOCKET, SO_REUSEADDR, &on,
	    sizeof(on)) != 0)
		return (-errno);
	/* "[::]" and "0.0.0.0" can then stand side by side. */
	if (sa->ss_family == AF_INET6 && setsockopt(ls->fd, IPPROTO_IPV6,
	    IPV6_V6ONLY, &on, sizeof(on)) != 0)
		return (-errno);
	if (bind(ls->fd, (const struct sockaddr *)sa, len) != 0 ||
	    listen(ls->fd, LISTENER_BACKLOG) != 0)
		return (-errno);
	memset(&real, 0, sizeof(real));
	if (getsockname(ls->fd, (struct sockaddr *)&real, &real_len) != 0)
		return (-errno);
	(void)addr_format(ls->address, &real);
	ls->port = (uint16_t)addr_port(&real);
	return (0);
}

int
listener_new(struct loop *l, const char *addr, listener_fn *fn, void *arg,
    struct listener **out)
{
	struct sockaddr_storage sa;
	struct listener *ls;
	socklen_t len;
	int rc;

	if ((rc = addr_parse(addr, &sa, &len)) != 0)
		return (rc);
	if ((ls = calloc(1, sizeof(*ls))) == NULL)
		return (-ENOMEM);
	ls->loop = l;
	ls->fn = fn;
	ls->arg = arg;
	if ((rc = listener_bind(ls, &sa, len)) != 0) {
		msg_err("listen on %s: %s%s", addr, strerror(-rc),
		    rc == -EADDRINUSE ? "; another program listens there" :
		    rc == -EADDRNOTAVAIL ? "; no interface of this machine "
		    "has that address" : rc == -EACCES &&
		    addr_port(&sa) < IPPORT_RESERVED ? "; ports below 1024 "
		    "need CAP_NET_BIND_SERVICE" : "");
		listener_destroy(ls);
		return (rc);
	}
	ls->accept.prep = listener_prep;
	ls->accept.done = listener_accepted;
	ls->accept.is_parking = true;
	ls->pause.fn = listener_resume;
	loop_cancel_init(&ls->cancel, &ls->accept, listener_cancelled, ls);
	loop_start(l, &ls->accept);
	*out = ls;
	return (0);
}

void
listener_free(struct listener *ls)
{

	if (ls == NULL)
		return;
	exec_cancel(loop_exec(ls->loop), &ls->pause);
	ls->is_freed = true;
	if (!loop_is_running(ls->loop)) {
		loop_unqueue(&ls->accept);
		listener_destroy(ls);
		return;
	}
	/* From now on nobody can connect, before the cancel has happened. */
	(void)shutdown(ls->fd, SHUT_RDWR);
	/* The loop may stop in this very turn: it waits for these first. */
	ls->accept.is_final = true;
	ls->cancel.op.is_parking = ls->cancel.op.is_final = true;
	if (ls->accept.state != LOOP_OP_IDLE)
		loop_start(ls->loop, &ls->cancel.op);
	listener_step(ls);
}

const char *
listener_address(const struct listener *ls)
{

	return (ls->address);
}

uint16_t
listener_port(const struct listener *ls)
{

	return (ls->port);
}
