/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * evict.c - iscsi_node_evict: the end of all sessions of a target, and of
 * logins to it that are under way.
 *
 * Every connection that has a reference to a target is in node.bound, from
 * before it asks for the target until it has given it back.  While it asks, it
 * counts as one that may get any target: otherwise it could be given one that
 * is being removed behind the back of an eviction that has just ended.
 */
#include <errno.h>
#include <stdlib.h>

#include "target/iscsi/conn_int.h"

struct evict {
	struct list link;		/* [t] node.evicts */
	const struct iscsi_target *t;
	struct exec *exec;
	struct exec_call call;
	void (*done)(void *arg);
	void *arg;
};

static void
on_done(struct exec_call *call)
{
	struct evict *e = TT_CONTAINER(call, struct evict, call);

	e->done(e->arg);
	free(e);
}

static bool
in_use(const struct iscsi_node *n, const struct iscsi_target *t)
{

	LIST_FOREACH(it, &n->bound) {
		const struct iscsi_conn *c = LIST_ENTRY(it, struct iscsi_conn,
		    bound);

		if (c->finding || c->bound_to == t)
			return (true);
	}
	return (false);
}

/* Report the evictions that are complete; the lock is held. */
static void
check(struct iscsi_node *n)
{

	LIST_FOREACH_SAFE(it, nx, &n->evicts) {
		struct evict *e = LIST_ENTRY(it, struct evict, link);

		if (in_use(n, e->t))
			continue;
		list_del(it);
		exec_post(e->exec, &e->call);
	}
}

/* ${c} is about to ask for its target. */
void
evict_finding(struct iscsi_conn *c)
{

	lk_lock(&c->node->lk);
	c->finding = true;
	if (list_empty(&c->bound))
		list_add_tail(&c->node->bound, &c->bound);
	lk_unlock(&c->node->lk);
}

/* It got ${t}, or NULL.  True: that one is being evicted. */
bool
evict_found(struct iscsi_conn *c, const struct iscsi_target *t)
{
	struct iscsi_node *n = c->node;
	bool evicted = false;

	lk_lock(&n->lk);
	c->finding = false;
	c->bound_to = t;
	if (t == NULL)
		list_del(&c->bound);
	LIST_FOREACH(it, &n->evicts)
		evicted |= t != NULL &&
		    LIST_ENTRY(it, struct evict, link)->t == t;
	check(n);
	lk_unlock(&n->lk);
	return (evicted);
}

/* ${c} has given everything back. */
void
evict_unbind(struct iscsi_conn *c)
{

	lk_lock(&c->node->lk);
	list_del(&c->bound);
	check(c->node);
	lk_unlock(&c->node->lk);
}

/* On the loop of a connection that has to go. */
void
evict_asked(struct exec_call *call)
{
	struct iscsi_conn *c = TT_CONTAINER(call, struct iscsi_conn, ask_call);
	unsigned ms;

	lk_lock(&c->node->lk);
	c->ask_posted = false;
	ms = c->ask_ms;
	lk_unlock(&c->node->lk);
	session_arrived(c);
	conn_ask_logout(c, ASK_EVICT, ms);
	conn_maybe_finish(c);
}

static void
post_ask(struct iscsi_conn *c, unsigned ms)
{

	c->ask_ms = ms;
	if (c->ending || c->ask_posted)
		return;
	c->ask_posted = true;
	c->n_posted++;
	exec_post(c->w->exec, &c->ask_call);
}

int
iscsi_node_evict(struct iscsi_node *n, const struct iscsi_target *t,
    unsigned ms, struct exec *ex, void (*done)(void *arg), void *arg)
{
	struct evict *e;

	if ((e = calloc(1, sizeof(*e))) == NULL)
		return (-ENOMEM);
	e->t = t;
	e->exec = ex;
	e->call.fn = on_done;
	e->done = done;
	e->arg = arg;
	lk_lock(&n->lk);
	list_add_tail(&n->evicts, &e->link);
	LIST_FOREACH(it, &n->bound) {
		struct iscsi_conn *c = LIST_ENTRY(it, struct iscsi_conn,
		    bound);

		if (c->bound_to == t)
			post_ask(c, ms);
	}
	check(n);
	lk_unlock(&n->lk);
	return (0);
}
