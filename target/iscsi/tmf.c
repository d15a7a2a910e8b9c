/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tmf.c - task management and logout, and what both wait for: that no
 * affected command is with the SCSI side any more, so that after the answer
 * nothing old can change the medium.
 *
 * Within a session a "settle" waits; it is checked whenever a task ends.
 * Resets reach every session of the target: a call is posted to the loop of
 * each, which aborts there, settles there, and counts down the group; the last
 * one calls back to the loop of the request.
 *
 * A task set belongs to one nexus (TST = 001b of the control mode page), so
 * CLEAR TASK SET affects no other session.  Late Data-Out of aborted tasks is
 * discarded (scsi_io.c); we do not wait for it.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "target/iscsi/conn_int.h"

/* Responses, RFC 7143 11.6.1 and 11.15.1. */
enum {
	TMF_COMPLETE = 0,
	TMF_NO_TASK = 1,
	TMF_NO_LUN = 2,
	TMF_NO_REASSIGN = 4,
	TMF_UNSUPPORTED = 5,
	TMF_REJECTED = 255
};
enum {
	LOGOUT_CLOSED = 0,
	LOGOUT_NO_CID = 1,
	LOGOUT_NO_RECOVERY = 2
};

/* A reset under way: what still has to settle, ours included. */
struct tmf_group {
	_Atomic unsigned left;
	bool failed;			/* a session could not be told */
	struct iscsi_task *tmf;
	struct exec_call call;
};

/* Its part in another session; lives until that has settled. */
struct tmf_remote {
	struct exec_call call;
	struct iscsi_conn *c;
	struct tmf_group *group;
	struct settle settle;
};

static bool
is_pending(const struct iscsi_conn *c, const struct settle *s)
{

	LIST_FOREACH(it, &c->tasks) {
		const struct iscsi_task *t = LIST_ENTRY(it, struct iscsi_task,
		    link);

		if (t->st != TS_BUSY || t->op != PDU_SCSI_CMD)
			continue;
		if (s->scope == SETTLE_ONE ? t->serial == s->serial :
		    t->serial <= s->serial && (s->scope == SETTLE_ALL ||
		    memcmp(t->lun, s->lun, sizeof(t->lun)) == 0))
			return (true);
	}
	return (false);
}

/* A task has ended: who waited for that goes on. */
void
settle_check(struct iscsi_conn *c)
{

restart:
	LIST_FOREACH(it, &c->settles) {
		struct settle *s = LIST_ENTRY(it, struct settle, link);

		if (is_pending(c, s))
			continue;
		list_del(&s->link);
		s->fn(s);
		goto restart;
	}
}

static void
settle_wait(struct iscsi_conn *c, struct settle *s)
{

	list_add_tail(&c->settles, &s->link);
	settle_check(c);
}

static void
respond(struct iscsi_task *t, uint8_t response)
{
	struct iscsi_conn *c = t->c;
	struct tx_pdu *p = tx_new(c);

	if (p == NULL) {
		task_end(t);
		return;
	}
	if (t->op == PDU_LOGOUT)
		pdu_logout_rsp(&p->bhs, t->itt, response);
	else
		pdu_tmf_rsp(&p->bhs, t->itt, response);
	task_end(t);
	tx_send(p, TX_STATUS);
}

static uint8_t
function(const struct iscsi_task *t)
{

	return (t->flags & 0x7f);
}

static bool
is_reset(uint8_t fn)
{

	return (fn == ISCSI_TMF_LUN_RESET ||
	    fn == ISCSI_TMF_TARGET_WARM_RESET ||
	    fn == ISCSI_TMF_TARGET_COLD_RESET);
}

/* Everything that ${t} affects has settled, here and elsewhere. */
static void
complete(struct iscsi_task *t, bool failed)
{
	struct iscsi_conn *c = t->c;
	uint8_t fn = function(t);
	bool cold = fn == ISCSI_TMF_TARGET_COLD_RESET && !failed;

	if (is_reset(fn) && !failed)
		c->node->env.task_ops->reset(c->nexus, (enum iscsi_tmf_fn)fn,
		    t->lun);
	respond(t, failed ? TMF_REJECTED : TMF_COMPLETE);
	if (!cold)
		return;
	/* As after power on: all sessions end, ours behind the answer. */
	session_drop_others(c);
	if (c->st == CS_FULL || c->st == CS_LEAVE) {
		c->st = CS_LEAVE;
		task_abort_all(c, NULL, false);
		conn_leave_check(c);
	}
}

static void
own_settled(struct settle *s)
{

	complete(TT_CONTAINER(s, struct iscsi_task, settle), false);
}

static void
group_count_down(struct tmf_group *g)
{

	if (atomic_fetch_sub(&g->left, 1) == 1)
		exec_post(g->tmf->c->w->exec, &g->call);
}

static void
own_part_settled(struct settle *s)
{

	group_count_down(TT_CONTAINER(s, struct iscsi_task, settle)->group);
}

static void
group_settled(struct exec_call *call)
{
	struct tmf_group *g = TT_CONTAINER(call, struct tmf_group, call);
	struct iscsi_task *t = g->tmf;
	struct iscsi_conn *c = t->c;
	bool failed = g->failed;

	t->group = NULL;
	free(g);
	complete(t, failed);
	conn_maybe_finish(c);
}

static void
remote_settled(struct settle *s)
{
	struct tmf_remote *r = TT_CONTAINER(s, struct tmf_remote, settle);

	group_count_down(r->group);
	free(r);
}

/* On the loop of the other session. */
static void
remote_arrived(struct exec_call *call)
{
	struct tmf_remote *r = TT_CONTAINER(call, struct tmf_remote, call);
	struct iscsi_conn *c = r->c;

	session_arrived(c);
	c->pinned++;
	task_abort_all(c, r->settle.scope == SETTLE_LUN ? r->settle.lun : NULL,
	    true);
	r->settle.serial = c->serial;
	settle_wait(c, &r->settle);
	conn_leave_check(c);
	c->pinned--;
	conn_maybe_finish(c);
}

static struct exec_call *
make_remote(void *ctx, struct iscsi_conn *other)
{
	struct tmf_group *g = ctx;
	struct tmf_remote *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		g->failed = true;
		return (NULL);
	}
	r->call.fn = remote_arrived;
	r->c = other;
	r->group = g;
	r->settle.scope = g->tmf->settle.scope;
	memcpy(r->settle.lun, g->tmf->lun, sizeof(r->settle.lun));
	r->settle.fn = remote_settled;
	list_init(&r->settle.link);
	atomic_fetch_add(&g->left, 1);
	return (&r->call);
}

static void
reset(struct iscsi_task *t)
{
	struct iscsi_conn *c = t->c;
	struct tmf_group *g;

	if ((g = calloc(1, sizeof(*g))) == NULL) {
		respond(t, TMF_REJECTED);
		return;
	}
	atomic_init(&g->left, 1);
	g->tmf = t;
	g->call.fn = group_settled;
	t->group = g;
	t->settle.fn = own_part_settled;
	session_post(c, make_remote, g);
	task_abort_all(c, t->settle.scope == SETTLE_LUN ? t->lun : NULL,
	    false);
	settle_wait(c, &t->settle);
}

static void
abort_task(struct iscsi_task *t)
{
	struct iscsi_conn *c = t->c;
	struct iscsi_task *a = task_find(c, bhs_ttt(&t->bhs));
	uint32_t ref = tmf_refcmdsn(&t->bhs);

	if (a != NULL && a->op == PDU_SCSI_CMD) {
		t->settle.scope = SETTLE_ONE;
		t->settle.serial = a->serial;
		task_abort(a, false);
		settle_wait(c, &t->settle);
		return;
	}
	/* 11.5.1 b: numbered, not come, and never to come. */
	if (cmdsn_fits(c, ref) && sn_before(ref, t->cmdsn)) {
		respond(t, TMF_COMPLETE);
		cmdsn_skip(c, ref);
		return;
	}
	respond(t, TMF_NO_TASK);
}

void
tmf_run(struct iscsi_task *t)
{
	struct iscsi_conn *c = t->c;
	uint8_t fn = function(t);

	t->st = TS_BUSY;
	t->settle.scope = SETTLE_LUN;
	memcpy(t->settle.lun, t->lun, sizeof(t->lun));
	t->settle.serial = t->serial;
	t->settle.fn = own_settled;
	if ((fn == ISCSI_TMF_ABORT_TASK_SET || fn == ISCSI_TMF_CLEAR_TASK_SET ||
	    fn == ISCSI_TMF_LUN_RESET) &&
	    !c->node->env.task_ops->lun_exists(c->nexus, t->lun)) {
		respond(t, TMF_NO_LUN);
		return;
	}
	switch (fn) {
	case ISCSI_TMF_ABORT_TASK:
		abort_task(t);
		break;
	case ISCSI_TMF_ABORT_TASK_SET:
	case ISCSI_TMF_CLEAR_TASK_SET:
		task_abort_all(c, t->lun, false);
		settle_wait(c, &t->settle);
		break;
	case ISCSI_TMF_TARGET_WARM_RESET:
	case ISCSI_TMF_TARGET_COLD_RESET:
		t->settle.scope = SETTLE_ALL;
		reset(t);
		break;
	case ISCSI_TMF_LUN_RESET:
		reset(t);
		break;
	case ISCSI_TMF_TASK_REASSIGN:
		respond(t, TMF_NO_REASSIGN);
		break;
	default:	/* CLEAR ACA too: NormACA is 0 */
		respond(t, TMF_UNSUPPORTED);
		break;
	}
}

static void
logout_settled(struct settle *s)
{
	struct iscsi_task *t = TT_CONTAINER(s, struct iscsi_task, settle);
	struct iscsi_conn *c = t->c;

	respond(t, LOGOUT_CLOSED);
	conn_leave_check(c);
}

void
tmf_logout(struct iscsi_task *t)
{
	struct iscsi_conn *c = t->c;
	uint8_t reason = function(t);

	t->st = TS_BUSY;
	if (reason > 2) {
		tx_reject(c, REJ_INVALID_FIELD, &t->bhs);
		task_end(t);
		return;
	}
	if (reason == 2) {
		respond(t, LOGOUT_NO_RECOVERY);
		return;
	}
	if (reason == 1 && logout_cid(&t->bhs) != c->cid) {
		respond(t, LOGOUT_NO_CID);
		return;
	}
	c->st = CS_LEAVE;	/* nothing behind this PDU is looked at */
	task_abort_all(c, NULL, false);
	t->settle.scope = SETTLE_ALL;
	t->settle.serial = t->serial;
	t->settle.fn = logout_settled;
	settle_wait(c, &t->settle);
}
