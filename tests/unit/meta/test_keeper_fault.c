/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A checkpoint in which the n-th system call fails, for every n: nothing that
 * was acknowledged is lost, neither then nor after the next opening, and a
 * later one succeeds, or the store has stopped.
 */
#include "tests/fault/inject.h"
#include "tests/unit/meta/storefix.h"

#define N_MAX	200u

static uint64_t serial;

/* New writes, rows and a snapshot: something for each part of a checkpoint. */
static void
change_something(struct storefix *x)
{
	uint8_t buf[64], snap[16];
	struct wr w = wr_init(buf, sizeof(buf));
	char text[32];

	serial++;
	for (unsigned i = 0; i < 5; i++)
		CU_ASSERT_EQUAL_FATAL(storefix_write(x, (unsigned)rnd_below(
		    &(struct rnd){ serial * 5 + i }, LUNS), (unsigned)
		    (serial + i * 11) % SLOTS, serial % 900 + 1), 0);
	(void)snprintf(text, sizeof(text), "row %u", (unsigned)serial);
	CU_ASSERT_EQUAL_FATAL(storefix_put_row(x, serial % 7, text), 0);
	put_be64(snap, serial % 5);
	memset(snap + 8, (int)serial, 8);
	item_put(&w, ITEM_SNAP, snap, 16);
	if (x->want_rows.n > 40) {
		w = wr_init(buf, sizeof(buf));
		item_put(&w, ITEM_LUN_DELETE, snap, 8);
		CU_ASSERT_EQUAL_FATAL(storefix_change(x, REC_CATALOG, &w, buf),
		    0);
	} else {
		CU_ASSERT_EQUAL_FATAL(storefix_change(x, REC_SNAPSHOT, &w,
		    buf), 0);
	}
}

/* The maps as they are now, without opening anything. */
static bool
maps_right(struct storefix *x)
{
	struct mrows keep = x->rows;
	bool right;

	x->rows = x->want_rows;
	right = storefix_right(x);
	x->rows = keep;
	return (right);
}

struct outcome {
	unsigned succeeded, retried, stopped;
};

/* One checkpoint with a fault; true: it was not reached any more. */
static bool
one_fault(struct storefix *x, unsigned at, int err, bool sticky,
    struct outcome *out)
{
	bool reached;
	int rc;

	change_something(x);
	inject_arm(INJECT_CHANGE, at, err, sticky);
	rc = keeper_run(x->st);
	(void)inject_disarm();
	reached = inject_failed() > 0;
	CU_ASSERT_TRUE(reached || rc == 0);
	CU_ASSERT_TRUE(maps_right(x));
	if (rc == 0)
		out->succeeded++;
	if (storefix_failed(x) != 0) {
		/* Stopped: nothing goes in any more, and it says so. */
		CU_ASSERT_NOT_EQUAL(rc, 0);
		CU_ASSERT_EQUAL(storefix_write(x, 0, 0, 1), -EROFS);
		CU_ASSERT_NOT_EQUAL(keeper_run(x->st), 0);
		out->stopped++;
	} else if (rc != 0) {
		/* The next one succeeds, and the log had gone on. */
		CU_ASSERT_EQUAL(storefix_put_row(x, 3, "meanwhile"), 0);
		CU_ASSERT_EQUAL(keeper_run(x->st), 0);
		CU_ASSERT_EQUAL(keeper_run(x->st), 0);
		CU_ASSERT_EQUAL(x->n_w, 0);
		CU_ASSERT_TRUE(maps_right(x));
		out->retried++;
	}
	storefix_reopen(x);
	CU_ASSERT_TRUE(storefix_right(x));
	return (!reached);
}

static void
every_call(int err, bool sticky, struct outcome *out)
{
	struct storefix x;
	bool over = false;
	unsigned at;

	memset(out, 0, sizeof(*out));
	storefix_setup(&x);
	for (at = 1; !over && at < N_MAX; at++)
		over = one_fault(&x, at, err, sticky, out);
	CU_ASSERT_TRUE(over);
	/* Nodes twice, log, folders, LMDB: there is much to fail. */
	CU_ASSERT_TRUE(at > 15);
	storefix_teardown(&x);
}

/* A disk that is full once: no reason to stop, but for a sync. */
static void
test_full(void)
{
	struct outcome o;

	every_call(ENOSPC, false, &o);
	CU_ASSERT_TRUE(o.retried > 3);
	CU_ASSERT_TRUE(o.succeeded > 0);
}

static void
test_error(void)
{
	struct outcome o;

	every_call(EIO, false, &o);
	CU_ASSERT_TRUE(o.stopped > 2);
	CU_ASSERT_TRUE(o.succeeded > 0);
}

/* The disk is gone from there on. */
static void
test_gone(void)
{
	struct outcome o;

	every_call(EIO, true, &o);
	CU_ASSERT_TRUE(o.stopped > 2);
}

/* A file that cannot be synced stops the store, whichever it is. */
static void
sync_fails(bool nodes, unsigned twin)
{
	struct log_state ls;
	struct storefix x;
	struct stat st;
	char name[64];
	uint32_t n;

	storefix_setup(&x);
	change_something(&x);
	CU_ASSERT_EQUAL(keeper_run(x.st), 0);
	CU_ASSERT_EQUAL(storefix_write(&x, 1, 1, 77), 0);
	log_state(store_log(x.st), &ls);
	n = nodes ? x.st->row.node_segment + twin : ls.segment;
	(void)snprintf(name, sizeof(name), "seg/%02x/%08x", n & 0xff, n);
	CU_ASSERT_EQUAL_FATAL(stat(tmpdir_path(&x.t, name), &st), 0);
	inject_sync_fails(st.st_ino);
	CU_ASSERT_EQUAL(keeper_run(x.st), -EIO);
	inject_sync_fails(0);
	CU_ASSERT_EQUAL(storefix_failed(&x), -EIO);
	CU_ASSERT_EQUAL(keeper_run(x.st), -EROFS);
	CU_ASSERT_TRUE(maps_right(&x));
	storefix_reopen(&x);
	CU_ASSERT_TRUE(storefix_right(&x));
	storefix_teardown(&x);
}

static void
test_sync(void)
{

	sync_fails(false, 0);
	sync_fails(true, 0);
	sync_fails(true, 1);
}

/* The same with a fault in a change: it is there, or it is not. */
static void
test_changes(void)
{
	struct storefix x;
	bool reached = true;

	storefix_setup(&x);
	for (unsigned at = 1; reached && at < N_MAX; at++) {
		unsigned logged;
		char text[32];
		int rc;

		(void)snprintf(text, sizeof(text), "at %u", at);
		/* In turn the segment is new, and it is not. */
		if (at % 2 == 0)
			CU_ASSERT_EQUAL(storefix_put_row(&x, 1, text), 0);
		logged = x.logged;
		inject_arm(INJECT_CHANGE, at, at % 3 == 0 ? ENOSPC : EIO, false);
		rc = storefix_put_row(&x, 2, text);
		(void)inject_disarm();
		reached = inject_failed() > 0;
		/* Not logged is an error; logged with one: it has stopped. */
		CU_ASSERT_TRUE(rc != 0 || x.logged == logged + 1);
		if (rc != 0 && x.logged == logged + 1)
			CU_ASSERT_NOT_EQUAL(storefix_failed(&x), 0);
		storefix_reopen(&x);
		CU_ASSERT_TRUE(storefix_right(&x));
	}
	CU_ASSERT_FALSE(reached);
	storefix_teardown(&x);
}

/* A store that cannot be made is none; nothing is in the way of the next. */
static void
test_init(void)
{
	bool reached = true;

	for (unsigned at = 1; reached && at < 400; at += at > 20 ? 7 : 1) {
		struct storefix x;
		int rc;

		tmpdir_prefer_memory();
		memset(&x, 0, sizeof(x));
		tmpdir_make(&x.t);
		inject_arm(INJECT_CHANGE, at, EIO, false);
		rc = store_init(x.t.path, SEG_BYTES);
		(void)inject_disarm();
		reached = inject_failed() > 0;
		CU_ASSERT_TRUE(rc == 0 || reached);
		if (rc != 0)
			CU_ASSERT_TRUE(storefix_open(&x) != 0)
		else {
			CU_ASSERT_EQUAL_FATAL(storefix_open(&x), 0);
			CU_ASSERT_EQUAL(store_close(x.st, true), 0);
		}
		tmpdir_remove(&x.t);
	}
	CU_ASSERT_FALSE(reached);
}

/* An opening that fails changes nothing for the next one. */
static void
test_open(void)
{
	struct storefix x;
	bool reached = true;

	storefix_setup(&x);
	change_something(&x);
	CU_ASSERT_EQUAL(keeper_run(x.st), 0);
	change_something(&x);
	/* Most of the calls look into the folders of segments. */
	for (unsigned at = 1; reached && at < 1000; at += at > 20 ? 9 : 1) {
		int rc;

		(void)store_close(x.st, false);
		inject_arm(INJECT_CHANGE, at, EIO, false);
		rc = storefix_open(&x);
		(void)inject_disarm();
		reached = inject_failed() > 0;
		CU_ASSERT_TRUE(rc == 0 || reached);
		if (rc != 0)
			CU_ASSERT_EQUAL_FATAL(storefix_open(&x), 0);
		CU_ASSERT_TRUE(storefix_right(&x));
		if (at % 2 == 0)
			change_something(&x);
	}
	CU_ASSERT_FALSE(reached);
	storefix_teardown(&x);
}

static const struct unit_test tests[] = {
	{ "a checkpoint on a full disk", test_full },
	{ "a checkpoint with an error", test_error },
	{ "the disk goes in a checkpoint", test_gone },
	{ "a sync that fails", test_sync },
	{ "a change with an error", test_changes },
	{ "making with an error", test_init },
	{ "opening with an error", test_open },
};

UNIT_MAIN("keeper faults", tests)
