/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/prep.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/lock.h"
#include "meta/base/msg.h"

/* After a failure (as a rule: no space), before the next attempt. */
#define RETRY_MS	10000u

/* Members are protected by:  l  lk   a  atomic   t  the thread   I  immutable */
struct prep {
	const struct segs_ops *ops;	/* [I] */
	void *be;			/* [I] */
	struct lk lk;			/* rank LK_PREP */
	pthread_cond_t work;
	pthread_t thread;		/* [l] if started */
	bool started, quit, kick;	/* [l] */
	unsigned target;		/* [l] */
	bool stop;			/* [a] by __atomic: for the backend */
	bool failing;			/* [t] it has been said */
};

/*
 * Sleeps until there may be something to do; false: quit.  ${failed}: not at
 * once again, unless the target changes or a prepared file is used.
 */
static bool
wait_work(struct prep *p, bool failed, unsigned *target)
{
	bool go;

	lk_lock(&p->lk);
	while (!p->quit && !p->kick) {
		if (!failed)
			lk_wait(&p->lk, &p->work);
		else if (!lk_wait_ms(&p->lk, &p->work, RETRY_MS))
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

/* Prepares until enough are there; true: one could not be made. */
static bool
round_of(struct prep *p, unsigned target)
{

	while (!__atomic_load_n(&p->stop, __ATOMIC_ACQUIRE) &&
	    p->ops->prepared(p->be) < target) {
		int rc = p->ops->prepare(p->be, &p->stop);

		if (rc == -ECANCELED)
			return (false);
		if (rc != 0) {
			if (!p->failing)
				msg_warn("cannot prepare a segment ahead: %s",
				    strerror(-rc));
			p->failing = true;
			return (true);
		}
		p->failing = false;
	}
	return (false);
}

static void *
prep_thread(void *arg)
{
	struct prep *p = arg;
	unsigned target;
	bool failed = false;

	while (wait_work(p, failed, &target))
		failed = round_of(p, target);
	return (NULL);
}

int
prep_new(const struct segs_ops *ops, void *be, struct prep **out)
{
	struct prep *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return (-ENOMEM);
	p->ops = ops;
	p->be = be;
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
prep_wake(struct prep *p)
{

	lk_lock(&p->lk);
	p->kick = true;
	(void)pthread_cond_signal(&p->work);
	lk_unlock(&p->lk);
}
