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
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "meta/base/rnd.h"
#include "meta/memory.h"
#include "target/access.h"
#include "target/admin.h"
#include "target/admin_verbs.h"
#include "target/gate.h"
#include "target/joint_scsi.h"
#include "target/logins.h"
#include "target/net/listener.h"
#include "target/net/loop.h"
#include "target/net/signals.h"
#include "target/owner.h"
#include "target/worker.h"

#define DRAIN_US	10000000u
#define CUT_US		10000000u	/* more, until it is given up */
/* One for so much that is free. */
#define PREPARED_EACH_BYTES	(UINT64_C(4) << 30)
#define PREPARED_MIN	4u
#define PREPARED_MAX	16u
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
	struct gate *gate;
	struct portal *portals;
	size_t n_portals;
	bool is_stopping, is_cut;
	struct exec_timer timer;
};

/* Before the first file is made: not by root in the store of another user. */
static int
check_owner(const struct config *conf, const char *mode)
{
	char args[PATH_MAX + 64];

	(void)snprintf(args, sizeof(args), "%s-c %s", mode, conf->file);
	return (owner_check(conf->store, args));
}

int
daemon_check(const struct config *conf)
{
	struct iscsi_secret secret;
	int rc;

	if (conf->discovery_user == NULL)
		return (0);
	rc = secret_file_load("discovery-secret-file",
	    conf->discovery_secret_file, owner_of_daemon(conf->store), &secret);
	secret_wipe(&secret, sizeof(secret));
	return (rc);
}

int
daemon_init(const struct config *conf)
{
	const struct lunset_conf lc = {
		.store = conf->store,
		.segment_bytes = (uint32_t)conf->segment_bytes
	};
	int rc;

	(void)umask(077);
	if ((rc = check_owner(conf, "--init ")) != 0)
		return (rc);
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

/* Before there is a thread: a child looks whether the catalogue is whole. */
int
daemon_rebuild(const struct config *conf, bool force)
{
	const struct lunset_conf lc = {
		.store = conf->store,
		.memory_bytes = conf->memory_bytes
	};
	int rc;

	(void)umask(077);
	if ((rc = check_owner(conf, force ? "--rebuild --force " :
	    "--rebuild ")) != 0)
		return (rc);
	if ((rc = lunset_rebuild(&lc, force)) != 0)
		owner_explain(conf->store, rc);
	return (rc);
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
	gate_free(run->gate);
	run->gate = NULL;
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

	gate_pass(p->run->gate, fd, p->tag);
}

static void
on_passed(void *arg, int fd, uint16_t tag)
{
	struct daemon_run *run = arg;

	workers_accept(run->d->workers, fd, tag);
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

/* "192.0.2.1:3260" as it is in the configuration, where NAT listens. */
static void
describe_advertised(const char *text, uint16_t tag,
    struct registry_portal *out)
{
	const bool is_v6 = text[0] == '[';
	const char *colon = strrchr(text, ':');

	memset(out, 0, sizeof(*out));
	(void)snprintf(out->text, sizeof(out->text), "%s", text);
	(void)snprintf(out->address, sizeof(out->address), "%.*s",
	    (int)(colon - text) - (is_v6 ? 2 : 0), text + (is_v6 ? 1 : 0));
	out->port = (uint16_t)strtoul(colon + 1, NULL, 10);
	out->tag = tag;
	out->is_told = true;
}

static int
open_portal(struct daemon_run *run, const struct config_portal *cp,
    const char *addr, struct registry_portal *told)
{
	struct portal *p = &run->portals[run->n_portals];
	int rc;

	p->run = run;
	p->name = cp->name;
	p->tag = (uint16_t)cp->tag;
	rc = listener_new(run->loop, addr, on_accepted, p, &p->listener);
	if (rc != 0)
		return (rc);
	run->n_portals++;
	describe_portal(p, told);
	told->is_bound = true;
	told->is_told = cp->advertise.n == 0;
	return (0);
}

static int
open_portals(struct daemon_run *run)
{
	const struct config *c = run->d->conf;
	struct registry_portal *told;
	size_t n = 0, k = 0;
	int rc = 0;

	for (size_t i = 0; i < c->n_portals; i++)
		n += c->portals[i].listen.n + c->portals[i].advertise.n;
	run->portals = calloc(n, sizeof(*run->portals));
	told = calloc(n, sizeof(*told));
	if (run->portals == NULL || told == NULL)
		rc = -ENOMEM;
	for (size_t i = 0; i < c->n_portals && rc == 0; i++) {
		const struct config_portal *cp = &c->portals[i];

		for (size_t j = 0; j < cp->listen.n && rc == 0; j++)
			rc = open_portal(run, cp, cp->listen.v[j], &told[k++]);
		for (size_t j = 0; j < cp->advertise.n; j++)
			describe_advertised(cp->advertise.v[j],
			    (uint16_t)cp->tag, &told[k++]);
	}
	if (rc == 0)
		rc = registry_set_portals(run->d->registry, told, n);
	for (size_t i = 0; rc == 0 && i < run->n_portals; i++)
		msg_info("portal \"%s\" listens on %s, tag %u",
		    run->portals[i].name,
		    listener_address(run->portals[i].listener),
		    run->portals[i].tag);
	free(told);
	return (rc);
}

/*
 * Segments to have prepared: enough for a second of fast writing, where the
 * disk is not small.  They are given back when it fills.
 */
static unsigned
prepared(const char *store)
{
	struct statvfs vfs;
	uint64_t n;

	if (statvfs(store, &vfs) != 0)
		return (PREPARED_MIN);
	n = (uint64_t)vfs.f_bavail * vfs.f_frsize / PREPARED_EACH_BYTES;
	return ((unsigned)TT_MIN(TT_MAX(n, PREPARED_MIN), PREPARED_MAX));
}

static int
start_store(struct daemon *d)
{
	const struct lunset_conf lc = {
		.store = d->conf->store,
		.memory_bytes = d->conf->memory_bytes,
		.space_low_percent = (unsigned)d->conf->space_low_percent,
		.scrub_s = d->conf->scrub_days * 86400,
		.scrub_rate_bytes = d->conf->scrub_rate_bytes,
		.reserve_bytes = d->conf->space_reserve_bytes,
		.prepared = prepared(d->conf->store)
	};
	int rc;

	if ((rc = lunset_open(&lc, &d->lunset)) != 0) {
		if (rc == -ENOENT && access(lc.store, F_OK) != 0)
			msg_err("if there should be a store, see whether its "
			    "disk is mounted; ttd --init -c %s makes a new one",
			    d->conf->file);
		owner_explain(lc.store, rc);
		return (rc);
	}
	if ((rc = secret_key_load(d->conf->store, &d->key)) != 0)
		owner_explain(lc.store, rc);
	return (rc);
}

/* Once per crossing: not again when FULL follows LOW, or LOW follows FULL. */
static void
on_space(void *arg, enum lun_space now)
{
	struct daemon *d = arg;

	if (now != LUN_SPACE_OK && !d->is_low)
		registry_space_low(d->registry);
	d->is_low = now != LUN_SPACE_OK;
}

/* The names are those that config_keys.c allows. */
static unsigned
chap_algs(const struct config_list *l)
{
	static const struct {
		const char *name;
		unsigned bit;
	} algs[] = {
		{ "SHA3-256", ISCSI_CHAP_SHA3_256 },
		{ "SHA256", ISCSI_CHAP_SHA256 },
		{ "SHA1", ISCSI_CHAP_SHA1 },
		{ "MD5", ISCSI_CHAP_MD5 },
	};
	unsigned bits = 0;

	for (size_t i = 0; i < l->n; i++)
		for (size_t k = 0; k < sizeof(algs) / sizeof(algs[0]); k++)
			if (strcmp(l->v[i], algs[k].name) == 0)
				bits |= algs[k].bit;
	return (bits);
}

static struct memory_shares
memory_shares_of(const struct config *c)
{
	struct memory_shares share;

	memory_divide(c->memory_bytes, &share);
	return (share);
}

static int
load_discovery(struct daemon *d)
{

	if (d->conf->discovery_user == NULL)
		return (0);
	return (secret_file_load("discovery-secret-file",
	    d->conf->discovery_secret_file, geteuid(), &d->discovery_secret));
}

static int
start_targets(struct daemon *d)
{
	const struct config *c = d->conf;
	const struct registry_conf rconf = {
		.iqn_prefix = d->conf->iqn_prefix,
		.lunset = d->lunset,
		.key = d->key,
		.logins = d->logins,
		.discovery_user = c->discovery_user,
		.discovery_secret = &d->discovery_secret
	};
	struct memory_shares share = memory_shares_of(c);
	struct iscsi_env env = {
		.ops = &access_ops,
		.task_ops = &joint_scsi_task_ops,
		.task_priv_bytes = joint_scsi_priv_bytes,
		.chap_algs = chap_algs(&c->chap_algorithms),
		.nop_ms = c->nop_interval_s == 0 ? ISCSI_NEVER_MS :
		    (unsigned)c->nop_interval_s * 1000,
		.nop_timeout_ms = (unsigned)c->nop_timeout_s * 1000,
		.memory_bytes = (size_t)share.buffers
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
	if ((rc = registry_load(d->registry)) == 0)
		lunset_on_space(d->lunset, on_space, d);
	return (rc);
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
	if ((rc = load_discovery(d)) != 0 ||
	    (rc = logins_new(&d->logins)) != 0 ||
	    (rc = start_store(d)) != 0 || (rc = start_targets(d)) != 0 ||
	    (rc = start_admin(d)) != 0 ||
	    (rc = gate_new(run->loop, d->logins, d->registry, on_passed, run,
	    &run->gate)) != 0)
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
	if (d->lunset != NULL)
		lunset_on_space(d->lunset, NULL, NULL);
	workers_free(d->workers);
	registry_free(d->registry);
	iscsi_node_free(d->node);
	logins_free(d->logins);
	secret_wipe(&d->discovery_secret, sizeof(d->discovery_secret));
	if (d->lunset != NULL && (rc = lunset_close(d->lunset)) != 0)
		msg_err("the last checkpoint: %s; nothing is lost, the next "
		    "start recovers from the log", strerror(-rc));
	secret_key_free(d->key);
	signals_free(run->signals);
	loop_free(run->loop);
	return (rc);
}

/*
 * Loss of power in end-to-end tests: 32 hex digits in place of the boot id of
 * the machine.  Always told, so that nobody has it by accident.
 */
static void
fake_boot_id(void)
{
	const char *text = getenv("TT_TEST_BOOT_ID");
	uint8_t id[16];

	if (text == NULL || strlen(text) != 2 * sizeof(id))
		return;
	for (unsigned i = 0; i < sizeof(id); i++)
		if (sscanf(text + 2 * i, "%2hhx", &id[i]) != 1)
			return;
	msg_warn("TT_TEST_BOOT_ID is set: this is a test");
	rnd_fake_boot_id(id);
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
	if ((rc = check_owner(conf, "")) != 0)
		return (rc);
	block_signals(&set);
	raise_files();
	fake_boot_id();
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
