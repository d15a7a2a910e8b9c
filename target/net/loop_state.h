/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop_state.h - the insides of a loop, shared by loop.c (the turn) and
 * loop_op.c (the way into the kernel).
 */
#ifndef TARGET_NET_LOOP_STATE_H
#define TARGET_NET_LOOP_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "meta/base/lock.h"
#include "target/net/loop_int.h"
#include "target/net/timers.h"

#define LOOP_CQ_ENTRIES	8192u

/* The kind of a completion, in the low bits of its user_data. */
enum { UD_OP = 0, UD_READ = 1, UD_CANCEL = 2, UD_MASK = 7 };

/*
 * Members are protected by:  I  immutable after loop_new   l  lk
 *	t  the loop's thread (before loop_run: whoever made it)
 */
struct loop {
	struct exec ex;			/* [I] */
	struct io_uring ring;		/* [t] */
	bool is_enabled;		/* [t] */
	bool is_running;		/* [t] */
	struct lk lk;
	struct list calls;		/* [l] posted */
	bool is_sleeping;		/* [l] a post must write to the eventfd */
	bool must_stop;			/* [l] */
	int efd;			/* [I] */
	uint64_t efd_value;		/* [t] the kernel's while wake flies */
	struct loop_op wake;		/* [t] read of the eventfd */
	struct list queued_ops;		/* [t] no room in the ring yet */
	struct list queued_reads;	/* [t] the same, by call.link */
	struct list flying_ops;		/* [t] */
	struct list parked_ops;		/* [t] until loop_run runs again */
	unsigned n_flying_reads;	/* [t] */
	unsigned n_flying_cancels;	/* [t] of loop_park */
	struct list hooks;		/* [t] */
	struct list before_submit;	/* [t] */
	struct timers timers;		/* [t] */
};

/* The ring, disabled, with the best flags that this kernel knows. */
int loop_op_ring(struct io_uring *ring);

/*
 * A free submission entry.  When the queue is full, what is in it goes to the
 * kernel first; NULL only when the kernel takes nothing right now.
 */
struct io_uring_sqe *loop_op_sqe(struct loop *l);

/* Moves what waited for room; the order of the operations is kept. */
void loop_op_unqueue_all(struct loop *l);

void loop_op_read(struct loop *l, struct exec_read *r);

#endif /* !TARGET_NET_LOOP_STATE_H */
