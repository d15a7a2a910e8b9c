/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop_op.c - operations on their way into the ring.  What finds no room in
 * the submission queue waits in lists, in order.
 */
#include "target/net/loop_int.h"

#include <errno.h>
#include <string.h>

#include "meta/base/msg.h"
#include "target/net/loop_state.h"

#define LOOP_SQ_ENTRIES	512u

int
loop_op_ring(struct io_uring *ring)
{
	static const unsigned flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_COOP_TASKRUN,
		0
	};
	int rc = -EINVAL;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct io_uring_params p;

		memset(&p, 0, sizeof(p));
		p.flags = flags[i] | IORING_SETUP_R_DISABLED |
		    IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
		p.cq_entries = LOOP_CQ_ENTRIES;
		rc = io_uring_queue_init_params(LOOP_SQ_ENTRIES, ring, &p);
		if (rc != -EINVAL)
			break;
	}
	if (rc < 0)
		msg_err("io_uring: %s", strerror(-rc));
	return (rc < 0 ? rc : 0);
}

struct io_uring_sqe *
loop_op_sqe(struct loop *l)
{
	struct io_uring_sqe *sqe;

	if (!l->is_enabled)
		return (NULL);
	if ((sqe = io_uring_get_sqe(&l->ring)) == NULL) {
		(void)io_uring_submit(&l->ring);
		sqe = io_uring_get_sqe(&l->ring);
	}
	return (sqe);
}

static bool
loop_try_op(struct loop *l, struct loop_op *op)
{
	struct io_uring_sqe *sqe = loop_op_sqe(l);

	if (sqe == NULL)
		return (false);
	op->prep(op, sqe);
	sqe->user_data = (uintptr_t)op | UD_OP;
	op->state = LOOP_OP_FLYING;
	list_add_tail(&l->flying_ops, &op->link);
	return (true);
}

static bool
loop_try_read(struct loop *l, struct exec_read *r)
{
	struct io_uring_sqe *sqe = loop_op_sqe(l);

	if (sqe == NULL)
		return (false);
	io_uring_prep_readv(sqe, r->fd, r->iov, (unsigned)r->n_iov,
	    r->off_bytes);
	sqe->user_data = (uintptr_t)r | UD_READ;
	l->n_flying_reads++;
	return (true);
}

void
loop_op_unqueue_all(struct loop *l)
{

	while (!list_empty(&l->queued_ops)) {
		struct loop_op *op = LIST_FIRST(&l->queued_ops,
		    struct loop_op, link);

		list_del(&op->link);
		if (!loop_try_op(l, op)) {
			list_add_head(&l->queued_ops, &op->link);
			return;
		}
	}
	while (!list_empty(&l->queued_reads)) {
		struct exec_call *c = LIST_FIRST(&l->queued_reads,
		    struct exec_call, link);

		if (!loop_try_read(l, TT_CONTAINER(c, struct exec_read, call)))
			return;
		list_del(&c->link);
	}
}

void
loop_start(struct loop *l, struct loop_op *op)
{

	TT_ASSERT(op->state == LOOP_OP_IDLE);
	if (op->is_parking && !l->is_running) {
		op->state = LOOP_OP_QUEUED;
		list_add_tail(&l->parked_ops, &op->link);
		return;
	}
	if (list_empty(&l->queued_ops) && loop_try_op(l, op))
		return;
	op->state = LOOP_OP_QUEUED;
	list_add_tail(&l->queued_ops, &op->link);
}

void
loop_unqueue(struct loop_op *op)
{

	TT_ASSERT(op->state != LOOP_OP_FLYING);
	if (op->state == LOOP_OP_QUEUED)
		list_del(&op->link);
	op->state = LOOP_OP_IDLE;
}

static void
loop_cancel_prep(struct loop_op *op, struct io_uring_sqe *sqe)
{
	struct loop_cancel *c = TT_CONTAINER(op, struct loop_cancel, op);

	io_uring_prep_cancel64(sqe, (uintptr_t)c->target | UD_OP, 0);
}

void
loop_cancel_init(struct loop_cancel *c, struct loop_op *target,
    void (*done)(struct loop_op *, int res), void *arg)
{

	c->op.prep = loop_cancel_prep;
	c->op.done = done;
	c->target = target;
	c->arg = arg;
}

void
loop_op_read(struct loop *l, struct exec_read *r)
{

	if (!list_empty(&l->queued_reads) || !loop_try_read(l, r))
		list_add_tail(&l->queued_reads, &r->call.link);
}
