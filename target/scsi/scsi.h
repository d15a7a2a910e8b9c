/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scsi.h - a SCSI command and its execution (SAM-5, SPC-4, SBC-3).
 *
 * The transport fills a command, calls scsi_exec, provides room for data-in
 * when asked, and gets the command back through done.  It brings all data-out
 * with the command, and it alone knows residuals: it compares the length that
 * the initiator expected with ${xfer_bytes}.
 *
 * When the initiator expects less than the CDB asks for, what fits is moved,
 * and the status is GOOD: a READ returns the first bytes, a WRITE writes the
 * whole sectors that came.  (Parameter lists and the pattern of a WRITE SAME
 * have to be complete.)  A WRITE of an initiator that expects data-in instead
 * is refused: ILLEGAL REQUEST, INVALID FIELD IN COMMAND INFORMATION UNIT.
 *
 * Threads: a command lives on the thread of its nexus, which is that of
 * ${ex}; callbacks are made there, with no lock held, also from inside
 * scsi_exec and scsi_abort.
 */
#ifndef TARGET_SCSI_SCSI_H
#define TARGET_SCSI_SCSI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "meta/base/exec.h"
#include "meta/base/list.h"
#include "target/scsi/disk.h"
#include "target/scsi/lu.h"
#include "target/scsi/nexus.h"

#define SCSI_CDB_LEN	16
#define SCSI_SENSE_LEN	18	/* fixed format, SPC-4 4.5.3 */

/* The most that alloc_in is asked for: MAXIMUM TRANSFER LENGTH. */
#define SCSI_XFER_MAX_BYTES (UINT32_C(16) << 20)

/* Status codes, SAM-5 5.3.1. */
enum scsi_status {
	SCSI_GOOD = 0x00,
	SCSI_CHECK_CONDITION = 0x02,
	SCSI_BUSY = 0x08,
	SCSI_TASK_SET_FULL = 0x28
};

/* Task attributes, SAM-5 8.6. */
enum scsi_attr {
	SCSI_ATTR_SIMPLE,	/* also for untagged commands */
	SCSI_ATTR_ORDERED,
	SCSI_ATTR_HEAD,		/* head of queue */
	SCSI_ATTR_ACA		/* refused: there is no ACA condition ever */
};

enum scsi_dir { SCSI_DIR_NONE, SCSI_DIR_IN, SCSI_DIR_OUT };

struct scsi_cmd;
struct scsi_op;		/* ops.h */

struct scsi_cmd_ops {
	/*
	 * Room for exactly ${bytes} (1..SCSI_XFER_MAX_BYTES) of data-in: set
	 * ${in} and ${n_in}.  0, or -ENOMEM which ends the command with BUSY.
	 * At most once per command; may be up to a sector more than
	 * ${in_max_bytes}.  The room is the caller's all the time.
	 */
	int (*alloc_in)(struct scsi_cmd *cmd, size_t bytes);
	/* The command has ended: exactly once, the last touch by the layer. */
	void (*done)(struct scsi_cmd *cmd);
};

struct scsi_cmd {
	/* Filled by the caller. */
	const struct scsi_cmd_ops *ops;
	struct exec *ex;
	uint8_t cdb[SCSI_CDB_LEN];	/* shorter ones: the rest is ignored */
	uint8_t lun[8];			/* SAM-5 4.7 */
	enum scsi_attr attr;
	const struct iovec *out;	/* data-out */
	unsigned n_out;
	size_t out_bytes;		/* complete, before scsi_exec */
	size_t in_max_bytes;		/* what the initiator expects */

	/* Set by alloc_in. */
	const struct iovec *in;
	unsigned n_in;

	/* Results, valid in done. */
	bool aborted;		/* no status may be sent, all below is void */
	uint8_t status;		/* enum scsi_status */
	uint8_t sense_len;	/* 0 or SCSI_SENSE_LEN */
	uint8_t sense[SCSI_SENSE_LEN];
	size_t in_bytes;	/* valid in ${in}, at most in_max_bytes */
	/*
	 * What the command moves, whatever the initiator expected, and which
	 * way.  0 when it ended with an error before or instead of data-in.
	 */
	enum scsi_dir dir;
	uint64_t xfer_bytes;

	/* The layer's own. */
	struct scsi_nexus *nx;
	struct scsi_lu *lu;
	const struct scsi_op *op;
	struct list task;		/* in the nexus, oldest first */
	unsigned state;			/* CMD_*, cmd.h */
	void (*io_fn)(void *disk, struct scsi_io *);
	bool (*step)(struct scsi_cmd *);
	uint64_t at_bytes, left_bytes;	/* of a command in several requests */
	void *scratch;			/* freed at the end */
	struct scsi_io io;
};

/**
 * scsi_exec(nx, cmd):
 * Execute ${cmd}, which came on ${nx}.  done may be called before this
 * returns, and the caller may free ${cmd} in it.
 */
void scsi_exec(struct scsi_nexus *nx, struct scsi_cmd *cmd);

/*
 * Abort ${cmd}, which was given to scsi_exec and has not ended.  done comes
 * once all the same, with ${aborted} set: at once if nothing is under way,
 * otherwise when the request to the disk has ended (its effect may be there).
 */
void scsi_abort(struct scsi_cmd *cmd);

/*
 * Is this LUN 0?  (SAM-5 4.7: peripheral device addressing or flat space
 * addressing, one level.)  A target has no other.
 */
bool scsi_lun_is_zero(const uint8_t lun[static 8]);

/* The name of a command for messages, "?" if it is none of ours. */
const char *scsi_cdb_name(const uint8_t cdb[static SCSI_CDB_LEN]);

#endif /* !TARGET_SCSI_SCSI_H */
