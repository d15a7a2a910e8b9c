/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_pdu.c - golden bytes of every header a target sends, the fields of
 * every header an initiator sends, CRC32C by the vectors of RFC 7143.
 */
#include "target/iscsi/pdu.h"

#include "tests/lib/unit.h"

static const uint8_t lun[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };

/* ${want}: 48 bytes as hexadecimal text, blanks ignored. */
static void
check(const struct bhs *h, const char *want)
{
	char got[BHS_LEN * 2 + 1], clean[BHS_LEN * 2 + 1];
	size_t n = 0;

	for (int i = 0; i < BHS_LEN; i++)
		(void)snprintf(got + 2 * i, 3, "%02x", h->b[i]);
	for (; *want != '\0' && n < sizeof(clean) - 1; want++)
		if (*want != ' ')
			clean[n++] = *want;
	clean[n] = '\0';
	CU_ASSERT_STRING_EQUAL(got, clean);
}

static void
test_scsi_rsp(void)
{
	struct bhs h;

	pdu_scsi_rsp(&h, 0x11223344, 0x02, pdu_resid(512, 0), 3);
	pdu_set_sn(&h, 0xa1a2a3a4, 0xb1b2b3b4, 0xc1c2c3c4);
	bhs_set_data_bytes(&h, 20);
	check(&h, "21820002 00000014 00000000 00000000 11223344 00000000"
	    "a1a2a3a4 b1b2b3b4 c1c2c3c4 00000003 00000000 00000200");
}

static void
test_data_in(void)
{
	struct bhs h;

	pdu_data_in(&h, 0x11223344, PDU_FINAL | PDU_STATUS, 5, 0x10000,
	    pdu_resid(100, 300));
	pdu_set_sn(&h, 1, 2, 3);
	check(&h, "25850000 00000000 00000000 00000000 11223344 ffffffff"
	    "00000001 00000002 00000003 00000005 00010000 000000c8");
	/* Without status there is no residual. */
	pdu_data_in(&h, 1, 0, 0, 0, pdu_resid(100, 300));
	check(&h, "25000000 00000000 00000000 00000000 00000001 ffffffff"
	    "00000000 00000000 00000000 00000000 00000000 00000000");
}

static void
test_r2t(void)
{
	struct bhs h;

	pdu_r2t(&h, lun, 0x0a0b0c0d, 0x01020304, 7, 0x20000, 0x40000);
	pdu_set_sn(&h, 1, 2, 3);
	check(&h, "31800000 00000000 00010203 04050607 0a0b0c0d 01020304"
	    "00000001 00000002 00000003 00000007 00020000 00040000");
}

static void
test_tmf_rsp(void)
{
	struct bhs h;

	pdu_tmf_rsp(&h, 9, 5);
	check(&h, "22800500 00000000 00000000 00000000 00000009 00000000"
	    "00000000 00000000 00000000 00000000 00000000 00000000");
}

static void
test_text_rsp(void)
{
	struct bhs h;

	pdu_text_rsp(&h, lun, 9, 8, PDU_CONTINUE);
	bhs_set_data_bytes(&h, 0x012345);
	check(&h, "24400000 00012345 00010203 04050607 00000009 00000008"
	    "00000000 00000000 00000000 00000000 00000000 00000000");
}

static void
test_login_rsp(void)
{
	struct bhs req = { .b = { 0x43, 0x87 } }, h;

	for (uint8_t i = 0; i < 6; i++)
		req.b[8 + i] = (uint8_t)(0x80 + i);
	put_be16(req.b + 14, 0x7777);
	put_be32(req.b + 16, 0xdeadbeef);
	pdu_login_rsp(&h, &req, 0x87, 0x0102, 2, 3);
	check(&h, "23870000 00000000 80818283 84850102 deadbeef 00000000"
	    "00000000 00000000 00000000 02030000 00000000 00000000");
}

static void
test_logout_rsp(void)
{
	struct bhs h;

	pdu_logout_rsp(&h, 9, 1);
	check(&h, "26800100 00000000 00000000 00000000 00000009 00000000"
	    "00000000 00000000 00000000 00000000 00000000 00000000");
}

static void
test_nop_in(void)
{
	struct bhs h;

	pdu_nop_in(&h, lun, PDU_NO_TAG, 6);
	check(&h, "20800000 00000000 00010203 04050607 ffffffff 00000006"
	    "00000000 00000000 00000000 00000000 00000000 00000000");
}

static void
test_reject(void)
{
	struct bhs h;

	pdu_reject(&h, REJ_PROTOCOL);
	check(&h, "3f800400 00000000 00000000 00000000 ffffffff 00000000"
	    "00000000 00000000 00000000 00000000 00000000 00000000");
}

static void
test_async(void)
{
	struct bhs h;

	pdu_async(&h, 1, 2, 3, 5);
	check(&h, "32800000 00000000 00000000 00000000 ffffffff 00000000"
	    "00000000 00000000 00000000 01000002 00030005 00000000");
}

/* Each byte of the header has its own value. */
static void
test_getters(void)
{
	struct bhs h;

	for (uint8_t i = 0; i < BHS_LEN; i++)
		h.b[i] = (uint8_t)(0x40 + i);
	CU_ASSERT_EQUAL(bhs_opcode(&h), 0x00);
	CU_ASSERT_TRUE(bhs_is_immed(&h));
	CU_ASSERT_EQUAL(bhs_flags(&h), 0x41);
	CU_ASSERT_EQUAL(bhs_ahs_bytes(&h), 4 * 0x44);
	CU_ASSERT_EQUAL(bhs_data_bytes(&h), 0x454647);
	CU_ASSERT_EQUAL(bhs_lun(&h)[0], 0x48);
	CU_ASSERT_EQUAL(bhs_itt(&h), 0x50515253);
	CU_ASSERT_EQUAL(bhs_ttt(&h), 0x54555657);
	CU_ASSERT_EQUAL(scmd_edtl_bytes(&h), 0x54555657);
	CU_ASSERT_EQUAL(tmf_rtt(&h), 0x54555657);
	CU_ASSERT_EQUAL(login_cid(&h), 0x5455);
	CU_ASSERT_EQUAL(logout_cid(&h), 0x5455);
	CU_ASSERT_EQUAL(bhs_cmdsn(&h), 0x58595a5b);
	CU_ASSERT_EQUAL(bhs_expstatsn(&h), 0x5c5d5e5f);
	CU_ASSERT_EQUAL(scmd_cdb(&h)[0], 0x60);
	CU_ASSERT_EQUAL(tmf_refcmdsn(&h), 0x60616263);
	CU_ASSERT_EQUAL(dout_datasn(&h), 0x64656667);
	CU_ASSERT_EQUAL(dout_offset_bytes(&h), 0x68696a6b);
	CU_ASSERT_EQUAL(login_version_min(&h), 0x43);
	CU_ASSERT_EQUAL(login_isid(&h)[5], 0x4d);
	CU_ASSERT_EQUAL(login_tsih(&h), 0x4e4f);
	h.b[1] = 0xff;
	CU_ASSERT_EQUAL(tmf_function(&h), 0x7f);
	CU_ASSERT_EQUAL(logout_reason(&h), 0x7f);
	CU_ASSERT_EQUAL(scmd_attr(&h), 7);
	h.b[1] = 0x87;
	CU_ASSERT_EQUAL(login_csg(&h), 1);
	CU_ASSERT_EQUAL(login_nsg(&h), 3);
}

static void
test_resid(void)
{
	struct pdu_resid r;

	r = pdu_resid(7, 7);
	CU_ASSERT_TRUE(r.flags == 0 && r.bytes == 0);
	r = pdu_resid(8, 7);
	CU_ASSERT_TRUE(r.flags == PDU_UNDERFLOW && r.bytes == 1);
	r = pdu_resid(7, 9);
	CU_ASSERT_TRUE(r.flags == PDU_OVERFLOW && r.bytes == 2);
	r = pdu_resid(UINT32_MAX, 0);
	CU_ASSERT_TRUE(r.flags == PDU_UNDERFLOW && r.bytes == UINT32_MAX);
	r = pdu_resid(0, UINT64_MAX);
	CU_ASSERT_TRUE(r.flags == PDU_OVERFLOW && r.bytes == UINT32_MAX);
}

static void
test_pad(void)
{

	CU_ASSERT_EQUAL(pdu_pad(0), 0);
	CU_ASSERT_EQUAL(pdu_pad(1), 3);
	CU_ASSERT_EQUAL(pdu_pad(2), 2);
	CU_ASSERT_EQUAL(pdu_pad(3), 1);
	CU_ASSERT_EQUAL(pdu_pad(4), 0);
}

/* RFC 7143 appendix A.4: what the bytes on the wire are. */
static void
test_crc(void)
{
	static const struct {
		uint8_t wire[4];
		int kind;
	} t[] = {
		{ { 0xaa, 0x36, 0x91, 0x8a }, 0 },	/* 32 zeroes */
		{ { 0x43, 0xab, 0xa8, 0x62 }, 1 },	/* 32 times ff */
		{ { 0x4e, 0x79, 0xdd, 0x46 }, 2 },	/* 00 .. 1f */
		{ { 0x5c, 0xdb, 0x3f, 0x11 }, 3 }	/* 1f .. 00 */
	};
	uint8_t buf[32], out[4];

	for (size_t k = 0; k < 4; k++) {
		uint32_t crc;

		for (int i = 0; i < 32; i++)
			buf[i] = (uint8_t)(t[k].kind == 0 ? 0 :
			    t[k].kind == 1 ? 0xff : t[k].kind == 2 ? i :
			    31 - i);
		crc = pdu_crc(PDU_CRC_INIT, buf, 32);
		pdu_crc_put(out, crc);
		CU_ASSERT_EQUAL(memcmp(out, t[k].wire, 4), 0);
		CU_ASSERT_TRUE(pdu_crc_is(t[k].wire, crc));
		CU_ASSERT_FALSE(pdu_crc_is(t[(k + 1) % 4].wire, crc));
		/* In pieces it is the same. */
		for (uint32_t n = 0; n <= 32; n++)
			CU_ASSERT_EQUAL(pdu_crc(pdu_crc(PDU_CRC_INIT, buf, n),
			    buf + n, 32 - n), crc);
	}
}

static const struct unit_test tests[] = {
	{ "SCSI response", test_scsi_rsp },
	{ "Data-In", test_data_in },
	{ "R2T", test_r2t },
	{ "task management response", test_tmf_rsp },
	{ "text response", test_text_rsp },
	{ "login response", test_login_rsp },
	{ "logout response", test_logout_rsp },
	{ "NOP-In", test_nop_in },
	{ "reject", test_reject },
	{ "asynchronous message", test_async },
	{ "request fields", test_getters },
	{ "residuals", test_resid },
	{ "padding", test_pad },
	{ "CRC32C", test_crc }
};
UNIT_MAIN("iscsi/pdu", tests)
