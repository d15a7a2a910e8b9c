/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many threads on few open files, with the preparer running.  Mostly for the
 * thread sanitizer; what it asserts is that no thread ever reads another
 * segment's bytes.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "meta/segs.h"
#include "tests/unit/meta/segfix.h"

#define N_THREADS	6
#define N_ROUNDS	60
#define N_SHARED	12

struct job {
	struct segs *ss;
	unsigned who;
	_Atomic unsigned *wrong;
};

static void
stamp(uint32_t buf[64], uint32_t number)
{

	for (uint32_t i = 0; i < 64; i++)
		buf[i] = number * 1000 + i;
}

static int
make_one(struct segs *ss, uint32_t number, struct seg **out)
{
	uint32_t buf[64];
	int rc;

	if ((rc = segs_create(ss, number, out)) != 0)
		return (rc);
	stamp(buf, number);
	if ((rc = segfix_put(*out, buf, sizeof(buf), number * 512)) != 0)
		seg_put(*out);
	return (rc);
}

/* The shared segments: read, written with what is there, synced. */
static bool
use_shared(struct segs *ss, uint32_t number)
{
	uint32_t buf[64], got[64];
	struct iovec iov = { got, sizeof(got) };
	struct seg *s, *t;
	bool ok;

	if (segs_get(ss, number, &s) != 0)
		return (false);
	stamp(buf, number);
	ok = seg_number(s) == number &&
	    segfix_has(s, buf, sizeof(buf), number * 512);
	t = seg_ref(s);
	if (number % 3 == 0)
		ok = ok && segfix_put(s, buf, sizeof(buf), number * 512) == 0;
	if (number % 4 == 0)
		ok = ok && seg_sync(t) == 0;
	memset(got, 0, sizeof(got));
	if (seg_read_cached(s, &iov, 1, number * 512) == sizeof(got))
		ok = ok && memcmp(got, buf, sizeof(got)) == 0;
	seg_put(s);
	seg_put(t);
	return (ok);
}

/* A segment of one's own: made, synced, found again, removed. */
static bool
use_own(struct segs *ss, uint32_t number)
{
	uint32_t buf[64];
	struct seg *s, *t;
	bool ok;

	if (make_one(ss, number, &s) != 0)
		return (false);
	stamp(buf, number);
	ok = seg_sync(s) == 0 && segs_get(ss, number, &t) == 0;
	seg_put(s);
	if (!ok)
		return (false);
	ok = segs_remove(ss, number) == 0 &&
	    segs_get(ss, number, &s) == -ENOENT &&
	    segfix_has(t, buf, sizeof(buf), number * 512);
	seg_put(t);
	return (ok);
}

/* One number for all: one makes it, one removes it, nobody is confused. */
static bool
fight(struct segs *ss, uint32_t number)
{
	struct seg *s;
	int rc;

	rc = segs_create(ss, number, &s);
	if (rc != 0 && rc != -EEXIST)
		return (false);
	if (rc == 0)
		seg_put(s);
	rc = segs_get(ss, number, &s);
	if (rc != 0 && rc != -ENOENT)
		return (false);
	if (rc == 0)
		seg_put(s);
	rc = segs_remove(ss, number);
	return (rc == 0 || rc == -ENOENT);
}

static void *
work(void *arg)
{
	struct job *j = arg;

	for (uint32_t i = 0; i < N_ROUNDS; i++) {
		unsigned n = 0;

		if (!use_shared(j->ss, 1 + (i * 5 + j->who) % N_SHARED) ||
		    !use_own(j->ss, 1000 + j->who * N_ROUNDS + i) ||
		    !fight(j->ss, 500 + i / 4))
			atomic_fetch_add(j->wrong, 1);
		if (i % 16 == 0 && segs_list(j->ss, segfix_count, &n) != 0)
			atomic_fetch_add(j->wrong, 1);
		if (j->who == 0 && i % 8 == 0)
			(void)segs_prepare(j->ss, i % 3);
	}
	return (NULL);
}

static void
test_all_at_once(void)
{
	struct job jobs[N_THREADS];
	_Atomic unsigned wrong = 0;
	pthread_t th[N_THREADS];
	struct segfix f;
	struct seg *s;

	segfix_setup(&f, 4);
	CU_ASSERT_EQUAL(segs_prepare(f.ss, 2), 0);
	for (uint32_t i = 1; i <= N_SHARED; i++) {
		CU_ASSERT_EQUAL_FATAL(make_one(f.ss, i, &s), 0);
		CU_ASSERT_EQUAL(seg_sync(s), 0);
		seg_put(s);
	}
	for (unsigned i = 0; i < N_THREADS; i++) {
		jobs[i] = (struct job){ f.ss, i, &wrong };
		CU_ASSERT_EQUAL_FATAL(pthread_create(&th[i], NULL, work,
		    &jobs[i]), 0);
	}
	for (unsigned i = 0; i < N_THREADS; i++)
		(void)pthread_join(th[i], NULL);
	CU_ASSERT_EQUAL(wrong, 0);
	/* Own ones are gone; the shared ones are left. */
	CU_ASSERT_EQUAL(segfix_listed(&f), N_SHARED);
	segfix_teardown(&f);
}

static const struct unit_test tests[] = {
	{ "all at once", test_all_at_once },
};

UNIT_MAIN("segthreads", tests)
