/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a log ends: at the first record that is not whole, whatever lies
 * behind it, and never at one that only looks like the next.
 */
#include "meta/base/bytes.h"
#include "tests/unit/meta/recfix.h"

static void
make_mixed(struct one *o, unsigned n)
{

	for (unsigned i = 0; i < n; i++)
		switch (i % 4) {
		case 0:
			one_data(&o[i], 3, i * 10);
			break;
		case 1:
			one_items(&o[i], REC_CATALOG, 2000 + i, i);
			break;
		case 2:
			one_zero(&o[i], 100 + i);
			break;
		default:
			one_items(&o[i], REC_SNAPSHOT, 300, i);
			break;
		}
}

/* ---- whole logs ------------------------------------------------------- */

static void
test_empty(void)
{
	struct recovery *rv;
	struct logfix x;

	recfix_setup(&x, NULL, 0, 0);
	CU_ASSERT_EQUAL_FATAL(logfix_recover(&x, &recfix_found, &rv), 0);
	CU_ASSERT_EQUAL(recfix_found.n, 0);
	CU_ASSERT_EQUAL(recovery_end(rv).seq, 0);
	CU_ASSERT_EQUAL(recovery_end(rv).segment, 0);
	CU_ASSERT_EQUAL(recovery_max_segment(rv), 0);
	CU_ASSERT_EQUAL(recovery_max_epoch(rv), 0);
	CU_ASSERT_EQUAL(recovery_records(rv), 0);
	recovery_free(rv);
	recfix_teardown(&x);
}

static void
test_whole(void)
{
	struct recovery *rv;
	struct one o[12];
	struct logfix x;
	uint64_t bytes = 0;

	make_mixed(o, 11);
	/* These two say nothing that replay works through. */
	one_free(&o[5]);
	one_items(&o[5], REC_CHECKPOINT, 100, 5);
	o[9].lr.flags = REC_F_DUMP | REC_F_DUMP_END;
	one_items(&o[11], REC_CATALOG, REC_PAYLOAD_MAX, 11);
	recfix_setup(&x, o, 12, 0x124);
	CU_ASSERT_EQUAL_FATAL(logfix_recover(&x, &recfix_found, &rv), 0);
	CU_ASSERT_TRUE(logfix_same(&recfix_found, o, 12));
	CU_ASSERT_EQUAL(recovery_end(rv).seq, 12);
	CU_ASSERT_EQUAL(recovery_end(rv).segment, o[11].lr.segment);
	CU_ASSERT_EQUAL(recovery_end(rv).time_ns, o[11].lr.time_ns);
	CU_ASSERT_EQUAL(recovery_end(rv).end_sectors,
	    one_off(&o[11]) + one_sectors(&o[11]));
	CU_ASSERT_EQUAL(recovery_end(rv).sum, recfix_found.v[11].r.sum);
	for (unsigned i = 0; i < 12; i++)
		if (i != 5 && i != 9)
			bytes += one_sectors(&o[i]) * SECTOR_BYTES;
	CU_ASSERT_EQUAL(recovery_records(rv), 10);
	CU_ASSERT_EQUAL(recovery_bytes(rv), bytes);
	CU_ASSERT_EQUAL(recovery_max_epoch(rv), 1);
	recovery_free(rv);
	recfix_free(o, 12);
	recfix_teardown(&x);
}

static void
test_many_segments(void)
{
	struct recovery *rv;
	struct one o[9];
	struct logfix x;

	recfix_big(o, 9);
	recfix_setup(&x, o, 9, 0x28);
	CU_ASSERT_NOT_EQUAL(o[8].lr.segment, o[0].lr.segment);
	CU_ASSERT_EQUAL_FATAL(logfix_recover(&x, &recfix_found, &rv), 0);
	CU_ASSERT_TRUE(logfix_same(&recfix_found, o, 9));
	CU_ASSERT_EQUAL(recovery_max_segment(rv), o[8].lr.segment);
	recovery_free(rv);
	recfix_free(o, 9);
	recfix_teardown(&x);
}

/* From a checkpoint on: what lies before it is not looked at. */
static void
test_from_a_checkpoint(void)
{
	struct recovery *rv;
	struct logfix x;
	struct one o[9];

	recfix_big(o, 9);
	recfix_setup(&x, o, 9, 0);
	for (unsigned i = 0; i < 9; i++) {
		CU_ASSERT_EQUAL_FATAL(logfix_recover(&x, &recfix_found, &rv),
		    0);
		recovery_free(rv);
		CU_ASSERT_TRUE_FATAL(recfix_found.n > 0);
		x.start = (struct log_pos){ recfix_found.v[0].r.segment,
		    one_off(&o[i]) + one_sectors(&o[i]), i + 1,
		    recfix_found.v[0].r.sum, o[i].lr.time_ns };
		recfix_expect(&x, o + i + 1, 8 - i);
		if (i > 0 && o[i].lr.segment != o[i - 1].lr.segment)
			logfix_clear(&x, o[i - 1].lr.segment, 0, 8192);
	}
	/* The segment in which it goes on has to be there. */
	logfix_flip(&x, o[8].lr.segment, 41);
	recfix_expect_rc(&x, -EUCLEAN);
	CU_ASSERT_EQUAL(segs_remove(x.f.ss, o[8].lr.segment), 0);
	recfix_expect_rc(&x, -EUCLEAN);
	recfix_free(o, 9);
	recfix_teardown(&x);
}

static void
test_replay_stops(void)
{
	struct one o[4];
	struct logfix x;

	make_mixed(o, 4);
	recfix_setup(&x, o, 4, 0);
	for (size_t i = 1; i <= 4; i++) {
		recfix_found.stop_at = i;
		recfix_found.stop_rc = -EDOM;
		recfix_expect_rc(&x, -EDOM);
		CU_ASSERT_EQUAL(recfix_found.n, i);
	}
	recfix_found.stop_at = 0;
	recfix_free(o, 4);
	recfix_teardown(&x);
}

/* ---- torn tails ------------------------------------------------------- */

enum tear { TEAR_CUT, TEAR_ZERO, TEAR_OLD, TEARS };

/* From ${from} on the disk has the old content of the file, or no file. */
static void
tear(struct logfix *x, uint32_t segment, uint32_t from, enum tear how)
{
	uint64_t off = (uint64_t)from * SECTOR_BYTES;
	uint8_t *junk;

	switch (how) {
	case TEAR_CUT:
		CU_ASSERT_EQUAL(truncate(logfix_file(x, segment), (off_t)off),
		    0);
		break;
	case TEAR_ZERO:
		logfix_clear(x, segment, off, SEG_BYTES - off);
		break;
	case TEAR_OLD:
	case TEARS:
		junk = malloc(SEG_BYTES - off);
		memset(junk, 0xd5, SEG_BYTES - off);
		logfix_put(x, segment, off, junk, SEG_BYTES - off);
		free(junk);
		break;
	}
}

/* Every sector of the last record is where the writing may have ended. */
static void
tear_everywhere(struct one *o, unsigned n)
{
	const struct one *last = &o[n - 1];
	struct image im;
	struct logfix x;

	recfix_setup(&x, o, n, 0);
	image_save(&x, &im);
	for (uint32_t k = 0; k <= one_sectors(last); k++)
		for (enum tear how = TEAR_CUT; how < TEARS; how++) {
			tear(&x, last->lr.segment, one_off(last) + k, how);
			recfix_expect(&x, o, k == one_sectors(last) ? n :
			    n - 1);
			image_restore(&x, &im);
		}
	recfix_expect(&x, o, n);
	image_free(&im);
	recfix_teardown(&x);
}

static void
test_torn_data(void)
{
	struct one o[3];

	one_items(&o[0], REC_CATALOG, 10, 0);
	one_data(&o[1], 2, 7);
	one_data(&o[2], 2, 9);
	tear_everywhere(o, 3);
	recfix_free(o, 3);
}

static void
test_torn_items(void)
{
	struct one o[3];

	one_data(&o[0], 1, 7);
	one_items(&o[1], REC_CATALOG, 10, 0);
	one_items(&o[2], REC_SNAPSHOT, 3000, 1);
	tear_everywhere(o, 3);
	recfix_free(o, 3);
}

static void
test_torn_first(void)
{
	struct one o;

	one_items(&o, REC_CATALOG, 2000, 1);
	tear_everywhere(&o, 1);
	recfix_free(&o, 1);
}

/* A header longer than a sector. */
static void
test_torn_long_header(void)
{
	struct one o[2];

	one_items(&o[0], REC_CATALOG, 10, 0);
	one_zero(&o[1], 1);
	o[1].lr.n_extents = 100;
	for (uint32_t i = 1; i < 100; i++)
		rec_put_extent(o[1].hdr, i, (struct extent){ i * 50, 7 });
	CU_ASSERT_TRUE(one_sectors(&o[1]) > 2);
	tear_everywhere(o, 2);
	recfix_free(o, 2);
}

/* One wrong bit anywhere in the last record. */
static void
test_wrong_bits(void)
{
	struct logfix x;
	struct one o[3];
	uint64_t end;

	one_data(&o[0], 1, 3);
	one_items(&o[1], REC_CATALOG, 40, 4);
	one_data(&o[2], 1, 5);
	recfix_setup(&x, o, 3, 0);
	end = recfix_byte(&o[2]) + one_sectors(&o[2]) * SECTOR_BYTES;
	for (uint64_t b = recfix_byte(&o[2]); b < end; b += 61) {
		logfix_flip(&x, o[2].lr.segment, b);
		recfix_expect(&x, o, 2);
		logfix_flip(&x, o[2].lr.segment, b);
	}
	recfix_expect(&x, o, 3);
	recfix_free(o, 3);
	recfix_teardown(&x);
}

/* What lies behind the used bytes of a payload does not matter. */
static void
test_padding_is_free(void)
{
	struct logfix x;
	struct one o[2];

	one_items(&o[0], REC_CATALOG, 700, 4);
	one_data(&o[1], 1, 5);
	recfix_setup(&x, o, 2, 0);
	logfix_flip(&x, o[0].lr.segment, recfix_byte(&o[0]) + 512 + 701);
	recfix_expect(&x, o, 2);
	logfix_flip(&x, o[0].lr.segment, recfix_byte(&o[0]) + 512 + 699);
	recfix_expect(&x, o, 0);
	recfix_free(o, 2);
	recfix_teardown(&x);
}

/* ---- not the next one ------------------------------------------------- */

/* A record that is whole, but somewhere else. */
static void
test_copied_record(void)
{
	struct image im;
	struct logfix x;
	struct one o[6];
	uint8_t rec[1024];
	struct gone g;

	/* Three in each of two segments. */
	for (unsigned i = 0; i < 6; i++)
		one_items(&o[i], REC_CATALOG, 100, i);
	recfix_setup(&x, o, 3, 0);
	image_save(&x, &im);
	/* The first over the second. */
	logfix_get(&x, o[0].lr.segment, recfix_byte(&o[0]), rec, 1024);
	logfix_put(&x, o[1].lr.segment, recfix_byte(&o[1]), rec, 1024);
	recfix_expect(&x, o, 1);
	image_restore(&x, &im);
	image_free(&im);
	recfix_go_on(&x, 2, recfix_finish(&x, &g), o + 3, 3);
	CU_ASSERT_NOT_EQUAL_FATAL(o[3].lr.segment, o[0].lr.segment);
	image_save(&x, &im);
	/* One from another segment in the same place. */
	CU_ASSERT_EQUAL(one_off(&o[0]), one_off(&o[3]));
	logfix_put(&x, o[3].lr.segment, recfix_byte(&o[3]), rec, 1024);
	recfix_expect(&x, o, 3);
	image_restore(&x, &im);
	/* Behind the end, where the next one would be. */
	logfix_get(&x, o[4].lr.segment, recfix_byte(&o[4]), rec, 1024);
	logfix_put(&x, o[5].lr.segment, recfix_byte(&o[5]) +
	    one_sectors(&o[5]) * SECTOR_BYTES, rec, 1024);
	recfix_expect(&x, o, 6);
	image_free(&im);
	recfix_free(o, 6);
	recfix_teardown(&x);
}

typedef void spoil_fn(struct rec *r);

static void
spoil_segment(struct rec *r)
{

	r->segment++;
}

static void
spoil_off(struct rec *r)
{

	r->off_sectors++;
}

static void
spoil_seq(struct rec *r)
{

	r->seq++;
}

static void
spoil_seq_back(struct rec *r)
{

	r->seq--;
}

static void
spoil_prev_segment(struct rec *r)
{

	r->prev_segment++;
}

static void
spoil_prev_end(struct rec *r)
{

	r->prev_end_sectors++;
}

static void
spoil_prev_sum(struct rec *r)
{

	r->prev_sum++;
}

static void
spoil_payload_sum(struct rec *r)
{

	r->payload_sum++;
}

static void
spoil_nothing(struct rec *r)
{

	r->time_ns++;
}

static spoil_fn *const spoils[] = {
	spoil_segment, spoil_off, spoil_seq, spoil_seq_back,
	spoil_prev_segment, spoil_prev_end, spoil_prev_sum, spoil_payload_sum
};

static void
reseal(struct logfix *x, const struct one *o, spoil_fn *spoil)
{
	struct seg_header h;
	uint8_t hdr[SECTOR_BYTES];
	struct rec r;

	logfix_header(x, o->lr.segment, &h);
	logfix_get(x, o->lr.segment, recfix_byte(o), hdr, sizeof(hdr));
	CU_ASSERT_EQUAL_FATAL(rec_dec(hdr, sizeof(hdr), h.nonce, &r, NULL), 0);
	spoil(&r);
	rec_seal(hdr, &r, h.nonce);
	logfix_put(x, o->lr.segment, recfix_byte(o), hdr, sizeof(hdr));
}

/* Valid in itself, and the stream goes on in another way. */
static void
test_broken_chain(void)
{
	struct image im;
	struct logfix x;
	struct one o[3];

	for (unsigned i = 0; i < 3; i++)
		one_items(&o[i], REC_CATALOG, 100, i);
	recfix_setup(&x, o, 3, 0);
	image_save(&x, &im);
	for (size_t i = 0; i < sizeof(spoils) / sizeof(spoils[0]); i++) {
		reseal(&x, &o[2], spoils[i]);
		recfix_expect(&x, o, 2);
		image_restore(&x, &im);
	}
	reseal(&x, &o[2], spoil_nothing);
	o[2].lr.time_ns++;
	recfix_expect(&x, o, 3);
	image_free(&im);
	recfix_free(o, 3);
	recfix_teardown(&x);
}

/* Only right behind the last one, or at the page behind that. */
static void
test_gaps(void)
{
	struct logfix x;
	struct one o[3];
	uint8_t rec[1024];

	for (unsigned i = 0; i < 3; i++)
		one_items(&o[i], REC_CATALOG, 100, i);
	recfix_setup(&x, o, 3, 1);
	CU_ASSERT_EQUAL(one_off(&o[1]), 16);
	recfix_expect(&x, o, 3);
	/* A whole page away: moved with a header that says so. */
	logfix_get(&x, o[1].lr.segment, recfix_byte(&o[1]), rec, 1024);
	logfix_clear(&x, o[1].lr.segment, recfix_byte(&o[1]), 2048);
	{
		struct seg_header h;
		struct rec r;

		logfix_header(&x, o[1].lr.segment, &h);
		CU_ASSERT_EQUAL_FATAL(rec_dec(rec, 512, h.nonce, &r, NULL), 0);
		r.off_sectors = 24;
		rec_seal(rec, &r, h.nonce);
		logfix_put(&x, o[1].lr.segment, 24 * SECTOR_BYTES, rec, 1024);
		recfix_expect(&x, o, 1);
		/* The same header where it may be. */
		r.off_sectors = 10;
		rec_seal(rec, &r, h.nonce);
		logfix_put(&x, o[1].lr.segment, 10 * SECTOR_BYTES, rec, 1024);
		CU_ASSERT_EQUAL(one_off(&o[0]) + one_sectors(&o[0]), 10);
		recfix_expect(&x, o, 2);
	}
	recfix_free(o, 3);
	recfix_teardown(&x);
}

static const struct unit_test tests[] = {
	{ "no log", test_empty },
	{ "a whole log", test_whole },
	{ "many segments", test_many_segments },
	{ "from a checkpoint on", test_from_a_checkpoint },
	{ "replay that stops", test_replay_stops },
	{ "blocks torn at every sector", test_torn_data },
	{ "items torn at every sector", test_torn_items },
	{ "the only record torn", test_torn_first },
	{ "a long header torn", test_torn_long_header },
	{ "wrong bits", test_wrong_bits },
	{ "padding", test_padding_is_free },
	{ "a record that was copied", test_copied_record },
	{ "a record that does not continue", test_broken_chain },
	{ "gaps", test_gaps },
};

UNIT_MAIN("recover", tests)
