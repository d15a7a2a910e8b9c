/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lu_int.h - what the files of this folder share about logical units and
 * nexuses.
 */
#ifndef TARGET_SCSI_LU_INT_H
#define TARGET_SCSI_LU_INT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "meta/base/list.h"
#include "meta/base/lock.h"
#include "target/scsi/lu.h"
#include "target/scsi/nexus.h"

#define LU_MAGIC	UINT32_C(0x5ca1001c)
#define NEXUS_MAGIC	UINT32_C(0x5ca12e05)

#define LU_VENDOR_LEN	8	/* SPC-4 6.4.2: left-aligned, blanks behind */
#define LU_PRODUCT_LEN	16
#define LU_REVISION_LEN	4

/* Initiator ports remembered per unit; the oldest is forgotten. */
#define LU_PORTS	128

/*
 * Members are protected by:
 *	I  immutable after scsi_lu_new   a  atomic   l  lk
 */
struct scsi_lu {
	unsigned magic;
	const struct scsi_disk_ops *ops;	/* [I] */
	void *disk;				/* [I] */
	uint64_t n_lba;				/* [I] capacity in sectors */
	uint32_t sector_bytes;			/* [I] */
	uint32_t block_bytes;			/* [I] */
	uint64_t soft_threshold_bytes;		/* [I] 0: none */
	bool read_only;				/* [I] */
	uint8_t uuid[16];			/* [I] */
	uint8_t naa[8];				/* [I] */
	char serial[SCSI_SERIAL_MAX + 1];	/* [I] */
	char vendor[LU_VENDOR_LEN];		/* [I] */
	char product[LU_PRODUCT_LEN];		/* [I] */
	char revision[LU_REVISION_LEN];		/* [I] */
	_Atomic unsigned refs;			/* [a] */
	_Atomic bool stopped;			/* [a] by START STOP UNIT */
	_Atomic bool held;			/* [a] by the daemon */
	_Atomic bool write_through;		/* [a] by the daemon */
	struct lk lk;				/* LK_SCSI, a leaf */
	struct list nexuses;			/* [l] */
	uint64_t port[LU_PORTS];		/* [l] hashes of names, 0: free */
	unsigned port_next;			/* [l] */
};

#define NEXUS_UA_MAX 8

struct scsi_ua {
	uint8_t asc, ascq;
};

/* I, a as above; l  lu->lk; t  the thread of the nexus */
struct scsi_nexus {
	unsigned magic;
	struct scsi_lu *lu;			/* [I] */
	char *target_port;			/* [I] */
	uint16_t rel_port, port_group;		/* [I] */
	struct list link;			/* [l] in lu->nexuses */
	struct scsi_ua ua[NEXUS_UA_MAX];	/* [l] oldest first */
	_Atomic unsigned n_ua;			/* [l] read without it */
	struct list tasks;			/* [t] in flight, oldest first */
	unsigned n_fences;			/* [t] of them not SIMPLE */
	bool starting;				/* [t] scsi_task_end starts others */
};

static inline uint64_t
lu_lba_to_bytes(const struct scsi_lu *lu, uint64_t lba)
{

	return (lba * lu->sector_bytes);
}

/* lu.c: says whether the port has been here since the unit was created. */
bool lu_port_seen(struct scsi_lu *lu, const char *initiator_port);

/* nexus.c */
void nexus_attention_locked(struct scsi_nexus *nx, uint8_t asc, uint8_t ascq);
/* Takes the oldest unit attention; false when there is none. */
bool nexus_take_attention(struct scsi_nexus *nx, struct scsi_ua *out);

#endif /* !TARGET_SCSI_LU_INT_H */
