/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * io_int.h - what io.c, read.c, write.c, zero.c and batch.c share: a worker
 * and the operations in flight on it.
 *
 * Threads: everything here belongs to the worker's thread.
 */
#ifndef LUN_IO_INT_H
#define LUN_IO_INT_H

#include "lun/lun_int.h"

#define IO_MAX_BYTES	(UINT64_C(32) << 20)	/* of one read or write */
#define IO_EXTENTS_MAX	1024u			/* of one LUN_ZERO */
#define REC_BLOCKS	256u			/* in one record */
#define REC_EXTENTS	256u

struct wop;
struct wrec;
struct rchunk;
struct rrun;

struct lun_worker {
	struct lunset *ls;
	struct exec *ex;
	struct list finished;		/* lun_op: done is due */
	struct list gathered;		/* wop: to be appended */
	struct exec_call flush_call;
	bool flush_posted, flushing, hooked;
	uint64_t in_flight;		/* operations */
	struct wrec *free_recs;
	struct wop *free_wops;
	struct rchunk *free_chunks;
	struct rrun *free_runs;
	struct batch *batch;
};

/* io.c: done is called at the end of this turn. */
void io_finish(struct lun_worker *w, struct lun_op *op, int rc);
/* io.c: make sure that lun_worker_flush runs soon. */
void io_kick(struct lun_worker *w);
/* io.c: begin an operation that an operation needs; op is filled in. */
void io_start(struct lun_worker *w, struct lun_op *op);

/* iov.c */
/* ${len} contiguous bytes at ${pos}, or NULL when they are in pieces. */
uint8_t *iov_at(const struct iovec *iov, int n_iov, uint64_t pos, size_t len);
void iov_read(const struct iovec *iov, int n_iov, uint64_t pos, void *dst,
    size_t len);
void iov_write(const struct iovec *iov, int n_iov, uint64_t pos,
    const void *src, size_t len);
void iov_zero(const struct iovec *iov, int n_iov, uint64_t pos, size_t len);
uint64_t iov_total(const struct iovec *iov, int n_iov);

/* read.c */
void read_start(struct lun_worker *w, struct lun_op *op);
void read_free_pools(struct lun_worker *w);

/*
 * A write on its way.  A DATA write has whole blocks at last: the bytes of the
 * caller where they are whole, and head and tail blocks that were read, merged
 * and are ours.
 */
struct wop {
	struct list link;		/* worker->gathered */
	struct wop *next_free;
	struct lun_worker *w;
	struct lun_op *op;
	struct lun *lun;
	struct range range;
	bool zero, atomic;
	/* blocks */
	uint64_t first_blk;
	uint32_t n_blk;
	const uint8_t **data;		/* per block */
	struct id *ids;			/* per block */
	const uint8_t *small_data[8];
	struct id small_ids[8];
	uint8_t *base;			/* merged blocks: head, then tail */
	uint8_t *bounce;		/* blocks that lay in pieces */
	/* reading the base */
	struct lun_op inner;
	struct iovec inner_iov;
	unsigned inner_next;
	/* extents of a ZERO, whole blocks */
	struct extent *ext;
	uint32_t n_ext;
	/* result */
	struct wrec *first_rec, *last_rec;
	int rc;
	uint64_t end_pos;
	struct log_wait wait;
	struct exec_timer timer;
	void (*finished)(struct wop *);	/* instead of io_finish */
};

/* write.c */
void write_start(struct lun_worker *w, struct lun_op *op);
void flush_start(struct lun_worker *w, struct lun_op *op);
struct wop *wop_new(struct lun_worker *w, struct lun_op *op);
void wop_free(struct wop *x);
/* Its range is held: queue it for the batch of this turn. */
void wop_gather(struct wop *x);
/* It was appended and inserted, or not: x->rc; answer it when that may be. */
void wop_appended(struct wop *x);
void write_free_pools(struct lun_worker *w);

/* zero.c */
void zero_start(struct lun_worker *w, struct lun_op *op);

/* batch.c: append everything that was gathered. */
int batch_init(struct lun_worker *w);
void batch_free(struct lun_worker *w);
void batch_flush(struct lun_worker *w);

#endif /* !LUN_IO_INT_H */
