/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/net/signals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/base/msg.h"
#include "target/net/loop_int.h"

/* Everything belongs to the loop's thread. */
struct signals {
	struct loop *loop;
	int fd;
	signals_fn *fn;
	void *arg;
	struct loop_op op;
	struct signalfd_siginfo info;	/* the kernel's while op flies */
};

static void
signals_prep(struct loop_op *op, struct io_uring_sqe *sqe)
{
	struct signals *s = TT_CONTAINER(op, struct signals, op);

	io_uring_prep_read(sqe, s->fd, &s->info, sizeof(s->info), 0);
}

static void
signals_done(struct loop_op *op, int res)
{
	struct signals *s = TT_CONTAINER(op, struct signals, op);
	const int signo = res == (int)sizeof(s->info) ?
	    (int)s->info.ssi_signo : 0;

	loop_start(s->loop, op);
	if (signo != 0)
		s->fn(s->arg, signo);
}

int
signals_new(struct loop *l, const sigset_t *set, signals_fn *fn, void *arg,
    struct signals **out)
{
	struct signals *s;
	int rc;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return (-ENOMEM);
	if ((s->fd = signalfd(-1, set, SFD_CLOEXEC)) < 0) {
		rc = -errno;
		msg_err("signalfd: %s", strerror(-rc));
		free(s);
		return (rc);
	}
	s->loop = l;
	s->fn = fn;
	s->arg = arg;
	s->op.prep = signals_prep;
	s->op.done = signals_done;
	s->op.is_parking = true;
	loop_start(l, &s->op);
	*out = s;
	return (0);
}

void
signals_free(struct signals *s)
{

	if (s == NULL)
		return;
	TT_ASSERT(!loop_is_running(s->loop));
	loop_unqueue(&s->op);
	(void)close(s->fd);
	free(s);
}
