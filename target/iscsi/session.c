/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session.c - the table of sessions, the one thing that connections on
 * different loops share.
 *
 * Identity of a normal session: InitiatorName + ISID + target + portal group
 * (RFC 7143 6.3.5).  A login with the identity of a session that is there
 * closes the old one and waits until its tasks have settled and its row is
 * gone; only then it takes its place.  When several logins wait, each claims
 * again in turn, and the next one closes the one before it.
 *
 * Calls to the loop of another connection are counted in its ${n_posted}: it
 * is not freed while one is under way, and once ${ending} is set nobody posts
 * any more.  Rows leave the table after session_end was reported.
 */
#include <string.h>

#include "target/iscsi/conn_int.h"

static bool
same_identity(const struct iscsi_conn *a, const struct iscsi_conn *b)
{

	return (!b->info.discovery && a->peer.tag == b->peer.tag &&
	    memcmp(a->info.isid, b->info.isid, sizeof(a->info.isid)) == 0 &&
	    strcmp(a->initiator, b->initiator) == 0 &&
	    strcmp(a->iqn, b->iqn) == 0);
}

static struct iscsi_conn *
find_same(struct iscsi_conn *c)
{

	LIST_FOREACH(it, &c->node->sessions) {
		struct iscsi_conn *o = LIST_ENTRY(it, struct iscsi_conn,
		    table);

		if (o != c && same_identity(c, o))
			return (o);
	}
	return (NULL);
}

static bool
tsih_taken(struct iscsi_node *n, uint16_t tsih)
{

	LIST_FOREACH(it, &n->sessions)
		if (LIST_ENTRY(it, struct iscsi_conn, table)->info.tsih == tsih)
			return (true);
	return (false);
}

/* A TSIH that no session has, 0 when there is none. */
static uint16_t
new_tsih(struct iscsi_node *n)
{

	for (unsigned i = 0; i < UINT16_MAX; i++) {
		if (++n->last_tsih == 0)
			n->last_tsih = 1;
		if (!tsih_taken(n, n->last_tsih))
			return (n->last_tsih);
	}
	return (0);
}

/* Make ${c} end; its row is in the table and the lock is held. */
static void
post_drop(struct iscsi_conn *c)
{

	if (c->ending || c->drop_posted)
		return;
	c->drop_posted = true;
	c->n_posted++;
	exec_post(c->w->exec, &c->drop_call);
}

/*
 * The login of ${c} is complete: take a row.  CLAIM_WAIT: an older session
 * has to end first; wake_call comes then.  With a TSIH it is a connection
 * reinstatement (6.3.4) and keeps TSIH and parameters of the session.
 */
enum session_claim
session_claim(struct iscsi_conn *c)
{
	struct iscsi_node *n = c->node;
	struct iscsi_conn *old;
	enum session_claim rc = CLAIM_OK;

	lk_lock(&n->lk);
	old = c->info.discovery ? NULL : find_same(c);
	if (c->info.tsih != 0 && !c->reinstates) {
		if (old == NULL || old->info.tsih != c->info.tsih)
			rc = CLAIM_NO_SESSION;
		else if (old->cid != c->cid)
			rc = CLAIM_TOO_MANY;
		if (rc != CLAIM_OK)
			goto out_unlock;
		c->reinstates = true;
		neg_inherit(&c->neg, &old->neg);
	}
	if (old != NULL) {
		post_drop(old);
		list_add_tail(&old->waiters, &c->waiter);
		rc = CLAIM_WAIT;
		goto out_unlock;
	}
	if (!c->reinstates || tsih_taken(n, c->info.tsih))
		c->info.tsih = new_tsih(n);
	if (c->info.tsih == 0)
		rc = CLAIM_FULL;
	else
		list_add_tail(&n->sessions, &c->table);
out_unlock:
	lk_unlock(&n->lk);
	return (rc);
}

/* The login that waited is over. */
void
session_unwait(struct iscsi_conn *c)
{

	lk_lock(&c->node->lk);
	list_del(&c->waiter);
	lk_unlock(&c->node->lk);
}

/* May ${c} be freed?  Then nobody posts to it from now on. */
bool
session_ending(struct iscsi_conn *c)
{
	bool ok;

	lk_lock(&c->node->lk);
	ok = c->n_posted == 0;
	if (ok)
		c->ending = true;
	lk_unlock(&c->node->lk);
	return (ok);
}

/* Take the row away and wake the logins that waited for that. */
void
session_remove(struct iscsi_conn *c)
{

	lk_lock(&c->node->lk);
	list_del(&c->table);
	LIST_FOREACH_SAFE(it, nx, &c->waiters) {
		struct iscsi_conn *o = LIST_ENTRY(it, struct iscsi_conn,
		    waiter);

		list_del(it);
		o->n_posted++;
		exec_post(o->w->exec, &o->wake_call);
	}
	lk_unlock(&c->node->lk);
}

/* A call that was posted to ${c} runs now. */
void
session_arrived(struct iscsi_conn *c)
{

	lk_lock(&c->node->lk);
	TT_ASSERT(c->n_posted > 0);
	c->n_posted--;
	lk_unlock(&c->node->lk);
}

/*
 * For every other session of the target of ${c}: post the call that ${make}
 * returns (NULL: none) to its loop.  ${make} runs under the lock.
 */
void
session_post(struct iscsi_conn *c,
    struct exec_call *(*make)(void *ctx, struct iscsi_conn *other), void *ctx)
{
	struct iscsi_node *n = c->node;
	struct exec_call *call;

	lk_lock(&n->lk);
	LIST_FOREACH(it, &n->sessions) {
		struct iscsi_conn *o = LIST_ENTRY(it, struct iscsi_conn,
		    table);

		if (o == c || o->ending || o->info.discovery ||
		    o->target != c->target || (call = make(ctx, o)) == NULL)
			continue;
		o->n_posted++;
		exec_post(o->w->exec, call);
	}
	lk_unlock(&n->lk);
}

/* End all other sessions of the target of ${c}. */
void
session_drop_others(struct iscsi_conn *c)
{
	struct iscsi_node *n = c->node;

	lk_lock(&n->lk);
	LIST_FOREACH(it, &n->sessions) {
		struct iscsi_conn *o = LIST_ENTRY(it, struct iscsi_conn,
		    table);

		if (o != c && o->target == c->target)
			post_drop(o);
	}
	lk_unlock(&n->lk);
}

unsigned
iscsi_node_drop(struct iscsi_node *n, const struct iscsi_target *t)
{
	unsigned count = 0;

	lk_lock(&n->lk);
	LIST_FOREACH(it, &n->sessions) {
		struct iscsi_conn *c = LIST_ENTRY(it, struct iscsi_conn,
		    table);

		if (t != NULL && c->target != t)
			continue;
		post_drop(c);
		count++;
	}
	lk_unlock(&n->lk);
	return (count);
}

unsigned
iscsi_node_count(struct iscsi_node *n, const struct iscsi_target *t)
{
	unsigned count = 0;

	lk_lock(&n->lk);
	LIST_FOREACH(it, &n->sessions) {
		struct iscsi_conn *c = LIST_ENTRY(it, struct iscsi_conn,
		    table);

		if (!c->info.discovery && (t == NULL || c->target == t))
			count++;
	}
	lk_unlock(&n->lk);
	return (count);
}

void
iscsi_node_list(struct iscsi_node *n,
    void (*fn)(void *arg, const struct iscsi_session_info *info,
    const struct iscsi_target *t), void *arg)
{

	lk_lock(&n->lk);
	LIST_FOREACH(it, &n->sessions) {
		struct iscsi_conn *c = LIST_ENTRY(it, struct iscsi_conn,
		    table);

		fn(arg, &c->info, c->target);
	}
	lk_unlock(&n->lk);
}

void
iscsi_conn_drop(struct iscsi_conn *c)
{

	lk_lock(&c->node->lk);
	post_drop(c);
	lk_unlock(&c->node->lk);
}
