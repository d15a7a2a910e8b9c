/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * listener.h - a listening TCP socket on a loop.
 *
 * Threads: create before or on the loop's thread; callbacks on it.
 */
#ifndef TARGET_NET_LISTENER_H
#define TARGET_NET_LISTENER_H

#include <stdint.h>

#include "target/net/loop.h"

struct listener;

/* A new connection; the callee owns ${fd} (which is not blocking). */
typedef void listener_fn(void *arg, int fd);

/**
 * listener_new(l, addr, fn, arg, out):
 * Listen on ${addr}: "127.0.0.1:3260", "[::1]:3260", "[::]:0".  Numbers only,
 * no names are looked up.  Port 0 lets the system choose.
 * Errors: -EINVAL not such an address, -errno of socket/bind/listen.
 */
int listener_new(struct loop *l, const char *addr, listener_fn *fn, void *arg,
    struct listener **out);

/* Stops accepting; on the loop's thread, or when the loop has ended. */
void listener_free(struct listener *ls);

/* The address really bound, as text like "127.0.0.1:3260". */
const char *listener_address(const struct listener *ls);
uint16_t listener_port(const struct listener *ls);

#endif /* !TARGET_NET_LISTENER_H */
