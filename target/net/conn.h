/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn.h - a connected stream socket on a loop: one receive at a time into the
 * owner's buffer, an ordered queue of vectors to send.
 *
 * Threads: everything only on the loop's thread.
 * Callbacks never run from inside a call into this module.
 */
#ifndef TARGET_NET_CONN_H
#define TARGET_NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "meta/base/list.h"
#include "target/net/loop.h"

struct conn;

struct conn_ops {
	/*
	 * The receive that conn_recv started has ended: ${n} bytes (at least
	 * the minimum asked for), 0 when the peer closed its side before the
	 * minimum, or -errno.  After 0 or an error nothing more is received.
	 */
	void (*received)(void *arg, ssize_t n);
	/*
	 * The last callback, once, after conn_close: the kernel holds no
	 * buffer of ours any more, every conn_out was given back, the socket
	 * is closed and the conn is gone when this returns.
	 */
	void (*closed)(void *arg);
};

/* Something to send; the owner embeds it and keeps the bytes until ${sent}. */
struct conn_out {
	struct list link;		/* the conn's while queued */
	struct iovec *iov;		/* changed while sending */
	unsigned n_iov;
	/* 0: handed to the socket; -errno: never (the connection is dying). */
	void (*sent)(struct conn_out *, int rc);
};

/**
 * conn_new(l, fd, ops, arg, out):
 * Ownership: takes ${fd} on success.  Sets TCP_NODELAY.
 * Errors:    -ENOMEM.
 */
int conn_new(struct loop *l, int fd, const struct conn_ops *ops, void *arg,
    struct conn **out);

/*
 * Receive at least ${min} and at most ${cap} bytes into ${buf} (1 <= min <=
 * cap), then call received.  One at a time.
 */
void conn_recv(struct conn *c, void *buf, size_t min, size_t cap);

/*
 * Queue ${o}.  Everything queued in one turn goes out with as few system
 * calls as possible, in order.
 */
void conn_send(struct conn *c, struct conn_out *o);

/* Bytes queued and not yet taken by the socket. */
size_t conn_unsent_bytes(const struct conn *c);

/*
 * Stop.  With ${drain}, what is queued is sent first (at most 5 s); without,
 * it is given back with -ECANCELED.  A receive in flight is cancelled and its
 * callback is not made.  May be called again to end a drain at once.
 */
void conn_close(struct conn *c, bool drain);

struct loop *conn_loop(const struct conn *c);

/* "192.0.2.1:3260" or "[2001:db8::1]:3260"; the conn's until closed. */
const char *conn_peer(const struct conn *c);
const char *conn_local(const struct conn *c);
/* True for 127.0.0.0/8, ::1 and their IPv4-mapped forms at the peer. */
bool conn_is_loopback(const struct conn *c);

#endif /* !TARGET_NET_CONN_H */
