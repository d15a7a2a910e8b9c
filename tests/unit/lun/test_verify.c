/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Verification: exactly the planted damage is told, and nodes are made good.
 */
#include <sys/stat.h>

#include "meta/base/clock.h"
#include "meta/segdir_int.h"
#include "meta/segs_int.h"
#include "tests/unit/lun/verifyfix.h"

/* ---- tests ------------------------------------------------------------- */

static void
test_clean(void)
{
	struct verify_params p = { .lun = "nobody" };
	struct verify_state s;
	struct iofix x;
	size_t n;

	setup(&x);
	lunset_verify_state(x.e.ls, &s);
	CU_ASSERT_TRUE(!s.running && s.runs == 0 && s.begun_ns == 0);
	expect_clean(&x, 0);
	lunset_verify_state(x.e.ls, &s);
	CU_ASSERT_EQUAL(s.runs, 1);
	CU_ASSERT_STRING_EQUAL(s.what, "");
	CU_ASSERT_TRUE(s.ended_ns >= s.begun_ns && s.begun_ns != 0);
	CU_ASSERT_TRUE(s.data_bytes >= SIZE && s.data_bytes < 2 * SIZE);
	CU_ASSERT_TRUE(s.node_bytes >= 2 * 17 * 1536);
	/* What is in the log only is folded first, and looked at. */
	iofix_write(&x, MIB, 4096, 7);
	free(verify(&x, "disk", NULL, &s, &n));
	CU_ASSERT_EQUAL(n, 0);
	CU_ASSERT_STRING_EQUAL(s.what, "disk");
	CU_ASSERT_EQUAL(lunset_verify(x.e.ls, &p), -ENOENT);
	p = (struct verify_params){ .lun = "disk", .snap = "nobody" };
	CU_ASSERT_EQUAL(lunset_verify(x.e.ls, &p), -ENOENT);
	CU_ASSERT_EQUAL(lunset_verify_cancel(x.e.ls), -ENOENT);
	CU_ASSERT_TRUE(iofix_right(&x));
	iofix_teardown(&x);
}

/*
 * Bits of data: the blocks, for the LUN and each snapshot that has them.  With
 * so much memory to note what was read (0: as much as it takes); how much was
 * read at the first time.
 */
static uint64_t
find_data(uint64_t memory_bytes)
{
	uint64_t read_bytes;
	struct verify_damage *d;
	struct verify_state s;
	struct bad_block *b;
	struct snap_info si;
	locator loc, old;
	struct iofix x;
	size_t n;

	setup(&x);
	x.e.conf.verify_bytes = memory_bytes;
	CU_ASSERT_EQUAL(lunset_snapshot(x.e.ls, "disk", "one", &si), 0);
	old = place_of(&x, 600, 0).loc;
	iofix_write(&x, 600 * 4096, 4096, 9);
	CU_ASSERT_EQUAL(lunset_snapshot(x.e.ls, "disk", "two", &si), 0);
	CU_ASSERT_EQUAL(lunset_checkpoint(x.e.ls), 0);
	loc = place_of(&x, 300, 0).loc;
	flip(&x, loc, 0, 4000);
	flip(&x, place_of(&x, 301, 0).loc, 0, 0);
	flip(&x, old, 0, 77);
	reopen(&x);
	d = verify(&x, NULL, NULL, &s, &n);
	read_bytes = s.data_bytes;
	CU_ASSERT_EQUAL_FATAL(n, 4);
	CU_ASSERT_TRUE(is(&d[0], VERIFY_DATA, "one", 300 * 4096, 8192));
	CU_ASSERT_TRUE(is(&d[1], VERIFY_DATA, "one", 600 * 4096, 4096));
	CU_ASSERT_TRUE(is(&d[2], VERIFY_DATA, "two", 300 * 4096, 8192));
	CU_ASSERT_TRUE(is(&d[3], VERIFY_DATA, "", 300 * 4096, 8192));
	CU_ASSERT_EQUAL(d[0].rc, -EILSEQ);
	CU_ASSERT_EQUAL(d[0].segment, loc_segment(loc));
	CU_ASSERT_EQUAL(d[0].segment_off_bytes,
	    (uint64_t)loc_off_sectors(loc) * 512);
	CU_ASSERT_EQUAL(s.damaged_bytes, 7 * 4096);
	free(d);
	d = verify(&x, "disk", "one", &s, &n);
	CU_ASSERT_EQUAL(n, 2);
	CU_ASSERT_STRING_EQUAL(s.what, "disk@one");
	free(d);
	expect_hole_in_data(&x, 300 * 4096, 302 * 4096);
	CU_ASSERT_EQUAL(lunset_bad_blocks(x.e.ls, &b, &n), 0);
	CU_ASSERT_EQUAL_FATAL(n, 2);
	CU_ASSERT_EQUAL(b[0].off_bytes, 301 * 4096);
	CU_ASSERT_EQUAL(b[1].off_bytes, 300 * 4096);
	CU_ASSERT_STRING_EQUAL(b[0].lun_name, "disk");
	CU_ASSERT_EQUAL(b[1].times, 1);
	free(b);
	/* Written again, it is the snapshots' damage only; without them
	 * nobody's. */
	iofix_write(&x, 300 * 4096, 8192, 5);
	d = verify(&x, NULL, NULL, &s, &n);
	CU_ASSERT_EQUAL(n, 3);
	free(d);
	CU_ASSERT_TRUE(iofix_right(&x));
	CU_ASSERT_EQUAL(lunset_snap_delete(x.e.ls, "disk", "one"), 0);
	CU_ASSERT_EQUAL(lunset_snap_delete(x.e.ls, "disk", "two"), 0);
	expect_clean(&x, 0);
	iofix_teardown(&x);
	return (read_bytes);
}

static void
test_data(void)
{
	uint64_t once = find_data(0);

	/* Blocks that snapshots share are read for each; told is the same. */
	CU_ASSERT(find_data(1) > once);
}

static uint64_t
repairs(struct iofix *x)
{
	struct verify_state s;
	size_t n;

	free(verify(x, NULL, NULL, &s, &n));
	CU_ASSERT_EQUAL(n, 0);
	return (s.repaired);
}

/* One copy of every node, by turns: repaired, and then it is enough. */
static void
test_one_copy(void)
{
	struct place p[17];
	struct iofix x;

	setup(&x);
	for (unsigned i = 0; i < 16; i++)
		p[i] = place_of(&x, i * 64, 1);
	p[16] = place_of(&x, 0, 2);
	/* All in one copy: neighbours in a page have their twins. */
	for (unsigned copy = 0; copy < 2; copy++) {
		for (unsigned i = 0; i < 17; i++)
			flip(&x, p[i].loc, copy, 30 * i);
		reopen(&x);
		/* A page is made good with all its nodes. */
		CU_ASSERT_TRUE(repairs(&x) >= 5);
		expect_clean(&x, 0);
	}
	/* A locator in one copy leads nowhere. */
	flip(&x, p[3].loc, 1, 5 * PLACE_LEN + 21);
	reopen(&x);
	expect_clean(&x, 1);
	for (unsigned i = 0; i < 17; i++)
		flip(&x, p[i].loc, 0, 9);
	reopen(&x);
	CU_ASSERT_TRUE(iofix_right(&x));
	iofix_teardown(&x);
}

/* Both copies: the blocks below, in one entry. */
static void
test_both_copies(void)
{
	struct verify_damage *d;
	struct verify_state s;
	struct iofix x;
	struct place p;
	size_t n;

	setup(&x);
	p = place_of(&x, 320, 1);
	flip(&x, p.loc, 0, 9);
	flip(&x, p.loc, 1, 99);
	reopen(&x);
	d = verify(&x, NULL, NULL, &s, &n);
	CU_ASSERT_EQUAL_FATAL(n, 1);
	CU_ASSERT_TRUE(is(&d[0], VERIFY_NODE, "", 320 * 4096, 64 * 4096));
	CU_ASSERT_EQUAL(d[0].segment, loc_segment(p.loc));
	free(d);
	expect_hole_in_data(&x, 320 * 4096, 384 * 4096);
	iofix_teardown(&x);
}

/* ---- a file of a pair --------------------------------------------------- */

/* Gone, or without its header, while the store is closed. */
static void
lose_file(struct iofix *x, uint32_t number, bool gone)
{
	static const uint8_t zero[SEG_HEADER_BYTES];
	int fd;

	lun_dev_close(x->d);
	engine_abandon(&x->e);
	if (gone) {
		CU_ASSERT_EQUAL(unlink(seg_file(x, number)), 0);
	} else {
		CU_ASSERT_FATAL((fd = open(seg_file(x, number), O_WRONLY)) >= 0);
		CU_ASSERT_EQUAL(pwrite(fd, zero, sizeof(zero), 0),
		    (ssize_t)sizeof(zero));
		(void)close(fd);
	}
	CU_ASSERT_EQUAL_FATAL(engine_open(&x->e), 0);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(x->e.ls, x->number, LUN_HEAD,
	    &x->d), 0);
}

static void
expect_remade(struct iofix *x, uint64_t remade)
{
	struct verify_state s;
	size_t n;

	free(verify(x, NULL, NULL, &s, &n));
	CU_ASSERT_EQUAL(n, 0);
	CU_ASSERT_EQUAL(s.remade, remade);
	CU_ASSERT_EQUAL(s.repaired, 0);
	CU_ASSERT_EQUAL(s.damaged_bytes, 0);
	CU_ASSERT_TRUE(iofix_right(x));
}

/* Made again; then the other file is damaged at every node, or lost itself. */
static void
test_lost_twin(void)
{
	struct place p[17];
	struct iofix x;

	for (unsigned t = 0; t < 8; t++) {
		unsigned copy = t & 1;
		bool gone = (t & 2) != 0, again = (t & 4) != 0;
		uint32_t first;

		setup(&x);
		for (unsigned i = 0; i < 16; i++)
			p[i] = place_of(&x, i * 64, 1);
		p[16] = place_of(&x, 0, 2);
		first = loc_segment(p[16].loc);
		lose_file(&x, first + copy, gone);
		CU_ASSERT_TRUE(iofix_right(&x));
		expect_remade(&x, 1);
		expect_clean(&x, 0);
		if (again) {
			lose_file(&x, first + !copy, true);
			CU_ASSERT_TRUE(iofix_right(&x));
			expect_remade(&x, 1);
		} else {
			for (unsigned i = 0; i < 17; i++)
				flip(&x, p[i].loc, !copy, 5 * i);
			reopen(&x);
			CU_ASSERT_TRUE(iofix_right(&x));
			CU_ASSERT_TRUE(repairs(&x) > 0);
			expect_clean(&x, 0);
		}
		/* A reclaim finds its way through what was made. */
		CU_ASSERT_EQUAL(lunset_gc(x.e.ls, true), 0);
		reopen(&x);
		CU_ASSERT_TRUE(iofix_right(&x));
		expect_clean(&x, 0);
		iofix_teardown(&x);
	}
}

/* So many files have been prepared or begun. */
static uint32_t
n_drafts(struct iofix *x)
{
	struct segs *ss = store_segs(x->e.ls->store);

	return (((struct segdir *)ss->be)->next_spare);
}

/*
 * Of the pair that is being written: it stays, and not a draft for each node
 * in it is made only to find that out.
 */
static void
test_lost_header_open(void)
{
	static const uint8_t zero[SEG_HEADER_BYTES];
	struct iofix x;

	for (unsigned copy = 0; copy < 2; copy++) {
		uint32_t first, before;
		int fd;

		setup(&x);
		for (unsigned i = 0; i < 4; i++)
			iofix_write(&x, i * MIB, MIB, 200 + i);
		CU_ASSERT_EQUAL(lunset_checkpoint(x.e.ls), 0);
		first = loc_segment(place_of(&x, 0, 2).loc);
		fd = open(seg_file(&x, first + copy), O_WRONLY);
		CU_ASSERT_FATAL(fd >= 0);
		CU_ASSERT_EQUAL(pwrite(fd, zero, sizeof(zero), 0),
		    (ssize_t)sizeof(zero));
		(void)close(fd);
		before = n_drafts(&x);
		expect_remade(&x, 0);
		CU_ASSERT_EQUAL(n_drafts(&x), before);
		reopen(&x);
		expect_remade(&x, 1);
		iofix_teardown(&x);
	}
}

static void
test_files(void)
{
	struct verify_damage *d;
	struct verify_state s;
	uint64_t bytes = 0;
	struct iofix x;
	struct place p;
	size_t n;

	for (unsigned gone = 0; gone < 2; gone++) {
		uint64_t first = UINT64_MAX, end = 0;

		setup(&x);
		p = place_of(&x, 400, 0);
		for (uint64_t b = 0; b < SIZE / 4096; b++) {
			locator loc = place_of(&x, b, 0).loc;

			if (loc_segment(loc) != loc_segment(p.loc) ||
			    (!gone && loc_off_sectors(loc) <
			    loc_off_sectors(p.loc)))
				continue;
			first = TT_MIN(first, b);
			end = b + 1;
		}
		CU_ASSERT_EQUAL(gone ?
		    unlink(seg_file(&x, loc_segment(p.loc))) :
		    truncate(seg_file(&x, loc_segment(p.loc)),
		    (off_t)loc_off_sectors(p.loc) * 512 + 10), 0);
		lun_dev_close(x.d);
		engine_abandon(&x.e);
		CU_ASSERT_EQUAL_FATAL(engine_open(&x.e), 0);
		CU_ASSERT_EQUAL_FATAL(lun_dev_open(x.e.ls, x.number, LUN_HEAD,
		    &x.d), 0);
		d = verify(&x, NULL, NULL, &s, &n);
		CU_ASSERT_EQUAL_FATAL(n, 1);
		CU_ASSERT_TRUE(is(&d[0], VERIFY_DATA, "", first * 4096,
		    (end - first) * 4096));
		CU_ASSERT_EQUAL(d[0].rc, gone ? -ENOENT : -ENODATA);
		CU_ASSERT_EQUAL(s.damaged_bytes, (end - first) * 4096);
		bytes = s.damaged_bytes;
		free(d);
		expect_hole_in_data(&x, first * 4096, first * 4096 + bytes);
		iofix_teardown(&x);
	}
}

/* ---- what a reclaim has moved ------------------------------------------ */

/* Where ${loc} lies now; false: where it was born. */
static bool
moved_to(struct iofix *x, locator loc, locator *out)
{
	uint32_t seg, off;

	if (moved_find(x->e.ls->moved, loc, &seg, &off) != 0)
		return (false);
	*out = loc_make(seg, off, loc_sectors(loc), loc_flags(loc));
	return (true);
}

/*
 * A LUN that is written between the blocks of "disk", and whose nodes fill a
 * pair of segments beside its; then it is deleted and the space reclaimed.
 */
static void
setup_moved(struct iofix *x, locator *data, locator *node)
{
	struct lun_params lp = { .name = "hot", .size_bytes = SIZE,
	    .block_bytes = 4096, .sector_bytes = 512 };
	struct lun_dev *hot;
	struct lun_info info;
	bool moved = false;

	iofix_setup(x, 4096, 512);
	CU_ASSERT_EQUAL_FATAL(lunset_create(x->e.ls, &lp, &info), 0);
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(x->e.ls, info.number, LUN_HEAD,
	    &hot), 0);
	for (unsigned i = 0; i < 160; i++) {
		if (i < 16)
			iofix_write(x, i * 64 * 4096, 8192, i + 7);
		iofix_fill(buf, 64 * 4096, i + 1000);
		for (unsigned k = 0; k < 16; k++) {
			buf[0] = (uint8_t)k;
			buf[1] = (uint8_t)i;
			CU_ASSERT_EQUAL(engine_rw(&x->e, hot, LUN_WRITE,
			    k * 64 * 4096, buf, i < 16 ? 64 * 4096 : 4096, 0),
			    0);
		}
		CU_ASSERT_EQUAL(lunset_checkpoint(x->e.ls), 0);
	}
	lun_dev_close(hot);
	CU_ASSERT_EQUAL(lunset_delete(x->e.ls, "hot", false), 0);
	for (unsigned i = 0; i < 10 && !moved; i++) {
		CU_ASSERT_EQUAL(lunset_gc(x->e.ls, true), 0);
		CU_ASSERT_EQUAL(lunset_checkpoint(x->e.ls), 0);
		moved = moved_to(x, place_of(x, 64, 0).loc, data) &&
		    moved_to(x, place_of(x, 64, 1).loc, node);
	}
	CU_ASSERT_TRUE_FATAL(moved);
}

static void
test_moved(void)
{
	struct verify_damage *d;
	struct verify_state s;
	struct iofix x;
	locator data, node;
	size_t n;

	setup_moved(&x, &data, &node);
	expect_clean(&x, 0);
	flip(&x, data, 0, 50);
	flip(&x, node, 1, 50);
	reopen(&x);
	d = verify(&x, NULL, NULL, &s, &n);
	CU_ASSERT_EQUAL_FATAL(n, 1);
	CU_ASSERT_TRUE(is(&d[0], VERIFY_DATA, "", 64 * 4096, 4096));
	CU_ASSERT_EQUAL(d[0].segment, loc_segment(data));
	CU_ASSERT_EQUAL(d[0].segment_off_bytes,
	    (uint64_t)loc_off_sectors(data) * SECTOR_BYTES);
	CU_ASSERT_EQUAL(s.repaired, 1);
	free(d);
	/* The repaired copy is enough. */
	flip(&x, data, 0, 50);
	flip(&x, node, 0, 50);
	reopen(&x);
	CU_ASSERT_TRUE(iofix_right(&x));
	expect_clean(&x, 1);
	iofix_teardown(&x);
}

/* The same of nodes that were moved; also when the catalogue is made anew. */
static void
test_lost_moved_twin(void)
{
	struct iofix x;
	locator data, node;

	for (unsigned t = 0; t < 6; t++) {
		uint32_t first;

		setup_moved(&x, &data, &node);
		first = loc_segment(node);
		lose_file(&x, first + (t & 1), t >= 2);
		if (t >= 4) {
			lun_dev_close(x.d);
			CU_ASSERT_EQUAL(engine_close(&x.e), 0);
			CU_ASSERT_EQUAL_FATAL(lunset_rebuild(&x.e.conf, true),
			    0);
			CU_ASSERT_EQUAL_FATAL(engine_open(&x.e), 0);
			CU_ASSERT_EQUAL_FATAL(lun_dev_open(x.e.ls, x.number,
			    LUN_HEAD, &x.d), 0);
		}
		expect_remade(&x, 1);
		/* It stays, by a row of its own, whatever comes. */
		lun_dev_close(x.d);
		engine_abandon(&x.e);
		CU_ASSERT_EQUAL_FATAL(engine_open(&x.e), 0);
		CU_ASSERT_EQUAL_FATAL(lun_dev_open(x.e.ls, x.number, LUN_HEAD,
		    &x.d), 0);
		expect_remade(&x, 0);
		reopen(&x);
		expect_clean(&x, 0);
		lose_file(&x, first + !(t & 1), true);
		CU_ASSERT_TRUE(iofix_right(&x));
		expect_remade(&x, 1);
		iofix_teardown(&x);
	}
}

/* ---- pace, ends, scrub -------------------------------------------------- */

static void
test_rate(void)
{
	struct verify_params p = { .rate_bytes = 8 * MIB };
	uint64_t begun = clock_mono_ms(), ms;
	struct verify_state s;
	struct iofix x;

	setup(&x);
	begun = clock_mono_ms();
	CU_ASSERT_EQUAL_FATAL(lunset_verify(x.e.ls, &p), 0);
	CU_ASSERT_EQUAL(lunset_verify(x.e.ls, &p), -EBUSY);
	wait_end(x.e.ls, &s);
	ms = clock_mono_ms() - begun;
	CU_ASSERT_EQUAL(s.rc, 0);
	/* 4 MiB and some nodes; the last piece is not waited for. */
	CU_ASSERT_TRUE(ms >= 350);
	CU_ASSERT_TRUE(ms < 5000);
	/* An hour's work is cancelled, or ended by closing, at once. */
	p.rate_bytes = KIB;
	CU_ASSERT_EQUAL_FATAL(lunset_verify(x.e.ls, &p), 0);
	(void)usleep(20000);
	begun = clock_mono_ms();
	CU_ASSERT_EQUAL(lunset_verify_cancel(x.e.ls), 0);
	wait_end(x.e.ls, &s);
	CU_ASSERT_EQUAL(s.rc, -EINTR);
	CU_ASSERT_TRUE(clock_mono_ms() - begun < 2000);
	CU_ASSERT_EQUAL_FATAL(lunset_verify(x.e.ls, &p), 0);
	(void)usleep(20000);
	begun = clock_mono_ms();
	reopen(&x);
	CU_ASSERT_TRUE(clock_mono_ms() - begun < 2000);
	iofix_teardown(&x);
}

static void
test_scrub(void)
{
	struct verify_state s = { .runs = 0 };
	struct verify_damage *d;
	uint64_t done;
	struct iofix x;
	size_t n;

	setup(&x);
	flip(&x, place_of(&x, 300, 0).loc, 0, 1);
	flip(&x, place_of(&x, 0, 1).loc, 0, 1);
	x.e.conf.scrub_s = 3600;
	x.e.conf.scrub_delay_ms = 1;
	x.e.conf.scrub_rate_bytes = KIB;
	reopen(&x);
	for (unsigned i = 0; i < 1000 && s.scrub_permille == 0; i++) {
		(void)usleep(5000);
		lunset_verify_state(x.e.ls, &s);
	}
	CU_ASSERT_TRUE(s.scrubbing && s.scrub_begun_ns != 0);
	CU_ASSERT_EQUAL(s.scrub_done_ns, 0);
	done = s.scrub_begun_ns;
	/* It goes on where it was. */
	x.e.conf.scrub_rate_bytes = 0;
	reopen(&x);
	lunset_verify_state(x.e.ls, &s);
	CU_ASSERT_TRUE(s.scrub_begun_ns == 0 || s.scrub_begun_ns == done);
	for (unsigned i = 0; i < 1000 && s.scrub_done_ns == 0; i++) {
		(void)usleep(5000);
		lunset_verify_state(x.e.ls, &s);
	}
	CU_ASSERT_NOT_EQUAL(s.scrub_done_ns, 0);
	CU_ASSERT_EQUAL(s.scrub_begun_ns, 0);
	CU_ASSERT_EQUAL(s.scrub_every_s, 3600);
	CU_ASSERT_EQUAL(s.scrub_n_damage, 1);
	CU_ASSERT_EQUAL(s.runs, 0);
	CU_ASSERT_EQUAL(lunset_verify_damage(x.e.ls, VERIFY_BY_SCRUB, &d, &n),
	    0);
	CU_ASSERT_EQUAL_FATAL(n, 1);
	CU_ASSERT_TRUE(is(&d[0], VERIFY_DATA, "", 300 * 4096, 4096));
	free(d);
	done = s.scrub_done_ns;
	/* And not again before its time. */
	reopen(&x);
	(void)usleep(100000);
	lunset_verify_state(x.e.ls, &s);
	CU_ASSERT_EQUAL(s.scrub_done_ns, done);
	CU_ASSERT_FALSE(s.scrubbing);
	iofix_teardown(&x);
}

static void
test_scrub_row(void)
{
	static const uint8_t golden[SCRUB_ROW_LEN] = {
		1, 1, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0x12, 0x34,
		0, 0, 0, 0, 0, 0, 0x56, 0x78,
		0, 0, 0, 0, 0, 0, 0, 7,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0, 0, 0, 0, 0, 1, 0, 0
	};
	struct scrub_row r = { true, 0x1234, 0x5678, 7, LUN_HEAD, 65536 };
	uint8_t b[SCRUB_ROW_LEN];
	struct scrub_row back;

	scrub_row_enc(&r, b);
	CU_ASSERT_EQUAL(memcmp(b, golden, sizeof(b)), 0);
	CU_ASSERT_EQUAL(scrub_row_dec(b, sizeof(b), &back), 0);
	CU_ASSERT_TRUE(back.under_way && back.done_ns == 0x1234 &&
	    back.begun_ns == 0x5678 && back.lun == 7 &&
	    back.seq == LUN_HEAD && back.blk == 65536);
	CU_ASSERT_EQUAL(scrub_row_dec(b, sizeof(b) - 1, &back), -EILSEQ);
	for (unsigned i = 0; i < 8; i++) {
		b[i] ^= 4;
		CU_ASSERT_EQUAL(scrub_row_dec(b, sizeof(b), &back), -EILSEQ);
		b[i] ^= 4;
	}
	r.under_way = false;
	scrub_row_enc(&r, b);
	CU_ASSERT_EQUAL(scrub_row_dec(b, sizeof(b), &back), 0);
	CU_ASSERT_TRUE(!back.under_way && back.done_ns == 0x1234 &&
	    back.blk == 0);
	b[47] = 1;
	CU_ASSERT_EQUAL(scrub_row_dec(b, sizeof(b), &back), -EILSEQ);
}

/* Writers, snapshots that come and go, and no damage anywhere. */
static void
test_beside_writers(void)
{
	struct verify_params p = { .rate_bytes = 0 };
	struct verify_state s;
	struct snap_info si;
	struct iofix x;

	setup(&x);
	for (unsigned i = 0; i < 60; i++) {
		(void)lunset_verify(x.e.ls, &p);
		for (unsigned k = 0; k < 20; k++)
			iofix_write(&x, (i * 37 + k * 51) % 1000 * 4096,
			    4096 * 8, i * 100 + k);
		if (i % 3 == 0)
			CU_ASSERT_EQUAL(lunset_snapshot(x.e.ls, "disk", "s",
			    &si), 0);
		if (i % 3 == 2)
			CU_ASSERT_EQUAL(lunset_snap_delete(x.e.ls, "disk",
			    "s"), 0);
		if (i % 5 == 0)
			CU_ASSERT_EQUAL(lunset_checkpoint(x.e.ls), 0);
		lunset_verify_state(x.e.ls, &s);
		CU_ASSERT_EQUAL(s.n_damage, 0);
	}
	wait_end(x.e.ls, &s);
	CU_ASSERT_TRUE(s.runs > 0);
	CU_ASSERT_EQUAL(s.n_damage, 0);
	CU_ASSERT_EQUAL(s.rc, 0);
	CU_ASSERT_TRUE(iofix_right(&x));
	iofix_teardown(&x);
}

static const struct unit_test tests[] = {
	{ "clean", test_clean },
	{ "bits of data", test_data },
	{ "one copy of nodes", test_one_copy },
	{ "both copies", test_both_copies },
	{ "a file of a pair", test_lost_twin },
	{ "the header of an open file", test_lost_header_open },
	{ "files cut short and gone", test_files },
	{ "moved", test_moved },
	{ "a file of a moved pair", test_lost_moved_twin },
	{ "rate and ends", test_rate },
	{ "scrub", test_scrub },
	{ "the scrub's row", test_scrub_row },
	{ "beside writers", test_beside_writers },
};

UNIT_MAIN("verify", tests)
