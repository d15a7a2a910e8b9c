/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What log_append leaves on the disk: places, numbers, the chain of checksums,
 * pages after a sync.  The bytes are read from the files, not by recovery.
 */
#include <poll.h>
#include <stdlib.h>

#include "meta/base/bytes.h"
#include "meta/base/exec_sync.h"
#include "meta/syncer.h"
#include "tests/unit/meta/logfix.h"

#define START_NONE ((struct log_pos){ 0, 0, 0, 0, 0 })

/* The end of the stream as the test expects it. */
struct chain {
	struct log_pos at;
	uint64_t synced;		/* of the next record */
};

static void
check_segment(struct logfix *x, const struct chain *c, uint32_t number,
    struct seg_header *h)
{

	logfix_header(x, number, h);
	CU_ASSERT_EQUAL(h->kind, SEG_LOG);
	CU_ASSERT_EQUAL(h->number, number);
	CU_ASSERT_EQUAL(h->bytes, SEG_BYTES);
	CU_ASSERT_EQUAL(h->epoch, x->conf.epoch);
	CU_ASSERT_EQUAL(memcmp(h->store_uuid, x->conf.store_uuid, 16), 0);
	if (number != c->at.segment) {
		CU_ASSERT_EQUAL(h->prev_segment, c->at.segment);
		CU_ASSERT_EQUAL(h->prev_end_sectors, c->at.end_sectors);
		CU_ASSERT_EQUAL(h->prev_sum, c->at.sum);
		CU_ASSERT_EQUAL(h->first_seq, c->at.seq + 1);
	}
}

static void
check_payload(struct logfix *x, const struct one *o)
{
	uint32_t len = o->lr.payload_bytes;
	uint32_t all = (len + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES;
	uint8_t *got = malloc(all + 1);
	bool padded = true;

	logfix_get(x, o->lr.segment, (uint64_t)o->lr.payload_off_sectors *
	    SECTOR_BYTES, got, all);
	CU_ASSERT_EQUAL(memcmp(got, o->payload, len), 0);
	for (uint32_t i = len; i < all; i++)
		padded = padded && got[i] == 0;
	CU_ASSERT_TRUE(padded);
	free(got);
}

/* One record is where it says and continues the chain; moves the chain. */
static void
check_record(struct logfix *x, struct chain *c, const struct one *o)
{
	const struct log_rec *lr = &o->lr;
	static uint8_t hdr[REC_HEADER_MAX_SECTORS * SECTOR_BYTES];
	uint32_t off = one_off(o), hs = lr->payload_off_sectors - off;
	struct seg_header h;
	struct rec r;

	CU_ASSERT_EQUAL_FATAL(lr->rc, 0);
	check_segment(x, c, lr->segment, &h);
	logfix_get(x, lr->segment, (uint64_t)off * SECTOR_BYTES, hdr,
	    (size_t)hs * SECTOR_BYTES);
	CU_ASSERT_EQUAL_FATAL(rec_dec(hdr, (size_t)hs * SECTOR_BYTES, h.nonce,
	    &r, NULL), 0);
	CU_ASSERT_EQUAL(r.kind, lr->kind);
	CU_ASSERT_EQUAL(r.flags, lr->flags);
	CU_ASSERT_EQUAL(r.lun, lr->lun);
	CU_ASSERT_EQUAL(r.block_shift, lr->block_shift);
	CU_ASSERT_EQUAL(r.segment, lr->segment);
	CU_ASSERT_EQUAL(r.off_sectors, off);
	CU_ASSERT_EQUAL(r.seq, c->at.seq + 1);
	CU_ASSERT_EQUAL(r.seq, lr->seq);
	CU_ASSERT_EQUAL(r.time_ns, lr->time_ns);
	CU_ASSERT_TRUE(r.time_ns >= c->at.time_ns);
	CU_ASSERT_EQUAL(r.prev_segment, c->at.segment);
	CU_ASSERT_EQUAL(r.prev_end_sectors, c->at.end_sectors);
	CU_ASSERT_EQUAL(r.prev_sum, c->at.sum);
	CU_ASSERT_EQUAL(r.synced, c->synced);
	CU_ASSERT_EQUAL(r.payload_used_bytes, lr->payload_bytes);
	if (r.kind != REC_DATA && lr->payload_bytes > 0)
		CU_ASSERT_EQUAL(r.payload_sum, rec_sum(h.nonce, o->payload,
		    lr->payload_bytes));
	check_payload(x, o);
	c->at = (struct log_pos){ r.segment, off + hs + r.payload_sectors,
	    r.seq, r.sum, r.time_ns };
}

static void
check_batch(struct logfix *x, struct chain *c, const struct one *o, size_t n)
{

	for (size_t i = 0; i < n; i++)
		check_record(x, c, &o[i]);
}

static void
free_all(struct one *o, size_t n)
{

	for (size_t i = 0; i < n; i++)
		one_free(&o[i]);
}

/* ---- places ----------------------------------------------------------- */

static void
test_order(void)
{
	struct chain c = { START_NONE, 1 };
	struct logfix x;
	struct one o[6];

	logfix_setup(&x);
	one_data(&o[0], 3, 1);
	one_zero(&o[1], 1000);
	one_items(&o[2], REC_CATALOG, 1, 2);
	one_items(&o[3], REC_SNAPSHOT, 511, 3);
	one_items(&o[4], REC_CHECKPOINT, 513, 4);
	one_data(&o[5], 1, 5);
	o[5].lr.flags = REC_F_ATOMIC;
	CU_ASSERT_EQUAL(log_state_seq(&x), 0);
	logfix_append(&x, o, 4);
	logfix_append(&x, o + 4, 2);
	/* Without a sync between them, each begins where the last ended. */
	CU_ASSERT_EQUAL(one_off(&o[0]), SEG_HEADER_SECTORS);
	for (unsigned i = 1; i < 6; i++)
		CU_ASSERT_EQUAL(one_off(&o[i]), one_off(&o[i - 1]) +
		    one_sectors(&o[i - 1]));
	check_batch(&x, &c, o, 6);
	CU_ASSERT_EQUAL(c.at.seq, 6);
	CU_ASSERT_EQUAL(log_state_seq(&x), 6);
	free_all(o, 6);
	logfix_teardown(&x);
}

/* One batch that no segment could hold. */
static void
test_batch_over_segments(void)
{
	struct chain c = { START_NONE, 1 };
	struct one o[60];
	struct logfix x;
	unsigned segments = 1;

	logfix_setup(&x);
	for (unsigned i = 0; i < 60; i++)
		one_data(&o[i], 32, i * 100);
	logfix_append(&x, o, 60);
	check_batch(&x, &c, o, 60);
	for (unsigned i = 1; i < 60; i++)
		if (o[i].lr.segment != o[i - 1].lr.segment) {
			segments++;
			/* Only when it did not fit any more. */
			CU_ASSERT_TRUE(one_off(&o[i - 1]) +
			    one_sectors(&o[i - 1]) + one_sectors(&o[i]) >
			    SEG_BYTES / SECTOR_BYTES);
			CU_ASSERT_EQUAL(one_off(&o[i]), SEG_HEADER_SECTORS);
		}
	CU_ASSERT_EQUAL(segments, 4);
	free_all(o, 60);
	logfix_teardown(&x);
}

/* A record that ends exactly with its segment still goes there. */
static void
test_exact_fit(void)
{
	struct chain c = { START_NONE, 1 };
	uint32_t left = SEG_BYTES / SECTOR_BYTES - SEG_HEADER_SECTORS;
	struct logfix x;
	struct one o[6];

	logfix_setup(&x);
	for (unsigned i = 0; i < 3; i++) {
		one_items(&o[i], REC_CATALOG, 512 << 10, i);
		left -= one_sectors(&o[i]);
	}
	one_items(&o[3], REC_CATALOG, (left - 1) * SECTOR_BYTES, 3);
	one_zero(&o[4], 5);
	one_items(&o[5], REC_CATALOG, REC_PAYLOAD_MAX, 4);
	logfix_append(&x, o, 6);
	CU_ASSERT_EQUAL(o[3].lr.segment, o[0].lr.segment);
	CU_ASSERT_EQUAL(one_off(&o[3]) + one_sectors(&o[3]),
	    SEG_BYTES / SECTOR_BYTES);
	CU_ASSERT_NOT_EQUAL(o[4].lr.segment, o[0].lr.segment);
	check_batch(&x, &c, o, 6);
	free_all(o, 6);
	logfix_teardown(&x);
}

/* More pieces of memory than one system call takes. */
static void
test_many_vectors(void)
{
	enum { N = 5, BLOCKS = 64, PIECES = BLOCKS * 8 };
	struct chain c = { START_NONE, 1 };
	static struct iovec iov[N][PIECES];
	struct one o[N];
	struct logfix x;

	logfix_setup(&x);
	for (unsigned i = 0; i < N; i++) {
		one_data(&o[i], BLOCKS, i * 1000);
		for (unsigned k = 0; k < PIECES; k++)
			iov[i][k] = (struct iovec){ o[i].payload +
			    k * SECTOR_BYTES, SECTOR_BYTES };
		o[i].lr.iov = iov[i];
		o[i].lr.n_iov = PIECES;
	}
	logfix_append(&x, o, N);
	/* All of it in one segment: only the vectors were too many. */
	CU_ASSERT_EQUAL(o[N - 1].lr.segment, o[0].lr.segment);
	check_batch(&x, &c, o, N);
	free_all(o, N);
	logfix_teardown(&x);
}

/* ---- behind a sync ---------------------------------------------------- */

static void
test_sync_alignment(void)
{
	struct chain c = { START_NONE, 1 };
	struct log_state st;
	struct logfix x;
	struct one o[8];
	uint64_t end;

	logfix_setup(&x);
	for (unsigned i = 0; i < 8; i++)
		one_items(&o[i], REC_CATALOG, 100 + 600 * (i % 3), i);
	for (unsigned i = 0; i < 8; i += 2) {
		end = logfix_append(&x, &o[i], 2);
		check_batch(&x, &c, &o[i], 2);
		if (i > 0) {
			/* A page with durable records is left alone ... */
			CU_ASSERT_EQUAL(one_off(&o[i]) % 8, 0);
			CU_ASSERT_TRUE(one_off(&o[i]) - one_off(&o[i - 1]) -
			    one_sectors(&o[i - 1]) < 8);
		}
		/* ... and only such a page. */
		CU_ASSERT_EQUAL(one_off(&o[i + 1]), one_off(&o[i]) +
		    one_sectors(&o[i]));
		CU_ASSERT_EQUAL(log_sync(x.l, end), 0);
		c.synced = c.at.seq + 1;
		log_state(x.l, &st);
		CU_ASSERT_EQUAL(st.synced_pos, end);
		CU_ASSERT_EQUAL(st.end_pos, end);
		CU_ASSERT_EQUAL(st.synced_seq, i + 2);
		CU_ASSERT_EQUAL(st.rounds, i / 2 + 1);
		/* Nothing new: no round. */
		CU_ASSERT_EQUAL(log_sync(x.l, end), 0);
		CU_ASSERT_EQUAL(log_sync(x.l, 0), 0);
		log_state(x.l, &st);
		CU_ASSERT_EQUAL(st.rounds, i / 2 + 1);
	}
	free_all(o, 8);
	logfix_teardown(&x);
}

/* After a sync the page boundary may be behind the segment's last record. */
static void
test_sync_at_segment_end(void)
{
	uint32_t left = SEG_BYTES / SECTOR_BYTES - SEG_HEADER_SECTORS;
	struct chain c = { START_NONE, 1 };
	struct logfix x;
	struct one o[5];

	logfix_setup(&x);
	for (unsigned i = 0; i < 3; i++) {
		one_items(&o[i], REC_CATALOG, 512 << 10, i);
		left -= one_sectors(&o[i]);
	}
	/* Three sectors stay; two of them would do for the next one. */
	one_items(&o[3], REC_CATALOG, (left - 4) * SECTOR_BYTES, 3);
	one_items(&o[4], REC_CATALOG, 10, 4);
	CU_ASSERT_EQUAL(log_sync(x.l, logfix_append(&x, o, 4)), 0);
	check_batch(&x, &c, o, 4);
	c.synced = 5;
	logfix_append(&x, &o[4], 1);
	CU_ASSERT_NOT_EQUAL(o[4].lr.segment, o[3].lr.segment);
	check_batch(&x, &c, &o[4], 1);
	free_all(o, 5);
	logfix_teardown(&x);
}

static bool
synced_by_itself(struct log *l, uint64_t pos)
{
	struct log_state st;

	for (unsigned i = 0; i < 5000; i++) {
		log_state(l, &st);
		if (st.synced_pos >= pos)
			return (true);
		(void)poll(NULL, 0, 1);
	}
	return (false);
}

/* No round before ${bytes} are unsynced, and one then. */
static void
kicks_at(struct log *l, struct logfix *x, struct one *o, uint64_t bytes)
{
	struct log_state was, st;
	uint64_t end = 0;

	log_state(l, &was);
	CU_ASSERT_EQUAL(was.synced_pos, was.end_pos);
	bytes += was.synced_pos;
	while (end < bytes - 2 * REC_PAYLOAD_MAX)
		end = logfix_append(x, o, 1);
	(void)poll(NULL, 0, 20);
	log_state(l, &st);
	CU_ASSERT_EQUAL(st.synced_pos, was.synced_pos);
	CU_ASSERT_EQUAL(st.rounds, was.rounds);
	while (end < bytes)
		end = logfix_append(x, o, 1);
	CU_ASSERT_TRUE(synced_by_itself(l, bytes));
}

/*
 * Much unsynced: a round without anybody asking; sooner where somebody has
 * asked for one lately.
 */
static void
test_kick(void)
{
	struct log_wait ask = { .pos = 0 };
	struct log_state st;
	struct logfix x;
	struct one o;

	logfix_setup(&x);
	one_items(&o, REC_CATALOG, REC_PAYLOAD_MAX, 1);
	kicks_at(x.l, &x, &o, SYNCER_LOOSE_KICK_BYTES);
	log_state(x.l, &st);
	CU_ASSERT_EQUAL(log_sync(x.l, st.end_pos), 0);
	CU_ASSERT_TRUE(log_sync_wait(x.l, &ask));
	kicks_at(x.l, &x, &o, SYNCER_KICK_BYTES);
	one_free(&o);
	logfix_teardown(&x);
}

struct waiter {
	struct log_wait w;
	unsigned called;
	bool over;
};

static void
waiter_done(struct log_wait *w)
{
	struct waiter *wt = TT_CONTAINER(w, struct waiter, w);

	wt->called++;
	wt->over = true;
}

static void
test_async_wait(void)
{
	struct exec_sync *es;
	struct waiter wt = { .called = 0 };
	struct log_state st;
	struct logfix x;
	struct one o;

	logfix_setup(&x);
	CU_ASSERT_EQUAL_FATAL(exec_sync_new(&es), 0);
	one_data(&o, 1, 1);
	wt.w = (struct log_wait){ .pos = logfix_append(&x, &o, 1),
	    .ex = exec_sync_exec(es), .done = waiter_done, .rc = 77 };
	CU_ASSERT_FALSE(log_sync_wait(x.l, &wt.w));
	exec_sync_run(es, &wt.over);
	CU_ASSERT_EQUAL(wt.called, 1);
	CU_ASSERT_EQUAL(wt.w.rc, 0);
	log_state(x.l, &st);
	CU_ASSERT_EQUAL(st.synced_pos, wt.w.pos);
	CU_ASSERT_EQUAL(st.synced_seq, 1);
	/* Durable already: at once, and nobody is called. */
	wt.w.rc = 77;
	CU_ASSERT_TRUE(log_sync_wait(x.l, &wt.w));
	CU_ASSERT_EQUAL(wt.w.rc, 0);
	CU_ASSERT_EQUAL(wt.called, 1);
	exec_sync_free(es);
	one_free(&o);
	logfix_teardown(&x);
}

/* ---- generations ------------------------------------------------------ */

struct prep_arg {
	uint64_t gen;
	unsigned calls;
	int rc;
};

static int
prepare(void *arg, uint64_t gen)
{
	struct prep_arg *p = arg;

	p->gen = gen;
	p->calls++;
	return (p->rc);
}

static void
test_generations(void)
{
	struct chain c = { START_NONE, 1 };
	struct prep_arg p = { 0, 0, 0 };
	struct log_batch b, refused;
	struct log_cut cut;
	struct logfix x;
	struct one o[4];
	struct log_rec *lr;

	logfix_setup(&x);
	for (unsigned i = 0; i < 4; i++)
		one_items(&o[i], REC_SNAPSHOT, 50, i);
	CU_ASSERT_EQUAL(log_gen(x.l), LOG_FIRST_GEN);
	lr = &o[0].lr;
	log_append(x.l, &lr, 1, prepare, &p, &b);
	CU_ASSERT_EQUAL(p.calls, 1);
	CU_ASSERT_EQUAL(p.gen, LOG_FIRST_GEN);
	CU_ASSERT_EQUAL(b.gen, LOG_FIRST_GEN);
	log_batch_done(x.l, &b);
	check_batch(&x, &c, &o[0], 1);

	/* Prepare refuses: nothing is there, the batch counts all the same. */
	p.rc = -ENOMEM;
	lr = &o[1].lr;
	log_append(x.l, &lr, 1, prepare, &p, &refused);
	CU_ASSERT_EQUAL(o[1].lr.rc, -ENOMEM);
	CU_ASSERT_EQUAL(refused.end_pos, b.end_pos);
	CU_ASSERT_EQUAL(log_state_seq(&x), 1);
	log_batch_done(x.l, &refused);

	/* A cut without a record: between two. */
	CU_ASSERT_EQUAL(log_cut(x.l, NULL, &cut), 0);
	CU_ASSERT_EQUAL(cut.gen, LOG_FIRST_GEN);
	CU_ASSERT_EQUAL(memcmp(&cut.pos, &c.at, sizeof(c.at)), 0);
	CU_ASSERT_EQUAL(cut.end_pos, b.end_pos);
	log_drain(x.l, cut.gen);
	CU_ASSERT_EQUAL(log_gen(x.l), LOG_FIRST_GEN + 1);

	/* With one: behind it. */
	CU_ASSERT_EQUAL(log_cut(x.l, &o[2].lr, &cut), 0);
	check_batch(&x, &c, &o[2], 1);
	CU_ASSERT_EQUAL(cut.gen, LOG_FIRST_GEN + 1);
	CU_ASSERT_EQUAL(memcmp(&cut.pos, &c.at, sizeof(c.at)), 0);
	CU_ASSERT_EQUAL(cut.end_pos, b.end_pos +
	    one_sectors(&o[2]) * SECTOR_BYTES);
	CU_ASSERT_EQUAL(log_gen(x.l), LOG_FIRST_GEN + 2);

	/* A cut that cannot be logged is none. */
	log_fail(x.l, -EIO);
	CU_ASSERT_EQUAL(log_cut(x.l, &o[3].lr, &cut), -EROFS);
	CU_ASSERT_EQUAL(log_gen(x.l), LOG_FIRST_GEN + 2);
	free_all(o, 4);
	logfix_teardown(&x);
}

/* ---- opening ---------------------------------------------------------- */

static void
test_continue(void)
{
	struct chain c = { START_NONE, 1 };
	struct log_pos end;
	struct logfix x;
	struct one o[4];
	uint32_t first;

	logfix_setup(&x);
	for (unsigned i = 0; i < 4; i++)
		one_items(&o[i], REC_CATALOG, 77, i);
	logfix_append(&x, o, 2);
	check_batch(&x, &c, o, 2);
	first = o[0].lr.segment;
	log_close(x.l);
	/* A clock that was set back: times go on from the last. */
	end = c.at;
	end.time_ns += UINT64_C(3600) * 1000000000;
	c.at.time_ns = end.time_ns;
	logfix_open(&x, 5, end);
	c.synced = 3;
	logfix_append(&x, o + 2, 2);
	check_batch(&x, &c, o + 2, 2);
	CU_ASSERT_EQUAL(o[2].lr.time_ns, end.time_ns);
	CU_ASSERT_EQUAL(o[3].lr.time_ns, end.time_ns);
	/* Never appended to an old segment. */
	CU_ASSERT_NOT_EQUAL(o[2].lr.segment, first);
	CU_ASSERT_EQUAL(one_off(&o[2]), SEG_HEADER_SECTORS);
	free_all(o, 4);
	logfix_teardown(&x);
}

/* Nothing was written: nothing is left but what was there. */
static void
test_open_close(void)
{
	struct logfix x;
	struct one o;

	logfix_setup(&x);
	log_close(x.l);
	CU_ASSERT_EQUAL(segfix_listed(&x.f), 0);
	CU_ASSERT_EQUAL(x.n_created, 0);
	logfix_open(&x, 1, START_NONE);
	one_zero(&o, 1);
	logfix_append(&x, &o, 1);
	/* The next one is made ready; an orderly end takes it away again. */
	for (unsigned i = 0; i < 5000 && x.n_created < 2; i++)
		(void)poll(NULL, 0, 1);
	CU_ASSERT_EQUAL(x.n_created, 2);
	log_close(x.l);
	CU_ASSERT_EQUAL(segfix_listed(&x.f), 1);
	CU_ASSERT_TRUE(logfix_there(&x, o.lr.segment));
	logfix_open(&x, 1, START_NONE);
	one_free(&o);
	logfix_teardown(&x);
}

/* A segment that may not come into being: the batch fails, later ones go. */
static void
test_not_created(void)
{
	struct chain c = { START_NONE, 1 };
	struct logfix x;
	struct one o[2];

	logfix_setup(&x);
	one_data(&o[0], 2, 1);
	one_data(&o[1], 2, 2);
	x.created_err = -ENOMEM;
	logfix_append(&x, o, 2);
	CU_ASSERT_EQUAL(o[0].lr.rc, -ENOMEM);
	CU_ASSERT_EQUAL(o[1].lr.rc, -ENOMEM);
	CU_ASSERT_EQUAL(log_state_seq(&x), 0);
	CU_ASSERT_EQUAL(segfix_listed(&x.f), 0);
	x.created_err = 0;
	logfix_append(&x, o, 2);
	check_batch(&x, &c, o, 2);
	free_all(o, 2);
	logfix_teardown(&x);
}

static const struct unit_test tests[] = {
	{ "order, places and the chain", test_order },
	{ "a batch larger than a segment", test_batch_over_segments },
	{ "a record that just fits", test_exact_fit },
	{ "more vectors than a call takes", test_many_vectors },
	{ "a new page after a sync", test_sync_alignment },
	{ "a sync just before the end", test_sync_at_segment_end },
	{ "a round by itself", test_kick },
	{ "waiting without blocking", test_async_wait },
	{ "generations and cuts", test_generations },
	{ "going on behind an end", test_continue },
	{ "opening and closing", test_open_close },
	{ "a segment that is not made", test_not_created },
};

UNIT_MAIN("log", tests)
