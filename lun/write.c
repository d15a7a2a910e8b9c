/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * write.c - writing: lock the blocks, make them whole, queue for the batch of
 * this turn, and answer when that may be.
 *
 * Whole blocks need no base: shared range lock, their order is that of the
 * log.  Parts of blocks and COMPARE AND WRITE hold their range exclusive from
 * reading the base until the new blocks are in the overlay.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lun/io_int.h"
#include "meta/base/clock.h"

#define PRESSURE_EVERY_MS	50u
#define DELAY_MAX_US		1000000u

/* ---- the object ------------------------------------------------------- */

struct wop *
wop_new(struct lun_worker *w, struct lun_op *op)
{
	struct wop *x = w->free_wops;

	if (x != NULL)
		w->free_wops = x->next_free;
	else if ((x = malloc(sizeof(*x))) == NULL)
		return (NULL);
	memset(x, 0, sizeof(*x));
	x->w = w;
	x->op = op;
	x->lun = op->dev->lun;
	list_init(&x->link);
	return (x);
}

void
wop_free(struct wop *x)
{

	if (x->data != x->small_data)
		free(x->data);
	if (x->ids != x->small_ids)
		free(x->ids);
	free(x->base);
	free(x->bounce);
	free(x->ext);
	x->next_free = x->w->free_wops;
	x->w->free_wops = x;
}

void
write_free_pools(struct lun_worker *w)
{

	while (w->free_wops != NULL) {
		struct wop *x = w->free_wops;

		w->free_wops = x->next_free;
		free(x);
	}
}

static void
wop_answer(struct wop *x)
{
	struct lun_worker *w = x->w;
	struct lun_op *op = x->op;
	int rc = x->rc;

	if (x->finished != NULL) {
		x->finished(x);
		return;
	}
	wop_free(x);
	io_finish(w, op, rc);
}

/* ---- answering -------------------------------------------------------- */

static void
delay_over(struct exec_timer *t)
{

	wop_answer(TT_CONTAINER(t, struct wop, timer));
}

/*
 * Beyond their limit, which is half of their share of the memory, the growth
 * of the overlays is slowed down, more and more, while a checkpoint is on its
 * way; it is never stopped hard.  The delay rises with the square: a quarter
 * over the limit 50 ms, at twice the limit the full second, so that hundreds
 * of commands in flight cannot outrun it before the share is used up.
 */
static uint64_t
delay_us(struct lunset *ls)
{
	uint64_t limit = ls->overlay_limit, over, ms;
	uint64_t bytes = atomic_load(&ls->overlay_bytes);

	if (clock_mono_ms() >= atomic_load(&ls->pressure_ms) +
	    PRESSURE_EVERY_MS)
		bytes = pressure_measure(ls);
	if (bytes > limit / 2)
		store_want_checkpoint(ls->store);
	if (bytes <= limit)
		return (0);
	/* In 32nds of the limit, not so many that the square overflows. */
	over = TT_MIN((bytes - limit) / (limit / 32 + 1), 64u);
	ms = 1 + over + over * over / 2 + over * over / 4;
	return (TT_MIN(ms * 1000, DELAY_MAX_US));
}

static void
settled(struct wop *x)
{
	uint64_t us = x->rc == 0 ? delay_us(x->w->ls) : 0;

	if (us == 0) {
		wop_answer(x);
		return;
	}
	x->timer.fn = delay_over;
	exec_after(x->w->ex, &x->timer, us);
}

static void
synced(struct log_wait *wait)
{
	struct wop *x = TT_CONTAINER(wait, struct wop, wait);

	if (x->rc == 0)
		x->rc = wait->rc;
	settled(x);
}

static bool
is_through(const struct wop *x)
{

	return ((x->op->flags & LUN_F_FUA) != 0 ||
	    atomic_load_explicit(&x->lun->write_through, memory_order_acquire));
}

static void
wait_synced(struct wop *x, uint64_t pos, bool paced)
{

	x->wait = (struct log_wait){ .pos = pos, .ex = x->w->ex,
	    .done = synced, .paced = paced };
	if (log_sync_wait(x->w->ls->log, &x->wait))
		synced(&x->wait);
}

void
wop_appended(struct wop *x)
{
	bool through = is_through(x);
	uint64_t pos = 0;

	range_unlock(&x->lun->ranges, &x->range);
	if (x->rc == 0)
		pos = through ? x->end_pos :
		    log_pace(x->w->ls->log, x->end_pos);
	if (pos != 0)
		wait_synced(x, pos, !through);
	else
		settled(x);
}

/* Not to be appended at all: give the range back and answer. */
static void
give_up(struct wop *x, int rc)
{

	range_unlock(&x->lun->ranges, &x->range);
	x->rc = rc;
	wop_answer(x);
}

/* ---- whole blocks ----------------------------------------------------- */

static bool
all_zero(const uint8_t *p, size_t n)
{
	uint64_t first;

	memcpy(&first, p, sizeof(first));
	return (first == 0 && memcmp(p, p + 8, n - 8) == 0);
}

static int
alloc_tables(struct wop *x)
{

	x->data = x->small_data;
	x->ids = x->small_ids;
	if (x->n_blk <= sizeof(x->small_ids) / sizeof(x->small_ids[0]))
		return (0);
	x->data = malloc(x->n_blk * sizeof(*x->data));
	x->ids = malloc(x->n_blk * sizeof(*x->ids));
	return (x->data == NULL || x->ids == NULL ? -ENOMEM : 0);
}

/*
 * Block ${i} where it lies; one in pieces is copied together.  ${pos} is its
 * place in the caller's memory.
 */
static const uint8_t *
whole_block(struct wop *x, uint32_t i, uint64_t pos)
{
	size_t bs = x->lun->info.block_bytes;
	const struct lun_op *op = x->op;
	uint8_t *p = iov_at(op->iov, op->n_iov, pos, bs);

	if (p != NULL)
		return (p);
	if (x->bounce == NULL &&
	    (x->bounce = malloc((size_t)x->n_blk * bs)) == NULL)
		return (NULL);
	p = x->bounce + i * bs;
	iov_read(op->iov, op->n_iov, pos, p, bs);
	return (p);
}

static bool
is_head(const struct wop *x)
{

	return (x->op->off_bytes % x->lun->info.block_bytes != 0);
}

static bool
is_tail(const struct wop *x)
{

	return ((x->op->off_bytes + x->op->len_bytes) %
	    x->lun->info.block_bytes != 0);
}

/* Where the merged copy of block ${i} is, or NULL: the caller's is whole. */
static uint8_t *
merged(struct wop *x, uint32_t i)
{
	size_t bs = x->lun->info.block_bytes;

	if (x->op->kind == LUN_COMPARE_WRITE)
		return (x->base + i * bs);
	if (i == 0 && is_head(x))
		return (x->base);
	if (i == x->n_blk - 1 && is_tail(x))
		return (x->base + bs);
	return (NULL);
}

static void
queue_blocks(struct wop *x)
{
	size_t bs = x->lun->info.block_bytes;
	uint64_t head = x->op->off_bytes % bs;

	if (alloc_tables(x) != 0) {
		give_up(x, -ENOMEM);
		return;
	}
	for (uint32_t i = 0; i < x->n_blk; i++) {
		x->data[i] = merged(x, i);
		if (x->data[i] == NULL)
			x->data[i] = whole_block(x, i, i * bs - head);
		if (x->data[i] == NULL) {
			give_up(x, -ENOMEM);
			return;
		}
		if (all_zero(x->data[i], bs))
			x->ids[i] = (struct id){ 0, 0 };
		else
			x->ids[i] = id_of(x->data[i], bs);
	}
	wop_gather(x);
}

void
wop_gather(struct wop *x)
{

	if (atomic_load_explicit(&x->op->cancelled, memory_order_relaxed)) {
		give_up(x, -ECANCELED);
		return;
	}
	list_add_tail(&x->w->gathered, &x->link);
	io_kick(x->w);
}

/* ---- parts of blocks -------------------------------------------------- */

/* Lay the caller's bytes over the merged head and tail. */
static void
merge(struct wop *x)
{
	size_t bs = x->lun->info.block_bytes;
	const struct lun_op *op = x->op;
	uint64_t head = op->off_bytes % bs;
	uint64_t end = head + op->len_bytes;

	if (is_head(x))
		iov_read(op->iov, op->n_iov, 0, x->base + head,
		    (size_t)(TT_MIN(end, bs) - head));
	if (is_tail(x) && (x->n_blk > 1 || !is_head(x)))
		iov_read(op->iov, op->n_iov, op->len_bytes -
		    TT_MIN(end % bs, op->len_bytes), x->base + bs, end % bs);
}

static void
compare(struct wop *x)
{
	const struct lun_op *op = x->op;
	size_t bs = x->lun->info.block_bytes, len = (size_t)op->len_bytes;
	uint8_t *base = x->base + op->off_bytes % bs;
	uint8_t *want = malloc(len);
	size_t i = 0;

	if (want == NULL) {
		give_up(x, -ENOMEM);
		return;
	}
	iov_read(op->iov, op->n_iov, 0, want, len);
	while (i < len && want[i] == base[i])
		i++;
	free(want);
	if (i < len) {
		x->op->bad_off_bytes = op->off_bytes + i;
		give_up(x, -EBADMSG);
		return;
	}
	iov_read(op->iov, op->n_iov, len, base, len);
	x->atomic = true;
	queue_blocks(x);
}

static void read_base(struct wop *x);

static void
base_read(struct lun_op *inner)
{
	struct wop *x = TT_CONTAINER(inner, struct wop, inner);

	if (inner->rc != 0) {
		x->op->bad_off_bytes = TT_MAX(inner->bad_off_bytes,
		    x->op->off_bytes);
		give_up(x, inner->rc);
		return;
	}
	read_base(x);
}

static void
read_blocks(struct wop *x, uint64_t blk, uint8_t *dst, size_t bytes)
{

	x->inner_iov = (struct iovec){ dst, bytes };
	x->inner = (struct lun_op){
		.kind = LUN_READ,
		.dev = x->op->dev,
		.off_bytes = blk << x->lun->block_shift,
		.len_bytes = bytes,
		.iov = &x->inner_iov,
		.n_iov = 1,
		.done = base_read,
	};
	io_start(x->w, &x->inner);
}

/* One after the other: head, tail (or all of it), then go on. */
static void
read_base(struct wop *x)
{
	size_t bs = x->lun->info.block_bytes;

	if (x->op->kind == LUN_COMPARE_WRITE) {
		if (x->inner_next++ == 0)
			read_blocks(x, x->first_blk, x->base, x->n_blk * bs);
		else
			compare(x);
		return;
	}
	if (x->inner_next == 0) {
		x->inner_next = 1;
		if (is_head(x)) {
			read_blocks(x, x->first_blk, x->base, bs);
			return;
		}
	}
	if (x->inner_next == 1) {
		x->inner_next = 2;
		if (is_tail(x) && (x->n_blk > 1 || !is_head(x))) {
			read_blocks(x, x->first_blk + x->n_blk - 1,
			    x->base + bs, bs);
			return;
		}
	}
	merge(x);
	queue_blocks(x);
}

static void
locked(struct wop *x)
{
	size_t n = x->op->kind == LUN_COMPARE_WRITE ? x->n_blk : 2;

	if (!x->range.exclusive) {
		queue_blocks(x);
		return;
	}
	x->base = malloc(n * x->lun->info.block_bytes);
	if (x->base == NULL)
		give_up(x, -ENOMEM);
	else
		read_base(x);
}

static void
granted(struct range *r)
{

	locked(TT_CONTAINER(r, struct wop, range));
}

void
write_start(struct lun_worker *w, struct lun_op *op)
{
	struct wop *x = wop_new(w, op);
	uint64_t end = op->off_bytes + op->len_bytes;

	if (x == NULL) {
		io_finish(w, op, -ENOMEM);
		return;
	}
	x->first_blk = op->off_bytes >> x->lun->block_shift;
	x->n_blk = (uint32_t)(((end - 1) >> x->lun->block_shift) -
	    x->first_blk + 1);
	x->range = (struct range){
		.first_blk = x->first_blk,
		.n_blk = x->n_blk,
		.exclusive = op->kind == LUN_COMPARE_WRITE || is_head(x) ||
		    is_tail(x),
		.ex = w->ex,
		.granted = granted,
	};
	if (range_lock(&x->lun->ranges, &x->range))
		locked(x);
}

/* ---- flush ------------------------------------------------------------ */

static void
flushed(struct log_wait *wait)
{
	struct wop *x = TT_CONTAINER(wait, struct wop, wait);

	x->rc = wait->rc;
	wop_answer(x);
}

void
flush_start(struct lun_worker *w, struct lun_op *op)
{
	struct wop *x;

	if (op->dev->snap != NULL) {
		io_finish(w, op, 0);
		return;
	}
	if ((x = wop_new(w, op)) == NULL) {
		io_finish(w, op, -ENOMEM);
		return;
	}
	x->wait = (struct log_wait){ .pos = atomic_load(&x->lun->last_pos),
	    .ex = w->ex, .done = flushed };
	if (log_sync_wait(w->ls->log, &x->wait))
		flushed(&x->wait);
}
