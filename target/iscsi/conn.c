/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn.c - a connection from accept to its end.
 *
 * It ends in one of two ways: conn_drain (everything was said: logout, refused
 * login, orderly stop) and conn_kill (the peer is gone, broke the protocol, or
 * we were told to).  Either way the socket closes first; then, when the SCSI
 * side has given back every task, the session is reported as ended, its row
 * leaves the table and logins that wait for that are woken (conn_maybe_finish).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "target/iscsi/conn_int.h"

void
conn_complain(const struct iscsi_conn *c, const char *what)
{
	static struct msg_limit limit;
	char who[ISCSI_NAME_CAP + 64];

	if (msg_allowed(&limit, 10))
		msg_warn("iscsi %s (%s): %s", c->address,
		    msg_safe(who, sizeof(who), c->initiator,
		    strlen(c->initiator)), what);
}

static void
on_received(void *arg, ssize_t n)
{

	rx_received(arg, n);
}

static void
on_closed(void *arg)
{
	struct iscsi_conn *c = arg;

	c->net = NULL;
	c->rx.armed = false;
	c->pinned++;
	conn_kill(c);
	rx_forget(c);
	c->pinned--;
	conn_maybe_finish(c);
}

static const struct conn_ops net_ops = { on_received, on_closed };

/*
 * Silence is counted in quarters of its limit: an exact time would cost a look
 * at the clock for each receive.
 */
#define QUARTERS 4u

static uint64_t
quarter_us(const struct iscsi_conn *c)
{
	const struct iscsi_env *e = &c->node->env;
	unsigned ms = c->info.discovery ? CONN_DISCOVERY_MS : c->pinged ?
	    e->nop_timeout_ms : e->nop_ms;

	return (ms * UINT64_C(1000) / QUARTERS);
}

/* A silent peer is asked for a sign of life. */
static void
ping(struct iscsi_conn *c)
{
	static const uint8_t no_lun[8];
	struct tx_pdu *p = tx_new(c);

	if (p == NULL)
		return;
	if (++c->next_ttt == PDU_NO_TAG)
		c->next_ttt = 0;
	pdu_nop_in(&p->bhs, no_lun, PDU_NO_TAG, c->next_ttt);
	tx_send(p, TX_PEEK);
	c->pinged = true;
}

/* A quarter has passed; is the silence long enough to do something? */
static void
watch(struct iscsi_conn *c)
{
	uint64_t now = c->rx.count + c->tx_count;

	if (now > c->timer_count) {
		c->pinged = false;
		c->quiet = 0;
	} else if (++c->quiet >= QUARTERS && (c->pinged ||
	    c->info.discovery || c->st != CS_FULL)) {
		conn_complain(c, "no sign of life, dropped");
		conn_kill(c);
		return;
	} else if (c->quiet >= QUARTERS) {
		ping(c);
		if (c->st != CS_FULL)
			return;
		c->quiet = 0;
		now++;		/* our ping leaving is no sign of the peer's */
	}
	c->timer_count = now;
	exec_after(c->w->exec, &c->timer, quarter_us(c));
}

/* Login took too long, nobody logged out, or a quarter of silence is over. */
static void
on_timer(struct exec_timer *timer)
{
	struct iscsi_conn *c = TT_CONTAINER(timer, struct iscsi_conn, timer);

	if (c->st == CS_LOGIN || c->st == CS_CLAIM) {
		login_report(c->login, ISCSI_REFUSED_TIMEOUT);
		conn_kill(c);
	} else if (c->ask == ASK_EVICT)
		conn_kill(c);
	else if (c->ask == ASK_STOP && c->st == CS_FULL)
		conn_leave(c);
	else if (c->st != CS_DEAD)
		watch(c);
}

/* Watch for silence from now on. */
void
conn_silence_start(struct iscsi_conn *c)
{

	exec_cancel(c->w->exec, &c->timer);
	if (!c->info.discovery && c->node->env.nop_ms == ISCSI_NEVER_MS)
		return;
	c->timer_count = c->rx.count + c->tx_count;
	exec_after(c->w->exec, &c->timer, quarter_us(c));
}

static void
on_drop(struct exec_call *call)
{
	struct iscsi_conn *c = TT_CONTAINER(call, struct iscsi_conn, drop_call);

	session_arrived(c);
	conn_kill(c);
	conn_maybe_finish(c);
}

/* The session that our login waited for has ended. */
static void
on_wake(struct exec_call *call)
{
	struct iscsi_conn *c = TT_CONTAINER(call, struct iscsi_conn, wake_call);

	session_arrived(c);
	if (c->st == CS_CLAIM) {
		login_io_claim(c);
		rx_run(c);
	}
	conn_maybe_finish(c);
}

static void
init_lists(struct iscsi_conn *c)
{

	list_init(&c->held);
	list_init(&c->tasks);
	list_init(&c->waiting);
	list_init(&c->outq);
	list_init(&c->settles);
	list_init(&c->table);
	list_init(&c->waiters);
	list_init(&c->waiter);
	list_init(&c->hungry);
	list_init(&c->bound);
	for (size_t i = 0; i < CONN_HASH; i++)
		list_init(&c->hash[i]);
}

static int
conn_setup(struct iscsi_conn *c, int fd, uint16_t tag)
{
	int rc;

	if ((rc = rx_init(&c->rx)) != 0)
		return (rc);
	if ((rc = conn_new(c->w->loop, fd, &net_ops, c, &c->net)) != 0)
		goto out_rx;
	(void)snprintf(c->address, sizeof(c->address), "%s",
	    conn_peer(c->net));
	(void)snprintf(c->local, sizeof(c->local), "%s", conn_local(c->net));
	c->peer = (struct iscsi_peer){ .initiator = c->initiator,
	    .address = c->address, .local = c->local,
	    .loopback = conn_is_loopback(c->net), .tag = tag };
	if ((rc = login_new(&c->node->env, &c->peer, &c->login)) == 0)
		return (0);
	/* conn_new took the descriptor: closing it is on_closed's business. */
	c->st = CS_DEAD;
	list_add_tail(&c->w->conns, &c->link);
	conn_close(c->net, false);
	return (-EINPROGRESS);

out_rx:
	free(c->rx.buf);
	return (rc);
}

int
iscsi_conn_accept(struct iscsi_worker *w, int fd, uint16_t tag)
{
	struct iscsi_conn *c;
	int rc = -ESHUTDOWN;

	if (w->stopping)
		goto out_close;
	rc = -ENOMEM;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		goto out_close;
	c->magic = CONN_MAGIC;
	c->w = w;
	c->node = w->node;
	c->st = CS_LOGIN;
	c->timer.fn = on_timer;
	c->drop_call.fn = on_drop;
	c->wake_call.fn = on_wake;
	c->feed_call.fn = flow_fed;
	c->ask_call.fn = evict_asked;
	init_lists(c);
	neg_init(&c->neg);
	if ((rc = conn_setup(c, fd, tag)) == -EINPROGRESS)
		return (-ENOMEM);
	if (rc != 0)
		goto out_free;
	list_add_tail(&w->conns, &c->link);
	c->weighs = true;
	atomic_fetch_add(&w->load, 1);
	exec_after(w->exec, &c->timer, c->node->env.login_ms * UINT64_C(1000));
	rx_run(c);
	return (0);

out_free:
	free(c);
out_close:
	(void)close(fd);
	return (rc);
}

/* It is no work for its worker, or not for long any more. */
void
conn_weigh_no_more(struct iscsi_conn *c)
{

	if (c->weighs)
		atomic_fetch_sub(&c->w->load, 1);
	c->weighs = false;
}

/* Drop what was queued but needs an open connection. */
static void
drop_outq(struct iscsi_conn *c)
{
	struct iscsi_task *t;

	while ((t = LIST_FIRST(&c->outq, struct iscsi_task, wait)) != NULL) {
		list_del(&t->wait);
		task_unref(t);
	}
}

/*
 * Close at once.  Every task that the SCSI side has is asked to end early.
 * The memory stays until conn_maybe_finish, so callers may look at ${c}.
 */
void
conn_kill(struct iscsi_conn *c)
{

	if (c->st == CS_DEAD)
		return;
	if (c->st == CS_CLAIM)
		session_unwait(c);
	c->st = CS_DEAD;
	exec_cancel(c->w->exec, &c->timer);
	if (c->net != NULL)
		conn_close(c->net, false);
	task_abort_all(c, NULL, false);
	drop_outq(c);
}

/* Everything is said: close when the socket has taken it. */
void
conn_drain(struct iscsi_conn *c)
{

	if (c->st == CS_DEAD || c->st == CS_DRAIN)
		return;
	/* The timer runs on: nobody waits for ever for a peer to take it. */
	c->st = CS_DRAIN;
	conn_close(c->net, true);
}

/* In LEAVE: close when the last answer is queued. */
void
conn_leave_check(struct iscsi_conn *c)
{

	if (c->st == CS_LEAVE && list_empty(&c->tasks) && list_empty(&c->outq))
		conn_drain(c);
}

/*
 * Commands whose data is not all here were never acknowledged and are
 * dropped; the SCSI side finishes the others, and their answers are sent.
 */
void
conn_leave(struct iscsi_conn *c)
{

	if (c->st != CS_FULL)
		return;
	c->st = CS_LEAVE;
	LIST_FOREACH_SAFE(it, nx, &c->tasks) {
		struct iscsi_task *t = LIST_ENTRY(it, struct iscsi_task, link);

		if (t->st == TS_COLLECT)
			task_end(t);
	}
	conn_leave_check(c);
}

/* Asynchronous message, event 1: please log out (11.9.1). */
static void
send_ask(struct iscsi_conn *c, unsigned ms)
{
	struct tx_pdu *p = tx_new(c);
	unsigned s = ms / 1000 + (ms % 1000 != 0);

	if (p == NULL)
		return;
	pdu_async(&p->bhs, 1, 0, 0, (uint16_t)TT_MIN(s, 65535u));
	tx_send(p, TX_STATUS);
}

/*
 * The session has to end: give its initiator ${ms} to log out, and serve it
 * meanwhile.  Who is not in full feature phase ends at once.
 */
void
conn_ask_logout(struct iscsi_conn *c, enum conn_ask why, unsigned ms)
{
	bool asked = c->ask != ASK_NO;

	if (c->st == CS_DEAD || c->ask == ASK_EVICT)
		return;
	if (c->st == CS_LOGIN || c->st == CS_CLAIM ||
	    (why == ASK_EVICT && ms == 0)) {
		conn_kill(c);
		return;
	}
	if (c->info.discovery) {
		conn_leave(c);
		return;
	}
	if (c->st == CS_FULL && !asked)
		send_ask(c, ms);
	if (c->st == CS_DEAD || (c->st != CS_FULL && why == ASK_STOP))
		return;
	c->ask = why;
	exec_cancel(c->w->exec, &c->timer);
	exec_after(c->w->exec, &c->timer, ms * UINT64_C(1000));
}

/* The last step, when nothing refers to the connection any more. */
void
conn_maybe_finish(struct iscsi_conn *c)
{
	struct iscsi_worker *w = c->w;
	const struct iscsi_env *e = &c->node->env;

	TT_MAGIC(c, CONN_MAGIC);
	if (c->st != CS_DEAD || c->net != NULL || c->n_live > 0 ||
	    c->pinned > 0 || !session_ending(c))
		return;
	TT_ASSERT(list_empty(&c->settles) && list_empty(&c->waiting));
	if (c->started)
		e->ops->session_end(e->arg, c->nexus);
	if (c->started || c->info.discovery)
		msg_at(c->started ? MSG_INFO : MSG_DEBUG,
		    "session of %s to %s from %s ended", c->initiator,
		    c->info.discovery ? "discovery" : c->iqn, c->address);
	session_remove(c);
	if (c->target != NULL)
		e->ops->target_put(e->arg, c->target);
	login_free(c->login);
	text_io_free(c);
	flow_leave(c);
	evict_unbind(c);
	free(c->rx.buf);
	conn_weigh_no_more(c);
	list_del(&c->link);
	c->magic = 0;
	free(c);
	worker_idle_check(w);
}
