/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * limits.h - the limits that VPD page B0h tells and the commands enforce: one
 * place for both.
 */
#ifndef TARGET_SCSI_LIMITS_H
#define TARGET_SCSI_LIMITS_H

#include <stdint.h>

#include "target/scsi/lu_int.h"
#include "target/scsi/scsi.h"

#define LIMIT_XFER_OPTIMAL_BYTES	(UINT32_C(1) << 20)
#define LIMIT_SAME_BYTES		(UINT32_C(32) << 20)
#define LIMIT_UNMAP_DESCRIPTORS		256

/* The physical block that READ CAPACITY(16) tells. */
#define LIMIT_PHYSICAL_BYTES		4096

/*
 * Thresholds of logical block provisioning count in sets of 1 MiB: 2 to the
 * power of this many logical blocks (VPD B2h, mode page 1Ch/02h).
 */
#define LIMIT_THRESHOLD_SET_BYTES	(UINT32_C(1) << 20)

static inline uint8_t
limit_threshold_exponent(const struct scsi_lu *lu)
{
	uint8_t e = 0;

	while ((lu->sector_bytes << e) < LIMIT_THRESHOLD_SET_BYTES)
		e++;
	return (e);
}

static inline uint32_t
limit_xfer_lba(const struct scsi_lu *lu)
{

	return (SCSI_XFER_MAX_BYTES / lu->sector_bytes);
}

/*
 * MAXIMUM WRITE SAME LENGTH: what the short form can say, too, in whole
 * physical blocks (an initiator cuts long ranges into pieces of this length,
 * and each should begin at a physical block).
 */
static inline uint32_t
limit_same_lba(const struct scsi_lu *lu)
{
	uint32_t per_physical = LIMIT_PHYSICAL_BYTES / lu->sector_bytes;
	uint32_t n = LIMIT_SAME_BYTES / lu->sector_bytes;

	if (n > UINT16_MAX)
		n = UINT16_MAX / per_physical * per_physical;
	return (n);
}

#endif /* !TARGET_SCSI_LIMITS_H */
