/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * admin_proto.h - what both ends of the admin socket share: the version, the
 * limits, the error codes.  The protocol itself is described in
 * target/ADMIN.md.
 *
 * Threads: any; no state but the allocator of jansson (admin_proto_init).
 */
#ifndef TARGET_ADMIN_PROTO_H
#define TARGET_ADMIN_PROTO_H

#include <jansson.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define ADMIN_VERSION	1

/* The longest request and the longest answer, with the newline. */
#define ADMIN_LINE_MAX_BYTES	((size_t)1 << 20)
#define ADMIN_ANSWER_MAX_BYTES	((size_t)64 << 20)

#define ADMIN_SOCKET_DEFAULT	"/run/tt/tt.sock"

/* Secrets of RFC 1994/7143: at least 96 bits; the upper bound is ours. */
#define ADMIN_SECRET_MIN_BYTES	12u
#define ADMIN_SECRET_MAX_BYTES	255u

/* Why a request was refused; the names are in ADMIN.md and never change. */
enum admin_code {
	ADMIN_OK,
	ADMIN_BAD_REQUEST,	/* not understood: JSON, version, verb, field */
	ADMIN_INVALID,		/* a value that is not allowed */
	ADMIN_NOT_FOUND,
	ADMIN_EXISTS,
	ADMIN_BUSY,		/* somebody uses it */
	ADMIN_NOT_EMPTY,	/* it still has snapshots */
	ADMIN_DENIED,		/* who asks may not */
	ADMIN_NO_SPACE,
	ADMIN_STOPPED,		/* the store is read-only after an error */
	ADMIN_FAILED,		/* everything else */
	ADMIN_CODES
};

static const char *const admin_code_names[ADMIN_CODES] = {
	"ok", "bad-request", "invalid", "not-found", "exists", "busy",
	"not-empty", "denied", "no-space", "stopped", "failed"
};

static inline const char *
admin_code_name(enum admin_code code)
{

	return (admin_code_names[code < ADMIN_CODES ? code : ADMIN_FAILED]);
}

/* An unknown name, of a newer daemon, is "failed". */
static inline enum admin_code
admin_code_parse(const char *name)
{

	for (int i = 0; i < ADMIN_CODES; i++)
		if (strcmp(name, admin_code_names[i]) == 0)
			return ((enum admin_code)i);
	return (ADMIN_FAILED);
}

/* Secrets pass through JSON values and buffers: leave none behind. */
static inline void
admin_proto_wipe_free(void *p)
{

	if (p == NULL)
		return;
	explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

/* Call once, before any other use of jansson. */
static inline void
admin_proto_init(void)
{

	json_set_alloc_funcs(malloc, admin_proto_wipe_free);
}

#endif /* !TARGET_ADMIN_PROTO_H */
