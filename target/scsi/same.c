/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * same.c - WRITE SAME (10) and (16): SBC-3 5.42, 5.43.
 *
 * One sector of zeroes (which NDOB means, too) is a range that reads as
 * zeroes; whether it is unmapped (UNMAP = 1) or not comes to the same thing
 * on a disk where a hole costs nothing and LBPRZ is 1.  Any other sector is
 * written over and over: a small buffer full of it, many times in one vector,
 * request after request.  UNMAP = 1 with such a sector writes it, as LBPRZ
 * demands.  Data-out is exactly one sector: who sends more or less has another
 * idea of what a sector is, and what he means cannot be known.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/check.h"
#include "target/scsi/cmd.h"
#include "target/scsi/limits.h"
#include "target/scsi/lu_int.h"
#include "target/scsi/ops.h"

#define CDB_NDOB 0x01u

enum {
	PATTERN_BYTES = 64 << 10,
	PATTERN_TIMES = 16,		/* one request: 1 MiB */
	SECTOR_MAX = 4096
};

static_assert(PATTERN_BYTES % SECTOR_MAX == 0, "whole sectors");

struct repeat {
	struct iovec iov[PATTERN_TIMES];
	uint8_t pattern[];
};

/* Fills in the next request. */
static void
next_write(struct scsi_cmd *cmd)
{
	struct repeat *rp = cmd->scratch;
	uint64_t len = TT_MIN(cmd->left_bytes,
	    (uint64_t)PATTERN_BYTES * PATTERN_TIMES);
	unsigned n = 0;

	cmd->io.off_bytes = cmd->at_bytes;
	cmd->io.len_bytes = len;
	cmd->at_bytes += len;
	cmd->left_bytes -= len;
	for (; len > 0; n++) {
		rp->iov[n].iov_base = rp->pattern;
		rp->iov[n].iov_len = (size_t)TT_MIN(len, PATTERN_BYTES);
		len -= rp->iov[n].iov_len;
	}
	cmd->io.iov = rp->iov;
	cmd->io.n_iov = n;
}

static bool
step_write(struct scsi_cmd *cmd)
{

	if (cmd->left_bytes == 0) {
		cmd_end(cmd);
		return (false);
	}
	next_write(cmd);
	return (true);
}

static void
write_pattern(struct scsi_cmd *cmd, const uint8_t *sector)
{
	size_t sector_bytes = cmd->lu->sector_bytes;
	size_t len = (size_t)TT_MIN(cmd->left_bytes, PATTERN_BYTES);
	struct repeat *rp;

	if ((rp = malloc(sizeof(*rp) + len)) == NULL) {
		cmd_errno(cmd, -ENOMEM);
		return;
	}
	cmd->scratch = rp;
	for (size_t off = 0; off < len; off += sector_bytes)
		memcpy(rp->pattern + off, sector, sector_bytes);
	next_write(cmd);
	cmd_io(cmd, cmd->lu->ops->write, step_write);
}

static bool
all_zero(const uint8_t *p, size_t len)
{

	return (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

void
same_exec(struct scsi_cmd *cmd)
{
	struct cmd_range r = cmd_range(cmd);
	bool ndob = cmd->op->len == 16 && (cmd->cdb[1] & CDB_NDOB) != 0;
	size_t sector_bytes = cmd->lu->sector_bytes;
	uint8_t sector[SECTOR_MAX] = { 0 };

	/* WSNZ is 1: 0 does not mean "to the end". */
	if (r.n_lba == 0 || r.n_lba > limit_same_lba(cmd->lu)) {
		cmd_bad_cdb(cmd, r.n_byte, 7);
		return;
	}
	if (!cmd_range_ok(cmd, &r))
		return;
	if (!ndob) {
		cmd->dir = SCSI_DIR_OUT;
		cmd->xfer_bytes = sector_bytes;
		if (cmd->out_bytes != sector_bytes) {
			cmd_fail(cmd, KEY_ILLEGAL_REQUEST,
			    ASC_INVALID_INFO_UNIT);
			return;
		}
		cmd_copy_out(cmd, 0, sector, sector_bytes);
	}
	cmd->at_bytes = lu_lba_to_bytes(cmd->lu, r.lba);
	cmd->left_bytes = lu_lba_to_bytes(cmd->lu, r.n_lba);
	if (!all_zero(sector, sector_bytes)) {
		write_pattern(cmd, sector);
		return;
	}
	cmd->io.off_bytes = cmd->at_bytes;
	cmd->io.len_bytes = cmd->left_bytes;
	cmd_io(cmd, cmd->lu->ops->zero, cmd_step_good);
}
