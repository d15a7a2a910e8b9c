/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lu.h - a logical unit: one disk, served as LUN 0 of a target of its own.
 *
 * Everything about it but its unit attentions, its stopped state and whether it
 * has a write cache is immutable after creation.
 *
 * Threads:   any.  No function blocks; none may be called with a lock of rank
 *            LK_SCSI or above held.
 * Ownership: counted references; each nexus holds one.
 */
#ifndef TARGET_SCSI_LU_H
#define TARGET_SCSI_LU_H

#include <stdbool.h>
#include <stdint.h>

#include "target/scsi/disk.h"

struct scsi_lu;		/* opaque: lu.c */
struct scsi_nexus;	/* opaque: nexus.c */

#define SCSI_SERIAL_MAX	32	/* characters of a serial number */

struct scsi_lu_conf {
	const struct scsi_disk_ops *ops;
	void *disk;
	uint64_t size_bytes;	/* > 0, a multiple of sector_bytes */
	uint32_t sector_bytes;	/* logical block: 512 or 4096 */
	uint32_t block_bytes;	/* the engine's: 4096..65536, power of two */
	bool read_only;		/* an exposure of a snapshot */
	bool write_through;	/* writes are durable when answered: WCE 0 */
	uint8_t uuid[16];
	uint8_t naa[8];		/* NAA 3h: the first four bits are 3 */
	const char *serial;	/* printable ASCII, 1..SCSI_SERIAL_MAX */
	const char *vendor;	/* at most 8 characters; NULL: "TT" */
	const char *product;	/* at most 16; NULL: "TIME-TRAVEL LUN" */
	const char *revision;	/* at most 4; NULL: from TT_VERSION */
	uint64_t soft_threshold_bytes;	/* less free: a unit attention; 0: no */
};

/**
 * scsi_lu_new(conf, out):
 * Ownership: the texts are copied.  ${conf->disk} is used until
 *            ${conf->ops->release} is called for it (never on failure).
 *            The caller gets one reference.
 * Errors:    -EINVAL a value of ${conf} is not as its comment says; -ENOMEM.
 */
int scsi_lu_new(const struct scsi_lu_conf *conf, struct scsi_lu **out);
void scsi_lu_get(struct scsi_lu *lu);
void scsi_lu_put(struct scsi_lu *lu);	/* NULL is fine */

/*
 * Establish a unit attention for every nexus of ${lu} but ${except} (which
 * may be NULL).
 */
void scsi_lu_attention(struct scsi_lu *lu, const struct scsi_nexus *except,
    uint8_t asc, uint8_t ascq);

/*
 * Answer NOT READY, 04h/03h (manual intervention required), to all that needs
 * the medium, or no longer; then every nexus hears 29h/00h.
 */
void scsi_lu_hold(struct scsi_lu *lu, bool held);

/*
 * Whether MODE SENSE tells of a write cache (the disk does what it says); when
 * that changes every nexus hears 2Ah/01h.
 */
void scsi_lu_set_write_through(struct scsi_lu *lu, bool on);

/*
 * LOGICAL UNIT RESET asked for on ${by} (NULL: by the daemon): the others
 * hear 29h/03h, a stopped unit starts.  Aborting the commands (scsi_abort, each
 * on the thread of its nexus) is the caller's part, and comes first.
 */
void scsi_lu_reset(struct scsi_lu *lu, const struct scsi_nexus *by);

#endif /* !TARGET_SCSI_LU_H */
