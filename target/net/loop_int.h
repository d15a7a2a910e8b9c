/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop_int.h - what conn.c and listener.c need from loop.c: operations of the
 * kernel with a completion.
 *
 * Threads: the loop's, or before loop_run has begun.
 */
#ifndef TARGET_NET_LOOP_INT_H
#define TARGET_NET_LOOP_INT_H

#include <liburing.h>

#include "target/net/loop.h"

enum loop_op_state {
	LOOP_OP_IDLE,
	LOOP_OP_QUEUED,		/* waits for room in the ring, or for loop_run */
	LOOP_OP_FLYING		/* the kernel has it */
};

/*
 * One operation; the owner embeds it, sets ${prep} and ${done}, and keeps it
 * and its buffers until ${done} was called.
 */
struct loop_op {
	struct list link;		/* the loop's unless idle */
	enum loop_op_state state;
	/*
	 * Always in flight while the loop runs, like an accept: taken back
	 * from the kernel when loop_run returns, without a call of ${done},
	 * and started again when it runs again.
	 */
	bool is_parking;
	/* With is_parking: it is being ended for good, ${done} is called. */
	bool is_final;
	/* Fills the entry; everything but user_data. */
	void (*prep)(struct loop_op *, struct io_uring_sqe *);
	/* Idle again; ${res} as the kernel gave it. */
	void (*done)(struct loop_op *, int res);
};

/* Asks the kernel to end ${target}; both complete on their own. */
struct loop_cancel {
	struct loop_op op;
	struct loop_op *target;
	void *arg;			/* the owner's */
};

/* Starts ${op}, which must be idle. */
void loop_start(struct loop *l, struct loop_op *op);

void loop_cancel_init(struct loop_cancel *c, struct loop_op *target,
    void (*done)(struct loop_op *, int res), void *arg);

/* For loops that do not run: takes a queued ${op} back. */
void loop_unqueue(struct loop_op *op);

/* Calls ${c} once, behind the hooks of this turn and before its submit. */
void loop_before_submit(struct loop *l, struct exec_call *c);

/* True while loop_run runs. */
bool loop_is_running(const struct loop *l);

#endif /* !TARGET_NET_LOOP_INT_H */
