/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/worker.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/base/msg.h"
#include "target/net/loop.h"

/*
 * Members are protected by:
 *	I  immutable once started   m  the main thread   w  the worker's
 */
struct worker {
	struct exec ex;			/* [I] forwards to the loop's */
	struct workers *all;		/* [I] */
	struct loop *loop;		/* [I] */
	struct lun_worker *lun;		/* [I] */
	struct iscsi_worker *iscsi;	/* [I] */
	struct loop_hook flush;		/* [w] */
	_Atomic unsigned n_coming;	/* connections posted to it */
	pthread_t thread;		/* [m] */
	bool has_thread;		/* [m] */
	struct exec_call drain, hurry;	/* [m] posted to the worker */
	struct exec_call drained;	/* [w] posted to the main thread */
};

struct workers {
	unsigned n;			/* [I] */
	unsigned next;			/* [m] */
	bool is_draining, is_hurried;	/* [m] */
	unsigned n_drained;		/* [m] */
	struct exec *ex;		/* [m] whom to tell */
	void (*done)(void *arg);	/* [m] */
	void *arg;			/* [m] */
	struct worker w[];
};

/* A connection on its way from the main thread to a worker. */
struct handover {
	struct exec_call call;
	struct worker *w;
	int fd;
	uint16_t tag;
};

/* --- the executor --- */

static struct exec *
loop_of(struct exec *ex)
{

	return (loop_exec(worker_of_exec(ex)->loop));
}

static void
forward_post(struct exec *ex, struct exec_call *c)
{

	exec_post(loop_of(ex), c);
}

static void
forward_read(struct exec *ex, struct exec_read *r)
{

	exec_read(loop_of(ex), r);
}

static void
forward_after(struct exec *ex, struct exec_timer *t, uint64_t us)
{

	exec_after(loop_of(ex), t, us);
}

static void
forward_cancel(struct exec *ex, struct exec_timer *t)
{

	exec_cancel(loop_of(ex), t);
}

static const struct exec_ops forward_ops = {
	forward_post, forward_read, forward_after, forward_cancel
};

struct exec *
worker_exec(struct worker *w)
{

	return (&w->ex);
}

struct worker *
worker_of_exec(struct exec *ex)
{

	TT_ASSERT(ex->ops == &forward_ops);
	return (TT_CONTAINER(ex, struct worker, ex));
}

struct lun_worker *
worker_lun(struct worker *w)
{

	return (w->lun);
}

struct worker *
workers_find(const struct workers *ws, const struct loop *l)
{

	for (unsigned i = 0; i < ws->n; i++)
		if (ws->w[i].loop == l)
			return ((struct worker *)(uintptr_t)&ws->w[i]);
	return (NULL);
}

/* --- threads --- */

/* The end of a turn: what it gathered becomes one batch in the log. */
static void
on_turn_end(struct loop_hook *h)
{

	lun_worker_flush(TT_CONTAINER(h, struct worker, flush)->lun);
}

static void *
worker_main(void *arg)
{
	struct worker *w = arg;

	/* Without its loop a worker serves nobody, and nobody knows. */
	TT_ASSERT(loop_run(w->loop) == 0);
	return (NULL);
}

static void
on_drained(struct exec_call *c)
{
	struct worker *w = TT_CONTAINER(c, struct worker, drained);
	struct workers *ws = w->all;

	if (++ws->n_drained == ws->n)
		ws->done(ws->arg);
}

/* On the worker: its last connection is gone. */
static void
on_idle(void *arg)
{
	struct worker *w = arg;

	exec_post(w->all->ex, &w->drained);
}

static void
on_drain(struct exec_call *c)
{
	struct worker *w = TT_CONTAINER(c, struct worker, drain);

	iscsi_worker_stop(w->iscsi, false, on_idle, w);
}

static void
on_hurry(struct exec_call *c)
{
	struct worker *w = TT_CONTAINER(c, struct worker, hurry);

	iscsi_worker_stop(w->iscsi, true, on_idle, w);
}

static int
worker_init(struct worker *w, struct workers *ws, struct lunset *ls,
    struct iscsi_node *node)
{
	int rc;

	w->ex.ops = &forward_ops;
	w->all = ws;
	w->drain.fn = on_drain;
	w->hurry.fn = on_hurry;
	w->drained.fn = on_drained;
	w->flush.fn = on_turn_end;
	if ((rc = loop_new(&w->loop)) != 0)
		return (rc);
	rc = lun_worker_new(ls, loop_exec(w->loop), &w->lun);
	if (rc != 0)
		return (rc);
	if ((rc = iscsi_worker_new(node, w->loop, &w->iscsi)) != 0)
		return (rc);
	loop_add_hook(w->loop, &w->flush);
	lun_worker_hooked(w->lun);
	return (0);
}

static int
worker_start(struct worker *w, unsigned i)
{
	char name[16];
	sigset_t all, was;
	int rc;

	/* Signals are the main thread's business. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &was);
	rc = -pthread_create(&w->thread, NULL, worker_main, w);
	(void)pthread_sigmask(SIG_SETMASK, &was, NULL);
	if (rc != 0)
		return (rc);
	w->has_thread = true;
	(void)snprintf(name, sizeof(name), "tt-worker%u", i % 1000);
	(void)pthread_setname_np(w->thread, name);
	return (0);
}

int
workers_start(struct lunset *ls, struct iscsi_node *node, unsigned n,
    struct workers **out)
{
	struct workers *ws;
	int rc = 0;

	ws = calloc(1, sizeof(*ws) + n * sizeof(ws->w[0]));
	if (ws == NULL)
		return (-ENOMEM);
	for (; rc == 0 && ws->n < n; ws->n++)
		rc = worker_init(&ws->w[ws->n], ws, ls, node);
	for (unsigned i = 0; rc == 0 && i < n; i++)
		rc = worker_start(&ws->w[i], i);
	if (rc != 0) {
		msg_err("workers: %s", strerror(-rc));
		workers_free(ws);
		return (rc);
	}
	*out = ws;
	return (0);
}

void
workers_free(struct workers *ws)
{

	if (ws == NULL)
		return;
	for (unsigned i = 0; i < ws->n; i++)
		if (ws->w[i].has_thread)
			loop_stop(ws->w[i].loop);
	for (unsigned i = 0; i < ws->n; i++) {
		struct worker *w = &ws->w[i];

		if (w->has_thread)
			(void)pthread_join(w->thread, NULL);
		iscsi_worker_free(w->iscsi);
		lun_worker_free(w->lun);
		loop_free(w->loop);
	}
	free(ws);
}

/* --- connections --- */

static void
on_handover(struct exec_call *c)
{
	struct handover *h = TT_CONTAINER(c, struct handover, call);

	/* Takes the descriptor in any case; says itself why not. */
	(void)iscsi_conn_accept(h->w->iscsi, h->fd, h->tag);
	atomic_fetch_sub(&h->w->n_coming, 1);
	free(h);
}

unsigned
workers_load(const struct workers *ws, unsigned i)
{
	const struct worker *w = &ws->w[i];

	TT_ASSERT(i < ws->n);
	return (atomic_load(&w->n_coming) + iscsi_worker_load(w->iscsi));
}

/*
 * Who has least to do.  Taking turns would be worse than it looks: a server asks
 * for the targets before it logs in, and with two workers all sessions would be
 * with one of them.
 */
static struct worker *
choose(struct workers *ws)
{
	unsigned best = ws->next, least = UINT_MAX;

	for (unsigned k = 0; k < ws->n; k++) {
		const unsigned i = (ws->next + k) % ws->n;
		const unsigned load = workers_load(ws, i);

		if (load < least) {
			least = load;
			best = i;
		}
	}
	ws->next = (best + 1) % ws->n;
	return (&ws->w[best]);
}

void
workers_accept(struct workers *ws, int fd, uint16_t tag)
{
	struct handover *h;

	if ((h = malloc(sizeof(*h))) == NULL) {
		(void)close(fd);
		return;
	}
	h->call.fn = on_handover;
	h->w = choose(ws);
	atomic_fetch_add(&h->w->n_coming, 1);
	h->fd = fd;
	h->tag = tag;
	exec_post(loop_exec(h->w->loop), &h->call);
}

void
workers_drain(struct workers *ws, bool force, struct exec *ex,
    void (*done)(void *arg), void *arg)
{

	if (!ws->is_draining) {
		ws->is_draining = true;
		ws->ex = ex;
		ws->done = done;
		ws->arg = arg;
		for (unsigned i = 0; i < ws->n; i++)
			exec_post(loop_exec(ws->w[i].loop), &ws->w[i].drain);
	}
	if (force && !ws->is_hurried) {
		ws->is_hurried = true;
		for (unsigned i = 0; i < ws->n; i++)
			exec_post(loop_exec(ws->w[i].loop), &ws->w[i].hurry);
	}
}
