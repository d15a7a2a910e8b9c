/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/moved.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "meta/base/bytes.h"
#include "tests/unit/meta/segfix.h"

#define MAP_BYTES (UINT64_C(64) << 20)

struct fix {
	struct segfix s;
	struct catalog *cat;
	struct moved *m;
};

static void
setup(struct fix *f)
{
	const char *dir;

	segfix_setup(&f->s, 64);
	dir = tmpdir_path(&f->s.t, "catalog");
	CU_ASSERT_EQUAL_FATAL(catalog_init(dir), 0);
	CU_ASSERT_EQUAL_FATAL(catalog_open(dir, MAP_BYTES, &f->cat), 0);
	CU_ASSERT_EQUAL_FATAL(moved_open(f->cat, f->s.ss, &f->m), 0);
}

static void
reopen(struct fix *f)
{

	moved_close(f->m);
	CU_ASSERT_EQUAL_FATAL(moved_open(f->cat, f->s.ss, &f->m), 0);
}

static void
teardown(struct fix *f)
{

	moved_close(f->m);
	catalog_close(f->cat);
	segfix_teardown(&f->s);
}

static void
put(struct fix *f, struct moved_run r)
{
	struct cat_txn *t;

	CU_ASSERT_EQUAL_FATAL(catalog_begin(f->cat, &t), 0);
	CU_ASSERT_EQUAL_FATAL(moved_put(f->m, t, &r), 0);
	CU_ASSERT_EQUAL_FATAL(catalog_commit(t), 0);
}

static void
make_segment(struct fix *f, uint32_t number, uint8_t fill)
{
	uint8_t buf[8192];
	struct seg *s;

	memset(buf, fill, sizeof(buf));
	CU_ASSERT_EQUAL_FATAL(segs_create(f->s.ss, number, &s), 0);
	CU_ASSERT_EQUAL(segfix_put(s, buf, sizeof(buf), 4096), 0);
	CU_ASSERT_EQUAL(seg_sync(s), 0);
	seg_put(s);
}

/* FORMAT.md, table CAT_MOVED. */
static void
test_golden(void)
{
	static const uint8_t key[8] = { 1, 2, 3, 4, 0, 1, 2, 3 };
	static const uint8_t want[16] = { 1, 0, 0, 0, 0, 0, 0, 0x18,
	    5, 6, 7, 8, 0, 3, 2, 1 };
	struct moved_run r = { 0x01020304, 0x010203, 0x18, 0x05060708,
	    0x030201 };
	uint8_t val[16];
	size_t vlen = sizeof(val);
	struct fix f;

	setup(&f);
	put(&f, r);
	CU_ASSERT_EQUAL(catalog_get(f.cat, CAT_MOVED, key, sizeof(key), val,
	    &vlen), 0);
	CU_ASSERT_EQUAL(vlen, sizeof(want));
	CU_ASSERT_EQUAL(memcmp(val, want, sizeof(want)), 0);
	teardown(&f);
}

static void
test_find(void)
{
	struct moved_run runs[] = {
		{ 5, 16, 24, 9, 100 }, { 5, 64, 8, 10, 8 },
		{ 7, 8, 8, 11, 8 },
	};
	uint32_t seg, off;
	struct fix f;

	setup(&f);
	for (unsigned i = 0; i < 3; i++)
		put(&f, runs[i]);
	for (unsigned turn = 0; turn < 2; turn++) {
		/* first, middle, last of a run */
		for (uint32_t o = 16; o < 40; o += 8) {
			CU_ASSERT_EQUAL(moved_find(f.m, loc_make(5, o, 8, 0),
			    &seg, &off), 0);
			CU_ASSERT_EQUAL(seg, 9);
			CU_ASSERT_EQUAL(off, 100 + o - 16);
		}
		CU_ASSERT_EQUAL(moved_find(f.m, loc_make(5, 64, 8, 0), &seg,
		    &off), 0);
		CU_ASSERT_EQUAL(seg, 10);
		/* before, across the end, between, behind */
		CU_ASSERT_EQUAL(moved_find(f.m, loc_make(5, 8, 8, 0), &seg,
		    &off), -ENOENT);
		CU_ASSERT_EQUAL(moved_find(f.m, loc_make(5, 36, 8, 0), &seg,
		    &off), -ENOENT);
		CU_ASSERT_EQUAL(moved_find(f.m, loc_make(5, 48, 8, 0), &seg,
		    &off), -ENOENT);
		CU_ASSERT_EQUAL(moved_find(f.m, loc_make(5, 80, 8, 0), &seg,
		    &off), -ENOENT);
		/* another segment's note is not this one's */
		CU_ASSERT_EQUAL(moved_find(f.m, loc_make(6, 8, 8, 0), &seg,
		    &off), -ENOENT);
		CU_ASSERT_EQUAL(moved_find(f.m, loc_make(8, 8, 8, 0), &seg,
		    &off), -ENOENT);
		reopen(&f);
	}
	teardown(&f);
}

static int
count_run(void *arg, const struct moved_run *r)
{
	uint64_t *sum = arg;

	CU_ASSERT_EQUAL(r->birth_segment, 5);
	*sum = *sum * 1000 + r->birth_off_sectors;
	return (0);
}

static void
test_del_and_each(void)
{
	struct cat_txn *t;
	uint32_t seg, off;
	uint64_t sum = 0;
	struct fix f;

	setup(&f);
	put(&f, (struct moved_run){ 5, 8, 8, 9, 8 });
	put(&f, (struct moved_run){ 5, 24, 8, 9, 16 });
	put(&f, (struct moved_run){ 5, 40, 8, 10, 8 });
	put(&f, (struct moved_run){ 4, 8, 8, 10, 16 });
	CU_ASSERT_EQUAL(moved_each(f.m, 5, count_run, &sum), 0);
	CU_ASSERT_EQUAL(sum, 40024008);
	CU_ASSERT_EQUAL_FATAL(catalog_begin(f.cat, &t), 0);
	CU_ASSERT_EQUAL(moved_del(f.m, t, 5, 24), 0);
	CU_ASSERT_EQUAL(moved_del(f.m, t, 5, 25), 0);
	CU_ASSERT_EQUAL_FATAL(catalog_commit(t), 0);
	CU_ASSERT_EQUAL(moved_find(f.m, loc_make(5, 24, 8, 0), &seg, &off),
	    -ENOENT);
	CU_ASSERT_EQUAL(moved_find(f.m, loc_make(5, 40, 8, 0), &seg, &off), 0);
	/* what is moved once more has a new note in place of the old one */
	put(&f, (struct moved_run){ 5, 40, 8, 12, 8 });
	CU_ASSERT_EQUAL(moved_find(f.m, loc_make(5, 40, 8, 0), &seg, &off), 0);
	CU_ASSERT_EQUAL(seg, 12);
	CU_ASSERT_EQUAL_FATAL(catalog_begin(f.cat, &t), 0);
	CU_ASSERT_EQUAL(moved_forget(f.m, t, 5), 0);
	CU_ASSERT_EQUAL_FATAL(catalog_commit(t), 0);
	CU_ASSERT_EQUAL(moved_find(f.m, loc_make(5, 8, 8, 0), &seg, &off),
	    -ENOENT);
	CU_ASSERT_EQUAL(moved_find(f.m, loc_make(4, 8, 8, 0), &seg, &off), 0);
	teardown(&f);
}

static void
test_get(void)
{
	struct seg *s = NULL;
	uint64_t off;
	uint32_t n;
	uint8_t b;
	struct fix f;

	setup(&f);
	make_segment(&f, 5, 0x55);
	make_segment(&f, 9, 0x99);
	make_segment(&f, 10, 0xaa);
	/* no note: the birth place */
	CU_ASSERT_EQUAL(moved_get_run(f.m, loc_make(5, 8, 8, 0), 0, 16, &s,
	    &off, &n), 0);
	CU_ASSERT_EQUAL(seg_number(s), 5);
	CU_ASSERT_EQUAL(off, 4096);
	CU_ASSERT_EQUAL(n, 16);
	seg_put(s);
	put(&f, (struct moved_run){ 5, 8, 8, 9, 16 });
	CU_ASSERT_EQUAL(segs_remove(f.s.ss, 5), 0);
	/* the note covers a part of what was asked for */
	CU_ASSERT_EQUAL(moved_get_run(f.m, loc_make(5, 8, 8, 0), 0, 16, &s,
	    &off, &n), 0);
	CU_ASSERT_EQUAL(seg_number(s), 9);
	CU_ASSERT_EQUAL(off, 8192);
	CU_ASSERT_EQUAL(n, 8);
	CU_ASSERT_EQUAL(seg_read(s, &b, 1, off), 0);
	CU_ASSERT_EQUAL(b, 0x99);
	seg_put(s);
	/* the twin is the next one */
	CU_ASSERT_EQUAL(moved_get(f.m, loc_make(5, 8, 8, 0), 1, &s, &off), 0);
	CU_ASSERT_EQUAL(seg_number(s), 10);
	seg_put(s);
	/* dead: neither a file nor a note */
	CU_ASSERT_EQUAL(moved_get(f.m, loc_make(5, 16, 8, 0), 0, &s, &off),
	    -ENOENT);
	CU_ASSERT_EQUAL(moved_get(f.m, loc_make(6, 8, 8, 0), 0, &s, &off),
	    -ENOENT);
	/* a note to a file that is not there */
	put(&f, (struct moved_run){ 5, 32, 8, 77, 8 });
	CU_ASSERT_EQUAL(moved_get(f.m, loc_make(5, 32, 8, 0), 0, &s, &off),
	    -ENOENT);
	teardown(&f);
}

static void
test_damaged(void)
{
	uint8_t key[8] = { 0, 0, 0, 5, 0, 0, 0, 8 };
	uint8_t good[16] = { 1, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0, 8 };
	struct moved *m;
	struct fix f;

	setup(&f);
	for (unsigned i = 0; i < 12; i++) {
		/* format, zero, length, segment, offset, itself, length */
		static const struct { uint8_t at, to; } bad[] = { { 0, 2 },
		    { 1, 1 }, { 7, 0 }, { 11, 0 }, { 15, 7 }, { 11, 5 },
		    { 4, 1 }, { 12, 1 }, { 3, 9 }, { 2, 1 }, { 13, 4 },
		    { 0, 0 } };
		uint8_t val[16];
		struct cat_txn *t;

		memcpy(val, good, sizeof(val));
		val[bad[i].at] = bad[i].to;
		CU_ASSERT_EQUAL_FATAL(catalog_begin(f.cat, &t), 0);
		CU_ASSERT_EQUAL(catalog_put(t, CAT_MOVED, key, sizeof(key),
		    val, sizeof(val)), 0);
		CU_ASSERT_EQUAL_FATAL(catalog_commit(t), 0);
		CU_ASSERT_EQUAL(moved_open(f.cat, f.s.ss, &m), -EUCLEAN);
	}
	teardown(&f);
}

static _Atomic bool stop;
static _Atomic unsigned reads;

static void *
reader(void *arg)
{
	struct fix *f = arg;

	while (!atomic_load(&stop)) {
		struct seg *s;
		uint64_t off;
		uint8_t b;

		CU_ASSERT_EQUAL_FATAL(moved_get(f->m, loc_make(5, 8, 8, 0), 0,
		    &s, &off), 0);
		CU_ASSERT_EQUAL(seg_read(s, &b, 1, off), 0);
		CU_ASSERT_EQUAL(b, 0x42);
		seg_put(s);
		atomic_fetch_add(&reads, 1);
	}
	return (NULL);
}

/* Moved again and again while it is read: always found, never other bytes. */
static void
test_moving(void)
{
	pthread_t th[2];
	uint32_t at = 5;
	struct fix f;

	setup(&f);
	atomic_store(&stop, false);
	atomic_store(&reads, 0);
	make_segment(&f, 5, 0x42);
	for (unsigned i = 0; i < 2; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&th[i], NULL, reader, &f),
		    0);
	for (uint32_t i = 0; i < 60; i++) {
		make_segment(&f, 100 + i, 0x42);
		put(&f, (struct moved_run){ 5, 8, 8, 100 + i, 8 });
		CU_ASSERT_EQUAL(segs_remove(f.s.ss, at), 0);
		at = 100 + i;
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 2; i++)
		(void)pthread_join(th[i], NULL);
	CU_ASSERT(atomic_load(&reads) > 0);
	teardown(&f);
}

static const struct unit_test tests[] = {
	{ "golden bytes of a note", test_golden },
	{ "find: inside, across, between, other segments", test_find },
	{ "delete, forget, replace, each", test_del_and_each },
	{ "get: birth place, note, twin, gone", test_get },
	{ "damaged rows", test_damaged },
	{ "moved again while it is read", test_moving },
};

UNIT_MAIN("moved", tests)
