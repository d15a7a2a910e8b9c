/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * daemon.c - start and end.  The main thread runs a loop of its own: it
 * accepts connections, which it hands to the workers, and gets the signals.
 *
 * The end has a time limit of less than the 30 s after which a service
 * manager loses patience: commands in flight have DRAIN_US to be answered,
 * then connections are cut; when even that does not bring the engine to rest
 * (a disk that hangs), the process ends as it would by a crash, which costs
 * nobody an acknowledged write.
 */
#include "target/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "target/access.h"
#include "target/admin.h"
#include "target/admin_verbs.h"
#include "target/joint_scsi.h"
#include "target/net/listener.h"
#include "target/net/loop.h"
#include "target/net/signals.h"
#include "target/worker.h"

#define DRAIN_US	10000000u
#define CUT_US		10000000u	/* more, until it is given up */
#define NOP_MS		30000u
#define PREPARED	4u		/* segments */
#define FILES_WANTED	16384u

struct portal {
	struct daemon_run *run;
	struct listener *listener;
	const char *name;
	uint16_t tag;
};

/* Everything belongs to the main thread. */
struct daemon_run {
	struct daemon *d;
	struct loop *loop;
	struct signals *signals;
	struct portal *portals;
	size_t n_portals;
	bool is_stopping, is_cut;
	struct exec_timer timer;
};

int
daemon_init(const struct config *conf)
{
	const struct lunset_conf lc = {
		.store = conf->store,
		.segment_bytes = (uint32_t)conf->segment_bytes
	};
	int rc;

	(void)umask(077);
	if ((rc = lunset_init(&lc)) != 0)
		return (rc);
	if ((rc = secret_key_create(conf->store)) != 0) {
		msg_err("the store is not complete without its key; remove "
		    "%s and run ttd --init again", conf->store);
		return (rc);
	}
	msg_info("made the store %s; %s/key opens its CHAP secrets: keep a "
	    "copy of it elsewhere", conf->store, conf->store);
	return (0);
}

/* --- the end --- */

static void
close_portals(struct daemon_run *run)
{

	for (size_t i = 0; i < run->n_portals; i++)
		listener_free(run->portals[i].listener);
	free(run->portals);
	run->portals = NULL;
	run->n_portals = 0;
}

static void
on_drained(void *arg)
{
	struct daemon_run *run = arg;

	exec_cancel(loop_exec(run->loop), &run->timer);
	loop_stop(run->loop);
}

static void
cut(struct daemon_run *run)
{

	run->is_cut = true;
	exec_after(loop_exec(run->loop), &run->timer, CUT_US);
	workers_drain(run->d->workers, true, loop_exec(run->loop), on_drained,
	    run);
}

static void
on_time(struct exec_timer *t)
{
	struct daemon_run *run = TT_CONTAINER(t, struct daemon_run, timer);

	if (!run->is_cut) {
		msg_warn("commands are still in flight; cutting the "
		    "connections");
		cut(run);
		return;
	}
	msg_err("commands do not end: is the disk under %s alive?  Ending "
	    "without a checkpoint; the next start recovers from the log",
	    run->d->conf->store);
	_exit(1);
}

static void
stop(struct daemon_run *run)
{

	run->is_stopping = true;
	close_portals(run);
	admin_stop(run->d->admin);
	run->d->admin = NULL;
	exec_after(loop_exec(run->loop), &run->timer, DRAIN_US);
	workers_drain(run->d->workers, false, loop_exec(run->loop),
	    on_drained, run);
}

static void
on_signal(void *arg, int signo)
{
	struct daemon_run *run = arg;

	if (signo == SIGHUP) {
		msg_info("SIGHUP: nothing to do; the configuration is read "
		    "when the daemon starts");
	} else if (!run->is_stopping) {
		msg_info("%s: stopping", signo == SIGINT ? "SIGINT" :
		    "SIGTERM");
		stop(run);
	} else if (!run->is_cut) {
		msg_info("again: cutting the connections");
		cut(run);
	}
}

/* --- the start --- */

/* Each session has a socket, each segment in use a file. */
static void
raise_files(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) != 0)
		return;
	rl.rlim_cur = rl.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &rl) != 0)
		msg_warn("limit of open files: %s", strerror(errno));
	else if (rl.rlim_cur < FILES_WANTED)
		msg_warn("only %ju files may be open; %u are good for large "
		    "stores (LimitNOFILE of the service)",
		    (uintmax_t)rl.rlim_cur, FILES_WANTED);
}

static void
block_signals(sigset_t *set)
{

	(void)sigemptyset(set);
	(void)sigaddset(set, SIGTERM);
	(void)sigaddset(set, SIGINT);
	(void)sigaddset(set, SIGHUP);
	TT_ASSERT(pthread_sigmask(SIG_BLOCK, set, NULL) == 0);
	(void)signal(SIGPIPE, SIG_IGN);
}

static void
on_accepted(void *arg, int fd)
{
	struct portal *p = arg;

	workers_accept(p->run->d->workers, fd, p->tag);
}

static void
describe_portal(const struct portal *p, struct registry_portal *out)
{
	const char *text = listener_address(p->listener);
	const bool is_v6 = text[0] == '[';
	const char *end = strrchr(text, is_v6 ? ']' : ':');
	const char *begin = text + (is_v6 ? 1 : 0);

	memset(out, 0, sizeof(*out));
	(void)snprintf(out->text, sizeof(out->text), "%s", text);
	(void)snprintf(out->address, sizeof(out->address), "%.*s",
	    (int)(end - begin), begin);
	out->port = listener_port(p->listener);
	out->tag = p->tag;
}

static int
open_portals(struct daemon_run *run)
{
	const struct config *c = run->d->conf;
	struct registry_portal *told;
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; i < c->n_portals; i++)
		n += c->portals[i].n_listen;
	run->portals = calloc(n, sizeof(*run->portals));
	told = calloc(n, sizeof(*told));
	if (run->portals == NULL || told == NULL) {
		rc = -ENOMEM;
		goto out_free;
	}
	for (size_t i = 0; i < c->n_portals; i++)
		for (size_t j = 0; j < c->portals[i].n_listen; j++) {
			struct portal *p = &run->portals[run->n_portals];

			p->run = run;
			p->name = c->portals[i].name;
			p->tag = (uint16_t)c->portals[i].tag;
			rc = listener_new(run->loop, c->portals[i].listen[j],
			    on_accepted, p, &p->listener);
			if (rc != 0)
				goto out_free;
			describe_portal(p, &told[run->n_portals++]);
		}
	if ((rc = registry_set_portals(run->d->registry, told, n)) != 0)
		goto out_free;
	for (size_t i = 0; i < n; i++)
		msg_info("portal \"%s\" listens on %s, tag %u",
		    run->portals[i].name, told[i].text, told[i].tag);
out_free:
	free(told);
	return (rc);
}

static int
start_store(struct daemon *d)
{
	const struct lunset_conf lc = {
		.store = d->conf->store,
		.memory_bytes = d->conf->memory_bytes,
		.prepared = PREPARED
	};
	int rc;

	if ((rc = lunset_open(&lc, &d->lunset)) != 0) {
		if (rc == -ENOENT && access(lc.store, F_OK) != 0)
			msg_err("if there should be a store, see whether its "
			    "disk is mounted; ttd --init -c %s makes a new one",
			    d->conf->file);
		return (rc);
	}
	return (secret_key_load(d->conf->store, &d->key));
}

static int
start_targets(struct daemon *d)
{
	const struct registry_conf rconf = {
		.iqn_prefix = d->conf->iqn_prefix,
		.lunset = d->lunset,
		.key = d->key
	};
	struct iscsi_env env = {
		.ops = &access_ops,
		.task_ops = &joint_scsi_task_ops,
		.task_priv_bytes = joint_scsi_priv_bytes,
		.nop_ms = NOP_MS
	};
	int rc;

	if ((rc = registry_new(&rconf, &d->registry)) != 0)
		return (rc);
	env.arg = d->registry;
	if ((rc = iscsi_node_new(&env, &d->node)) != 0)
		return (rc);
	registry_set_node(d->registry, d->node);
	rc = workers_start(d->lunset, d->node, (unsigned)d->conf->workers,
	    &d->workers);
	if (rc != 0)
		return (rc);
	registry_set_workers(d->registry, d->workers);
	return (registry_load(d->registry));
}

static int
start_admin(struct daemon *d)
{
	const struct admin_conf ac = {
		.path = d->conf->socket,
		.verbs = admin_verbs,
		.n_verbs = admin_verbs_n,
		.ctx = d,
		.uid = geteuid()
	};

	return (admin_start(&ac, &d->admin));
}

static int
start(struct daemon_run *run, const sigset_t *set)
{
	struct daemon *d = run->d;
	int rc;

	if ((rc = loop_new(&run->loop)) != 0)
		return (rc);
	if ((rc = signals_new(run->loop, set, on_signal, run,
	    &run->signals)) != 0)
		return (rc);
	if ((rc = start_store(d)) != 0 || (rc = start_targets(d)) != 0 ||
	    (rc = start_admin(d)) != 0)
		return (rc);
	return (open_portals(run));
}

/* Also after a start that failed half way. */
static int
finish(struct daemon_run *run)
{
	struct daemon *d = run->d;
	int rc = 0;

	close_portals(run);
	admin_stop(d->admin);
	workers_free(d->workers);
	registry_free(d->registry);
	iscsi_node_free(d->node);
	if (d->lunset != NULL && (rc = lunset_close(d->lunset)) != 0)
		msg_err("the last checkpoint: %s; nothing is lost, the next "
		    "start recovers from the log", strerror(-rc));
	secret_key_free(d->key);
	signals_free(run->signals);
	loop_free(run->loop);
	return (rc);
}

int
daemon_main(const struct config *conf)
{
	struct daemon d = { .conf = conf, .started_ns = clock_utc_ns() };
	struct daemon_run run = { .d = &d, .timer.fn = on_time };
	sigset_t set;
	int rc, end;

	d.run = &run;
	(void)umask(077);
	block_signals(&set);
	raise_files();
	msg_info("ttd %s: opening %s", TT_VERSION, conf->store);
	if ((rc = start(&run, &set)) == 0) {
		msg_info("ready");
		rc = loop_run(run.loop);
	}
	end = finish(&run);
	if (rc == 0 && end == 0)
		msg_info("ended");
	return (rc != 0 ? rc : end);
}
