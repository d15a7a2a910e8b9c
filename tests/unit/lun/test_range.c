/* SPDX-License-Identifier: BSD-2-Clause */
#include "lun/range.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/exec_sync.h"
#include "tests/lib/unit.h"
#include "tests/unit/lun/steps.h"

/* ---- an executor that runs only when it is told to ---------------------- */

struct queue {
	struct exec ex;
	struct list calls;
};

static void
queue_post(struct exec *ex, struct exec_call *c)
{

	list_add_tail(&TT_CONTAINER(ex, struct queue, ex)->calls, &c->link);
}

static const struct exec_ops queue_ops = { .post = queue_post };

static void
queue_init(struct queue *q)
{

	q->ex.ops = &queue_ops;
	list_init(&q->calls);
}

static unsigned
queue_run(struct queue *q)
{
	struct exec_call *c;
	unsigned n = 0;

	while ((c = LIST_FIRST(&q->calls, struct exec_call, link)) != NULL) {
		list_del(&c->link);
		c->fn(c);
		n++;
	}
	return (n);
}

struct req {
	struct range r;
	bool asked, held;
	uint64_t order;			/* of arrival */
	uint64_t granted_as;		/* place among the grants */
};

static uint64_t n_grants;

static void
req_granted(struct range *r)
{
	struct req *q = TT_CONTAINER(r, struct req, r);

	CU_ASSERT(!q->held);
	q->held = true;
	q->granted_as = ++n_grants;
}

static bool
req_lock(struct range_set *rs, struct queue *q, struct req *req,
    uint64_t first_blk, uint64_t n_blk, bool exclusive)
{

	req->r.first_blk = first_blk;
	req->r.n_blk = n_blk;
	req->r.exclusive = exclusive;
	req->r.ex = &q->ex;
	req->r.granted = req_granted;
	req->asked = true;
	req->held = range_lock(rs, &req->r);
	return (req->held);
}

static void
req_unlock(struct range_set *rs, struct req *req)
{

	req->asked = req->held = false;
	range_unlock(rs, &req->r);
}

/* ---- cases that can be read --------------------------------------------- */

static void
test_modes(void)
{
	struct range_set rs;
	struct req a, b, c, d;
	struct queue q;

	range_init(&rs);
	queue_init(&q);
	/* Shared and shared; neighbours; the ends of the numbers. */
	CU_ASSERT(req_lock(&rs, &q, &a, 10, 10, false));
	CU_ASSERT(req_lock(&rs, &q, &b, 15, 10, false));
	CU_ASSERT(req_lock(&rs, &q, &c, 9, 1, true));
	CU_ASSERT(req_lock(&rs, &q, &d, 25, UINT64_MAX - 25, true));
	req_unlock(&rs, &c);
	req_unlock(&rs, &d);
	/* Exclusive waits for both, once. */
	CU_ASSERT(!req_lock(&rs, &q, &c, 19, 1, true));
	req_unlock(&rs, &a);
	CU_ASSERT_EQUAL(queue_run(&q), 0);
	req_unlock(&rs, &b);
	CU_ASSERT(!c.held);		/* not from inside the call */
	CU_ASSERT_EQUAL(queue_run(&q), 1);
	CU_ASSERT(c.held);
	/* Shared waits for exclusive. */
	CU_ASSERT(!req_lock(&rs, &q, &a, 0, 100, false));
	CU_ASSERT(!req_lock(&rs, &q, &b, 19, 1, true));
	req_unlock(&rs, &c);
	CU_ASSERT_EQUAL(queue_run(&q), 1);
	CU_ASSERT(a.held && !b.held);
	req_unlock(&rs, &a);
	CU_ASSERT_EQUAL(queue_run(&q), 1);
	req_unlock(&rs, &b);
	range_destroy(&rs);
}

/* Who comes later does not overtake, so nobody starves. */
static void
test_no_overtaking(void)
{
	struct req a, x, s[100], far;
	struct range_set rs;
	struct queue q;

	range_init(&rs);
	queue_init(&q);
	CU_ASSERT(req_lock(&rs, &q, &a, 0, 8, false));
	CU_ASSERT(!req_lock(&rs, &q, &x, 4, 8, true));
	/* They would fit beside a, but x came first. */
	for (unsigned i = 0; i < 100; i++)
		CU_ASSERT(!req_lock(&rs, &q, &s[i], i % 8, 8, false));
	CU_ASSERT(req_lock(&rs, &q, &far, 20, 4, true));
	CU_ASSERT_EQUAL(queue_run(&q), 0);
	req_unlock(&rs, &a);
	CU_ASSERT_EQUAL(queue_run(&q), 1);
	CU_ASSERT(x.held);
	n_grants = 0;
	req_unlock(&rs, &x);
	CU_ASSERT_EQUAL(queue_run(&q), 100);
	for (unsigned i = 0; i < 100; i++) {
		CU_ASSERT_EQUAL(s[i].granted_as, i + 1);
		req_unlock(&rs, &s[i]);
	}
	req_unlock(&rs, &far);
	range_destroy(&rs);
}

/* ---- against the definition --------------------------------------------- */

#define REQS	16
#define BLKS	24

static bool
overlap(const struct req *a, const struct req *b)
{

	for (uint64_t i = a->r.first_blk; i < a->r.first_blk + a->r.n_blk; i++)
		if (i >= b->r.first_blk && i < b->r.first_blk + b->r.n_blk)
			return (true);
	return (false);
}

/* Held: exactly who has nobody before him that he conflicts with. */
static bool
must_hold(const struct req *all, const struct req *r)
{

	for (unsigned i = 0; i < REQS; i++)
		if (all[i].asked && all[i].order < r->order &&
		    (all[i].r.exclusive || r->r.exclusive) &&
		    overlap(&all[i], r))
			return (false);
	return (true);
}

static void
test_random(void)
{
	const unsigned n = steps(300000);
	struct req all[REQS];
	struct rnd r = { 70 };
	struct range_set rs;
	uint64_t bad = 0, order = 0, waited = 0;
	struct queue q;

	memset(all, 0, sizeof(all));
	range_init(&rs);
	queue_init(&q);
	for (unsigned k = 0; k < n; k++) {
		struct req *x = &all[rnd_below(&r, REQS)];
		const uint64_t first = rnd_below(&r, BLKS);
		uint64_t last = 0;

		n_grants = 0;
		for (unsigned i = 0; i < REQS; i++)
			all[i].granted_as = 0;
		if (x->held) {
			req_unlock(&rs, x);
		} else if (!x->asked) {
			x->order = ++order;
			waited += !req_lock(&rs, &q, x, first,
			    1 + rnd_below(&r, TT_MIN(BLKS - first, 8)),
			    rnd_below(&r, 3) == 0);
		}
		(void)queue_run(&q);
		for (unsigned i = 0; i < REQS; i++)
			bad += all[i].asked && all[i].held !=
			    must_hold(all, &all[i]);
		/* The grants of one unlock: in the order of arrival. */
		for (uint64_t g = 1; g <= n_grants; g++)
			for (unsigned i = 0; i < REQS; i++)
				if (all[i].granted_as == g) {
					bad += all[i].order < last;
					last = all[i].order;
				}
	}
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT(waited > n / 8);
	for (unsigned left = REQS; left > 0; ) {
		left = 0;
		for (unsigned i = 0; i < REQS; i++) {
			if (all[i].held)
				req_unlock(&rs, &all[i]);
			(void)queue_run(&q);
			left += all[i].asked;
		}
	}
	range_destroy(&rs);
}

/* ---- several threads ---------------------------------------------------- */

#define THREADS	4
#define DEPTH	8

struct shared {
	struct range_set rs;
	_Atomic int use[BLKS];		/* holders; -1: one exclusive */
	uint64_t plain[BLKS];		/* guarded by ranges alone */
	_Atomic uint64_t bad, waited, exclusive_blks;
};

struct worker;

struct task {
	struct range r;
	struct exec_call step;
	struct worker *w;
	unsigned steps;			/* while it is held */
};

struct worker {
	struct shared *sh;
	struct exec_sync *es;
	struct task task[DEPTH];
	struct rnd rnd;
	unsigned left, running;
	bool stop;
	pthread_t thread;
};

static void task_next(struct task *t);

static void
task_enter(struct task *t)
{
	struct shared *sh = t->w->sh;

	for (uint64_t b = t->r.first_blk; b < t->r.first_blk + t->r.n_blk;
	    b++) {
		if (t->r.exclusive) {
			int free = 0;

			if (!atomic_compare_exchange_strong(&sh->use[b], &free,
			    -1))
				atomic_fetch_add(&sh->bad, 1);
			sh->plain[b]++;
		} else {
			if (atomic_fetch_add(&sh->use[b], 1) < 0)
				atomic_fetch_add(&sh->bad, 1);
			if (sh->plain[b] == UINT64_MAX)
				atomic_fetch_add(&sh->bad, 1);
		}
	}
}

static void
task_leave(struct task *t)
{
	struct shared *sh = t->w->sh;

	for (uint64_t b = t->r.first_blk; b < t->r.first_blk + t->r.n_blk;
	    b++)
		atomic_fetch_add(&sh->use[b], t->r.exclusive ? 1 : -1);
	if (t->r.exclusive)
		atomic_fetch_add(&sh->exclusive_blks, t->r.n_blk);
}

/* Held over some turns of the loop, as over a read of the base. */
static void
task_step(struct exec_call *c)
{
	struct task *t = TT_CONTAINER(c, struct task, step);

	if (t->steps-- > 0) {
		exec_post(t->r.ex, &t->step);
		return;
	}
	task_leave(t);
	range_unlock(&t->w->sh->rs, &t->r);
	task_next(t);
}

static void
task_granted(struct range *r)
{
	struct task *t = TT_CONTAINER(r, struct task, r);

	if (!pthread_equal(pthread_self(), t->w->thread))
		atomic_fetch_add(&t->w->sh->bad, 1);
	task_enter(t);
	task_step(&t->step);
}

static void
task_next(struct task *t)
{
	struct worker *w = t->w;

	if (w->left == 0) {
		w->stop = --w->running == 0;
		return;
	}
	w->left--;
	t->steps = (unsigned)rnd_below(&w->rnd, 3);
	t->r.first_blk = rnd_below(&w->rnd, BLKS);
	t->r.n_blk = 1 + rnd_below(&w->rnd,
	    TT_MIN(BLKS - t->r.first_blk, 6));
	t->r.exclusive = rnd_below(&w->rnd, 3) == 0;
	if (range_lock(&w->sh->rs, &t->r)) {
		task_enter(t);
		exec_post(t->r.ex, &t->step);
	} else {
		atomic_fetch_add(&w->sh->waited, 1);
	}
}

static void *
worker_main(void *arg)
{
	struct worker *w = arg;

	w->thread = pthread_self();
	w->running = DEPTH;
	for (unsigned i = 0; i < DEPTH; i++) {
		struct task *t = &w->task[i];

		t->w = w;
		t->r.ex = exec_sync_exec(w->es);
		t->r.granted = task_granted;
		t->step.fn = task_step;
		task_next(t);
	}
	exec_sync_run(w->es, &w->stop);
	return (NULL);
}

/* That it ends at all shows that nobody starves. */
static void
test_threads(void)
{
	const unsigned n = steps(200000);
	static struct worker w[THREADS];
	static struct shared sh;
	pthread_t t[THREADS];
	uint64_t sum = 0;

	range_init(&sh.rs);
	for (unsigned i = 0; i < THREADS; i++) {
		w[i].sh = &sh;
		w[i].rnd.s = 80 + i;
		w[i].left = n;
		CU_ASSERT_EQUAL_FATAL(exec_sync_new(&w[i].es), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, worker_main,
		    &w[i]), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		CU_ASSERT_EQUAL(pthread_join(t[i], NULL), 0);
		exec_sync_free(w[i].es);
	}
	CU_ASSERT_EQUAL(sh.bad, 0);
	CU_ASSERT(sh.waited > n / 10);
	for (unsigned b = 0; b < BLKS; b++) {
		CU_ASSERT_EQUAL(sh.use[b], 0);
		sum += sh.plain[b];
	}
	CU_ASSERT_EQUAL(sum, sh.exclusive_blks);
	range_destroy(&sh.rs);
}

static const struct unit_test tests[] = {
	{ "modes", test_modes },
	{ "no overtaking", test_no_overtaking },
	{ "random against the definition", test_random },
	{ "threads", test_threads },
};
UNIT_MAIN("range", tests)
