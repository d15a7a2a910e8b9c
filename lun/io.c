/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * io.c - a worker: operations come in, their completions go out at the end of
 * the turn.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "lun/io_int.h"

#define FLUSH_ROUNDS 16

void
io_kick(struct lun_worker *w)
{

	if (w->hooked || w->flushing || w->flush_posted)
		return;
	w->flush_posted = true;
	exec_post(w->ex, &w->flush_call);
}

void
io_finish(struct lun_worker *w, struct lun_op *op, int rc)
{

	op->rc = rc;
	list_add_tail(&w->finished, &op->link);
	io_kick(w);
}

static void
flush_posted(struct exec_call *c)
{
	struct lun_worker *w = TT_CONTAINER(c, struct lun_worker, flush_call);

	w->flush_posted = false;
	lun_worker_flush(w);
}

static void
deliver(struct lun_worker *w)
{
	struct list now;

	list_init(&now);
	list_splice_tail(&now, &w->finished);
	while (!list_empty(&now)) {
		struct lun_op *op = LIST_FIRST(&now, struct lun_op, link);

		list_del(&op->link);
		w->in_flight--;
		op->done(op);
	}
}

void
lun_worker_flush(struct lun_worker *w)
{

	bool more = true;

	/* What a completion submits is served in the same turn, within
	 * reason. */
	w->flushing = true;
	for (unsigned i = 0; i < FLUSH_ROUNDS && more; i++) {
		batch_flush(w);
		deliver(w);
		more = !list_empty(&w->finished) || !list_empty(&w->gathered);
	}
	w->flushing = false;
	if (more && !w->flush_posted) {
		w->flush_posted = true;
		exec_post(w->ex, &w->flush_call);
	}
}

void
lun_worker_hooked(struct lun_worker *w)
{

	w->hooked = true;
}

/* ---- checks ----------------------------------------------------------- */

static bool
aligned(const struct lun *l, uint64_t v)
{

	return (v % l->info.sector_bytes == 0);
}

static int
check_extent(const struct lun *l, uint64_t off, uint64_t len)
{
	uint64_t size = l->info.size_bytes;

	if (!aligned(l, off) || !aligned(l, len))
		return (-EINVAL);
	return (off > size || len > size - off ? -ERANGE : 0);
}

static int
check_iov(const struct lun_op *op, uint64_t want)
{

	if (op->len_bytes == 0 || op->len_bytes > IO_MAX_BYTES ||
	    op->n_iov < 0 || iov_total(op->iov, op->n_iov) != want)
		return (-EINVAL);
	return (0);
}

static int
check(const struct lun_op *op)
{
	const struct lun *l = op->dev->lun;
	int rc = 0;

	switch (op->kind) {
	case LUN_READ:
	case LUN_WRITE:
		if ((rc = check_iov(op, op->len_bytes)) == 0)
			rc = check_extent(l, op->off_bytes, op->len_bytes);
		break;
	case LUN_COMPARE_WRITE:
		if (op->len_bytes > REC_PAYLOAD_MAX / 2)
			return (-EINVAL);
		if ((rc = check_iov(op, 2 * op->len_bytes)) == 0)
			rc = check_extent(l, op->off_bytes, op->len_bytes);
		break;
	case LUN_ZERO:
		if (op->n_extents > IO_EXTENTS_MAX)
			return (-EINVAL);
		for (unsigned i = 0; i < op->n_extents && rc == 0; i++)
			rc = check_extent(l, op->extents[i].off_bytes,
			    op->extents[i].len_bytes);
		break;
	case LUN_FLUSH:
		break;
	}
	if (rc == 0 && lun_dev_is_read_only(op->dev) && op->kind != LUN_READ &&
	    op->kind != LUN_FLUSH)
		rc = -EROFS;
	return (rc);
}

/* ---- in --------------------------------------------------------------- */

void
io_start(struct lun_worker *w, struct lun_op *op)
{
	int rc;

	w->in_flight++;
	op->priv = NULL;
	atomic_store_explicit(&op->cancelled, false, memory_order_relaxed);
	if ((rc = check(op)) != 0) {
		io_finish(w, op, rc);
		return;
	}
	switch (op->kind) {
	case LUN_READ:
		read_start(w, op);
		break;
	case LUN_WRITE:
	case LUN_COMPARE_WRITE:
		write_start(w, op);
		break;
	case LUN_ZERO:
		zero_start(w, op);
		break;
	case LUN_FLUSH:
		flush_start(w, op);
		break;
	}
}

void
lun_submit(struct lun_worker *w, struct lun_op *op)
{

	io_start(w, op);
}

void
lun_op_cancel(struct lun_op *op)
{

	atomic_store_explicit(&op->cancelled, true, memory_order_relaxed);
}

int
lun_worker_new(struct lunset *ls, struct exec *ex, struct lun_worker **out)
{
	struct lun_worker *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return (-ENOMEM);
	w->ls = ls;
	w->ex = ex;
	list_init(&w->finished);
	list_init(&w->gathered);
	w->flush_call.fn = flush_posted;
	if (batch_init(w) != 0) {
		free(w);
		return (-ENOMEM);
	}
	*out = w;
	return (0);
}

void
lun_worker_free(struct lun_worker *w)
{

	if (w == NULL)
		return;
	TT_ASSERT(w->in_flight == 0 && !w->flush_posted);
	read_free_pools(w);
	write_free_pools(w);
	batch_free(w);
	free(w);
}
