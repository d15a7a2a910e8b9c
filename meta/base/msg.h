/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * msg.h - messages for the operator, on stderr, with <N> priorities that
 * journald understands.
 *
 * ERR: the operator must act.  WARN: a peer misbehaved or something was
 * retried.  INFO: login, logout, snapshot, change of state.  DEBUG: off by
 * default.  Whoever turns the failure of a system call, of LMDB or of a peer
 * into a -errno logs it, once; callers do not log it again.
 *
 * Text that came from a peer goes through msg_safe first.  Secrets have no
 * path to here.
 *
 * Threads: any; a line is one write(2).
 */
#ifndef META_BASE_MSG_H
#define META_BASE_MSG_H

#include <stddef.h>
#include <stdint.h>

enum msg_level { MSG_ERR = 3, MSG_WARN = 4, MSG_INFO = 6, MSG_DEBUG = 7 };

/* The most talkative level that is printed; MSG_INFO at first. */
void msg_set_level(enum msg_level level);

/* Lines begin with "NAME: " and not with a priority: for programs that a
 * person runs.  ${name} stays the caller's. */
void msg_to_person(const char *name);

void msg_at(enum msg_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#define msg_err(...)	msg_at(MSG_ERR, __VA_ARGS__)
#define msg_warn(...)	msg_at(MSG_WARN, __VA_ARGS__)
#define msg_info(...)	msg_at(MSG_INFO, __VA_ARGS__)
#define msg_debug(...)	msg_at(MSG_DEBUG, __VA_ARGS__)

/**
 * msg_safe(dst, cap, src, len):
 * Copy ${len} untrusted bytes as printable ASCII; everything else becomes
 * \xNN.  Always terminates; cuts at ${cap}.  Returns ${dst}.
 */
const char *msg_safe(char *dst, size_t cap, const void *src, size_t len);

/*
 * A -errno in words: what strerror has no good ones for, damage above all, in
 * ours.
 */
const char *msg_why(int rc);

/*
 * A limiter for messages that a peer can cause: at most ${burst} in ten
 * seconds.  Zero-initialise.  msg_allowed says whether to print now.
 */
struct msg_limit {
	_Atomic uint64_t window;
	_Atomic unsigned count;
};
int msg_allowed(struct msg_limit *l, unsigned burst);

#endif /* !META_BASE_MSG_H */
