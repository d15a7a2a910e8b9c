/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The records of one segment by their headers, of segments that the log and
 * the nodes have written, and with holes, damage and what a failed write has
 * left.
 */
#include "meta/segscan.h"

#include "meta/base/bytes.h"
#include "tests/unit/meta/logfix.h"
#include "tests/unit/meta/nodefix.h"

static const uint8_t uuid[16] = {
	0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a,
	0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a
};

struct seen {
	size_t n, stop_at;
	struct rec r[512];
	struct id first[512];		/* of its ids */
};

static int
tell(void *arg, const struct rec *r, const uint8_t *hdr)
{
	struct seen *s = arg;

	CU_ASSERT_FATAL(s->n < 512);
	s->r[s->n] = *r;
	if (r->n_ids > 0)
		s->first[s->n] = rec_id(hdr, r, 0);
	s->n++;
	return (s->n == s->stop_at ? -ECANCELED : 0);
}

static int
scan(struct segs *ss, uint32_t number, struct seen *s)
{

	s->n = 0;
	return (segscan(ss, uuid, number, NULL, tell, s));
}

/* The records ${from}..${to} - 1 of ${o} are told, these alone. */
static bool
are(const struct seen *s, const struct one *o, size_t from, size_t to)
{

	if (s->n != to - from)
		return (false);
	for (size_t i = 0; i < s->n; i++)
		if (s->r[i].seq != o[from + i].lr.seq ||
		    s->r[i].off_sectors != one_off(&o[from + i]) ||
		    s->r[i].kind != o[from + i].lr.kind)
			return (false);
	return (true);
}

#define N_REC 24u

static void
drop(struct one *o, size_t n)
{

	for (size_t i = 0; i < n; i++)
		one_free(&o[i]);
}

static void
sync_all(struct logfix *x)
{
	struct log_state st;

	log_state(x->l, &st);
	CU_ASSERT_EQUAL(log_sync(x->l, st.end_pos), 0);
}

static void
test_log(void)
{
	struct logfix x;
	struct one o[N_REC];
	struct seen s = { .n = 0 };
	struct seg_header h, want;
	uint8_t enc[SEG_HEADER_BYTES], enc_want[SEG_HEADER_BYTES];
	unsigned gaps = 0;

	logfix_setup(&x);
	for (unsigned i = 0; i < N_REC; i++) {
		if (i % 5 == 3)
			one_items(&o[i], REC_CATALOG, 100 + 700 * i, i);
		else if (i % 5 == 4)
			one_zero(&o[i], 1000);
		else
			one_data(&o[i], i % 3 == 0 ? 1 : i, i * 300);
		(void)logfix_append(&x, &o[i], 1);
		if (i % 4 == 1)
			sync_all(&x);
		gaps += i > 0 && one_off(&o[i]) != one_off(&o[i - 1]) +
		    one_sectors(&o[i - 1]);
	}
	CU_ASSERT(gaps >= 3);	/* records behind a sync begin a page */
	CU_ASSERT_EQUAL(segscan(x.f.ss, uuid, 1, &h, tell, &s), 0);
	CU_ASSERT(are(&s, o, 0, N_REC));
	logfix_header(&x, 1, &want);
	seg_header_enc(&h, enc);
	seg_header_enc(&want, enc_want);
	CU_ASSERT_EQUAL(memcmp(enc, enc_want, sizeof(enc)), 0);
	for (size_t i = 0; i < s.n; i++) {
		struct id id;

		if (s.r[i].kind != REC_DATA)
			continue;
		id = id_of(o[i].payload, LOGFIX_BLOCK);
		CU_ASSERT(id_equal(&id, &s.first[i]));
	}

	/* No further than it is asked for, or told to. */
	s.n = 0;
	CU_ASSERT_EQUAL(segscan_to(x.f.ss, uuid, 1, one_off(&o[9]) +
	    one_sectors(&o[9]), NULL, tell, &s), 0);
	CU_ASSERT(are(&s, o, 0, 10));
	s.n = 0;
	CU_ASSERT_EQUAL(segscan_to(x.f.ss, uuid, 1, one_off(&o[9]) +
	    one_sectors(&o[9]) - 1, NULL, tell, &s), 0);
	CU_ASSERT(are(&s, o, 0, 9));
	s.stop_at = 7;
	CU_ASSERT_EQUAL(scan(x.f.ss, 1, &s), -ECANCELED);
	CU_ASSERT_EQUAL(s.n, 7);
	drop(o, N_REC);
	logfix_teardown(&x);
}

static void
test_several_segments(void)
{
	struct logfix x;
	struct one o[10];
	struct seen s = { .n = 0 };
	size_t at = 0;

	logfix_setup(&x);
	for (unsigned i = 0; i < 10; i++) {
		one_data(&o[i], 200, i * 1000);
		(void)logfix_append(&x, &o[i], 1);
	}
	CU_ASSERT(o[9].lr.segment >= 4);
	for (uint32_t n = 1; n <= o[9].lr.segment; n++) {
		int rc = scan(x.f.ss, n, &s);

		/* A number may be left out. */
		CU_ASSERT(rc == 0 || ((rc == -ENOENT || rc == -EILSEQ) &&
		    s.n == 0));
		CU_ASSERT_FATAL(at + s.n <= 10);
		CU_ASSERT(are(&s, o, at, at + s.n));
		at += s.n;
	}
	CU_ASSERT_EQUAL(at, 10);
	CU_ASSERT_EQUAL(scan(x.f.ss, 77, &s), -ENOENT);
	drop(o, 10);
	logfix_teardown(&x);
}

static void
punch(const struct logfix *x, uint64_t off, uint64_t len)
{
	int fd = open(logfix_file(x, 1), O_WRONLY);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(fallocate(fd, FALLOC_FL_PUNCH_HOLE |
	    FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len), 0);
	(void)close(fd);
}

/* Holes over payloads only, over headers, real ones and written zeroes. */
static void
test_holes(void)
{
	struct logfix x;
	struct one o[40];
	struct seen s = { .n = 0 };
	uint64_t from, to;

	logfix_setup(&x);
	for (unsigned i = 0; i < 40; i++) {
		one_data(&o[i], 10, i * 100);
		(void)logfix_append(&x, &o[i], 1);
	}
	/* Payload alone: nothing changes. */
	from = (uint64_t)(o[3].lr.payload_off_sectors + 7) / 8 * 4096;
	punch(&x, from, 32768);
	CU_ASSERT_EQUAL(scan(x.f.ss, 1, &s), 0);
	CU_ASSERT(are(&s, o, 0, 40));

	/* From the middle of 5 to the middle of 9: 6 to 9 are gone. */
	from = ((uint64_t)one_off(&o[5]) * SECTOR_BYTES + 16384) / 4096 * 4096;
	to = ((uint64_t)one_off(&o[9]) * SECTOR_BYTES + 16384) / 4096 * 4096;
	punch(&x, from, to - from);
	CU_ASSERT_EQUAL(scan(x.f.ss, 1, &s), 0);
	CU_ASSERT_EQUAL(s.n, 36);
	CU_ASSERT_EQUAL(s.r[5].seq, o[5].lr.seq);
	CU_ASSERT_EQUAL(s.r[6].seq, o[10].lr.seq);
	CU_ASSERT_EQUAL(s.r[35].seq, o[39].lr.seq);

	/* Written zeroes count the same; two of them. */
	from = ((uint64_t)one_off(&o[20]) * SECTOR_BYTES + 4095) / 4096 * 4096;
	to = ((uint64_t)one_off(&o[22]) * SECTOR_BYTES + 4095) / 4096 * 4096;
	logfix_clear(&x, 1, (uint64_t)one_off(&o[20]) * SECTOR_BYTES,
	    to - (uint64_t)one_off(&o[20]) * SECTOR_BYTES);
	CU_ASSERT_EQUAL(scan(x.f.ss, 1, &s), 0);
	CU_ASSERT_EQUAL(s.n, 33);
	CU_ASSERT_EQUAL(s.r[15].seq, o[19].lr.seq);
	CU_ASSERT_EQUAL(s.r[16].seq, o[23].lr.seq);
	CU_ASSERT_EQUAL(s.r[32].seq, o[39].lr.seq);

	/* At the very beginning. */
	punch(&x, 4096, (uint64_t)one_off(&o[2]) * SECTOR_BYTES / 4096 * 4096);
	CU_ASSERT_EQUAL(scan(x.f.ss, 1, &s), 0);
	CU_ASSERT_EQUAL(s.n, 30);
	CU_ASSERT_EQUAL(s.r[0].seq, o[3].lr.seq);
	drop(o, 40);
	logfix_teardown(&x);
}

static void
test_broken_header(void)
{
	struct logfix x;
	struct one o[12];
	struct seen s = { .n = 0 };

	logfix_setup(&x);
	for (unsigned i = 0; i < 12; i++) {
		one_data(&o[i], i + 1, i * 100);
		(void)logfix_append(&x, &o[i], 1);
	}
	/* Each byte that is used counts. */
	for (size_t at = 0; at < REC_FIXED_BYTES + 16 + 7 * 16; at += 3) {
		uint64_t off = (uint64_t)one_off(&o[6]) * SECTOR_BYTES + at;

		logfix_flip(&x, 1, off);
		CU_ASSERT_EQUAL(scan(x.f.ss, 1, &s), 0);
		CU_ASSERT(are(&s, o, 0, 6));
		logfix_flip(&x, 1, off);
	}
	/* One sector of zeroes is a record that was refused, not a hole. */
	logfix_clear(&x, 1, (uint64_t)one_off(&o[6]) * SECTOR_BYTES,
	    SECTOR_BYTES);
	CU_ASSERT_EQUAL(scan(x.f.ss, 1, &s), 0);
	CU_ASSERT(are(&s, o, 0, 6));
	drop(o, 12);
	logfix_teardown(&x);
}

/* A whole record of this segment that continues nothing. */
static void
test_not_continuing(void)
{
	struct logfix x;
	struct one o[6];
	struct seen s = { .n = 0 };
	struct seg_header h;
	uint8_t hdr[SECTOR_BYTES];
	struct rec r;

	logfix_setup(&x);
	for (unsigned i = 0; i < 6; i++) {
		one_data(&o[i], 2, i * 100);
		(void)logfix_append(&x, &o[i], 1);
	}
	logfix_header(&x, 1, &h);
	logfix_get(&x, 1, (uint64_t)one_off(&o[4]) * SECTOR_BYTES, hdr,
	    sizeof(hdr));
	CU_ASSERT_EQUAL_FATAL(rec_dec(hdr, sizeof(hdr), h.nonce, &r, NULL), 0);
	r.prev_sum ^= 1;
	rec_seal(hdr, &r, h.nonce);
	logfix_put(&x, 1, (uint64_t)one_off(&o[4]) * SECTOR_BYTES, hdr,
	    sizeof(hdr));
	CU_ASSERT_EQUAL(scan(x.f.ss, 1, &s), 0);
	CU_ASSERT(are(&s, o, 0, 4));
	/* Nor one of another place, however whole. */
	r.prev_sum ^= 1;
	r.off_sectors++;
	rec_seal(hdr, &r, h.nonce);
	logfix_put(&x, 1, (uint64_t)one_off(&o[4]) * SECTOR_BYTES, hdr,
	    sizeof(hdr));
	CU_ASSERT_EQUAL(scan(x.f.ss, 1, &s), 0);
	CU_ASSERT(are(&s, o, 0, 4));
	drop(o, 6);
	logfix_teardown(&x);
}

/* The file ends inside a record, as after its tail was cut. */
static void
test_short_file(void)
{
	struct logfix x;
	struct one o[5];
	struct seen s = { .n = 0 };

	logfix_setup(&x);
	for (unsigned i = 0; i < 5; i++) {
		one_data(&o[i], 3, i * 100);
		(void)logfix_append(&x, &o[i], 1);
	}
	CU_ASSERT_EQUAL(truncate(logfix_file(&x, 1),
	    (off_t)(one_off(&o[3]) + one_sectors(&o[3])) * SECTOR_BYTES), 0);
	CU_ASSERT_EQUAL(scan(x.f.ss, 1, &s), 0);
	CU_ASSERT(are(&s, o, 0, 4));
	CU_ASSERT_EQUAL(truncate(logfix_file(&x, 1),
	    (off_t)(one_off(&o[3]) + 2) * SECTOR_BYTES), 0);
	CU_ASSERT_EQUAL(scan(x.f.ss, 1, &s), 0);
	CU_ASSERT(are(&s, o, 0, 3));
	CU_ASSERT_EQUAL(truncate(logfix_file(&x, 1), 4000), 0);
	CU_ASSERT_EQUAL(scan(x.f.ss, 1, &s), -EILSEQ);
	drop(o, 5);
	logfix_teardown(&x);
}

static void
test_not_ours(void)
{
	struct logfix x;
	struct one o;
	struct seen s = { .n = 0 };
	struct seg_header h;
	uint8_t other[16] = { 1 }, buf[SEG_HEADER_BYTES];

	logfix_setup(&x);
	one_data(&o, 1, 5);
	(void)logfix_append(&x, &o, 1);
	CU_ASSERT_EQUAL(segscan_header(x.f.ss, uuid, 1, &h), 0);
	CU_ASSERT(h.kind == SEG_LOG && h.number == 1);
	CU_ASSERT_EQUAL(segscan_header(x.f.ss, other, 1, &h), -EILSEQ);
	/* What a recycled file keeps until it is written. */
	h.number = 9;
	seg_header_enc(&h, buf);
	logfix_put(&x, 1, 0, buf, sizeof(buf));
	CU_ASSERT_EQUAL(segscan_header(x.f.ss, uuid, 1, &h), -EILSEQ);
	CU_ASSERT_EQUAL(scan(x.f.ss, 1, &s), -EILSEQ);
	CU_ASSERT_EQUAL(s.n, 0);
	one_free(&o);
	logfix_teardown(&x);
}

static void
test_nodes(void)
{
	struct nodefix x;
	struct place p[20];
	struct seen s = { .n = 0 };
	struct seg_header h;

	nodefix_setup(&x, SEG_BYTES);
	for (unsigned i = 0; i < 4; i++) {
		nodefix_put(&x, p + i * 5, i * 5, 5);
		CU_ASSERT_EQUAL(nodes_flush(x.ns), 0);
		if (i % 2 == 1)
			CU_ASSERT_EQUAL(nodes_sync(x.ns), 0);
	}
	for (uint32_t n = 1; n <= 2; n++) {
		s.n = 0;
		CU_ASSERT_EQUAL(segscan(x.f.ss, uuid, n, &h, tell, &s), 0);
		CU_ASSERT_EQUAL(h.kind, SEG_NODES);
		CU_ASSERT_EQUAL_FATAL(s.n, 4);
		for (unsigned i = 0; i < 4; i++) {
			CU_ASSERT_EQUAL(s.r[i].kind, REC_NODES);
			CU_ASSERT_EQUAL(s.r[i].n_ids, 5);
			CU_ASSERT(id_equal(&s.first[i], &p[i * 5].id));
			CU_ASSERT_EQUAL(s.r[i].off_sectors +
			    s.r[i].header_sectors,
			    loc_off_sectors(p[i * 5].loc));
		}
	}
	/* A header that rotted is passed over: the rest can be saved. */
	nodefix_write(&x, 1, (uint64_t)s.r[1].off_sectors * SECTOR_BYTES + 40,
	    "rot", 3);
	CU_ASSERT_EQUAL(scan(x.f.ss, 1, &s), 0);
	CU_ASSERT_EQUAL_FATAL(s.n, 3);
	CU_ASSERT(id_equal(&s.first[1], &p[10].id));
	nodefix_teardown(&x);
}

static const struct unit_test tests[] = {
	{ "records of a log segment, gaps after syncs", test_log },
	{ "one segment at a time", test_several_segments },
	{ "holes", test_holes },
	{ "a broken header", test_broken_header },
	{ "a record that continues nothing", test_not_continuing },
	{ "a file that is shorter", test_short_file },
	{ "a segment that is not ours", test_not_ours },
	{ "nodes", test_nodes },
};
UNIT_MAIN("segscan", tests)
