/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd.c - the life of a command after dispatch.
 *
 * A disk may complete inside of its function.  Then the completion is only
 * noted, and the loop in io_run goes on from there: a WRITE SAME of many
 * requests uses the same stack as one of one.
 */
#include "target/scsi/cmd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/bytes.h"
#include "meta/base/check.h"
#include "target/scsi/lu_int.h"
#include "target/scsi/task.h"

void
cmd_end(struct scsi_cmd *cmd)
{

	TT_ASSERT((cmd->state & (CMD_IN_IO | CMD_CALLING)) == 0);
	free(cmd->scratch);
	cmd->scratch = NULL;
	scsi_task_end(cmd);		/* before done: the nexus may go in there */
	cmd->ops->done(cmd);
}

void
cmd_fail(struct scsi_cmd *cmd, enum sense_key key, uint8_t asc, uint8_t ascq)
{

	sense_set(cmd, key, asc, ascq);
	cmd_end(cmd);
}

void
cmd_bad_cdb(struct scsi_cmd *cmd, uint16_t byte, int bit)
{

	sense_bad_cdb(cmd, byte, bit);
	cmd_end(cmd);
}

void
cmd_errno(struct scsi_cmd *cmd, int rc)
{

	sense_errno(cmd, rc, SCSI_OFF_UNKNOWN);
	cmd_end(cmd);
}

/* Scatters ${len} bytes over the data-in vectors. */
static void
copy_in(struct scsi_cmd *cmd, const uint8_t *src, size_t len)
{

	for (unsigned i = 0; len > 0; i++) {
		size_t n;

		TT_ASSERT(i < cmd->n_in);
		n = TT_MIN(len, cmd->in[i].iov_len);
		memcpy(cmd->in[i].iov_base, src, n);
		src += n;
		len -= n;
	}
}

void
cmd_reply(struct scsi_cmd *cmd, const void *buf, size_t len,
    uint32_t alloc_bytes)
{
	size_t n;
	int rc;

	cmd->dir = SCSI_DIR_IN;
	cmd->xfer_bytes = TT_MIN(len, alloc_bytes);
	n = TT_MIN(cmd->xfer_bytes, cmd->in_max_bytes);
	if (n > 0) {
		if ((rc = cmd->ops->alloc_in(cmd, n)) != 0) {
			cmd_errno(cmd, rc);
			return;
		}
		copy_in(cmd, buf, n);
		cmd->in_bytes = n;
	}
	cmd_end(cmd);
}

struct cmd_range
cmd_range(const struct scsi_cmd *cmd)
{
	const uint8_t *cdb = cmd->cdb;

	switch (cdb[0] >> 5) {
	case 0:
		return ((struct cmd_range){
		    .lba = get_be24(cdb + 1) & 0x1fffff, .n_lba = cdb[4],
		    .lba_byte = 1, .n_byte = 4 });
	case 1:
	case 2:
		return ((struct cmd_range){
		    .lba = get_be32(cdb + 2), .n_lba = get_be16(cdb + 7),
		    .lba_byte = 2, .n_byte = 7 });
	case 4:
		return ((struct cmd_range){
		    .lba = get_be64(cdb + 2), .n_lba = get_be32(cdb + 10),
		    .lba_byte = 2, .n_byte = 10 });
	case 5:
		return ((struct cmd_range){
		    .lba = get_be32(cdb + 2), .n_lba = get_be32(cdb + 6),
		    .lba_byte = 2, .n_byte = 6 });
	default:
		TT_ASSERT(!"a group that the table of commands has not");
		return ((struct cmd_range){ 0 });
	}
}

bool
cmd_range_ok(struct scsi_cmd *cmd, const struct cmd_range *r)
{
	uint64_t cap = cmd->lu->n_lba;

	if (r->lba <= cap && r->n_lba <= cap - r->lba)
		return (true);
	cmd_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_LBA_RANGE);
	return (false);
}

void
cmd_copy_out(const struct scsi_cmd *cmd, size_t off_bytes, void *dst,
    size_t len)
{
	uint8_t *d = dst;

	for (unsigned i = 0; len > 0; i++) {
		const struct iovec *v;
		size_t n;

		TT_ASSERT(i < cmd->n_out);
		v = &cmd->out[i];
		if (off_bytes >= v->iov_len) {
			off_bytes -= v->iov_len;
			continue;
		}
		n = TT_MIN(len, v->iov_len - off_bytes);
		memcpy(d, (const uint8_t *)v->iov_base + off_bytes, n);
		d += n;
		len -= n;
		off_bytes = 0;
	}
}

int
cmd_out_vectors(struct scsi_cmd *cmd, size_t bytes)
{
	struct iovec *iov;
	unsigned n = 0;
	size_t sum = 0;

	TT_ASSERT(bytes > 0);
	while (sum < bytes) {
		TT_ASSERT(n < cmd->n_out);
		sum += cmd->out[n++].iov_len;
	}
	cmd->io.iov = cmd->out;
	cmd->io.n_iov = n;
	if (sum == bytes)
		return (0);
	/* The last one is too long; the caller's vectors stay as they are. */
	if ((iov = calloc(n, sizeof(*iov))) == NULL)
		return (-ENOMEM);
	memcpy(iov, cmd->out, n * sizeof(*iov));
	iov[n - 1].iov_len -= sum - bytes;
	TT_ASSERT(cmd->scratch == NULL);
	cmd->scratch = iov;
	cmd->io.iov = iov;
	return (0);
}

/* After a request: true if there is another one to start. */
static bool
io_step(struct scsi_cmd *cmd)
{

	cmd->state &= ~(unsigned)CMD_IN_IO;
	if (cmd->aborted) {
		cmd_end(cmd);
		return (false);
	}
	if (cmd->io.rc != 0) {
		sense_errno(cmd, cmd->io.rc, cmd->io.bad_off_bytes);
		cmd_end(cmd);
		return (false);
	}
	return (cmd->step(cmd));
}

static void
io_run(struct scsi_cmd *cmd)
{

	do {
		cmd->io.rc = 0;
		cmd->io.bad_off_bytes = SCSI_OFF_UNKNOWN;
		cmd->state |= CMD_IN_IO | CMD_CALLING;
		cmd->io_fn(cmd->lu->disk, &cmd->io);
		cmd->state &= ~(unsigned)CMD_CALLING;
		if ((cmd->state & CMD_INLINE) == 0)
			return;		/* io_done comes later */
		cmd->state &= ~(unsigned)CMD_INLINE;
	} while (io_step(cmd));
}

static void
io_done(struct scsi_io *io)
{
	struct scsi_cmd *cmd = TT_CONTAINER(io, struct scsi_cmd, io);

	TT_ASSERT((cmd->state & CMD_IN_IO) != 0);
	TT_ASSERT((cmd->state & CMD_INLINE) == 0);
	if ((cmd->state & CMD_CALLING) != 0) {
		cmd->state |= CMD_INLINE;
		return;
	}
	if (io_step(cmd))
		io_run(cmd);
}

void
cmd_io(struct scsi_cmd *cmd, cmd_io_fn *fn, bool (*step)(struct scsi_cmd *))
{

	cmd->io.ex = cmd->ex;
	cmd->io.done = io_done;
	cmd->io_fn = fn;
	cmd->step = step;
	io_run(cmd);
}

bool
cmd_step_good(struct scsi_cmd *cmd)
{

	cmd_end(cmd);
	return (false);
}
