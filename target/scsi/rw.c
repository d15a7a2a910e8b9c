/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rw.c - READ and WRITE (6), (10), (12), (16): SBC-3 5.11-5.14, 5.35-5.38.
 *
 * DPO is a hint about caching and accepted.  FUA of a READ means that what is
 * returned is on the medium: what is cached and newer goes there first.
 */
#include <errno.h>

#include "meta/base/check.h"
#include "target/scsi/cmd.h"
#include "target/scsi/limits.h"
#include "target/scsi/lu_int.h"
#include "target/scsi/ops.h"

#define CDB_FUA 0x08u

/* The short form has LBA bits where the others have FUA. */
static bool
is_short(const struct scsi_cmd *cmd)
{

	return (cmd->op->len == 6);
}

static bool
is_fua(const struct scsi_cmd *cmd)
{

	return (!is_short(cmd) && (cmd->cdb[1] & CDB_FUA) != 0);
}

/*
 * Checks what the CDB asks for and sets ${io}'s place and ${xfer_bytes}.
 * False: the command has ended.
 */
static bool
prepare(struct scsi_cmd *cmd, enum scsi_dir dir)
{
	struct cmd_range r = cmd_range(cmd);

	if (is_short(cmd) && r.n_lba == 0)
		r.n_lba = 256;
	if (r.n_lba > limit_xfer_lba(cmd->lu)) {
		cmd_bad_cdb(cmd, r.n_byte, 7);
		return (false);
	}
	if (!cmd_range_ok(cmd, &r))
		return (false);
	cmd->dir = dir;
	cmd->xfer_bytes = lu_lba_to_bytes(cmd->lu, r.n_lba);
	cmd->io.off_bytes = lu_lba_to_bytes(cmd->lu, r.lba);
	return (true);
}

static bool
step_read_done(struct scsi_cmd *cmd)
{

	cmd->in_bytes = TT_MIN(cmd->io.len_bytes, cmd->in_max_bytes);
	cmd_end(cmd);
	return (false);
}

static bool
step_read(struct scsi_cmd *cmd)
{

	cmd->io_fn = cmd->lu->ops->read;
	cmd->step = step_read_done;
	return (true);
}

void
rw_read(struct scsi_cmd *cmd)
{
	uint32_t sector = cmd->lu->sector_bytes;
	uint64_t n, sum = 0;
	int rc;

	if (!prepare(cmd, SCSI_DIR_IN))
		return;
	n = TT_MIN(cmd->xfer_bytes, cmd->in_max_bytes);
	n = (n + sector - 1) / sector * sector;
	if (n == 0) {
		cmd_end(cmd);
		return;
	}
	if ((rc = cmd->ops->alloc_in(cmd, (size_t)n)) != 0) {
		cmd_errno(cmd, rc);
		return;
	}
	for (unsigned i = 0; i < cmd->n_in; i++)
		sum += cmd->in[i].iov_len;
	TT_ASSERT(sum == n);
	cmd->io.iov = cmd->in;
	cmd->io.n_iov = cmd->n_in;
	cmd->io.len_bytes = n;
	if (is_fua(cmd))
		cmd_io(cmd, cmd->lu->ops->flush, step_read);
	else
		cmd_io(cmd, cmd->lu->ops->read, step_read_done);
}

void
rw_write(struct scsi_cmd *cmd)
{
	uint32_t sector = cmd->lu->sector_bytes;
	uint64_t n;
	int rc;

	if (!prepare(cmd, SCSI_DIR_OUT))
		return;
	/* He waits for data: GOOD would tell him that his data is here. */
	if (cmd->xfer_bytes > 0 && cmd->out_bytes == 0 &&
	    cmd->in_max_bytes > 0) {
		cmd->xfer_bytes = 0;
		cmd_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_INVALID_INFO_UNIT);
		return;
	}
	/* Never a part of a sector: its rest would have to be invented. */
	n = TT_MIN(cmd->xfer_bytes, cmd->out_bytes) / sector * sector;
	if (n == 0) {
		cmd_end(cmd);
		return;
	}
	if ((rc = cmd_out_vectors(cmd, (size_t)n)) != 0) {
		cmd_errno(cmd, rc);
		return;
	}
	cmd->io.len_bytes = n;
	if (is_fua(cmd))
		cmd->io.flags |= SCSI_IO_FUA;
	cmd_io(cmd, cmd->lu->ops->write, cmd_step_good);
}
