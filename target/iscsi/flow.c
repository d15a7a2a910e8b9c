/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flow.c - how much data may be under way: the charges of tasks, and the
 * window of commands that follows from what is free.
 *
 * What comes unasked is charged when its header comes; where nothing is left,
 * the command fails with TASK SET FULL.  All of a command's data is charged
 * before more is asked for, or before the SCSI side makes data-in of it; who
 * finds nothing left waits: behind the others of its connection
 * (iscsi_conn.waiting), and the connection in the node's list of the hungry.
 * Whoever gives bytes back wakes all of those.  What guarantees that everybody
 * goes on stands in budget.h.
 *
 * A charge is what the buffer takes, which is more than the bytes in it.
 */
#include "target/iscsi/conn_int.h"

/* Windows do not shrink below this, whatever is free. */
#define WINDOW_FLOOR 8u

static uint32_t
full_cost(const struct iscsi_task *t)
{

	return ((uint32_t)buf_cost(TT_MIN(t->edtl, (uint32_t)BUF_BYTES_MAX),
	    TT_MIN(t->edtl, (uint32_t)BUF_BYTES_MAX)));
}

static void
set_charge(struct iscsi_task *t, uint32_t bytes, bool full)
{
	struct iscsi_conn *c = t->c;

	c->charged -= t->charged;
	c->charged += bytes;
	t->charged = bytes;
	c->n_full -= t->full;
	c->n_full += full;
	t->full = full;
}

/* Charge the first ${upto} of ${bytes}, which come unasked. */
bool
flow_take(struct iscsi_task *t, uint32_t bytes, uint32_t upto)
{
	struct iscsi_conn *c = t->c;
	uint32_t cost = (uint32_t)buf_cost(bytes, upto);
	bool whole = cost == buf_cost(bytes, bytes);

	if (!budget_take(&c->node->budget, &c->share, cost, whole))
		return (false);
	t->taken = cost;
	set_charge(t, cost, whole);
	return (true);
}

/* Charge all of ${t}, if that is possible now. */
static bool
take_rest(struct iscsi_task *t)
{
	struct iscsi_conn *c = t->c;
	uint32_t all;

	if (t->full || t->edtl == 0)
		return (true);
	all = full_cost(t);
	if (c->n_full > 0 && c->charged - t->charged + all > CONN_DATA_MAX)
		return (false);
	if (budget_take(&c->node->budget, &c->share, all - t->taken, true))
		t->taken = all;
	else if (budget_lane_take(&c->node->budget))
		t->lane = true;
	else
		return (false);
	set_charge(t, all, true);
	return (true);
}

/* Wake every connection that waits for bytes of the node. */
static void
wake_hungry(struct iscsi_node *n)
{

	if (atomic_load(&n->n_hungry) == 0)
		return;
	lk_lock(&n->lk);
	LIST_FOREACH_SAFE(it, nx, &n->hungry) {
		struct iscsi_conn *c = LIST_ENTRY(it, struct iscsi_conn,
		    hungry);

		list_del(it);
		atomic_fetch_sub(&n->n_hungry, 1);
		if (c->ending || c->feed_posted)
			continue;
		c->feed_posted = true;
		c->n_posted++;
		exec_post(c->w->exec, &c->feed_call);
	}
	lk_unlock(&n->lk);
}

static void
become_hungry(struct iscsi_conn *c)
{
	struct iscsi_node *n = c->node;

	lk_lock(&n->lk);
	if (list_empty(&c->hungry)) {
		list_add_tail(&n->hungry, &c->hungry);
		atomic_fetch_add(&n->n_hungry, 1);
	}
	lk_unlock(&n->lk);
}

/* Let those go on that waited, as far as the bytes go. */
static void
feed(struct iscsi_conn *c)
{
	struct iscsi_task *t;
	bool again = true;

	while (c->st == CS_FULL && (t = LIST_FIRST(&c->waiting,
	    struct iscsi_task, wait)) != NULL) {
		if (take_rest(t)) {
			list_del(&t->wait);
			scsi_io_progress(t);
			continue;
		}
		/* What came free before we were in the list woke nobody. */
		if (!again)
			return;
		become_hungry(c);
		again = false;
	}
}

/* May ${t} go on?  If not, it was put behind those that wait already. */
bool
flow_take_all(struct iscsi_task *t)
{
	struct iscsi_conn *c = t->c;

	if (t->full || t->edtl == 0)
		return (true);
	/* Who comes later does not overtake. */
	if (list_empty(&c->waiting) && take_rest(t))
		return (true);
	list_add_tail(&c->waiting, &t->wait);
	if (LIST_FIRST(&c->waiting, struct iscsi_task, wait) == t)
		feed(c);
	return (false);
}

/* The buffer of ${t} is gone: go on with those that waited for its share. */
void
flow_give(struct iscsi_task *t)
{
	struct iscsi_conn *c = t->c;
	struct iscsi_node *n = c->node;

	if (t->charged == 0)
		return;
	set_charge(t, 0, false);
	budget_give(&n->budget, &c->share, t->taken);
	t->taken = 0;
	if (t->lane)
		budget_lane_give(&n->budget);
	t->lane = false;
	feed(c);
	wake_hungry(n);
}

/* A session begins: false when there is no room for one more. */
bool
flow_join(struct iscsi_conn *c)
{

	return (budget_join(&c->node->budget, &c->share));
}

/* The connection goes; it has no task any more. */
void
flow_leave(struct iscsi_conn *c)
{
	struct iscsi_node *n = c->node;

	lk_lock(&n->lk);
	if (!list_empty(&c->hungry)) {
		list_del(&c->hungry);
		atomic_fetch_sub(&n->n_hungry, 1);
	}
	lk_unlock(&n->lk);
	budget_leave(&n->budget, &c->share);
	wake_hungry(n);
}

/* Bytes came free elsewhere. */
void
flow_fed(struct exec_call *call)
{
	struct iscsi_conn *c = TT_CONTAINER(call, struct iscsi_conn,
	    feed_call);

	lk_lock(&c->node->lk);
	c->feed_posted = false;
	lk_unlock(&c->node->lk);
	session_arrived(c);
	c->pinned++;
	feed(c);
	c->pinned--;
	conn_maybe_finish(c);
}

/*
 * How many commands the session may have under way.  What the initiator was
 * told stays valid (MaxCmdSN never falls); this decides how far it moves on.
 */
uint32_t
flow_window(const struct iscsi_conn *c)
{
	const struct neg_params *p = &c->neg.p;
	uint32_t depth = c->node->env.depth;
	size_t n;

	if (!p->immediate && p->initial_r2t)
		return (depth);
	n = budget_commands(&c->node->budget, p->first_burst);
	return ((uint32_t)TT_MIN((size_t)depth, TT_MAX(n,
	    (size_t)WINDOW_FLOOR)));
}
