/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pair.h - a conn on a loop that runs on the test's thread, and its peer: a
 * blocking socket, used from threads where both must move at the same time.
 * Every call into the module is marked, to catch callbacks nested in it.
 */
#ifndef TESTS_UNIT_NET_PAIR_H
#define TESTS_UNIT_NET_PAIR_H

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "target/net/conn.h"
#include "tests/lib/unit.h"

static struct loop *lp;
static struct conn *cn;
static int peer = -1;
static unsigned n_closed, n_received, n_sent, n_unsent, nested;
static ssize_t last_received;
static int last_rc;
static bool inside;		/* a call into conn.h, or its callback */

static inline void
closed(void *arg)
{

	(void)arg;
	nested += inside;
	n_closed++;
	cn = NULL;
	loop_stop(lp);
}

static inline void
received_note(void *arg, ssize_t n)
{

	(void)arg;
	nested += inside;
	n_received++;
	last_received = n;
	loop_stop(lp);
}

static const struct conn_ops note_ops = { received_note, closed };

static inline void
sent_note(struct conn_out *o, int rc)
{

	(void)o;
	nested += inside;
	if (rc == 0)
		n_sent++;
	else
		n_unsent++;
	last_rc = rc;
}

/* A TCP connection over loopback; [0] for the conn, [1] for the test. */
static inline void
tcp_pair(int fd[2])
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int ls = socket(AF_INET, SOCK_STREAM, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd[1] = socket(AF_INET, SOCK_STREAM, 0);
	if (ls < 0 || fd[1] < 0 ||
	    bind(ls, (struct sockaddr *)&in, sizeof(in)) != 0 ||
	    listen(ls, 1) != 0 ||
	    getsockname(ls, (struct sockaddr *)&in, &len) != 0 ||
	    connect(fd[1], (struct sockaddr *)&in, sizeof(in)) != 0 ||
	    (fd[0] = accept4(ls, NULL, NULL, SOCK_NONBLOCK)) < 0)
		abort();
	(void)close(ls);
}

static inline void
begin_fds(const int fd[2], const struct conn_ops *ops)
{

	n_closed = n_received = n_sent = n_unsent = nested = 0;
	last_received = -9999;
	last_rc = 0;
	peer = fd[1];
	CU_ASSERT_EQUAL_FATAL(loop_new(&lp), 0);
	CU_ASSERT_EQUAL_FATAL(conn_new(lp, fd[0], ops, NULL, &cn), 0);
}

static inline void
begin(const struct conn_ops *ops)
{
	int fd[2];

	tcp_pair(fd);
	begin_fds(fd, ops);
}

static inline void
run(void)
{

	CU_ASSERT_EQUAL(loop_run(lp), 0);
}

static inline void
tick_stop(struct exec_timer *t)
{

	(void)t;
	loop_stop(lp);
}

/* Lets the loop turn for a while. */
static inline void
run_ms(unsigned ms)
{
	struct exec_timer t = { .fn = tick_stop };

	exec_after(loop_exec(lp), &t, ms * 1000);
	run();
	exec_cancel(loop_exec(lp), &t);
}

static inline void
end(void)
{

	CU_ASSERT_EQUAL(n_closed, 1);
	CU_ASSERT_EQUAL(nested, 0);
	CU_ASSERT_PTR_NULL(cn);
	if (peer >= 0)
		(void)close(peer);
	peer = -1;
	loop_free(lp);
	lp = NULL;
}

/* Each call into the module is marked, to catch nested callbacks. */
static inline void
do_recv(void *buf, size_t min, size_t cap)
{

	inside = true;
	conn_recv(cn, buf, min, cap);
	inside = false;
}

static inline void
do_send(struct conn_out *o)
{

	inside = true;
	conn_send(cn, o);
	inside = false;
}

static inline void
do_close(bool drain)
{

	inside = true;
	conn_close(cn, drain);
	inside = false;
}

static inline void
peer_write(const void *buf, size_t len)
{

	CU_ASSERT_EQUAL(write(peer, buf, len), (ssize_t)len);
}

/* What the peer reads until the end; -errno when the connection was reset. */
static inline ssize_t
peer_read_all(void *buf, size_t cap)
{
	size_t got = 0;

	while (got < cap) {
		ssize_t n = read(peer, (char *)buf + got, cap - got);

		if (n < 0)
			return (-errno);
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return ((ssize_t)got);
}

#endif /* !TESTS_UNIT_NET_PAIR_H */
