/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scsi.c - the way into the layer: every command passes the same checks in the
 * same order before its handler sees it.
 */
#include "target/scsi/scsi.h"

#include "meta/base/check.h"
#include "target/scsi/cmd.h"
#include "target/scsi/lu_int.h"
#include "target/scsi/ops.h"
#include "target/scsi/task.h"

bool
scsi_lun_is_zero(const uint8_t lun[static 8])
{
	uint8_t rest = 0;

	for (unsigned i = 1; i < 8; i++)
		rest |= lun[i];
	return (rest == 0 && (lun[0] == 0x00 || lun[0] == 0x40));
}

void
scsi_exec(struct scsi_nexus *nx, struct scsi_cmd *cmd)
{

	TT_MAGIC(nx, NEXUS_MAGIC);
	TT_ASSERT(cmd->ops != NULL);
	cmd->in = NULL;
	cmd->n_in = 0;
	cmd->aborted = false;
	cmd->status = SCSI_GOOD;
	cmd->sense_len = 0;
	cmd->in_bytes = 0;
	cmd->dir = SCSI_DIR_NONE;
	cmd->xfer_bytes = 0;
	cmd->nx = nx;
	cmd->lu = nx->lu;
	cmd->op = NULL;
	cmd->state = 0;
	cmd->scratch = NULL;
	cmd->io.flags = 0;
	scsi_task_begin(nx, cmd);
}

/* An opcode that exists without this service action: the field is wrong. */
static void
fail_opcode(struct scsi_cmd *cmd, bool known)
{

	if (known)
		cmd_bad_cdb(cmd, 1, 4);
	else
		cmd_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_INVALID_OPCODE);
}

void
scsi_start(struct scsi_cmd *cmd)
{
	struct scsi_ua ua;
	bool known, has_lun = scsi_lun_is_zero(cmd->lun);
	uint16_t byte;
	int bit;

	cmd->op = ops_find(cmd->cdb, &known);
	if (!has_lun && (cmd->op == NULL || (cmd->op->flags & SF_NO_LUN) == 0))
		cmd_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_NO_LUN);
	else if (cmd->op == NULL)
		fail_opcode(cmd, known);
	else if (cmd->attr == SCSI_ATTR_ACA)
		cmd_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_INVALID_MESSAGE);
	else if ((cmd->op->flags & SF_UA_OK) == 0 &&
	    nexus_take_attention(cmd->nx, &ua))
		cmd_fail(cmd, KEY_UNIT_ATTENTION, ua.asc, ua.ascq);
	else if ((cmd->op->flags & SF_MEDIUM) != 0 &&
	    atomic_load(&cmd->lu->held))
		cmd_fail(cmd, KEY_NOT_READY, ASC_MANUAL_INTERVENTION);
	else if ((cmd->op->flags & SF_MEDIUM) != 0 &&
	    atomic_load(&cmd->lu->stopped))
		cmd_fail(cmd, KEY_NOT_READY, ASC_START_REQUIRED);
	else if (ops_bad_bit(cmd->op, cmd->cdb, &byte, &bit))
		cmd_bad_cdb(cmd, byte, bit);
	else if ((cmd->op->flags & SF_WRITES) != 0 && cmd->lu->read_only)
		cmd_fail(cmd, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED);
	else
		cmd->op->fn(cmd);
}

void
scsi_abort(struct scsi_cmd *cmd)
{
	const struct scsi_lu *lu = cmd->lu;

	if (cmd->aborted)
		return;
	cmd->aborted = true;
	if ((cmd->state & CMD_STARTED) == 0)
		cmd_end(cmd);	/* it only waited for others */
	else if ((cmd->state & (CMD_IN_IO | CMD_CALLING)) == CMD_IN_IO &&
	    lu->ops->cancel != NULL)
		lu->ops->cancel(lu->disk, &cmd->io);
}
