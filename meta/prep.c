/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/prep.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/clock.h"
#include "meta/base/lock.h"
#include "meta/base/msg.h"

/* After a failure (as a rule: no space), before the next attempt. */
#define RETRY_MS	10000u
/*
 * Two segments within FAST_MS: nothing is prepared for REST_MS, unless
 * somebody has flushed within ASKED_MS.
 */
#define FAST_MS		250u
#define REST_MS		1000u
#define ASKED_MS	5000u

/* Members are protected by:  l  lk   a  atomic   t  the thread   I  immutable */
struct prep {
	const struct segs_ops *ops;	/* [I] */
	void *be;			/* [I] */
	void (*tidy)(void *arg);	/* [I] */
	void *arg;			/* [I] */
	struct lk lk;			/* rank LK_PREP */
	pthread_cond_t work;
	pthread_t thread;		/* [l] if started */
	bool started, quit, kick;	/* [l] */
	unsigned target;		/* [l] */
	uint64_t used_ms, fast_ms;	/* [l] last one; of two in a hurry */
	uint64_t asked_ms;		/* [a] by __atomic; 0: never */
	bool stop;			/* [a] by __atomic: for the backend */
	bool failing;			/* [t] it has been said */
};

/*
 * Sleeps until there may be something to do, with ${pause_ms} not longer than
 * that; false: quit.
 */
static bool
wait_work(struct prep *p, unsigned pause_ms, unsigned *target)
{
	bool go;

	lk_lock(&p->lk);
	while (!p->quit && !p->kick) {
		if (pause_ms == 0)
			lk_wait(&p->lk, &p->work);
		else if (!lk_wait_ms(&p->lk, &p->work, pause_ms))
			break;
	}
	p->kick = false;
	go = !p->quit;
	*target = p->target;
	/* With the lock held: a stop after this is for the round to come. */
	if (go && p->target > 0)
		__atomic_store_n(&p->stop, false, __ATOMIC_RELEASE);
	lk_unlock(&p->lk);
	return (go);
}

static bool
is_hurry(struct prep *p)
{
	uint64_t now = clock_mono_ms();
	uint64_t asked = __atomic_load_n(&p->asked_ms, __ATOMIC_RELAXED);
	bool yes;

	if (asked != 0 && now < asked + ASKED_MS)
		return (false);
	lk_lock(&p->lk);
	yes = p->fast_ms != 0 && now < p->fast_ms + REST_MS;
	lk_unlock(&p->lk);
	return (yes);
}

/* Prepares until enough are there; when to look again, 0: when woken. */
static unsigned
round_of(struct prep *p, unsigned target)
{

	while (!__atomic_load_n(&p->stop, __ATOMIC_ACQUIRE) &&
	    p->ops->prepared(p->be) < target) {
		int rc;

		if (is_hurry(p))
			return (REST_MS);
		rc = p->ops->prepare(p->be, &p->stop);
		if (rc == -ECANCELED)
			return (0);
		if (rc != 0) {
			if (!p->failing)
				msg_warn("cannot prepare a segment ahead: %s",
				    strerror(-rc));
			p->failing = true;
			return (RETRY_MS);
		}
		p->failing = false;
	}
	return (0);
}

static void *
prep_thread(void *arg)
{
	struct prep *p = arg;
	unsigned target, pause_ms = 0;

	while (wait_work(p, pause_ms, &target)) {
		p->tidy(p->arg);
		pause_ms = round_of(p, target);
	}
	return (NULL);
}

int
prep_new(const struct segs_ops *ops, void *be, void (*tidy)(void *arg),
    void *arg, struct prep **out)
{
	struct prep *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return (-ENOMEM);
	p->ops = ops;
	p->be = be;
	p->tidy = tidy;
	p->arg = arg;
	lk_init(&p->lk, LK_PREP);
	cond_init(&p->work);
	*out = p;
	return (0);
}

void
prep_free(struct prep *p)
{

	if (p == NULL)
		return;
	lk_lock(&p->lk);
	p->quit = true;
	__atomic_store_n(&p->stop, true, __ATOMIC_RELEASE);
	(void)pthread_cond_signal(&p->work);
	lk_unlock(&p->lk);
	if (p->started)
		(void)pthread_join(p->thread, NULL);
	(void)pthread_cond_destroy(&p->work);
	lk_destroy(&p->lk);
	free(p);
}

/* Signals are for the main thread. */
static int
start_locked(struct prep *p)
{
	sigset_t all, old;
	int rc;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&p->thread, NULL, prep_thread, p);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	p->started = rc == 0;
	return (-rc);
}

int
prep_set(struct prep *p, unsigned n)
{
	int rc = 0;

	lk_lock(&p->lk);
	p->target = n;
	p->kick = true;
	if (n == 0)
		__atomic_store_n(&p->stop, true, __ATOMIC_RELEASE);
	if (n > 0 && !p->started)
		rc = start_locked(p);
	(void)pthread_cond_signal(&p->work);
	lk_unlock(&p->lk);
	if (rc != 0)
		msg_warn("cannot start a thread: %s", strerror(-rc));
	return (rc);
}

void
prep_asked(struct prep *p)
{

	__atomic_store_n(&p->asked_ms, clock_mono_ms(), __ATOMIC_RELAXED);
}

void
prep_wake(struct prep *p)
{
	uint64_t now = clock_mono_ms();

	lk_lock(&p->lk);
	if (p->used_ms != 0 && now < p->used_ms + FAST_MS)
		p->fast_ms = now;
	p->used_ms = now;
	p->kick = true;
	(void)pthread_cond_signal(&p->work);
	lk_unlock(&p->lk);
}

unsigned
prep_target(struct prep *p)
{
	unsigned n;

	lk_lock(&p->lk);
	n = p->target;
	lk_unlock(&p->lk);
	return (n);
}
