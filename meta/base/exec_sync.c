/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/base/exec_sync.h"

#include <errno.h>
#include <stdlib.h>

#include "meta/base/clock.h"
#include "meta/base/lock.h"

/* Members are protected by:  l  lk   t  the thread that runs it */
struct exec_sync {
	struct exec ex;
	struct lk lk;
	pthread_cond_t wake;
	struct list calls;		/* [l] */
	struct list timers;		/* [t] unsorted: there are few */
};

static struct exec_sync *
es_of(struct exec *ex)
{

	return (TT_CONTAINER(ex, struct exec_sync, ex));
}

static void
es_post(struct exec *ex, struct exec_call *c)
{
	struct exec_sync *es = es_of(ex);

	lk_lock(&es->lk);
	list_add_tail(&es->calls, &c->link);
	(void)pthread_cond_signal(&es->wake);
	lk_unlock(&es->lk);
}

static void
es_read_now(struct exec_call *c)
{
	struct exec_read *r = TT_CONTAINER(c, struct exec_read, call);
	ssize_t n;

	do {
		n = preadv(r->fd, r->iov, r->n_iov, (off_t)r->off_bytes);
	} while (n < 0 && errno == EINTR);
	r->res = n < 0 ? -errno : (int32_t)n;
	r->done(r);
}

static void
es_read(struct exec *ex, struct exec_read *r)
{

	r->call.fn = es_read_now;
	es_post(ex, &r->call);
}

static void
es_cancel(struct exec *ex, struct exec_timer *t)
{

	(void)ex;
	if (!t->armed)
		return;
	t->armed = 0;
	list_del(&t->link);
}

static void
es_after(struct exec *ex, struct exec_timer *t, uint64_t us)
{

	es_cancel(ex, t);
	t->due_ns = clock_mono_ns() + us * 1000;
	t->armed = 1;
	list_add_tail(&es_of(ex)->timers, &t->link);
}

static const struct exec_ops es_ops = { es_post, es_read, es_after, es_cancel };

int
exec_sync_new(struct exec_sync **out)
{
	struct exec_sync *es;

	if ((es = calloc(1, sizeof(*es))) == NULL)
		return (-ENOMEM);
	es->ex.ops = &es_ops;
	lk_init(&es->lk, LK_EXEC);
	cond_init(&es->wake);
	list_init(&es->calls);
	list_init(&es->timers);
	*out = es;
	return (0);
}

void
exec_sync_free(struct exec_sync *es)
{

	if (es == NULL)
		return;
	TT_ASSERT(list_empty(&es->calls) && list_empty(&es->timers));
	(void)pthread_cond_destroy(&es->wake);
	lk_destroy(&es->lk);
	free(es);
}

struct exec *
exec_sync_exec(struct exec_sync *es)
{

	return (&es->ex);
}

/* Fires one timer that is due; otherwise says how long to wait at most. */
static bool
es_fire(struct exec_sync *es, uint64_t *wait_ms)
{
	uint64_t now = clock_mono_ns();

	*wait_ms = 1000;
	LIST_FOREACH(it, &es->timers) {
		struct exec_timer *t = LIST_ENTRY(it, struct exec_timer, link);

		if (t->due_ns <= now) {
			es_cancel(&es->ex, t);
			t->fn(t);
			return (true);
		}
		*wait_ms = TT_MIN(*wait_ms, (t->due_ns - now) / 1000000 + 1);
	}
	return (false);
}

void
exec_sync_run(struct exec_sync *es, const bool *stop)
{

	while (!*stop) {
		struct exec_call *c;
		uint64_t ms;

		if (es_fire(es, &ms))
			continue;
		lk_lock(&es->lk);
		if (list_empty(&es->calls))
			(void)lk_wait_ms(&es->lk, &es->wake, ms);
		c = LIST_FIRST(&es->calls, struct exec_call, link);
		if (c != NULL)
			list_del(&c->link);
		lk_unlock(&es->lk);
		if (c != NULL)
			c->fn(c);
	}
}
