/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iscsi.h - the iSCSI front end (RFC 7143): one node per daemon, one worker
 * per loop, one connection per session (MaxConnections=1, error recovery
 * level 0).
 *
 *	iscsi_node_new(env)                     once
 *	iscsi_worker_new(node, loop)            per loop thread
 *	iscsi_conn_accept(worker, fd, tag)      for each accepted socket
 *
 * The protocol runs on its own from then on; it talks to the daemon through
 * the tables of env.h and to the SCSI side through those of task.h.
 */
#ifndef TARGET_ISCSI_ISCSI_H
#define TARGET_ISCSI_ISCSI_H

#include <stdbool.h>
#include <stdint.h>

#include "meta/base/exec.h"
#include "target/iscsi/env.h"
#include "target/iscsi/task.h"
#include "target/net/loop.h"

struct iscsi_node;
struct iscsi_worker;

/**
 * iscsi_node_new(env, out):
 * Errors:  -ENOMEM.  ${*env} is copied; its tables must stay.
 * Threads: any; free it when every worker is freed.
 */
int iscsi_node_new(const struct iscsi_env *env, struct iscsi_node **out);
void iscsi_node_free(struct iscsi_node *n);

/**
 * iscsi_worker_new(n, l, out):
 * Errors:  -ENOMEM.
 * Threads: before the loop runs, or on its thread; iscsi_worker_free when the
 *          last connection is gone (iscsi_worker_stop told so).
 */
int iscsi_worker_new(struct iscsi_node *n, struct loop *l,
    struct iscsi_worker **out);
void iscsi_worker_free(struct iscsi_worker *w);

/**
 * iscsi_conn_accept(w, fd, tag):
 * Run the protocol on a freshly accepted socket that came in on portal group
 * ${tag}.
 *
 * Errors:    -ENOMEM, -ESHUTDOWN after iscsi_worker_stop; ${fd} is closed.
 * Ownership: takes ${fd} in any case.
 * Threads:   the worker's loop.
 */
int iscsi_conn_accept(struct iscsi_worker *w, int fd, uint16_t tag);

/*
 * How many sessions ${w} has to work for, logins that may become one included;
 * a discovery session is none.  Threads: any.
 */
unsigned iscsi_worker_load(const struct iscsi_worker *w);

/**
 * iscsi_worker_stop(w, force, idle, arg):
 * End all connections of the worker: ask the initiators to log out (an
 * asynchronous message) and serve them on until they do or env.logout_ms are
 * over; then receive nothing more, let the SCSI side finish what it has, send
 * those answers, close.  With ${force}, all that is left out.
 * ${idle} is called once, on the loop, when no connection is left (never from
 * inside this call).  A second call with ${force} hurries a first one without;
 * its ${idle} is ignored.
 *
 * Threads: the worker's loop.
 */
void iscsi_worker_stop(struct iscsi_worker *w, bool force,
    void (*idle)(void *arg), void *arg);

/**
 * iscsi_node_drop(n, t):
 * Close every session of target ${t}, NULL: of all.  Returns how many were
 * asked; each reports env.session_end when its tasks have settled.
 * Threads: any; not with a lock above LK_TARGETS held.
 */
unsigned iscsi_node_drop(struct iscsi_node *n, const struct iscsi_target *t);

/**
 * iscsi_node_evict(n, t, ms, ex, done, arg):
 * End every session of ${t}, and every login to it that is under way: ask the
 * initiators to log out, wait up to ${ms} for that, then close what is left.
 * ${done} is called once, on ${ex}, when no session of ${t} exists any more,
 * no login to it is under way, and all references to it were given back.
 * env.target_find must refuse ${t} (-EIDRM) already when this is called, or
 * somebody may enter again.
 *
 * Errors:  -ENOMEM; ${done} is not called.
 * Threads: any; not with a lock above LK_TARGETS held.  Before the node and
 *          the workers are freed, ${done} must have been called.
 */
int iscsi_node_evict(struct iscsi_node *n, const struct iscsi_target *t,
    unsigned ms, struct exec *ex, void (*done)(void *arg), void *arg);

/* How many normal sessions ${t} (NULL: all) has now.  Threads as above. */
unsigned iscsi_node_count(struct iscsi_node *n, const struct iscsi_target *t);

/**
 * iscsi_node_list(n, fn, arg):
 * Call ${fn} for every session, also of discovery, under the lock of the
 * table: copy what is needed, call nothing of this layer.
 * Threads: any; not with a lock above LK_TARGETS held.
 */
void iscsi_node_list(struct iscsi_node *n,
    void (*fn)(void *arg, const struct iscsi_session_info *info,
    const struct iscsi_target *t), void *arg);

/*
 * End one session (as iscsi_node_drop does).  Threads: any, between
 * session_start and session_end of ${c}.
 */
void iscsi_conn_drop(struct iscsi_conn *c);

#endif /* !TARGET_ISCSI_ISCSI_H */
