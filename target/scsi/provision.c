/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * provision.c - GET LBA STATUS: SBC-3 5.5.
 *
 * byte len  parameter data
 *    0   4  bytes that follow this field
 *    8  16  each descriptor: 0 8 LBA, 8 4 number of blocks, 12 1 status:
 *           0 mapped, 1 deallocated
 *
 * Descriptors follow one another without a gap.  There are as many as the
 * initiator has room for and as the standard's "may be fewer" makes sensible;
 * at least one.  A disk that cannot tell has everything mapped, which is true
 * in the only sense that counts: reading it gives what was written.
 */
#include <errno.h>
#include <stdlib.h>

#include "meta/base/bytes.h"
#include "meta/base/check.h"
#include "target/scsi/cmd.h"
#include "target/scsi/lu_int.h"
#include "target/scsi/ops.h"

enum {
	HEADER_LEN = 8,
	DESC_LEN = 16,
	DESC_MAX = 64,
	DEALLOCATED = 1
};

struct answer {
	unsigned n, max;
	uint8_t b[HEADER_LEN + DESC_MAX * DESC_LEN];
};

static uint64_t
end_bytes(const struct scsi_cmd *cmd)
{

	return (lu_lba_to_bytes(cmd->lu, cmd->lu->n_lba));
}

static void
add(struct scsi_cmd *cmd, uint64_t len_bytes, bool hole)
{
	struct answer *a = cmd->scratch;
	uint32_t sector = cmd->lu->sector_bytes;
	uint64_t n_lba = TT_MIN(len_bytes / sector, UINT32_MAX);
	uint8_t *d = a->b + HEADER_LEN + a->n * DESC_LEN;

	TT_ASSERT(a->n < a->max && n_lba > 0);
	put_be64(d, cmd->at_bytes / sector);
	put_be32(d + 8, (uint32_t)n_lba);
	d[12] = hole ? DEALLOCATED : 0;
	a->n++;
	cmd->at_bytes += n_lba * sector;
}

static bool
is_full(const struct scsi_cmd *cmd)
{
	const struct answer *a = cmd->scratch;

	return (a->n == a->max || cmd->at_bytes == end_bytes(cmd));
}

static void
reply(struct scsi_cmd *cmd)
{
	struct answer *a = cmd->scratch;
	size_t len = HEADER_LEN + (size_t)a->n * DESC_LEN;

	put_be32(a->b, (uint32_t)len - 4);
	cmd_reply(cmd, a->b, len, get_be32(cmd->cdb + 10));
}

static void
ask(struct scsi_cmd *cmd)
{

	cmd->io.off_bytes = cmd->at_bytes;
	cmd->io.len_bytes = end_bytes(cmd) - cmd->at_bytes;
	cmd->io.hole = false;
}

static bool
step_extent(struct scsi_cmd *cmd)
{

	TT_ASSERT(cmd->io.len_bytes <= end_bytes(cmd) - cmd->at_bytes);
	add(cmd, cmd->io.len_bytes, cmd->io.hole);
	if (is_full(cmd)) {
		reply(cmd);
		return (false);
	}
	ask(cmd);
	return (true);
}

void
provision_lba_status(struct scsi_cmd *cmd)
{
	uint32_t alloc = get_be32(cmd->cdb + 10);
	uint64_t lba = get_be64(cmd->cdb + 2);
	struct answer *a;

	if (lba >= cmd->lu->n_lba) {
		cmd_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_LBA_RANGE);
		return;
	}
	if ((a = calloc(1, sizeof(*a))) == NULL) {
		cmd_errno(cmd, -ENOMEM);
		return;
	}
	cmd->scratch = a;
	a->max = alloc < HEADER_LEN + 2 * DESC_LEN ? 1 :
	    TT_MIN((alloc - HEADER_LEN) / DESC_LEN, (unsigned)DESC_MAX);
	cmd->at_bytes = lu_lba_to_bytes(cmd->lu, lba);
	if (cmd->lu->ops->extent != NULL) {
		ask(cmd);
		cmd_io(cmd, cmd->lu->ops->extent, step_extent);
		return;
	}
	while (!is_full(cmd))
		add(cmd, end_bytes(cmd) - cmd->at_bytes, false);
	reply(cmd);
}
