/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * io_util.h - what the tests of SCSI commands on the wire share.
 */
#ifndef TESTS_UNIT_ISCSI_IO_UTIL_H
#define TESTS_UNIT_ISCSI_IO_UTIL_H

#include "tests/unit/iscsi/ini.h"

#define NO_TTT 0xffffffffu
#define WRITE10 0x2a
#define READ10 0x28
#define F_WRITE 0xa1	/* F W simple */
#define F_READ 0xc1
#define NF_WRITE 0x21	/* unsolicited data follows */

#define KEYS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static uint8_t data[DISK_BYTES];

static inline void
fill(unsigned seed)
{

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)((i + seed) * 2246822519u >> 11);
}

/* A SCSI Response with this status; returns it. */
static inline struct pdu
expect_rsp(struct ini *c, uint32_t itt, uint8_t status)
{
	struct pdu p = ini_expect(c, 0x21);

	CU_ASSERT_EQUAL(get_be32(p.b + 16), itt);
	CU_ASSERT_EQUAL(p.b[2], 0);
	CU_ASSERT_EQUAL(p.b[3], status);
	CU_ASSERT_EQUAL(p.b[1] & 0x80, 0x80);
	CU_ASSERT_EQUAL(get_be32(p.b + 24), c->statsn);
	c->statsn++;
	return (p);
}

static inline void
expect_sense(struct ini *c, uint32_t itt, uint8_t key, uint16_t asc)
{
	struct pdu p = expect_rsp(c, itt, 2);

	CU_ASSERT_EQUAL(p.len, 20);
	CU_ASSERT_EQUAL(get_be16(p.data), 18);
	CU_ASSERT_EQUAL(p.data[2] & 0x7f, 0x70);
	CU_ASSERT_EQUAL(p.data[4] & 15, key);
	CU_ASSERT_EQUAL(get_be16(p.data + 14), asc);
}

static inline struct pdu
expect_r2t(struct ini *c, uint32_t itt, uint32_t r2tsn, uint32_t off,
    uint32_t len)
{
	struct pdu p = ini_expect(c, 0x31);

	CU_ASSERT_EQUAL(get_be32(p.b + 16), itt);
	CU_ASSERT_NOT_EQUAL(get_be32(p.b + 20), NO_TTT);
	CU_ASSERT_EQUAL(get_be32(p.b + 24), c->statsn);
	CU_ASSERT_EQUAL(get_be32(p.b + 36), r2tsn);
	CU_ASSERT_EQUAL(get_be32(p.b + 40), off);
	CU_ASSERT_EQUAL(get_be32(p.b + 44), len);
	return (p);
}

/* Reads of many lengths against what the negotiated sizes must make. */
static inline void
read_all(struct ini *c, uint32_t len, uint32_t mrdsl, uint32_t burst)
{
	uint32_t itt = ini_scsi(c, F_READ, READ10, 3, (uint16_t)(len / 512),
	    len, "", 0);
	uint32_t off = 0, sn = 0;

	while (off < len) {
		uint32_t left = burst - off % burst, n = left < mrdsl ? left :
		    mrdsl;
		struct pdu p = ini_expect(c, 0x25);
		bool last;

		if (n > len - off)
			n = len - off;
		last = off + n == len;
		CU_ASSERT_EQUAL(p.len, n);
		CU_ASSERT_EQUAL(get_be32(p.b + 16), itt);
		CU_ASSERT_EQUAL(get_be32(p.b + 20), NO_TTT);
		CU_ASSERT_EQUAL(get_be32(p.b + 36), sn++);
		CU_ASSERT_EQUAL(get_be32(p.b + 40), off);
		CU_ASSERT_EQUAL(p.b[1], last ? 0x81 : n == left ? 0x80 : 0);
		CU_ASSERT_EQUAL(p.b[3], 0);
		CU_ASSERT_EQUAL(get_be32(p.b + 24), last ? c->statsn : 0);
		CU_ASSERT_EQUAL(memcmp(p.data, fake.disk + 1536 + off, n), 0);
		off += n;
		if (p.len == 0)
			break;
	}
	c->statsn++;
}

#endif /* !TESTS_UNIT_ISCSI_IO_UTIL_H */
