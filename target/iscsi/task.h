/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * task.h - one SCSI command as the SCSI side sees it: handed over when all
 * its data-out is here, given back with status, sense and data-in.
 *
 *	submit(t) -> [iscsi_task_alloc_in] -> iscsi_task_done(t, result)
 *
 * Every submitted task is given back exactly once, also when abort() was
 * called for it, and then can never change the medium any more: responses to
 * task management, logout and a reinstating login wait for that.
 *
 * Ownership: the task and its buffers are this layer's; the SCSI side may use
 *            them from submit until iscsi_task_done returns.
 * Threads:   everything on the loop thread of the session's connection.
 */
#ifndef TARGET_ISCSI_TASK_H
#define TARGET_ISCSI_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct iscsi_task;
struct loop;			/* target/net/loop.h */

/* Task attributes, RFC 7143 11.3.1. */
enum iscsi_attr {
	ISCSI_ATTR_UNTAGGED = 0,
	ISCSI_ATTR_SIMPLE = 1,
	ISCSI_ATTR_ORDERED = 2,
	ISCSI_ATTR_HEAD = 3,
	ISCSI_ATTR_ACA = 4
};

/* Task management functions, RFC 7143 11.5.1. */
enum iscsi_tmf_fn {
	ISCSI_TMF_ABORT_TASK = 1,
	ISCSI_TMF_ABORT_TASK_SET = 2,
	ISCSI_TMF_CLEAR_ACA = 3,
	ISCSI_TMF_CLEAR_TASK_SET = 4,
	ISCSI_TMF_LUN_RESET = 5,
	ISCSI_TMF_TARGET_WARM_RESET = 6,
	ISCSI_TMF_TARGET_COLD_RESET = 7,
	ISCSI_TMF_TASK_REASSIGN = 8
};

struct iscsi_task_ops {
	/*
	 * Execute.  iscsi_task_done may be called from inside, or later.
	 */
	void (*submit)(struct iscsi_task *t);

	/*
	 * The answer to ${t} is not wanted any more: end it early if that is
	 * possible.  iscsi_task_done is still due, from inside or later; its
	 * result is ignored.  At most once per task, after submit returned.
	 */
	void (*abort)(struct iscsi_task *t);

	/* Is there such a LUN in the target of this nexus? */
	bool (*lun_exists)(void *nexus, const uint8_t lun[static 8]);

	/*
	 * CLEAR TASK SET, LUN RESET or a target reset came in on ${nexus} and
	 * every task it affects, of all sessions of the target, has been given
	 * back.  Reset the SCSI state and establish unit attentions on the
	 * other nexuses.  ${lun} means nothing for target resets.
	 */
	void (*reset)(void *nexus, enum iscsi_tmf_fn fn,
	    const uint8_t lun[static 8]);

	/*
	 * Optional (NULL): the last touch of ${t}: its answer has left or was
	 * dropped, memory given by iscsi_task_set_in is not read any more.
	 * Called once for every task that was submitted.
	 */
	void (*release)(struct iscsi_task *t);
};

/* What the SCSI side gives back. */
struct iscsi_result {
	uint8_t status;			/* SAM status */
	const void *sense;		/* copied; NULL with 0 */
	size_t sense_bytes;		/* at most ISCSI_SENSE_MAX */
	size_t in_bytes;		/* data-in to send, at most edtl */
	/*
	 * What the command moves by its CDB, whatever edtl says: residuals
	 * are the difference.  0 after an error without data.
	 */
	uint64_t xfer_bytes;
};
#define ISCSI_SENSE_MAX 252

/* The bytes set aside per task (iscsi_env.task_priv_bytes), not cleared. */
void *iscsi_task_priv(struct iscsi_task *t);
struct iscsi_task *iscsi_task_from_priv(void *priv);

void *iscsi_task_nexus(const struct iscsi_task *t);
struct loop *iscsi_task_loop(const struct iscsi_task *t);

/* The CDB: 16 bytes, or more with an extended CDB (${*len}). */
const uint8_t *iscsi_task_cdb(const struct iscsi_task *t, size_t *len);
const uint8_t *iscsi_task_lun(const struct iscsi_task *t);	/* 8 bytes */
enum iscsi_attr iscsi_task_attr(const struct iscsi_task *t);
uint32_t iscsi_task_itt(const struct iscsi_task *t);

/* Expected data transfer length, and its direction (none with both false). */
uint32_t iscsi_task_edtl(const struct iscsi_task *t);
bool iscsi_task_is_read(const struct iscsi_task *t);
bool iscsi_task_is_write(const struct iscsi_task *t);

/*
 * The data-out received: edtl bytes in ${*n_iov} vectors; each but the last
 * is 1 MiB, each begins at a page.  Up to 1 MiB it is one vector.  The
 * vectors (not the bytes behind them) may be changed by the caller.
 */
struct iovec *iscsi_task_out(struct iscsi_task *t, unsigned *n_iov);

/* Has abort() been called? */
bool iscsi_task_aborted(const struct iscsi_task *t);

/**
 * iscsi_task_alloc_in(t, bytes):
 * Get a buffer for ${bytes} of data-in, cut like iscsi_task_out's.  The bytes
 * are not cleared.  Once per task.
 * Errors: -ENOMEM; -EMSGSIZE above ISCSI_DATA_MAX or above edtl rounded up to
 * 4096 (memory is charged by edtl); -EINVAL the command brought data-out (no
 * data-in could be sent for it).
 */
int iscsi_task_alloc_in(struct iscsi_task *t, size_t bytes);
struct iovec *iscsi_task_in(struct iscsi_task *t, unsigned *n_iov);
#define ISCSI_DATA_MAX (32u << 20)

/*
 * Instead of iscsi_task_alloc_in: data-in in the caller's memory; vectors and
 * bytes stay unchanged until release().
 */
void iscsi_task_set_in(struct iscsi_task *t, const struct iovec *iov,
    unsigned n_iov);

/* Give ${t} back; afterwards only release() may look at it. */
void iscsi_task_done(struct iscsi_task *t, const struct iscsi_result *r);

#endif /* !TARGET_ISCSI_TASK_H */
