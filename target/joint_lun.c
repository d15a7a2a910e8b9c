/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * joint_lun.c - one request of the SCSI layer is one operation of the block
 * API, built in the bytes that the request sets aside for the disk.
 *
 * The errors of lun/ pass through as they are: both sides mean the same by
 * them, and target/scsi/sense.c alone makes sense data of them.
 */
#include "target/joint_lun.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "meta/base/check.h"
#include "target/worker.h"

struct joint {
	struct lun_op op;
	struct scsi_io *io;
	struct lun_extent *heap;	/* extents, when there is more than one */
	struct lun_extent one;
};

_Static_assert(sizeof(struct joint) <= SCSI_IO_PRIV_LEN,
    "a request has room for an operation");
_Static_assert(_Alignof(struct joint) <= 16, "as the room is aligned");

static struct joint *
joint_of(struct scsi_io *io)
{

	return ((struct joint *)(void *)io->priv);
}

static void
on_done(struct lun_op *op)
{
	struct joint *j = TT_CONTAINER(op, struct joint, op);
	struct scsi_io *io = j->io;

	free(j->heap);
	io->rc = op->rc;
	/* Only an unreadable place is one of the medium. */
	if (op->rc == -EIO || op->rc == -EILSEQ)
		io->bad_off_bytes = op->bad_off_bytes;
	io->done(io);
}

static struct joint *
begin(void *disk, struct scsi_io *io, enum lun_op_kind kind)
{
	struct joint *j = joint_of(io);

	*j = (struct joint){
		.op = {
			.kind = kind,
			.flags = (io->flags & SCSI_IO_FUA) != 0 ? LUN_F_FUA : 0,
			.dev = disk,
			.done = on_done,
			.bad_off_bytes = SCSI_OFF_UNKNOWN
		},
		.io = io
	};
	list_init(&j->op.link);
	return (j);
}

static void
submit(struct joint *j)
{

	lun_submit(worker_lun(worker_of_exec(j->io->ex)), &j->op);
}

static void
transfer(void *disk, struct scsi_io *io, enum lun_op_kind kind)
{
	struct joint *j = begin(disk, io, kind);

	TT_ASSERT(io->n_iov <= INT_MAX);
	j->op.off_bytes = io->off_bytes;
	j->op.len_bytes = io->len_bytes;
	j->op.iov = io->iov;
	j->op.n_iov = (int)io->n_iov;
	submit(j);
}

static void
joint_read(void *disk, struct scsi_io *io)
{

	transfer(disk, io, LUN_READ);
}

static void
joint_write(void *disk, struct scsi_io *io)
{

	transfer(disk, io, LUN_WRITE);
}

static void
joint_flush(void *disk, struct scsi_io *io)
{

	submit(begin(disk, io, LUN_FLUSH));
}

static void
joint_zero(void *disk, struct scsi_io *io)
{
	struct joint *j = begin(disk, io, LUN_ZERO);

	j->one.off_bytes = io->off_bytes;
	j->one.len_bytes = io->len_bytes;
	j->op.extents = &j->one;
	j->op.n_extents = 1;
	submit(j);
}

static void
joint_unmap(void *disk, struct scsi_io *io)
{
	struct joint *j = begin(disk, io, LUN_ZERO);
	struct lun_extent *e = &j->one;

	if (io->n_ext > 1) {
		e = j->heap = calloc(io->n_ext, sizeof(*e));
		if (e == NULL) {
			io->rc = -ENOMEM;
			io->done(io);
			return;
		}
	}
	for (unsigned i = 0; i < io->n_ext; i++) {
		e[i].off_bytes = io->ext[i].off_bytes;
		e[i].len_bytes = io->ext[i].len_bytes;
	}
	j->op.extents = e;
	j->op.n_extents = io->n_ext;
	submit(j);
}

static void
joint_cancel(void *disk, struct scsi_io *io)
{

	(void)disk;
	lun_op_cancel(&joint_of(io)->op);
}

static void
joint_release(void *disk)
{

	lun_dev_close(disk);
}

const struct scsi_disk_ops joint_lun_ops = {
	.read = joint_read,
	.write = joint_write,
	.flush = joint_flush,
	.unmap = joint_unmap,
	.zero = joint_zero,
	.cancel = joint_cancel,
	.release = joint_release
};
