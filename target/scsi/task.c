/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/scsi/task.h"

#include "meta/base/check.h"
#include "target/scsi/cmd.h"
#include "target/scsi/lu_int.h"

static bool
is_fence(const struct scsi_cmd *cmd)
{

	return (cmd->attr != SCSI_ATTR_SIMPLE);
}

static bool
may_start(const struct scsi_nexus *nx, const struct scsi_cmd *cmd)
{

	if (cmd->attr == SCSI_ATTR_ORDERED)
		return (nx->tasks.next == &cmd->task);
	if (cmd->attr != SCSI_ATTR_SIMPLE || nx->n_fences == 0)
		return (true);
	LIST_FOREACH(it, &nx->tasks) {
		if (it == &cmd->task)
			break;
		if (is_fence(LIST_ENTRY(it, struct scsi_cmd, task)))
			return (false);
	}
	return (true);
}

static void
start(struct scsi_cmd *cmd)
{

	cmd->state |= CMD_STARTED;
	scsi_start(cmd);
}

void
scsi_task_begin(struct scsi_nexus *nx, struct scsi_cmd *cmd)
{

	list_add_tail(&nx->tasks, &cmd->task);
	if (is_fence(cmd))
		nx->n_fences++;
	if (may_start(nx, cmd))
		start(cmd);
}

static struct scsi_cmd *
next_ready(struct scsi_nexus *nx)
{

	LIST_FOREACH(it, &nx->tasks) {
		struct scsi_cmd *cmd = LIST_ENTRY(it, struct scsi_cmd, task);

		if ((cmd->state & CMD_STARTED) == 0 && may_start(nx, cmd))
			return (cmd);
	}
	return (NULL);
}

void
scsi_task_end(struct scsi_cmd *cmd)
{
	struct scsi_nexus *nx = cmd->nx;
	struct scsi_cmd *next;

	list_del(&cmd->task);
	if (!is_fence(cmd) && nx->n_fences == 0)
		return;			/* nobody waits */
	if (is_fence(cmd))
		nx->n_fences--;
	/*
	 * A command started here may end here, and come back to this place:
	 * then the loop below looks again, instead of one more level of calls.
	 */
	if (nx->starting)
		return;
	nx->starting = true;
	while ((next = next_ready(nx)) != NULL)
		start(next);
	nx->starting = false;
}
