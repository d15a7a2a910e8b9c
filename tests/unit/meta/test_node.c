/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nodes: what is written twice, and what is read when one of the two is gone.
 */
#include "meta/base/bytes.h"
#include "tests/unit/meta/nodefix.h"

/* ---- bytes ------------------------------------------------------------ */

static void
test_id(void)
{
	uint8_t ids[NODE_FANOUT * 16];
	struct id a, b, want;
	struct node n;

	memset(&n, 0, sizeof(n));
	a = node_id(&n);
	CU_ASSERT_TRUE(id_is_hole(&a));
	/* A locator alone makes no content. */
	node_set_child(&n, 5, (struct place){ { 0, 0 }, 77 });
	a = node_id(&n);
	CU_ASSERT_TRUE(id_is_hole(&a));

	nodefix_make(&n, 4);
	for (unsigned i = 0; i < NODE_FANOUT; i++) {
		struct place p = node_child(&n, i);

		put_be64(ids + i * 16, p.id.hi);
		put_be64(ids + i * 16 + 8, p.id.lo);
	}
	want = id_of(ids, sizeof(ids));
	a = node_id(&n);
	CU_ASSERT_TRUE(id_equal(&a, &want));
	/* Where the children are does not matter, what they are does. */
	n.b[1 * PLACE_LEN + 20] ^= 1;
	b = node_id(&n);
	CU_ASSERT_TRUE(id_equal(&a, &b));
	for (unsigned i = 0; i < NODE_FANOUT; i++) {
		n.b[i * PLACE_LEN + i % 16] ^= 1;
		b = node_id(&n);
		CU_ASSERT_FALSE(id_equal(&a, &b));
		n.b[i * PLACE_LEN + i % 16] ^= 1;
	}
}

static void
test_golden(void)
{
	static const uint8_t child[PLACE_LEN] = {
		0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
		0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
		0x00, 0x00, 0x00, 0x2a,		/* segment 42 */
		0x00, 0x04, 0x01, 0x01		/* sector 16, 3 long, node */
	};
	static const uint8_t lost[PLACE_LEN] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0, 0, 0, 0, 0, 0, 0, 2
	};
	struct place p = { { UINT64_C(0x0102030405060708),
	    UINT64_C(0x1112131415161718) },
	    loc_make(42, 16, NODE_SECTORS, LOC_F_NODE) };
	struct place back;
	struct node n;

	memset(&n, 0, sizeof(n));
	node_set_child(&n, 63, p);
	CU_ASSERT_EQUAL(sizeof(n), 1536);
	CU_ASSERT_EQUAL(memcmp(n.b + 63 * 24, child, 24), 0);
	back = node_child(&n, 63);
	CU_ASSERT_TRUE(id_equal(&back.id, &p.id) && back.loc == p.loc);
	CU_ASSERT_FALSE(place_is_lost(&back));
	node_set_child(&n, 62, PLACE_LOST);
	CU_ASSERT_EQUAL(memcmp(n.b + 62 * 24, lost, 24), 0);
	back = node_child(&n, 62);
	CU_ASSERT_TRUE(place_is_lost(&back));
	back = node_child(&n, 61);
	CU_ASSERT_FALSE(place_is_lost(&back));
}

/* ---- the stream ------------------------------------------------------- */

struct copy {
	uint32_t number, prev_segment, prev_end;
	uint64_t prev_sum, seq;
	uint32_t off;			/* of the next record */
};

/* One NODES record of one copy; moves ${c} behind it. */
static void
check_record(struct nodefix *x, struct copy *c, uint32_t first, uint32_t n)
{
	static uint8_t rec[16 * SECTOR_BYTES + 496 * NODE_BYTES];
	uint8_t buf[SEG_HEADER_BYTES];
	struct seg_header h;
	struct rec r;
	bool same = true;

	nodefix_get(x, c->number, 0, buf, sizeof(buf));
	CU_ASSERT_EQUAL_FATAL(seg_header_dec(buf, &h), 0);
	nodefix_get(x, c->number, (uint64_t)c->off * SECTOR_BYTES, rec,
	    16 * SECTOR_BYTES + n * NODE_BYTES);
	CU_ASSERT_EQUAL_FATAL(rec_dec(rec, 16 * SECTOR_BYTES, h.nonce, &r,
	    NULL), 0);
	CU_ASSERT_EQUAL(r.kind, REC_NODES);
	CU_ASSERT_EQUAL(r.header_sectors, 16);
	CU_ASSERT_EQUAL(r.segment, c->number);
	CU_ASSERT_EQUAL(r.off_sectors, c->off);
	CU_ASSERT_EQUAL(r.n_ids, n);
	CU_ASSERT_EQUAL(r.payload_used_bytes, n * NODE_BYTES);
	CU_ASSERT_EQUAL(r.payload_sum, rec_sum(h.nonce, rec + 8192,
	    n * NODE_BYTES));
	CU_ASSERT_EQUAL(r.seq, c->seq);
	CU_ASSERT_EQUAL(r.prev_segment, c->prev_segment);
	CU_ASSERT_EQUAL(r.prev_end_sectors, c->prev_end);
	CU_ASSERT_EQUAL(r.prev_sum, c->prev_sum);
	for (uint32_t i = 0; i < n; i++) {
		struct node nd;
		struct id id = rec_id(rec, &r, i), want;

		memcpy(&nd, rec + 8192 + i * NODE_BYTES, NODE_BYTES);
		want = node_id(&nd);
		same = same && nodefix_is(&nd, first + i) &&
		    id_equal(&id, &want);
	}
	CU_ASSERT_TRUE(same);
	c->prev_segment = c->number;
	c->prev_end = c->off + 16 + n * NODE_SECTORS;
	c->prev_sum = r.sum;
	c->off = c->prev_end;
	c->seq++;
}

static void
check_header(struct nodefix *x, const struct copy *c, uint32_t twin)
{
	uint8_t buf[SEG_HEADER_BYTES];
	struct seg_header h;

	nodefix_get(x, c->number, 0, buf, sizeof(buf));
	CU_ASSERT_EQUAL_FATAL(seg_header_dec(buf, &h), 0);
	CU_ASSERT_EQUAL(h.kind, SEG_NODES);
	CU_ASSERT_EQUAL(h.number, c->number);
	CU_ASSERT_EQUAL(h.bytes, x->conf.segment_bytes);
	CU_ASSERT_EQUAL(h.epoch, 3);
	CU_ASSERT_EQUAL(h.twin, twin);
	CU_ASSERT_EQUAL(h.prev_segment, c->prev_segment);
	CU_ASSERT_EQUAL(h.prev_end_sectors, c->prev_end);
	CU_ASSERT_EQUAL(h.prev_sum, c->prev_sum);
	CU_ASSERT_EQUAL(h.first_seq, c->seq);
	CU_ASSERT_EQUAL(memcmp(h.store_uuid, x->conf.store_uuid, 16), 0);
}

static void
test_stream(void)
{
	struct copy c[2] = { { .number = 1, .seq = 1, .off = 8 },
	    { .number = 2, .seq = 1, .off = 8 } };
	enum { N = 1500 };
	static struct place p[N];
	struct nodefix x;
	uint32_t end;

	nodefix_setup(&x, SEG_BYTES);
	CU_ASSERT_EQUAL(nodes_end(x.ns, &end), 0);
	CU_ASSERT_EQUAL(end, 0);
	nodefix_put(&x, p, 0, 5);
	CU_ASSERT_EQUAL(nodes_flush(x.ns), 0);
	nodefix_put(&x, p + 5, 5, 4);
	CU_ASSERT_EQUAL(nodes_flush(x.ns), 0);
	CU_ASSERT_EQUAL(nodes_sync(x.ns), 0);
	CU_ASSERT_EQUAL(x.n_created, 2);
	for (unsigned i = 0; i < 2; i++) {
		check_header(&x, &c[i], 2 - i);
		check_record(&x, &c[i], 0, 5);
		check_record(&x, &c[i], 5, 4);
	}
	/* Behind a sync: the next page. */
	CU_ASSERT_NOT_EQUAL(c[0].off % 8, 0);
	c[0].off = c[1].off = (c[0].off + 7) / 8 * 8;
	CU_ASSERT_EQUAL(nodes_end(x.ns, &end), 1);
	CU_ASSERT_EQUAL(end, c[0].off);
	/* What does not fit goes to another pair. */
	nodefix_put(&x, p + 9, 9, N - 9);
	CU_ASSERT_EQUAL(nodes_flush(x.ns), 0);
	CU_ASSERT_EQUAL(x.n_created, 4);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t n;

		check_record(&x, &c[i], 9, 496);
		check_record(&x, &c[i], 505, 496);
		n = (SEG_BYTES / SECTOR_BYTES - c[i].off - 16) / 3;
		check_record(&x, &c[i], 1001, n);
		c[i].number += 2;
		c[i].off = 8;
		check_header(&x, &c[i], 4 - i);
		check_record(&x, &c[i], 1001 + n, N - 1001 - n);
	}
	CU_ASSERT_EQUAL(nodes_end(x.ns, &end), 3);
	for (unsigned i = 0; i < N; i += 7) {
		struct node nd;

		CU_ASSERT_EQUAL(loc_flags(p[i].loc), LOC_F_NODE);
		CU_ASSERT_EQUAL(loc_sectors(p[i].loc), NODE_SECTORS);
		for (unsigned k = 0; k < 2; k++) {
			nodefix_get(&x, loc_segment(p[i].loc) + k,
			    (uint64_t)loc_off_sectors(p[i].loc) * SECTOR_BYTES,
			    &nd, sizeof(nd));
			CU_ASSERT_TRUE(nodefix_is(&nd, i));
		}
	}
	nodefix_teardown(&x);
}

/* A record is full at 496 nodes. */
static void
test_full_record(void)
{
	struct copy c[2] = { { .number = 1, .seq = 1, .off = 8 },
	    { .number = 2, .seq = 1, .off = 8 } };
	static struct place p[700];
	struct nodefix x;

	nodefix_setup(&x, SEG_BYTES);
	nodefix_put(&x, p, 0, 700);
	CU_ASSERT_EQUAL(nodes_flush(x.ns), 0);
	for (unsigned i = 0; i < 2; i++) {
		check_header(&x, &c[i], 2 - i);
		check_record(&x, &c[i], 0, 496);
		check_record(&x, &c[i], 496, 204);
	}
	nodefix_teardown(&x);
}

/* ---- reading back ----------------------------------------------------- */

/* At once, also without a cache; from the files when they are there. */
static void
test_read_back(void)
{
	enum { N = 3000 };
	static struct place p[N];
	struct nodefix x;
	struct node nd;
	unsigned wrong = 0;

	nodefix_setup(&x, NODEFIX_BYTES);
	nodes_free(x.ns);
	x.conf.cache_bytes = 0;		/* about a thousand nodes stay */
	CU_ASSERT_EQUAL_FATAL(nodes_new(&x.conf, &x.ns), 0);
	for (unsigned i = 0; i < N; i++) {
		nodefix_put(&x, &p[i], i, 1);
		/* The last, and one of those that are not flushed. */
		wrong += nodes_load(x.ns, p[i], 0, &nd) != 0 ||
		    !nodefix_is(&nd, i);
		wrong += nodes_load(x.ns, p[i / 2], 0, &nd) != 0 ||
		    !nodefix_is(&nd, i / 2);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(nodes_flush(x.ns), 0);
	CU_ASSERT_EQUAL(nodes_sync(x.ns), 0);
	/* 34 to a pair; more pairs than are remembered for a sync. */
	CU_ASSERT_EQUAL(x.n_created, 2 * ((N + 33) / 34));
	nodefix_reopen(&x);
	for (unsigned i = 0; i < N; i++) {
		CU_ASSERT_EQUAL(nodes_peek(x.ns, p[i].loc, &nd), -EAGAIN);
		wrong += nodefix_load(&x, p[i], 0, i % 2 == 0, &nd) != 0 ||
		    !nodefix_is(&nd, i);
		memset(&nd, 0, sizeof(nd));
		CU_ASSERT_EQUAL(nodes_peek(x.ns, p[i].loc, &nd), 0);
		wrong += !nodefix_is(&nd, i);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_TRUE(nodes_cached_bytes(x.ns) >= (uint64_t)N * NODE_BYTES);
	CU_ASSERT_TRUE(nodes_cached_bytes(x.ns) <= x.conf.cache_bytes);
	nodefix_teardown(&x);
}

/* ---- damage ----------------------------------------------------------- */

enum harm {
	HARM_NONE, HARM_ID, HARM_LAST_ID, HARM_ZERO, HARM_SECTOR, HARM_SHORT,
	HARM_MISSING, HARMS
};

static const int harm_rc[HARMS] = { 0, -EILSEQ, -EILSEQ, -EILSEQ, -EILSEQ,
    -ENODATA, -ENOENT };

static void
harm(struct nodefix *x, locator loc, unsigned copy, enum harm how)
{
	uint32_t number = loc_segment(loc) + copy;
	uint64_t off = (uint64_t)loc_off_sectors(loc) * SECTOR_BYTES;
	uint8_t zero[NODE_BYTES] = { 0 }, c;

	switch (how) {
	case HARM_ID:
	case HARM_LAST_ID:
		off += how == HARM_ID ? 0 : 63 * PLACE_LEN + 15;
		nodefix_get(x, number, off, &c, 1);
		c ^= 0x04;
		nodefix_write(x, number, off, &c, 1);
		break;
	case HARM_ZERO:
		nodefix_write(x, number, off, zero, NODE_BYTES);
		break;
	case HARM_SECTOR:
		nodefix_write(x, number, off + 512, zero, 512);
		break;
	case HARM_SHORT:
		CU_ASSERT_EQUAL(truncate(nodefix_file(x, number),
		    (off_t)off + 100), 0);
		break;
	case HARM_MISSING:
		CU_ASSERT_EQUAL(segs_remove(x->f.ss, number), 0);
		break;
	case HARM_NONE:
	case HARMS:
		break;
	}
}

/* Every kind of harm to each copy, read in each way. */
static void
try_harm(enum harm a, enum harm b, unsigned flags, bool async)
{
	int want = a == HARM_NONE || b == HARM_NONE ? 0 :
	    harm_rc[flags == 0 ? a : b];
	struct place p[6];
	struct nodefix x;
	struct node nd;

	nodefix_setup(&x, NODEFIX_BYTES);
	nodefix_put(&x, p, 0, 6);
	CU_ASSERT_EQUAL(nodes_flush(x.ns), 0);
	CU_ASSERT_EQUAL(nodes_sync(x.ns), 0);
	nodefix_reopen(&x);
	harm(&x, p[3].loc, 0, a);
	harm(&x, p[3].loc, 1, b);
	memset(&nd, 0xee, sizeof(nd));
	CU_ASSERT_EQUAL(nodefix_load(&x, p[3], flags, async, &nd), want);
	if (want == 0) {
		CU_ASSERT_TRUE(nodefix_is(&nd, 3));
		CU_ASSERT_EQUAL(nodes_peek(x.ns, p[3].loc, &nd), 0);
		CU_ASSERT_TRUE(nodefix_is(&nd, 3));
	} else {
		/* What is wrong is never kept. */
		CU_ASSERT_EQUAL(nodes_peek(x.ns, p[3].loc, &nd), -EAGAIN);
	}
	nodefix_teardown(&x);
}

static void
test_twins(void)
{

	for (enum harm a = HARM_NONE; a < HARMS; a++)
		for (enum harm b = HARM_NONE; b < HARMS; b++) {
			try_harm(a, b, 0, (a + b) % 2 == 0);
			try_harm(a, b, NODE_FROM_TWIN, (a + b) % 2 == 1);
			if (a == HARM_NONE || b == HARM_NONE || a == b) {
				try_harm(a, b, 0, (a + b) % 2 == 1);
				try_harm(a, b, NODE_FROM_TWIN,
				    (a + b) % 2 == 0);
			}
		}
}

/* Ids do not cover locators: the twin is asked when a child is not found. */
static void
test_wrong_locator(void)
{

	for (unsigned async = 0; async < 2; async++) {
		struct place p[3];
		struct nodefix x;
		struct node nd;
		uint8_t c;

		nodefix_setup(&x, NODEFIX_BYTES);
		nodefix_put(&x, p, 0, 3);
		CU_ASSERT_EQUAL(nodes_flush(x.ns), 0);
		nodefix_reopen(&x);
		c = 0x99;
		nodefix_write(&x, 1, (uint64_t)loc_off_sectors(p[0].loc) *
		    SECTOR_BYTES + 17, &c, 1);
		CU_ASSERT_EQUAL(nodefix_load(&x, p[0], 0, async, &nd), 0);
		CU_ASSERT_FALSE(nodefix_is(&nd, 0));
		/* Although the cache has the other one. */
		CU_ASSERT_EQUAL(nodefix_load(&x, p[0], NODE_FROM_TWIN, async,
		    &nd), 0);
		CU_ASSERT_TRUE(nodefix_is(&nd, 0));
		/* And now the cache has the right one. */
		CU_ASSERT_EQUAL(nodes_peek(x.ns, p[0].loc, &nd), 0);
		CU_ASSERT_TRUE(nodefix_is(&nd, 0));
		nodefix_teardown(&x);
	}
}

/*
 * A parent (p[1]) and its child (p[0]); the locator of the child is damaged in
 * one copy of the parent.  Who is going to write it again gets the right one.
 */
static void
both_copies(unsigned bad, bool cached)
{
	struct place p[2], q;
	struct node nd, parent;
	struct nodefix x;
	uint8_t c = 0x7c;

	nodefix_setup(&x, NODEFIX_BYTES);
	nodefix_put(&x, p, 0, 1);
	memset(&parent, 0, sizeof(parent));
	node_set_child(&parent, 9, p[0]);
	CU_ASSERT_EQUAL_FATAL(nodes_put(x.ns, &parent, &p[1]), 0);
	/* What was put by us is known to be the same twice. */
	CU_ASSERT_EQUAL(nodes_peek_both(x.ns, p[1].loc, &nd), 0);
	CU_ASSERT_EQUAL(nodes_flush(x.ns), 0);
	nodefix_reopen(&x);
	nodefix_write(&x, 1 + bad, (uint64_t)loc_off_sectors(p[1].loc) *
	    SECTOR_BYTES + 9 * PLACE_LEN + 19, &c, 1);
	if (cached)
		CU_ASSERT_EQUAL(nodes_load(x.ns, p[1], 0, &nd), 0);
	CU_ASSERT_EQUAL(nodes_peek_both(x.ns, p[1].loc, &nd), -EAGAIN);
	CU_ASSERT_EQUAL(nodes_load(x.ns, p[1], NODE_BOTH, &nd), 0);
	q = node_child(&nd, 9);
	CU_ASSERT_EQUAL(q.loc, p[0].loc);
	CU_ASSERT_EQUAL(memcmp(&nd, &parent, sizeof(nd)), 0);
	/* And it is kept. */
	CU_ASSERT_EQUAL(nodes_peek_both(x.ns, p[1].loc, &nd), 0);
	CU_ASSERT_EQUAL(memcmp(&nd, &parent, sizeof(nd)), 0);
	nodefix_teardown(&x);
}

static void
test_both(void)
{
	struct place p[2];
	struct nodefix x;
	struct node nd;

	for (unsigned bad = 0; bad < 2; bad++)
		for (unsigned cached = 0; cached < 2; cached++)
			both_copies(bad, cached);
	/* With one copy gone there is nothing to compare. */
	for (unsigned gone = 0; gone < 2; gone++) {
		nodefix_setup(&x, NODEFIX_BYTES);
		nodefix_put(&x, p, 0, 2);
		CU_ASSERT_EQUAL(nodes_flush(x.ns), 0);
		nodefix_reopen(&x);
		harm(&x, p[1].loc, gone, HARM_ID);
		CU_ASSERT_EQUAL(nodes_load(x.ns, p[1], NODE_BOTH, &nd), 0);
		CU_ASSERT_TRUE(nodefix_is(&nd, 1));
		CU_ASSERT_EQUAL(nodes_peek(x.ns, p[1].loc, &nd), 0);
		CU_ASSERT_EQUAL(nodes_peek_both(x.ns, p[1].loc, &nd), -EAGAIN);
		harm(&x, p[1].loc, !gone, HARM_ZERO);
		CU_ASSERT_EQUAL(nodes_load(x.ns, p[1], NODE_BOTH, &nd),
		    -EILSEQ);
		CU_ASSERT_EQUAL(nodes_load(x.ns, p[0], NODE_BOTH, &nd), 0);
		CU_ASSERT_EQUAL(nodes_peek_both(x.ns, p[0].loc, &nd), 0);
		nodefix_teardown(&x);
	}
}

/* Locators that no node can have; a place whose id is another's. */
static void
test_bad_places(void)
{
	struct place p[2], q;
	struct nodefix x;
	struct node nd;

	nodefix_setup(&x, NODEFIX_BYTES);
	nodefix_put(&x, p, 0, 2);
	CU_ASSERT_EQUAL(nodes_flush(x.ns), 0);
	for (unsigned async = 0; async < 2; async++) {
		q = p[0];
		q.loc &= ~(locator)LOC_F_NODE;
		CU_ASSERT_EQUAL(nodefix_load(&x, q, 0, async, &nd), -EILSEQ);
		q.loc = loc_make(1, loc_off_sectors(p[0].loc), 4, LOC_F_NODE);
		CU_ASSERT_EQUAL(nodefix_load(&x, q, 0, async, &nd), -EILSEQ);
		q.loc = loc_make(UINT32_MAX, loc_off_sectors(p[0].loc),
		    NODE_SECTORS, LOC_F_NODE);
		CU_ASSERT_EQUAL(nodefix_load(&x, q, 0, async, &nd), -EILSEQ);
		q = p[0];
		q.loc = 0;
		CU_ASSERT_EQUAL(nodefix_load(&x, q, 0, async, &nd), -EILSEQ);
		/* The id of one, the place of the other; also when cached. */
		q = (struct place){ p[0].id, p[1].loc };
		CU_ASSERT_EQUAL(nodefix_load(&x, q, 0, async, &nd), -EILSEQ);
		nodefix_reopen(&x);
		CU_ASSERT_EQUAL(nodefix_load(&x, q, 0, async, &nd), -EILSEQ);
		CU_ASSERT_EQUAL(nodefix_load(&x, q, NODE_FROM_TWIN, async,
		    &nd), -EILSEQ);
		CU_ASSERT_EQUAL(nodes_peek(x.ns, q.loc, &nd), -EAGAIN);
		CU_ASSERT_EQUAL(nodefix_load(&x, p[1], 0, async, &nd), 0);
		CU_ASSERT_TRUE(nodefix_is(&nd, 1));
	}
	nodefix_teardown(&x);
}

static const struct unit_test tests[] = {
	{ "ids", test_id },
	{ "golden bytes of a child", test_golden },
	{ "the stream and its pairs", test_stream },
	{ "a full record", test_full_record },
	{ "reading back", test_read_back },
	{ "harm to one copy and to both", test_twins },
	{ "a wrong locator in one copy", test_wrong_locator },
	{ "both copies compared", test_both },
	{ "places that are none", test_bad_places },
};

UNIT_MAIN("node", tests)
