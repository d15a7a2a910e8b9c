/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * text.h - the "key=value" pairs, separated by zero bytes, of Login and Text
 * PDUs (RFC 7143 6.1), read with every length checked and written into a
 * buffer that grows up to a limit.
 *
 * Threads: any; an object belongs to one.
 */
#ifndef TARGET_ISCSI_TEXT_H
#define TARGET_ISCSI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_KEY_MAX	63	/* RFC 7143 6.1 */

struct text_in {
	char *p, *end;
};

/* One pair; both are strings inside the buffer that was read. */
struct text_pair {
	const char *key, *value;
};

/* ${buf} is cut into strings while it is read. */
struct text_in text_in(void *buf, size_t len);

/**
 * text_next(in, out):
 * Returns 1 with a pair, 0 at the end.
 * Errors: -EPROTO no "=", an empty or too long key, a byte that is not
 * printable text, or a last pair without its zero byte.
 */
int text_next(struct text_in *in, struct text_pair *out);

struct text_out {
	char *buf;
	size_t len, cap, max;
	bool bad;		/* a pair did not fit, or no memory */
};

/* Free with text_out_free; ${max} limits what is kept. */
void text_out_init(struct text_out *o, size_t max);
void text_out_free(struct text_out *o);
void text_out_reset(struct text_out *o);

/* Append a pair; whole or (then ${o->bad}) not at all. */
void text_put(struct text_out *o, const char *key, const char *value);
void text_put_u32(struct text_out *o, const char *key, uint32_t value);

/**
 * text_u32(value, out):
 * A number as RFC 7143 6.1 writes it: decimal, or hexadecimal behind 0x.
 * Errors: -EINVAL not a number, -ERANGE beyond 32 bits.
 */
int text_u32(const char *value, uint32_t *out);

/* The next element of a comma list: its bytes, false at the end. */
bool text_list_next(const char **pos, const char **elem, size_t *len);

#endif /* !TARGET_ISCSI_TEXT_H */
