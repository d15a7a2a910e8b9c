/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sense.h - status and sense data of a command, in fixed format (SPC-4 4.5.3;
 * D_SENSE is 0 and cannot be changed).
 *
 * byte len  fixed format
 *    0   1  VALID 80h, response code 70h
 *    2   1  sense key
 *    3   4  INFORMATION, if VALID: the LBA where a medium error is
 *    7   1  additional sense length: 0Ah
 *   12   1  ASC
 *   13   1  ASCQ
 *   15   1  SKSV 80h, C/D 40h (the error is in the CDB), BPV 08h, bit number
 *   16   2  field pointer: byte of the CDB or of the parameter list
 * Everything else is zero.
 *
 * The functions only fill in the result; the command ends with cmd_end
 * (cmd.h).
 */
#ifndef TARGET_SCSI_SENSE_H
#define TARGET_SCSI_SENSE_H

#include <stdint.h>

#include "target/scsi/asc.h"
#include "target/scsi/scsi.h"

/* The bare sense data: also the reply of REQUEST SENSE. */
void sense_put(uint8_t dst[static SCSI_SENSE_LEN], enum sense_key key,
    uint8_t asc, uint8_t ascq);

/* CHECK CONDITION with this sense data; nothing was moved. */
void sense_set(struct scsi_cmd *cmd, enum sense_key key, uint8_t asc,
    uint8_t ascq);

/* No particular bit is at fault. */
#define SENSE_NO_BIT (-1)

/*
 * ILLEGAL REQUEST, INVALID FIELD IN CDB at ${byte} and, unless SENSE_NO_BIT,
 * ${bit} (the most significant of the field).
 */
void sense_bad_cdb(struct scsi_cmd *cmd, uint16_t byte, int bit);

/* The same for the parameter list: INVALID FIELD IN PARAMETER LIST. */
void sense_bad_list(struct scsi_cmd *cmd, uint16_t byte);

/*
 * The one translation of -errno (< 0; of the disk or of an allocation) into a
 * status and sense data.  ${bad_off_bytes} counts for the medium errors.
 */
void sense_errno(struct scsi_cmd *cmd, int rc, uint64_t bad_off_bytes);

#endif /* !TARGET_SCSI_SENSE_H */
