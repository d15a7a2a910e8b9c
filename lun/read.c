/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * read.c - reading: view, tree, locator, read, verify, always.
 *
 * An operation is cut into chunks of one leaf (64 blocks).  A chunk looks its
 * blocks up in the overlays of the view, newest first, then in the tree; finds
 * runs of blocks that lie next to each other, in the segment and in the
 * caller's memory; reads each run, from the page cache if it is there, else
 * without blocking; and compares the id of each block with its content.
 *
 * A mismatch, or a file that is not there: the chunk is done once more from a
 * fresh view (the block may have moved meanwhile) along the other copies of
 * the nodes (a locator may be damaged in one).  What fails then is an error
 * for this block.  Wrong content is never returned: the caller sees success
 * only when every block was verified.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lun/io_int.h"
#include "meta/base/msg.h"

#define CHUNKS_MAX 8u		/* in flight for one operation */

struct rop {
	struct lun_worker *w;
	struct lun_op *op;
	struct lun *lun;
	struct view *view;
	uint64_t next_blk, end_blk;
	unsigned active;
	bool pumping;
	int rc;
	uint64_t bad_off;
};

struct rchunk {
	struct rchunk *next_free;
	struct rop *rop;
	struct view *view;		/* a reference */
	uint64_t first_blk;
	unsigned n;
	uint64_t known;
	struct place place[NODE_FANOUT];
	struct map_find find;
	unsigned pending;		/* runs being read, + 1 while starting */
	bool again;
	int rc;
	uint64_t bad_blk;
};

/* Blocks [first, first + n) of a chunk, contiguous in a segment. */
struct rrun {
	struct rrun *next_free;
	struct rchunk *c;
	unsigned first, n;
	uint8_t *dst;			/* caller's memory, or bounce */
	uint8_t *bounce;
	struct seg *seg;
	struct iovec iov;
	struct exec_read rd;
};

static void chunk_begin(struct rchunk *c);
static void rop_pump(struct rop *r);

/* ---- the operation ---------------------------------------------------- */

static void
rop_end(struct rop *r)
{

	if (r->rc != 0)
		r->op->bad_off_bytes = r->bad_off;
	view_unref(r->view);
	io_finish(r->w, r->op, r->rc);
	free(r);
}

static struct rchunk *
chunk_new(struct rop *r)
{
	struct rchunk *c = r->w->free_chunks;

	if (c != NULL)
		r->w->free_chunks = c->next_free;
	else if ((c = malloc(sizeof(*c))) == NULL)
		return (NULL);
	c->rop = r;
	c->view = view_ref(r->view);
	c->first_blk = r->next_blk;
	c->n = (unsigned)(TT_MIN(r->end_blk, (c->first_blk | (NODE_FANOUT - 1))
	    + 1) - c->first_blk);
	c->again = false;
	return (c);
}

static void
chunk_free(struct rchunk *c)
{

	view_unref(c->view);
	c->next_free = c->rop->w->free_chunks;
	c->rop->w->free_chunks = c;
}

static void
rop_pump(struct rop *r)
{
	struct rchunk *c;

	if (r->pumping)
		return;
	r->pumping = true;
	while (r->rc == 0 && r->active < CHUNKS_MAX &&
	    r->next_blk < r->end_blk) {
		if ((c = chunk_new(r)) == NULL) {
			r->rc = -ENOMEM;
			break;
		}
		r->next_blk += c->n;
		r->active++;
		chunk_begin(c);
	}
	r->pumping = false;
	if (r->active == 0 && (r->rc != 0 || r->next_blk == r->end_blk))
		rop_end(r);
}

/* Byte range of a block that the operation wants: [*lo, *hi) in the block;
 * returns where that goes in the caller's memory. */
static uint64_t
wanted(const struct rop *r, uint64_t blk, size_t *lo, size_t *hi)
{
	size_t bs = r->lun->info.block_bytes;
	uint64_t start = blk * bs, end = start + bs;
	uint64_t from = TT_MAX(start, r->op->off_bytes);
	uint64_t to = TT_MIN(end, r->op->off_bytes + r->op->len_bytes);

	*lo = (size_t)(from - start);
	*hi = (size_t)(to - start);
	return (from - r->op->off_bytes);
}

/* ---- end of a chunk --------------------------------------------------- */

static struct msg_limit bad_limit;

static void
chunk_failed(struct rchunk *c)
{
	struct rop *r = c->rop;
	uint64_t off = c->bad_blk * r->lun->info.block_bytes;

	if (r->rc == 0 || off < r->bad_off) {
		r->rc = c->rc;
		r->bad_off = TT_MAX(off, r->op->off_bytes);
	}
	atomic_fetch_add(&r->w->ls->medium_errors, 1);
	recent_add(&r->w->ls->recent, r->lun->info.number,
	    r->op->dev->snap == NULL ? LUN_HEAD : r->op->dev->snap->info.seq,
	    c->bad_blk, c->rc);
	/* Who only reads, to get data out, tells it in its own order. */
	if (!r->w->ls->read_only && msg_allowed(&bad_limit, 20))
		msg_err("LUN %s: block %llu is unreadable: %s",
		    r->lun->info.name, (unsigned long long)c->bad_blk,
		    msg_why(c->rc));
}

static void
chunk_end(struct rchunk *c)
{
	struct rop *r = c->rop;

	if (c->rc != 0 && c->rc != -ENOMEM && !c->again) {
		view_unref(c->view);
		c->view = view_of(r->lun, r->op->dev->snap);
		c->again = true;
		chunk_begin(c);
		return;
	}
	if (c->rc == -ENOMEM)
		r->rc = -ENOMEM;
	else if (c->rc != 0)
		chunk_failed(c);
	chunk_free(c);
	r->active--;
	rop_pump(r);
}

static void
chunk_put(struct rchunk *c)
{

	if (--c->pending == 0)
		chunk_end(c);
}

static void
chunk_bad(struct rchunk *c, unsigned i, int rc)
{

	if (c->rc == 0 || c->first_blk + i < c->bad_blk) {
		c->rc = rc;
		c->bad_blk = c->first_blk + i;
	}
}

/* ---- runs ------------------------------------------------------------- */

static struct rrun *
run_new(struct rchunk *c, unsigned first, unsigned n, uint8_t *dst)
{
	struct lun_worker *w = c->rop->w;
	struct rrun *u = w->free_runs;

	if (u != NULL)
		w->free_runs = u->next_free;
	else if ((u = malloc(sizeof(*u))) == NULL)
		return (NULL);
	u->c = c;
	u->first = first;
	u->n = n;
	u->dst = dst;
	u->bounce = NULL;
	if (dst == NULL) {
		u->dst = u->bounce = malloc(c->rop->lun->info.block_bytes);
		if (u->bounce == NULL) {
			u->next_free = w->free_runs;
			w->free_runs = u;
			return (NULL);
		}
	}
	return (u);
}

static void
run_free(struct rrun *u)
{
	struct lun_worker *w = u->c->rop->w;

	free(u->bounce);
	u->next_free = w->free_runs;
	w->free_runs = u;
}

/* All bytes are there: are they the right ones? */
static void
run_verify(struct rrun *u)
{
	struct rchunk *c = u->c;
	struct rop *r = c->rop;
	size_t bs = r->lun->info.block_bytes, lo, hi;
	uint64_t pos;

	for (unsigned i = 0; i < u->n; i++) {
		struct id is = id_of(u->dst + i * bs, bs);

		if (!id_equal(&is, &c->place[u->first + i].id))
			chunk_bad(c, u->first + i, -EILSEQ);
	}
	if (u->bounce != NULL) {
		pos = wanted(r, c->first_blk + u->first, &lo, &hi);
		iov_write(r->op->iov, r->op->n_iov, pos, u->bounce + lo,
		    hi - lo);
	}
}

static void
run_done(struct exec_read *rd)
{
	struct rrun *u = TT_CONTAINER(rd, struct rrun, rd);
	struct rchunk *c = u->c;

	seg_put(u->seg);
	if (rd->res < 0)
		chunk_bad(c, u->first, rd->res);
	else if ((size_t)rd->res != u->iov.iov_len)
		chunk_bad(c, u->first, -EIO);
	else
		run_verify(u);
	run_free(u);
	chunk_put(c);
}

/*
 * Starts what lies behind each other of the run's blocks (a reclaim of space
 * may have moved them apart) and says how many blocks that is.
 */
static unsigned
run_start(struct rrun *u)
{
	struct rchunk *c = u->c;
	locator loc = c->place[u->first].loc;
	uint32_t each = loc_sectors(loc), got;
	uint64_t off;
	unsigned n = u->n;
	size_t len;
	int rc;

	rc = moved_get_run(c->rop->w->ls->moved, loc, 0, n * each, &u->seg,
	    &off, &got);
	if (rc != 0) {
		chunk_bad(c, u->first, rc == -ENOMEM ? rc : -EIO);
		run_free(u);
		return (n);
	}
	n = u->n = got / each;
	len = (size_t)n * c->rop->lun->info.block_bytes;
	u->iov = (struct iovec){ u->dst, len };
	if (seg_read_cached(u->seg, &u->iov, 1, off) == (ssize_t)len) {
		seg_put(u->seg);
		run_verify(u);
		run_free(u);
		return (n);
	}
	u->rd = (struct exec_read){ .fd = seg_fd(u->seg), .iov = &u->iov,
	    .n_iov = 1, .off_bytes = off, .done = run_done };
	c->pending++;
	exec_read(c->rop->w->ex, &u->rd);
	return (n);
}

/* Where block ${i} of the chunk goes directly, or NULL. */
static uint8_t *
direct(const struct rchunk *c, unsigned i)
{
	const struct rop *r = c->rop;
	size_t lo, hi, bs = r->lun->info.block_bytes;
	uint64_t pos = wanted(r, c->first_blk + i, &lo, &hi);

	if (hi - lo != bs)
		return (NULL);
	return (iov_at(r->op->iov, r->op->n_iov, pos, bs));
}

/* Blocks from ${i} on that can be read with one call to ${dst}. */
static unsigned
run_length(const struct rchunk *c, unsigned i, const uint8_t *dst)
{
	size_t bs = c->rop->lun->info.block_bytes;
	locator first = c->place[i].loc;
	unsigned n = 1;

	/* The second time one by one: which of them is it? */
	if (dst == NULL || c->again)
		return (1);
	while (i + n < c->n) {
		const struct place *p = &c->place[i + n];

		if (id_is_hole(&p->id) ||
		    loc_segment(p->loc) != loc_segment(first) ||
		    loc_off_sectors(p->loc) != loc_off_sectors(first) +
		    n * loc_sectors(first) || direct(c, i + n) != dst + n * bs)
			break;
		n++;
	}
	return (n);
}

/* A locator that a data block of this LUN can have. */
static bool
data_locator_ok(const struct rchunk *c, locator loc)
{

	return ((loc_flags(loc) & LOC_F_NODE) == 0 && loc != 0 &&
	    loc_sectors(loc) * SECTOR_BYTES == c->rop->lun->info.block_bytes);
}

static void
hole(struct rchunk *c, unsigned i)
{
	struct rop *r = c->rop;
	size_t lo, hi;
	uint64_t pos = wanted(r, c->first_blk + i, &lo, &hi);

	iov_zero(r->op->iov, r->op->n_iov, pos, hi - lo);
}

static void
chunk_read(struct rchunk *c)
{
	unsigned i = 0, n;
	struct rrun *u;
	uint8_t *dst;

	c->pending = 1;
	while (i < c->n) {
		if (id_is_hole(&c->place[i].id)) {
			hole(c, i++);
			continue;
		}
		if (!data_locator_ok(c, c->place[i].loc)) {
			chunk_bad(c, i++, -EILSEQ);
			continue;
		}
		dst = direct(c, i);
		n = run_length(c, i, dst);
		if ((u = run_new(c, i, n, dst)) == NULL)
			chunk_bad(c, i, -ENOMEM);
		else
			n = run_start(u);
		i += n;
	}
	chunk_put(c);
}

/* ---- looking up ------------------------------------------------------- */

static void
from_overlays(struct rchunk *c)
{
	struct place found[NODE_FANOUT];
	uint64_t all = c->n == 64 ? UINT64_MAX : (UINT64_C(1) << c->n) - 1;

	c->known = 0;
	for (unsigned k = 0; k < c->view->n && c->known != all; k++) {
		uint64_t bits = 0;

		overlay_get_run(c->view->ov[k], c->first_blk, c->n, &bits,
		    found);
		bits &= ~c->known;
		c->known |= bits;
		for (; bits != 0; bits &= bits - 1) {
			unsigned i = (unsigned)__builtin_ctzll(bits);

			c->place[i] = found[i];
		}
	}
}

static void
from_leaf(struct rchunk *c)
{
	unsigned at = (unsigned)(c->first_blk & (NODE_FANOUT - 1));

	for (unsigned i = 0; i < c->n; i++) {
		if ((c->known >> i & 1) != 0)
			continue;
		if (c->find.hole)
			c->place[i] = (struct place){ .loc = 0 };
		else
			c->place[i] = node_child(&c->find.leaf, at + i);
	}
}

static void
found(struct rchunk *c, int rc)
{

	if (rc == 0) {
		from_leaf(c);
		chunk_read(c);
		return;
	}
	/* Blocks that the overlays have are not harmed. */
	chunk_bad(c, (unsigned)__builtin_ctzll(~c->known),
	    rc == -ENOMEM || rc == -EILSEQ ? rc : -EIO);
	c->pending = 1;
	chunk_put(c);
}

static void
find_done(struct map_find *f)
{

	found(TT_CONTAINER(f, struct rchunk, find), f->rc);
}

static void
chunk_begin(struct rchunk *c)
{
	uint64_t all = c->n == 64 ? UINT64_MAX : (UINT64_C(1) << c->n) - 1;
	int rc;

	c->rc = 0;
	from_overlays(c);
	if (c->known == all) {
		chunk_read(c);
		return;
	}
	c->find.ns = c->rop->w->ls->nodes;
	c->find.ex = c->rop->w->ex;
	c->find.root = c->view->root;
	c->find.blk = c->first_blk;
	c->find.flags = c->again ? NODE_FROM_TWIN : 0;
	c->find.done = find_done;
	if ((rc = map_find(&c->find)) != -EINPROGRESS)
		found(c, rc);
}

void
read_start(struct lun_worker *w, struct lun_op *op)
{
	struct lun *l = op->dev->lun;
	struct rop *r = malloc(sizeof(*r));

	if (r == NULL) {
		io_finish(w, op, -ENOMEM);
		return;
	}
	*r = (struct rop){
		.w = w, .op = op, .lun = l,
		.view = view_of(l, op->dev->snap),
		.next_blk = op->off_bytes >> l->block_shift,
		.end_blk = ((op->off_bytes + op->len_bytes - 1) >>
		    l->block_shift) + 1,
	};
	rop_pump(r);
}

void
read_free_pools(struct lun_worker *w)
{

	while (w->free_chunks != NULL) {
		struct rchunk *c = w->free_chunks;

		w->free_chunks = c->next_free;
		free(c);
	}
	while (w->free_runs != NULL) {
		struct rrun *u = w->free_runs;

		w->free_runs = u->next_free;
		free(u);
	}
}
