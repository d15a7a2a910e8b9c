/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How operations end: cancelled, durable, or refused by a disk.
 */
#include <errno.h>

#include "tests/unit/meta/faults.h"

#include "tests/unit/lun/iofix.h"

/* ---- cancelling ------------------------------------------------------- */

static struct waiter
a_write(struct iofix *x, uint64_t off, struct iovec *iov)
{

	return ((struct waiter){ .op = { .kind = LUN_WRITE, .dev = x->d,
	    .off_bytes = off, .len_bytes = iov->iov_len, .iov = iov,
	    .n_iov = 1 } });
}

/* Not in the log yet: it never gets there. */
static void
test_cancel(void)
{
	struct lunset_status before, after;
	struct lun_extent ext[2] = { { 0, 8192 }, { 16384 + 512, 9000 / 512 *
	    512 } };
	struct iovec whole = { buf, 8192 }, part = { buf, 1024 };
	struct waiter wt[5];
	struct iofix x;

	iofix_setup(&x, 4096, 512);
	iofix_write(&x, 0, 256 * KIB, 1);
	memset(buf, 0x99, sizeof(buf));
	lunset_status(x.e.ls, &before);
	wt[0] = a_write(&x, 4096, &whole);
	wt[1] = a_write(&x, 512, &part);
	wt[2] = (struct waiter){ .op = { .kind = LUN_ZERO, .dev = x.d,
	    .extents = ext, .n_extents = 2 } };
	/* These two wait for the second one. */
	wt[3] = a_write(&x, 512, &part);
	wt[4] = a_write(&x, 0, &whole);
	for (unsigned i = 0; i < 5; i++)
		submit(&x, &wt[i]);
	for (unsigned i = 0; i < 5; i++)
		lun_op_cancel(&wt[i].op);
	run_all(&x, wt, 5);
	for (unsigned i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(wt[i].op.rc, -ECANCELED);
	lunset_status(x.e.ls, &after);
	CU_ASSERT_EQUAL(after.seq, before.seq);
	CU_ASSERT_TRUE(iofix_right(&x));
	/* The ranges are free again, and the operations can be used again. */
	memset(buf, 0x99, sizeof(buf));
	for (unsigned i = 0; i < 5; i++) {
		submit(&x, &wt[i]);
		run_all(&x, &wt[i], 1);
		CU_ASSERT_EQUAL(wt[i].op.rc, 0);
	}
	memset(x.now + 4096, 0x99, 8192);
	memset(x.now + 512, 0x99, 1024);
	memset(x.now, 0, 8192);
	memset(x.now + ext[1].off_bytes, 0, ext[1].len_bytes);
	memset(x.now + 512, 0x99, 1024);
	memset(x.now, 0x99, 8192);
	CU_ASSERT_TRUE(iofix_right(&x));
	iofix_teardown(&x);
}

/* One of several: the others are not touched. */
static void
test_cancel_one(void)
{
	struct iovec iov[4];
	struct waiter wt[4];
	struct iofix x;

	iofix_setup(&x, 4096, 512);
	iofix_write(&x, 0, 64 * KIB, 1);
	for (unsigned i = 0; i < 4; i++) {
		iofix_fill(buf + i * 4096, 4096, 50 + i);
		iov[i] = (struct iovec){ buf + i * 4096, 4096 };
		wt[i] = a_write(&x, i * 4096, &iov[i]);
		submit(&x, &wt[i]);
		if (i != 2)
			memcpy(x.now + i * 4096, buf + i * 4096, 4096);
	}
	lun_op_cancel(&wt[2].op);
	run_all(&x, wt, 4);
	for (unsigned i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(wt[i].op.rc, i == 2 ? -ECANCELED : 0);
	CU_ASSERT_TRUE(iofix_right(&x));
	/* Too late: the result is what happened. */
	lun_op_cancel(&wt[1].op);
	CU_ASSERT_EQUAL(wt[1].op.rc, 0);
	/* A read has nothing that could be kept out. */
	wt[0] = (struct waiter){ .op = { .kind = LUN_READ, .dev = x.d,
	    .len_bytes = 4096, .iov = iov, .n_iov = 1 } };
	submit(&x, &wt[0]);
	lun_op_cancel(&wt[0].op);
	run_all(&x, wt, 1);
	CU_ASSERT_EQUAL(wt[0].op.rc, 0);
	iofix_teardown(&x);
}

/* ---- durability ------------------------------------------------------- */

static uint64_t
unsynced(struct iofix *x)
{
	struct lunset_status st;

	lunset_status(x->e.ls, &st);
	return (st.seq - st.synced_seq);
}

static void
test_fua(void)
{
	struct lun_extent e[2] = { { 512, 512 }, { 8192, 8192 } };
	struct waiter zero;
	struct iofix x;

	iofix_setup(&x, 4096, 512);
	CU_ASSERT_EQUAL(unsynced(&x), 0);
	iofix_write(&x, 0, 64 * KIB, 1);
	CU_ASSERT_TRUE(unsynced(&x) > 0);
	CU_ASSERT_EQUAL(engine_rw(&x.e, x.d, LUN_WRITE, 4096, buf, 4096,
	    LUN_F_FUA), 0);
	CU_ASSERT_EQUAL(unsynced(&x), 0);
	CU_ASSERT_EQUAL(engine_rw(&x.e, x.d, LUN_WRITE, 512, buf, 512,
	    LUN_F_FUA), 0);
	CU_ASSERT_EQUAL(unsynced(&x), 0);
	memset(buf, 0, 8192);
	CU_ASSERT_EQUAL(engine_rw(&x.e, x.d, LUN_READ, 0, buf, 4096, 0), 0);
	CU_ASSERT_EQUAL(engine_rw(&x.e, x.d, LUN_COMPARE_WRITE, 0, buf, 8192,
	    LUN_F_FUA), 0);
	CU_ASSERT_EQUAL(unsynced(&x), 0);
	zero = (struct waiter){ .op = { .kind = LUN_ZERO, .flags = LUN_F_FUA,
	    .dev = x.d, .extents = e, .n_extents = 2 } };
	CU_ASSERT_EQUAL(engine_run(&x.e, &zero), 0);
	CU_ASSERT_EQUAL(unsynced(&x), 0);
	/* Each of these made a record, or there was nothing to see. */
	CU_ASSERT_EQUAL(engine_zero(&x.e, x.d, e, 2), 0);
	CU_ASSERT_TRUE(unsynced(&x) > 0);
	CU_ASSERT_EQUAL(engine_flush(&x.e, x.d), 0);
	CU_ASSERT_EQUAL(unsynced(&x), 0);
	/* Nothing to flush: no round. */
	fault.n_fdatasync = 0;
	CU_ASSERT_EQUAL(engine_flush(&x.e, x.d), 0);
	CU_ASSERT_EQUAL(fault.n_fdatasync, 0);
	iofix_teardown(&x);
}

/*
 * Without a write cache everything that is done is durable, and what was done
 * before it was switched off.
 */
static void
test_write_through(void)
{
	struct lun_extent e[2] = { { 512, 512 }, { 8192, 8192 } };
	struct lun_info info;
	struct iofix x;

	iofix_setup(&x, 4096, 512);
	iofix_write(&x, 0, 64 * KIB, 1);
	CU_ASSERT_TRUE(unsynced(&x) > 0);
	CU_ASSERT_EQUAL(lunset_set_write_through(x.e.ls, "disk", true), 0);
	CU_ASSERT_EQUAL(unsynced(&x), 0);
	CU_ASSERT_EQUAL(lunset_find(x.e.ls, "disk", &info), 0);
	CU_ASSERT_TRUE(info.write_through);
	fault.n_fdatasync = 0;
	iofix_write(&x, 4096, 64 * KIB, 2);
	CU_ASSERT_EQUAL(unsynced(&x), 0);
	CU_ASSERT_TRUE(fault.n_fdatasync > 0);
	iofix_write(&x, 512, 512, 3);
	CU_ASSERT_EQUAL(unsynced(&x), 0);
	memcpy(buf, x.now, 4096);
	iofix_fill(x.now, 4096, 4);
	memcpy(buf + 4096, x.now, 4096);
	CU_ASSERT_EQUAL(engine_rw(&x.e, x.d, LUN_COMPARE_WRITE, 0, buf, 8192,
	    0), 0);
	CU_ASSERT_EQUAL(unsynced(&x), 0);
	memset(x.now + 512, 0, 512);
	memset(x.now + 8192, 0, 8192);
	CU_ASSERT_EQUAL(engine_zero(&x.e, x.d, e, 2), 0);
	CU_ASSERT_EQUAL(unsynced(&x), 0);
	/* It is still so when the store is opened again; the cut is real. */
	lun_dev_close(x.d);
	CU_ASSERT_EQUAL_FATAL(engine_close(&x.e), 0);
	CU_ASSERT_EQUAL_FATAL(engine_open(&x.e), 0);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(x.e.ls, x.number, LUN_HEAD, &x.d),
	    0);
	CU_ASSERT_TRUE(iofix_right(&x));
	iofix_write(&x, 0, 4096, 5);
	CU_ASSERT_EQUAL(unsynced(&x), 0);
	/* And back. */
	CU_ASSERT_EQUAL(lunset_set_write_through(x.e.ls, "disk", false), 0);
	iofix_write(&x, 0, 4096, 6);
	CU_ASSERT_TRUE(unsynced(&x) > 0);
	CU_ASSERT_EQUAL(lunset_set_write_through(x.e.ls, "none", true),
	    -ENOENT);
	iofix_teardown(&x);
}

/* Made without a write cache, and a sync that fails is the write's error. */
static void
test_made_write_through(void)
{
	struct lun_params p = { .name = "other", .size_bytes = SIZE,
	    .block_bytes = 4096, .sector_bytes = 512, .write_through = true };
	struct lun_info info;
	struct lun_dev *d;
	struct iofix x;

	iofix_setup(&x, 4096, 512);
	CU_ASSERT_EQUAL_FATAL(lunset_create(x.e.ls, &p, &info), 0);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(x.e.ls, info.number, LUN_HEAD, &d),
	    0);
	iofix_write(&x, 0, 4096, 1);
	CU_ASSERT_TRUE(unsynced(&x) > 0);
	iofix_fill(buf, 4096, 2);
	CU_ASSERT_EQUAL(engine_rw(&x.e, d, LUN_WRITE, 0, buf, 4096, 0), 0);
	CU_ASSERT_EQUAL(unsynced(&x), 0);
	fault.fdatasync_err = EIO;
	CU_ASSERT_EQUAL(engine_rw(&x.e, d, LUN_WRITE, 0, buf, 4096, 0), -EIO);
	fault.fdatasync_err = 0;
	lun_dev_close(d);
	iofix_teardown(&x);
}

/*
 * A snapshot that is in the log, and its maker was told that the log could not
 * be synced: it may be there or not, and if it is, it can be read.
 */
static void
test_snapshot_fails(void)
{
	struct lun_dev *d = NULL;
	struct snap_info s, *all;
	struct iofix x;
	size_t n;

	iofix_setup(&x, 4096, 512);
	iofix_write(&x, 0, 64 * KIB, 1);
	fault.fdatasync_err = EIO;
	CU_ASSERT(lunset_snapshot(x.e.ls, "disk", "s", &s) != 0);
	fault.fdatasync_err = 0;
	CU_ASSERT_EQUAL_FATAL(lunset_snaps(x.e.ls, "disk", &all, &n), 0);
	CU_ASSERT_EQUAL_FATAL(n, 1);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(x.e.ls, x.number, all[0].seq, &d),
	    0);
	memset(buf, 0xee, SIZE);
	CU_ASSERT_EQUAL(engine_rw(&x.e, d, LUN_READ, 0, buf, SIZE, 0), 0);
	CU_ASSERT_EQUAL(memcmp(buf, x.now, SIZE), 0);
	free(all);
	lun_dev_close(d);
	iofix_teardown(&x);
}

/* One of those who write, flush, and write again. */
struct flusher {
	struct waiter wt;		/* first: found by its op */
	struct iofix *x;
	struct iovec iov;
	struct exec_timer timer;
	unsigned no, left;
	bool done;
};

static void flusher_flushed(struct lun_op *op);

static struct flusher *
flusher_of(struct lun_op *op)
{
	struct waiter *wt = TT_CONTAINER(op, struct waiter, op);

	CU_ASSERT_EQUAL(op->rc, 0);
	return (TT_CONTAINER(wt, struct flusher, wt));
}

static void
flusher_written(struct lun_op *op)
{
	struct flusher *f = flusher_of(op);

	f->wt.op = (struct lun_op){ .kind = LUN_FLUSH, .dev = f->x->d,
	    .done = flusher_flushed };
	lun_submit(f->x->e.w, &f->wt.op);
}

static void
flusher_write(struct exec_timer *t)
{
	struct flusher *f = TT_CONTAINER(t, struct flusher, timer);

	f->wt.op = (struct lun_op){ .kind = LUN_WRITE, .dev = f->x->d,
	    .off_bytes = f->no * 4096, .len_bytes = 4096, .iov = &f->iov,
	    .n_iov = 1, .done = flusher_written };
	lun_submit(f->x->e.w, &f->wt.op);
}

/* Initiators do not all come back at once. */
static void
flusher_flushed(struct lun_op *op)
{
	struct flusher *f = flusher_of(op);

	if (--f->left == 0) {
		f->done = true;
		return;
	}
	f->timer.fn = flusher_write;
	exec_after(exec_sync_exec(f->x->e.es), &f->timer, f->no * 12);
}

#define DEPTH	32u
#define TIMES	40u

/* Rounds of fdatasync that ${DEPTH} writers with a flush after each write take. */
static uint64_t
rounds_of_flushers(struct iofix *x)
{
	static struct flusher f[DEPTH];
	struct log_state was, st;

	log_state(x->e.ls->log, &was);
	for (unsigned i = 0; i < DEPTH; i++) {
		f[i] = (struct flusher){ .x = x, .no = i, .left = TIMES,
		    .iov = { buf + i * 4096, 4096 } };
		flusher_write(&f[i].timer);
	}
	for (unsigned i = 0; i < DEPTH; i++)
		exec_sync_run(x->e.es, &f[i].done);
	log_state(x->e.ls->log, &st);
	return (st.rounds - was.rounds);
}

/*
 * Thirty-two writes at a time and a flush after each one: at least twenty
 * share a round of fdatasync.  A machine that is busy with other things tears
 * them apart: one of ten attempts has to be undisturbed.
 */
static void
test_flushes_share(void)
{
	uint64_t rounds = UINT64_MAX;
	struct iofix x;

	iofix_setup(&x, 4096, 512);
	iofix_fill(buf, sizeof(buf), 7);
	fault.sync_ms = 4;	/* about what a disk takes */
	for (unsigned i = 0; i < 10 && rounds > DEPTH * TIMES / 20; i++)
		rounds = rounds_of_flushers(&x);
	fault.sync_ms = 0;
	CU_ASSERT_TRUE(rounds > 0);
	CU_ASSERT_TRUE(rounds <= DEPTH * TIMES / 20);
	CU_ASSERT_EQUAL(unsynced(&x), 0);
	iofix_teardown(&x);
}

/* A flush promises what was acknowledged before, of its own LUN. */
static void
test_flush_of_other(void)
{
	struct lun_params p = { .name = "other", .size_bytes = SIZE,
	    .block_bytes = 4096, .sector_bytes = 512 };
	struct lun_info info;
	struct lun_dev *d;
	struct iofix x;

	iofix_setup(&x, 4096, 512);
	CU_ASSERT_EQUAL_FATAL(lunset_create(x.e.ls, &p, &info), 0);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(x.e.ls, info.number, LUN_HEAD, &d),
	    0);
	iofix_write(&x, 0, 4096, 1);
	CU_ASSERT_EQUAL(engine_flush(&x.e, d), 0);
	CU_ASSERT_TRUE(unsynced(&x) > 0);
	CU_ASSERT_EQUAL(engine_flush(&x.e, x.d), 0);
	CU_ASSERT_EQUAL(unsynced(&x), 0);
	lun_dev_close(d);
	iofix_teardown(&x);
}

/* A sync that fails: said to who flushes, and the store is read-only. */
static void
test_flush_fails(void)
{
	struct lun_params p = { .name = "more", .size_bytes = SIZE,
	    .block_bytes = 4096, .sector_bytes = 512 };
	struct lunset_status st;
	struct snap_info s;
	struct lun_info info;
	struct iofix x;

	iofix_setup(&x, 4096, 512);
	iofix_write(&x, 0, 64 * KIB, 1);
	fault.fdatasync_err = EIO;
	CU_ASSERT_EQUAL(engine_flush(&x.e, x.d), -EIO);
	fault.fdatasync_err = 0;
	CU_ASSERT_EQUAL(engine_flush(&x.e, x.d), -EIO);
	memcpy(buf, x.now, 4096);
	CU_ASSERT_EQUAL(engine_rw(&x.e, x.d, LUN_WRITE, 0, buf, 4096, 0),
	    -EROFS);
	CU_ASSERT_EQUAL(engine_rw(&x.e, x.d, LUN_WRITE, 512, buf, 512,
	    LUN_F_FUA), -EROFS);
	CU_ASSERT_EQUAL(engine_zero(&x.e, x.d,
	    &(struct lun_extent){ 0, 4096 }, 1), -EROFS);
	CU_ASSERT_EQUAL(lunset_create(x.e.ls, &p, &info), -EROFS);
	CU_ASSERT_EQUAL(lunset_snapshot(x.e.ls, "disk", "s", &s), -EROFS);
	CU_ASSERT_EQUAL(lunset_find(x.e.ls, "more", &info), -ENOENT);
	lunset_status(x.e.ls, &st);
	CU_ASSERT_EQUAL(st.failed, -EIO);
	/* What is there is there to be read, as it was acknowledged. */
	CU_ASSERT_TRUE(iofix_right(&x));
	CU_ASSERT_NOT_EQUAL(lunset_checkpoint(x.e.ls), 0);
	CU_ASSERT_TRUE(iofix_right(&x));
	lun_dev_close(x.d);
	engine_abandon(&x.e);
	CU_ASSERT_EQUAL_FATAL(engine_open(&x.e), 0);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(x.e.ls, x.number, LUN_HEAD, &x.d),
	    0);
	CU_ASSERT_TRUE(iofix_right(&x));
	iofix_write(&x, 0, 64 * KIB, 2);
	CU_ASSERT_EQUAL(engine_flush(&x.e, x.d), 0);
	iofix_teardown(&x);
}

/* FUA with a sync that fails is an error of this write. */
static void
test_fua_fails(void)
{
	struct iofix x;

	iofix_setup(&x, 4096, 512);
	fault.fdatasync_err = EIO;
	memset(buf, 3, 4096);
	CU_ASSERT_EQUAL(engine_rw(&x.e, x.d, LUN_WRITE, 0, buf, 4096,
	    LUN_F_FUA), -EIO);
	fault.fdatasync_err = 0;
	iofix_teardown(&x);
}

/* A full disk: the write fails, reads and later writes go on. */
static void
test_full(void)
{
	struct iofix x;

	iofix_setup(&x, 4096, 512);
	iofix_write(&x, 0, 64 * KIB, 1);
	fault.pwritev_err = ENOSPC;
	memset(buf, 5, 4096);
	CU_ASSERT_EQUAL(engine_rw(&x.e, x.d, LUN_WRITE, 0, buf, 4096, 0),
	    -ENOSPC);
	CU_ASSERT_EQUAL(engine_rw(&x.e, x.d, LUN_WRITE, 512, buf, 512, 0),
	    -ENOSPC);
	CU_ASSERT_EQUAL(engine_zero(&x.e, x.d,
	    &(struct lun_extent){ 0, 4096 }, 1), -ENOSPC);
	fault.pwritev_err = 0;
	CU_ASSERT_TRUE(iofix_right(&x));
	iofix_write(&x, 0, 64 * KIB, 2);
	CU_ASSERT_TRUE(iofix_right(&x));
	lun_dev_close(x.d);
	engine_abandon(&x.e);
	CU_ASSERT_EQUAL_FATAL(engine_open(&x.e), 0);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(x.e.ls, x.number, LUN_HEAD, &x.d),
	    0);
	CU_ASSERT_TRUE(iofix_right(&x));
	iofix_teardown(&x);
}

static const struct unit_test tests[] = {
	{ "cancel", test_cancel },
	{ "cancel one of several", test_cancel_one },
	{ "FUA", test_fua },
	{ "without a write cache", test_write_through },
	{ "made without one", test_made_write_through },
	{ "flushes share a round", test_flushes_share },
	{ "a flush is of its LUN", test_flush_of_other },
	{ "a flush that fails", test_flush_fails },
	{ "FUA that fails", test_fua_fails },
	{ "a snapshot that fails", test_snapshot_fails },
	{ "a full disk", test_full },
};

UNIT_MAIN("io ends", tests)
