/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/lib/eng.h"

#include <string.h>

#include "meta/base/check.h"

/* Ends one turn of the blocking executor: sets the flag that it watches. */
struct tick {
	struct exec_call call;
	struct exec_timer timer;
	bool *stop;
	bool ran;
};

static void
tick_call(struct exec_call *c)
{
	struct tick *t = TT_CONTAINER(c, struct tick, call);

	t->ran = true;
	*t->stop = true;
}

static void
tick_timer(struct exec_timer *tm)
{
	struct tick *t = TT_CONTAINER(tm, struct tick, timer);

	*t->stop = true;
}

int
eng_init(struct eng *e, struct lunset *ls)
{
	int rc;

	*e = (struct eng){ .ls = ls };
	if ((rc = exec_sync_new(&e->es)) != 0)
		return (rc);
	if ((rc = lun_worker_new(ls, exec_sync_exec(e->es), &e->w)) != 0) {
		exec_sync_free(e->es);
		e->es = NULL;
	}
	return (rc);
}

static void
io_done(struct lun_op *op)
{
	struct eng_io *io = TT_CONTAINER(op, struct eng_io, op);
	struct eng *e = io->e;

	TT_ASSERT(!io->done && e->in_flight > 0);
	io->done = true;
	e->in_flight--;
	e->completions++;
	e->stop = true;
	if (io->fn != NULL)
		io->fn(io);
}

void
eng_submit(struct eng *e, struct eng_io *io, void *buf, size_t len)
{

	io->iov = (struct iovec){ buf, len };
	io->op.iov = &io->iov;
	io->op.n_iov = buf == NULL ? 0 : 1;
	io->op.done = io_done;
	io->e = e;
	io->done = false;
	e->in_flight++;
	lun_submit(e->w, &io->op);
}

/* Runs everything that is posted now. */
static void
run_posted(struct eng *e)
{
	struct tick t = { .stop = &e->stop };

	t.call.fn = tick_call;
	list_init(&t.call.link);
	exec_post(exec_sync_exec(e->es), &t.call);
	while (!t.ran) {
		e->stop = false;
		exec_sync_run(e->es, &e->stop);
	}
}

/* A worker may have posted something to itself: that comes first. */
void
eng_fini(struct eng *e)
{

	if (e->es == NULL)
		return;
	TT_ASSERT(e->in_flight == 0);
	run_posted(e);
	lun_worker_free(e->w);
	exec_sync_free(e->es);
	*e = (struct eng){ .ls = NULL };
}

/*
 * What is queued now runs, then what it gathered is appended; only when that
 * completed nothing is there anything to sleep for.
 */
void
eng_turn(struct eng *e)
{
	struct tick t = { .stop = &e->stop };
	uint64_t before = e->completions;

	lun_worker_flush(e->w);
	run_posted(e);
	lun_worker_flush(e->w);
	if (e->completions != before || e->in_flight == 0)
		return;
	e->stop = false;
	t.timer.fn = tick_timer;
	exec_after(exec_sync_exec(e->es), &t.timer, 500);
	exec_sync_run(e->es, &e->stop);
	exec_cancel(exec_sync_exec(e->es), &t.timer);
	lun_worker_flush(e->w);
}

void
eng_drain(struct eng *e)
{

	while (e->in_flight > 0)
		eng_turn(e);
}

static int
wait_for(struct eng *e, struct eng_io *io)
{

	while (!io->done)
		eng_turn(e);
	return (io->op.rc);
}

int
eng_io(struct eng *e, enum lun_op_kind kind, unsigned flags,
    struct lun_dev *dev, uint64_t off, void *buf, size_t len)
{
	struct eng_io io = { .op = { .kind = kind, .flags = flags,
	    .dev = dev, .off_bytes = off, .len_bytes = len } };

	if (kind == LUN_COMPARE_WRITE)
		io.op.len_bytes = len / 2;
	eng_submit(e, &io, buf, len);
	return (wait_for(e, &io));
}

int
eng_zero(struct eng *e, struct lun_dev *dev, uint64_t off, uint64_t len)
{
	struct lun_extent x = { off, len };
	struct eng_io io = { .op = { .kind = LUN_ZERO, .dev = dev,
	    .extents = &x, .n_extents = 1 } };

	eng_submit(e, &io, NULL, 0);
	return (wait_for(e, &io));
}

int
eng_flush(struct eng *e, struct lun_dev *dev)
{

	return (eng_io(e, LUN_FLUSH, 0, dev, 0, NULL, 0));
}
