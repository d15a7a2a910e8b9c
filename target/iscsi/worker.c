/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker.c - the node (one per daemon) and its workers (one per loop), and how
 * a worker ends its connections.
 */
#include <errno.h>
#include <stdlib.h>

#include "target/iscsi/conn_int.h"

static void
fill_defaults(struct iscsi_env *e)
{

	if (e->depth == 0)
		e->depth = 128;
	if (e->chap_algs == 0)
		e->chap_algs = ISCSI_CHAP_MD5 | ISCSI_CHAP_SHA1 |
		    ISCSI_CHAP_SHA256 | ISCSI_CHAP_SHA3_256;
	if (e->login_ms == 0)
		e->login_ms = 15000;
	if (e->nop_ms == 0)
		e->nop_ms = 30000;
	if (e->nop_timeout_ms == 0)
		e->nop_timeout_ms = 30000;
	if (e->logout_ms == 0)
		e->logout_ms = 5000;
	if (e->memory_bytes == 0)
		e->memory_bytes = (size_t)512 << 20;
	if (e->memory_bytes < BUDGET_MIN)
		e->memory_bytes = BUDGET_MIN;
	if (e->max_out_bytes == 0 || e->max_out_bytes > BUF_BYTES_MAX)
		e->max_out_bytes = BUF_BYTES_MAX;
	if (e->pool_bytes == 0)
		e->pool_bytes = (size_t)64 << 20;
}

int
iscsi_node_new(const struct iscsi_env *env, struct iscsi_node **out)
{
	struct iscsi_node *n;

	if ((n = calloc(1, sizeof(*n))) == NULL)
		return (-ENOMEM);
	n->env = *env;
	fill_defaults(&n->env);
	lk_init(&n->lk, LK_SESSIONS);
	list_init(&n->sessions);
	list_init(&n->bound);
	list_init(&n->evicts);
	list_init(&n->hungry);
	atomic_init(&n->n_hungry, 0);
	budget_init(&n->budget, n->env.memory_bytes);
	*out = n;
	return (0);
}

void
iscsi_node_free(struct iscsi_node *n)
{

	if (n == NULL)
		return;
	TT_ASSERT(list_empty(&n->sessions) && list_empty(&n->evicts));
	lk_destroy(&n->lk);
	free(n);
}

static void
on_idle(struct exec_call *call)
{
	struct iscsi_worker *w = TT_CONTAINER(call, struct iscsi_worker,
	    idle_call);

	w->idle(w->idle_arg);
}

int
iscsi_worker_new(struct iscsi_node *n, struct loop *l,
    struct iscsi_worker **out)
{
	struct iscsi_worker *w;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		return (-ENOMEM);
	w->node = n;
	w->loop = l;
	w->exec = loop_exec(l);
	w->idle_call.fn = on_idle;
	atomic_init(&w->load, 0);
	list_init(&w->conns);
	list_init(&w->tasks);
	list_init(&w->pdus);
	buf_pool_init(&w->pool, n->env.pool_bytes);
	*out = w;
	return (0);
}

void
iscsi_worker_free(struct iscsi_worker *w)
{

	if (w == NULL)
		return;
	TT_ASSERT(list_empty(&w->conns));
	task_idle_free(w);
	tx_idle_free(w);
	buf_pool_drain(&w->pool);
	free(w);
}

unsigned
iscsi_worker_load(const struct iscsi_worker *w)
{

	return (atomic_load(&w->load));
}

/* Tell, once, that the last connection of a stopping worker is gone. */
void
worker_idle_check(struct iscsi_worker *w)
{

	if (!w->stopping || !list_empty(&w->conns) || w->idle == NULL ||
	    w->idle_posted)
		return;
	w->idle_posted = true;
	exec_post(w->exec, &w->idle_call);
}

void
iscsi_worker_stop(struct iscsi_worker *w, bool force,
    void (*idle)(void *arg), void *arg)
{

	if (!w->stopping) {
		w->stopping = true;
		w->idle = idle;
		w->idle_arg = arg;
	}
	/* Closing is never finished from inside these calls. */
	LIST_FOREACH_SAFE(it, nx, &w->conns) {
		struct iscsi_conn *c = LIST_ENTRY(it, struct iscsi_conn, link);

		if (force)
			conn_kill(c);
		else
			conn_ask_logout(c, ASK_STOP,
			    w->node->env.logout_ms);
	}
	worker_idle_check(w);
}
