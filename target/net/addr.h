/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * addr.h - socket addresses as text: "127.0.0.1:3260", "[::1]:3260".
 *
 * Numbers only; no name is ever looked up.  Threads: any; no state.
 */
#ifndef TARGET_NET_ADDR_H
#define TARGET_NET_ADDR_H

#include <stdbool.h>
#include <sys/socket.h>

#define ADDR_TEXT_LEN 64

/**
 * addr_parse(text, out, out_len):
 * Strict: dotted quad or bracketed IPv6 without a scope, a colon, a decimal
 * port of 0 to 65535 without leading zeros, nothing else.
 * Errors: -EINVAL.
 */
int addr_parse(const char *text, struct sockaddr_storage *out,
    socklen_t *out_len);

/* Always terminates; a family that is neither IPv4 nor IPv6 is "local". */
const char *addr_format(char dst[static ADDR_TEXT_LEN],
    const struct sockaddr_storage *sa);

/* 127.0.0.0/8, ::1, ::ffff:127.0.0.0/104, and sockets that have no network. */
bool addr_is_loopback(const struct sockaddr_storage *sa);

/* The port in host order, 0 without one. */
unsigned addr_port(const struct sockaddr_storage *sa);

#endif /* !TARGET_NET_ADDR_H */
