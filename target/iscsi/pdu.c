/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pdu.c - headers that a target sends (RFC 7143 chapter 11), and CRC32C.
 *
 * Common to all of them:
 *
 *	byte 0      opcode (the I bit is zero in answers)
 *	     1      flags, bit 7 is F or T
 *	     8-15   LUN, or zero
 *	    16-19   initiator task tag
 *	    20-23   target transfer tag, or zero
 *	    24-35   StatSN, ExpCmdSN, MaxCmdSN
 */
#include "target/iscsi/pdu.h"

#include <isa-l/crc.h>

static void
start(struct bhs *h, enum pdu_opcode op, uint8_t flags, uint32_t itt)
{

	memset(h, 0, sizeof(*h));
	h->b[0] = (uint8_t)op;
	h->b[1] = flags;
	put_be32(h->b + 16, itt);
}

void
pdu_set_sn(struct bhs *h, uint32_t statsn, uint32_t expcmdsn,
    uint32_t maxcmdsn)
{

	put_be32(h->b + 24, statsn);
	put_be32(h->b + 28, expcmdsn);
	put_be32(h->b + 32, maxcmdsn);
}

struct pdu_resid
pdu_resid(uint32_t edtl_bytes, uint64_t xfer_bytes)
{
	uint64_t d;

	if (xfer_bytes == edtl_bytes)
		return ((struct pdu_resid){ 0, 0 });
	if (xfer_bytes < edtl_bytes)
		return ((struct pdu_resid){ PDU_UNDERFLOW,
		    edtl_bytes - (uint32_t)xfer_bytes });
	d = xfer_bytes - edtl_bytes;
	return ((struct pdu_resid){ PDU_OVERFLOW,
	    d > UINT32_MAX ? UINT32_MAX : (uint32_t)d });
}

void
pdu_scsi_rsp(struct bhs *h, uint32_t itt, uint8_t status,
    struct pdu_resid resid, uint32_t n_data)
{

	start(h, PDU_SCSI_RSP, (uint8_t)(PDU_FINAL | resid.flags), itt);
	h->b[2] = 0;		/* command completed at target */
	h->b[3] = status;
	put_be32(h->b + 36, n_data);
	put_be32(h->b + 44, resid.bytes);
}

void
pdu_data_in(struct bhs *h, uint32_t itt, uint8_t flags, uint32_t datasn,
    uint32_t offset_bytes, struct pdu_resid resid)
{

	start(h, PDU_DATA_IN, flags, itt);
	if ((flags & PDU_STATUS) != 0) {
		h->b[1] |= resid.flags;
		put_be32(h->b + 44, resid.bytes);
	}
	put_be32(h->b + 20, PDU_NO_TAG);
	put_be32(h->b + 36, datasn);
	put_be32(h->b + 40, offset_bytes);
}

void
pdu_r2t(struct bhs *h, const uint8_t lun[static 8], uint32_t itt,
    uint32_t ttt, uint32_t r2tsn, uint32_t offset_bytes, uint32_t len_bytes)
{

	start(h, PDU_R2T, PDU_FINAL, itt);
	memcpy(h->b + 8, lun, 8);
	put_be32(h->b + 20, ttt);
	put_be32(h->b + 36, r2tsn);
	put_be32(h->b + 40, offset_bytes);
	put_be32(h->b + 44, len_bytes);
}

void
pdu_tmf_rsp(struct bhs *h, uint32_t itt, uint8_t response)
{

	start(h, PDU_TMF_RSP, PDU_FINAL, itt);
	h->b[2] = response;
}

void
pdu_text_rsp(struct bhs *h, const uint8_t lun[static 8], uint32_t itt,
    uint32_t ttt, uint8_t flags)
{

	start(h, PDU_TEXT_RSP, flags, itt);
	memcpy(h->b + 8, lun, 8);
	put_be32(h->b + 20, ttt);
}

void
pdu_login_rsp(struct bhs *h, const struct bhs *req, uint8_t flags,
    uint16_t tsih, uint8_t status_class, uint8_t status_detail)
{

	start(h, PDU_LOGIN_RSP, flags, bhs_itt(req));
	h->b[2] = 0;		/* version-max: the only one there is */
	h->b[3] = 0;		/* version-active */
	memcpy(h->b + 8, login_isid(req), 6);
	put_be16(h->b + 14, tsih);
	h->b[36] = status_class;
	h->b[37] = status_detail;
}

void
pdu_logout_rsp(struct bhs *h, uint32_t itt, uint8_t response)
{

	start(h, PDU_LOGOUT_RSP, PDU_FINAL, itt);
	h->b[2] = response;
}

void
pdu_nop_in(struct bhs *h, const uint8_t lun[static 8], uint32_t itt,
    uint32_t ttt)
{

	start(h, PDU_NOP_IN, PDU_FINAL, itt);
	memcpy(h->b + 8, lun, 8);
	put_be32(h->b + 20, ttt);
}

void
pdu_reject(struct bhs *h, enum pdu_reject reason)
{

	start(h, PDU_REJECT, PDU_FINAL, PDU_NO_TAG);
	h->b[2] = (uint8_t)reason;
}

void
pdu_async(struct bhs *h, uint8_t event, uint16_t p1, uint16_t p2, uint16_t p3)
{

	start(h, PDU_ASYNC, PDU_FINAL, PDU_NO_TAG);
	h->b[36] = event;
	put_be16(h->b + 38, p1);
	put_be16(h->b + 40, p2);
	put_be16(h->b + 42, p3);
}

uint32_t
pdu_crc(uint32_t crc, const void *buf, uint32_t len)
{
	union {
		const void *c;
		unsigned char *u;
	} p = { .c = buf };	/* ISA-L's prototype lacks the const */

	return (len == 0 ? crc : crc32_iscsi(p.u, (int)len, crc));
}

/* The digest is the inverted remainder, least significant byte first. */
void
pdu_crc_put(uint8_t dst[static 4], uint32_t crc)
{
	uint32_t v = ~crc;

	dst[0] = (uint8_t)v;
	dst[1] = (uint8_t)(v >> 8);
	dst[2] = (uint8_t)(v >> 16);
	dst[3] = (uint8_t)(v >> 24);
}

bool
pdu_crc_is(const uint8_t wire[static 4], uint32_t crc)
{
	uint8_t want[4];

	pdu_crc_put(want, crc);
	return (memcmp(want, wire, 4) == 0);
}
