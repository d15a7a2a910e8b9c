/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/rec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "meta/base/bytes.h"
#include "meta/node.h"
#include "tests/lib/unit.h"

#define HDR_MAX (REC_HEADER_MAX_SECTORS * SECTOR_BYTES)

static const uint8_t nonce[16] = { 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6,
    0xc7, 0xc8, 0xc9, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf };

/* A header as a writer makes it. */
struct made {
	uint8_t hdr[HDR_MAX];
	struct rec r;
};

static uint32_t
rnd(uint32_t below)
{

	return ((uint32_t)rand() % below);
}

static uint64_t
rnd64(void)
{

	return ((uint64_t)rand() << 40 ^ (uint64_t)rand() << 20 ^
	    (uint64_t)rand());
}

static size_t
len_of(const struct rec *r)
{

	return (r->header_sectors * SECTOR_BYTES);
}

static void
set_payload(struct rec *r, uint32_t bytes)
{

	r->payload_used_bytes = bytes;
	r->payload_sectors = (bytes + SECTOR_BYTES - 1) / SECTOR_BYTES;
	r->payload_sum = r->kind == REC_DATA || bytes == 0 ? 0 : rnd64();
}

/* ${n} blocks in extents of random lengths. */
static void
put_extents(struct made *m, uint32_t n)
{
	struct extent e[256];

	m->r.n_extents = 0;
	while (n > 0) {
		uint32_t k = m->r.n_extents == 255 ? n : 1 + rnd(n);

		e[m->r.n_extents++] = (struct extent){ rnd64() >> 20, k };
		n -= k;
	}
	for (uint32_t i = 0; i < m->r.n_extents; i++)
		rec_put_extent(m->hdr, i, e[i]);
}

static struct place
rnd_place(uint32_t sectors)
{

	return ((struct place){ { rnd64() | 1, rnd64() },
	    loc_make(1 + rnd(1000), 8 + rnd(200000), sectors, 0) });
}

static void
fill_data(struct made *m)
{
	uint32_t blocks, full = 0;

	m->r.block_shift = (uint8_t)(12 + rnd(5));
	blocks = 1 + rnd(REC_PAYLOAD_MAX >> m->r.block_shift);
	put_extents(m, blocks);
	m->r.n_ids = blocks;
	for (uint32_t i = 0; i < blocks; i++) {
		struct id id = { 0, 0 };

		if (rnd(4) != 0) {
			id = (struct id){ rnd64(), rnd64() | 1 };
			full++;
		}
		rec_put_id(m->hdr, &m->r, i, id);
	}
	set_payload(&m->r, full << m->r.block_shift);
}

static void
fill_copy(struct made *m)
{
	uint32_t blocks = 1 + rnd(256);

	m->r.block_shift = (uint8_t)(12 + rnd(5));
	put_extents(m, blocks);
	m->r.n_runs = blocks;
	for (uint32_t i = 0; i < blocks; i++)
		rec_put_run(m->hdr, &m->r, i, rnd(4) == 0 ?
		    (struct place){ { 0, 0 }, 0 } :
		    rnd_place(1u << (m->r.block_shift - SECTOR_SHIFT)));
}

static void
fill_nodes(struct made *m)
{

	m->r.n_ids = 1 + rnd(REC_PAYLOAD_MAX / NODE_BYTES);
	for (uint32_t i = 0; i < m->r.n_ids; i++)
		rec_put_id(m->hdr, &m->r, i, (struct id){ rnd64() | 1, 0 });
	set_payload(&m->r, m->r.n_ids * NODE_BYTES);
}

static void
fill_moved(struct made *m)
{
	uint32_t sectors = 0;

	m->r.n_runs = 1 + rnd(16);
	for (uint32_t i = 0; i < m->r.n_runs; i++) {
		uint32_t n = rnd(2) == 0 ? NODE_SECTORS : 8u << rnd(5);

		rec_put_run(m->hdr, &m->r, i, rnd_place(n));
		sectors += n;
	}
	set_payload(&m->r, sectors * SECTOR_BYTES);
}

static void
fill_kind(struct made *m)
{

	switch (m->r.kind) {
	case REC_DATA:
		fill_data(m);
		break;
	case REC_ZERO:
		m->r.n_extents = 1 + rnd(300);
		for (uint32_t i = 0; i < m->r.n_extents; i++)
			rec_put_extent(m->hdr, i, (struct extent){
			    rnd64() >> 18, 1 + (rnd64() >> 18) });
		break;
	case REC_COPY:
		fill_copy(m);
		break;
	case REC_NODES:
		fill_nodes(m);
		break;
	case REC_MOVED:
		fill_moved(m);
		break;
	case REC_SNAPSHOT:
	case REC_CATALOG:
	case REC_CHECKPOINT:
		set_payload(&m->r, rnd(REC_PAYLOAD_MAX + 1));
		break;
	}
}

static void
make(struct made *m, enum rec_kind kind)
{

	memset(m, 0, sizeof(*m));
	m->r.kind = kind;
	m->r.flags = rnd(2) == 0 ? 0 : REC_F_ATOMIC;
	if (kind == REC_CATALOG && rnd(2) == 0)
		m->r.flags = REC_F_DUMP | REC_F_DUMP_END;
	m->r.seq = rnd64();
	m->r.time_ns = rnd64();
	m->r.lun = 1 + (rnd64() >> 30);
	m->r.segment = 1 + rnd(100000);
	m->r.off_sectors = 8 + rnd(100000);
	m->r.prev_segment = rnd(100000);
	m->r.prev_end_sectors = rnd(100000);
	m->r.prev_sum = rnd64();
	m->r.synced = rnd64();
	fill_kind(m);
	m->r.header_sectors = rec_header_sectors(m->r.n_extents, m->r.n_ids,
	    m->r.n_runs) + rnd(2) * rnd(4);
	rec_seal(m->hdr, &m->r, nonce);
}

/* Decode from memory of exactly ${len} bytes, so that overruns are caught. */
static int
dec(const uint8_t *hdr, size_t len, struct rec *out, size_t *need)
{
	uint8_t *copy = malloc(len + 1);
	int rc;

	memcpy(copy, hdr, len);
	rc = rec_dec(copy, len, nonce, out, need);
	free(copy);
	return (rc);
}

static bool
same(const struct rec *a, const struct rec *b)
{

	return (a->kind == b->kind && a->flags == b->flags &&
	    a->block_shift == b->block_shift &&
	    a->header_sectors == b->header_sectors &&
	    a->payload_sectors == b->payload_sectors &&
	    a->segment == b->segment && a->off_sectors == b->off_sectors &&
	    a->n_extents == b->n_extents && a->n_ids == b->n_ids &&
	    a->n_runs == b->n_runs &&
	    a->payload_used_bytes == b->payload_used_bytes &&
	    a->seq == b->seq && a->time_ns == b->time_ns && a->lun == b->lun &&
	    a->prev_segment == b->prev_segment &&
	    a->prev_end_sectors == b->prev_end_sectors &&
	    a->prev_sum == b->prev_sum && a->synced == b->synced &&
	    a->payload_sum == b->payload_sum && a->sum == b->sum);
}

/* ---- golden bytes ----------------------------------------------------- */

static const uint8_t golden_data[] = {
	't', 'R', 'E', 'C', 1, 1, 12, 0, 0, 0, 0, 1, 0, 0, 0, 8,
	0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 2,
	0, 0, 0, 0, 0, 0, 1, 2, 1, 2, 3, 4, 5, 6, 7, 8,
	0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 6, 0, 0, 0x10, 0,
	0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0, 0, 0, 0, 0, 0, 1, 0,
	0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, /* 120: checksum, below */
	0, 0, 0, 0, 0, 0, 0, 0,
	/* extent */
	0, 0, 0, 0, 0, 0x12, 0x34, 0x56, 0, 0, 0, 0, 0, 0, 0, 2,
	/* ids: one block, one hole */
	0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
	0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
};
#define GOLDEN_DATA_SUM UINT64_C(0xac55b21f4d58c044)

static void
test_golden_data(void)
{
	uint8_t hdr[SECTOR_BYTES] = { 0 }, want[SECTOR_BYTES] = { 0 };
	struct rec r = {
		.kind = REC_DATA, .flags = REC_F_ATOMIC, .block_shift = 12,
		.header_sectors = 1, .payload_sectors = 8, .segment = 7,
		.off_sectors = 8, .n_extents = 1, .n_ids = 2,
		.payload_used_bytes = 4096, .seq = 258,
		.time_ns = UINT64_C(0x0102030405060708), .lun = 9,
		.prev_segment = 6, .prev_end_sectors = 4096,
		.prev_sum = UINT64_C(0xf1f2f3f4f5f6f7f8), .synced = 256
	}, got;

	rec_put_extent(hdr, 0, (struct extent){ 0x123456, 2 });
	rec_put_id(hdr, &r, 0, (struct id){ UINT64_C(0xa0a1a2a3a4a5a6a7),
	    UINT64_C(0xb0b1b2b3b4b5b6b7) });
	rec_put_id(hdr, &r, 1, (struct id){ 0, 0 });
	rec_seal(hdr, &r, nonce);
	memcpy(want, golden_data, sizeof(golden_data));
	/* The definition of the checksum, in words of the library. */
	CU_ASSERT_EQUAL(XXH3_64bits_withSeed(want, sizeof(want),
	    XXH3_64bits(nonce, 16)), GOLDEN_DATA_SUM);
	put_be64(want + 120, GOLDEN_DATA_SUM);
	CU_ASSERT_EQUAL(memcmp(hdr, want, sizeof(hdr)), 0);
	CU_ASSERT_EQUAL(r.sum, GOLDEN_DATA_SUM);
	CU_ASSERT_EQUAL(dec(want, sizeof(want), &got, NULL), 0);
	CU_ASSERT_TRUE(same(&r, &got));
}

/* id, then locator, behind extents and ids. */
static void
test_golden_run(void)
{
	static const uint8_t run[PLACE_LEN] = {
		0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
		0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7,
		0, 0, 0, 1, 0, 2, 3, 0x80
	};
	struct place p = { { UINT64_C(0xa0a1a2a3a4a5a6a7),
	    UINT64_C(0xb0b1b2b3b4b5b6b7) }, loc_make(1, 8, 8, 0) }, q;
	struct rec r = {
		.kind = REC_COPY, .block_shift = 12, .header_sectors = 1,
		.segment = 7, .off_sectors = 8, .n_extents = 2, .n_runs = 2,
		.lun = 9
	};
	uint8_t hdr[SECTOR_BYTES] = { 0 };

	rec_put_extent(hdr, 0, (struct extent){ 1, 1 });
	rec_put_extent(hdr, 1, (struct extent){ 5, 1 });
	rec_put_run(hdr, &r, 1, p);
	rec_seal(hdr, &r, nonce);
	CU_ASSERT_EQUAL(memcmp(hdr + 128 + 32 + 24, run, sizeof(run)), 0);
	CU_ASSERT_EQUAL(get_be32(hdr + 84), 2);
	CU_ASSERT_EQUAL(dec(hdr, sizeof(hdr), &r, NULL), 0);
	q = rec_run(hdr, &r, 1);
	CU_ASSERT_TRUE(id_equal(&p.id, &q.id) && p.loc == q.loc);
}

/* ---- properties ------------------------------------------------------- */

static void
test_round_trip(void)
{
	struct made *m = malloc(sizeof(*m)), *copy = malloc(sizeof(*copy));
	unsigned bad = 0, holes = 0;
	struct rec r;

	srand(6);
	for (unsigned i = 0; i < 20000; i++) {
		make(m, (enum rec_kind)(1 + i % 8));
		memset(&r, 0, sizeof(r));
		if (dec(m->hdr, len_of(&m->r), &r, NULL) != 0 ||
		    !same(&m->r, &r)) {
			bad++;
			continue;
		}
		/* Written again from what was read: the same bytes. */
		memset(copy, 0, sizeof(*copy));
		for (uint32_t k = 0; k < r.n_extents; k++)
			rec_put_extent(copy->hdr, k, rec_extent(m->hdr, k));
		for (uint32_t k = 0; k < r.n_ids; k++) {
			struct id id = rec_id(m->hdr, &r, k);

			holes += id_is_hole(&id);
			rec_put_id(copy->hdr, &r, k, id);
		}
		for (uint32_t k = 0; k < r.n_runs; k++)
			rec_put_run(copy->hdr, &r, k, rec_run(m->hdr, &r, k));
		rec_seal(copy->hdr, &r, nonce);
		bad += memcmp(copy->hdr, m->hdr, HDR_MAX) != 0;
	}
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT_TRUE(holes > 1000);
	free(copy);
	free(m);
}

static void
test_every_bit_flip_is_refused(void)
{
	struct made *m = malloc(sizeof(*m));
	unsigned accepted = 0, flips = 0;
	struct rec r;

	srand(7);
	for (unsigned i = 0; i < 16; i++) {
		do
			make(m, (enum rec_kind)(1 + i % 8));
		while (m->r.header_sectors > 6);
		for (size_t k = 0; k < len_of(&m->r) * 8; k++, flips++) {
			m->hdr[k / 8] ^= (uint8_t)(1 << k % 8);
			accepted += rec_dec(m->hdr, HDR_MAX, nonce, &r,
			    NULL) != -EILSEQ;
			m->hdr[k / 8] ^= (uint8_t)(1 << k % 8);
		}
		CU_ASSERT_EQUAL(rec_dec(m->hdr, HDR_MAX, nonce, &r, NULL), 0);
	}
	CU_ASSERT_EQUAL(accepted, 0);
	CU_ASSERT_TRUE(flips > 16 * 4096);
	free(m);
}

/* The old content of a recycled segment, and what a client writes. */
static void
test_other_nonce_is_refused(void)
{
	struct made *m = malloc(sizeof(*m));
	uint8_t other[16];
	struct rec r;

	srand(8);
	for (unsigned i = 0; i < 128; i++) {
		make(m, (enum rec_kind)(1 + i % 8));
		memcpy(other, nonce, 16);
		other[i / 8] ^= (uint8_t)(1 << i % 8);
		CU_ASSERT_EQUAL(rec_dec(m->hdr, HDR_MAX, other, &r, NULL),
		    -EILSEQ);
	}
	free(m);
}

/* What passes can be walked: reads stay inside, sums come out. */
static bool
walk(const uint8_t *hdr, const struct rec *r)
{
	uint64_t blocks = 0, full = 0, sectors = 0;

	for (uint32_t i = 0; i < r->n_extents; i++) {
		struct extent e = rec_extent(hdr, i);

		if (e.n_blk == 0 || e.first_blk + e.n_blk < e.first_blk ||
		    e.first_blk + e.n_blk > (uint64_t)INT64_MAX >> 16)
			return (false);
		blocks += e.n_blk;
	}
	for (uint32_t i = 0; i < r->n_ids; i++) {
		struct id id = rec_id(hdr, r, i);

		full += !id_is_hole(&id);
	}
	for (uint32_t i = 0; i < r->n_runs; i++)
		sectors += loc_sectors(rec_run(hdr, r, i).loc);
	if (r->kind == REC_DATA)
		return (blocks == r->n_ids && r->payload_used_bytes ==
		    full << r->block_shift);
	if (r->kind == REC_COPY)
		return (blocks == r->n_runs);
	if (r->kind == REC_NODES)
		return (r->payload_used_bytes == full * NODE_BYTES);
	if (r->kind == REC_MOVED)
		return (r->payload_used_bytes == sectors * SECTOR_BYTES);
	return (true);
}

static void
reseal(uint8_t *hdr, size_t len)
{

	memset(hdr + 120, 0, 8);
	put_be64(hdr + 120, rec_sum(nonce, hdr, len));
}

/*
 * The worst case: bytes that were changed and carry a good checksum.  They
 * are refused or they can be walked; never anything else.
 */
static void
test_forged(void)
{
	struct made *m = malloc(sizeof(*m));
	unsigned passed = 0, refused = 0, bad = 0;
	struct rec r;

	srand(9);
	for (unsigned i = 0; i < 60000; i++) {
		size_t len;

		make(m, (enum rec_kind)(1 + i % 8));
		len = len_of(&m->r);
		for (unsigned k = 1 + rnd(3); k > 0; k--) {
			size_t at = rnd(rnd(2) == 0 ? 128 : (uint32_t)len);

			m->hdr[at] = (uint8_t)(rnd(3) == 0 ? 0xff : rnd(256));
		}
		reseal(m->hdr, len);
		if (dec(m->hdr, len, &r, NULL) != 0) {
			refused++;
			continue;
		}
		passed++;
		bad += !walk(m->hdr, &r);
	}
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT_TRUE(passed > 1000);
	CU_ASSERT_TRUE(refused > 1000);
	free(m);
}

static void
test_random_bytes(void)
{
	uint8_t buf[4096];
	unsigned accepted = 0;
	struct rec r;
	size_t need;

	srand(10);
	for (unsigned i = 0; i < 30000; i++) {
		size_t len = rnd(sizeof(buf) + 1);
		int rc;

		for (size_t k = 0; k < len; k++)
			buf[k] = (uint8_t)rand();
		if (i % 2 == 0)
			memcpy(buf, "tREC\1", 5);
		if (i % 4 == 0 && len >= 128)
			memset(buf + 8, 0, 120);
		need = 0;
		rc = dec(buf, len, &r, &need);
		accepted += rc != -EILSEQ && rc != -EAGAIN;
		accepted += rc == -EAGAIN && (need <= len || need > HDR_MAX);
	}
	CU_ASSERT_EQUAL(accepted, 0);
}

static void
test_more_is_needed(void)
{
	struct made *m = malloc(sizeof(*m));
	struct rec r = { .seq = 4711 };
	size_t need;

	srand(12);
	for (unsigned i = 0; i < 400; i++) {
		make(m, (enum rec_kind)(1 + i % 8));
		for (size_t len = 0; len < len_of(&m->r); len += 1 + rnd(99)) {
			need = 0;
			CU_ASSERT_EQUAL(dec(m->hdr, len, &r, &need), -EAGAIN);
			CU_ASSERT_EQUAL(need, len < SECTOR_BYTES ?
			    SECTOR_BYTES : len_of(&m->r));
			CU_ASSERT_EQUAL(dec(m->hdr, len, &r, NULL), -EILSEQ);
		}
		CU_ASSERT_EQUAL(r.seq, 4711);
	}
	need = 4711;
	CU_ASSERT_EQUAL(dec((const uint8_t *)"tREX", 4, &r, &need), -EILSEQ);
	CU_ASSERT_EQUAL(need, 4711);
	free(m);
}

static void
test_header_sectors(void)
{

	CU_ASSERT_EQUAL(rec_header_sectors(0, 0, 0), 1);
	CU_ASSERT_EQUAL(rec_header_sectors(24, 0, 0), 1);
	CU_ASSERT_EQUAL(rec_header_sectors(24, 1, 0), 2);
	CU_ASSERT_EQUAL(rec_header_sectors(256, 256, 0), 17);
	CU_ASSERT_EQUAL(rec_header_sectors(256, 0, 256), 21);
	CU_ASSERT_EQUAL(rec_header_sectors(0, 682, 0), 22);
	CU_ASSERT_EQUAL(rec_header_sectors(0, 0, 682), 33);
	CU_ASSERT_EQUAL(rec_header_sectors(4088, 0, 0),
	    REC_HEADER_MAX_SECTORS);
	/* All 32 bits set: no wrap to something small. */
	CU_ASSERT_TRUE(rec_header_sectors(UINT32_MAX, UINT32_MAX,
	    UINT32_MAX) > REC_HEADER_MAX_SECTORS);
}

static const struct unit_test tests[] = {
	{ "golden DATA", test_golden_data },
	{ "golden run", test_golden_run },
	{ "header sectors", test_header_sectors },
	{ "round trip", test_round_trip },
	{ "every bit flip is refused", test_every_bit_flip_is_refused },
	{ "other nonce is refused", test_other_nonce_is_refused },
	{ "forged", test_forged },
	{ "random bytes", test_random_bytes },
	{ "more is needed", test_more_is_needed },
};

UNIT_MAIN("rec", tests)
