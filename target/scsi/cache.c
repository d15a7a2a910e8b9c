/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cache.c - SYNCHRONIZE CACHE (10) and (16), START STOP UNIT: SBC-3 5.20-5.22.
 *
 * IMMED is accepted and not used: an answer before the end could not tell of
 * a failure, and waiting is always allowed.
 */
#include <stdatomic.h>

#include "target/scsi/cmd.h"
#include "target/scsi/lu_int.h"
#include "target/scsi/ops.h"

#define CDB_NO_FLUSH	0x04u
#define CDB_START	0x01u

/*
 * The range (0 blocks: to the end) is checked and then everything is flushed:
 * the log below has one order, a part of it cannot be made durable alone.
 */
void
cache_sync(struct scsi_cmd *cmd)
{
	struct cmd_range r = cmd_range(cmd);

	if (cmd_range_ok(cmd, &r))
		cmd_io(cmd, cmd->lu->ops->flush, cmd_step_good);
}

/*
 * A unit that is stopped answers NOT READY, 04h/02h, until somebody starts it.
 * There are no power conditions and nothing to eject (the mask says so).
 */
void
cache_start_stop(struct scsi_cmd *cmd)
{
	bool start = (cmd->cdb[4] & CDB_START) != 0;

	/* First, so that nothing is written behind the flush. */
	atomic_store(&cmd->lu->stopped, !start);
	if (start || (cmd->cdb[4] & CDB_NO_FLUSH) != 0)
		cmd_end(cmd);
	else
		cmd_io(cmd, cmd->lu->ops->flush, cmd_step_good);
}
