/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * admin_int.h - shared by admin.c (thread, poll), admin_sock.c (the socket
 * file) and admin_conn.c (one client).
 */
#ifndef TARGET_ADMIN_INT_H
#define TARGET_ADMIN_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "target/admin.h"

/* One client; only the admin thread touches it. */
struct admin_conn {
	int fd;
	char *in;		/* what has come and is not answered yet */
	size_t in_len, in_cap;
	size_t in_seen;		/* [0, in_seen) has no line feed */
	char *out;		/* the answer that is being sent */
	size_t out_len, out_sent;
	uint64_t active_ms;	/* when something last came or went */
	bool closing;		/* close when ${out} is sent */
	bool eof;		/* the client sends nothing more */
};

/*
 * A listening socket at ${path}, mode 0600, non-blocking.  Errors as
 * admin_start; logged.
 */
int admin_sock_listen(const char *path, int *out_fd);
/* Who is at the other end; -errno. */
int admin_sock_peer(int fd, uid_t *out);

struct admin_conn *admin_conn_new(int fd);	/* NULL: no memory, fd closed */
void admin_conn_free(struct admin_conn *c);	/* wipes */

/* Queue an answer that refuses the client, and close after it. */
void admin_conn_refuse(struct admin_conn *c, enum admin_code code,
    const char *text);
/* What poll(2) should wait for. */
short admin_conn_events(const struct admin_conn *c);
/*
 * Read, run the requests that are whole, write.  False: done with the client,
 * free it.
 */
bool admin_conn_work(struct admin_conn *c, const struct admin_conf *conf,
    short revents);

#endif /* !TARGET_ADMIN_INT_H */
