/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/gate.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/base/exec.h"
#include "target/net/addr.h"

struct waiting {
	struct list link;		/* in gate->waiting */
	struct gate *gate;
	struct exec_timer timer;
	int fd;
	uint16_t tag;
};

struct gate {
	struct loop *loop;
	struct logins *logins;
	struct registry *registry;
	gate_fn *fn;
	void *arg;
	struct list waiting;
	unsigned n_waiting;
};

int
gate_new(struct loop *l, struct logins *logins, struct registry *r,
    gate_fn *fn, void *arg, struct gate **out)
{
	struct gate *g;

	if ((g = calloc(1, sizeof(*g))) == NULL)
		return (-ENOMEM);
	*g = (struct gate){ .loop = l, .logins = logins, .registry = r,
	    .fn = fn, .arg = arg };
	list_init(&g->waiting);
	*out = g;
	return (0);
}

static void
forget(struct waiting *w)
{

	list_del(&w->link);
	w->gate->n_waiting--;
	free(w);
}

void
gate_free(struct gate *g)
{

	if (g == NULL)
		return;
	LIST_FOREACH_SAFE(it, nx, &g->waiting) {
		struct waiting *w = LIST_ENTRY(it, struct waiting, link);

		exec_cancel(loop_exec(g->loop), &w->timer);
		(void)close(w->fd);
		forget(w);
	}
	free(g);
}

static void
on_time(struct exec_timer *t)
{
	struct waiting *w = TT_CONTAINER(t, struct waiting, timer);
	struct gate *g = w->gate;
	const uint16_t tag = w->tag;
	const int fd = w->fd;

	forget(w);
	g->fn(g->arg, fd, tag);
}

static unsigned
delay_ms(struct gate *g, int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	char text[ADDR_TEXT_LEN];
	unsigned ms;

	if (getpeername(fd, (struct sockaddr *)&sa, &len) != 0)
		return (0);
	(void)addr_format(text, &sa);
	if ((ms = logins_delay_ms(g->logins, text)) == 0 ||
	    registry_is_known(g->registry, text))
		return (0);
	return (ms);
}

void
gate_pass(struct gate *g, int fd, uint16_t tag)
{
	const unsigned ms = delay_ms(g, fd);
	struct waiting *w;

	if (ms == 0) {
		g->fn(g->arg, fd, tag);
		return;
	}
	if (g->n_waiting == GATE_MAX || (w = calloc(1, sizeof(*w))) == NULL) {
		(void)close(fd);
		return;
	}
	w->gate = g;
	w->fd = fd;
	w->tag = tag;
	w->timer.fn = on_time;
	list_add_tail(&g->waiting, &w->link);
	g->n_waiting++;
	exec_after(loop_exec(g->loop), &w->timer, (uint64_t)ms * 1000);
}
