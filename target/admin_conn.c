/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One client.  Requests are taken from the buffer one line at a time, and the
 * next only when the answer to the one before is in the kernel: a client that
 * does not read its answers makes nobody's memory grow.
 */
#include "target/admin_int.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/base/clock.h"
#include "meta/base/msg.h"

#define IN_START_BYTES 4096u
#define SHOWN_LEN 64

struct admin_conn *
admin_conn_new(int fd)
{
	struct admin_conn *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		close(fd);
		return (NULL);
	}
	c->fd = fd;
	c->active_ms = clock_mono_ms();
	return (c);
}

static void
wipe_free(char *p, size_t len)
{

	if (p == NULL)
		return;
	explicit_bzero(p, len);
	free(p);
}

void
admin_conn_free(struct admin_conn *c)
{

	if (c == NULL)
		return;
	wipe_free(c->in, c->in_cap);
	wipe_free(c->out, c->out_len);
	close(c->fd);
	free(c);
}

/* Room for at least one byte more; not realloc, which leaves copies. */
static bool
grow(struct admin_conn *c)
{
	size_t cap = c->in_cap == 0 ? IN_START_BYTES : 2 * c->in_cap;
	char *p;

	if (c->in_len < c->in_cap)
		return (true);
	cap = TT_MIN(cap, ADMIN_LINE_MAX_BYTES);
	TT_ASSERT(cap > c->in_len);
	if ((p = malloc(cap)) == NULL)
		return (false);
	if (c->in_len > 0)
		memcpy(p, c->in, c->in_len);
	wipe_free(c->in, c->in_cap);
	c->in = p;
	c->in_cap = cap;
	return (true);
}

/* Forgets the first ${n} bytes that came. */
static void
drop(struct admin_conn *c, size_t n)
{

	memmove(c->in, c->in + n, c->in_len - n);
	explicit_bzero(c->in + c->in_len - n, n);
	c->in_len -= n;
	c->in_seen = 0;
}

static void
put_answer(struct admin_conn *c, const struct admin_req *req,
    struct admin_reply *reply)
{

	TT_ASSERT(c->out == NULL);
	c->out = admin_msg_encode(req, reply, &c->out_len);
	c->out_sent = 0;
	if (c->out == NULL || c->out_len > ADMIN_ANSWER_MAX_BYTES) {
		msg_err("admin: no answer could be made: %s", c->out == NULL ?
		    "out of memory" : "too long");
		wipe_free(c->out, c->out_len);
		c->out = NULL;
		c->closing = true;
	}
}

void
admin_conn_refuse(struct admin_conn *c, enum admin_code code, const char *text)
{
	struct admin_req req = { 0 };
	struct admin_reply reply;

	admin_msg_reply_init(&reply);
	admin_msg_error(&reply, code, "%s", text);
	c->closing = true;
	put_answer(c, &req, &reply);
}

static void
run_verb(const struct admin_conf *conf, const struct admin_req *req,
    struct admin_reply *reply)
{
	char shown[SHOWN_LEN];

	for (size_t i = 0; i < conf->n_verbs; i++)
		if (strcmp(conf->verbs[i].name, req->verb) == 0) {
			conf->verbs[i].fn(conf->ctx, req->args, reply);
			return;
		}
	admin_msg_error(reply, ADMIN_BAD_REQUEST, "the request was not "
	    "understood\nthere is no verb %s\nsee tt-admin help",
	    msg_safe(shown, sizeof(shown), req->verb, strlen(req->verb)));
}

static void
run_line(struct admin_conn *c, const struct admin_conf *conf, size_t len)
{
	struct admin_req req;
	struct admin_reply reply;

	admin_msg_reply_init(&reply);
	if (admin_msg_parse(c->in, len, &req, &reply) == 0)
		run_verb(conf, &req, &reply);
	put_answer(c, &req, &reply);
	admin_msg_req_free(&req);
	admin_msg_reply_free(&reply);
}

/* Runs requests while there are whole ones and no answer waits. */
static void
run_lines(struct admin_conn *c, const struct admin_conf *conf)
{
	const char *nl;
	size_t len;

	while (c->out == NULL && !c->closing && c->in_len > 0) {
		nl = memchr(c->in + c->in_seen, '\n', c->in_len - c->in_seen);
		if (nl == NULL) {
			c->in_seen = c->in_len;
			if (c->in_len < ADMIN_LINE_MAX_BYTES)
				return;
			admin_conn_refuse(c, ADMIN_BAD_REQUEST,
			    "the request was not understood\n"
			    "it is longer than 1 MiB\n");
			return;
		}
		len = (size_t)(nl - c->in);
		run_line(c, conf, len);
		drop(c, len + 1);
		c->active_ms = clock_mono_ms();
	}
}

/* False: the connection is broken. */
static bool
receive(struct admin_conn *c)
{
	ssize_t n;

	while (c->out == NULL && !c->eof &&
	    c->in_len < ADMIN_LINE_MAX_BYTES) {
		if (!grow(c))
			return (false);
		n = recv(c->fd, c->in + c->in_len, c->in_cap - c->in_len, 0);
		if (n < 0)
			return (errno == EAGAIN || errno == EINTR);
		if (n == 0)
			c->eof = true;
		else {
			c->in_len += (size_t)n;
			c->active_ms = clock_mono_ms();
		}
	}
	return (true);
}

/* False: the connection is broken. */
static bool
send_out(struct admin_conn *c)
{
	ssize_t n;

	while (c->out != NULL) {
		n = send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent,
		    MSG_NOSIGNAL);
		if (n < 0)
			return (errno == EAGAIN || errno == EINTR);
		c->active_ms = clock_mono_ms();
		c->out_sent += (size_t)n;
		if (c->out_sent == c->out_len) {
			wipe_free(c->out, c->out_len);
			c->out = NULL;
		}
	}
	return (true);
}

short
admin_conn_events(const struct admin_conn *c)
{

	if (c->out != NULL)
		return (POLLOUT);
	return (POLLIN);
}

bool
admin_conn_work(struct admin_conn *c, const struct admin_conf *conf,
    short revents)
{

	if ((revents & (POLLERR | POLLNVAL)) != 0)
		return (false);
	do {
		if (!send_out(c))
			return (false);
		if (c->out != NULL)
			return (true);
		if (c->closing)
			return (false);
		run_lines(c, conf);
		if (c->out == NULL && !c->closing) {
			if (c->eof || !receive(c))
				return (false);
			run_lines(c, conf);
			if (c->out == NULL && !c->closing && !c->eof)
				return (true);
		}
	} while (true);
}
