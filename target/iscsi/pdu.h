/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pdu.h - the 48-byte basic header segment (RFC 7143 chapter 11): getters for
 * what initiators send, builders for what targets send.
 *
 * Builders fill a whole header but for the sequence numbers (pdu_set_sn) and
 * the length of the data segment (bhs_set_data_bytes), which the sender knows
 * last.
 *
 * Threads: any; no state.
 */
#ifndef TARGET_ISCSI_PDU_H
#define TARGET_ISCSI_PDU_H

#include <stdbool.h>
#include <stdint.h>

#include "meta/base/bytes.h"

#define BHS_LEN		48
#define AHS_MAX		(255 * 4)
#define PDU_NO_TAG	UINT32_C(0xffffffff)	/* reserved ITT or TTT */

struct bhs {
	uint8_t b[BHS_LEN];	/* as on the wire; never cast */
};

enum pdu_opcode {
	PDU_NOP_OUT = 0x00,
	PDU_SCSI_CMD = 0x01,
	PDU_TMF = 0x02,
	PDU_LOGIN = 0x03,
	PDU_TEXT = 0x04,
	PDU_DATA_OUT = 0x05,
	PDU_LOGOUT = 0x06,
	PDU_SNACK = 0x10,
	PDU_NOP_IN = 0x20,
	PDU_SCSI_RSP = 0x21,
	PDU_TMF_RSP = 0x22,
	PDU_LOGIN_RSP = 0x23,
	PDU_TEXT_RSP = 0x24,
	PDU_DATA_IN = 0x25,
	PDU_LOGOUT_RSP = 0x26,
	PDU_R2T = 0x31,
	PDU_ASYNC = 0x32,
	PDU_REJECT = 0x3f
};

/* Reject reasons, RFC 7143 11.17.1. */
enum pdu_reject {
	REJ_DATA_DIGEST = 0x02,
	REJ_SNACK = 0x03,
	REJ_PROTOCOL = 0x04,
	REJ_UNSUPPORTED = 0x05,
	REJ_TOO_MANY_IMMEDIATE = 0x06,
	REJ_TASK_IN_PROGRESS = 0x07,
	REJ_INVALID_FIELD = 0x09,
	REJ_NO_RESOURCES = 0x0a
};

/* Flag bits of byte 1. */
#define PDU_FINAL	0x80u
#define PDU_CONTINUE	0x40u	/* login, text */
#define PDU_TRANSIT	0x80u	/* login */
#define PDU_READ	0x40u	/* SCSI command */
#define PDU_WRITE	0x20u
#define PDU_OVERFLOW	0x04u	/* SCSI response, Data-In */
#define PDU_UNDERFLOW	0x02u
#define PDU_STATUS	0x01u	/* Data-In */

/*
 * Fields of every PDU, 11.2.1: byte 0 I + opcode, 1 flags, 4 AHS in words,
 * 5-7 data segment length, 8-15 LUN, 16-19 ITT.
 */
static inline uint8_t
bhs_opcode(const struct bhs *h)
{

	return (h->b[0] & 0x3f);
}

static inline bool
bhs_is_immed(const struct bhs *h)
{

	return ((h->b[0] & 0x40) != 0);
}

static inline uint8_t
bhs_flags(const struct bhs *h)
{

	return (h->b[1]);
}

static inline uint32_t
bhs_ahs_bytes(const struct bhs *h)
{

	return (4u * h->b[4]);
}

static inline uint32_t
bhs_data_bytes(const struct bhs *h)
{

	return (get_be24(h->b + 5));
}

static inline void
bhs_set_data_bytes(struct bhs *h, uint32_t n)
{

	put_be24(h->b + 5, n);
}

static inline const uint8_t *
bhs_lun(const struct bhs *h)
{

	return (h->b + 8);
}

static inline uint32_t
bhs_itt(const struct bhs *h)
{

	return (get_be32(h->b + 16));
}

/* Bytes that fill a data segment of ${n} bytes up to a word. */
static inline uint32_t
pdu_pad(uint32_t n)
{

	return ((4 - (n & 3)) & 3);
}

/* NOP-Out 11.18, Text 11.10, Data-Out 11.7: target transfer tag. */
static inline uint32_t
bhs_ttt(const struct bhs *h)
{

	return (get_be32(h->b + 20));
}

/* All requests but Data-Out and SNACK. */
static inline uint32_t
bhs_cmdsn(const struct bhs *h)
{

	return (get_be32(h->b + 24));
}

static inline uint32_t
bhs_expstatsn(const struct bhs *h)
{

	return (get_be32(h->b + 28));
}

/* SCSI Command 11.3: byte 1 F R W attr, 20 EDTL, 32 CDB. */
static inline uint32_t
scmd_edtl_bytes(const struct bhs *h)
{

	return (get_be32(h->b + 20));
}

static inline uint8_t
scmd_attr(const struct bhs *h)
{

	return (h->b[1] & 0x07);
}

static inline const uint8_t *
scmd_cdb(const struct bhs *h)
{

	return (h->b + 32);
}

/* Data-Out 11.7: 36 DataSN, 40 buffer offset. */
static inline uint32_t
dout_datasn(const struct bhs *h)
{

	return (get_be32(h->b + 36));
}

static inline uint32_t
dout_offset_bytes(const struct bhs *h)
{

	return (get_be32(h->b + 40));
}

/* Task management 11.5: byte 1 function, 20 referenced tag, 32 RefCmdSN. */
static inline uint8_t
tmf_function(const struct bhs *h)
{

	return (h->b[1] & 0x7f);
}

static inline uint32_t
tmf_rtt(const struct bhs *h)
{

	return (get_be32(h->b + 20));
}

static inline uint32_t
tmf_refcmdsn(const struct bhs *h)
{

	return (get_be32(h->b + 32));
}

/*
 * Login 11.12: byte 1 T C CSG NSG, 2 version-max, 3 version-min, 8 ISID,
 * 14 TSIH, 20 CID.
 */
static inline uint8_t
login_csg(const struct bhs *h)
{

	return ((h->b[1] >> 2) & 3);
}

static inline uint8_t
login_nsg(const struct bhs *h)
{

	return (h->b[1] & 3);
}

static inline uint8_t
login_version_min(const struct bhs *h)
{

	return (h->b[3]);
}

static inline const uint8_t *
login_isid(const struct bhs *h)
{

	return (h->b + 8);
}

static inline uint16_t
login_tsih(const struct bhs *h)
{

	return (get_be16(h->b + 14));
}

static inline uint16_t
login_cid(const struct bhs *h)
{

	return (get_be16(h->b + 20));
}

/* Logout 11.14: byte 1 reason, 20 CID. */
static inline uint8_t
logout_reason(const struct bhs *h)
{

	return (h->b[1] & 0x7f);
}

static inline uint16_t
logout_cid(const struct bhs *h)
{

	return (get_be16(h->b + 20));
}

/* Bytes 24, 28, 32 of everything a target sends. */
void pdu_set_sn(struct bhs *h, uint32_t statsn, uint32_t expcmdsn,
    uint32_t maxcmdsn);

/* Expected against real transfer length, 11.4.5.1. */
struct pdu_resid {
	uint8_t flags;		/* 0, PDU_OVERFLOW or PDU_UNDERFLOW */
	uint32_t bytes;
};
struct pdu_resid pdu_resid(uint32_t edtl_bytes, uint64_t xfer_bytes);

/* 11.4; ${n_data} counts the Data-In and R2T PDUs of the task (ExpDataSN). */
void pdu_scsi_rsp(struct bhs *h, uint32_t itt, uint8_t status,
    struct pdu_resid resid, uint32_t n_data);

/* 11.7; with PDU_STATUS in ${flags} the status is GOOD. */
void pdu_data_in(struct bhs *h, uint32_t itt, uint8_t flags, uint32_t datasn,
    uint32_t offset_bytes, struct pdu_resid resid);

/* 11.8 */
void pdu_r2t(struct bhs *h, const uint8_t lun[static 8], uint32_t itt,
    uint32_t ttt, uint32_t r2tsn, uint32_t offset_bytes, uint32_t len_bytes);

/* 11.6 */
void pdu_tmf_rsp(struct bhs *h, uint32_t itt, uint8_t response);

/* 11.11; ${flags} of PDU_FINAL and PDU_CONTINUE. */
void pdu_text_rsp(struct bhs *h, const uint8_t lun[static 8], uint32_t itt,
    uint32_t ttt, uint8_t flags);

/* 11.13; the answer to ${req}: ISID and ITT are echoed. */
void pdu_login_rsp(struct bhs *h, const struct bhs *req, uint8_t flags,
    uint16_t tsih, uint8_t status_class, uint8_t status_detail);

/* 11.15 */
void pdu_logout_rsp(struct bhs *h, uint32_t itt, uint8_t response);

/* 11.19 */
void pdu_nop_in(struct bhs *h, const uint8_t lun[static 8], uint32_t itt,
    uint32_t ttt);

/* 11.17; the header of the rejected PDU is to follow as data. */
void pdu_reject(struct bhs *h, enum pdu_reject reason);

/* 11.9; ${event} 1: please log out within ${p3} seconds. */
void pdu_async(struct bhs *h, uint8_t event, uint16_t p1, uint16_t p2,
    uint16_t p3);

/*
 * CRC32C as RFC 7143 13.1 wants it: start with PDU_CRC_INIT, feed bytes, put
 * the four bytes on the wire.
 */
#define PDU_CRC_INIT UINT32_C(0xffffffff)
uint32_t pdu_crc(uint32_t crc, const void *buf, uint32_t len);
void pdu_crc_put(uint8_t dst[static 4], uint32_t crc);
bool pdu_crc_is(const uint8_t wire[static 4], uint32_t crc);

#endif /* !TARGET_ISCSI_PDU_H */
