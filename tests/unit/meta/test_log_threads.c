/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many threads append, one cuts and drains, others sync.  After a drain the
 * cut is exact: what is visible in its generations is what is before it in the
 * log, no more and no less.  In the end a recovery finds every record, the
 * ones of each thread in their order.
 */
#include <pthread.h>
#include <sched.h>

#include "meta/base/bytes.h"
#include "tests/unit/lun/steps.h"
#include "tests/unit/meta/logfix.h"

#define N_APPENDERS	5
#define N_SYNCERS	2
#define GENS		4096u
#define BATCH_MAX	4

struct shared {
	struct logfix *x;
	_Atomic bool stop;
	_Atomic unsigned running, wrong;
	/* records made visible, by generation */
	_Atomic uint64_t visible[GENS];
	_Atomic uint64_t last_end;
	unsigned rounds;
};

struct job {
	struct shared *sh;
	unsigned who;
	uint32_t next;			/* numbers the thread's records */
	uint64_t last_seq;
	pthread_t thread;
};

static void
number_it(struct one *o, const struct job *j, uint32_t k)
{

	put_be32(o->payload, j->who);
	put_be32(o->payload + 4, j->next + k);
}

static void
append_some(struct job *j, struct rnd *r)
{
	struct shared *sh = j->sh;
	struct log_rec *lrs[BATCH_MAX];
	struct one o[BATCH_MAX];
	struct log_batch b;
	size_t n = 1 + rnd_below(r, BATCH_MAX);

	for (size_t i = 0; i < n; i++) {
		one_items(&o[i], REC_CATALOG, 8 + rnd_below(r, 3000), i);
		number_it(&o[i], j, (uint32_t)i);
		lrs[i] = &o[i].lr;
	}
	log_append(sh->x->l, lrs, n, NULL, NULL, &b);
	if (rnd_below(r, 4) == 0)
		sched_yield();
	for (size_t i = 0; i < n; i++) {
		if (o[i].lr.rc != 0 || o[i].lr.seq <= j->last_seq)
			atomic_fetch_add(&sh->wrong, 1);
		j->last_seq = o[i].lr.seq;
		one_free(&o[i]);
	}
	atomic_fetch_add(&sh->visible[(b.gen - LOG_FIRST_GEN) % GENS], n);
	log_batch_done(sh->x->l, &b);
	atomic_store(&sh->last_end, b.end_pos);
	j->next += (uint32_t)n;
}

static void *
appender(void *arg)
{
	struct job *j = arg;
	struct rnd r = { j->who * 7919 + 1 };

	for (unsigned i = 0; i < j->sh->rounds; i++)
		append_some(j, &r);
	atomic_fetch_sub(&j->sh->running, 1);
	return (NULL);
}

static void *
syncer(void *arg)
{
	struct job *j = arg;
	struct shared *sh = j->sh;
	struct log_state st;

	while (!atomic_load(&sh->stop)) {
		uint64_t end = atomic_load(&sh->last_end);

		if (log_sync(sh->x->l, end) != 0)
			atomic_fetch_add(&sh->wrong, 1);
		log_state(sh->x->l, &st);
		if (st.synced_pos < end || st.end_pos < st.synced_pos ||
		    st.synced_seq > st.seq)
			atomic_fetch_add(&sh->wrong, 1);
		sched_yield();
	}
	return (NULL);
}

static uint64_t
visible_up_to(struct shared *sh, uint64_t gen)
{
	uint64_t sum = 0;

	for (uint64_t g = LOG_FIRST_GEN; g <= gen; g++)
		sum += atomic_load(&sh->visible[g - LOG_FIRST_GEN]);
	return (sum);
}

/* Cuts, with and without a record, until the appenders are done. */
static unsigned
cut_and_count(struct shared *sh)
{
	unsigned cuts = 0, own = 0;

	while (atomic_load(&sh->running) > 0 && cuts < GENS - 2) {
		struct log_cut cut;
		struct one o;

		one_items(&o, REC_SNAPSHOT, 9, cuts);
		put_be32(o.payload, UINT32_MAX);
		if (log_cut(sh->x->l, cuts % 2 == 0 ? &o.lr : NULL, &cut) != 0)
			atomic_fetch_add(&sh->wrong, 1);
		own += cuts % 2 == 0;
		if (cut.gen != LOG_FIRST_GEN + cuts)
			atomic_fetch_add(&sh->wrong, 1);
		log_drain(sh->x->l, cut.gen);
		if (visible_up_to(sh, cut.gen) + own != cut.pos.seq)
			atomic_fetch_add(&sh->wrong, 1);
		one_free(&o);
		cuts++;
		sched_yield();
	}
	return (cuts);
}

static int
check_one(void *arg, const struct rec *r, const uint8_t *hdr,
    const uint8_t *payload)
{
	struct job *jobs = arg;
	uint32_t who = get_be32(payload);

	(void)hdr;
	if (r->kind == REC_SNAPSHOT)
		return (0);
	if (who >= N_APPENDERS || get_be32(payload + 4) != jobs[who].next)
		return (-EBADMSG);
	jobs[who].next++;
	return (0);
}

static void
expect_all(struct logfix *x, struct job *jobs, const uint32_t *want)
{
	struct recover_conf rc = { .segs = x->f.ss,
	    .segment_bytes = SEG_BYTES, .replay = check_one, .arg = jobs };
	struct recovery *rv;

	memcpy(rc.store_uuid, x->conf.store_uuid, 16);
	for (unsigned i = 0; i < N_APPENDERS; i++)
		jobs[i].next = 0;
	CU_ASSERT_EQUAL_FATAL(recover_run(&rc, &rv), 0);
	for (unsigned i = 0; i < N_APPENDERS; i++)
		CU_ASSERT_EQUAL(jobs[i].next, want[i]);
	recovery_free(rv);
}

static void
test_cuts(void)
{
	static struct shared sh;
	struct job app[N_APPENDERS], syn[N_SYNCERS];
	uint32_t want[N_APPENDERS];
	struct logfix x;
	unsigned cuts;

	logfix_setup(&x);
	sh.x = &x;
	sh.rounds = steps(3000);
	sh.running = N_APPENDERS;
	for (unsigned i = 0; i < N_APPENDERS; i++) {
		app[i] = (struct job){ .sh = &sh, .who = i };
		CU_ASSERT_EQUAL_FATAL(pthread_create(&app[i].thread, NULL,
		    appender, &app[i]), 0);
	}
	for (unsigned i = 0; i < N_SYNCERS; i++) {
		syn[i] = (struct job){ .sh = &sh };
		CU_ASSERT_EQUAL_FATAL(pthread_create(&syn[i].thread, NULL,
		    syncer, &syn[i]), 0);
	}
	cuts = cut_and_count(&sh);
	CU_ASSERT_TRUE(cuts > 2);
	for (unsigned i = 0; i < N_APPENDERS; i++) {
		(void)pthread_join(app[i].thread, NULL);
		want[i] = app[i].next;
	}
	atomic_store(&sh.stop, true);
	for (unsigned i = 0; i < N_SYNCERS; i++)
		(void)pthread_join(syn[i].thread, NULL);
	CU_ASSERT_EQUAL(sh.wrong, 0);
	CU_ASSERT_EQUAL(visible_up_to(&sh, LOG_FIRST_GEN + cuts) +
	    (cuts + 1) / 2, log_state_seq(&x));
	log_close(x.l);
	expect_all(&x, app, want);
	logfix_open(&x, 2, (struct log_pos){ 0, 0, 0, 0, 0 });
	logfix_teardown(&x);
}

struct late {
	struct logfix *x;
	uint64_t gen;
	_Atomic int drained;
};

static void *
drain_it(void *arg)
{
	struct late *d = arg;

	log_drain(d->x->l, d->gen);
	atomic_store(&d->drained, 1);
	return (NULL);
}

/* A drain waits for the batch that is on its way, and not for later ones. */
static void
test_drain_waits(void)
{
	struct log_batch before, after;
	struct timespec ms20 = { 0, 20000000 };
	struct log_rec *lr;
	struct log_cut cut;
	struct logfix x;
	struct late d;
	struct one o[2];
	pthread_t t;

	logfix_setup(&x);
	one_zero(&o[0], 1);
	one_zero(&o[1], 1);
	lr = &o[0].lr;
	log_append(x.l, &lr, 1, NULL, NULL, &before);
	CU_ASSERT_EQUAL(log_cut(x.l, NULL, &cut), 0);
	lr = &o[1].lr;
	log_append(x.l, &lr, 1, NULL, NULL, &after);
	CU_ASSERT_EQUAL(before.gen, cut.gen);
	CU_ASSERT_EQUAL(after.gen, cut.gen + 1);
	d = (struct late){ .x = &x, .gen = cut.gen };
	CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, drain_it, &d), 0);
	(void)nanosleep(&ms20, NULL);
	CU_ASSERT_EQUAL(d.drained, 0);
	log_batch_done(x.l, &before);
	(void)pthread_join(t, NULL);
	CU_ASSERT_EQUAL(d.drained, 1);
	log_batch_done(x.l, &after);
	one_free(&o[0]);
	one_free(&o[1]);
	logfix_teardown(&x);
}

static const struct unit_test tests[] = {
	{ "cuts between concurrent appends", test_cuts },
	{ "a drain waits", test_drain_waits },
};

UNIT_MAIN("log threads", tests)
