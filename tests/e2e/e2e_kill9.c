/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * e2e_kill9.c - the daemon is killed with SIGKILL in the middle of writes, many
 * times, and must have every acknowledged write after each restart.
 *
 *	e2e-kill9 ROUNDS OUT
 *
 * Four connections write while snapshots are taken one after another (which
 * makes checkpoints frequent: a LUN has few overlays).  Every second round runs
 * under the recorder; its trace tells whether the kill came inside a
 * checkpoint.  At the end, on another store that saw some kills, a session is
 * recorded with the marks of the client in it: OUT/base, OUT/trace are for
 * crash-check.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "meta/base/bytes.h"
#include "meta/base/check.h"
#include "tests/crash/cuts.h"
#include "tests/crash/mark.h"
#include "tests/e2e/ini.h"
#include "tests/e2e/load.h"

#define MIB (UINT64_C(1) << 20)
#define CONFIG "workers = 2\nmemory = \"64M\"\nsegment-size = \"2M\"\n"

static struct daemon d;
static const char *out;
static char trace_path[400], record_so[512];
static unsigned failures, in_flight_kills, checkpoint_kills, snaps_checked;
static int mark_fd = -1;

#define CHECK(x)							\
	do {								\
		if (!(x)) {						\
			failures++;					\
			(void)fprintf(stderr, "kill9: line %d: %s\n",	\
			    __LINE__, #x);				\
		}							\
	} while (0)

/* ---- snapshots, one after another ------------------------------------- */

struct snapper {
	struct load *l;
	const char *lun;
	uint32_t key;
	pid_t pid;
	int fd;
	unsigned next;
	char name[32], last[32];	/* last: acknowledged */
	struct load_want from, to, last_from, last_to;
};

static void
mark_out(const struct mark *k)
{
	struct trace_ev e = { .magic = TRACE_MAGIC, .kind = TRACE_MARK,
	    .flags = TRACE_F_OUTSIDE, .data_len = sizeof(*k) };
	uint8_t buf[sizeof(e) + sizeof(*k)];

	if (mark_fd < 0)
		return;
	memcpy(buf, &e, sizeof(e));
	memcpy(buf + sizeof(e), k, sizeof(*k));
	TT_ASSERT(write(mark_fd, buf, sizeof(buf)) == (ssize_t)sizeof(buf));
}

static void
mark_snap(const struct snapper *s, enum mark_kind kind, uint64_t seq)
{
	struct mark k = { .kind = kind, .lun = s->key, .seq = seq };

	(void)snprintf(k.name, sizeof(k.name), "%s", s->name);
	mark_out(&k);
}

static void
snap_begin(struct snapper *s)
{

	(void)snprintf(s->name, sizeof(s->name), "k%u", s->next++);
	load_want_free(&s->from);
	s->from = load_copy(s->l);
	mark_snap(s, MARK_SNAP, 0);
	s->pid = daemon_admin_start(&d, &s->fd, "snapshot %s %s", s->lun,
	    s->name);
}

/* The answer, when there is one: this snapshot was acknowledged. */
static bool
snap_end(struct snapper *s, int options)
{
	char buf[4096];
	size_t n = 0;
	ssize_t r;
	int st;
	json_t *j;

	if (s->pid == 0 || waitpid(s->pid, &st, options) != s->pid)
		return (false);
	s->pid = 0;
	while (n < sizeof(buf) && (r = read(s->fd, buf + n,
	    sizeof(buf) - n)) > 0)
		n += (size_t)r;
	(void)close(s->fd);
	if (!WIFEXITED(st) || WEXITSTATUS(st) != 0)
		return (false);
	j = json_loadb(buf, n, 0, NULL);
	mark_snap(s, MARK_SNAP_DONE,
	    (uint64_t)json_integer_value(json_object_get(j, "seq")));
	json_decref(j);
	memcpy(s->last, s->name, sizeof(s->last));
	load_want_free(&s->last_from);
	load_want_free(&s->last_to);
	s->last_from = s->from;
	s->last_to = load_copy(s->l);
	s->from = (struct load_want){ .n = 0 };
	return (true);
}

static bool
snap_tick(void *arg)
{
	struct snapper *s = arg;

	(void)snap_end(s, WNOHANG);
	if (s->pid == 0)
		snap_begin(s);
	return (false);
}

/* Each acknowledged snapshot is listed; all but the last few go. */
static void
check_snaps(struct snapper *s)
{
	json_t *j, *a;
	bool found = s->last[0] == '\0';
	int rc;

	j = daemon_admin(&d, &rc, "list %s", s->lun);
	a = json_object_get(j, "snapshots");
	for (size_t i = 0; i < json_array_size(a); i++) {
		const char *n = json_string_value(json_object_get(
		    json_array_get(a, i), "name"));

		if (strcmp(n, s->last) == 0)
			found = true;
		else if (i + 3 < json_array_size(a)) {
			json_decref(daemon_admin(&d, &rc,
			    "delete %s@%s --yes", s->lun, n));
			CHECK(rc == 0);
		}
	}
	json_decref(j);
	CHECK(found);
}

static void
check_last_snap(struct snapper *s, const struct disk *lun,
    const struct load_conf *conf)
{
	struct disk k;
	struct load *r;
	char what[96];
	int rc;

	if (s->last[0] == '\0')
		return;
	(void)snprintf(what, sizeof(what), "%s@%s", s->lun, s->last);
	if (!daemon_expose(&d, &k, lun, what)) {
		failures++;
		return;
	}
	r = load_new(&k, conf);
	CHECK(load_connect(r));
	CHECK(load_verify_between(r, &s->last_from, &s->last_to) == 0);
	load_logout(r);
	load_free(r);
	json_decref(daemon_admin(&d, &rc, "unexpose %s", what));
	CHECK(rc == 0);
	snaps_checked++;
}

/* ---- did the kill hit a checkpoint? ------------------------------------ */

#define FIDS 65536

static struct {
	struct trace *t;
	bool node[FIDS], cat[FIDS];
	bool inside;
} watch;

/*
 * A checkpoint writes nodes, then pages of the catalogue, and ends with the
 * page that commits them (through O_DSYNC).  Inside: after the last such
 * commit there is a write to the body of a node segment or to the catalogue.
 */
static void
watch_event(const struct trace_item *it)
{
	uint32_t f = it->ev.fid;

	if (f >= FIDS)
		return;
	if (it->ev.kind == TRACE_CREATE || it->ev.kind == TRACE_BIND)
		watch.cat[f] = strstr(it->name, "data.mdb") != NULL;
	if (it->ev.kind != TRACE_WRITE)
		return;
	if (it->ev.off == 0 && it->ev.data_len >= 4096 &&
	    memcmp(it->data, "ttSEGMNT", 8) == 0)
		watch.node[f] = get_be32(it->data + 12) == 2;
	if (watch.cat[f])
		watch.inside = (it->ev.flags & TRACE_F_DSYNC) == 0;
	else if (watch.node[f] && it->ev.off >= 4096)
		watch.inside = true;
}

/* As far as the trace goes now. */
static bool
inside_checkpoint(void)
{
	struct trace_item it;

	if (watch.t == NULL && trace_open(trace_path, &watch.t) != 0)
		return (false);
	if (trace_refresh(watch.t) != 0)
		return (false);
	while (trace_next(watch.t, &it))
		watch_event(&it);
	return (watch.inside);
}

static void
watch_end(void)
{

	trace_close(watch.t);
	memset(&watch, 0, sizeof(watch));
}

/* ---- rounds ------------------------------------------------------------ */

static void
start(struct load *l, struct disk *k, bool record)
{

	(void)unlink(trace_path);
	d.preload = record ? record_so : NULL;
	d.trace = trace_path;
	daemon_start(&d);
	(void)snprintf(k->portal, sizeof(k->portal), "127.0.0.1:%u", d.port);
	if (l != NULL)
		CHECK(load_connect_to(l, k));
}

static void
one_round(struct load *l, struct snapper *s, struct disk *k, unsigned i,
    const struct load_conf *c)
{
	bool record = i % 2 == 1;
	unsigned in_flight;
	uint64_t bad;

	(void)load_run(l, 30 + (i * 7919u) % 220, snap_tick, s);
	/* Random moments; those under the recorder wait for a checkpoint. */
	for (int ms = 0; record && ms < 2000 && !inside_checkpoint(); ms++)
		(void)load_run(l, 1, snap_tick, s);
	in_flight = load_in_flight(l);
	daemon_kill(&d);
	in_flight_kills += in_flight > 0 ? 1 : 0;
	/* Answers that were on their way count; nothing is sent any more. */
	(void)load_drain(l);
	load_drop(l);
	(void)snap_end(s, 0);
	if (record && inside_checkpoint())
		checkpoint_kills++;
	watch_end();
	start(l, k, (i + 1) % 2 == 1);
	bad = load_verify(l, true);
	if (bad != 0)
		(void)fprintf(stderr, "kill9: round %u: %llu sectors\n", i,
		    (unsigned long long)bad);
	CHECK(bad == 0);
	check_snaps(s);
	if (i % 5 == 4)
		check_last_snap(s, k, c);
}

static void
copy_tree(const char *from, const char *to)
{
	char cmd[1200];

	(void)snprintf(cmd, sizeof(cmd), "cp -r --sparse=always '%s' '%s'",
	    from, to);
	CHECK(system(cmd) == 0);
}

/* The last session, with marks: the store after all that, cut anywhere. */
static void
recorded_session(void)
{
	struct load_conf c = { .conns = 4, .depth = 4, .key = 2, .seed = 99,
	    .io_max = 8 << 10, .zero_percent = 8, .fua_percent = 3,
	    .win = { { 0, 2 * MIB } }, .mark = mark_out };
	struct mark k = { .kind = MARK_INIT };
	struct snapper s = { .lun = "cut", .key = 2 };
	char base[400];
	struct disk disk;
	json_t *j;
	int rc;

	(void)snprintf(base, sizeof(base), "%s/base", out);
	(void)snprintf(trace_path, sizeof(trace_path), "%s/trace", out);
	copy_tree(d.store, base);
	mark_fd = open(trace_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	TT_ASSERT(mark_fd >= 0);
	d.preload = record_so;
	d.trace = trace_path;
	mark_out(&k);
	daemon_start(&d);
	k = (struct mark){ .kind = MARK_LUN, .lun = c.key, .size = 2 * MIB,
	    .block = 4096, .sector = 512, .name = "cut" };
	mark_out(&k);
	CHECK(daemon_create(&d, &disk, "cut 2M --open"));
	j = daemon_admin(&d, &rc, "show cut");
	k.kind = MARK_LUN_DONE;
	/* LUN numbers are the engine's own: the first after those before. */
	k.seq = 2;
	for (int i = 0, n = 0; i < 16; n += 2) {
		const char *u = json_string_value(json_object_get(j, "uuid"));
		unsigned v;

		if (u == NULL || sscanf(u + n, "%2x", &v) != 1)
			break;
		k.uuid[i++] = (uint8_t)v;
		if (u[n + 2] == '-')
			n++;
	}
	json_decref(j);
	mark_out(&k);
	s.l = load_new(&disk, &c);
	CHECK(load_connect(s.l));
	for (int i = 0; i < 6; i++) {
		CHECK(load_run(s.l, 40, snap_tick, &s));
		CHECK(load_flush(s.l));
	}
	(void)snap_end(&s, 0);
	CHECK(load_drain(s.l));
	load_logout(s.l);
	CHECK(daemon_stop(&d));
	load_free(s.l);
	(void)close(mark_fd);
	load_want_free(&s.from);
	load_want_free(&s.last_from);
	load_want_free(&s.last_to);
}

/* A LUN, ${rounds} kills, and everything is there. */
static void
kills(unsigned rounds, const struct load_conf *c, const char *size)
{
	struct snapper s = { .lun = "kill", .key = c->key };
	struct disk k;
	int rc;

	daemon_init(&d, CONFIG);
	start(NULL, &k, false);
	CHECK(daemon_create(&d, &k, "kill %s", size));
	if (failures > 0)
		return;
	s.l = load_new(&k, c);
	CHECK(load_connect(s.l));
	for (unsigned i = 0; i < rounds && failures == 0; i++)
		one_round(s.l, &s, &k, i, c);
	CHECK(load_run(s.l, 100, NULL, NULL));
	CHECK(load_flush(s.l));
	CHECK(load_verify(s.l, false) == 0);
	load_logout(s.l);
	(void)printf("%u kills, %u with commands in flight, %u inside a "
	    "checkpoint; %llu writes, %u snapshots taken, %u compared\n",
	    rounds, in_flight_kills, checkpoint_kills,
	    (unsigned long long)load_written(s.l), s.next, snaps_checked);
	json_decref(daemon_admin(&d, &rc,
	    "delete kill --with-snapshots --yes"));
	CHECK(rc == 0);
	CHECK(daemon_stop(&d));
	load_free(s.l);
	load_want_free(&s.from);
	load_want_free(&s.last_from);
	load_want_free(&s.last_to);
}

int
main(int argc, char **argv)
{
	struct load_conf c = { .conns = 4, .depth = 16, .key = 1,
	    .seed = 20261, .io_max = 16 << 10, .zero_percent = 8,
	    .fua_percent = 1, .win = { { 0, 16 * MIB } } };
	unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;

	if (rounds == 0 || getenv("TT_BIN") == NULL)
		return (2);
	out = argv[2];
	(void)snprintf(record_so, sizeof(record_so),
	    "%s/tests/libtt-record.so", getenv("TT_BIN"));
	(void)snprintf(trace_path, sizeof(trace_path), "%s/kill.trace", out);
	kills(rounds, &c, "16M");
	CHECK(in_flight_kills * 10 >= rounds * 9);
	CHECK(checkpoint_kills >= 2);
	daemon_fini(&d, failures > 0);
	if (failures > 0)
		return (1);

	/* A small store for the cuts: each copies all of it. */
	c.depth = 2;
	c.io_max = 4096;
	c.win[0].len = 2 * MIB;
	kills(3, &c, "2M");
	if (failures == 0)
		recorded_session();
	daemon_fini(&d, failures > 0);
	return (failures == 0 ? 0 : 1);
}
