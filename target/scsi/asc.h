/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * asc.h - sense keys and additional sense codes (SPC-4 4.5.6, annex F).  Each
 * ASC_* is two values, the code and its qualifier: it stands for two
 * parameters of a call.
 */
#ifndef TARGET_SCSI_ASC_H
#define TARGET_SCSI_ASC_H

enum sense_key {
	KEY_NO_SENSE = 0x0,
	KEY_NOT_READY = 0x2,
	KEY_MEDIUM_ERROR = 0x3,
	KEY_HARDWARE_ERROR = 0x4,
	KEY_ILLEGAL_REQUEST = 0x5,
	KEY_UNIT_ATTENTION = 0x6,
	KEY_DATA_PROTECT = 0x7
};

#define ASC_NONE			0x00, 0x00
#define ASC_NOT_READY			0x04, 0x00
#define ASC_START_REQUIRED		0x04, 0x02
#define ASC_MANUAL_INTERVENTION		0x04, 0x03
#define ASC_WRITE_ERROR			0x0c, 0x00
#define ASC_INVALID_INFO_UNIT		0x0e, 0x03
#define ASC_READ_ERROR			0x11, 0x00
#define ASC_LIST_LENGTH			0x1a, 0x00
#define ASC_INVALID_OPCODE		0x20, 0x00
#define ASC_LBA_RANGE			0x21, 0x00
#define ASC_INVALID_CDB			0x24, 0x00
#define ASC_NO_LUN			0x25, 0x00
#define ASC_INVALID_LIST		0x26, 0x00
#define ASC_WRITE_PROTECTED		0x27, 0x00
#define ASC_NO_SPACE			0x27, 0x07
/* Not 29h/01h: the tools of libiscsi repeat a command after this one only. */
#define ASC_POWER_ON			0x29, 0x00
#define ASC_BUS_DEVICE_RESET		0x29, 0x03
#define ASC_NEXUS_LOSS			0x29, 0x07
#define ASC_RESET_OR_POWER_ON		0x29, 0x00
#define ASC_MODE_CHANGED		0x2a, 0x01
#define ASC_SOFT_THRESHOLD		0x38, 0x07
#define ASC_SAVING			0x39, 0x00
#define ASC_INTERNAL_FAILURE		0x44, 0x00
#define ASC_INVALID_MESSAGE		0x49, 0x00

#endif /* !TARGET_SCSI_ASC_H */
