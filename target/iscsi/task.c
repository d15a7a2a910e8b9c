/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * task.c - the life of a request, and the functions of task.h.
 *
 *	task_new      a header has arrived; not visible yet
 *	task_publish  its PDU is whole: it has a tag and a place in the order
 *	cmdsn_admit   its turn has come
 *	(scsi_io, tmf, text_io: what it is about)
 *	task_end      answered or dropped: tag and place are free again
 *	task_unref    the last reference: buffers go back
 *
 * Between task_end and the last reference lies the sending of the answer: the
 * initiator may use the tag again as soon as it has seen the answer, which is
 * before we learn that it was sent.
 */
#include "target/iscsi/task.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "target/iscsi/conn_int.h"

#define IDLE_TASKS_MAX 1024

static struct iscsi_task *
task_get(struct iscsi_worker *w)
{
	struct iscsi_task *t = LIST_FIRST(&w->tasks, struct iscsi_task, link);
	size_t priv = w->node->env.task_priv_bytes;

	if (t != NULL) {
		list_del(&t->link);
		w->n_tasks--;
		return (t);
	}
	return (malloc(sizeof(*t) + ((priv + 15) & ~(size_t)15)));
}

static void
task_put(struct iscsi_worker *w, struct iscsi_task *t)
{

	t->magic = 0;
	if (w->n_tasks >= IDLE_TASKS_MAX) {
		free(t);
		return;
	}
	w->n_tasks++;
	list_add_head(&w->tasks, &t->link);
}

void
task_idle_free(struct iscsi_worker *w)
{

	LIST_FOREACH_SAFE(it, nx, &w->tasks)
		free(LIST_ENTRY(it, struct iscsi_task, link));
	list_init(&w->tasks);
	w->n_tasks = 0;
}

/*
 * A task for the request ${h}, with one reference, the caller's.  NULL: no
 * memory; the connection was killed.
 */
struct iscsi_task *
task_new(struct iscsi_conn *c, const struct bhs *h)
{
	struct iscsi_task *t = task_get(c->w);

	if (t == NULL) {
		conn_kill(c);
		return (NULL);
	}
	/* The rest is large, and written where it is used. */
	memset(t, 0, offsetof(struct iscsi_task, buf));
	t->buf.bytes = 0;
	t->buf.n = 0;
	t->magic = TASK_MAGIC;
	list_init(&t->link);
	list_init(&t->hash);
	list_init(&t->wait);
	list_init(&t->settle.link);
	t->c = c;
	t->refs = 1;
	t->st = TS_COLLECT;
	t->op = bhs_opcode(h);
	t->bhs = *h;
	t->flags = bhs_flags(h);
	t->immediate = bhs_is_immed(h);
	t->itt = bhs_itt(h);
	t->cmdsn = bhs_cmdsn(h);
	t->serial = ++c->serial;
	memcpy(t->lun, bhs_lun(h), sizeof(t->lun));
	c->n_live++;
	if (t->immediate)
		c->n_immediate++;
	return (t);
}

static struct list *
bucket(struct iscsi_conn *c, uint32_t itt)
{

	return (&c->hash[(itt ^ itt >> 16) % CONN_HASH]);
}

/* The task gets a reference of its own, which task_end drops. */
void
task_publish(struct iscsi_task *t)
{
	struct iscsi_conn *c = t->c;

	task_ref(t);
	list_add_tail(&c->tasks, &t->link);
	if (t->itt != PDU_NO_TAG)
		list_add_tail(bucket(c, t->itt), &t->hash);
}

struct iscsi_task *
task_find(struct iscsi_conn *c, uint32_t itt)
{

	LIST_FOREACH(it, bucket(c, itt)) {
		struct iscsi_task *t = LIST_ENTRY(it, struct iscsi_task, hash);

		if (t->itt == itt)
			return (t);
	}
	return (NULL);
}

void
task_ref(struct iscsi_task *t)
{

	t->refs++;
}

void
task_unref(struct iscsi_task *t)
{
	struct iscsi_conn *c = t->c;

	TT_MAGIC(t, TASK_MAGIC);
	if (--t->refs > 0)
		return;
	if (t->submitted && c->node->env.task_ops->release != NULL)
		c->node->env.task_ops->release(t);
	buf_free(&c->w->pool, &t->buf);
	if (t->immediate)
		c->n_immediate--;
	c->n_live--;
	flow_give(t);
	task_put(c->w, t);
}

/* The task is over: its tag and its place are free, a reference goes. */
void
task_end(struct iscsi_task *t)
{

	TT_ASSERT(t->st != TS_DONE);
	t->st = TS_DONE;
	cmdsn_done(t);
	list_del(&t->link);
	list_del(&t->hash);
	list_del(&t->wait);
	task_unref(t);
}

/* TASK ABORTED to an initiator whose command another one's reset ended. */
static void
answer_aborted(struct iscsi_task *t)
{

	t->status = 0x40;	/* SAM-5 5.3.1 */
	t->in_len = 0;
	t->xfer = 0;
	datain_respond(t);
}

static void
end_aborted(struct iscsi_task *t)
{

	if (t->tas && (t->c->st == CS_FULL || t->c->st == CS_LEAVE))
		answer_aborted(t);
	else
		task_end(t);
}

/*
 * The answer is not wanted any more.  ${tas}: but the initiator did not ask
 * for that, so it may be told.  What the SCSI side has comes back through
 * iscsi_task_done.
 */
void
task_abort(struct iscsi_task *t, bool tas)
{
	struct iscsi_conn *c = t->c;

	if (t->st == TS_DONE || (t->aborted && t->st == TS_BUSY))
		return;
	if (!t->aborted)
		t->tas = tas && c->node->env.task_aborted_status;
	t->aborted = true;
	if (t->st == TS_BUSY)
		c->node->env.task_ops->abort(t);
	/* Held: it stays to close the gap of its CmdSN, and ends then. */
	else if (t->admitted || c->st != CS_FULL)
		end_aborted(t);
}

/*
 * Abort the SCSI commands for ${lun} (NULL: all).  When the connection goes,
 * all other requests that wait for something end, too.
 */
void
task_abort_all(struct iscsi_conn *c, const uint8_t *lun, bool tas)
{

	c->pinned++;
restart:
	LIST_FOREACH(it, &c->tasks) {
		struct iscsi_task *t = LIST_ENTRY(it, struct iscsi_task, link);

		if (lun != NULL && memcmp(lun, t->lun, sizeof(t->lun)) != 0)
			continue;
		/* On its way out, or held until its turn has come. */
		if (t->aborted && (t->st == TS_BUSY || c->st == CS_FULL))
			continue;
		/* TMF and logout, once running, end by themselves. */
		if (t->op != PDU_SCSI_CMD && (c->st == CS_FULL ||
		    t->st == TS_BUSY))
			continue;
		/* The SCSI side may give back any task from inside. */
		task_abort(t, tas);
		goto restart;
	}
	c->pinned--;
}

void
iscsi_task_done(struct iscsi_task *t, const struct iscsi_result *r)
{
	struct iscsi_conn *c = t->c;

	TT_MAGIC(t, TASK_MAGIC);
	TT_ASSERT(t->st == TS_BUSY && t->op == PDU_SCSI_CMD);
	TT_ASSERT(r->sense_bytes <= ISCSI_SENSE_MAX);
	c->pinned++;
	if (t->aborted || (c->st != CS_FULL && c->st != CS_LEAVE))
		end_aborted(t);
	else {
		t->status = r->status;
		t->sense_len = (uint32_t)r->sense_bytes;
		if (t->sense_len > 0)
			memcpy(t->sense, r->sense, t->sense_len);
		t->in_len = !t->rd ? 0 :
		    (uint32_t)TT_MIN(r->in_bytes, (size_t)t->edtl);
		t->xfer = r->xfer_bytes;
		datain_respond(t);
	}
	settle_check(c);
	conn_leave_check(c);
	c->pinned--;
	conn_maybe_finish(c);
}

int
iscsi_task_alloc_in(struct iscsi_task *t, size_t bytes)
{
	int rc;

	TT_ASSERT(t->ext == NULL);
	/* The peer may call a READ a write: then there is data-out here. */
	if (t->buf.bytes != 0)
		return (-EINVAL);
	if (bytes == 0 || bytes > ISCSI_DATA_MAX ||
	    buf_cost(bytes, bytes) > t->charged)
		return (-EMSGSIZE);
	buf_plan(&t->buf, bytes);
	if ((rc = buf_reserve(&t->c->w->pool, &t->buf, bytes)) != 0)
		buf_free(&t->c->w->pool, &t->buf);
	return (rc);
}

void
iscsi_task_set_in(struct iscsi_task *t, const struct iovec *iov,
    unsigned n_iov)
{

	TT_ASSERT(t->buf.bytes == 0 && t->ext == NULL);
	t->ext = iov;
	t->n_ext = n_iov;
}

struct iovec *
iscsi_task_out(struct iscsi_task *t, unsigned *n_iov)
{

	*n_iov = t->wr ? buf_iov(&t->buf, t->iov) : 0;
	return (t->iov);
}

struct iovec *
iscsi_task_in(struct iscsi_task *t, unsigned *n_iov)
{

	*n_iov = buf_iov(&t->buf, t->iov);
	return (t->iov);
}

void *
iscsi_task_priv(struct iscsi_task *t)
{

	return (t->priv);
}

struct iscsi_task *
iscsi_task_from_priv(void *priv)
{

	return (TT_CONTAINER(priv, struct iscsi_task, priv));
}

void *
iscsi_task_nexus(const struct iscsi_task *t)
{

	return (t->c->nexus);
}

struct loop *
iscsi_task_loop(const struct iscsi_task *t)
{

	return (t->c->w->loop);
}

const uint8_t *
iscsi_task_cdb(const struct iscsi_task *t, size_t *len)
{

	*len = t->cdb_len;
	return (t->cdb);
}

const uint8_t *
iscsi_task_lun(const struct iscsi_task *t)
{

	return (t->lun);
}

enum iscsi_attr
iscsi_task_attr(const struct iscsi_task *t)
{
	uint8_t a = t->flags & 7;

	/* Reserved values get no meaning of their own. */
	return (a <= ISCSI_ATTR_ACA ? (enum iscsi_attr)a : ISCSI_ATTR_SIMPLE);
}

uint32_t
iscsi_task_itt(const struct iscsi_task *t)
{

	return (t->itt);
}

uint32_t
iscsi_task_edtl(const struct iscsi_task *t)
{

	return (t->edtl);
}

bool
iscsi_task_is_read(const struct iscsi_task *t)
{

	return (t->rd);
}

bool
iscsi_task_is_write(const struct iscsi_task *t)
{

	return (t->wr);
}

bool
iscsi_task_aborted(const struct iscsi_task *t)
{

	return (t->aborted);
}
