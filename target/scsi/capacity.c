/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * capacity.c - READ CAPACITY (10) and (16): SBC-3 5.15, 5.16.
 */
#include "meta/base/bytes.h"
#include "meta/base/check.h"
#include "target/scsi/cmd.h"
#include "target/scsi/limits.h"
#include "target/scsi/lu_int.h"
#include "target/scsi/ops.h"

#define LBPME 0x80u	/* logical block provisioning */
#define LBPRZ 0x40u	/* unmapped blocks read as zeroes */

/* 0 4 last LBA, FFFFFFFFh: use the long one; 4 4 bytes per block */
void
capacity_read10(struct scsi_cmd *cmd)
{
	const struct scsi_lu *lu = cmd->lu;
	uint8_t b[8];

	put_be32(b, (uint32_t)TT_MIN(lu->n_lba - 1, UINT32_MAX));
	put_be32(b + 4, lu->sector_bytes);
	cmd_reply(cmd, b, sizeof(b), sizeof(b));
}

/*
 * 0 8 last LBA   8 4 bytes per block   13 1 logical blocks per physical block,
 * exponent   14 2 LBPME, LBPRZ, lowest aligned LBA: 0
 */
void
capacity_read16(struct scsi_cmd *cmd)
{
	const struct scsi_lu *lu = cmd->lu;
	uint8_t b[32] = { 0 };

	put_be64(b, lu->n_lba - 1);
	put_be32(b + 8, lu->sector_bytes);
	b[13] = (uint8_t)__builtin_ctz(LIMIT_PHYSICAL_BYTES / lu->sector_bytes);
	b[14] = LBPME | LBPRZ;
	cmd_reply(cmd, b, sizeof(b), get_be32(cmd->cdb + 10));
}
