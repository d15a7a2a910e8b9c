/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Damage told from a crash: a missing record ends the log, unless something
 * proves that it was durable.
 */
#include "meta/base/bytes.h"
#include "tests/unit/meta/recfix.h"

enum loss { LOST_HEADER, LOST_PAYLOAD, LOSSES };

static void
lose(struct logfix *x, const struct one *o, enum loss how)
{

	if (how == LOST_HEADER)
		recfix_break_header(x, o);
	else
		recfix_break_payload(x, o);
}

/*
 * Record ${i} of ${n} is lost, after a sync behind record ${s}.  It was
 * durable when i <= s, and what is behind the sync says so.
 */
static void
check_loss(struct logfix *x, const struct one *o, unsigned n, unsigned s,
    unsigned i, enum loss how)
{
	bool proved = i <= s && s + 1 < n;

	lose(x, &o[i], how);
	if (!proved)
		recfix_expect(x, o, i);
	else if (how == LOST_PAYLOAD && o[i].lr.kind == REC_DATA) {
		/* Its blocks are unreadable; all the rest is there. */
		struct recovery *rv;

		CU_ASSERT_EQUAL_FATAL(logfix_recover(x, &recfix_found, &rv),
		    0);
		CU_ASSERT_EQUAL(recfix_found.n, n);
		CU_ASSERT_EQUAL(recovery_end(rv).seq, n);
		recovery_free(rv);
	} else {
		recfix_expect_rc(x, -EUCLEAN);
	}
	lose(x, &o[i], how);		/* flips back */
}

/* Every record, every sync, both ways; ${big}: two to a segment. */
static void
lose_each(bool big, bool data, unsigned n)
{
	for (unsigned s = 0; s < n; s++) {
		struct logfix x;
		struct one o[8];

		for (unsigned i = 0; i < n; i++)
			if (data)
				one_data(&o[i], big ? 225 : 2, i * 1000);
			else
				one_items(&o[i], REC_CATALOG, big ? 900 << 10 :
				    700, i);
		recfix_setup(&x, o, n, UINT64_C(1) << s);
		for (unsigned i = 0; i < n; i++)
			for (enum loss how = 0; how < LOSSES; how++)
				check_loss(&x, o, n, s, i, how);
		recfix_expect(&x, o, n);
		recfix_free(o, n);
		recfix_teardown(&x);
	}
}

static void
test_lost_items(void)
{

	lose_each(false, false, 6);
}

static void
test_lost_blocks(void)
{

	lose_each(false, true, 5);
}

static void
test_lost_in_segments(void)
{

	for (unsigned n = 3; n <= 6; n++)
		lose_each(true, false, n);
	lose_each(true, true, 4);
}

/* ---- segments --------------------------------------------------------- */

enum seg_loss { SEG_FLIPPED, SEG_ZEROED, SEG_REMOVED, SEG_LOSSES };

static void
lose_segment(struct logfix *x, uint32_t number, enum seg_loss how)
{

	switch (how) {
	case SEG_FLIPPED:
		logfix_flip(x, number, 70);
		break;
	case SEG_ZEROED:
		logfix_clear(x, number, 0, SEG_HEADER_BYTES);
		break;
	case SEG_REMOVED:
	case SEG_LOSSES:
		CU_ASSERT_EQUAL(segs_remove(x->f.ss, number), 0);
		break;
	}
}

/* All records of segment ${m} (two to a segment) are gone. */
static void
check_segment_loss(unsigned n, unsigned s, unsigned m)
{
	struct one o[8];
	struct logfix x;
	struct image im;

	recfix_big(o, n);
	recfix_setup(&x, o, n, UINT64_C(1) << s);
	image_save(&x, &im);
	for (enum seg_loss how = SEG_FLIPPED; how < SEG_LOSSES; how++) {
		/*
		 * What proves it is behind the sync, and in another segment
		 * unless enough of the header is left.
		 */
		bool proved = s >= 2 * m && TT_MAX(s + 1,
		    how == SEG_FLIPPED ? 0 : 2 * m + 2) < n;

		lose_segment(&x, o[2 * m].lr.segment, how);
		if (proved)
			recfix_expect_rc(&x, -EUCLEAN);
		else
			recfix_expect(&x, o, 2 * m);
		image_restore(&x, &im);
	}
	image_free(&im);
	recfix_free(o, n);
	recfix_teardown(&x);
}

static void
test_lost_segments(void)
{

	for (unsigned n = 2; n <= 6; n += 2)
		for (unsigned s = 0; s < n; s++)
			for (unsigned m = 0; m < n / 2; m++)
				check_segment_loss(n, s, m);
}

/* Cut off in the middle although a later segment goes on. */
static void
test_short_segment(void)
{
	struct one o[6];
	struct logfix x;

	recfix_big(o, 6);
	recfix_setup(&x, o, 6, 1 << 3);
	CU_ASSERT_EQUAL(truncate(logfix_file(&x, o[2].lr.segment),
	    (off_t)recfix_byte(&o[3])), 0);
	recfix_expect_rc(&x, -EUCLEAN);
	/* Shorter than a header: no segment at all. */
	CU_ASSERT_EQUAL(truncate(logfix_file(&x, o[2].lr.segment), 4095), 0);
	recfix_expect_rc(&x, -EUCLEAN);
	CU_ASSERT_EQUAL(truncate(logfix_file(&x, o[4].lr.segment), 0), 0);
	recfix_expect(&x, o, 2);
	recfix_free(o, 6);
	recfix_teardown(&x);
}

/* ---- what an older epoch left ----------------------------------------- */

/*
 * Epoch 1 wrote records 0-2 and nothing was synced; epoch 2 has made them
 * durable and wrote record 3: whatever happens to 0-2 now is damage.
 */
static void
test_older_epoch(void)
{
	struct image im;
	struct logfix x;
	struct one o[4];
	struct gone g;

	one_items(&o[0], REC_CATALOG, 800, 0);
	one_data(&o[1], 2, 10);
	one_items(&o[2], REC_SNAPSHOT, 800, 2);
	one_items(&o[3], REC_CATALOG, 800, 3);
	recfix_setup(&x, o, 3, 0);
	recfix_go_on(&x, 2, recfix_finish(&x, &g), o + 3, 1);
	recfix_expect(&x, o, 4);
	image_save(&x, &im);
	for (unsigned i = 0; i < 3; i++) {
		recfix_break_header(&x, &o[i]);
		recfix_expect_rc(&x, -EUCLEAN);
		image_restore(&x, &im);
		recfix_break_payload(&x, &o[i]);
		if (o[i].lr.kind == REC_DATA) {
			o[i].payload[5] ^= 0x10;
			recfix_expect(&x, o, 4);
			o[i].payload[5] ^= 0x10;
		} else {
			recfix_expect_rc(&x, -EUCLEAN);
		}
		image_restore(&x, &im);
	}
	CU_ASSERT_EQUAL(truncate(logfix_file(&x, o[0].lr.segment),
	    (off_t)recfix_byte(&o[2])), 0);
	recfix_expect_rc(&x, -EUCLEAN);
	image_restore(&x, &im);
	/* Its header alone says as much: it came after a recovery. */
	logfix_clear(&x, o[3].lr.segment, SEG_HEADER_BYTES, 65536);
	recfix_expect(&x, o, 3);
	recfix_break_header(&x, &o[2]);
	recfix_expect_rc(&x, -EUCLEAN);
	image_restore(&x, &im);
	/* Without the later one, it is a crash like any other. */
	lose_segment(&x, o[3].lr.segment, SEG_ZEROED);
	recfix_break_header(&x, &o[2]);
	recfix_expect(&x, o, 2);
	image_free(&im);
	recfix_free(o, 4);
	recfix_teardown(&x);
}

/*
 * Power was lost with record 1 of epoch 1 unsynced; epoch 2 goes on behind
 * record 0.  The whole records 2-5 of epoch 1, in their segment and in later
 * ones, are dead, whatever they say.
 */
static void
test_dead_records(void)
{
	struct one o[6], later;
	struct logfix x;
	struct recovery *rv;
	struct log_pos at;

	recfix_big(o, 6);
	recfix_setup(&x, o, 6, 0);
	recfix_break_header(&x, &o[1]);
	/* Not cleaned up: the crash of the recovery came before. */
	CU_ASSERT_EQUAL_FATAL(logfix_recover(&x, &recfix_found, &rv), 0);
	CU_ASSERT_EQUAL(recfix_found.n, 1);
	at = recovery_end(rv);
	recovery_free(rv);
	one_items(&later, REC_CATALOG, 500, 77);
	recfix_go_on(&x, 2, at, &later, 1);
	one_free(&o[1]);
	o[1] = later;
	recfix_expect(&x, o, 2);
	CU_ASSERT_EQUAL_FATAL(logfix_recover(&x, &recfix_found, &rv), 0);
	CU_ASSERT_EQUAL(recovery_max_epoch(rv), 2);
	CU_ASSERT_EQUAL(recovery_max_segment(rv), later.lr.segment);
	recovery_free(rv);
	/* Also when the header that was lost is back. */
	logfix_flip(&x, o[0].lr.segment, (uint64_t)(one_off(&o[0]) +
	    one_sectors(&o[0])) * SECTOR_BYTES + 33);
	recfix_expect(&x, o, 2);
	recfix_free(o, 6);
	recfix_teardown(&x);
}

/* Two segments go on behind the same one: the record of ${want} is right. */
static void
two_successors(uint64_t epoch_a, uint64_t epoch_b, bool b_is_higher,
    unsigned want)
{
	uint8_t *seg_a = malloc(SEG_BYTES);
	uint32_t number_a, number_b;
	struct recovery *rv;
	struct logfix x;
	struct log_pos at;
	struct one o[4];
	int fd;

	for (unsigned i = 0; i < 4; i++)
		one_items(&o[i], REC_CATALOG, 100 + i, i);
	recfix_setup(&x, o, 2, 0);
	CU_ASSERT_EQUAL_FATAL(logfix_recover(&x, &recfix_found, &rv), 0);
	at = recovery_end(rv);
	recovery_free(rv);
	number_a = b_is_higher ? 20 : 40;
	number_b = b_is_higher ? 40 : 20;
	atomic_store(&x.next_segment, number_a);
	recfix_go_on(&x, epoch_a, at, &o[2], 1);
	logfix_get(&x, number_a, 0, seg_a, SEG_BYTES);
	CU_ASSERT_EQUAL(segs_remove(x.f.ss, number_a), 0);
	atomic_store(&x.next_segment, number_b);
	recfix_go_on(&x, epoch_b, at, &o[3], 1);
	fd = open(logfix_file(&x, number_a), O_CREAT | O_WRONLY, 0600);
	CU_ASSERT_EQUAL(pwrite(fd, seg_a, SEG_BYTES, 0), (ssize_t)SEG_BYTES);
	(void)close(fd);
	if (want == 3) {
		one_free(&o[2]);
		o[2] = o[3];
	} else {
		one_free(&o[3]);
	}
	recfix_expect(&x, o, 3);
	recfix_free(o, 3);
	free(seg_a);
	recfix_teardown(&x);
}

static void
test_two_successors(void)
{

	two_successors(2, 3, true, 3);
	two_successors(2, 3, false, 3);
	two_successors(3, 2, true, 2);
	two_successors(3, 2, false, 2);
	/* One opening never goes back in numbers: the later try is right. */
	two_successors(2, 2, true, 3);
	two_successors(2, 2, false, 2);
}

/* ---- files that do not belong here ------------------------------------ */

/* Changes a field of the segment header and closes it again. */
static void
edit_header(struct logfix *x, uint32_t number, size_t off, uint8_t with)
{
	uint8_t buf[SEG_HEADER_BYTES];
	struct seg_header h;

	logfix_header(x, number, &h);
	logfix_get(x, number, 0, buf, sizeof(buf));
	buf[off] = with;
	put_be64(buf + SEG_HEADER_BYTES - 8, rec_sum(h.nonce, buf,
	    SEG_HEADER_BYTES - 8));
	logfix_put(x, number, 0, buf, sizeof(buf));
}

static void
test_foreign(void)
{
	struct image im;
	struct logfix x;
	struct one o[4];

	recfix_big(o, 4);
	recfix_setup(&x, o, 4, 0);
	image_save(&x, &im);
	edit_header(&x, o[2].lr.segment, 45, 0x11);	/* the store's UUID */
	recfix_expect_rc(&x, -EUCLEAN);
	image_restore(&x, &im);
	edit_header(&x, o[2].lr.segment, 11, 2);	/* format version */
	recfix_expect_rc(&x, -EPROTONOSUPPORT);
	image_restore(&x, &im);
	edit_header(&x, o[2].lr.segment, 39, 1);	/* incompatible */
	recfix_expect_rc(&x, -EPROTONOSUPPORT);
	image_restore(&x, &im);
	edit_header(&x, o[2].lr.segment, 23, 1);	/* compatible */
	recfix_expect(&x, o, 4);
	image_restore(&x, &im);
	/* A file of another number under this name. */
	edit_header(&x, o[2].lr.segment, 59, 99);
	recfix_expect(&x, o, 2);
	image_restore(&x, &im);
	/* The chain leaves the old one at a place where nothing ends. */
	edit_header(&x, o[2].lr.segment, 103, 9);
	recfix_expect(&x, o, 2);
	image_restore(&x, &im);
	/* It leaves it behind the first record: the second is dead. */
	CU_ASSERT_EQUAL(one_off(&o[1]) >> 8, 7);
	edit_header(&x, o[2].lr.segment, 102, (uint8_t)(one_off(&o[1]) >> 8));
	edit_header(&x, o[2].lr.segment, 103, (uint8_t)one_off(&o[1]));
	recfix_expect(&x, o, 1);
	image_restore(&x, &im);
	edit_header(&x, o[2].lr.segment, 111, 0);	/* checksum */
	edit_header(&x, o[2].lr.segment, 110, 0);
	recfix_expect(&x, o, 2);
	image_restore(&x, &im);
	edit_header(&x, o[2].lr.segment, 119, 7);	/* first seq */
	recfix_expect(&x, o, 2);
	image_restore(&x, &im);
	/* Of the kind of nodes: the log goes on without it. */
	edit_header(&x, o[2].lr.segment, 15, SEG_NODES);
	recfix_expect(&x, o, 2);
	image_free(&im);
	recfix_free(o, 4);
	recfix_teardown(&x);
}

/* A whole segment copied to another number is not part of the log. */
static void
test_copied_segment(void)
{
	uint8_t *buf = malloc(SEG_BYTES);
	struct logfix x;
	struct one o[4];
	int fd;

	recfix_big(o, 4);
	recfix_setup(&x, o, 4, 0);
	logfix_get(&x, o[2].lr.segment, 0, buf, SEG_BYTES);
	fd = open(logfix_file(&x, 77), O_CREAT | O_WRONLY, 0600);
	CU_ASSERT_EQUAL(pwrite(fd, buf, SEG_BYTES, 0), (ssize_t)SEG_BYTES);
	(void)close(fd);
	recfix_expect(&x, o, 4);
	logfix_clear(&x, o[2].lr.segment, 0, SEG_HEADER_BYTES);
	recfix_expect(&x, o, 2);
	free(buf);
	recfix_free(o, 4);
	recfix_teardown(&x);
}

static const struct unit_test tests[] = {
	{ "a record with items lost", test_lost_items },
	{ "a record with blocks lost", test_lost_blocks },
	{ "lost at the ends of segments", test_lost_in_segments },
	{ "a segment lost", test_lost_segments },
	{ "a segment cut off", test_short_segment },
	{ "damage before a later epoch", test_older_epoch },
	{ "dead records of an older epoch", test_dead_records },
	{ "two that go on", test_two_successors },
	{ "segments of others", test_foreign },
	{ "a copied segment", test_copied_segment },
};

UNIT_MAIN("recover damage", tests)
