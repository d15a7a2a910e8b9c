/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * admin_msg.h - one request and one answer of the admin protocol: parsing,
 * checking of arguments by a table, errors, encoding (target/ADMIN.md).
 *
 * Knows no socket and no LUN.  Threads: any; no state.
 */
#ifndef TARGET_ADMIN_MSG_H
#define TARGET_ADMIN_MSG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "target/admin_proto.h"

#define ADMIN_TEXT_LEN 512

struct admin_req {
	json_t *root;		/* owned; NULL when nothing was parsed */
	const char *verb;	/* inside root */
	json_t *args;		/* inside root, NULL: none */
	bool has_id;
	json_int_t id;
};

struct admin_reply {
	json_t *result;		/* owned; only with ADMIN_OK */
	enum admin_code code;
	char what[ADMIN_TEXT_LEN], why[ADMIN_TEXT_LEN], next[ADMIN_TEXT_LEN];
};

/**
 * admin_msg_parse(line, len, req, reply):
 * Errors: -EINVAL, and ${reply} holds the error to send.  ${req} is valid (and
 * to be freed) in any case, and has the id if that could be read.
 */
int admin_msg_parse(const char *line, size_t len, struct admin_req *req,
    struct admin_reply *reply);
void admin_msg_req_free(struct admin_req *req);

/* Start of an answer; admin_msg_reply_free is fine on it. */
void admin_msg_reply_init(struct admin_reply *reply);
void admin_msg_reply_free(struct admin_reply *reply);

/*
 * Make ${reply} an error.  ${fmt} gives up to three lines: what, why, next.
 * Text of a peer must have gone through msg_safe (no line feeds).
 */
void admin_msg_error(struct admin_reply *reply, enum admin_code code,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same for a -errno of the layers below, in words; ${fmt}: only what. */
void admin_msg_errno(struct admin_reply *reply, int rc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Which code a -errno is. */
enum admin_code admin_msg_code(int rc);

/* One field that a verb takes. */
enum admin_type {
	ADMIN_STRING, ADMIN_INTEGER, ADMIN_BOOLEAN, ADMIN_OBJECT, ADMIN_ARRAY
};
struct admin_arg {
	const char *name;
	enum admin_type type;
	bool required;
	void *out;	/* const char **, json_int_t *, bool *, json_t ** */
};

/**
 * admin_msg_args(args, spec, n, reply):
 * Fill the ${out} of every field that is there; the others stay untouched.
 * Strings and objects live as long as the request.
 *
 * Errors: -EINVAL (an unknown field, a missing one, a wrong type), and
 * ${reply} holds the error to send.
 */
int admin_msg_args(json_t *args, const struct admin_arg *spec, size_t n,
    struct admin_reply *reply);

/*
 * The answer as a line with its line feed; NULL without memory.  Wipe and
 * free with admin_proto_wipe_free.  Consumes the result of ${reply}.
 */
char *admin_msg_encode(const struct admin_req *req, struct admin_reply *reply,
    size_t *out_len);

#endif /* !TARGET_ADMIN_MSG_H */
