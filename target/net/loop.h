/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop.h - one io_uring event loop, run by one thread: sockets, timers, reads
 * of files and calls posted by other threads.  It is the executor
 * (meta/base/exec.h) of everything that lives on its thread.
 *
 * A turn: take all completions that are there, run their callbacks, then run
 * the turn-end hooks (which append the batch of writes gathered in this turn),
 * then submit everything queued with one system call and wait.
 */
#ifndef TARGET_NET_LOOP_H
#define TARGET_NET_LOOP_H

#include <stdbool.h>

#include "meta/base/exec.h"

struct loop;

/* Called at the end of each turn on the loop's thread; embed it. */
struct loop_hook {
	struct list link;
	void (*fn)(struct loop_hook *);
};

/**
 * loop_new(out): Errors: -errno of io_uring or eventfd, -ENOMEM.
 * loop_free: the loop has ended and nothing lives on it any more.
 */
int loop_new(struct loop **out);
void loop_free(struct loop *l);

/* The executor of this loop; valid as long as the loop. */
struct exec *loop_exec(struct loop *l);

/*
 * Runs turns on the calling thread until loop_stop.  0 or -errno.  It may be
 * called again, by the same thread only: the kernel ties the ring to it.
 * Receives, sends and reads in flight stay in flight in between.
 */
int loop_run(struct loop *l);

/* Makes loop_run return after the current turn.  Any thread. */
void loop_stop(struct loop *l);

/* Only on the loop's thread, or before loop_run. */
void loop_add_hook(struct loop *l, struct loop_hook *h);
void loop_del_hook(struct loop *l, struct loop_hook *h);

#endif /* !TARGET_NET_LOOP_H */
