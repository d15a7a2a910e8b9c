/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes of the rows "checkpoint" of CAT_STORE and of CAT_ROOT (FORMAT.md).
 */
#include <errno.h>
#include <string.h>

#include "meta/store_int.h"
#include "tests/lib/unit.h"

static const uint8_t store_bytes[96] = {
	1, 0, 0, 0, 0, 0, 0, 0,
	0x01, 0x02, 0x03, 0x04,				/* segment */
	0x05, 0x06, 0x07, 0x08,				/* end */
	0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,	/* seq */
	0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28,	/* checksum */
	0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38,	/* time */
	0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,	/* epoch */
	0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58,	/* checkpoints */
	0x61, 0x62, 0x63, 0x64,				/* next segment */
	0x65, 0x66, 0x67, 0x68,				/* node segment */
	0x71, 0x72, 0x73, 0x74,				/* end there */
	0, 0, 0, 0,
	0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88,	/* of the dump */
	0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98,	/* since */
	0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8	/* its cost */
};

static void
test_store_row(void)
{
	const struct store_row r = {
		.pos = {
			.segment = 0x01020304, .end_sectors = 0x05060708,
			.seq = UINT64_C(0x1112131415161718),
			.sum = UINT64_C(0x2122232425262728),
			.time_ns = UINT64_C(0x3132333435363738),
		},
		.epoch = UINT64_C(0x4142434445464748),
		.checkpoints = UINT64_C(0x5152535455565758),
		.next_segment = 0x61626364, .node_segment = 0x65666768,
		.node_end_sectors = 0x71727374,
		.dump_bytes = UINT64_C(0x8182838485868788),
		.since_dump_bytes = UINT64_C(0x9192939495969798),
		.since_dump_cost = UINT64_C(0xa1a2a3a4a5a6a7a8),
	};
	uint8_t buf[STORE_ROW_LEN], again[STORE_ROW_LEN];
	struct store_row back;

	CU_ASSERT_EQUAL(STORE_ROW_LEN, 96);
	memset(buf, 0xee, sizeof(buf));
	store_row_enc(&r, buf);
	CU_ASSERT_EQUAL(memcmp(buf, store_bytes, sizeof(buf)), 0);
	memset(&back, 0, sizeof(back));
	CU_ASSERT_EQUAL(store_row_dec(store_bytes, sizeof(store_bytes),
	    &back), 0);
	store_row_enc(&back, again);
	CU_ASSERT_EQUAL(memcmp(again, store_bytes, sizeof(again)), 0);
	CU_ASSERT_EQUAL(back.pos.seq, r.pos.seq);
	CU_ASSERT_EQUAL(back.node_end_sectors, r.node_end_sectors);
	CU_ASSERT_EQUAL(back.since_dump_bytes, r.since_dump_bytes);
	CU_ASSERT_EQUAL(back.since_dump_cost, r.since_dump_cost);
	/* Another length or format is another program's. */
	memset(&back, 0x77, sizeof(back));
	CU_ASSERT_EQUAL(store_row_dec(buf, 95, &back), -EILSEQ);
	CU_ASSERT_EQUAL(store_row_dec(buf, 97, &back), -EILSEQ);
	CU_ASSERT_EQUAL(store_row_dec(buf, 0, &back), -EILSEQ);
	for (unsigned f = 0; f < 256; f++) {
		buf[0] = (uint8_t)f;
		CU_ASSERT_EQUAL(store_row_dec(buf, sizeof(buf), &back),
		    f == 1 ? 0 : -EILSEQ);
	}
}

static const uint8_t root_bytes[40] = {
	1, 0, 0, 0, 0, 0, 0, 0,
	0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,	/* id */
	0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28,
	0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38,	/* locator */
	0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48	/* base seq */
};

static void
test_root_row(void)
{
	const struct root_row r = {
		.root = { { UINT64_C(0x1112131415161718),
		    UINT64_C(0x2122232425262728) },
		    UINT64_C(0x3132333435363738) },
		.base_seq = UINT64_C(0x4142434445464748),
	};
	uint8_t buf[ROOT_ROW_LEN];
	struct root_row back;

	CU_ASSERT_EQUAL(ROOT_ROW_LEN, 40);
	memset(buf, 0xee, sizeof(buf));
	root_row_enc(&r, buf);
	CU_ASSERT_EQUAL(memcmp(buf, root_bytes, sizeof(buf)), 0);
	CU_ASSERT_EQUAL(root_row_dec(root_bytes, 40, &back), 0);
	CU_ASSERT_TRUE(id_equal(&back.root.id, &r.root.id));
	CU_ASSERT_EQUAL(back.root.loc, r.root.loc);
	CU_ASSERT_EQUAL(back.base_seq, r.base_seq);
	CU_ASSERT_EQUAL(root_row_dec(buf, 39, &back), -EILSEQ);
	CU_ASSERT_EQUAL(root_row_dec(buf, 41, &back), -EILSEQ);
	buf[0] = 2;
	CU_ASSERT_EQUAL(root_row_dec(buf, 40, &back), -EILSEQ);
	buf[0] = 0;
	CU_ASSERT_EQUAL(root_row_dec(buf, 40, &back), -EILSEQ);
}

static const struct unit_test tests[] = {
	{ "the row of the checkpoint", test_store_row },
	{ "the row of a root", test_root_row },
};

UNIT_MAIN("storerow", tests)
