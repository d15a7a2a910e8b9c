/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * soak_daemon.c - the daemon with iSCSI clients for as long as asked: writes
 * without a pause, while snapshots are taken, exposed, compared and deleted,
 * space is reclaimed and everything is verified; killed with SIGKILL or stopped
 * at any moment, and everything acknowledged is there again.
 *
 *	soak-daemon [-s SEED] [-t SECONDS]
 */
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/base/clock.h"
#include "tests/e2e/load.h"

#define MIB	(UINT64_C(1) << 20)
#define CONFIG	"workers = 2\nmemory = \"64M\"\nsegment-size = \"4M\"\n"
#define LUNS	2
#define SNAPS	5
#define RSS_MAX_KIB (192u << 10)

enum there { GONE, COMING, THERE, GOING };

struct snap {
	enum there state;
	char name[32];
	struct load_want from, to;
};

struct lun {
	char name[16];
	struct disk disk;
	struct load_conf conf;
	struct load *load;
	struct snap snap[SNAPS];
};

/* One tt-admin beside the writes. */
struct job {
	enum { JOB_SNAP, JOB_DELETE, JOB_GC, JOB_VERIFY,
		JOB_DAMAGE } kind;
	pid_t pid;
	int fd;
	struct snap *snap;
};

static struct daemon d;
static struct lun luns[LUNS];
static struct lun *now;			/* the one that is written to */
static struct job job;
static uint64_t rnd_state;
static unsigned next_name, kills, stops, snaps, deleted, compared, gcs;
static unsigned verifies;
static uint64_t rss_max_kib, store_max_kib, tree_kib, lives_ms;

static uint64_t
rnd(uint64_t n)
{
	uint64_t x = (rnd_state += 0x9e3779b97f4a7c15u);

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return ((x ^ (x >> 31)) % n);
}

#define HOLDS(x)							\
	do {								\
		if (!(x))						\
			give_up(#x, __LINE__);				\
	} while (0)

static _Noreturn void
give_up(const char *what, int line)
{

	(void)fprintf(stderr, "soak-daemon: FAILED: line %d: %s; %u kills, "
	    "folder %s\n", line, what, kills, d.dir);
	if (d.pid > 0)
		(void)kill(d.pid, SIGKILL);
	exit(3);
}

/* ---- tt-admin beside ------------------------------------------------------ */

static void
free_snap(struct snap *s)
{

	load_want_free(&s->from);
	load_want_free(&s->to);
	s->state = GONE;
}

/* It has ended; ${killed}: maybe because the daemon did. */
static void
job_done(int status, bool killed, const char *said)
{
	bool ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;

	/* The last one may not be done yet. */
	if (job.kind == JOB_VERIFY && strstr(said, "\"busy\"") != NULL)
		return;
	if (!ok && !killed) {
		(void)fprintf(stderr, "soak-daemon: tt-admin: status %d, %s\n",
		    status, said);
		HOLDS(ok);
	}
	if (!ok)
		return;
	switch (job.kind) {
	case JOB_SNAP:
		job.snap->to = load_copy(now->load);
		job.snap->state = THERE;
		snaps++;
		break;
	case JOB_DELETE:
		free_snap(job.snap);
		deleted++;
		break;
	case JOB_GC:
		gcs++;
		break;
	case JOB_VERIFY:
		verifies++;
		break;
	case JOB_DAMAGE:
		break;
	}
}

/* True: none is running any more. */
static bool
job_end(int options, bool killed)
{
	char buf[4096];
	size_t n = 0;
	ssize_t r;
	int st;

	if (job.pid == 0)
		return (true);
	if (waitpid(job.pid, &st, options) != job.pid)
		return (false);
	job.pid = 0;
	while (n < sizeof(buf) - 1 && (r = read(job.fd, buf + n,
	    sizeof(buf) - 1 - n)) > 0)
		n += (size_t)r;
	buf[n] = '\0';
	(void)close(job.fd);
	job_done(st, killed, buf);
	return (true);
}

static void
job_start(void)
{
	struct snap *s = &now->snap[rnd(SNAPS)];
	uint64_t dice = rnd(100);

	job.snap = s;
	if (dice < 12) {
		job.kind = JOB_GC;
		job.pid = daemon_admin_start(&d, &job.fd, "gc --wait");
	} else if (dice < 18) {
		job.kind = JOB_VERIFY;
		job.pid = daemon_admin_start(&d, &job.fd, "verify --all");
	} else if (dice < 22) {
		/* Its exit status tells of damage. */
		job.kind = JOB_DAMAGE;
		job.pid = daemon_admin_start(&d, &job.fd, "verify");
	} else if (s->state == GONE) {
		(void)snprintf(s->name, sizeof(s->name), "s%u", next_name++);
		s->from = load_copy(now->load);
		s->state = COMING;
		job.kind = JOB_SNAP;
		job.pid = daemon_admin_start(&d, &job.fd, "snapshot %s %s",
		    now->name, s->name);
	} else if (s->state == THERE && dice < 40) {
		s->state = GOING;
		job.kind = JOB_DELETE;
		job.pid = daemon_admin_start(&d, &job.fd,
		    "delete %s@%s --yes", now->name, s->name);
	}
}

static bool
tick(void *arg)
{

	(void)arg;
	if (job_end(WNOHANG, false) && rnd(8) == 0)
		job_start();
	return (false);
}

/* ---- comparing -------------------------------------------------------------- */

static void
compare_snap(struct lun *l, struct snap *s)
{
	struct disk k;
	struct load *r;
	char what[64];
	uint64_t until_ms;
	int rc;

	(void)snprintf(what, sizeof(what), "%s@%s", l->name, s->name);
	HOLDS(daemon_expose(&d, &k, &l->disk, what));
	r = load_new(&k, &l->conf);
	HOLDS(load_connect(r));
	HOLDS(load_verify_between(r, &s->from, &s->to) == 0);
	load_logout(r);
	load_free(r);
	until_ms = clock_mono_ms() + 5000;
	/* The daemon may still be about the end of the sessions. */
	do
		json_decref(daemon_admin(&d, &rc, "unexpose %s", what));
	while (rc != 0 && clock_mono_ms() < until_ms);
	HOLDS(rc == 0);
	compared++;
}

static bool
is_listed(json_t *list, const char *name)
{

	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(json_string_value(json_object_get(json_array_get(
		    list, i), "name")), name) == 0)
			return (true);
	return (false);
}

/* What was on its way may be there or not; the rest is as it was. */
static void
settle(struct lun *l)
{
	size_t found = 0;
	json_t *j, *a;
	int rc;

	j = daemon_admin(&d, &rc, "list %s", l->name);
	HOLDS(rc == 0);
	a = json_object_get(j, "snapshots");
	for (unsigned i = 0; i < SNAPS; i++) {
		struct snap *s = &l->snap[i];
		bool is = s->state != GONE && is_listed(a, s->name);

		found += is ? 1 : 0;
		HOLDS(is || s->state != THERE);
		if (is)
			s->state = THERE;
		else
			free_snap(s);
		if (is && rnd(4) == 0)
			compare_snap(l, s);
	}
	HOLDS(json_array_size(a) == found);
	json_decref(j);
}

/* ---- the daemon ---------------------------------------------------------------- */

static int
add_file(const char *path, const struct stat *st, int type, struct FTW *f)
{

	(void)path;
	(void)type;
	(void)f;
	tree_kib += (uint64_t)st->st_blocks / 2;
	return (0);
}

static void
measure(void)
{
	char line[256];
	uint64_t kib = 0;
	FILE *f;

	(void)snprintf(line, sizeof(line), "/proc/%d/status", (int)d.pid);
	if ((f = fopen(line, "re")) != NULL) {
		while (kib == 0 && fgets(line, sizeof(line), f) != NULL)
			if (strncmp(line, "RssAnon:", 8) == 0)
				kib = strtoull(line + 8, NULL, 10);
		(void)fclose(f);
	}
	tree_kib = 0;
	(void)nftw(d.store, add_file, 8, FTW_PHYS);
	rss_max_kib = TT_MAX(rss_max_kib, kib);
	store_max_kib = TT_MAX(store_max_kib, tree_kib);
	HOLDS(kib <= RSS_MAX_KIB);
	HOLDS(tree_kib <= 6144 * 1024);
}

static void
restart(bool killed)
{
	uint64_t from = clock_mono_ms();

	daemon_start(&d);
	HOLDS(clock_mono_ms() - from < 20000);
	for (unsigned i = 0; i < LUNS; i++) {
		struct lun *l = &luns[i];

		(void)snprintf(l->disk.portal, sizeof(l->disk.portal),
		    "127.0.0.1:%u", d.port);
		HOLDS(load_connect_to(l->load, &l->disk));
		HOLDS(load_verify(l->load, killed) == 0);
		settle(l);
	}
}

/* Killed in the middle: what it was about to do may be done or not. */
static void
kill_it(void)
{

	daemon_kill(&d);
	(void)load_drain(now->load);
	for (unsigned i = 0; i < LUNS; i++)
		load_drop(luns[i].load);
	(void)job_end(0, true);
	for (unsigned i = 0; i < LUNS; i++)
		for (unsigned k = 0; k < SNAPS; k++)
			if (luns[i].snap[k].state == COMING)
				luns[i].snap[k].to = load_copy(luns[i].load);
	kills++;
	restart(true);
}

static void
stop_it(void)
{

	HOLDS(load_drain(now->load));
	(void)job_end(0, false);
	for (unsigned i = 0; i < LUNS; i++)
		load_logout(luns[i].load);
	HOLDS(daemon_stop(&d));
	stops++;
	restart(false);
}

static void
one_round(void)
{
	uint64_t dice = rnd(10), ms = 50 + rnd(dice == 0 ? 8000 : 1500);

	now = &luns[rnd(LUNS)];
	HOLDS(load_run(now->load, (unsigned)ms, tick, NULL));
	lives_ms += ms;
	measure();
	if (dice < 7) {
		kill_it();
	} else if (dice < 8) {
		stop_it();
	} else {
		HOLDS(load_drain(now->load));
		(void)job_end(0, false);
		HOLDS(load_verify(now->load, false) == 0);
	}
}

static void
setup(uint64_t seed)
{
	static const char *const shape[LUNS] = {
		"soak0 16M --open", "soak1 64M --open --block 64K"
	};

	daemon_init(&d, CONFIG);
	daemon_start(&d);
	for (unsigned i = 0; i < LUNS; i++) {
		struct lun *l = &luns[i];

		(void)snprintf(l->name, sizeof(l->name), "soak%u", i);
		HOLDS(daemon_create(&d, &l->disk, "%s", shape[i]));
		l->conf = (struct load_conf){ .conns = 4, .depth = 8,
		    .key = i + 1, .seed = seed + i, .zero_percent = 6,
		    .io_max = i == 0 ? 16 << 10 : 128 << 10,
		    .fua_percent = 1, .win = { { 0, (i + 1) * 8 * MIB } } };
		l->load = load_new(&l->disk, &l->conf);
		HOLDS(load_connect(l->load));
	}
}

int
main(int argc, char **argv)
{
	uint64_t seconds = 20, seed = 1, until, written = 0;
	int o;

	while ((o = getopt(argc, argv, "s:t:")) != -1) {
		if (o == 's')
			seed = strtoull(optarg, NULL, 10);
		else if (o == 't')
			seconds = strtoull(optarg, NULL, 10);
		else
			return (2);
	}
	until = clock_mono_ms() + seconds * 1000;
	rnd_state = seed;
	setup(seed);
	/* On a slow machine a little longer, so that all of it happens. */
	while (clock_mono_ms() < until || (clock_mono_ms() < until + 60000 &&
	    (kills == 0 || compared == 0)))
		one_round();
	for (unsigned i = 0; i < LUNS; i++) {
		written += load_written(luns[i].load);
		load_logout(luns[i].load);
		load_free(luns[i].load);
		for (unsigned k = 0; k < SNAPS; k++)
			free_snap(&luns[i].snap[k]);
	}
	HOLDS(daemon_stop(&d));
	(void)printf("soak-daemon: seed %llu: %llu writes in %llu s, %u kills, "
	    "%u stops, %u snapshots (%u deleted, %u compared), %u reclaims, "
	    "%u verifications; at most %llu MiB of memory, %llu MiB on disk\n",
	    (unsigned long long)seed, (unsigned long long)written,
	    (unsigned long long)lives_ms / 1000, kills, stops, snaps, deleted,
	    compared, gcs, verifies, (unsigned long long)rss_max_kib >> 10,
	    (unsigned long long)store_max_kib >> 10);
	if (kills == 0 || snaps == 0 || compared == 0) {
		(void)fprintf(stderr, "soak-daemon: too little happened\n");
		return (1);
	}
	daemon_fini(&d, false);
	return (0);
}
