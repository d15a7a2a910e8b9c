/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * zero.c - unmap and write zeroes: whole blocks become holes by one ZERO
 * record, however long; parts of blocks at the edges are written as zeroes,
 * one after the other, like any write.  Afterwards all of it reads as zeroes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lun/io_int.h"

static uint8_t zeroes[1u << BLOCK_SHIFT_MAX];	/* never written */

/* Edge ${k} (0 head, 1 tail) of an extent; false: that edge is whole. */
static bool
edge(const struct lun *l, const struct lun_extent *e, unsigned k,
    uint64_t *off, uint64_t *len)
{
	uint64_t bs = l->info.block_bytes, end = e->off_bytes + e->len_bytes;
	uint64_t up = (e->off_bytes + bs - 1) / bs * bs, down = end / bs * bs;

	if (e->len_bytes == 0)
		return (false);
	if (k == 0) {
		*off = e->off_bytes;
		*len = TT_MIN(up, end) - e->off_bytes;
	} else {
		*off = TT_MAX(down, e->off_bytes);
		*len = end - *off;
		if (down < up)		/* both edges in one block: once */
			return (false);
	}
	return (*len > 0);
}

/* The next edge; or the end of it all. */
static void edges(struct wop *x);

static void
edge_written(struct lun_op *inner)
{
	struct wop *x = TT_CONTAINER(inner, struct wop, inner);

	if (inner->rc != 0 && x->rc == 0) {
		x->rc = inner->rc;
		x->op->bad_off_bytes = inner->bad_off_bytes;
	}
	edges(x);
}

static void
edges(struct wop *x)
{
	uint64_t off, len;

	while (x->rc == 0 && x->inner_next < 2 * x->op->n_extents) {
		unsigned i = x->inner_next++;

		if (!edge(x->lun, &x->op->extents[i / 2], i % 2, &off, &len))
			continue;
		x->inner_iov = (struct iovec){ zeroes, (size_t)len };
		x->inner = (struct lun_op){
			.kind = LUN_WRITE,
			.flags = x->op->flags,
			.dev = x->op->dev,
			.off_bytes = off,
			.len_bytes = len,
			.iov = &x->inner_iov,
			.n_iov = 1,
			.done = edge_written,
		};
		io_start(x->w, &x->inner);
		return;
	}
	io_finish(x->w, x->op, x->rc);
	wop_free(x);
}

/* Whole blocks of the extents; how many extents remain. */
static uint32_t
whole_blocks(const struct lun *l, const struct lun_op *op, struct extent *out)
{
	uint64_t bs = l->info.block_bytes;
	uint32_t n = 0;

	for (unsigned i = 0; i < op->n_extents; i++) {
		const struct lun_extent *e = &op->extents[i];
		uint64_t first = (e->off_bytes + bs - 1) >> l->block_shift;
		uint64_t end = (e->off_bytes + e->len_bytes) >> l->block_shift;

		if (end > first)
			out[n++] = (struct extent){ first, end - first };
	}
	return (n);
}

static void
granted(struct range *r)
{

	wop_gather(TT_CONTAINER(r, struct wop, range));
}

/* The hull of the extents, shared: only parts of blocks have to wait. */
static void
lock_hull(struct wop *x)
{
	uint64_t from = UINT64_MAX, to = 0;

	for (uint32_t i = 0; i < x->n_ext; i++) {
		from = TT_MIN(from, x->ext[i].first_blk);
		to = TT_MAX(to, x->ext[i].first_blk + x->ext[i].n_blk);
	}
	x->range = (struct range){ .first_blk = from, .n_blk = to - from,
	    .ex = x->w->ex, .granted = granted };
	if (range_lock(&x->lun->ranges, &x->range))
		wop_gather(x);
}

void
zero_start(struct lun_worker *w, struct lun_op *op)
{
	struct wop *x = wop_new(w, op);

	if (x == NULL) {
		io_finish(w, op, -ENOMEM);
		return;
	}
	x->ext = malloc((op->n_extents + 1) * sizeof(*x->ext));
	if (x->ext == NULL) {
		wop_free(x);
		io_finish(w, op, -ENOMEM);
		return;
	}
	x->zero = true;
	x->finished = edges;
	x->n_ext = whole_blocks(x->lun, op, x->ext);
	if (x->n_ext > 0)
		lock_hull(x);
	else
		edges(x);
}
