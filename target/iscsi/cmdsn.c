/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmdsn.c - order and window of commands (RFC 7143 4.2.2.1).
 *
 * ExpCmdSN is the next command in turn; MaxCmdSN leaves room for as many more
 * as the session has free places: a command that is admitted takes a place and
 * raises ExpCmdSN by one, one that is answered frees a place.  There are fewer
 * places while memory is short (flow_window), but MaxCmdSN never falls.
 *
 * A command before its turn is held.  On the one connection of a session that
 * happens only behind a command whose data digest was wrong, or which the
 * initiator numbered and never sent; the hole closes when it is sent again or
 * aborted by its number (cmdsn_skip).
 */
#include "target/iscsi/conn_int.h"

/* Serial number arithmetic, RFC 1982 with 32 bits. */
bool
sn_before(uint32_t a, uint32_t b)
{

	return ((int32_t)(a - b) < 0);
}

/* MaxCmdSN of the PDU that is sent now. */
uint32_t
cmdsn_max(struct iscsi_conn *c)
{
	uint32_t places = flow_window(c), max;

	places = places > c->used ? places - c->used : 0;
	max = c->exp_cmdsn + places - 1;
	if (sn_before(c->max_cmdsn, max))
		c->max_cmdsn = max;
	return (c->max_cmdsn);
}

static struct iscsi_task *
first_held(const struct iscsi_conn *c)
{

	return (LIST_FIRST(&c->held, struct iscsi_task, wait));
}

/* Is ${cmdsn} in the window, and not here already? */
bool
cmdsn_fits(const struct iscsi_conn *c, uint32_t cmdsn)
{

	if (sn_before(cmdsn, c->exp_cmdsn) ||
	    sn_before(c->max_cmdsn, cmdsn))
		return (false);
	LIST_FOREACH(it, &c->held)
		if (LIST_ENTRY(it, struct iscsi_task, wait)->cmdsn == cmdsn)
			return (false);
	return (true);
}

static void
hold(struct iscsi_conn *c, struct iscsi_task *t)
{
	struct list *at = &c->held;

	while (at->prev != &c->held && sn_before(t->cmdsn,
	    LIST_ENTRY(at->prev, struct iscsi_task, wait)->cmdsn))
		at = at->prev;
	list_add_tail(at, &t->wait);
}

static void
take(struct iscsi_conn *c, struct iscsi_task *t)
{

	c->exp_cmdsn++;
	c->used++;
	t->counted = true;
	t->admitted = true;
	full_run(t);
}

/* ${t} is whole: run it when its turn has come.  May run others, too. */
void
cmdsn_admit(struct iscsi_task *t)
{
	struct iscsi_conn *c = t->c;

	if (t->immediate) {
		t->admitted = true;
		full_run(t);
		return;
	}
	if (t->cmdsn != c->exp_cmdsn) {
		hold(c, t);
		return;
	}
	take(c, t);
	while (c->st == CS_FULL && (t = first_held(c)) != NULL &&
	    t->cmdsn == c->exp_cmdsn) {
		list_del(&t->wait);
		take(c, t);
	}
}

/*
 * Consider ${cmdsn}, which fits, as received: it was rejected, or aborted
 * before it came.
 */
void
cmdsn_skip(struct iscsi_conn *c, uint32_t cmdsn)
{
	struct bhs none = { .b = { PDU_REJECT } };
	struct iscsi_task *t;

	put_be32(none.b + 16, PDU_NO_TAG);
	put_be32(none.b + 24, cmdsn);
	if ((t = task_new(c, &none)) == NULL)
		return;
	task_publish(t);
	cmdsn_admit(t);
	task_unref(t);
}

/* ${t} does not take a place any more. */
void
cmdsn_done(struct iscsi_task *t)
{

	if (t->counted) {
		TT_ASSERT(t->c->used > 0);
		t->c->used--;
		t->counted = false;
	}
}
