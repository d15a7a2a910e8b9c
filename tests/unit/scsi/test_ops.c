/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of commands: every opcode is found or refused, every bit that a
 * mask forbids is found, REPORT SUPPORTED OPERATION CODES tells the table.
 */
#include "target/scsi/ops.h"
#include "tests/unit/scsi/fake.h"

/* opcode, service action, length: what the layer is to offer */
static const struct {
	uint8_t opcode;
	int sa;			/* -1: none */
	uint8_t len;
} want[] = {
	{ 0x00, -1, 6 }, { 0x03, -1, 6 }, { 0x08, -1, 6 }, { 0x0a, -1, 6 },
	{ 0x12, -1, 6 }, { 0x1a, -1, 6 }, { 0x1b, -1, 6 }, { 0x25, -1, 10 },
	{ 0x28, -1, 10 }, { 0x2a, -1, 10 }, { 0x35, -1, 10 }, { 0x41, -1, 10 },
	{ 0x42, -1, 10 }, { 0x5a, -1, 10 }, { 0x88, -1, 16 }, { 0x8a, -1, 16 },
	{ 0x91, -1, 16 }, { 0x93, -1, 16 }, { 0x9e, 0x10, 16 },
	{ 0x9e, 0x12, 16 }, { 0xa0, -1, 12 }, { 0xa3, 0x0c, 12 }, { 0xa8, -1, 12 },
	{ 0xaa, -1, 12 },
};
#define N_WANT (sizeof(want) / sizeof(want[0]))

static const struct scsi_op *
lookup(uint8_t opcode, uint8_t byte1, bool *known)
{
	uint8_t cdb[16] = { opcode, byte1 };

	return (ops_find(cdb, known));
}

static void
test_find(void)
{

	for (unsigned opcode = 0; opcode < 256; opcode++)
		for (unsigned b1 = 0; b1 < 256; b1++) {
			bool known, expect = false, expect_known = false;
			const struct scsi_op *op;

			for (size_t i = 0; i < N_WANT; i++) {
				if (want[i].opcode != opcode)
					continue;
				expect_known = true;
				expect |= want[i].sa < 0 ||
				    want[i].sa == (int)(b1 & 0x1f);
			}
			op = lookup((uint8_t)opcode, (uint8_t)b1, &known);
			if ((op != NULL) != expect || known != expect_known)
				CU_FAIL("wrong command");
			if (op != NULL && op->opcode != opcode)
				CU_FAIL("wrong opcode");
		}
	CU_ASSERT_STRING_EQUAL(scsi_cdb_name((uint8_t[16]){ 0x8a }),
	    "WRITE(16)");
	CU_ASSERT_STRING_EQUAL(scsi_cdb_name((uint8_t[16]){ 0x9e, 0x10 }),
	    "READ CAPACITY(16)");
	CU_ASSERT_STRING_EQUAL(scsi_cdb_name((uint8_t[16]){ 0x9e, 0x11 }), "?");
	CU_ASSERT_STRING_EQUAL(scsi_cdb_name((uint8_t[16]){ 0xff }), "?");
}

/* Each single bit of each CDB is allowed or named exactly. */
static void
test_masks(void)
{

	for (size_t i = 0; i < N_WANT; i++) {
		uint8_t cdb[16] = { want[i].opcode };
		const struct scsi_op *op;
		bool known;

		if (want[i].sa >= 0)
			cdb[1] = (uint8_t)want[i].sa;
		op = ops_find(cdb, &known);
		CU_ASSERT_PTR_NOT_NULL_FATAL(op);
		CU_ASSERT_EQUAL(op->len, want[i].len);
		CU_ASSERT_EQUAL(op->mask[op->len - 1], 0);	/* CONTROL */
		for (unsigned byte = 1; byte < 16; byte++)
			for (int bit = 0; bit < 8; bit++) {
				uint16_t at = 0;
				int at_bit = -1;
				bool bad, expect;

				if (want[i].sa >= 0 && byte == 1 && bit < 5)
					continue;
				cdb[byte] ^= (uint8_t)(1 << bit);
				bad = ops_bad_bit(op, cdb, &at, &at_bit);
				cdb[byte] ^= (uint8_t)(1 << bit);
				expect = byte < op->len &&
				    (op->mask[byte] >> bit & 1) == 0;
				if (bad != expect || (bad &&
				    (at != byte || at_bit != bit)))
					CU_FAIL("wrong bit");
			}
	}
}

/* The most significant bit of the first bad byte is the one that is told. */
static void
test_first_bad(void)
{
	struct fake f;

	fake_open(&f);
	BAD_FIELD(&f, 1, 7, 0x28, 0xe1, 0, 0, 0, 0, 0xff, 0, 1, 0xff);
	BAD_FIELD(&f, 6, 4, 0x28, 0x18, 0, 0, 0, 0, 0x1f, 0, 1, 0xff);
	BAD_FIELD(&f, 9, 7, 0x28, 0x18, 0, 0, 0, 0, 0, 0, 1, 0xc4);
	BAD_FIELD(&f, 14, 0, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0);
	BAD_FIELD(&f, 10, 7, 0xa8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xbf, 0);
	fake_close(&f);
}

static void
test_rsoc_all(void)
{
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	for (unsigned timeouts = 0; timeouts < 2; timeouts++) {
		uint32_t each = timeouts ? 20 : 8;
		struct rd r;

		fake_run(&f, &fc, CDB(0xa3, 0x0c, timeouts ? 0x80 : 0, 0, 0, 0,
		    0, 0, 0xff, 0xff, 0, 0));
		expect_good(&fc);
		CU_ASSERT_EQUAL_FATAL(fc.c.in_bytes, 4 + N_WANT * each);
		r = rd_init(fc.in, fc.c.in_bytes);
		CU_ASSERT_EQUAL(rd_be32(&r), N_WANT * each);
		for (size_t i = 0; i < N_WANT; i++) {
			bool has_sa = want[i].sa >= 0;

			CU_ASSERT_EQUAL(rd_u8(&r), want[i].opcode);
			CU_ASSERT_EQUAL(rd_u8(&r), 0);
			CU_ASSERT_EQUAL(rd_be16(&r), has_sa ? want[i].sa : 0);
			CU_ASSERT_EQUAL(rd_u8(&r), 0);
			CU_ASSERT_EQUAL(rd_u8(&r),
			    (timeouts ? 2 : 0) | (has_sa ? 1 : 0));
			CU_ASSERT_EQUAL(rd_be16(&r), want[i].len);
			if (!timeouts)
				continue;
			CU_ASSERT_EQUAL(rd_be16(&r), 10);
			CU_ASSERT_EQUAL(rd_be16(&r), 0);
			CU_ASSERT_EQUAL(rd_be64(&r), 0);
		}
		CU_ASSERT_EQUAL(rd_left(&r), 0);
		fake_cmd_free(&fc);
	}
	fake_close(&f);
}

#define RSOC(opt, op, sa) 0xa3, 0x0c, opt, op, 0, sa, 0, 0, 1, 0, 0, 0

static void
test_rsoc_one(void)
{
	static const uint8_t read10[] = { 0, 0x03, 0, 10, 0x28, 0x1a, 0xff,
	    0xff, 0xff, 0xff, 0, 0xff, 0xff, 0 };
	static const uint8_t same16[] = { 0, 0x03, 0, 16, 0x93, 0x09, 0xff,
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0, 0 };
	static const uint8_t rcap16[] = { 0, 0x03, 0, 16, 0x9e, 0x10, 0, 0, 0,
	    0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0 };
	static const uint8_t ready[] = { 0, 0x83, 0, 6, 0, 0, 0, 0, 0, 0,
	    0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	static const uint8_t none[] = { 0, 0x01, 0, 0 };
	struct fake f;

	fake_open(&f);
	GOLDEN(&f, read10, RSOC(1, 0x28, 0));
	GOLDEN(&f, same16, RSOC(1, 0x93, 0));
	GOLDEN(&f, ready, RSOC(0x81, 0x00, 0));
	GOLDEN(&f, none, RSOC(1, 0x04, 0));
	GOLDEN(&f, none, RSOC(0x81, 0x15, 0));
	BAD_FIELD(&f, 2, 2, RSOC(1, 0x9e, 0x10));	/* it has actions */

	GOLDEN(&f, rcap16, RSOC(2, 0x9e, 0x10));
	GOLDEN(&f, none, RSOC(2, 0x9e, 0x13));
	GOLDEN(&f, none, RSOC(2, 0x5e, 0x00));
	BAD_FIELD(&f, 2, 2, RSOC(2, 0x28, 0));		/* it has none */

	GOLDEN(&f, rcap16, RSOC(3, 0x9e, 0x10));
	GOLDEN(&f, none, RSOC(3, 0x9e, 0x13));
	GOLDEN(&f, read10, RSOC(3, 0x28, 0));
	GOLDEN(&f, none, RSOC(3, 0x28, 1));
	GOLDEN(&f, none, RSOC(3, 0x04, 0));
	BAD_FIELD(&f, 2, 2, RSOC(4, 0x28, 0));
	BAD_FIELD(&f, 2, 3, RSOC(8, 0x28, 0));
	BAD_FIELD(&f, 1, 4, 0xa3, 0x0d);
	fake_close(&f);
}

static const struct unit_test tests[] = {
	{ "every opcode", test_find },
	{ "every bit", test_masks },
	{ "first bad bit", test_first_bad },
	{ "REPORT SUPPORTED OPERATION CODES, all", test_rsoc_all },
	{ "REPORT SUPPORTED OPERATION CODES, one", test_rsoc_one },
};
UNIT_MAIN("scsi/ops", tests)
