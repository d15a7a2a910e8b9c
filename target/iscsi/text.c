/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * text.c - reading and writing key=value pairs.
 *
 * The reader works in place: a pair ends with a zero byte on the wire, so it
 * is a C string already once the "=" is overwritten.  A last pair without its
 * zero byte is refused; empty pairs (some initiators pad with zeroes) are
 * passed over.
 */
#include "target/iscsi/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text_in
text_in(void *buf, size_t len)
{
	char *p = buf;

	return ((struct text_in){ p, len == 0 ? p : p + len });
}

static bool
is_printable(const char *s)
{

	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		/* UTF-8 may be in names (RFC 7143 4.2.7.2): let it pass. */
		if (c < 0x20 || c == 0x7f)
			return (false);
	}
	return (true);
}

int
text_next(struct text_in *in, struct text_pair *out)
{
	char *p = in->p, *eq, *nul;

	while (p < in->end && *p == '\0')
		p++;
	in->p = p;
	if (p == in->end)
		return (0);
	if ((nul = memchr(p, '\0', (size_t)(in->end - p))) == NULL)
		return (-EPROTO);
	if ((eq = memchr(p, '=', (size_t)(nul - p))) == NULL)
		return (-EPROTO);
	if (eq == p || eq - p > TEXT_KEY_MAX || !is_printable(p))
		return (-EPROTO);
	*eq = '\0';
	in->p = nul + 1;
	out->key = p;
	out->value = eq + 1;
	return (1);
}

void
text_out_init(struct text_out *o, size_t max)
{

	*o = (struct text_out){ .max = max };
}

void
text_out_free(struct text_out *o)
{

	free(o->buf);
	*o = (struct text_out){ 0 };
}

void
text_out_reset(struct text_out *o)
{

	o->len = 0;
	o->bad = false;
}

/* Room for ${n} more bytes. */
static bool
grow(struct text_out *o, size_t n)
{
	size_t cap;
	char *b;

	if (n > o->max - o->len)
		return (false);
	if (n <= o->cap - o->len)
		return (true);
	cap = o->cap < 512 ? 512 : o->cap * 2;
	while (cap - o->len < n)
		cap *= 2;
	if ((b = realloc(o->buf, cap)) == NULL)
		return (false);
	o->buf = b;
	o->cap = cap;
	return (true);
}

void
text_put(struct text_out *o, const char *key, const char *value)
{
	size_t k = strlen(key), v = strlen(value);

	if (o->bad || !grow(o, k + v + 2)) {
		o->bad = true;
		return;
	}
	memcpy(o->buf + o->len, key, k);
	o->buf[o->len + k] = '=';
	memcpy(o->buf + o->len + k + 1, value, v + 1);
	o->len += k + v + 2;
}

void
text_put_u32(struct text_out *o, const char *key, uint32_t value)
{
	char num[16];

	(void)snprintf(num, sizeof(num), "%u", value);
	text_put(o, key, num);
}

static int
digit(char c)
{

	if (c >= '0' && c <= '9')
		return (c - '0');
	if (c >= 'a' && c <= 'f')
		return (c - 'a' + 10);
	if (c >= 'A' && c <= 'F')
		return (c - 'A' + 10);
	return (-1);
}

int
text_u32(const char *value, uint32_t *out)
{
	unsigned base = 10;
	uint64_t v = 0;

	if (value[0] == '0' && (value[1] == 'x' || value[1] == 'X')) {
		base = 16;
		value += 2;
	}
	if (*value == '\0')
		return (-EINVAL);
	for (; *value != '\0'; value++) {
		int d = digit(*value);

		if (d < 0 || (unsigned)d >= base)
			return (-EINVAL);
		v = v * base + (unsigned)d;
		if (v > UINT32_MAX)
			return (-ERANGE);
	}
	*out = (uint32_t)v;
	return (0);
}

bool
text_list_next(const char **pos, const char **elem, size_t *len)
{
	const char *p = *pos;

	if (p == NULL)
		return (false);
	*elem = p;
	*len = strcspn(p, ",");
	*pos = p[*len] == ',' ? p + *len + 1 : NULL;
	return (true);
}
