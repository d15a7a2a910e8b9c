/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/scsi/sense.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "meta/base/bytes.h"
#include "meta/base/check.h"
#include "target/scsi/lu_int.h"
#include "target/scsi/ops.h"

enum {
	OFF_RESPONSE = 0,
	OFF_KEY = 2,
	OFF_INFORMATION = 3,
	OFF_LENGTH = 7,
	OFF_ASC = 12,
	OFF_ASCQ = 13,
	OFF_SKS = 15,
	OFF_FIELD = 16
};

#define SKSV	0x80u
#define SKS_CDB	0x40u
#define SKS_BPV	0x08u

static_assert(OFF_FIELD + 2 == SCSI_SENSE_LEN, "SPC-4 table 28");

void
sense_put(uint8_t dst[static SCSI_SENSE_LEN], enum sense_key key, uint8_t asc,
    uint8_t ascq)
{

	memset(dst, 0, SCSI_SENSE_LEN);
	dst[OFF_RESPONSE] = 0x70;
	dst[OFF_KEY] = (uint8_t)key;
	dst[OFF_LENGTH] = SCSI_SENSE_LEN - (OFF_LENGTH + 1);
	dst[OFF_ASC] = asc;
	dst[OFF_ASCQ] = ascq;
}

/* What was not moved is not counted: residuals follow from it. */
static void
set_status(struct scsi_cmd *cmd, enum scsi_status status)
{

	cmd->status = (uint8_t)status;
	cmd->in_bytes = 0;
	if (cmd->dir != SCSI_DIR_OUT)
		cmd->xfer_bytes = 0;
}

void
sense_set(struct scsi_cmd *cmd, enum sense_key key, uint8_t asc, uint8_t ascq)
{

	set_status(cmd, SCSI_CHECK_CONDITION);
	sense_put(cmd->sense, key, asc, ascq);
	cmd->sense_len = SCSI_SENSE_LEN;
}

void
sense_bad_cdb(struct scsi_cmd *cmd, uint16_t byte, int bit)
{

	sense_set(cmd, KEY_ILLEGAL_REQUEST, ASC_INVALID_CDB);
	cmd->sense[OFF_SKS] = SKSV | SKS_CDB;
	if (bit != SENSE_NO_BIT)
		cmd->sense[OFF_SKS] |= (uint8_t)(SKS_BPV | ((unsigned)bit & 7));
	put_be16(cmd->sense + OFF_FIELD, byte);
}

void
sense_bad_list(struct scsi_cmd *cmd, uint16_t byte)
{

	sense_set(cmd, KEY_ILLEGAL_REQUEST, ASC_INVALID_LIST);
	cmd->sense[OFF_SKS] = SKSV;
	put_be16(cmd->sense + OFF_FIELD, byte);
}

/*
 * INFORMATION has 32 bits: an LBA that needs more is left out (VALID = 0)
 * rather than cut.
 */
static void
medium_error(struct scsi_cmd *cmd, uint64_t bad_off_bytes)
{
	uint64_t lba;

	if ((cmd->op->flags & SF_READS) != 0)
		sense_set(cmd, KEY_MEDIUM_ERROR, ASC_READ_ERROR);
	else
		sense_set(cmd, KEY_MEDIUM_ERROR, ASC_WRITE_ERROR);
	if (bad_off_bytes == SCSI_OFF_UNKNOWN)
		return;
	lba = bad_off_bytes / cmd->lu->sector_bytes;
	if (lba > UINT32_MAX)
		return;
	cmd->sense[OFF_RESPONSE] |= 0x80;
	put_be32(cmd->sense + OFF_INFORMATION, (uint32_t)lba);
}

void
sense_errno(struct scsi_cmd *cmd, int rc, uint64_t bad_off_bytes)
{

	TT_ASSERT(rc < 0);
	switch (-rc) {
	case EIO:
	case EILSEQ:
		medium_error(cmd, bad_off_bytes);
		break;
	case ENOSPC:
	case EDQUOT:
		sense_set(cmd, KEY_DATA_PROTECT, ASC_NO_SPACE);
		break;
	case EROFS:
	case EPERM:
	case EACCES:
		sense_set(cmd, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED);
		break;
	case ENOMEM:
	case EBUSY:
	case EAGAIN:
		set_status(cmd, SCSI_BUSY);
		break;
	case ENODEV:
	case ENXIO:
	case ESHUTDOWN:
		sense_set(cmd, KEY_NOT_READY, ASC_NOT_READY);
		break;
	default:
		sense_set(cmd, KEY_HARDWARE_ERROR, ASC_INTERNAL_FAILURE);
		break;
	}
}
