/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker.h - the threads that serve connections: each has one loop, its share
 * of the iSCSI front end and its share of the engine; a connection stays with
 * the worker it was given to.
 *
 * Threads: workers_* on the main thread; worker_* on that worker's.
 */
#ifndef TARGET_WORKER_H
#define TARGET_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "lun/lun.h"
#include "target/iscsi/iscsi.h"

struct worker;
struct workers;

/**
 * workers_start(ls, node, n, out):
 * Errors: -ENOMEM, -errno of io_uring or pthread_create; logged.
 */
int workers_start(struct lunset *ls, struct iscsi_node *node, unsigned n,
    struct workers **out);

/* Gives a fresh connection to the worker with the least load; takes ${fd}. */
void workers_accept(struct workers *ws, int fd, uint16_t tag);

/*
 * The load of worker ${i}, counted from 0: its sessions, and logins that may become
 * one (iscsi_worker_load).  Any thread.
 */
unsigned workers_load(const struct workers *ws, unsigned i);

/**
 * workers_drain(ws, force, ex, done, arg):
 * End all connections of all workers (iscsi_worker_stop).  ${done} is called
 * once, on ${ex}, when none is left.  A second call with ${force} hurries the
 * first one; its ${done} is ignored.
 */
void workers_drain(struct workers *ws, bool force, struct exec *ex,
    void (*done)(void *arg), void *arg);

/* Ends and joins the threads; there are no connections any more. */
void workers_free(struct workers *ws);

/* The worker whose loop this is, NULL: none.  Any thread. */
struct worker *workers_find(const struct workers *ws, const struct loop *l);

/*
 * The executor that SCSI commands of this worker carry: the loop's, in a
 * shape from which worker_of_exec finds the way back.
 */
struct exec *worker_exec(struct worker *w);
struct worker *worker_of_exec(struct exec *ex);
struct lun_worker *worker_lun(struct worker *w);

#endif /* !TARGET_WORKER_H */
