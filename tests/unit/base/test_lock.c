/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_lock.c - the rank check must stop a program that takes locks in the
 * wrong order; a child process shows that it does.
 */
#include "meta/base/lock.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "meta/base/clock.h"
#include "tests/lib/unit.h"

static struct lk low, high, high2;

static void
up(void)
{

	lk_lock(&low);
	lk_lock(&high);
	lk_unlock(&low);
	lk_unlock(&high);
}

static void
down(void)
{

	lk_lock(&high);
	lk_lock(&low);
}

static void
same_rank(void)
{

	lk_lock(&high);
	lk_lock(&high2);
}

static void
not_mine(void)
{

	lk_unlock(&high);
}

/* True when ${fn} aborts. */
static bool
dies(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		(void)signal(SIGABRT, SIG_DFL);
		(void)close(STDERR_FILENO);
		fn();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return (false);
	return (!WIFEXITED(status) || WEXITSTATUS(status) != 0);
}

static void
test_order(void)
{

	CU_ASSERT_FALSE(dies(up));
	CU_ASSERT_TRUE(dies(down));
	CU_ASSERT_TRUE(dies(same_rank));
	CU_ASSERT_TRUE(dies(not_mine));
}

static void
test_held(void)
{

	CU_ASSERT_FALSE(lk_held(&low));
	lk_lock(&low);
	CU_ASSERT_TRUE(lk_held(&low));
	lk_unlock(&low);
	CU_ASSERT_FALSE(lk_held(&low));
}

static void
test_wait_ends(void)
{
	pthread_cond_t c;
	uint64_t t0 = clock_mono_ms();

	cond_init(&c);
	lk_lock(&low);
	while (lk_wait_ms(&low, &c, 30))
		;
	CU_ASSERT_TRUE(lk_held(&low));
	lk_unlock(&low);
	CU_ASSERT_TRUE(clock_mono_ms() - t0 >= 29);
	(void)pthread_cond_destroy(&c);
}

static const struct unit_test tests[] = {
	{ "order of ranks", test_order },
	{ "who holds it", test_held },
	{ "timed wait", test_wait_ends },
};

int
main(void)
{
	int rc;

	lk_init(&low, LK_ADMIN);
	lk_init(&high, LK_LOG);
	lk_init(&high2, LK_LOG);
	rc = unit_run("lock", tests, sizeof(tests) / sizeof(tests[0]));
	lk_destroy(&low);
	lk_destroy(&high);
	lk_destroy(&high2);
	return (rc);
}
