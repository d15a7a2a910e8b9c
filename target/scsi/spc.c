/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spc.c - the small commands of every device: SPC-4.
 */
#include "meta/base/bytes.h"
#include "target/scsi/cmd.h"
#include "target/scsi/lu_int.h"
#include "target/scsi/ops.h"

/* SPC-4 6.47.  Everything that matters was checked before. */
void
spc_test_unit_ready(struct scsi_cmd *cmd)
{

	cmd_end(cmd);
}

/*
 * SPC-4 6.39: sense data as data-in, with status GOOD.  A unit attention
 * pending is told, and with that cleared.
 */
void
spc_request_sense(struct scsi_cmd *cmd)
{
	uint8_t buf[SCSI_SENSE_LEN];
	struct scsi_ua ua;

	if (!scsi_lun_is_zero(cmd->lun))
		sense_put(buf, KEY_ILLEGAL_REQUEST, ASC_NO_LUN);
	else if (nexus_take_attention(cmd->nx, &ua))
		sense_put(buf, KEY_UNIT_ATTENTION, ua.asc, ua.ascq);
	else if (atomic_load(&cmd->lu->held))
		sense_put(buf, KEY_NOT_READY, ASC_MANUAL_INTERVENTION);
	else if (atomic_load(&cmd->lu->stopped))
		sense_put(buf, KEY_NOT_READY, ASC_START_REQUIRED);
	else
		sense_put(buf, KEY_NO_SENSE, ASC_NONE);
	cmd_reply(cmd, buf, sizeof(buf), cmd->cdb[4]);
}

/*
 * SPC-4 6.33: 0 4 bytes of LUNs that follow; 8 8 each.  The only one is 0, and
 * there are no well known ones.
 */
void
spc_report_luns(struct scsi_cmd *cmd)
{
	enum { LUNS_NOT_WELL_KNOWN = 0, LUNS_WELL_KNOWN = 1, LUNS_ALL = 2 };
	uint32_t alloc_bytes = get_be32(cmd->cdb + 6);
	uint8_t buf[16] = { 0 };
	size_t len = sizeof(buf);

	switch (cmd->cdb[2]) {
	case LUNS_NOT_WELL_KNOWN:
	case LUNS_ALL:
		break;
	case LUNS_WELL_KNOWN:
		len = 8;
		break;
	default:
		cmd_bad_cdb(cmd, 2, 7);
		return;
	}
	if (alloc_bytes < 16) {
		cmd_bad_cdb(cmd, 6, 7);
		return;
	}
	put_be32(buf, (uint32_t)(len - 8));
	cmd_reply(cmd, buf, len, alloc_bytes);
}
