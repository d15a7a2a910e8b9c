/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * admin.h - the server of the admin socket: one thread, a few clients, one
 * request at a time (target/ADMIN.md).
 *
 * Knows the verbs only as rows of a table; theirs is target/admin_verbs.h.
 */
#ifndef TARGET_ADMIN_H
#define TARGET_ADMIN_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "target/admin_msg.h"

struct admin;

/*
 * A verb: reads ${args} (NULL: none), sets ${reply->result} or an error.  Runs
 * on the admin thread and may block; the others wait meanwhile.
 */
typedef void admin_verb_fn(void *ctx, json_t *args, struct admin_reply *reply);

struct admin_verb {
	const char *name;
	admin_verb_fn *fn;
	const char *help;
};

struct admin_conf {
	const char *path;		/* of the socket */
	const struct admin_verb *verbs;	/* static */
	size_t n_verbs;
	void *ctx;			/* first argument of the verbs */
	uid_t uid;			/* who may, beside root */
	unsigned clients;		/* at most; 0 = 16 */
	unsigned idle_ms;		/* 0 = 60,000 */
};

/**
 * admin_start(conf, out):
 * Bind the socket (a stale file of a daemon that is gone is replaced) and
 * serve it from a thread of its own.  Calls admin_proto_init.
 *
 * Errors:  -EADDRINUSE another daemon answers there; -EEXIST the path is
 *          something else than a socket; -ENAMETOOLONG; -errno; logged with
 *          what to do.
 * Threads: any, once.
 */
int admin_start(const struct admin_conf *conf, struct admin **out);

/* Finishes the verb that runs, closes all clients, removes the socket file. */
void admin_stop(struct admin *a);

#endif /* !TARGET_ADMIN_H */
