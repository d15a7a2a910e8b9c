/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a rebuild would read: the last complete dump in the log is the
 * catalogue, row for row, and CHECKPOINT records name every root.  The parser
 * here knows FORMAT.md and nothing of dump.c.
 */
#include <poll.h>
#include <stdlib.h>

#include "meta/item.h"
#include "meta/recover.h"
#include "meta/store_int.h"
#include "tests/fault/inject.h"
#include "tests/unit/lun/steps.h"
#include "tests/unit/meta/segfix.h"

/* ---- rows in order ---------------------------------------------------- */

struct rows {
	uint8_t *buf;			/* table 1, klen 2, key, vlen 2, val */
	size_t len, room;
	unsigned n;
};

static void
rows_bytes(struct rows *r, const void *p, size_t n)
{

	if (r->room - r->len < n) {
		r->room = 2 * (r->room + n);
		r->buf = realloc(r->buf, r->room);
		CU_ASSERT_PTR_NOT_NULL_FATAL(r->buf);
	}
	memcpy(r->buf + r->len, p, n);
	r->len += n;
}

static void
rows_add(struct rows *r, unsigned tab, const uint8_t *key, size_t klen,
    const uint8_t *val, size_t vlen)
{
	uint8_t t = (uint8_t)tab, two[2];

	rows_bytes(r, &t, 1);
	put_be16(two, (uint16_t)klen);
	rows_bytes(r, two, 2);
	rows_bytes(r, key, klen);
	put_be16(two, (uint16_t)vlen);
	rows_bytes(r, two, 2);
	rows_bytes(r, val, vlen);
	r->n++;
}

static bool
rows_same(const struct rows *a, const struct rows *b)
{

	return (a->n == b->n && a->len == b->len &&
	    memcmp(a->buf, b->buf, a->len) == 0);
}

struct table_arg {
	struct rows *rows;
	unsigned tab;
};

static int
table_row_fn(void *arg, const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen)
{
	struct table_arg *a = arg;

	rows_add(a->rows, a->tab, key, klen, val, vlen);
	return (0);
}

/* The catalogue as it is; segments know themselves. */
static void
rows_of_catalog(struct store *st, struct rows *r)
{

	r->len = r->n = 0;
	for (unsigned t = CAT_STORE; t < CAT_TABLES; t++) {
		struct table_arg a = { r, t };

		if (!cat_is_derived((enum cat_table)t))
			CU_ASSERT_EQUAL(catalog_each(st->cat,
			    (enum cat_table)t, table_row_fn, &a), 0);
	}
}

/* ---- a parser of the log ---------------------------------------------- */

struct parser {
	/* the dump that is being read; the last complete one */
	struct rows open, whole;
	struct log_pos open_pos, whole_pos;
	bool in_dump;
	unsigned records, dumps, broken;
	/* of CHECKPOINT records with the last position */
	struct log_pos ckpt_pos;
	unsigned ckpt_records, ckpt_roots, ckpt_wrong;
};

static struct log_pos
read_position(const struct item *it)
{
	struct rd r = rd_init(it->val, it->len);
	struct log_pos p;

	CU_ASSERT_EQUAL(it->len, 32);
	p.segment = rd_be32(&r);
	p.end_sectors = rd_be32(&r);
	p.seq = rd_be64(&r);
	p.sum = rd_be64(&r);
	p.time_ns = rd_be64(&r);
	return (p);
}

static bool
pos_same(const struct log_pos *a, const struct log_pos *b)
{

	return (memcmp(a, b, sizeof(*a)) == 0);
}

static void
dump_item(struct parser *p, const struct item *it)
{
	struct rd r = rd_init(it->val, it->len);
	const uint8_t *key;
	unsigned tab;
	size_t klen;

	if (it->type == ITEM_POSITION) {
		p->broken += p->in_dump;
		p->in_dump = true;
		p->open.len = p->open.n = 0;
		p->open_pos = read_position(it);
		return;
	}
	CU_ASSERT_EQUAL_FATAL(it->type, ITEM_ROW_PUT);
	CU_ASSERT_TRUE(p->in_dump);
	tab = rd_u8(&r);
	klen = rd_be16(&r);
	key = rd_bytes(&r, klen);
	CU_ASSERT_FALSE_FATAL(r.bad);
	rows_add(&p->open, tab, key, klen, r.p, rd_left(&r));
}

static void
ckpt_item(struct parser *p, const struct item *it, bool first)
{
	struct rd r = rd_init(it->val, it->len);
	struct log_pos pos;
	struct place root;

	if (it->type == ITEM_POSITION) {
		CU_ASSERT_TRUE(first);
		pos = read_position(it);
		if (!pos_same(&pos, &p->ckpt_pos))
			p->ckpt_records = p->ckpt_roots = 0;
		p->ckpt_pos = pos;
		p->ckpt_records++;
		return;
	}
	CU_ASSERT_EQUAL_FATAL(it->type, ITEM_ROOT);
	CU_ASSERT_EQUAL_FATAL(it->len, 48);
	p->ckpt_roots++;
	p->ckpt_wrong += rd_be64(&r) != p->ckpt_roots ||
	    rd_be64(&r) != STORE_HEAD || rd_be64(&r) != p->ckpt_pos.seq;
	root = place_get(it->val + 24);
	p->ckpt_wrong += !token_is(&root, p->ckpt_roots % 900 + 1);
}

static int
parse(void *arg, const struct rec *rec, const uint8_t *hdr,
    const uint8_t *payload)
{
	struct rd r = rd_init(payload, rec->payload_used_bytes);
	struct parser *p = arg;
	bool first = true;
	struct item it;

	(void)hdr;
	if (rec->kind == REC_CHECKPOINT) {
		for (; item_next(&r, &it); first = false)
			ckpt_item(p, &it, first);
	} else if ((rec->flags & REC_F_DUMP) != 0) {
		CU_ASSERT_EQUAL(rec->kind, REC_CATALOG);
		p->records++;
		while (item_next(&r, &it))
			dump_item(p, &it);
		if ((rec->flags & REC_F_DUMP_END) != 0) {
			struct rows old = p->whole;

			p->whole = p->open;
			p->open = old;
			p->whole_pos = p->open_pos;
			p->in_dump = false;
			p->dumps++;
		}
	} else {
		CU_ASSERT_EQUAL(rec->flags & REC_F_DUMP_END, 0);
	}
	CU_ASSERT_FALSE(r.bad);
	return (0);
}

/* Reads the whole log of the open store. */
static void
parse_log(struct store *st, struct parser *p)
{
	struct recover_conf rc = { .segs = store_segs(st),
	    .segment_bytes = SEG_BYTES, .replay = parse, .arg = p };
	struct recovery *rv;
	struct log_state ls;

	free(p->open.buf);
	free(p->whole.buf);
	memset(p, 0, sizeof(*p));
	memcpy(rc.store_uuid, store_uuid(st), 16);
	CU_ASSERT_EQUAL_FATAL(recover_run(&rc, &rv), 0);
	log_state(store_log(st), &ls);
	CU_ASSERT_EQUAL(recovery_end(rv).seq, ls.seq);
	recovery_free(rv);
}

static void
parser_free(struct parser *p)
{

	free(p->open.buf);
	free(p->whole.buf);
}

/* ---- a client that only names roots ----------------------------------- */

struct client {
	struct tmpdir t;
	struct store_conf conf;
	struct store *st;
	unsigned n_roots;
};

static int
client_row(void *arg, enum cat_table tab, const uint8_t *key, size_t klen,
    const uint8_t *val, size_t vlen)
{

	(void)arg;
	(void)tab;
	(void)key;
	(void)klen;
	(void)val;
	(void)vlen;
	return (0);
}

static int
client_replay(void *arg, const struct rec *r, const uint8_t *hdr,
    const uint8_t *payload)
{

	(void)arg;
	(void)r;
	(void)hdr;
	(void)payload;
	return (0);
}

static int
client_fold(void *arg, uint64_t gen, uint64_t seq, struct checkpoint *cp)
{
	struct client *c = arg;
	int rc = 0;

	(void)gen;
	(void)seq;
	for (unsigned i = 1; i <= c->n_roots && rc == 0; i++)
		rc = checkpoint_root(cp, i, STORE_HEAD, token_place(i % 900 +
		    1));
	return (rc);
}

static void
client_publish(void *arg, uint64_t gen)
{

	(void)arg;
	(void)gen;
}

static const struct store_ops client_ops = {
	.row = client_row, .replay = client_replay,
	.fold = client_fold, .publish = client_publish
};

static void
client_setup(struct client *c, unsigned n_roots)
{

	tmpdir_prefer_memory();
	memset(c, 0, sizeof(*c));
	tmpdir_make(&c->t);
	c->n_roots = n_roots;
	c->conf = (struct store_conf){ .path = c->t.path,
	    .node_cache_bytes = 1u << 20, .ops = &client_ops, .arg = c };
	CU_ASSERT_EQUAL_FATAL(store_init(c->t.path, SEG_BYTES), 0);
	CU_ASSERT_EQUAL_FATAL(store_open(&c->conf, &c->st), 0);
}

static void
client_teardown(struct client *c)
{

	(void)store_close(c->st, false);
	tmpdir_remove(&c->t);
}

static void
logged(void *arg, const struct store_cut *cut)
{

	(void)arg;
	(void)cut;
}

/* ${n} rows of ${vlen} bytes, over the tables. */
static void
put_rows(struct client *c, unsigned n, size_t vlen)
{
	static const enum cat_table tabs[] = { CAT_STORE, CAT_LUN, CAT_SNAP,
	    CAT_EXPOSE, CAT_ACCESS };
	static uint8_t buf[REC_PAYLOAD_MAX], val[CAT_VALUE_MAX];
	struct wr w = wr_init(buf, sizeof(buf));

	for (unsigned i = 0; i < n; i++) {
		uint8_t key[16];
		uint8_t *mark = item_begin(&w, ITEM_ROW_PUT);

		put_be64(key, i * 7919);
		put_be64(key + 8, i);
		for (size_t k = 0; k < vlen; k++)
			val[k] = (uint8_t)(i + k);
		wr_u8(&w, (uint8_t)tabs[i % 5]);
		wr_be16(&w, 16);
		wr_bytes(&w, key, 16);
		wr_bytes(&w, val, vlen);
		item_end(&w, mark);
	}
	CU_ASSERT_FALSE_FATAL(w.bad);
	CU_ASSERT_EQUAL_FATAL(store_change(c->st, REC_CATALOG, buf,
	    (size_t)(w.p - buf), logged, c), 0);
}

/* ---- tests ------------------------------------------------------------ */

/* The first checkpoint of a store dumps; so does one after much news. */
static void
check_dump(unsigned n_rows, size_t vlen, unsigned records)
{
	struct parser p = { .dumps = 0 };
	struct rows now = { .n = 0 };
	struct client c;
	struct log_pos first;

	client_setup(&c, 4);
	if (n_rows > 0)
		put_rows(&c, n_rows, vlen);
	CU_ASSERT_EQUAL(keeper_run(c.st), 0);
	first = c.st->row.pos;
	rows_of_catalog(c.st, &now);
	/* "checkpoint", "power", and the four of the fixture. */
	CU_ASSERT_EQUAL(now.n, n_rows + 2 + 4);
	parse_log(c.st, &p);
	CU_ASSERT_EQUAL(p.dumps, 1);
	CU_ASSERT_EQUAL(p.broken, 0);
	CU_ASSERT_EQUAL(p.records, records);
	CU_ASSERT_TRUE(rows_same(&p.whole, &now));
	CU_ASSERT_TRUE(pos_same(&p.whole_pos, &first));
	/* Nothing much is new: no other one. */
	CU_ASSERT_EQUAL(keeper_run(c.st), 0);
	CU_ASSERT_EQUAL(keeper_run(c.st), 0);
	parse_log(c.st, &p);
	CU_ASSERT_EQUAL(p.dumps, 1);
	CU_ASSERT_TRUE(pos_same(&p.whole_pos, &first));
	free(now.buf);
	parser_free(&p);
	client_teardown(&c);
}

static void
test_dump(void)
{

	check_dump(0, 0, 1);
	check_dump(20, 30, 1);
	check_dump(450, CAT_VALUE_MAX, 4);
	check_dump(3000, 250, 4);
}

/* Also after another opening, the sizes are known. */
static void
test_next_dump(void)
{
	struct parser p = { .dumps = 0 };
	struct rows now = { .n = 0 };
	unsigned checkpoints = 0;
	struct client c;

	client_setup(&c, 1000);
	put_rows(&c, 100, 100);
	CU_ASSERT_EQUAL(keeper_run(c.st), 0);
	CU_ASSERT_TRUE(c.st->row.dump_bytes > 100 * 100);
	CU_ASSERT_EQUAL(c.st->row.since_dump_bytes, 0);
	/* 54 KiB of roots each; a dump is due after 4 times the last one. */
	do {
		if (checkpoints == 2) {
			CU_ASSERT_EQUAL(store_close(c.st, false), 0);
			CU_ASSERT_EQUAL_FATAL(store_open(&c.conf, &c.st), 0);
		}
		CU_ASSERT_EQUAL(keeper_run(c.st), 0);
		checkpoints++;
		parse_log(c.st, &p);
	} while (p.dumps == 1 && checkpoints < 30);
	CU_ASSERT_EQUAL(p.dumps, 2);
	CU_ASSERT_TRUE(checkpoints > 4);
	rows_of_catalog(c.st, &now);
	CU_ASSERT_TRUE(rows_same(&p.whole, &now));
	free(now.buf);
	parser_free(&p);
	client_teardown(&c);
}

/* A dump that breaks off is none; the one before it counts. */
static void
test_broken_dump(void)
{
	struct parser p = { .dumps = 0 };
	struct rows now = { .n = 0 };
	unsigned broken = 0, failures = 0;
	struct client c;
	bool reached = true;

	client_setup(&c, 4);
	put_rows(&c, 450, CAT_VALUE_MAX);
	CU_ASSERT_EQUAL(keeper_run(c.st), 0);
	rows_of_catalog(c.st, &now);
	for (unsigned at = 1; reached && at < 50; at++) {
		uint64_t bytes = 0;
		int rc;

		/* The log is in order again, and its next segment ready. */
		put_rows(&c, 1, 1);
		(void)poll(NULL, 0, 5);
		inject_arm(INJECT_CHANGE, at, ENOSPC, false);
		rc = dump_catalog(c.st, &c.st->row.pos, &bytes);
		(void)inject_disarm();
		reached = inject_failed() > 0;
		failures += rc != 0;
		CU_ASSERT_TRUE(reached || rc == 0);
		CU_ASSERT_EQUAL(bytes == 0, rc != 0);
		parse_log(c.st, &p);
		broken += p.broken + p.in_dump;
		CU_ASSERT_TRUE(rows_same(&p.whole, &now));
	}
	CU_ASSERT_FALSE(reached);
	CU_ASSERT_TRUE(failures > 2);
	CU_ASSERT_TRUE(broken > 0);
	free(now.buf);
	parser_free(&p);
	client_teardown(&c);
}

/* CHECKPOINT records name each root, in as many records as it takes. */
static void
test_checkpoint_records(void)
{
	static const struct {
		unsigned roots, records;
	} cases[] = { { 0, 1 }, { 1, 1 }, { 100, 1 }, { 6000, 2 },
	    { 10000, 3 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct parser p = { .dumps = 0 };
		struct client c;

		client_setup(&c, cases[i].roots);
		put_rows(&c, 1, 1);
		CU_ASSERT_EQUAL(keeper_run(c.st), 0);
		parse_log(c.st, &p);
		CU_ASSERT_EQUAL(p.ckpt_roots, cases[i].roots);
		CU_ASSERT_EQUAL(p.ckpt_records, cases[i].records);
		CU_ASSERT_EQUAL(p.ckpt_wrong, 0);
		CU_ASSERT_TRUE(pos_same(&p.ckpt_pos, &c.st->row.pos));
		CU_ASSERT_EQUAL(p.ckpt_pos.seq, 1);
		parser_free(&p);
		client_teardown(&c);
	}
}

static const struct unit_test tests[] = {
	{ "the first dump", test_dump },
	{ "the next dump", test_next_dump },
	{ "a dump that breaks off", test_broken_dump },
	{ "checkpoint records", test_checkpoint_records },
};

UNIT_MAIN("dump", tests)
