/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * disk.h - the table of functions through which the SCSI layer reaches
 * storage, and the one request object that goes through it.
 *
 * A disk knows bytes, not SCSI: every offset and length is in bytes, a
 * multiple of the sector size of the logical unit, and inside the disk; the
 * SCSI layer has checked all that.
 *
 * Threads:   a request is started on the thread of ${io->ex} and must end on
 *            it; requests of different executors run at the same time.
 * Ownership: the request, its vectors and extents belong to the SCSI layer
 *            and stay valid until ${io->done} is called.
 */
#ifndef TARGET_SCSI_DISK_H
#define TARGET_SCSI_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "meta/base/exec.h"

/* Bytes in a request that the disk may use as it likes. */
#define SCSI_IO_PRIV_LEN 512

/* ${bad_off_bytes} when the disk cannot say where it failed. */
#define SCSI_OFF_UNKNOWN UINT64_MAX

enum {
	SCSI_IO_FUA = 1 << 0	/* durable before done (write, zero) */
};

struct scsi_extent {
	uint64_t off_bytes;
	uint64_t len_bytes;	/* > 0 */
};

/*
 * One request.  Result: ${rc} is 0 or
 *	-EIO, -EILSEQ		content unreadable, not written or wrong:
 *				MEDIUM ERROR, at ${bad_off_bytes} if known
 *	-ENOSPC, -EDQUOT	no room: DATA PROTECT
 *	-EROFS, -EPERM, -EACCES	not writable: DATA PROTECT
 *	-ENOMEM, -EBUSY, -EAGAIN  try again later: BUSY
 *	-ENODEV, -ESHUTDOWN, -ENXIO  the disk is not there (now): NOT READY
 *	anything else		HARDWARE ERROR
 * A request that failed may have been done in part.
 */
struct scsi_io {
	struct exec *ex;
	void (*done)(struct scsi_io *);	/* exactly once, last touch of io */

	uint64_t off_bytes;		/* read, write, zero, extent */
	uint64_t len_bytes;		/* > 0; the vectors add up to it */
	const struct iovec *iov;	/* read, write */
	unsigned n_iov;
	unsigned flags;			/* SCSI_IO_* */
	const struct scsi_extent *ext;	/* unmap */
	unsigned n_ext;			/* > 0 */
	bool hole;			/* result of extent */

	int rc;
	uint64_t bad_off_bytes;		/* from the start of the disk; preset
					 * to SCSI_OFF_UNKNOWN */

	_Alignas(16) unsigned char priv[SCSI_IO_PRIV_LEN];
};

/*
 * Each function starts ${io} and makes sure that ${io->done} is called once,
 * later or before it returns.
 */
struct scsi_disk_ops {
	void (*read)(void *disk, struct scsi_io *io);
	void (*write)(void *disk, struct scsi_io *io);
	/* Everything that was written and answered becomes durable. */
	void (*flush)(void *disk, struct scsi_io *io);
	/* The extents read as zeroes afterwards, also where they begin or end
	 * inside of a block of the engine. */
	void (*unmap)(void *disk, struct scsi_io *io);
	/* The range reads as zeroes afterwards; stored as a hole if it can. */
	void (*zero)(void *disk, struct scsi_io *io);
	/*
	 * The result of ${io}, which was started and has not ended, is not
	 * wanted any more: end it early if that is possible; done is due all
	 * the same.  May be NULL.
	 */
	void (*cancel)(void *disk, struct scsi_io *io);
	/* No logical unit uses the disk any more; any thread.  May be NULL. */
	void (*release)(void *disk);
	/*
	 * What lies at ${off_bytes}: ${hole} is set when nothing is stored
	 * there, and ${len_bytes} is lowered (not to 0) to what lies like that
	 * from there on.  May be NULL: everything counts as stored.
	 */
	void (*extent)(void *disk, struct scsi_io *io);
};

#endif /* !TARGET_SCSI_DISK_H */
