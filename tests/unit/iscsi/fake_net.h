/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fake_net.h - the network of target/net without a kernel: loops, timers and
 * connections whose other end is a byte buffer of the test.  Everything runs
 * on the test's thread, in net_run; several loops stand for several threads.
 *
 * Include it once per program: it defines the functions of target/net that the
 * iSCSI layer calls.
 */
#ifndef TESTS_UNIT_ISCSI_FAKE_NET_H
#define TESTS_UNIT_ISCSI_FAKE_NET_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/base/exec.h"
#include "meta/base/list.h"
#include "target/net/conn.h"
#include "target/net/loop.h"

struct loop {
	struct exec exec;
	struct list posts, timers;
	uint64_t now_us;
};

struct bytes {
	uint8_t *p;
	size_t len, cap;
};

struct conn {
	struct list link;
	struct loop *loop;
	const struct conn_ops *ops;
	void *arg;
	struct bytes in;	/* sent by the test, not received yet */
	struct bytes out;	/* sent by the target */
	size_t out_read;	/* of ${out}, by the test */
	struct list queue;	/* conn_out */
	size_t unsent;
	uint8_t *buf;
	size_t min, cap;	/* a receive is waiting when cap > 0 */
	bool peer_closed;	/* the test will send nothing more */
	bool stalled;		/* the test does not read */
	bool closing, drain;
	bool ended;		/* failed or ended: nothing is received */
	bool gone;		/* closed was called; only for the test */
};

static struct list net_conns = { &net_conns, &net_conns };
static unsigned net_seed = 1;
static bool net_loopback = true;
static bool net_tiny;		/* deliver as little as allowed, at random */

static inline unsigned
net_random(void)
{

	net_seed = net_seed * 1103515245u + 12345u;
	return (net_seed >> 8);
}

static inline void
bytes_add(struct bytes *b, const void *src, size_t n)
{

	if (b->len + n > b->cap) {
		b->cap = (b->len + n) * 2;
		b->p = realloc(b->p, b->cap);
		TT_ASSERT(b->p != NULL);
	}
	if (n > 0)
		memcpy(b->p + b->len, src, n);
	b->len += n;
}

static inline void
bytes_drop(struct bytes *b, size_t n)
{

	memmove(b->p, b->p + n, b->len - n);
	b->len -= n;
}

static void
exec_do_post(struct exec *ex, struct exec_call *c)
{
	struct loop *l = TT_CONTAINER(ex, struct loop, exec);

	list_add_tail(&l->posts, &c->link);
}

static void
exec_do_read(struct exec *ex, struct exec_read *r)
{

	(void)ex;
	TT_ASSERT(r == NULL);	/* the iSCSI layer reads no files */
}

static void
exec_do_after(struct exec *ex, struct exec_timer *t, uint64_t us)
{
	struct loop *l = TT_CONTAINER(ex, struct loop, exec);

	TT_ASSERT(!t->armed);
	t->armed = 1;
	t->due_ns = (l->now_us + us) * 1000;
	list_add_tail(&l->timers, &t->link);
}

static void
exec_do_cancel(struct exec *ex, struct exec_timer *t)
{

	(void)ex;
	if (t->armed)
		list_del(&t->link);
	t->armed = 0;
}

static const struct exec_ops net_exec_ops = {
	exec_do_post, exec_do_read, exec_do_after, exec_do_cancel
};

struct exec *
loop_exec(struct loop *l)
{

	return (&l->exec);
}

static inline struct loop *
net_loop(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	TT_ASSERT(l != NULL);
	l->exec.ops = &net_exec_ops;
	list_init(&l->posts);
	list_init(&l->timers);
	return (l);
}

int
conn_new(struct loop *l, int fd, const struct conn_ops *ops, void *arg,
    struct conn **out)
{
	struct conn *c = calloc(1, sizeof(*c));

	TT_ASSERT(c != NULL);
	if (fd >= 0)
		(void)close(fd);
	c->loop = l;
	c->ops = ops;
	c->arg = arg;
	list_init(&c->queue);
	list_add_tail(&net_conns, &c->link);
	*out = c;
	return (0);
}

void
conn_recv(struct conn *c, void *buf, size_t min, size_t cap)
{

	TT_ASSERT(c->cap == 0 && min >= 1 && min <= cap && !c->closing);
	TT_ASSERT(!c->ended);
	c->buf = buf;
	c->min = min;
	c->cap = cap;
}

void
conn_send(struct conn *c, struct conn_out *o)
{

	TT_ASSERT(!c->closing);
	list_add_tail(&c->queue, &o->link);
	for (unsigned i = 0; i < o->n_iov; i++)
		c->unsent += o->iov[i].iov_len;
}

size_t
conn_unsent_bytes(const struct conn *c)
{

	return (c->unsent);
}

void
conn_close(struct conn *c, bool drain)
{

	c->drain = drain;
	c->closing = true;
	c->cap = 0;
}

struct loop *
conn_loop(const struct conn *c)
{

	return (c->loop);
}

const char *
conn_peer(const struct conn *c)
{

	(void)c;
	return ("192.0.2.7:40000");
}

const char *
conn_local(const struct conn *c)
{

	(void)c;
	return ("192.0.2.1:3260");
}

bool
conn_is_loopback(const struct conn *c)
{

	(void)c;
	return (net_loopback);
}

/* Each of these does one thing and says whether it did. */
static inline bool
net_step_send(struct conn *c)
{
	struct conn_out *o = LIST_FIRST(&c->queue, struct conn_out, link);
	bool drop = c->closing && !c->drain;

	if (o == NULL || (c->stalled && !drop))
		return (false);
	list_del(&o->link);
	for (unsigned i = 0; i < o->n_iov; i++) {
		c->unsent -= o->iov[i].iov_len;
		if (!drop)
			bytes_add(&c->out, o->iov[i].iov_base,
			    o->iov[i].iov_len);
	}
	o->sent(o, drop ? -ECANCELED : 0);
	return (true);
}

static inline bool
net_step_recv(struct conn *c)
{
	size_t n = c->in.len, cap = c->cap;

	if (cap == 0 || c->closing || (n < c->min && !c->peer_closed))
		return (false);
	if (n < c->min) {
		c->cap = 0;
		c->ended = true;
		c->ops->received(c->arg, 0);
		return (true);
	}
	if (n > cap)
		n = cap;
	if (net_tiny)
		n = c->min + net_random() % (n - c->min + 1);
	memcpy(c->buf, c->in.p, n);
	bytes_drop(&c->in, n);
	c->cap = 0;
	c->ops->received(c->arg, (ssize_t)n);
	return (true);
}

static inline bool
net_step_close(struct conn *c)
{

	if (!c->closing || c->gone || !list_empty(&c->queue))
		return (false);
	c->gone = true;
	c->ops->closed(c->arg);
	return (true);
}

static inline bool
net_step_post(struct loop *l)
{
	struct exec_call *call = LIST_FIRST(&l->posts, struct exec_call, link);

	if (call == NULL)
		return (false);
	list_del(&call->link);
	call->fn(call);
	return (true);
}

/* Run until nothing moves; time stands still. */
static inline void
net_run(struct loop *const *loops, size_t n_loops)
{
	bool did;

	do {
		did = false;
		for (size_t i = 0; i < n_loops; i++)
			did |= net_step_post(loops[i]);
		LIST_FOREACH(it, &net_conns) {
			struct conn *c = LIST_ENTRY(it, struct conn, link);

			did |= net_step_send(c) || net_step_recv(c) ||
			    net_step_close(c);
		}
	} while (did);
}

/* Let ${ms} pass on ${l}. */
static inline void
net_pass(struct loop *l, uint64_t ms)
{
	bool fired;

	l->now_us += ms * 1000;
	do {
		fired = false;
		LIST_FOREACH(it, &l->timers) {
			struct exec_timer *t = LIST_ENTRY(it,
			    struct exec_timer, link);

			if (t->due_ns > l->now_us * 1000)
				continue;
			list_del(&t->link);
			t->armed = 0;
			t->fn(t);
			fired = true;
			break;
		}
	} while (fired);
	net_run(&l, 1);
}

static inline void
net_conn_free(struct conn *c)
{

	list_del(&c->link);
	free(c->in.p);
	free(c->out.p);
	free(c);
}

/* Every connection must have been closed. */
static inline void
net_free_all(void)
{

	LIST_FOREACH_SAFE(it, nx, &net_conns) {
		struct conn *c = LIST_ENTRY(it, struct conn, link);

		TT_ASSERT(c->gone);
		net_conn_free(c);
	}
}

#endif /* !TESTS_UNIT_ISCSI_FAKE_NET_H */
