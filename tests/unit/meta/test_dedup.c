/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of dedup, one by one: the table of samples and its filter, the ids
 * of whole segments, the samples of a checkpoint, the comparison.
 */
#include "meta/dedup_int.h"

#include "meta/base/bytes.h"
#include "tests/unit/meta/logfix.h"

static const uint8_t uuid[16] = {
	0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a,
	0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a
};

struct fix {
	struct logfix x;
	char cat_dir[200];
	struct catalog *cat;
	struct moved *moved;
};

static void
setup(struct fix *f)
{

	logfix_setup(&f->x);
	(void)snprintf(f->cat_dir, sizeof(f->cat_dir), "%s/catalog",
	    f->x.f.t.path);
	CU_ASSERT_EQUAL_FATAL(catalog_init(f->cat_dir), 0);
	CU_ASSERT_EQUAL_FATAL(catalog_open(f->cat_dir, UINT64_C(1) << 30,
	    &f->cat), 0);
	CU_ASSERT_EQUAL_FATAL(moved_open(f->cat, f->x.f.ss, &f->moved), 0);
}

static void
teardown(struct fix *f)
{

	moved_close(f->moved);
	catalog_close(f->cat);
	logfix_teardown(&f->x);
}

/* Keys as ids have them. */
static uint64_t
key(uint64_t i)
{

	return (id_of(&i, sizeof(i)).hi);
}

/* ---- the table and its filter --------------------------------------------- */

static struct dedup_index *
open_index(struct fix *f, uint64_t filter_bytes)
{
	struct dedup_index_conf c = { .cat = f->cat, .segs = f->x.f.ss,
	    .moved = f->moved, .filter_bytes = filter_bytes };
	struct dedup_index *x = NULL;

	CU_ASSERT_EQUAL_FATAL(dedup_index_new(&c, &x), 0);
	return (x);
}

/* Rows ${from}... in segment 1, in no order. */
static void
put_rows(struct dedup_index *x, uint64_t from, size_t n, uint32_t segment)
{
	struct dedup_row *r = malloc(n * sizeof(*r));

	for (size_t i = 0; i < n; i++)
		r[i] = (struct dedup_row){ key(from + i),
		    loc_make(segment, 8 + (uint32_t)(i % 1000) * 8, 8, 0) };
	CU_ASSERT_EQUAL(dedup_index_put(x, r, n), 0);
	free(r);
}

static bool
has_all(struct dedup_index *x, uint64_t from, size_t n)
{

	for (size_t i = 0; i < n; i++)
		if (!dedup_index_may_have(x, key(from + i)))
			return (false);
	return (true);
}

/* Of 100,000 that are not there, those which may be. */
static unsigned
strangers(struct dedup_index *x)
{
	unsigned n = 0;

	for (uint64_t i = 0; i < 100000; i++)
		n += dedup_index_may_have(x, key(UINT64_C(1) << 50 | i));
	return (n);
}

static void
test_filter(void)
{
	struct dedup_index_state st;
	struct dedup_index *x;
	struct fix f;

	setup(&f);
	x = open_index(&f, 8 << 20);
	/* Before the first round nobody knows. */
	CU_ASSERT(strangers(x) == 100000);
	dedup_index_step(x, 1000);
	CU_ASSERT_EQUAL(strangers(x), 0);
	put_rows(x, 0, 20000, 1);
	CU_ASSERT(has_all(x, 0, 20000));
	CU_ASSERT(strangers(x) < 1000);
	put_rows(x, 20000, 80000, 1);	/* three transactions */
	CU_ASSERT(has_all(x, 0, 100000));
	dedup_index_step(x, 10000);	/* grown meanwhile */
	CU_ASSERT(has_all(x, 0, 100000));
	CU_ASSERT(strangers(x) < 1000);
	dedup_index_state(x, &st);
	CU_ASSERT_EQUAL(st.rows, 100000);
	CU_ASSERT_FALSE(st.filling);
	CU_ASSERT(st.memory_bytes < (1 << 20));
	dedup_index_free(x);

	/* From the table alone, and within its memory. */
	x = open_index(&f, 128 << 10);
	dedup_index_step(x, 10000);
	CU_ASSERT(has_all(x, 0, 100000));
	CU_ASSERT(strangers(x) < 60000);
	dedup_index_state(x, &st);
	CU_ASSERT(st.memory_bytes <= (128 << 10) + 4096);
	dedup_index_free(x);
	teardown(&f);
}

/* Steps that take no time do one piece each: nothing is missed in between. */
static void
test_filter_in_steps(void)
{
	struct dedup_index_state st;
	struct dedup_index *x;
	unsigned steps = 0, n, before = 100001;
	struct fix f;

	setup(&f);
	x = open_index(&f, 8 << 20);
	put_rows(x, 0, 120000, 1);
	dedup_index_free(x);
	x = open_index(&f, 8 << 20);
	do {
		dedup_index_step(x, 0);
		steps++;
		CU_ASSERT(has_all(x, 0, 120000));
		put_rows(x, 200000 + steps * 100, 100, 1);
		CU_ASSERT(has_all(x, 200100, steps * 100));
		n = strangers(x);
		CU_ASSERT(n < before || n < 500);
		before = n;
		dedup_index_state(x, &st);
	} while (st.filling && steps < 20);
	CU_ASSERT(steps >= 4 && steps < 20);
	CU_ASSERT(n < 500);
	CU_ASSERT(has_all(x, 200100, steps * 100));
	dedup_index_free(x);
	teardown(&f);
}

static void
test_rows(void)
{
	const uint8_t golden_key[8] = { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66,
	    0x77, 0x88 };
	/* segment 0xabcd, sector 0x1234, 8 sectors */
	const uint8_t golden_val[8] = { 0x00, 0x00, 0xab, 0xcd, 0x04, 0x8d,
	    0x03, 0x80 };
	struct dedup_row r = { UINT64_C(0x1122334455667788),
	    loc_make(0xabcd, 0x1234, 8, 0) };
	uint8_t val[16];
	size_t vlen = sizeof(val);
	struct dedup_index *x;
	struct cat_txn *t;
	locator l = 77;
	struct fix f;

	setup(&f);
	x = open_index(&f, 8 << 20);
	CU_ASSERT_EQUAL(dedup_index_get(x, r.hi, &l), -ENOENT);
	CU_ASSERT_EQUAL(l, 77);
	CU_ASSERT_EQUAL(dedup_index_put(x, &r, 1), 0);
	CU_ASSERT_EQUAL(catalog_get(f.cat, CAT_DEDUP, golden_key, 8, val,
	    &vlen), 0);
	CU_ASSERT_EQUAL(vlen, 8);
	CU_ASSERT_EQUAL(memcmp(val, golden_val, 8), 0);
	CU_ASSERT_EQUAL(dedup_index_get(x, r.hi, &l), 0);
	CU_ASSERT_EQUAL(l, r.loc);
	/* Rows that nobody can have written. */
	for (size_t n = 0; n <= 9; n++) {
		memset(val, 0xff, sizeof(val));
		CU_ASSERT_EQUAL_FATAL(catalog_begin(f.cat, &t), 0);
		CU_ASSERT_EQUAL(catalog_put(t, CAT_DEDUP, golden_key, 8, val,
		    n), 0);
		CU_ASSERT_EQUAL(catalog_commit(t), 0);
		l = 77;
		CU_ASSERT_EQUAL(dedup_index_get(x, r.hi, &l), -ENOENT);
		CU_ASSERT_EQUAL(l, 77);
	}
	dedup_index_free(x);
	teardown(&f);
}

/* Rows whose segment is gone go, those that were moved stay. */
static void
test_useless_rows(void)
{
	struct moved_run run = { .birth_segment = 2, .birth_off_sectors = 8,
	    .n_sectors = 8 * 1000, .segment = 3, .off_sectors = 16 };
	struct dedup_index_state st;
	struct dedup_index *x;
	struct cat_txn *t;
	struct seg *s;
	locator l;
	struct fix f;

	setup(&f);
	for (uint32_t n = 10; n <= 13; n++) {
		CU_ASSERT_EQUAL_FATAL(segs_create(f.x.f.ss, n, &s), 0);
		seg_put(s);
	}
	x = open_index(&f, 8 << 20);
	put_rows(x, 0, 1000, 1);		/* gone */
	put_rows(x, 1000, 1000, 2);		/* moved */
	put_rows(x, 2000, 1000, 11);		/* there */
	put_rows(x, 3000, 1000, 99);		/* newer than all */
	CU_ASSERT_EQUAL_FATAL(catalog_begin(f.cat, &t), 0);
	CU_ASSERT_EQUAL(moved_put(f.moved, t, &run), 0);
	CU_ASSERT_EQUAL(catalog_commit(t), 0);
	dedup_index_step(x, 10000);
	/* A key that is dead and written again stays. */
	put_rows(x, 0, 1, 11);
	dedup_index_state(x, &st);
	CU_ASSERT_EQUAL(st.rows, 3001);
	CU_ASSERT_EQUAL(dedup_index_get(x, key(0), &l), 0);
	CU_ASSERT_EQUAL(loc_segment(l), 11);
	CU_ASSERT_EQUAL(dedup_index_get(x, key(1), &l), -ENOENT);
	CU_ASSERT(has_all(x, 1000, 3000));
	for (uint64_t i = 1000; i < 4000; i++)
		CU_ASSERT_EQUAL(dedup_index_get(x, key(i), &l), 0);
	dedup_index_free(x);
	teardown(&f);
}

/* ---- samples of a checkpoint ----------------------------------------------- */

static void
test_notes(void)
{
	struct dedup_notes *x;
	struct dedup_row *r;
	struct dedup_note *nt;
	size_t n;

	CU_ASSERT_EQUAL_FATAL(dedup_notes_new(1 << 20, &x), 0);
	CU_ASSERT_PTR_NULL(dedup_notes_find(x, (struct id){ 1, 16 }));
	for (uint64_t i = 1; i <= 10000; i++) {
		struct place p = { { i, i * 16 }, i << 40 };

		dedup_notes_add(x, &p);
		p.loc -= 5;		/* the smaller one stays */
		dedup_notes_add(x, &p);
		p.loc += 9;
		dedup_notes_add(x, &p);
	}
	for (uint64_t i = 1; i <= 10000; i++) {
		nt = dedup_notes_find(x, (struct id){ i, i * 16 });
		CU_ASSERT_PTR_NOT_NULL_FATAL(nt);
		CU_ASSERT_EQUAL(nt->loc, (i << 40) - 5);
		nt->stays = i % 10 == 0;
	}
	CU_ASSERT_PTR_NULL(dedup_notes_find(x, (struct id){ 10001, 160016 }));
	CU_ASSERT_EQUAL(dedup_notes_rows(x, &r, &n), 0);
	CU_ASSERT_EQUAL(n, 9000);
	free(r);
	/* Memory is bounded; what was noted before is found all the same. */
	for (uint64_t i = 10001; i <= 200000; i++)
		dedup_notes_add(x, &(struct place){ { i, i * 16 }, i });
	CU_ASSERT(dedup_notes_bytes(x) <= (1 << 20) + 4096);
	CU_ASSERT_PTR_NOT_NULL(dedup_notes_find(x, (struct id){ 5, 80 }));
	CU_ASSERT_PTR_NULL(dedup_notes_find(x,
	    (struct id){ 200000, 3200000 }));
	dedup_notes_clear(x);
	CU_ASSERT_PTR_NULL(dedup_notes_find(x, (struct id){ 5, 80 }));
	dedup_notes_free(x);
}

/* ---- ids of segments -------------------------------------------------------- */

static locator
block_of(const struct one *o, uint32_t i)
{

	return (loc_make(o->lr.segment, o->lr.payload_off_sectors + i * 8, 8,
	    0));
}

static uint64_t
byte_of(const struct one *o, uint32_t i)
{

	return ((uint64_t)loc_off_sectors(block_of(o, i)) * SECTOR_BYTES);
}

static struct id
id_at(const struct one *o, uint32_t i)
{

	return (id_of(o->payload + (size_t)i * LOGFIX_BLOCK, LOGFIX_BLOCK));
}

/* Each block has a content of its own, by its stamp. */
static void
unique_data(struct one *o, uint64_t stamp)
{
	struct rec counts = { .n_extents = 1 };

	one_data(o, 200, stamp);
	for (uint32_t i = 0; i < 200; i++) {
		uint8_t *b = o->payload + (size_t)i * LOGFIX_BLOCK;

		put_be64(b, stamp + i);
		rec_put_id(o->hdr, &counts, i, id_of(b, LOGFIX_BLOCK));
	}
}

static int
load(struct dedup_ids *x, struct fix *f, uint32_t number, uint32_t at,
    uint32_t end)
{

	return (dedup_ids_load(x, f->x.f.ss, uuid, number, at, end));
}

/* Segments with 400 blocks each; the third one repeats the first. */

static void
fill_log(struct fix *f, struct one *o, unsigned n)
{

	for (unsigned i = 0; i < n; i++) {
		unique_data(&o[i], i % 4 * 1000);
		(void)logfix_append(&f->x, &o[i], 1);
	}
	/* Two in each segment; numbers may be left out between them. */
	for (unsigned i = 0; i < n; i++)
		CU_ASSERT_FATAL((o[i].lr.segment == o[i & ~1u].lr.segment) &&
		    (i < 2 || o[i].lr.segment > o[i - 2].lr.segment));
}

static void
test_ids(void)
{
	struct dedup_ids *x;
	struct one o[6];
	struct fix f;

	setup(&f);
	fill_log(&f, o, 6);
	CU_ASSERT_EQUAL_FATAL(dedup_ids_new(100000, &x), 0);
	CU_ASSERT_EQUAL(dedup_ids_find(x, id_at(&o[0], 3), UINT64_MAX), 0);
	CU_ASSERT_EQUAL(load(x, &f, o[0].lr.segment, 8, UINT32_MAX), 1);
	CU_ASSERT_EQUAL(load(x, &f, o[0].lr.segment, 8, UINT32_MAX), 0);
	/* Not before it is known to be in the log. */
	CU_ASSERT_EQUAL(dedup_ids_find(x, id_at(&o[0], 3), UINT64_MAX), 0);
	dedup_ids_trust(x, block_of(&o[1], 7));
	for (uint32_t i = 0; i < 200; i++) {
		CU_ASSERT_EQUAL(dedup_ids_find(x, id_at(&o[0], i),
		    UINT64_MAX), block_of(&o[0], i));
		CU_ASSERT_EQUAL(dedup_ids_find(x, id_at(&o[1], i),
		    UINT64_MAX), i <= 7 ? block_of(&o[1], i) : 0);
	}
	/* Older ones only. */
	CU_ASSERT_EQUAL(dedup_ids_find(x, id_at(&o[0], 3),
	    block_of(&o[0], 3)), 0);
	CU_ASSERT_EQUAL(dedup_ids_find(x, id_at(&o[0], 3),
	    block_of(&o[0], 4)), block_of(&o[0], 3));
	/* Segment 3 has the contents of segment 1 again: the older stays. */
	CU_ASSERT_EQUAL(load(x, &f, o[4].lr.segment, 8, UINT32_MAX), 1);
	dedup_ids_trust(x, block_of(&o[5], 199));
	CU_ASSERT_EQUAL(dedup_ids_find(x, id_at(&o[4], 3), UINT64_MAX),
	    block_of(&o[0], 3));
	dedup_ids_drop(x, id_at(&o[0], 3), block_of(&o[4], 3));
	CU_ASSERT_EQUAL(dedup_ids_find(x, id_at(&o[0], 3), UINT64_MAX),
	    block_of(&o[0], 3));
	CU_ASSERT_EQUAL(dedup_ids_find(x, id_at(&o[4], 4), UINT64_MAX),
	    block_of(&o[0], 4));
	dedup_ids_drop(x, id_at(&o[0], 4), block_of(&o[0], 4));
	CU_ASSERT_EQUAL(dedup_ids_find(x, id_at(&o[0], 4), UINT64_MAX),
	    block_of(&o[4], 4));
	dedup_ids_drop(x, id_at(&o[0], 3), block_of(&o[0], 3));
	CU_ASSERT_EQUAL(dedup_ids_find(x, id_at(&o[0], 3), UINT64_MAX), 0);
	/* A segment that is not there has no ids, and is not asked again. */
	CU_ASSERT_EQUAL(load(x, &f, 99, 8, UINT32_MAX), 1);
	CU_ASSERT_EQUAL(load(x, &f, 99, 8, UINT32_MAX), 0);
	dedup_ids_free(x);
	for (unsigned i = 0; i < 6; i++)
		one_free(&o[i]);
	teardown(&f);
}

/* One that grows is read again when more of it is wanted. */
static void
test_ids_of_a_growing_segment(void)
{
	struct dedup_ids *x;
	struct one o[2];
	uint32_t end;
	struct fix f;

	setup(&f);
	fill_log(&f, o, 2);
	end = one_off(&o[1]);
	CU_ASSERT_EQUAL_FATAL(dedup_ids_new(100000, &x), 0);
	CU_ASSERT_EQUAL(load(x, &f, o[0].lr.segment, 8, end), 1);
	dedup_ids_trust(x, block_of(&o[1], 199));
	CU_ASSERT_EQUAL(dedup_ids_find(x, id_at(&o[0], 9), UINT64_MAX),
	    block_of(&o[0], 9));
	CU_ASSERT_EQUAL(dedup_ids_find(x, id_at(&o[1], 9), UINT64_MAX), 0);
	CU_ASSERT_EQUAL(load(x, &f, o[0].lr.segment, end + 9, UINT32_MAX), 1);
	CU_ASSERT_EQUAL(dedup_ids_find(x, id_at(&o[1], 9), UINT64_MAX),
	    block_of(&o[1], 9));
	dedup_ids_free(x);
	for (unsigned i = 0; i < 2; i++)
		one_free(&o[i]);
	teardown(&f);
}

/* Room for two segments: the one that was not used for longest goes. */
static void
test_ids_room(void)
{
	struct dedup_ids *x;
	struct one o[8];
	uint64_t bytes;
	uint32_t seg[5];
	struct fix f;

	setup(&f);
	for (unsigned i = 0; i < 8; i++) {
		unique_data(&o[i], i * 1000);
		(void)logfix_append(&f.x, &o[i], 1);
		seg[i / 2 + 1] = o[i].lr.segment;
	}
	CU_ASSERT_EQUAL_FATAL(dedup_ids_new(900, &x), 0);
	for (uint32_t n = 1; n <= 2; n++) {
		CU_ASSERT_EQUAL(load(x, &f, seg[n], 8, UINT32_MAX), 1);
		dedup_ids_trust(x, block_of(&o[2 * n - 1], 199));
	}
	bytes = dedup_ids_bytes(x);
	CU_ASSERT_EQUAL(load(x, &f, seg[1], 8, UINT32_MAX), 0);
	dedup_ids_window(x);
	CU_ASSERT_EQUAL(load(x, &f, seg[3], 8, UINT32_MAX), 1);
	dedup_ids_trust(x, block_of(&o[5], 199));
	CU_ASSERT_EQUAL(dedup_ids_bytes(x), bytes);
	CU_ASSERT_EQUAL(dedup_ids_find(x, id_at(&o[0], 1), UINT64_MAX),
	    block_of(&o[0], 1));
	CU_ASSERT_EQUAL(dedup_ids_find(x, id_at(&o[2], 1), UINT64_MAX), 0);
	CU_ASSERT_EQUAL(dedup_ids_find(x, id_at(&o[5], 1), UINT64_MAX),
	    block_of(&o[5], 1));
	/* What is wanted together does not push each other out. */
	dedup_ids_window(x);
	CU_ASSERT_EQUAL(load(x, &f, seg[1], 8, UINT32_MAX), 0);
	CU_ASSERT_EQUAL(load(x, &f, seg[2], 8, UINT32_MAX), 1);
	CU_ASSERT_EQUAL(load(x, &f, seg[3], 8, UINT32_MAX), -ENOSPC);
	CU_ASSERT_EQUAL(dedup_ids_find(x, id_at(&o[0], 1), UINT64_MAX),
	    block_of(&o[0], 1));
	dedup_ids_window(x);
	CU_ASSERT_EQUAL(load(x, &f, seg[3], 8, UINT32_MAX), 1);
	/* One that does not fit at all: as much as there is room for. */
	dedup_ids_free(x);
	CU_ASSERT_EQUAL_FATAL(dedup_ids_new(100, &x), 0);
	CU_ASSERT_EQUAL(load(x, &f, seg[1], 8, UINT32_MAX), 1);
	dedup_ids_trust(x, block_of(&o[1], 199));
	CU_ASSERT_EQUAL(dedup_ids_find(x, id_at(&o[0], 99), UINT64_MAX),
	    block_of(&o[0], 99));
	CU_ASSERT_EQUAL(dedup_ids_find(x, id_at(&o[0], 100), UINT64_MAX), 0);
	dedup_ids_free(x);
	for (unsigned i = 0; i < 8; i++)
		one_free(&o[i]);
	teardown(&f);
}

/* ---- comparison -------------------------------------------------------------- */

static void
test_compare(void)
{
	struct dedup_pair p[200];
	struct dedup_cmp *c;
	struct one o[6];
	struct fix f;

	setup(&f);
	fill_log(&f, o, 6);
	CU_ASSERT_EQUAL_FATAL(dedup_cmp_new(f.moved, &c), 0);
	/* Blocks 7 and 130 of the newer copy are different. */
	logfix_flip(&f.x, o[4].lr.segment, byte_of(&o[4], 7) + 4095);
	logfix_flip(&f.x, o[4].lr.segment, byte_of(&o[4], 130));
	for (uint32_t i = 0; i < 200; i++)
		p[i] = (struct dedup_pair){ .mine = block_of(&o[4], i),
		    .older = block_of(&o[0], i) };
	dedup_cmp_run(c, p, 200);
	for (uint32_t i = 0; i < 200; i++)
		CU_ASSERT(p[i].read && p[i].same == (i != 7 && i != 130));
	/* In another order on one side, and one that is nowhere. */
	for (uint32_t i = 0; i < 200; i++)
		p[i] = (struct dedup_pair){ .mine = block_of(&o[5], i),
		    .older = block_of(&o[1], (i * 7) % 200), .same = true };
	p[100].older = loc_make(77, 8, 8, 0);
	dedup_cmp_run(c, p, 200);
	for (uint32_t i = 0; i < 200; i++) {
		CU_ASSERT_EQUAL(p[i].same, (i * 7) % 200 == i && i != 100);
		CU_ASSERT_EQUAL(p[i].read, i != 100);
	}
	dedup_cmp_free(c);
	for (unsigned i = 0; i < 6; i++)
		one_free(&o[i]);
	teardown(&f);
}

static const struct unit_test tests[] = {
	{ "filter", test_filter },
	{ "filter, made in steps", test_filter_in_steps },
	{ "rows", test_rows },
	{ "rows that are of no use", test_useless_rows },
	{ "samples of a checkpoint", test_notes },
	{ "ids of segments", test_ids },
	{ "ids of a segment that grows", test_ids_of_a_growing_segment },
	{ "room for ids", test_ids_room },
	{ "comparison", test_compare },
};
UNIT_MAIN("dedup", tests)
