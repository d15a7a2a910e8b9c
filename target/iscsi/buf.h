/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * buf.h - page-aligned buffers for the data of commands, recycled: memory
 * that was never touched costs a fault, so what is hot stays allocated.
 *
 * A buffer is cut into chunks: up to BUF_CHUNK it is one, of the next power of
 * two; beyond, chunks of BUF_CHUNK that are allocated as they are needed.
 *
 * Threads: a pool and its buffers belong to one loop.
 */
#ifndef TARGET_ISCSI_BUF_H
#define TARGET_ISCSI_BUF_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define BUF_MIN_SHIFT	12
#define BUF_MAX_SHIFT	20
#define BUF_CHUNK	(1u << BUF_MAX_SHIFT)
#define BUF_CLASSES	(BUF_MAX_SHIFT - BUF_MIN_SHIFT + 1)
#define BUF_CHUNKS_MAX	32
#define BUF_BYTES_MAX	((size_t)BUF_CHUNK * BUF_CHUNKS_MAX)

struct buf_free;

struct buf_pool {
	struct buf_free *idle[BUF_CLASSES];
	size_t idle_bytes, max_idle_bytes;
	size_t used_bytes;	/* in buffers */
};

struct buf {
	uint32_t bytes;		/* its full length, 0: none */
	uint8_t cls;
	uint8_t n;		/* chunks that are allocated */
	void *chunk[BUF_CHUNKS_MAX];
};

void buf_pool_init(struct buf_pool *p, size_t max_idle_bytes);
void buf_pool_drain(struct buf_pool *p);

/* Say how long ${b} will be (1..BUF_BYTES_MAX); allocates nothing. */
void buf_plan(struct buf *b, size_t bytes);

/* What buf_reserve(${upto}) of a buffer planned for ${bytes} allocates. */
size_t buf_cost(size_t bytes, size_t upto);

/* Allocate the chunks of the first ${upto} bytes.  Errors: -ENOMEM. */
int buf_reserve(struct buf_pool *p, struct buf *b, size_t upto);

/* Gives the chunks back; ${b} is empty afterwards. */
void buf_free(struct buf_pool *p, struct buf *b);

/* The bytes at ${off}, which are reserved; ${*len}: how many lie together. */
uint8_t *buf_at(const struct buf *b, size_t off, size_t *len);

/* All that is reserved, as vectors; returns their number. */
unsigned buf_iov(const struct buf *b, struct iovec iov[BUF_CHUNKS_MAX]);

#endif /* !TARGET_ISCSI_BUF_H */
