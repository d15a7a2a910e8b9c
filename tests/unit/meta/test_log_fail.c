/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log on a disk that refuses: what fails is not there, now and after the
 * next opening, and everything else goes on; but for a failed sync, which ends
 * it all.
 */
#include <poll.h>
#include <pthread.h>

#include "meta/base/exec_sync.h"
#include "meta/syncer.h"
#include "tests/unit/meta/faults.h"
#include "tests/unit/meta/logfix.h"

static struct found found;

static void
make_some(struct one *o, unsigned n)
{

	for (unsigned i = 0; i < n; i++)
		if (i % 3 == 1)
			one_items(&o[i], REC_CATALOG, 900 + i, i);
		else
			one_data(&o[i], 1 + i % 4, i * 10);
}

static void
free_all(struct one *o, size_t n)
{

	for (size_t i = 0; i < n; i++)
		one_free(&o[i]);
}

static bool
all_rc(const struct one *o, size_t n, int rc)
{

	for (size_t i = 0; i < n; i++)
		if (o[i].lr.rc != rc)
			return (false);
	return (true);
}

/* A recovery of what is in the files now finds exactly these. */
static void
expect_recovered(struct logfix *x, const struct one *o, size_t n)
{
	struct recovery *rv;

	CU_ASSERT_EQUAL_FATAL(logfix_recover(x, &found, &rv), 0);
	CU_ASSERT_TRUE(logfix_same(&found, o, n));
	recovery_free(rv);
}

/* ---- writes ----------------------------------------------------------- */

struct bad_write {
	const char *what;
	int err;
	unsigned whole;			/* so many records get there, ... */
	int extra_bytes;		/* ... and this much of the next */
	int rc;
};

static const struct bad_write bad_writes[] = {
	{ "full", ENOSPC, 0, 0, -ENOSPC },
	{ "error", EIO, 0, 0, -EIO },
	{ "in the header", ENOSPC, 0, 100, -ENOSPC },
	{ "behind the header", ENOSPC, 0, 700, -ENOSPC },
	{ "in the header of the second", EIO, 1, 100, -EIO },
	{ "in the second", ENOSPC, 1, 600, -ENOSPC },
	{ "in the last", EIO, 2, 700, -EIO },
};

static int
short_of(const struct bad_write *bw, const struct one *o)
{
	uint32_t sectors = 0;

	for (unsigned i = 0; i < bw->whole; i++)
		sectors += one_sectors(&o[i]);
	return ((int)(sectors * SECTOR_BYTES) + bw->extra_bytes);
}

/* Records 0-2 good, 3-5 refused, 6-8 good: the log is 0-2 and 6-8. */
static void
refuse_once(const struct bad_write *bw, bool close_between)
{
	uint64_t pos, end;
	struct logfix x;
	struct one o[9];

	logfix_setup(&x);
	make_some(o, 9);
	pos = logfix_append(&x, o, 3);
	fault.pwritev_err = bw->err;
	fault.pwritev_max = short_of(bw, o + 3);
	end = logfix_append(&x, o + 3, 3);
	fault.pwritev_err = fault.pwritev_max = 0;
	CU_ASSERT_TRUE(all_rc(o, 3, 0));
	CU_ASSERT_TRUE(all_rc(o + 3, 3, bw->rc));
	CU_ASSERT_TRUE(end == pos || end == pos + SEG_HEADER_BYTES);
	CU_ASSERT_EQUAL(log_state_seq(&x), 3);
	CU_ASSERT_EQUAL(log_sync(x.l, pos), 0);
	if (close_between) {
		struct log_pos at;
		struct recovery *rv;

		/* The next opening agrees: they are not there. */
		log_close(x.l);
		CU_ASSERT_EQUAL_FATAL(logfix_recover(&x, &found, &rv), 0);
		CU_ASSERT_TRUE(logfix_same(&found, o, 3));
		at = recovery_end(rv);
		recovery_free(rv);
		logfix_open(&x, 2, at);
	}
	logfix_append(&x, o + 6, 3);
	CU_ASSERT_TRUE(all_rc(o + 6, 3, 0));
	CU_ASSERT_EQUAL(o[6].lr.seq, 4);
	CU_ASSERT_NOT_EQUAL(o[6].lr.segment, o[2].lr.segment);
	log_close(x.l);
	free_all(o + 3, 3);
	memmove(&o[3], &o[6], 3 * sizeof(o[0]));
	expect_recovered(&x, o, 6);
	free_all(o, 6);
	logfix_open(&x, 3, (struct log_pos){ 0, 0, 0, 0, 0 });
	logfix_teardown(&x);
}

static void
test_write_fails(void)
{

	for (size_t i = 0; i < sizeof(bad_writes) / sizeof(bad_writes[0]); i++)
		refuse_once(&bad_writes[i], false);
}

static void
test_write_fails_then_end(void)
{

	for (size_t i = 0; i < sizeof(bad_writes) / sizeof(bad_writes[0]); i++)
		refuse_once(&bad_writes[i], true);
}

/* Short, and the rest goes through: nothing has happened. */
static void
test_short_writes(void)
{
	struct logfix x;
	struct one o[9];

	logfix_setup(&x);
	make_some(o, 9);
	for (int max = 1; max <= 4001; max += 500) {
		fault.pwritev_max = max;
		logfix_append(&x, o + (max - 1) / 500, 1);
	}
	fault.pwritev_max = 0;
	CU_ASSERT_TRUE(all_rc(o, 9, 0));
	log_close(x.l);
	expect_recovered(&x, o, 9);
	free_all(o, 9);
	logfix_open(&x, 2, (struct log_pos){ 0, 0, 0, 0, 0 });
	logfix_teardown(&x);
}

/* The header of the very first segment, and of a later one. */
static void
test_header_fails(void)
{
	struct one o[6], big[3];
	struct logfix x;

	logfix_setup(&x);
	make_some(o, 3);
	fault.pwritev_err = ENOSPC;
	logfix_append(&x, o, 2);
	fault.pwritev_err = 0;
	CU_ASSERT_TRUE(all_rc(o, 2, -ENOSPC));
	CU_ASSERT_EQUAL(log_state_seq(&x), 0);
	logfix_append(&x, o, 2);
	CU_ASSERT_TRUE(all_rc(o, 2, 0));
	CU_ASSERT_EQUAL(o[1].lr.seq, 2);

	/* These two cannot be in one segment. */
	for (unsigned i = 0; i < 3; i++)
		one_items(&big[i], REC_CATALOG, REC_PAYLOAD_MAX, 50 + i);
	logfix_append(&x, big, 1);
	CU_ASSERT_TRUE(all_rc(big, 1, 0));
	fault.pwritev_err = EIO;
	logfix_append(&x, big + 1, 2);
	fault.pwritev_err = 0;
	CU_ASSERT_TRUE(all_rc(big + 1, 2, -EIO));
	/* The old segment is whole and goes on. */
	logfix_append(&x, o + 2, 1);
	CU_ASSERT_EQUAL(o[2].lr.rc, 0);
	CU_ASSERT_EQUAL(o[2].lr.segment, big[0].lr.segment);
	CU_ASSERT_EQUAL(o[2].lr.seq, 4);
	logfix_append(&x, big + 1, 2);
	CU_ASSERT_TRUE(all_rc(big + 1, 2, 0));
	log_close(x.l);
	o[3] = o[2];
	o[2] = big[0];
	o[4] = big[1];
	o[5] = big[2];
	expect_recovered(&x, o, 6);
	free_all(o, 6);
	logfix_open(&x, 2, (struct log_pos){ 0, 0, 0, 0, 0 });
	logfix_teardown(&x);
}

/* The disk is full when the log rolls over: only that batch fails. */
static void
test_no_space_at_roll(void)
{
	unsigned good = 0, refused = 0;
	struct one o[12];
	struct logfix x;

	logfix_setup(&x);
	for (unsigned i = 0; i < 12; i++)
		one_items(&o[i], REC_CATALOG, 700 << 10, i);
	logfix_append(&x, o, 1);
	for (unsigned i = 0; i < 5000 && x.n_created < 2; i++)
		(void)poll(NULL, 0, 1);
	(void)poll(NULL, 0, 10);
	fault.fallocate_err = ENOSPC;
	/* Two to a segment; one more segment was ready. */
	logfix_append(&x, o + 1, 11);
	fault.fallocate_err = 0;
	for (unsigned i = 0; i < 12; i++) {
		good += o[i].lr.rc == 0;
		refused += o[i].lr.rc == -ENOSPC;
	}
	CU_ASSERT_TRUE(good == 2 || good == 4);
	CU_ASSERT_EQUAL(good + refused, 12);
	CU_ASSERT_TRUE(all_rc(o, good, 0));
	CU_ASSERT_EQUAL(log_state_seq(&x), good);
	/* A full disk is not asked again at once. */
	(void)poll(NULL, 0, 300);
	logfix_append(&x, o + good, 12 - good);
	CU_ASSERT_TRUE(all_rc(o, 12, 0));
	log_close(x.l);
	expect_recovered(&x, o, 12);
	free_all(o, 12);
	logfix_open(&x, 2, (struct log_pos){ 0, 0, 0, 0, 0 });
	logfix_teardown(&x);
}

/* ---- syncs ------------------------------------------------------------ */

struct sleeper {
	struct log *l;
	uint64_t pos;
	int rc;
	pthread_t thread;
};

static void *
sleep_on(void *arg)
{
	struct sleeper *s = arg;

	s->rc = log_sync(s->l, s->pos);
	return (NULL);
}

static void
wait_done(struct log_wait *w)
{

	*w->woken = true;
}

/* A failed sync: everybody who waits is told, and nothing goes on. */
static void
test_sync_fails(void)
{
	struct sleeper s[4];
	struct exec_sync *es;
	struct log_state st;
	struct log_wait w;
	struct logfix x;
	struct one o[4];
	bool over = false;
	uint64_t end, synced;
	struct log_cut cut;

	logfix_setup(&x);
	CU_ASSERT_EQUAL_FATAL(exec_sync_new(&es), 0);
	make_some(o, 4);
	synced = logfix_append(&x, o, 1);
	CU_ASSERT_EQUAL(log_sync(x.l, synced), 0);
	end = logfix_append(&x, o + 1, 1);
	fault.sync_ms = 30;
	fault.fdatasync_err = EIO;
	for (unsigned i = 0; i < 4; i++) {
		s[i] = (struct sleeper){ .l = x.l, .pos = end, .rc = 1 };
		CU_ASSERT_EQUAL(pthread_create(&s[i].thread, NULL, sleep_on,
		    &s[i]), 0);
	}
	w = (struct log_wait){ .pos = end, .ex = exec_sync_exec(es),
	    .done = wait_done, .woken = &over };
	CU_ASSERT_FALSE(log_sync_wait(x.l, &w));
	exec_sync_run(es, &over);
	CU_ASSERT_EQUAL(w.rc, -EIO);
	for (unsigned i = 0; i < 4; i++) {
		(void)pthread_join(s[i].thread, NULL);
		CU_ASSERT_EQUAL(s[i].rc, -EIO);
	}
	fault.sync_ms = 0;
	fault.fdatasync_err = 0;

	/* For ever, also for what is durable: the disk is not to be trusted. */
	fault.n_fdatasync = 0;
	CU_ASSERT_EQUAL(log_sync(x.l, end), -EIO);
	CU_ASSERT_EQUAL(log_sync(x.l, synced), -EIO);
	CU_ASSERT_TRUE(log_sync_wait(x.l, &w));
	CU_ASSERT_EQUAL(w.rc, -EIO);
	logfix_append(&x, o + 2, 2);
	CU_ASSERT_TRUE(all_rc(o + 2, 2, -EROFS));
	CU_ASSERT_EQUAL(log_cut(x.l, &o[3].lr, &cut), -EROFS);
	log_state(x.l, &st);
	CU_ASSERT_EQUAL(st.failed, -EIO);
	CU_ASSERT_EQUAL(st.synced_pos, synced);
	CU_ASSERT_EQUAL(st.synced_seq, 1);
	CU_ASSERT_EQUAL(st.seq, 2);
	log_close(x.l);
	/* Never retried. */
	CU_ASSERT_EQUAL(fault.n_fdatasync, 0);
	segs_close(x.f.ss);
	segfix_open(&x.f, 64);
	expect_recovered(&x, o, 2);
	exec_sync_free(es);
	free_all(o, 4);
	logfix_open(&x, 2, (struct log_pos){ 0, 0, 0, 0, 0 });
	logfix_teardown(&x);
}

/* Stopped from outside: the same. */
static void
test_log_fail(void)
{
	struct sleeper s;
	struct logfix x;
	struct one o[2];

	logfix_setup(&x);
	make_some(o, 2);
	fault.sync_ms = 500;
	s = (struct sleeper){ .l = x.l, .pos = logfix_append(&x, o, 1),
	    .rc = 1 };
	CU_ASSERT_EQUAL(pthread_create(&s.thread, NULL, sleep_on, &s), 0);
	(void)poll(NULL, 0, 10);
	log_fail(x.l, -EIO);
	(void)pthread_join(s.thread, NULL);
	CU_ASSERT_EQUAL(s.rc, -EIO);
	logfix_append(&x, o + 1, 1);
	CU_ASSERT_EQUAL(o[1].lr.rc, -EROFS);
	fault.sync_ms = 0;
	free_all(o, 2);
	logfix_teardown(&x);
}

static _Atomic uint64_t synced_inodes;	/* bit n: inode n % 64 */

static void
note_sync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0)
		atomic_fetch_or(&synced_inodes, UINT64_C(1) << st.st_ino % 64);
}

static uint64_t
inode_bit(const struct logfix *x, uint32_t number)
{
	struct stat st;

	CU_ASSERT_EQUAL(stat(logfix_file(x, number), &st), 0);
	return (UINT64_C(1) << st.st_ino % 64);
}

/* Segments that were left are synced as well. */
static void
test_all_segments_synced(void)
{
	struct one o[7];
	struct logfix x;
	uint64_t end;

	logfix_setup(&x);
	for (unsigned i = 0; i < 7; i++)
		one_items(&o[i], REC_CATALOG, 900 << 10, i);
	end = logfix_append(&x, o, 7);
	CU_ASSERT_TRUE(all_rc(o, 7, 0));
	CU_ASSERT_NOT_EQUAL(o[6].lr.segment, o[0].lr.segment);
	/* The segment made ready behind them is synced once, before. */
	(void)poll(NULL, 0, 50);
	synced_inodes = 0;
	fault.on_fdatasync = note_sync;
	CU_ASSERT_EQUAL(log_sync(x.l, end), 0);
	fault.on_fdatasync = NULL;
	for (unsigned i = 0; i < 7; i++)
		CU_ASSERT_NOT_EQUAL(synced_inodes &
		    inode_bit(&x, o[i].lr.segment), 0);
	free_all(o, 7);
	logfix_teardown(&x);
}

/* ---- many at once ----------------------------------------------------- */

struct client {
	struct logfix *x;
	unsigned who, wrong;
	pthread_t thread;
};

static void *
client_run(void *arg)
{
	struct client *c = arg;

	for (unsigned i = 0; i < 5; i++) {
		struct log_batch b;
		struct log_rec *lr;
		struct one o;

		one_items(&o, REC_CATALOG, 300, c->who);
		lr = &o.lr;
		log_append(c->x->l, &lr, 1, NULL, NULL, &b);
		log_batch_done(c->x->l, &b);
		if (lr->rc != 0 || log_sync(c->x->l, b.end_pos) != 0)
			c->wrong++;
		one_free(&o);
	}
	return (NULL);
}

static void
test_group_commit(void)
{
	enum { N = 24 };
	struct client c[N];
	struct log_state st;
	struct logfix x;

	logfix_setup(&x);
	fault.sync_ms = 10;
	for (unsigned i = 0; i < N; i++) {
		c[i] = (struct client){ .x = &x, .who = i };
		CU_ASSERT_EQUAL(pthread_create(&c[i].thread, NULL, client_run,
		    &c[i]), 0);
	}
	for (unsigned i = 0; i < N; i++) {
		(void)pthread_join(c[i].thread, NULL);
		CU_ASSERT_EQUAL(c[i].wrong, 0);
	}
	fault.sync_ms = 0;
	log_state(x.l, &st);
	CU_ASSERT_EQUAL(st.seq, 5 * N);
	CU_ASSERT_EQUAL(st.synced_seq, 5 * N);
	/* 120 syncs were asked for; who arrives in a round shares the next. */
	CU_ASSERT_TRUE(st.rounds >= 5);
	CU_ASSERT_TRUE(st.rounds <= 40);
	logfix_teardown(&x);
}

/* Somebody waits for a sync: for one that has been already. */
static void
ask_for_sync(struct log *l)
{
	struct log_wait w = { .pos = 0 };

	CU_ASSERT_TRUE(log_sync_wait(l, &w));
}

/*
 * Acknowledgements wait for a sync when too much is unsynced: less is too much
 * where flushes are asked for.
 */
static void
test_pace(void)
{
	struct logfix x;
	uint64_t end = 0, pos = 0;
	struct log_state st;
	struct one o;

	logfix_setup(&x);
	one_items(&o, REC_CATALOG, REC_PAYLOAD_MAX, 1);
	logfix_append(&x, &o, 1);
	CU_ASSERT_EQUAL(log_sync(x.l, 1), 0);
	log_state(x.l, &st);
	end = st.synced_pos;
	CU_ASSERT_EQUAL(log_pace(x.l, end + SYNCER_LOOSE_BYTES), 0);
	CU_ASSERT_EQUAL(log_pace(x.l, end + SYNCER_LOOSE_BYTES + 1), end + 1);
	ask_for_sync(x.l);
	/* The round that starts by itself does not come to its end. */
	fault.sync_ms = 700;
	while (pos == 0 && end < 2 * SYNCER_BOUND_BYTES) {
		end = logfix_append(&x, &o, 1);
		CU_ASSERT_EQUAL_FATAL(o.lr.rc, 0);
		pos = log_pace(x.l, end);
		if (end <= st.synced_pos + SYNCER_BOUND_BYTES)
			CU_ASSERT_EQUAL(pos, 0);
	}
	CU_ASSERT_EQUAL(pos, end - SYNCER_BOUND_BYTES);
	fault.sync_ms = 0;
	CU_ASSERT_EQUAL(log_sync(x.l, end), 0);
	CU_ASSERT_EQUAL(log_pace(x.l, end), 0);
	CU_ASSERT_EQUAL(log_pace(x.l, end + SYNCER_BOUND_BYTES), 0);
	CU_ASSERT_EQUAL(log_pace(x.l, end + SYNCER_BOUND_BYTES + 1), end + 1);
	one_free(&o);
	logfix_teardown(&x);
}

static const struct unit_test tests[] = {
	{ "a write that fails", test_write_fails },
	{ "a write that fails, then an end", test_write_fails_then_end },
	{ "short writes", test_short_writes },
	{ "a segment header that fails", test_header_fails },
	{ "no space for a segment", test_no_space_at_roll },
	{ "a sync that fails", test_sync_fails },
	{ "stopped from outside", test_log_fail },
	{ "every segment is synced", test_all_segments_synced },
	{ "many share a round", test_group_commit },
	{ "pace", test_pace },
};

UNIT_MAIN("log on a refusing disk", tests)
