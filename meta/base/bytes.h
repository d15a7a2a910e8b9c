/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bytes.h - big-endian accessors and bounded cursors.
 *
 * Wire and disk structures are never C structs: a field is read and written
 * only through these.  Unaligned addresses are fine.  A cursor that runs past
 * its end yields zeroes (or drops the bytes), remembers it in ${bad}, and is
 * asked once at the end.
 *
 * Threads: any; no state.
 */
#ifndef META_BASE_BYTES_H
#define META_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t
get_be16(const uint8_t *p)
{

	return ((uint16_t)((p[0] << 8) | p[1]));
}

static inline uint32_t
get_be24(const uint8_t *p)
{

	return (((uint32_t)p[0] << 16) | ((uint32_t)p[1] << 8) | p[2]);
}

static inline uint32_t
get_be32(const uint8_t *p)
{

	return (((uint32_t)p[0] << 24) | get_be24(p + 1));
}

static inline uint64_t
get_be64(const uint8_t *p)
{

	return (((uint64_t)get_be32(p) << 32) | get_be32(p + 4));
}

static inline void
put_be16(uint8_t *p, uint16_t v)
{

	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void
put_be24(uint8_t *p, uint32_t v)
{

	p[0] = (uint8_t)(v >> 16);
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)v;
}

static inline void
put_be32(uint8_t *p, uint32_t v)
{

	p[0] = (uint8_t)(v >> 24);
	put_be24(p + 1, v);
}

static inline void
put_be64(uint8_t *p, uint64_t v)
{

	put_be32(p, (uint32_t)(v >> 32));
	put_be32(p + 4, (uint32_t)v);
}

/* A reading cursor over [p, end). */
struct rd {
	const uint8_t *p, *end;
	bool bad;
};

static inline struct rd
rd_init(const void *buf, size_t len)
{
	const uint8_t *b = buf;

	return ((struct rd){ b, b + len, false });
}

static inline size_t
rd_left(const struct rd *r)
{

	return ((size_t)(r->end - r->p));
}

/* The next ${n} bytes, or NULL (and bad) when there are fewer. */
static inline const uint8_t *
rd_bytes(struct rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->bad || rd_left(r) < n) {
		r->bad = true;
		return (NULL);
	}
	r->p += n;
	return (p);
}

static inline uint8_t
rd_u8(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 1);

	return (p == NULL ? 0 : *p);
}

static inline uint16_t
rd_be16(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 2);

	return (p == NULL ? 0 : get_be16(p));
}

static inline uint32_t
rd_be32(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 4);

	return (p == NULL ? 0 : get_be32(p));
}

static inline uint64_t
rd_be64(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 8);

	return (p == NULL ? 0 : get_be64(p));
}

/* A writing cursor over [p, end). */
struct wr {
	uint8_t *p, *end;
	bool bad;
};

static inline struct wr
wr_init(void *buf, size_t len)
{
	uint8_t *b = buf;

	return ((struct wr){ b, b + len, false });
}

/* Room for ${n} bytes, or NULL (and bad) when there is less. */
static inline uint8_t *
wr_room(struct wr *w, size_t n)
{
	uint8_t *p = w->p;

	if (w->bad || (size_t)(w->end - w->p) < n) {
		w->bad = true;
		return (NULL);
	}
	w->p += n;
	return (p);
}

static inline void
wr_bytes(struct wr *w, const void *src, size_t n)
{
	uint8_t *p = wr_room(w, n);

	if (p != NULL && n > 0)
		memcpy(p, src, n);
}

static inline void
wr_u8(struct wr *w, uint8_t v)
{

	wr_bytes(w, &v, 1);
}

static inline void
wr_be16(struct wr *w, uint16_t v)
{
	uint8_t *p = wr_room(w, 2);

	if (p != NULL)
		put_be16(p, v);
}

static inline void
wr_be32(struct wr *w, uint32_t v)
{
	uint8_t *p = wr_room(w, 4);

	if (p != NULL)
		put_be32(p, v);
}

static inline void
wr_be64(struct wr *w, uint64_t v)
{
	uint8_t *p = wr_room(w, 8);

	if (p != NULL)
		put_be64(p, v);
}

#endif /* !META_BASE_BYTES_H */
