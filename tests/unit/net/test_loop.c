/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/net/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "meta/base/clock.h"
#include "tests/lib/unit.h"

static struct loop *lp;

static void
start(void)
{

	CU_ASSERT_EQUAL_FATAL(loop_new(&lp), 0);
}

static void
run(void)
{

	CU_ASSERT_EQUAL(loop_run(lp), 0);
}

static void
finish(void)
{

	loop_free(lp);
	lp = NULL;
}

/* --- posts --- */

#define THREADS		4
#define POSTS		20000

struct post {
	struct exec_call call;
	unsigned thread, no;
};

static unsigned next_no[THREADS], out_of_order, n_posts_run;
static bool in_call;

static void
post_run(struct exec_call *c)
{
	struct post *p = TT_CONTAINER(c, struct post, call);

	out_of_order += in_call || next_no[p->thread] != p->no;
	in_call = true;
	next_no[p->thread]++;
	free(p);
	if (++n_posts_run == THREADS * POSTS)
		loop_stop(lp);
	in_call = false;
}

static void *
poster(void *arg)
{
	const unsigned thread = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < POSTS; i++) {
		struct post *p = calloc(1, sizeof(*p));

		if (p == NULL)
			abort();
		p->call.fn = post_run;
		p->thread = thread;
		p->no = i;
		exec_post(loop_exec(lp), &p->call);
		/* Now and then long enough for the loop to fall asleep. */
		if (i % 5000 == 0)
			(void)usleep(2000);
	}
	return (NULL);
}

static void
test_posts(void)
{
	pthread_t t[THREADS];

	start();
	for (unsigned i = 0; i < THREADS; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, poster,
		    (void *)(uintptr_t)i), 0);
	run();
	for (unsigned i = 0; i < THREADS; i++)
		(void)pthread_join(t[i], NULL);
	CU_ASSERT_EQUAL(n_posts_run, THREADS * POSTS);
	CU_ASSERT_EQUAL(out_of_order, 0);
	finish();
}

/* A call that posts itself again must not starve a timer. */
static bool repeat;
static unsigned n_again;

static void
timer_stop(struct exec_timer *t)
{

	(void)t;
	repeat = false;
	loop_stop(lp);
}

static void
again_stop(struct exec_call *c)
{

	if (!repeat)
		return;
	n_again++;
	exec_post(loop_exec(lp), c);
}

static void
test_no_starving(void)
{
	struct exec_timer t = { .fn = timer_stop };
	struct exec_call c = { .fn = again_stop };

	start();
	repeat = true;
	n_again = 0;
	exec_post(loop_exec(lp), &c);
	exec_after(loop_exec(lp), &t, 20000);
	run();
	CU_ASSERT(n_again > 10);
	finish();
}

/* --- stop, run again, another thread --- */

static void *
run_thread(void *arg)
{

	(void)arg;
	return ((void *)(intptr_t)loop_run(lp));
}

static void
call_stop(struct exec_call *c)
{

	(void)c;
	loop_stop(lp);
}

static void
test_stop(void)
{
	struct exec_call c = { .fn = call_stop };
	pthread_t t;
	void *rc = (void *)1;

	start();
	loop_stop(lp);		/* before the loop runs: not lost */
	run();
	exec_post(loop_exec(lp), &c);
	run();			/* a second time on the same thread */
	finish();

	start();		/* made here, run there, stopped from here */
	CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, run_thread, NULL), 0);
	(void)usleep(30000);	/* asleep by now */
	loop_stop(lp);
	(void)pthread_join(t, &rc);
	CU_ASSERT_PTR_NULL(rc);
	finish();

	start();		/* a post wakes it, too */
	CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, run_thread, NULL), 0);
	(void)usleep(30000);
	exec_post(loop_exec(lp), &c);
	(void)pthread_join(t, &rc);
	CU_ASSERT_PTR_NULL(rc);
	finish();

	start();		/* never run at all */
	finish();
}

/* --- timers --- */

static struct exec_timer tm[6];
static unsigned fired[8], n_fired;
static uint64_t early;

static void
timer_note(struct exec_timer *t)
{

	early += clock_mono_ns() < t->due_ns;
	fired[n_fired++ % 8] = (unsigned)(t - tm);
	if (t == &tm[0])
		exec_cancel(loop_exec(lp), &tm[4]);
	if (t == &tm[1] && n_fired < 4)
		exec_after(loop_exec(lp), t, 60000);
	if (t == &tm[5])
		loop_stop(lp);
}

static void
test_timers(void)
{
	static const uint64_t us[6] = { 5000, 10000, 40000, 1, 30000, 150000 };
	uint64_t t0;

	start();
	for (unsigned i = 0; i < 6; i++) {
		tm[i].fn = timer_note;
		exec_after(loop_exec(lp), &tm[i], us[i] * 3);
	}
	for (unsigned i = 0; i < 6; i++)	/* arming again moves it */
		exec_after(loop_exec(lp), &tm[i], us[i]);
	t0 = clock_mono_ms();
	run();
	CU_ASSERT(clock_mono_ms() - t0 >= 149);
	CU_ASSERT(clock_mono_ms() - t0 < 1500);
	CU_ASSERT_EQUAL(early, 0);
	/* 3 at once, 0 cancels 4, 1 twice, 2 between, 5 ends it */
	CU_ASSERT_EQUAL(n_fired, 6);
	CU_ASSERT_EQUAL(fired[0], 3);
	CU_ASSERT_EQUAL(fired[1], 0);
	CU_ASSERT_EQUAL(fired[2], 1);
	CU_ASSERT_EQUAL(fired[3], 2);
	CU_ASSERT_EQUAL(fired[4], 1);
	CU_ASSERT_EQUAL(fired[5], 5);
	for (unsigned i = 0; i < 6; i++)
		exec_cancel(loop_exec(lp), &tm[i]);
	finish();
}

/* --- reads of files: more at once than the submission queue holds --- */

#define FILE_BYTES	(1u << 20)
#define READS		3000

struct read {
	struct exec_read r;
	struct iovec iov[2];
	uint8_t buf[777];
};

static struct read *reads;
static unsigned n_read, n_wrong;
static bool starting;

static uint8_t
pattern(uint64_t off)
{

	return ((uint8_t)(off * 2654435761u >> 13));
}

static void
read_done(struct exec_read *r)
{
	struct read *rd = TT_CONTAINER(r, struct read, r);
	uint64_t want = sizeof(rd->buf);

	n_wrong += starting;
	if (r->off_bytes + want > FILE_BYTES)
		want = r->off_bytes > FILE_BYTES ? 0 :
		    FILE_BYTES - r->off_bytes;
	n_wrong += r->res != (int32_t)want;
	for (uint64_t i = 0; i < want; i++)
		n_wrong += rd->buf[i] != pattern(r->off_bytes + i);
	if (++n_read == READS)
		loop_stop(lp);
}

static int the_fd;

static void
read_all(struct exec_call *c)
{

	(void)c;
	starting = true;
	for (unsigned i = 0; i < READS; i++) {
		struct read *rd = &reads[i];

		rd->iov[0] = (struct iovec){ rd->buf, 100 };
		rd->iov[1] = (struct iovec){ rd->buf + 100, 677 };
		rd->r = (struct exec_read){ .fd = the_fd, .iov = rd->iov,
		    .n_iov = 2, .off_bytes = i * 353u, .done = read_done };
		exec_read(loop_exec(lp), &rd->r);
	}
	starting = false;
}

static int
make_file(void)
{
	char name[] = "/tmp/tt-loop-XXXXXX";
	uint8_t *b = malloc(FILE_BYTES);
	int fd = mkstemp(name);

	if (b == NULL || fd < 0)
		abort();
	(void)unlink(name);
	for (uint64_t i = 0; i < FILE_BYTES; i++)
		b[i] = pattern(i);
	if (write(fd, b, FILE_BYTES) != FILE_BYTES)
		abort();
	free(b);
	return (fd);
}

static void
test_reads(void)
{
	struct exec_call c = { .fn = read_all };

	reads = calloc(READS, sizeof(*reads));
	CU_ASSERT_PTR_NOT_NULL_FATAL(reads);
	the_fd = make_file();
	start();
	exec_post(loop_exec(lp), &c);
	run();
	CU_ASSERT_EQUAL(n_read, READS);
	CU_ASSERT_EQUAL(n_wrong, 0);
	finish();
	(void)close(the_fd);
	free(reads);
}

static int32_t bad_res;

static void
bad_done(struct exec_read *r)
{

	bad_res = r->res;
	loop_stop(lp);
}

/* Also: started before the loop runs. */
static void
test_bad_read(void)
{
	uint8_t b[8];
	struct iovec iov = { b, sizeof(b) };
	struct exec_read r = { .fd = -1, .iov = &iov, .n_iov = 1,
	    .done = bad_done };

	start();
	exec_read(loop_exec(lp), &r);
	run();
	CU_ASSERT_EQUAL(bad_res, -EBADF);
	finish();
}

/* --- hooks --- */

static struct loop_hook hook_a, hook_b, hook_c;
static struct exec_call tick;
static unsigned n_ticks, n_a, n_b, n_c, ticks_seen;

static void
hook_a_fn(struct loop_hook *h)
{

	(void)h;
	n_a++;
	ticks_seen = n_ticks;
	if (n_a == 3) {
		loop_del_hook(lp, &hook_b);	/* another, not reached yet */
		loop_add_hook(lp, &hook_c);
	}
	if (n_a == 5)
		loop_del_hook(lp, h);		/* itself */
}

static void
hook_b_fn(struct loop_hook *h)
{

	(void)h;
	n_b++;
}

static void
hook_c_fn(struct loop_hook *h)
{

	(void)h;
	n_c++;
}

static void
tick_fn(struct exec_call *c)
{

	n_ticks++;
	if (n_ticks == 40)
		loop_stop(lp);
	else
		exec_post(loop_exec(lp), c);
}

static void
test_hooks(void)
{

	start();
	hook_a.fn = hook_a_fn;
	hook_b.fn = hook_b_fn;
	hook_c.fn = hook_c_fn;
	tick.fn = tick_fn;
	loop_add_hook(lp, &hook_a);
	loop_add_hook(lp, &hook_b);
	exec_post(loop_exec(lp), &tick);
	run();
	CU_ASSERT_EQUAL(n_a, 5);
	CU_ASSERT_EQUAL(n_b, 2);
	CU_ASSERT(n_c >= 30);	/* at least once behind every later tick */
	CU_ASSERT_EQUAL(ticks_seen, 5);	/* behind the calls of its turn */
	loop_del_hook(lp, &hook_c);
	finish();
}

static const struct unit_test tests[] = {
	{ "posts from several threads, in order", test_posts },
	{ "a call that repeats starves nobody", test_no_starving },
	{ "stop from anywhere, run again", test_stop },
	{ "timers in order, cancelled, moved", test_timers },
	{ "reads beyond the submission queue", test_reads },
	{ "a read that fails", test_bad_read },
	{ "hooks come and go", test_hooks },
};
UNIT_MAIN("net/loop", tests)
