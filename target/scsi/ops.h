/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ops.h - the table of commands: what dispatch, the check of reserved bits
 * and REPORT SUPPORTED OPERATION CODES are driven by.
 */
#ifndef TARGET_SCSI_OPS_H
#define TARGET_SCSI_OPS_H

#include <stdbool.h>
#include <stdint.h>

#include "target/scsi/scsi.h"

/* Properties that the dispatcher (scsi.c) enforces. */
enum {
	SF_UA_OK  = 1 << 0,	/* runs although a unit attention is pending */
	SF_NO_LUN = 1 << 1,	/* answered for a LUN that does not exist */
	SF_MEDIUM = 1 << 2,	/* refused while the unit is stopped */
	SF_WRITES = 1 << 3,	/* refused by a unit that is read only */
	SF_READS  = 1 << 4,	/* a medium error is one of reading */
	SF_SA     = 1 << 5	/* the opcode has service actions, byte 1 */
};

#define CDB_SA_MASK 0x1fu

/*
 * Executes a command that passed all checks: ends it (cmd.h) or starts a
 * request to the disk.
 */
typedef void scsi_handler(struct scsi_cmd *cmd);

struct scsi_op {
	uint8_t opcode;
	uint8_t sa;		/* service action, 0 if the opcode has none */
	uint8_t len;		/* bytes of the CDB */
	uint8_t flags;		/* SF_* */
	const uint8_t *mask;	/* ${len} bytes: bits allowed to be 1; that of
				 * byte 0 is not looked at, nor the service
				 * action's */
	scsi_handler *fn;
	const char *name;
};

/*
 * The command of a CDB, or NULL; then ${*out_known} says whether the opcode
 * exists and only its service action does not.
 */
const struct scsi_op *ops_find(const uint8_t *cdb, bool *out_known);

/* The first byte of the CDB with a bit that is not allowed; false: none. */
bool ops_bad_bit(const struct scsi_op *op, const uint8_t *cdb,
    uint16_t *out_byte, int *out_bit);

/* The handlers, by file. */
scsi_handler ops_report_opcodes;		/* ops.c */
scsi_handler spc_test_unit_ready, spc_request_sense, spc_report_luns; /* spc.c */
scsi_handler inquiry_exec;			/* inquiry.c */
scsi_handler mode_sense6, mode_sense10;		/* mode.c */
scsi_handler capacity_read10, capacity_read16;	/* capacity.c */
scsi_handler provision_lba_status;		/* provision.c */
scsi_handler rw_read, rw_write;			/* rw.c */
scsi_handler cache_sync, cache_start_stop;	/* cache.c */
scsi_handler unmap_exec;			/* unmap.c */
scsi_handler same_exec;				/* same.c */

#endif /* !TARGET_SCSI_OPS_H */
