/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/net/listener.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "target/net/addr.h"
#include "tests/lib/unit.h"

static struct loop *lp;
static unsigned n_accepted, stop_at;

static void
accepted(void *arg, int fd)
{

	CU_ASSERT_PTR_EQUAL(arg, &n_accepted);
	CU_ASSERT(fd >= 0);
	(void)close(fd);
	if (++n_accepted == stop_at)
		loop_stop(lp);
}

static int
dial(const char *addr)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int fd;

	if (addr_parse(addr, &sa, &len) != 0)
		abort();
	if ((fd = socket(sa.ss_family, SOCK_STREAM, 0)) < 0)
		return (-errno);
	if (connect(fd, (const struct sockaddr *)&sa, len) != 0) {
		(void)close(fd);
		return (-errno);
	}
	return (fd);
}

#define DIALS 300

static void *
dialer(void *arg)
{
	unsigned bad = 0;

	for (unsigned i = 0; i < DIALS; i++) {
		int fd = dial(arg);

		bad += fd < 0;
		if (fd >= 0)
			(void)close(fd);
	}
	return ((void *)(uintptr_t)bad);
}

static void
test_accept(void)
{
	static const char *const where[] = { "127.0.0.1:0", "[::1]:0" };
	struct listener *ls;
	char addr[ADDR_TEXT_LEN], want[ADDR_TEXT_LEN];
	pthread_t t;
	void *bad;

	for (unsigned i = 0; i < 2; i++) {
		n_accepted = 0;
		stop_at = DIALS;
		CU_ASSERT_EQUAL_FATAL(loop_new(&lp), 0);
		CU_ASSERT_EQUAL_FATAL(listener_new(lp, where[i], accepted,
		    &n_accepted, &ls), 0);
		CU_ASSERT_NOT_EQUAL(listener_port(ls), 0);
		(void)snprintf(want, sizeof(want), "%s:%u",
		    i == 0 ? "127.0.0.1" : "[::1]", listener_port(ls));
		CU_ASSERT_STRING_EQUAL(listener_address(ls), want);
		memcpy(addr, want, sizeof(addr));
		CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, dialer, addr),
		    0);
		CU_ASSERT_EQUAL(loop_run(lp), 0);
		(void)pthread_join(t, &bad);
		CU_ASSERT_PTR_NULL(bad);
		CU_ASSERT_EQUAL(n_accepted, DIALS);
		listener_free(ls);	/* the loop has ended */
		CU_ASSERT_EQUAL(dial(want), -ECONNREFUSED);
		loop_free(lp);
	}
}

static void
test_bad(void)
{
	struct listener *ls = NULL, *other;

	CU_ASSERT_EQUAL_FATAL(loop_new(&lp), 0);
	CU_ASSERT_EQUAL(listener_new(lp, "localhost:1", accepted, NULL, &ls),
	    -EINVAL);
	/* TEST-NET-1 (RFC 5737) is not an address of this machine. */
	CU_ASSERT_EQUAL(listener_new(lp, "192.0.2.1:0", accepted, NULL, &ls),
	    -EADDRNOTAVAIL);
	CU_ASSERT_PTR_NULL(ls);
	CU_ASSERT_EQUAL_FATAL(listener_new(lp, "127.0.0.1:0", accepted, NULL,
	    &ls), 0);
	other = NULL;
	CU_ASSERT_EQUAL(listener_new(lp, listener_address(ls), accepted, NULL,
	    &other), -EADDRINUSE);
	CU_ASSERT_PTR_NULL(other);
	listener_free(ls);		/* the loop has never run */
	listener_free(NULL);
	loop_free(lp);
}

/* Freed on the running loop: nobody gets in from that moment on. */
static struct listener *running;
static int after_free;
static bool stop_at_once;

static void
free_running(struct exec_call *c)
{
	char addr[ADDR_TEXT_LEN];

	(void)c;
	(void)snprintf(addr, sizeof(addr), "%s", listener_address(running));
	listener_free(running);
	after_free = dial(addr);
	if (stop_at_once)
		loop_stop(lp);
}

static void
stop(struct exec_timer *t)
{

	(void)t;
	loop_stop(lp);
}

static void
test_free_running(void)
{
	struct exec_call c = { .fn = free_running };
	struct exec_timer t = { .fn = stop };

	for (unsigned i = 0; i < 2; i++) {
		stop_at_once = i == 1;
		CU_ASSERT_EQUAL_FATAL(loop_new(&lp), 0);
		CU_ASSERT_EQUAL_FATAL(listener_new(lp, "127.0.0.1:0", accepted,
		    &n_accepted, &running), 0);
		exec_after(loop_exec(lp), &t, 30000);
		CU_ASSERT_EQUAL(loop_run(lp), 0);	/* accept in flight */
		exec_post(loop_exec(lp), &c);
		exec_after(loop_exec(lp), &t, 30000);
		CU_ASSERT_EQUAL(loop_run(lp), 0);
		exec_cancel(loop_exec(lp), &t);
		CU_ASSERT_EQUAL(after_free, -ECONNREFUSED);
		loop_free(lp);
	}
}

/* Without descriptors it waits and goes on when there are some again. */
static void
test_no_descriptors(void)
{
	struct rlimit was, few;
	struct exec_timer t = { .fn = stop };
	struct listener *ls;
	int fd, next;

	n_accepted = 0;
	stop_at = 1;
	CU_ASSERT_EQUAL_FATAL(loop_new(&lp), 0);
	CU_ASSERT_EQUAL_FATAL(listener_new(lp, "127.0.0.1:0", accepted,
	    &n_accepted, &ls), 0);
	fd = dial(listener_address(ls));
	CU_ASSERT_FATAL(fd >= 0);
	next = dup(fd);
	(void)close(next);
	CU_ASSERT_EQUAL(getrlimit(RLIMIT_NOFILE, &was), 0);
	few = was;
	few.rlim_cur = (rlim_t)next;
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &few), 0);
	exec_after(loop_exec(lp), &t, 50000);
	CU_ASSERT_EQUAL(loop_run(lp), 0);
	CU_ASSERT_EQUAL(n_accepted, 0);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &was), 0);
	CU_ASSERT_EQUAL(loop_run(lp), 0);	/* ends with the accept */
	CU_ASSERT_EQUAL(n_accepted, 1);
	(void)close(fd);
	listener_free(ls);
	loop_free(lp);
}

static const struct unit_test tests[] = {
	{ "accepts, IPv4 and IPv6", test_accept },
	{ "addresses that cannot be had", test_bad },
	{ "freed on the running loop", test_free_running },
	{ "out of descriptors", test_no_descriptors },
};
UNIT_MAIN("net/listener", tests)
