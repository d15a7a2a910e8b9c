/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/joint_scsi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/check.h"
#include "target/scsi/asc.h"
#include "target/scsi/scsi.h"
#include "target/worker.h"

/* Belongs to the thread of its connection. */
struct joint_nexus {
	struct scsi_nexus *scsi;
	struct scsi_lu *lu;
	const struct workers *workers;
	struct worker *worker;		/* known with the first task */
};

/* What is set aside in every task: its command. */
const size_t joint_scsi_priv_bytes = sizeof(struct scsi_cmd);

_Static_assert(SCSI_XFER_MAX_BYTES <= ISCSI_DATA_MAX,
    "the front end can carry what a command may move");

static struct iscsi_task *
task_of(struct scsi_cmd *cmd)
{

	return (iscsi_task_from_priv(cmd));
}

static int
on_alloc_in(struct scsi_cmd *cmd, size_t bytes)
{
	struct iscsi_task *t = task_of(cmd);
	int rc;

	if ((rc = iscsi_task_alloc_in(t, bytes)) != 0)
		return (rc);
	cmd->in = iscsi_task_in(t, &cmd->n_in);
	return (0);
}

/*
 * The count of bytes from which the residual is made.  A command that moves
 * data the other way than the initiator expects moves none of what it
 * expects; one that expects none at all, whatever its flags say, learns of
 * everything.
 */
static uint64_t
moved(const struct scsi_cmd *cmd, const struct iscsi_task *t)
{
	const bool rd = iscsi_task_is_read(t), wr = iscsi_task_is_write(t);

	if (iscsi_task_edtl(t) > 0 && ((cmd->dir == SCSI_DIR_IN && wr && !rd) ||
	    (cmd->dir == SCSI_DIR_OUT && rd && !wr)))
		return (0);
	return (cmd->xfer_bytes);
}

static void
on_done(struct scsi_cmd *cmd)
{
	struct iscsi_task *t = task_of(cmd);
	struct iscsi_result r = { .status = cmd->status };

	if (!cmd->aborted) {
		r.sense = cmd->sense;
		r.sense_bytes = cmd->sense_len;
		r.in_bytes = cmd->in_bytes;
		r.xfer_bytes = moved(cmd, t);
	}
	iscsi_task_done(t, &r);
}

static const struct scsi_cmd_ops cmd_ops = { on_alloc_in, on_done };

static enum scsi_attr
attr_of(enum iscsi_attr a)
{

	switch (a) {
	case ISCSI_ATTR_ORDERED:
		return (SCSI_ATTR_ORDERED);
	case ISCSI_ATTR_HEAD:
		return (SCSI_ATTR_HEAD);
	case ISCSI_ATTR_ACA:
		return (SCSI_ATTR_ACA);
	case ISCSI_ATTR_UNTAGGED:
	case ISCSI_ATTR_SIMPLE:
		break;
	}
	return (SCSI_ATTR_SIMPLE);
}

static void
joint_submit(struct iscsi_task *t)
{
	struct joint_nexus *nx = iscsi_task_nexus(t);
	struct scsi_cmd *cmd = iscsi_task_priv(t);
	const uint8_t *cdb;
	size_t len;

	if (nx->worker == NULL)
		nx->worker = workers_find(nx->workers, iscsi_task_loop(t));
	TT_ASSERT(nx->worker != NULL);
	memset(cmd, 0, offsetof(struct scsi_cmd, io));
	cmd->ops = &cmd_ops;
	cmd->ex = worker_exec(nx->worker);
	cdb = iscsi_task_cdb(t, &len);
	memcpy(cmd->cdb, cdb, TT_MIN(len, sizeof(cmd->cdb)));
	memcpy(cmd->lun, iscsi_task_lun(t), sizeof(cmd->lun));
	cmd->attr = attr_of(iscsi_task_attr(t));
	if (iscsi_task_is_write(t)) {
		cmd->out = iscsi_task_out(t, &cmd->n_out);
		cmd->out_bytes = iscsi_task_edtl(t);
	} else if (iscsi_task_is_read(t)) {
		cmd->in_max_bytes = iscsi_task_edtl(t);
	}
	scsi_exec(nx->scsi, cmd);
}

static void
joint_abort(struct iscsi_task *t)
{

	scsi_abort(iscsi_task_priv(t));
}

static bool
joint_lun_exists(void *nexus, const uint8_t lun[static 8])
{

	(void)nexus;
	return (scsi_lun_is_zero(lun));
}

static void
joint_reset(void *nexus, enum iscsi_tmf_fn fn, const uint8_t lun[static 8])
{
	struct joint_nexus *nx = nexus;

	(void)lun;
	/*
	 * Task sets are one per nexus (TST 001b), so CLEAR TASK SET is about
	 * nobody else's commands and nobody else is told (SAM-5 7.3).
	 */
	if (fn != ISCSI_TMF_CLEAR_TASK_SET)
		scsi_lu_reset(nx->lu, nx->scsi);
}

const struct iscsi_task_ops joint_scsi_task_ops = {
	.submit = joint_submit,
	.abort = joint_abort,
	.lun_exists = joint_lun_exists,
	.reset = joint_reset
};

int
joint_scsi_begin(struct scsi_lu *lu, const struct iscsi_session_info *info,
    const struct workers *ws, struct joint_nexus **out)
{
	char initiator[SCSI_PORT_NAME_MAX + 1], target[SCSI_PORT_NAME_MAX + 1];
	const uint8_t *id = info->isid;
	struct scsi_nexus_conf conf = {
		.initiator_port = initiator,
		.target_port = target,
		.rel_port = info->tag,
		.port_group = info->tag
	};
	struct joint_nexus *nx;
	int rc;

	/* SCSI port names of iSCSI: RFC 7143 4.4.2. */
	(void)snprintf(initiator, sizeof(initiator),
	    "%s,i,0x%02x%02x%02x%02x%02x%02x", info->initiator, id[0], id[1],
	    id[2], id[3], id[4], id[5]);
	(void)snprintf(target, sizeof(target), "%s,t,0x%04x", info->iqn,
	    info->tag);
	if ((nx = calloc(1, sizeof(*nx))) == NULL)
		return (-ENOMEM);
	if ((rc = scsi_nexus_new(lu, &conf, &nx->scsi)) != 0) {
		free(nx);
		return (rc);
	}
	nx->lu = lu;
	nx->workers = ws;
	*out = nx;
	return (0);
}

void
joint_scsi_end(struct joint_nexus *nx)
{

	if (nx == NULL)
		return;
	scsi_nexus_free(nx->scsi);
	free(nx);
}
