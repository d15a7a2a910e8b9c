/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * task.h - the task set of a nexus: when a command may start (SAM-5 8.6).
 *
 * SIMPLE commands run side by side; an ORDERED one waits for everything older,
 * and everything younger waits for it; HEAD OF QUEUE starts at once, and
 * younger SIMPLE commands wait for it.
 *
 * Threads: that of the nexus.
 */
#ifndef TARGET_SCSI_TASK_H
#define TARGET_SCSI_TASK_H

#include "target/scsi/scsi.h"

/* Enters the set; scsi_start is called for it now or later. */
void scsi_task_begin(struct scsi_nexus *nx, struct scsi_cmd *cmd);

/* Leaves the set; others that waited for it are started. */
void scsi_task_end(struct scsi_cmd *cmd);

/* Checks and executes a command whose turn has come: scsi.c. */
void scsi_start(struct scsi_cmd *cmd);

#endif /* !TARGET_SCSI_TASK_H */
