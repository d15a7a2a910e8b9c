/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * After the replay: what is removed and what is never touched, recoveries
 * that crash and begin again, and disks that do not answer.
 */
#include "meta/base/bytes.h"
#include "meta/base/rnd.h"
#include "tests/unit/meta/faults.h"
#include "tests/unit/meta/recfix.h"

/* ---- system calls that fail ------------------------------------------- */

static _Atomic int read_calls;		/* counted down; the last one fails */
static int reads_done;			/* since the countdown began */

static bool
read_fails(void)
{

	reads_done++;
	return (read_calls > 0 && --read_calls == 0);
}

FAULT_EXPORT ssize_t
pread(int fd, void *buf, size_t n, off_t off)
{

	if (read_fails()) {
		errno = EIO;
		return (-1);
	}
	return (syscall(SYS_pread64, fd, buf, n, off));
}

FAULT_EXPORT ssize_t
preadv(int fd, const struct iovec *iov, int n, off_t off)
{

	if (read_fails()) {
		errno = EIO;
		return (-1);
	}
	/* Never all at once: the rest has to be asked for. */
	if (n == 1 && iov->iov_len > 100000)
		return (syscall(SYS_pread64, fd, iov->iov_base, 100000, off));
	return (syscall(SYS_preadv, fd, iov, n, off, 0L));
}

/* A disk that does not answer is an error, wherever, and never an end. */
static void
test_read_errors(void)
{
	struct one o[5];
	struct logfix x;
	int all;

	recfix_big(o, 5);
	recfix_setup(&x, o, 5, 0);
	recfix_break_header(&x, &o[3]);	/* so that it looks for proofs */
	reads_done = 0;
	recfix_expect(&x, o, 3);
	all = reads_done;
	CU_ASSERT_TRUE(all > 3 * 20);
	for (int i = 1; i <= all; i++) {
		struct recovery *rv = NULL;

		/* Each opening reads afresh. */
		read_calls = i;
		CU_ASSERT_EQUAL(logfix_recover(&x, &recfix_found, &rv), -EIO);
		CU_ASSERT_EQUAL(read_calls, 0);
		recovery_free(rv);
	}
	read_calls = 0;
	recfix_expect(&x, o, 3);
	recfix_free(o, 5);
	recfix_teardown(&x);
}

/* What was replayed and cannot be made durable: not to be served. */
static void
test_sync_error(void)
{
	struct recovery *rv;
	struct logfix x;
	struct one o[3];

	recfix_big(o, 3);
	recfix_setup(&x, o, 3, 0);
	segs_close(x.f.ss);
	segfix_open(&x.f, 64);
	CU_ASSERT_EQUAL_FATAL(logfix_recover(&x, &recfix_found, &rv), 0);
	fault.fdatasync_err = EIO;
	CU_ASSERT_EQUAL(recovery_sync(rv), -EIO);
	recovery_free(rv);
	/* Nor can what is read be trusted. */
	segs_close(x.f.ss);
	segfix_open(&x.f, 64);
	recfix_expect_rc(&x, -EIO);
	fault.fdatasync_err = 0;
	segs_close(x.f.ss);
	segfix_open(&x.f, 64);
	fault.n_fsync = 0;
	CU_ASSERT_EQUAL_FATAL(logfix_recover(&x, &recfix_found, &rv), 0);
	fault.n_fdatasync = 0;
	CU_ASSERT_EQUAL(recovery_sync(rv), 0);
	/* Both segments, and their names. */
	CU_ASSERT_EQUAL(fault.n_fdatasync, 2);
	CU_ASSERT_EQUAL(fault.n_fsync, 2);
	recovery_free(rv);
	recfix_free(o, 3);
	recfix_teardown(&x);
}

/* ---- cleaning up ------------------------------------------------------ */

/* A segment of a kind, valid, with something in it. */
static void
put_segment(struct logfix *x, uint32_t number, enum seg_kind kind,
    uint64_t epoch)
{
	uint8_t *buf = calloc(1, SEG_BYTES);
	struct seg_header h = { .kind = kind, .number = number,
	    .bytes = SEG_BYTES, .epoch = epoch, .prev_segment = 99 };
	int fd;

	memcpy(h.store_uuid, x->conf.store_uuid, 16);
	rnd_bytes(h.nonce, sizeof(h.nonce));
	memset(buf, 0x77, SEG_BYTES);
	seg_header_enc(&h, buf);
	fd = open(logfix_file(x, number), O_CREAT | O_EXCL | O_WRONLY, 0600);
	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(pwrite(fd, buf, SEG_BYTES, 0), (ssize_t)SEG_BYTES);
	(void)close(fd);
	free(buf);
}

static void
put_bytes(struct logfix *x, uint32_t number, int byte, size_t n)
{
	uint8_t *buf = malloc(n + 1);
	int fd = open(logfix_file(x, number), O_CREAT | O_EXCL | O_WRONLY,
	    0600);

	CU_ASSERT_FATAL(fd >= 0);
	memset(buf, byte, n + 1);
	CU_ASSERT_EQUAL(pwrite(fd, buf, n, 0), (ssize_t)n);
	(void)close(fd);
	free(buf);
}

static uint64_t
file_bytes(struct logfix *x, uint32_t number)
{
	struct stat st;

	CU_ASSERT_EQUAL_FATAL(stat(logfix_file(x, number), &st), 0);
	return ((uint64_t)st.st_size);
}

struct fate {
	uint32_t number;
	bool stays;
};

static void
clean_with(struct logfix *x, uint32_t node, uint32_t node_end, struct gone *g)
{
	struct recover_conf rc = { .segs = x->f.ss,
	    .segment_bytes = SEG_BYTES, .start = x->start,
	    .node_segment = node, .node_end_sectors = node_end,
	    .replay = logfix_replay, .arg = &recfix_found };
	struct recovery *rv;

	g->n = 0;
	recfix_found.n = 0;
	memcpy(rc.store_uuid, x->conf.store_uuid, 16);
	CU_ASSERT_EQUAL_FATAL(recover_run(&rc, &rv), 0);
	CU_ASSERT_EQUAL(recovery_sync(rv), 0);
	recovery_clean(rv, recfix_gone, g);
	recovery_free(rv);
}

static void
check_fates(struct logfix *x, const struct fate *f, size_t n,
    const struct gone *g)
{
	unsigned removed = 0;

	for (size_t i = 0; i < n; i++) {
		bool told = false;

		if (logfix_there(x, f[i].number) != f[i].stays)
			(void)fprintf(stderr, "segment %u\n", f[i].number);
		CU_ASSERT_EQUAL(logfix_there(x, f[i].number), f[i].stays);
		for (unsigned k = 0; k < g->n; k++)
			told = told || g->number[k] == f[i].number;
		CU_ASSERT_EQUAL(told, !f[i].stays);
		removed += !f[i].stays;
	}
	CU_ASSERT_EQUAL(g->n, removed);
}

/*
 * Two records to a segment; record 4, the first of its segment, is torn, so
 * the log ends behind record 3.  (All of it is less than what makes the syncer
 * begin by itself.)
 */
static void
test_clean(void)
{
	struct one o[8];
	struct logfix x;
	struct gone g;
	uint64_t end;

	logfix_setup(&x);
	put_segment(&x, 1, SEG_NODES, 1);
	put_segment(&x, 2, SEG_NODES, 1);
	put_bytes(&x, 3, 0xee, 5000);
	atomic_store(&x.next_segment, 11);
	recfix_big(o, 8);
	recfix_append(&x, o, 8, 0);
	log_close(x.l);
	recfix_break_header(&x, &o[4]);
	for (uint32_t i = 100; i < 104; i++)
		put_segment(&x, i, SEG_NODES, 1);
	put_segment(&x, 104, SEG_MOVED, 1);
	put_bytes(&x, 105, 0, SEG_BYTES);
	put_bytes(&x, 106, 0, 0);
	put_bytes(&x, 107, 0xee, 4095);
	put_bytes(&x, 108, 0xee, SEG_BYTES);
	put_segment(&x, 109, SEG_LOG, 9);
	clean_with(&x, 100, 100, &g);
	CU_ASSERT_EQUAL(recfix_found.n, 4);
	{
		const struct fate fates[] = {
			{ 1, true },		/* nodes of old checkpoints */
			{ 2, true },
			{ 3, true },		/* damaged: not ours to judge */
			{ o[0].lr.segment, true }, { o[2].lr.segment, true },
			{ o[4].lr.segment, false },	/* nothing in it */
			{ o[6].lr.segment, false },	/* of nobody */
			{ 100, true },		/* nodes of the checkpoint */
			{ 101, true },
			{ 102, false },		/* nodes behind it */
			{ 103, false },
			{ 104, true },		/* moved blocks */
			{ 105, false },		/* prepared */
			{ 106, false },		/* empty */
			{ 107, false },		/* shorter than a header */
			{ 108, true },		/* who knows what */
			{ 109, false },		/* the log of a dead epoch */
		};

		check_fates(&x, fates, sizeof(fates) / sizeof(fates[0]), &g);
	}
	/* Tails go at the page behind the end, and nothing before it. */
	end = recfix_byte(&o[3]) + one_sectors(&o[3]) * SECTOR_BYTES;
	CU_ASSERT_EQUAL(file_bytes(&x, o[2].lr.segment),
	    (end + 4095) / 4096 * 4096);
	CU_ASSERT_EQUAL(file_bytes(&x, 100), 13 * 4096);
	CU_ASSERT_EQUAL(file_bytes(&x, 101), 13 * 4096);
	CU_ASSERT_EQUAL(file_bytes(&x, 1), SEG_BYTES);
	CU_ASSERT_EQUAL(file_bytes(&x, o[0].lr.segment), SEG_BYTES);
	CU_ASSERT_EQUAL(file_bytes(&x, 104), SEG_BYTES);
	CU_ASSERT_EQUAL(file_bytes(&x, 108), SEG_BYTES);
	recfix_expect(&x, o, 4);
	/* The second time there is nothing to do. */
	clean_with(&x, 100, 100, &g);
	CU_ASSERT_EQUAL(g.n, 0);
	recfix_expect(&x, o, 4);
	recfix_free(o, 8);
	recfix_teardown(&x);
}

/* From a checkpoint in the third: what is before it is not looked at. */
static void
test_clean_from_checkpoint(void)
{
	struct recovery *rv;
	struct logfix x;
	struct one o[8];
	struct gone g;

	logfix_setup(&x);
	put_bytes(&x, 3, 0, 5000);
	atomic_store(&x.next_segment, 11);
	recfix_big(o, 8);
	recfix_append(&x, o, 8, 0);
	log_close(x.l);
	CU_ASSERT_EQUAL_FATAL(logfix_recover(&x, &recfix_found, &rv), 0);
	recovery_free(rv);
	x.start = (struct log_pos){ o[4].lr.segment, one_off(&o[4]) +
	    one_sectors(&o[4]), 5, recfix_found.v[4].r.sum,
	    o[4].lr.time_ns };
	put_segment(&x, 100, SEG_NODES, 1);
	put_segment(&x, 101, SEG_NODES, 1);
	/* No checkpoint has nodes yet: these are of one that failed. */
	clean_with(&x, 0, 0, &g);
	CU_ASSERT_TRUE(logfix_same(&recfix_found, o + 5, 3));
	{
		const struct fate fates[] = {
			{ 3, true }, { o[0].lr.segment, true },
			{ o[2].lr.segment, true }, { o[4].lr.segment, true },
			{ o[6].lr.segment, true }, { 100, false },
			{ 101, false },
		};

		check_fates(&x, fates, sizeof(fates) / sizeof(fates[0]), &g);
	}
	CU_ASSERT_EQUAL(file_bytes(&x, o[4].lr.segment), SEG_BYTES);
	recfix_free(o, 8);
	recfix_teardown(&x);
}

/* Nothing behind the checkpoint: the tail goes right behind its position. */
static void
test_clean_nothing_new(void)
{
	struct recovery *rv;
	struct logfix x;
	struct one o[2];
	struct gone g;

	for (unsigned i = 0; i < 2; i++)
		one_items(&o[i], REC_CATALOG, 6000, i);
	recfix_setup(&x, o, 2, 0);
	CU_ASSERT_EQUAL_FATAL(logfix_recover(&x, &recfix_found, &rv), 0);
	x.start = recovery_end(rv);
	recovery_free(rv);
	clean_with(&x, 0, 0, &g);
	CU_ASSERT_EQUAL(g.n, 0);
	CU_ASSERT_EQUAL(file_bytes(&x, o[0].lr.segment),
	    (x.start.end_sectors * SECTOR_BYTES + 4095) / 4096 * 4096);
	recfix_expect(&x, o, 0);
	recfix_free(o, 2);
	recfix_teardown(&x);
}

/* ---- again and again -------------------------------------------------- */

/*
 * The log of epoch 1 is torn at record 5 of 8; recoveries crash in each
 * place; the result is always that of the first.
 */
enum crash {
	CRASH_RUN,			/* replayed only */
	CRASH_SYNC,			/* and made durable */
	CRASH_CLEAN,			/* and cleaned up */
	CRASH_HEADER,			/* and the next segment has a header */
	CRASH_TORN,			/* and half a record */
	CRASHES
};

static struct log_pos
crash_at(struct logfix *x, enum crash how, const struct log_pos *want)
{
	struct recovery *rv;
	struct log_pos end;
	struct one torn;
	struct gone g;

	CU_ASSERT_EQUAL_FATAL(logfix_recover(x, &recfix_found, &rv), 0);
	end = recovery_end(rv);
	CU_ASSERT_EQUAL(memcmp(&end, want, sizeof(end)), 0);
	atomic_store(&x->next_segment,
	    TT_MAX(x->next_segment, recovery_max_segment(rv) + 1));
	if (how >= CRASH_SYNC)
		CU_ASSERT_EQUAL(recovery_sync(rv), 0);
	if (how >= CRASH_CLEAN)
		recovery_clean(rv, recfix_gone, memset(&g, 0, sizeof(g)));
	if (how >= CRASH_HEADER) {
		one_data(&torn, 2, 99);
		recfix_go_on(x, recovery_max_epoch(rv) + 1, end, &torn, 1);
		if (how == CRASH_HEADER)
			logfix_clear(x, torn.lr.segment, recfix_byte(&torn),
			    (size_t)one_sectors(&torn) * SECTOR_BYTES);
		else
			logfix_clear(x, torn.lr.segment, recfix_byte(&torn) +
			    1024, 4096);
		one_free(&torn);
	}
	recovery_free(rv);
	return (end);
}

static void
test_crashing_recoveries(void)
{
	struct recovery *rv;
	struct one o[8], more[2];
	struct log_pos end;
	struct image im;
	struct logfix x;
	struct gone g;

	recfix_big(o, 8);
	for (unsigned i = 0; i < 2; i++)
		one_items(&more[i], REC_CATALOG, 5000, 60 + i);
	recfix_setup(&x, o, 8, 0);
	recfix_break_payload(&x, &o[5]);
	image_save(&x, &im);
	CU_ASSERT_EQUAL_FATAL(logfix_recover(&x, &recfix_found, &rv), 0);
	end = recovery_end(rv);
	recovery_free(rv);
	CU_ASSERT_EQUAL(end.seq, 5);
	for (enum crash a = CRASH_RUN; a < CRASHES; a++)
		for (enum crash b = CRASH_RUN; b < CRASHES; b++) {
			(void)crash_at(&x, a, &end);
			(void)crash_at(&x, b, &end);
			recfix_expect(&x, o, 5);
			recfix_go_on(&x, 9, recfix_finish(&x, &g), more, 2);
			CU_ASSERT_EQUAL(more[1].lr.seq, 7);
			/* The log goes on, and what was torn is dead. */
			CU_ASSERT_EQUAL_FATAL(logfix_recover(&x, &recfix_found,
			    &rv), 0);
			CU_ASSERT_EQUAL(recfix_found.n, 7);
			CU_ASSERT_EQUAL(recovery_end(rv).seq, 7);
			CU_ASSERT_EQUAL(recovery_end(rv).segment,
			    more[0].lr.segment);
			recovery_free(rv);
			image_restore(&x, &im);
		}
	image_free(&im);
	recfix_free(o, 8);
	recfix_free(more, 2);
	recfix_teardown(&x);
}

static const struct unit_test tests[] = {
	{ "read errors", test_read_errors },
	{ "a sync that fails", test_sync_error },
	{ "cleaning up", test_clean },
	{ "cleaning up behind a checkpoint", test_clean_from_checkpoint },
	{ "nothing to clean up", test_clean_nothing_new },
	{ "recoveries that crash", test_crashing_recoveries },
};

UNIT_MAIN("recover clean", tests)
