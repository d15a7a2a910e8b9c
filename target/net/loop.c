/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop.c - the turn of an io_uring loop.
 *
 * The ring is created disabled and enabled by the thread that calls loop_run:
 * with SINGLE_ISSUER the kernel ties it to that thread, and with
 * DEFER_TASKRUN completions are worked off only when that thread asks for
 * them, which keeps them out of the middle of other work.
 *
 * Other threads reach the loop through one list under a mutex.  They write to
 * the eventfd only when the loop has said, under the same mutex, that it is
 * about to sleep; so posting to a busy loop costs no system call.
 *
 * Whatever starts an operation only fills a submission entry; completions run
 * from loop_dispatch alone.  Thus no callback is ever nested in the call that
 * started it.
 */
#include "target/net/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "target/net/loop_state.h"

#define LOOP_REAP	64	/* completions copied out at a time */
/*
 * Posted calls that post calls (a cached read that is answered at once) are
 * run in the same turn up to this depth, so that their sends share a submit.
 */
#define LOOP_ROUNDS	4
#define LOOP_CANCELS	64	/* at a time, when the loop ends */
#define LOOP_SLEEP_MAX_NS (UINT64_C(3600) * 1000000000)

static struct loop *
loop_of(struct exec *ex)
{

	return (TT_CONTAINER(ex, struct loop, ex));
}

void
loop_before_submit(struct loop *l, struct exec_call *c)
{

	list_add_tail(&l->before_submit, &c->link);
}

bool
loop_is_running(const struct loop *l)
{

	return (l->is_running);
}

/* --- the executor --- */

static void
loop_kick(struct loop *l)
{
	static const uint64_t one = 1;
	ssize_t n;

	/* Only EINTR can happen: the counter is far from its end. */
	do {
		n = write(l->efd, &one, sizeof(one));
	} while (n < 0 && errno == EINTR);
	TT_ASSERT(n == (ssize_t)sizeof(one));
}

/* The eventfd must outlive the write, so it is made with the lock held. */
static void
loop_post(struct exec *ex, struct exec_call *c)
{
	struct loop *l = loop_of(ex);

	lk_lock(&l->lk);
	list_add_tail(&l->calls, &c->link);
	if (l->is_sleeping) {
		l->is_sleeping = false;
		loop_kick(l);
	}
	lk_unlock(&l->lk);
}

void
loop_stop(struct loop *l)
{

	lk_lock(&l->lk);
	l->must_stop = true;
	if (l->is_sleeping) {
		l->is_sleeping = false;
		loop_kick(l);
	}
	lk_unlock(&l->lk);
}

static void
loop_read(struct exec *ex, struct exec_read *r)
{

	loop_op_read(loop_of(ex), r);
}

static void
loop_after(struct exec *ex, struct exec_timer *t, uint64_t us)
{

	timers_arm(&loop_of(ex)->timers, t, clock_mono_ns(), us);
}

static void
loop_cancel_timer(struct exec *ex, struct exec_timer *t)
{

	timers_cancel(&loop_of(ex)->timers, t);
}

static const struct exec_ops loop_exec_ops = {
	loop_post, loop_read, loop_after, loop_cancel_timer
};

struct exec *
loop_exec(struct loop *l)
{

	return (&l->ex);
}

/* --- making and freeing --- */

static void
loop_wake_prep(struct loop_op *op, struct io_uring_sqe *sqe)
{
	struct loop *l = TT_CONTAINER(op, struct loop, wake);

	io_uring_prep_read(sqe, l->efd, &l->efd_value, sizeof(l->efd_value),
	    0);
}

static void
loop_wake_done(struct loop_op *op, int res)
{
	struct loop *l = TT_CONTAINER(op, struct loop, wake);

	(void)res;
	loop_start(l, op);
}

int
loop_new(struct loop **out)
{
	struct loop *l;
	int rc;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		return (-ENOMEM);
	if ((l->efd = eventfd(0, EFD_CLOEXEC)) < 0) {
		rc = -errno;
		msg_err("eventfd: %s", strerror(-rc));
		goto out_free;
	}
	if ((rc = loop_op_ring(&l->ring)) != 0)
		goto out_close;
	l->ex.ops = &loop_exec_ops;
	lk_init(&l->lk, LK_EXEC);
	list_init(&l->calls);
	list_init(&l->queued_ops);
	list_init(&l->queued_reads);
	list_init(&l->flying_ops);
	list_init(&l->parked_ops);
	list_init(&l->hooks);
	list_init(&l->before_submit);
	timers_init(&l->timers);
	l->wake.prep = loop_wake_prep;
	l->wake.done = loop_wake_done;
	l->wake.is_parking = true;
	loop_start(l, &l->wake);
	*out = l;
	return (0);

out_close:
	(void)close(l->efd);
out_free:
	free(l);
	return (rc);
}

void
loop_free(struct loop *l)
{

	if (l == NULL)
		return;
	TT_ASSERT(!l->is_running && list_empty(&l->flying_ops) &&
	    l->n_flying_reads == 0 && list_empty(&l->queued_reads));
	/* Whoever posted last may still be inside its unlock. */
	lk_lock(&l->lk);
	lk_unlock(&l->lk);
	io_uring_queue_exit(&l->ring);
	(void)close(l->efd);
	lk_destroy(&l->lk);
	free(l);
}

void
loop_add_hook(struct loop *l, struct loop_hook *h)
{

	list_add_tail(&l->hooks, &h->link);
}

void
loop_del_hook(struct loop *l, struct loop_hook *h)
{

	(void)l;
	list_del(&h->link);
}

/* --- the turn --- */

static void
loop_complete(struct loop *l, uint64_t user_data, int res)
{
	void *p;

	/* liburing's own timeouts, on kernels without EXT_ARG */
	if (user_data == LIBURING_UDATA_TIMEOUT)
		return;
	if ((user_data & UD_MASK) == UD_CANCEL) {
		l->n_flying_cancels--;
		return;
	}
	p = (void *)(uintptr_t)(user_data & ~(uint64_t)UD_MASK);
	if ((user_data & UD_MASK) == UD_READ) {
		struct exec_read *r = p;

		l->n_flying_reads--;
		if (res == -EINTR || res == -EAGAIN) {
			loop_op_read(l, r);
			return;
		}
		r->res = res;
		r->done(r);
	} else {
		struct loop_op *op = p;

		TT_ASSERT(op->state == LOOP_OP_FLYING);
		list_del(&op->link);
		op->state = LOOP_OP_IDLE;
		if (!l->is_running && op->is_parking && !op->is_final &&
		    res == -ECANCELED)
			loop_start(l, op);
		else
			op->done(op, res);
	}
}

/*
 * Completions are copied out before any of them runs: a callback may submit
 * when the submission queue is full, which puts new ones into the ring.
 */
static void
loop_dispatch(struct loop *l)
{
	struct io_uring_cqe *cqes[LOOP_REAP];
	struct { uint64_t user_data; int res; } done[LOOP_REAP];

	for (unsigned left = LOOP_CQ_ENTRIES; left > 0; ) {
		unsigned n = io_uring_peek_batch_cqe(&l->ring, cqes,
		    TT_MIN(left, LOOP_REAP));

		if (n == 0)
			return;
		for (unsigned i = 0; i < n; i++) {
			done[i].user_data = cqes[i]->user_data;
			done[i].res = cqes[i]->res;
		}
		io_uring_cq_advance(&l->ring, n);
		for (unsigned i = 0; i < n; i++)
			loop_complete(l, done[i].user_data, done[i].res);
		left -= n;
	}
}

static void
loop_fire(struct loop *l)
{
	const uint64_t now = clock_mono_ns();
	struct exec_timer *t;

	while ((t = timers_pop(&l->timers, now)) != NULL)
		t->fn(t);
}

/* Runs the calls posted so far; false: there were none. */
static bool
loop_call(struct loop *l)
{
	struct list now;

	list_init(&now);
	lk_lock(&l->lk);
	l->is_sleeping = false;
	list_splice_tail(&now, &l->calls);
	lk_unlock(&l->lk);
	if (list_empty(&now))
		return (false);
	while (!list_empty(&now)) {
		struct exec_call *c = LIST_FIRST(&now, struct exec_call, link);

		list_del(&c->link);
		c->fn(c);
	}
	return (true);
}

/* A hook may delete itself or others: each goes back before it is called. */
static void
loop_run_hooks(struct loop *l)
{
	struct list todo;

	list_init(&todo);
	list_splice_tail(&todo, &l->hooks);
	while (!list_empty(&todo)) {
		struct loop_hook *h = LIST_FIRST(&todo, struct loop_hook, link);

		list_del(&h->link);
		list_add_tail(&l->hooks, &h->link);
		h->fn(h);
	}
}

static void
loop_turn(struct loop *l)
{

	loop_dispatch(l);
	loop_fire(l);
	(void)loop_call(l);
	loop_run_hooks(l);
	for (unsigned i = 1; i < LOOP_ROUNDS && loop_call(l); i++)
		loop_run_hooks(l);
	while (!list_empty(&l->before_submit)) {
		struct exec_call *c = LIST_FIRST(&l->before_submit,
		    struct exec_call, link);

		list_del(&c->link);
		c->fn(c);
	}
	loop_op_unqueue_all(l);
}

/* Announces the sleep; false: there is something to do first. */
static bool
loop_may_sleep(struct loop *l)
{
	bool may;

	if (!list_empty(&l->queued_ops) || !list_empty(&l->queued_reads))
		return (false);
	lk_lock(&l->lk);
	may = list_empty(&l->calls) && !l->must_stop;
	l->is_sleeping = may;
	lk_unlock(&l->lk);
	return (may);
}

/* Submits everything and sleeps until there is something to do. */
static int
loop_wait(struct loop *l)
{
	struct io_uring_cqe *cqe;
	struct __kernel_timespec ts;
	uint64_t due, now, ns;
	int rc;

	if (!loop_may_sleep(l)) {
		rc = io_uring_submit_and_get_events(&l->ring);
	} else {
		due = timers_next_ns(&l->timers);
		now = clock_mono_ns();
		ns = due <= now ? 0 : TT_MIN(due - now, LOOP_SLEEP_MAX_NS);
		ts.tv_sec = (long long)(ns / 1000000000);
		ts.tv_nsec = (long long)(ns % 1000000000);
		rc = io_uring_submit_and_wait_timeout(&l->ring, &cqe, 1, &ts,
		    NULL);
	}
	/* Busy or short of memory for now: what was refused stays queued. */
	if (rc >= 0 || rc == -ETIME || rc == -EINTR || rc == -EBUSY ||
	    rc == -EAGAIN)
		return (0);
	msg_err("io_uring_enter: %s", strerror(-rc));
	return (rc);
}

/* Asks for the end of every parking operation; how many are in flight. */
static unsigned
loop_cancel_parking(struct loop *l)
{
	struct io_uring_sqe *sqe;
	unsigned n = 0;

	LIST_FOREACH(it, &l->flying_ops) {
		struct loop_op *op = LIST_ENTRY(it, struct loop_op, link);

		if (!op->is_parking)
			continue;
		n++;
		if (l->n_flying_cancels >= LOOP_CANCELS ||
		    (sqe = loop_op_sqe(l)) == NULL)
			continue;
		io_uring_prep_cancel64(sqe, (uintptr_t)op | UD_OP, 0);
		sqe->user_data = UD_CANCEL;
		l->n_flying_cancels++;
	}
	return (n);
}

/*
 * Takes back what the loop itself and listeners always have in the kernel, so
 * that an otherwise idle loop has nothing in flight when loop_run returns.
 */
static int
loop_park(struct loop *l)
{
	int rc = 0;

	while (rc == 0 &&
	    (loop_cancel_parking(l) > 0 || l->n_flying_cancels > 0)) {
		rc = loop_wait(l);
		loop_dispatch(l);
	}
	return (rc);
}

int
loop_run(struct loop *l)
{
	bool stop = false;
	int rc = 0;

	if (!l->is_enabled) {
		/* io_uring_enable_rings is not exported by liburing 2.3. */
		rc = io_uring_register((unsigned)l->ring.ring_fd,
		    IORING_REGISTER_ENABLE_RINGS, NULL, 0);
		if (rc < 0) {
			msg_err("io_uring: %s", strerror(-rc));
			return (rc);
		}
		l->is_enabled = true;
		rc = 0;
	}
	l->is_running = true;
	list_splice_tail(&l->queued_ops, &l->parked_ops);
	loop_turn(l);
	while (rc == 0 && !stop) {
		rc = loop_wait(l);
		loop_turn(l);
		lk_lock(&l->lk);
		stop = l->must_stop;
		l->must_stop = false;
		lk_unlock(&l->lk);
	}
	l->is_running = false;
	if (rc == 0)
		rc = loop_park(l);
	return (rc);
}
