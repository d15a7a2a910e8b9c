/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * joint_lun.h - scsi <-> lun: a device of lun/ as a disk of target/scsi/.
 *
 * Requests run on the worker whose executor they carry (worker_exec).
 */
#ifndef TARGET_JOINT_LUN_H
#define TARGET_JOINT_LUN_H

#include "lun/lun.h"
#include "target/scsi/disk.h"

/* The table for scsi_lu_conf; its ${disk} is a struct lun_dev, which release
 * closes. */
extern const struct scsi_disk_ops joint_lun_ops;

#endif /* !TARGET_JOINT_LUN_H */
