/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "meta/base/bytes.h"
#include "meta/rec.h"
#include "tests/lib/unit.h"

static const struct seg_header sample = {
	.kind = SEG_NODES,
	.store_uuid = { 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8,
	    0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf },
	.number = 0x01020304,
	.bytes = 64u << 20,
	.epoch = 5,
	.created_ns = UINT64_C(0x1122334455667788),
	.nonce = { 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9,
	    0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf },
	.prev_segment = 0x01020302,
	.prev_end_sectors = 0x1ffff,
	.prev_sum = UINT64_C(0xfedcba9876543210),
	.first_seq = 77,
	.twin = 0x01020305,
	.boot_id = { 0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8,
	    0xb9, 0xba, 0xbb, 0xbc, 0xbd, 0xbe, 0xbf },
};

static const uint8_t golden[144] = {
	't', 't', 'S', 'E', 'G', 'M', 'N', 'T', 0, 0, 0, 1, 0, 0, 0, 2,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
	0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf, 1, 2, 3, 4, 4, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 5, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
	0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xcb,
	0xcc, 0xcd, 0xce, 0xcf, 1, 2, 3, 2, 0, 1, 0xff, 0xff,
	0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10, 0, 0, 0, 0, 0, 0, 0, 77,
	1, 2, 3, 5, 0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9,
	0xba, 0xbb, 0xbc, 0xbd, 0xbe, 0xbf, 0, 0, 0, 0
};
#define GOLDEN_SUM UINT64_C(0xb208a30bda2cb452)

static void
reseal(uint8_t *b)
{

	put_be64(b + 4088, rec_sum(b + 80, b, 4088));
}

static void
test_golden(void)
{
	uint8_t b[SEG_HEADER_BYTES], zero[SEG_HEADER_BYTES] = { 0 };

	seg_header_enc(&sample, b);
	CU_ASSERT_EQUAL(memcmp(b, golden, sizeof(golden)), 0);
	CU_ASSERT_EQUAL(memcmp(b + 144, zero, 4088 - 144), 0);
	CU_ASSERT_EQUAL(get_be64(b + 4088), GOLDEN_SUM);
	/* The definition of the checksum, in words of the library. */
	CU_ASSERT_EQUAL(XXH3_64bits_withSeed(b, 4088,
	    XXH3_64bits(sample.nonce, 16)), GOLDEN_SUM);
}

static void
test_round_trip(void)
{
	uint8_t b[SEG_HEADER_BYTES], again[SEG_HEADER_BYTES];
	struct seg_header h;

	srand(4);
	for (unsigned i = 0; i < 500; i++) {
		struct seg_header in = sample;

		in.kind = (enum seg_kind)(1 + rand() % 3);
		in.twin = in.kind == SEG_NODES && i % 2 != 0 ? 9 : 0;
		in.number = (uint32_t)rand() + 10;
		in.prev_segment = i % 3 == 0 ? 0 : 8;
		in.bytes = SEGMENT_BYTES_MIN << i % 7;
		in.epoch = (uint64_t)rand() << 33;
		in.first_seq = (uint64_t)rand() << 30;
		for (unsigned k = 0; k < 16; k++)
			in.nonce[k] = (uint8_t)rand();
		seg_header_enc(&in, b);
		memset(&h, 0, sizeof(h));
		CU_ASSERT_EQUAL_FATAL(seg_header_dec(b, &h), 0);
		CU_ASSERT_EQUAL(h.kind, in.kind);
		CU_ASSERT_EQUAL(h.number, in.number);
		CU_ASSERT_EQUAL(h.bytes, in.bytes);
		CU_ASSERT_EQUAL(h.twin, in.twin);
		seg_header_enc(&h, again);
		CU_ASSERT_EQUAL(memcmp(b, again, sizeof(b)), 0);
	}
}

static void
test_every_bit_flip_is_refused(void)
{
	uint8_t b[SEG_HEADER_BYTES];
	struct seg_header h;
	unsigned accepted = 0;

	seg_header_enc(&sample, b);
	for (size_t i = 0; i < sizeof(b) * 8; i++) {
		b[i / 8] ^= (uint8_t)(1 << i % 8);
		accepted += seg_header_dec(b, &h) != -EILSEQ;
		b[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	CU_ASSERT_EQUAL(accepted, 0);
	CU_ASSERT_EQUAL(seg_header_dec(b, &h), 0);
}

static void
test_whole_but_wrong(void)
{
	static const struct {
		size_t off;
		uint8_t value;
		int rc;
	} t[] = {
		{ 11, 2, -EPROTONOSUPPORT },	/* version */
		{ 11, 0, -EPROTONOSUPPORT },
		{ 31, 1, -EPROTONOSUPPORT },	/* read-only compatible */
		{ 39, 1, -EPROTONOSUPPORT },	/* incompatible */
		{ 23, 1, 0 },			/* compatible */
		{ 15, 0, -EILSEQ },		/* kinds */
		{ 15, 4, -EILSEQ },
		{ 12, 1, -EILSEQ },
		{ 15, 1, -EILSEQ },		/* a log segment with a twin */
		{ 60, 12, -EILSEQ },		/* sizes */
		{ 60, 0, -EILSEQ },
		{ 60, 16, -EILSEQ },
		{ 99, 4, -EILSEQ },		/* continues itself */
		{ 123, 4, -EILSEQ },		/* its own twin */
		{ 101, 9, -EILSEQ },		/* an end behind any segment */
		{ 140, 1, -EILSEQ },		/* reserved */
		{ 143, 1, -EILSEQ },
		{ 144, 1, -EILSEQ },
		{ 4087, 1, -EILSEQ },
	};
	uint8_t b[SEG_HEADER_BYTES];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct seg_header h = { .number = 1 };

		seg_header_enc(&sample, b);
		b[t[i].off] = t[i].value;
		reseal(b);
		CU_ASSERT_EQUAL(seg_header_dec(b, &h), t[i].rc);
		if (t[i].rc != 0)
			CU_ASSERT_EQUAL(h.number, 1);
	}
	seg_header_enc(&sample, b);
	memset(b + 56, 0, 4);			/* number 0 */
	reseal(b);
	CU_ASSERT_EQUAL(seg_header_dec(b, &(struct seg_header){ 0 }), -EILSEQ);
	/* A compatible feature may have put something into the rest. */
	seg_header_enc(&sample, b);
	b[23] = b[200] = 1;
	reseal(b);
	CU_ASSERT_EQUAL(seg_header_dec(b, &(struct seg_header){ 0 }), 0);
}

static void
test_no_header(void)
{
	uint8_t b[SEG_HEADER_BYTES] = { 0 };
	struct seg_header h;

	CU_ASSERT_EQUAL(seg_header_dec(b, &h), -EILSEQ);
	srand(5);
	for (unsigned i = 0; i < 2000; i++) {
		for (size_t k = 0; k < sizeof(b); k++)
			b[k] = (uint8_t)rand();
		if (i % 2 == 0)
			memcpy(b, golden, 16);
		CU_ASSERT_EQUAL(seg_header_dec(b, &h), -EILSEQ);
	}
}

static const struct unit_test tests[] = {
	{ "golden bytes", test_golden },
	{ "round trip", test_round_trip },
	{ "every bit flip is refused", test_every_bit_flip_is_refused },
	{ "whole but wrong", test_whole_but_wrong },
	{ "no header", test_no_header },
};

UNIT_MAIN("seg_header", tests)
