/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/base/exec_sync.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "meta/base/clock.h"
#include "tests/lib/unit.h"

static struct exec_sync *es;
static bool stop;
static int order, seen[4];

struct counted {
	struct exec_call call;
	int no;
};

static void
count(struct exec_call *c)
{

	seen[order++] = TT_CONTAINER(c, struct counted, call)->no;
	if (order == 3)
		stop = true;
}

static void *
poster(void *arg)
{
	struct counted *c = arg;

	for (int i = 0; i < 3; i++)
		exec_post(exec_sync_exec(es), &c[i].call);
	return (NULL);
}

static void
test_post(void)
{
	struct counted c[3];
	pthread_t t;

	order = 0;
	stop = false;
	for (int i = 0; i < 3; i++)
		c[i] = (struct counted){ .call.fn = count, .no = i };
	CU_ASSERT_EQUAL(pthread_create(&t, NULL, poster, c), 0);
	exec_sync_run(es, &stop);
	(void)pthread_join(t, NULL);
	CU_ASSERT_EQUAL(order, 3);
	CU_ASSERT_TRUE(seen[0] == 0 && seen[1] == 1 && seen[2] == 2);
}

static void
read_done(struct exec_read *r)
{

	(void)r;
	stop = true;
}

static void
test_read(void)
{
	char path[] = "/tmp/tt-exec-XXXXXX", buf[8] = "";
	struct iovec iov = { buf, sizeof(buf) };
	struct exec_read r = { .fd = mkstemp(path), .iov = &iov, .n_iov = 1,
	    .off_bytes = 2, .done = read_done };

	CU_ASSERT_TRUE_FATAL(r.fd >= 0);
	CU_ASSERT_EQUAL(write(r.fd, "abcdef", 6), 6);
	stop = false;
	exec_read(exec_sync_exec(es), &r);
	CU_ASSERT_FALSE(stop);	/* never from inside the call */
	exec_sync_run(es, &stop);
	CU_ASSERT_EQUAL(r.res, 4);
	CU_ASSERT_EQUAL(memcmp(buf, "cdef", 4), 0);
	(void)close(r.fd);
	(void)unlink(path);
	r.fd = -1;
	stop = false;
	exec_read(exec_sync_exec(es), &r);
	exec_sync_run(es, &stop);
	CU_ASSERT_EQUAL(r.res, -EBADF);
}

static int fired;

static void
fire(struct exec_timer *t)
{

	(void)t;
	fired++;
	stop = true;
}

static void
test_timer(void)
{
	struct exec_timer a = { .fn = fire }, b = { .fn = fire };
	uint64_t t0 = clock_mono_ms();

	fired = 0;
	stop = false;
	exec_cancel(exec_sync_exec(es), &b);	/* idle: fine */
	exec_after(exec_sync_exec(es), &b, 5000);
	exec_after(exec_sync_exec(es), &a, 1000000);
	exec_after(exec_sync_exec(es), &a, 20000);	/* moved */
	exec_cancel(exec_sync_exec(es), &b);
	exec_sync_run(es, &stop);
	CU_ASSERT_EQUAL(fired, 1);
	CU_ASSERT_TRUE(clock_mono_ms() - t0 >= 19);
	CU_ASSERT_TRUE(clock_mono_ms() - t0 < 900);
}

static const struct unit_test tests[] = {
	{ "posts from another thread", test_post },
	{ "reads", test_read },
	{ "timers", test_timer },
};

int
main(void)
{
	int rc;

	if (exec_sync_new(&es) != 0)
		return (1);
	rc = unit_run("exec_sync", tests, sizeof(tests) / sizeof(tests[0]));
	exec_sync_free(es);
	return (rc);
}
