/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/net/signals.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "tests/lib/unit.h"

static struct loop *lp;
static int seen[4], n_seen;

static void
note(void *arg, int signo)
{

	CU_ASSERT_PTR_EQUAL(arg, &lp);
	if (n_seen < 4)
		seen[n_seen] = signo;
	n_seen++;
	if (signo == SIGTERM)
		loop_stop(lp);
}

static void *
sender(void *arg)
{

	(void)arg;
	(void)usleep(20000);
	(void)kill(getpid(), SIGHUP);
	(void)usleep(20000);
	(void)kill(getpid(), SIGTERM);
	return (NULL);
}

static void
test_signals(void)
{
	struct signals *s;
	sigset_t set;
	pthread_t t;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	CU_ASSERT_EQUAL_FATAL(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(loop_new(&lp), 0);
	CU_ASSERT_EQUAL_FATAL(signals_new(lp, &set, note, &lp, &s), 0);

	/* While the loop sleeps, sent by another thread. */
	CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, sender, NULL), 0);
	CU_ASSERT_EQUAL(loop_run(lp), 0);
	(void)pthread_join(t, NULL);
	CU_ASSERT_EQUAL(n_seen, 2);
	CU_ASSERT_EQUAL(seen[0], SIGHUP);
	CU_ASSERT_EQUAL(seen[1], SIGTERM);

	/* Pending before the loop runs again: not lost. */
	n_seen = 0;
	(void)kill(getpid(), SIGTERM);
	CU_ASSERT_EQUAL(loop_run(lp), 0);
	CU_ASSERT_EQUAL(n_seen, 1);
	signals_free(s);
	signals_free(NULL);
	loop_free(lp);
}

static const struct unit_test tests[] = {
	{ "asleep, and pending before", test_signals },
};
UNIT_MAIN("net/signals", tests)
