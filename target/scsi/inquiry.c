/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inquiry.c - INQUIRY: standard data and vital product data (SPC-4 6.6, 7.8;
 * SBC-3 6.5).
 *
 * Everything here is immutable for the life of a unit, and the same on every
 * path to it but for the designators of the target port (association 01b).
 */
#include <assert.h>
#include <string.h>

#include "meta/base/bytes.h"
#include "meta/base/check.h"
#include "target/scsi/cmd.h"
#include "target/scsi/limits.h"
#include "target/scsi/lu_int.h"
#include "target/scsi/ops.h"

#define PERIPHERAL_DISK	0x00
#define PERIPHERAL_NONE	0x7f	/* qualifier 011b, type 1Fh: no unit here */

enum {
	STD_LEN = 96,
	VPD_HEADER_LEN = 4,
	VPD_MAX = 512
};

static_assert(SCSI_PORT_NAME_MAX + 1 <= UINT8_MAX, "one byte of length");
static_assert(VPD_MAX >= VPD_HEADER_LEN + 12 + 22 +
    (4 + LU_VENDOR_LEN + SCSI_SERIAL_MAX) + 8 + 8 +
    (4 + SCSI_PORT_NAME_MAX + 1), "VPD 83h fits");

/*
 * byte len  standard INQUIRY data, SPC-4 table 175
 *    0   1  peripheral qualifier and type
 *    2   1  version: 06h SPC-4
 *    3   1  HISUP 10h, response data format 2
 *    4   1  additional length
 *    7   1  CMDQUE 02h
 *    8   8  vendor    16 16 product    32  4 revision
 *   58  16  version descriptors
 */
static void
standard(struct scsi_cmd *cmd)
{
	static const uint16_t versions[] = {
		0x00a0,		/* SAM-5 */
		0x0460,		/* SPC-4 */
		0x04c0,		/* SBC-3 */
		0x0960		/* iSCSI */
	};
	const struct scsi_lu *lu = cmd->lu;
	uint8_t b[STD_LEN] = { 0 };

	b[0] = scsi_lun_is_zero(cmd->lun) ? PERIPHERAL_DISK : PERIPHERAL_NONE;
	b[2] = 0x06;
	b[3] = 0x12;
	b[4] = STD_LEN - 5;
	b[7] = 0x02;
	memcpy(b + 8, lu->vendor, LU_VENDOR_LEN);
	memcpy(b + 16, lu->product, LU_PRODUCT_LEN);
	memcpy(b + 32, lu->revision, LU_REVISION_LEN);
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		put_be16(b + 58 + 2 * i, versions[i]);
	cmd_reply(cmd, b, sizeof(b), get_be16(cmd->cdb + 3));
}

static void
vpd_serial(const struct scsi_cmd *cmd, struct wr *w)
{

	wr_bytes(w, cmd->lu->serial, strlen(cmd->lu->serial));
}

/* Designators, SPC-4 7.8.6. */
enum {
	CODE_BINARY = 1,
	CODE_ASCII = 2,
	CODE_UTF8 = 3,

	TYPE_T10 = 1,
	TYPE_NAA = 3,
	TYPE_REL_PORT = 4,
	TYPE_PORT_GROUP = 5,
	TYPE_NAME = 8,
	TYPE_UUID = 10,

	ASSOC_UNIT = 0x00,
	ASSOC_PORT = 0x10	/* association 01b, in place */
};
#define PROTOCOL_ISCSI	0x50u	/* protocol identifier 5h, in place */
#define PIV		0x80u	/* ... and it is valid */

static void
designator(struct wr *w, uint8_t code, uint8_t assoc, uint8_t type, size_t len)
{
	bool port = assoc == ASSOC_PORT;

	TT_ASSERT(len <= UINT8_MAX);
	wr_u8(w, (uint8_t)((port ? PROTOCOL_ISCSI : 0) | code));
	wr_u8(w, (uint8_t)((port ? PIV : 0) | assoc | type));
	wr_u8(w, 0);
	wr_u8(w, (uint8_t)len);
}

static void
port_designators(const struct scsi_nexus *nx, struct wr *w)
{
	static const uint8_t nul[4];
	size_t len = strlen(nx->target_port);
	/* A zero behind it, and more to the next multiple of four. */
	size_t pad = 4 - len % 4;

	designator(w, CODE_BINARY, ASSOC_PORT, TYPE_REL_PORT, 4);
	wr_be16(w, 0);
	wr_be16(w, nx->rel_port);
	designator(w, CODE_BINARY, ASSOC_PORT, TYPE_PORT_GROUP, 4);
	wr_be16(w, 0);
	wr_be16(w, nx->port_group);
	designator(w, CODE_UTF8, ASSOC_PORT, TYPE_NAME, len + pad);
	wr_bytes(w, nx->target_port, len);
	wr_bytes(w, nul, pad);
}

static void
vpd_identification(const struct scsi_cmd *cmd, struct wr *w)
{
	const struct scsi_lu *lu = cmd->lu;
	size_t serial_len = strlen(lu->serial);

	designator(w, CODE_BINARY, ASSOC_UNIT, TYPE_NAA, sizeof(lu->naa));
	wr_bytes(w, lu->naa, sizeof(lu->naa));
	/* SPC-5 7.7.6.13: 10h 00h, then an RFC 4122 UUID. */
	designator(w, CODE_BINARY, ASSOC_UNIT, TYPE_UUID, 2 + sizeof(lu->uuid));
	wr_be16(w, 0x1000);
	wr_bytes(w, lu->uuid, sizeof(lu->uuid));
	designator(w, CODE_ASCII, ASSOC_UNIT, TYPE_T10,
	    LU_VENDOR_LEN + serial_len);
	wr_bytes(w, lu->vendor, LU_VENDOR_LEN);
	wr_bytes(w, lu->serial, serial_len);
	port_designators(cmd->nx, w);
}

/* SBC-3 6.5.3; behind the header. */
static void
vpd_block_limits(const struct scsi_cmd *cmd, struct wr *w)
{
	const struct scsi_lu *lu = cmd->lu;
	uint32_t sector = lu->sector_bytes;
	static const uint8_t reserved[20];

	wr_u8(w, 0x01);		/* WSNZ: a WRITE SAME of 0 is refused */
	wr_u8(w, 0);		/* no COMPARE AND WRITE */
	wr_be16(w, (uint16_t)(lu->block_bytes / sector));
	wr_be32(w, limit_xfer_lba(lu));
	wr_be32(w, LIMIT_XFER_OPTIMAL_BYTES / sector);
	wr_be32(w, 0);		/* no PRE-FETCH */
	wr_be32(w, UINT32_MAX);	/* unmap as much as fits in a descriptor */
	wr_be32(w, LIMIT_UNMAP_DESCRIPTORS);
	wr_be32(w, lu->block_bytes / sector);
	wr_be32(w, UINT32_C(0x80000000));	/* UGAVALID; aligned to 0 */
	wr_be64(w, limit_same_lba(lu));
	wr_bytes(w, reserved, sizeof(reserved));	/* nothing atomic */
}

/* SBC-3 6.5.2: medium rotation rate 1, not rotating. */
static void
vpd_characteristics(const struct scsi_cmd *cmd, struct wr *w)
{
	static const uint8_t page[60] = { 0x00, 0x01 };

	(void)cmd;
	wr_bytes(w, page, sizeof(page));
}

/*
 * SBC-3 6.5.4: THRESHOLD EXPONENT (0: no thresholds); LBPU 80h, LBPWS 40h,
 * LBPWS10 20h, LBPRZ 04h; type 2, thin.
 */
static void
vpd_provisioning(const struct scsi_cmd *cmd, struct wr *w)
{
	static const uint8_t rest[3] = { 0xe4, 0x02, 0x00 };
	const struct scsi_lu *lu = cmd->lu;

	wr_u8(w, lu->soft_threshold_bytes == 0 ? 0 :
	    limit_threshold_exponent(lu));
	wr_bytes(w, rest, sizeof(rest));
}

static void vpd_supported(const struct scsi_cmd *cmd, struct wr *w);

static const struct {
	uint8_t code;		/* ascending */
	void (*put)(const struct scsi_cmd *cmd, struct wr *w);
} pages[] = {
	{ 0x00, vpd_supported },
	{ 0x80, vpd_serial },
	{ 0x83, vpd_identification },
	{ 0xb0, vpd_block_limits },
	{ 0xb1, vpd_characteristics },
	{ 0xb2, vpd_provisioning },
};
#define N_PAGES (sizeof(pages) / sizeof(pages[0]))

/* A LUN without a unit has this page and no other. */
static void
vpd_supported(const struct scsi_cmd *cmd, struct wr *w)
{
	size_t n = scsi_lun_is_zero(cmd->lun) ? N_PAGES : 1;

	for (size_t i = 0; i < n; i++)
		wr_u8(w, pages[i].code);
}

static void
vpd(struct scsi_cmd *cmd)
{
	bool has_lun = scsi_lun_is_zero(cmd->lun);
	uint8_t code = cmd->cdb[2], buf[VPD_MAX];
	struct wr w = wr_init(buf, sizeof(buf));
	size_t i, len;

	for (i = 0; i < N_PAGES && pages[i].code != code; i++)
		continue;
	if (i == N_PAGES || (!has_lun && code != 0)) {
		cmd_bad_cdb(cmd, 2, 7);
		return;
	}
	wr_u8(&w, has_lun ? PERIPHERAL_DISK : PERIPHERAL_NONE);
	wr_u8(&w, code);
	wr_be16(&w, 0);
	pages[i].put(cmd, &w);
	TT_ASSERT(!w.bad);
	len = (size_t)(w.p - buf);
	put_be16(buf + 2, (uint16_t)(len - VPD_HEADER_LEN));
	cmd_reply(cmd, buf, len, get_be16(cmd->cdb + 3));
}

void
inquiry_exec(struct scsi_cmd *cmd)
{

	if ((cmd->cdb[1] & 0x01) != 0)
		vpd(cmd);
	else if (cmd->cdb[2] != 0)
		cmd_bad_cdb(cmd, 2, 7);	/* a page code needs EVPD */
	else
		standard(cmd);
}
