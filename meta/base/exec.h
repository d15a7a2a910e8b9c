/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exec.h - the executor: what asynchronous code needs from the thread that
 * runs it.
 *
 * A worker's loop implements it with io_uring (target/net/loop.c); tests and
 * tools use the blocking one of exec_sync.h.  So the engine can read a file
 * without blocking and be told when, and knows no event loop.
 *
 * Threads: exec_post from any thread; everything else only on the executor's
 * own thread.  Callbacks run on the executor's thread, with no lock held, and
 * never from inside the call that started them.
 */
#ifndef META_BASE_EXEC_H
#define META_BASE_EXEC_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "meta/base/list.h"

struct exec;

/* A call to be made on an executor's thread; the owner embeds it. */
struct exec_call {
	struct list link;		/* the executor's while posted */
	void (*fn)(struct exec_call *);
};

/* One read of a file; the owner embeds it and keeps it until ${done}. */
struct exec_read {
	int fd;
	const struct iovec *iov;	/* owner's, until done */
	int n_iov;
	uint64_t off_bytes;
	int32_t res;			/* bytes read (may be short) or -errno */
	void (*done)(struct exec_read *);
	struct exec_call call;		/* the executor's */
};

/* One-shot timer; zero-initialise, then exec_after. */
struct exec_timer {
	struct list link;		/* the executor's while armed */
	uint64_t due_ns;
	int armed;
	void (*fn)(struct exec_timer *);
};

struct exec_ops {
	void (*post)(struct exec *, struct exec_call *);
	void (*read)(struct exec *, struct exec_read *);
	void (*after)(struct exec *, struct exec_timer *, uint64_t us);
	void (*cancel)(struct exec *, struct exec_timer *);
};

struct exec {
	const struct exec_ops *ops;
};

/* Run ${c->fn} on the executor's thread, soon.  ${c} must not be queued. */
static inline void
exec_post(struct exec *ex, struct exec_call *c)
{

	ex->ops->post(ex, c);
}

/* Start a read; ${r->done} is called once, also for an error. */
static inline void
exec_read(struct exec *ex, struct exec_read *r)
{

	ex->ops->read(ex, r);
}

/* Call ${t->fn} once, ${us} microseconds from now or a little later. */
static inline void
exec_after(struct exec *ex, struct exec_timer *t, uint64_t us)
{

	ex->ops->after(ex, t, us);
}

/* Afterwards ${t->fn} is not called any more.  An idle timer is fine. */
static inline void
exec_cancel(struct exec *ex, struct exec_timer *t)
{

	ex->ops->cancel(ex, t);
}

#endif /* !META_BASE_EXEC_H */
