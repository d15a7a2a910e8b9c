/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_flush.c - how long a flush takes on one LUN while another is written.
 *
 *	bench_flush [-s SECONDS] [-m MB_PER_S] URL_A URL_B
 *
 * One process writes 1 MiB pieces to A in order, depth 8, at a pace of so many
 * megabytes a second (800; 0: none; what the machine cannot do it does as fast
 * as it can).  Another one writes 4 KiB to B at random, with one SYNCHRONIZE
 * CACHE behind it, one after the other, with a rest of 2 ms, and prints how
 * long the flushes took.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
/* libiscsi's headers need the types above and include nothing. */
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

#include "meta/base/clock.h"

#define SPAN_BYTES	(UINT64_C(1) << 30)
#define SECTOR		512
#define BIG_BYTES	(1u << 20)
#define SMALL_BYTES	4096u
#define DEPTH		8u
#define REST_US		2000u
#define SAMPLES_MAX	1000000u

/* What the two processes share. */
struct shared {
	_Atomic bool stop;
	_Atomic uint64_t written;	/* pieces of A */
};

struct lun {
	struct iscsi_context *ctx;
	int lun;
};

struct writer {
	struct lun l;
	struct shared *sh;
	uint64_t begun_ns, pos, mb_per_s;
	unsigned in_flight;
	uint8_t *buf[DEPTH];
	bool used[DEPTH];
};

struct slot {
	struct writer *w;
	unsigned no;
};

static uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t
next(void)
{

	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed);
}

static void
die(const char *what, const char *why)
{

	(void)fprintf(stderr, "bench_flush: %s: %s\n", what, why);
	exit(1);
}

static void
login(struct lun *l, const char *url, const char *initiator)
{
	struct iscsi_url *u;

	l->ctx = iscsi_create_context(initiator);
	if (l->ctx == NULL || (u = iscsi_parse_full_url(l->ctx, url)) == NULL)
		die(url, "not a URL");
	(void)iscsi_set_session_type(l->ctx, ISCSI_SESSION_NORMAL);
	(void)iscsi_set_targetname(l->ctx, u->target);
	(void)iscsi_set_header_digest(l->ctx, ISCSI_HEADER_DIGEST_NONE);
	if (u->user[0] != '\0')
		(void)iscsi_set_initiator_username_pwd(l->ctx, u->user,
		    u->passwd);
	l->lun = u->lun;
	if (iscsi_full_connect_sync(l->ctx, u->portal, u->lun) != 0)
		die(url, iscsi_get_error(l->ctx));
	iscsi_destroy_url(u);
}

/* Random bytes, so that nothing compresses and nothing is a hole. */
static uint8_t *
random_buf(size_t len)
{
	uint8_t *p = aligned_alloc(4096, len);

	if (p == NULL)
		die("memory", strerror(errno));
	for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
		uint64_t v = next();

		memcpy(p + i, &v, sizeof(v));
	}
	return (p);
}

/* Eight bytes in each block: never the same content twice. */
static void
freshen(uint8_t *p, size_t len)
{

	for (size_t i = 0; i < len; i += SMALL_BYTES) {
		uint64_t v = next();

		memcpy(p + i, &v, sizeof(v));
	}
}

/* ---- the writer of A -------------------------------------------------- */

static void
big_written(struct iscsi_context *ctx, int status, void *data, void *arg)
{
	struct slot *s = arg;

	scsi_free_scsi_task(data);
	if (status != SCSI_STATUS_GOOD)
		die("A", iscsi_get_error(ctx));
	s->w->used[s->no] = false;
	s->w->in_flight--;
	(void)atomic_fetch_add(&s->w->sh->written, 1);
}

/* Is the next piece due? */
static bool
due(const struct writer *w, int *wait_ms)
{
	uint64_t at;

	*wait_ms = 100;
	if (w->mb_per_s == 0)
		return (false);
	at = w->begun_ns + w->pos * BIG_BYTES * 1000 / w->mb_per_s;
	if (at <= clock_mono_ns())
		return (true);
	*wait_ms = 1 + (int)((at - clock_mono_ns()) / 1000000);
	return (false);
}

static int
issue_due(struct writer *w, struct slot *slots)
{
	int wait_ms = 100;

	for (unsigned i = 0; i < DEPTH; i++) {
		if (w->used[i])
			continue;
		if (atomic_load(&w->sh->stop) || !due(w, &wait_ms))
			break;
		freshen(w->buf[i], BIG_BYTES);
		if (iscsi_write16_task(w->l.ctx, w->l.lun,
		    w->pos % (SPAN_BYTES / BIG_BYTES) * (BIG_BYTES / SECTOR),
		    w->buf[i], BIG_BYTES, SECTOR, 0, 0, 0, 0, 0, big_written,
		    &slots[i]) == NULL)
			die("A", iscsi_get_error(w->l.ctx));
		w->used[i] = true;
		w->in_flight++;
		w->pos++;
	}
	return (wait_ms);
}

static void
write_a(const char *url, uint64_t mb_per_s, struct shared *sh)
{
	struct writer w = { .sh = sh, .mb_per_s = mb_per_s };
	struct slot slots[DEPTH];

	login(&w.l, url, "iqn.2026-01.example:bench-a");
	for (unsigned i = 0; i < DEPTH; i++) {
		w.buf[i] = random_buf(BIG_BYTES);
		slots[i] = (struct slot){ &w, i };
	}
	w.begun_ns = clock_mono_ns();
	while (!atomic_load(&sh->stop) || w.in_flight > 0) {
		int ms = issue_due(&w, slots);
		struct pollfd p = { .fd = iscsi_get_fd(w.l.ctx),
		    .events = (short)iscsi_which_events(w.l.ctx) };

		if (poll(&p, 1, ms) < 0)
			die("A", strerror(errno));
		if (iscsi_service(w.l.ctx, p.revents) != 0)
			die("A", iscsi_get_error(w.l.ctx));
	}
	(void)iscsi_destroy_context(w.l.ctx);
}

/* ---- the flusher of B ------------------------------------------------- */

static void
check(struct scsi_task *t, const struct lun *l)
{

	if (t == NULL || t->status != SCSI_STATUS_GOOD)
		die("B", iscsi_get_error(l->ctx));
	scsi_free_scsi_task(t);
}

/* Writes, flushes; how long the flush took. */
static double
flush_once(const struct lun *l, uint8_t *buf)
{
	uint64_t begun;

	freshen(buf, SMALL_BYTES);
	check(iscsi_write16_sync(l->ctx, l->lun,
	    next() % (SPAN_BYTES / SMALL_BYTES) * (SMALL_BYTES / SECTOR),
	    buf, SMALL_BYTES, SECTOR, 0, 0, 0, 0, 0), l);
	begun = clock_mono_ns();
	check(iscsi_synchronizecache16_sync(l->ctx, l->lun, 0, 0, 0, 0), l);
	return ((double)(clock_mono_ns() - begun) / 1e6);
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x < y ? -1 : x > y);
}

static double
at(const double *v, size_t n, double share)
{
	size_t i = (size_t)((double)n * share);

	return (v[i < n ? i : n - 1]);
}

static void
flush_b(const struct lun *l, uint64_t seconds, struct shared *sh)
{
	double *ms = malloc(SAMPLES_MAX * sizeof(*ms));
	uint8_t *buf = random_buf(SMALL_BYTES);
	uint64_t begun, a = atomic_load(&sh->written);
	double s;
	size_t n = 0;

	if (ms == NULL)
		die("memory", strerror(errno));
	begun = clock_mono_ns();
	while (n < SAMPLES_MAX &&
	    clock_mono_ns() - begun < seconds * 1000000000) {
		ms[n++] = flush_once(l, buf);
		(void)usleep(REST_US);
	}
	s = (double)(clock_mono_ns() - begun) / 1e9;
	a = atomic_load(&sh->written) - a;
	qsort(ms, n, sizeof(*ms), by_value);
	(void)printf("A written at %.0f MB/s; %zu flushes of B, ms: median "
	    "%.2f  p90 %.2f  p99 %.2f  p99.9 %.2f  worst %.2f\n",
	    (double)a * BIG_BYTES / 1e6 / s, n, at(ms, n, 0.5), at(ms, n, 0.9),
	    at(ms, n, 0.99), at(ms, n, 0.999), ms[n - 1]);
	free(ms);
	free(buf);
}

int
main(int argc, char **argv)
{
	uint64_t seconds = 10, mb_per_s = 800;
	struct shared *sh;
	struct lun b;
	pid_t pid;
	int c, st = 0;

	while ((c = getopt(argc, argv, "s:m:")) != -1) {
		if (c == 's')
			seconds = strtoull(optarg, NULL, 10);
		else if (c == 'm')
			mb_per_s = strtoull(optarg, NULL, 10);
		else
			return (2);
	}
	if (argc - optind != 2)
		die("usage", "bench_flush [-s SECONDS] [-m MB_PER_S] A B");
	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sh == MAP_FAILED || (pid = fork()) < 0)
		die("start", strerror(errno));
	if (pid == 0) {
		write_a(argv[optind], mb_per_s, sh);
		return (0);
	}
	login(&b, argv[optind + 1], "iqn.2026-01.example:bench-b");
	/* Until A has gone round once: its memory is warm, files are there. */
	while (mb_per_s > 0 &&
	    atomic_load(&sh->written) < SPAN_BYTES / BIG_BYTES &&
	    waitpid(pid, &st, WNOHANG) == 0)
		(void)usleep(10000);
	flush_b(&b, seconds, sh);
	atomic_store(&sh->stop, true);
	(void)waitpid(pid, &st, 0);
	(void)iscsi_destroy_context(b.ctx);
	return (WIFEXITED(st) && WEXITSTATUS(st) == 0 ? 0 : 1);
}
