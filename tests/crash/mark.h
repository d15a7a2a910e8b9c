/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mark.h - what the workload says in the trace: what it asked for, and what it
 * was told; and the content that it writes.
 *
 * LUNs are known by a key that is never used twice (names are).  Content is a
 * function of (key, unit, operation), so the checker can tell from a unit (one
 * sector of the LUN) which operation wrote it.
 */
#ifndef TESTS_CRASH_MARK_H
#define TESTS_CRASH_MARK_H

#include <stdint.h>

/*
 * After a crash of the program the workload says what it found: LUN_DONE and
 * SNAP_DONE of what is there (also when it was being deleted), LUN_DEL_DONE and
 * SNAP_DEL_DONE of what is not.
 */
enum mark_kind {
	MARK_INIT = 1,		/* lunset_init has returned                 */
	MARK_OPENED,		/* lunset_open has returned                 */
	MARK_CLOSED,		/* lunset_close has returned                */
	MARK_LUN,		/* lun, name, size, block, sector           */
	MARK_LUN_DONE,		/* lun, uuid, seq: its number               */
	MARK_LUN_DEL,		/* lun                                      */
	MARK_LUN_DEL_DONE,
	MARK_OP,		/* lun, op, off, len; several: extents      */
	MARK_OP_DONE,		/* op                                       */
	MARK_FLUSH,		/* lun, op                                  */
	MARK_FLUSH_DONE,	/* op                                       */
	MARK_SNAP,		/* lun, name                                */
	MARK_SNAP_DONE,		/* lun, name, seq                           */
	MARK_SNAP_DEL,		/* lun, name                                */
	MARK_SNAP_DEL_DONE,
	MARK_EXPOSE,		/* lun, name                                */
	MARK_EXPOSE_DONE,	/* lun, name, uuid                          */
	MARK_UNEXPOSE,
	MARK_UNEXPOSE_DONE,
	MARK_CHECKPOINT,
	MARK_CHECKPOINT_DONE
};

enum {
	MARK_F_ZERO = 1,	/* the content is zeroes */
	MARK_F_FUA = 2,		/* durable when done */
	MARK_F_USER = 4		/* LUN: made with the user "someone" */
};

struct mark {
	uint32_t kind, lun, op, flags;
	uint64_t off, len, seq, size;
	uint32_t block, sector;
	char name[64];
	uint8_t uuid[16];
};

/* Fill one unit. */
void mark_fill(void *unit, uint32_t sector, uint32_t lun, uint64_t unit_no,
    uint32_t op);

#define MARK_ZERO	0u		/* all zero: never written, or zeroed */
#define MARK_FOREIGN	UINT32_MAX	/* what nobody wrote here */

/* Which operation wrote this? */
uint32_t mark_version(const void *unit, uint32_t sector, uint32_t lun,
    uint64_t unit_no);

#endif /* !TESTS_CRASH_MARK_H */
