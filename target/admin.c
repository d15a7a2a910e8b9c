/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The admin thread: poll(2) over the listener and the clients.  Requests run
 * on this thread, one at a time, which is what makes the verbs simple: none
 * has to think of another change at the same time.
 */
#include "target/admin.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "target/admin_int.h"

#define CLIENTS_DEFAULT	16u
#define CLIENTS_MAX	256u
#define IDLE_MS_DEFAULT	60000u
/* Beyond the clients, a few more are told that there are too many. */
#define EXTRA	4u

struct admin {
	struct admin_conf conf;
	char *path;
	int listen_fd, wake_fd;
	pthread_t thread;
	struct admin_conn *conns[CLIENTS_MAX + EXTRA];
	size_t n_conns;
};

static void
accept_one(struct admin *a)
{
	static struct msg_limit limit;
	struct admin_conn *c;
	uid_t uid = (uid_t)-1;
	int fd, rc;

	if ((fd = accept4(a->listen_fd, NULL, NULL, SOCK_CLOEXEC |
	    SOCK_NONBLOCK)) < 0)
		return;
	if (a->n_conns == a->conf.clients + EXTRA) {
		close(fd);
		return;
	}
	rc = admin_sock_peer(fd, &uid);
	if ((c = admin_conn_new(fd)) == NULL)
		return;
	if (rc != 0 || (uid != 0 && uid != a->conf.uid)) {
		if (msg_allowed(&limit, 5))
			msg_warn("admin: user %ld was refused", (long)uid);
		admin_conn_refuse(c, ADMIN_DENIED, "the daemon does not "
		    "listen to this user\nonly root and the user that ttd "
		    "runs as may administer it\nuse sudo, or become that "
		    "user");
	} else if (a->n_conns >= a->conf.clients)
		admin_conn_refuse(c, ADMIN_BUSY, "the daemon does not listen "
		    "to one more\ntoo many administrators are connected\ntry "
		    "again in a moment");
	a->conns[a->n_conns++] = c;
}

/* How long poll may sleep until the next client is idle too long. */
static int
next_timeout_ms(const struct admin *a, uint64_t now_ms)
{
	uint64_t best = UINT64_MAX, due;

	for (size_t i = 0; i < a->n_conns; i++) {
		due = a->conns[i]->active_ms + a->conf.idle_ms;
		best = TT_MIN(best, due > now_ms ? due - now_ms : 0);
	}
	return (best > INT32_MAX ? -1 : (int)best + 1);
}

/* Serves client ${i} as poll said. */
static void
serve(struct admin *a, size_t i, short revents, uint64_t now_ms)
{
	struct admin_conn *c = a->conns[i];
	bool keep = true;

	if (revents != 0)
		keep = admin_conn_work(c, &a->conf, revents);
	else if (c->active_ms + a->conf.idle_ms <= now_ms)
		keep = false;
	if (keep)
		return;
	admin_conn_free(c);
	a->conns[i] = a->conns[--a->n_conns];
}

static void *
admin_main(void *arg)
{
	struct admin *a = arg;
	struct pollfd fds[2 + CLIENTS_MAX + EXTRA];
	uint64_t now_ms;
	size_t i, n;

	for (;;) {
		fds[0] = (struct pollfd){ .fd = a->wake_fd, .events = POLLIN };
		fds[1] = (struct pollfd){ .fd = a->listen_fd,
		    .events = POLLIN };
		n = a->n_conns;
		for (i = 0; i < n; i++)
			fds[2 + i] = (struct pollfd){ .fd = a->conns[i]->fd,
			    .events = admin_conn_events(a->conns[i]) };
		if (poll(fds, (nfds_t)(2 + n), next_timeout_ms(a,
		    clock_mono_ms())) < 0) {
			TT_ASSERT(errno == EINTR || errno == ENOMEM);
			continue;
		}
		if (fds[0].revents != 0)
			break;
		/*
		 * From the end: who goes is replaced by the last one, which
		 * has been served.  The time is taken once: a verb that runs
		 * long makes nobody idle.
		 */
		now_ms = clock_mono_ms();
		for (i = n; i-- > 0;)
			serve(a, i, fds[2 + i].revents, now_ms);
		if (fds[1].revents != 0)
			accept_one(a);
	}
	return (NULL);
}

static int
start_thread(struct admin *a)
{
	sigset_t all, old;
	int rc;

	/* Signals are the main thread's business. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = -pthread_create(&a->thread, NULL, admin_main, a);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return (rc);
}

int
admin_start(const struct admin_conf *conf, struct admin **out)
{
	struct admin *a = calloc(1, sizeof(*a));
	int rc;

	if (a == NULL)
		return (-ENOMEM);
	admin_proto_init();
	a->conf = *conf;
	if (a->conf.clients == 0)
		a->conf.clients = CLIENTS_DEFAULT;
	TT_ASSERT(a->conf.clients <= CLIENTS_MAX);
	if (a->conf.idle_ms == 0)
		a->conf.idle_ms = IDLE_MS_DEFAULT;
	if ((a->path = strdup(conf->path)) == NULL) {
		rc = -ENOMEM;
		goto out_free;
	}
	a->conf.path = a->path;
	if ((a->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
		rc = -errno;
		goto out_path;
	}
	if ((rc = admin_sock_listen(a->path, &a->listen_fd)) != 0)
		goto out_wake;
	if ((rc = start_thread(a)) != 0)
		goto out_listen;
	*out = a;
	return (0);

out_listen:
	(void)unlink(a->path);
	close(a->listen_fd);
out_wake:
	close(a->wake_fd);
out_path:
	free(a->path);
out_free:
	free(a);
	return (rc);
}

void
admin_stop(struct admin *a)
{
	uint64_t one = 1;

	if (a == NULL)
		return;
	/* An eventfd takes eight bytes unless its counter is full. */
	if (write(a->wake_fd, &one, sizeof(one)) != sizeof(one))
		msg_err("admin: cannot wake the thread: %s", strerror(errno));
	(void)pthread_join(a->thread, NULL);
	while (a->n_conns > 0)
		admin_conn_free(a->conns[--a->n_conns]);
	(void)unlink(a->path);
	close(a->listen_fd);
	close(a->wake_fd);
	free(a->path);
	free(a);
}
