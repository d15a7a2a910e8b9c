/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mark.h - what the workload says in the trace: what it asked for, and what it
 * was told; and the content that it writes.
 *
 * LUNs are known by a key that is never used twice (names are).  Content is a
 * function of (key, unit, operation), so the checker can tell from a unit (one
 * sector of the LUN) which operation wrote it; or it is a piece of a stream,
 * which other operations write as well, to other places: blocks to be shared.
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
	MARK_CHECKPOINT_DONE,
	MARK_PROP,		/* lun, op: enum mark_prop, seq: its value  */
	MARK_PROP_DONE,		/* the same, or what was found              */
	MARK_REBUILD,		/* the catalogue is being made anew         */
	MARK_REBUILD_DONE,
	MARK_DAMAGE		/* second copies of nodes are damaged       */
};

/* What an administrator changes of a LUN; 0 or 1, at first 0 but for dedup. */
enum mark_prop {
	PROP_HOLD,
	PROP_DEDUP,
	PROP_WRITE_THROUGH,
	PROP_USER,		/* a second one */
	PROP_INITIATOR,		/* only one may enter */
	PROPS
};

enum {
	MARK_F_ZERO = 1,	/* the content is zeroes */
	MARK_F_FUA = 2,		/* durable when done */
	MARK_F_USER = 4,	/* LUN: made with the user "someone" */
	MARK_F_STREAM = 8,	/* the content is of stream seq, from its unit
				 * size on */
	MARK_F_NO_DEDUP = 16	/* LUN: made so */
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

/*
 * The same for all that a unit can hold: MARK_ZERO, an operation's number, a
 * place in a stream, or CONTENT_FOREIGN.
 */
#define CONTENT_STREAM	(UINT64_C(1) << 63)
#define CONTENT_FOREIGN	UINT64_MAX

static inline uint64_t
mark_stream(uint32_t stream, uint64_t unit)
{

	return (CONTENT_STREAM | (uint64_t)stream << 32 | unit);
}

void mark_put(void *unit, uint32_t sector, uint32_t lun, uint64_t unit_no,
    uint64_t content);
uint64_t mark_content(const void *unit, uint32_t sector, uint32_t lun,
    uint64_t unit_no);

#endif /* !TESTS_CRASH_MARK_H */
