/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * buf.c - an idle chunk holds the link to the next one in its first bytes;
 * lists are last in, first out, so that what is reused is still in the cache.
 */
#include "target/iscsi/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/check.h"

struct buf_free {
	struct buf_free *next;
};

static size_t
class_bytes(unsigned cls)
{

	return ((size_t)1 << (BUF_MIN_SHIFT + cls));
}

static unsigned
class_of(size_t bytes)
{
	unsigned c = 0;

	while (class_bytes(c) < bytes)
		c++;
	return (c);
}

void
buf_pool_init(struct buf_pool *p, size_t max_idle_bytes)
{

	memset(p, 0, sizeof(*p));
	p->max_idle_bytes = max_idle_bytes;
}

void
buf_pool_drain(struct buf_pool *p)
{

	for (unsigned c = 0; c < BUF_CLASSES; c++)
		while (p->idle[c] != NULL) {
			struct buf_free *f = p->idle[c];

			p->idle[c] = f->next;
			free(f);
		}
	p->idle_bytes = 0;
}

static void *
chunk_get(struct buf_pool *p, unsigned cls)
{
	struct buf_free *f = p->idle[cls];

	if (f != NULL) {
		p->idle[cls] = f->next;
		p->idle_bytes -= class_bytes(cls);
	} else if ((f = aligned_alloc(4096, class_bytes(cls))) == NULL)
		return (NULL);
	p->used_bytes += class_bytes(cls);
	return (f);
}

static void
chunk_put(struct buf_pool *p, unsigned cls, void *chunk)
{
	struct buf_free *f = chunk;

	p->used_bytes -= class_bytes(cls);
	if (p->idle_bytes + class_bytes(cls) > p->max_idle_bytes) {
		free(chunk);
		return;
	}
	f->next = p->idle[cls];
	p->idle[cls] = f;
	p->idle_bytes += class_bytes(cls);
}

void
buf_plan(struct buf *b, size_t bytes)
{

	TT_ASSERT(bytes > 0 && bytes <= BUF_BYTES_MAX);
	b->bytes = (uint32_t)bytes;
	b->cls = (uint8_t)class_of(TT_MIN(bytes, (size_t)BUF_CHUNK));
	b->n = 0;
}

size_t
buf_cost(size_t bytes, size_t upto)
{
	size_t chunk = class_bytes(class_of(TT_MIN(bytes, (size_t)BUF_CHUNK)));

	return ((upto + chunk - 1) / chunk * chunk);
}

int
buf_reserve(struct buf_pool *p, struct buf *b, size_t upto)
{

	TT_ASSERT(upto <= b->bytes);
	while (b->n * class_bytes(b->cls) < upto) {
		void *c = chunk_get(p, b->cls);

		if (c == NULL)
			return (-ENOMEM);
		b->chunk[b->n++] = c;
	}
	return (0);
}

void
buf_free(struct buf_pool *p, struct buf *b)
{

	while (b->n > 0)
		chunk_put(p, b->cls, b->chunk[--b->n]);
	b->bytes = 0;
}

uint8_t *
buf_at(const struct buf *b, size_t off, size_t *len)
{
	size_t i = off >> BUF_MAX_SHIFT, at = off & (BUF_CHUNK - 1);
	uint8_t *c;

	TT_ASSERT(i < b->n && off < b->bytes);
	c = b->chunk[i];
	*len = TT_MIN(BUF_CHUNK - at, b->bytes - off);
	return (c + at);
}

unsigned
buf_iov(const struct buf *b, struct iovec iov[BUF_CHUNKS_MAX])
{
	size_t off = 0;

	for (unsigned i = 0; i < b->n; i++) {
		size_t len = TT_MIN((size_t)BUF_CHUNK, b->bytes - off);

		iov[i] = (struct iovec){ b->chunk[i], len };
		off += len;
	}
	return (b->n);
}
