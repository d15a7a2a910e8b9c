/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unmap.c - UNMAP: SBC-3 5.28.
 *
 * byte len  parameter list
 *    0   2  bytes that follow this field
 *    2   2  bytes of descriptors
 *    8  16  each descriptor: 0 8 LBA, 8 4 number of blocks, 12 4 reserved
 *
 * Everything is checked before anything is unmapped.  A list of which a part
 * did not come is refused as a whole.
 */
#include <errno.h>
#include <stdlib.h>

#include "meta/base/bytes.h"
#include "target/scsi/cmd.h"
#include "target/scsi/limits.h"
#include "target/scsi/lu_int.h"
#include "target/scsi/ops.h"

enum { HEADER_LEN = 8, DESC_LEN = 16 };

/* False: the command has ended. */
static bool
get_extents(struct scsi_cmd *cmd, struct scsi_extent *ext, unsigned n_desc,
    unsigned *out_n)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_desc; i++) {
		uint8_t d[DESC_LEN];
		struct cmd_range r = { 0 };

		cmd_copy_out(cmd, HEADER_LEN + (size_t)i * DESC_LEN, d,
		    sizeof(d));
		r.lba = get_be64(d);
		r.n_lba = get_be32(d + 8);
		if (!cmd_range_ok(cmd, &r))
			return (false);
		if (r.n_lba == 0)
			continue;
		ext[n].off_bytes = lu_lba_to_bytes(cmd->lu, r.lba);
		ext[n].len_bytes = lu_lba_to_bytes(cmd->lu, r.n_lba);
		n++;
	}
	*out_n = n;
	return (true);
}

/* The number of whole descriptors; -1: the command has ended. */
static int
check_header(struct scsi_cmd *cmd, size_t list_len)
{
	uint8_t h[HEADER_LEN];
	unsigned desc_len;

	if (list_len < HEADER_LEN || cmd->out_bytes < list_len) {
		cmd_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_LIST_LENGTH);
		return (-1);
	}
	cmd_copy_out(cmd, 0, h, sizeof(h));
	desc_len = get_be16(h + 2);
	if (desc_len > list_len - HEADER_LEN) {
		cmd_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_LIST_LENGTH);
		return (-1);
	}
	if (get_be16(h) < desc_len + HEADER_LEN - 2) {
		sense_bad_list(cmd, 0);
		cmd_end(cmd);
		return (-1);
	}
	if (desc_len / DESC_LEN > LIMIT_UNMAP_DESCRIPTORS) {
		sense_bad_list(cmd, 2);
		cmd_end(cmd);
		return (-1);
	}
	return ((int)(desc_len / DESC_LEN));
}

void
unmap_exec(struct scsi_cmd *cmd)
{
	size_t list_len = get_be16(cmd->cdb + 7);
	struct scsi_extent *ext;
	int n_desc;

	cmd->dir = SCSI_DIR_OUT;
	cmd->xfer_bytes = list_len;
	if (list_len == 0) {
		cmd_end(cmd);
		return;
	}
	if ((n_desc = check_header(cmd, list_len)) < 0)
		return;
	if (n_desc == 0) {
		cmd_end(cmd);
		return;
	}
	if ((ext = calloc((size_t)n_desc, sizeof(*ext))) == NULL) {
		cmd_errno(cmd, -ENOMEM);
		return;
	}
	cmd->scratch = ext;
	if (!get_extents(cmd, ext, (unsigned)n_desc, &cmd->io.n_ext))
		return;
	if (cmd->io.n_ext == 0) {
		cmd_end(cmd);
		return;
	}
	cmd->io.ext = ext;
	cmd_io(cmd, cmd->lu->ops->unmap, cmd_step_good);
}
