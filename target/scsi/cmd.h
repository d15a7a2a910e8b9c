/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd.h - what a handler does with its command: end it, answer with a few
 * bytes, or run requests to the disk.
 *
 * Every function marked "ends" makes the command's done callback before it
 * returns: the command must not be touched afterwards.
 */
#ifndef TARGET_SCSI_CMD_H
#define TARGET_SCSI_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "target/scsi/scsi.h"
#include "target/scsi/sense.h"

/* scsi_cmd.state */
enum {
	CMD_STARTED = 1 << 0,	/* passed the task set; else it waits there */
	CMD_IN_IO   = 1 << 1,	/* the disk has ${io} */
	CMD_CALLING = 1 << 2,	/* inside of the disk's function */
	CMD_INLINE  = 1 << 3	/* and done was called there already */
};

/* Ends: with the status, sense and lengths as they are. */
void cmd_end(struct scsi_cmd *cmd);

/* Ends: CHECK CONDITION. */
void cmd_fail(struct scsi_cmd *cmd, enum sense_key key, uint8_t asc,
    uint8_t ascq);
/* Ends: INVALID FIELD IN CDB; see sense_bad_cdb. */
void cmd_bad_cdb(struct scsi_cmd *cmd, uint16_t byte, int bit);
/* Ends: sense_errno. */
void cmd_errno(struct scsi_cmd *cmd, int rc);

/* Ends: GOOD with the first ${alloc_bytes} of ${len} bytes as data-in. */
void cmd_reply(struct scsi_cmd *cmd, const void *buf, size_t len,
    uint32_t alloc_bytes);

/* The logical blocks a CDB names; its group code says where (SPC-4 4.2). */
struct cmd_range {
	uint64_t lba;
	uint64_t n_lba;		/* as in the CDB: 0 has a meaning of its own */
	uint8_t lba_byte;	/* where the fields begin */
	uint8_t n_byte;
};
struct cmd_range cmd_range(const struct scsi_cmd *cmd);

/*
 * True if ${r} lies on the unit (64-bit arithmetic, no overflow; an empty
 * range may begin right behind the end).  Otherwise ends: LBA OUT OF RANGE.
 */
bool cmd_range_ok(struct scsi_cmd *cmd, const struct cmd_range *r);

/* Copies ${len} bytes at ${off_bytes} of data-out, which has them. */
void cmd_copy_out(const struct scsi_cmd *cmd, size_t off_bytes, void *dst,
    size_t len);

/*
 * Vectors for exactly the first ${bytes} (> 0) of data-out into ${cmd->io}.
 * Errors: -ENOMEM (only if some have to be cut off).
 */
int cmd_out_vectors(struct scsi_cmd *cmd, size_t bytes);

typedef void cmd_io_fn(void *disk, struct scsi_io *io);

/*
 * Start the request in ${cmd->io}, whose arguments are filled in.  When it has
 * succeeded, ${step} is called: it ends the command and returns false, or
 * fills in another request, sets ${cmd->io_fn} and returns true.  When it has
 * failed or the command was aborted, the command ends.
 */
void cmd_io(struct scsi_cmd *cmd, cmd_io_fn *fn,
    bool (*step)(struct scsi_cmd *));

/* The usual last step: GOOD. */
bool cmd_step_good(struct scsi_cmd *cmd);

#endif /* !TARGET_SCSI_CMD_H */
