/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * joint_scsi.h - iscsi <-> scsi: a task of target/iscsi/ as a command of
 * target/scsi/, and a session as a nexus.
 */
#ifndef TARGET_JOINT_SCSI_H
#define TARGET_JOINT_SCSI_H

#include <stddef.h>

#include "target/iscsi/env.h"
#include "target/iscsi/task.h"
#include "target/scsi/lu.h"

struct joint_nexus;
struct workers;

/* For iscsi_env; the nexus of a task is a struct joint_nexus. */
extern const struct iscsi_task_ops joint_scsi_task_ops;
extern const size_t joint_scsi_priv_bytes;

/**
 * joint_scsi_begin(lu, info, ws, out):
 * A session begins.  Threads: that of its connection, also for the end.
 * Errors: -ENOMEM, -EINVAL.
 */
int joint_scsi_begin(struct scsi_lu *lu,
    const struct iscsi_session_info *info, const struct workers *ws,
    struct joint_nexus **out);
void joint_scsi_end(struct joint_nexus *nx);

#endif /* !TARGET_JOINT_SCSI_H */
