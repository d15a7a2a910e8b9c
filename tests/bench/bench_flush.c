/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_flush.c - how long a flush takes on one LUN while another is written.
 *
 *	bench_flush [-s SECONDS] [-m MB_PER_S] [-d DIR [-l MS]] URL_A URL_B
 *
 * One process writes 1 MiB pieces to A in order, depth 8, at a pace of so many
 * megabytes a second (800; 0: none; what the machine cannot do it does as fast
 * as it can).  Another one writes 4 KiB to B at random, with one SYNCHRONIZE
 * CACHE behind it, one after the other, with a rest of 0 to 20 ms, and prints how
 * long the flushes took.
 *
 * With a folder the same is done to plain files in it first (disk.h): what the
 * disk itself can do now.  With a limit it fails when one flush of a hundred
 * takes longer than that and longer than 1.5 times what the disk alone took.
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
#include "tests/bench/common.h"
#include "tests/bench/disk.h"

#define SPAN_BYTES	(UINT64_C(1) << 30)
#define BIG_BYTES	(1u << 20)
#define DEPTH		8u
/* A is written over so many times before the first flush. */
#define WARM_PIECES	(4 * SPAN_BYTES / BIG_BYTES)
#define BEHIND_NS	UINT64_C(100000000)
#define DISK_SHARE	1.5

/* What the two processes share. */
struct shared {
	_Atomic bool stop;
	_Atomic uint64_t written;	/* pieces of A */
};

struct writer {
	struct bench_lun l;
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

/* ---- the writer of A -------------------------------------------------- */

static void
big_written(struct iscsi_context *ctx, int status, void *data, void *arg)
{
	struct slot *s = arg;

	scsi_free_scsi_task(data);
	if (status != SCSI_STATUS_GOOD)
		bench_die("A", iscsi_get_error(ctx));
	s->w->used[s->no] = false;
	s->w->in_flight--;
	(void)atomic_fetch_add(&s->w->sh->written, 1);
}

/* Is the next piece due? */
static bool
due(struct writer *w, int *wait_ms)
{
	uint64_t at;

	*wait_ms = 100;
	if (w->mb_per_s == 0)
		return (false);
	at = w->begun_ns + w->pos * BIG_BYTES * 1000 / w->mb_per_s;
	/* What was missed by far is not made up for: a pace, not an average. */
	if (clock_mono_ns() > at + BEHIND_NS)
		w->begun_ns += clock_mono_ns() - at - BEHIND_NS;
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
		bench_freshen(w->buf[i], BIG_BYTES);
		if (iscsi_write16_task(w->l.ctx, w->l.lun,
		    w->pos % (SPAN_BYTES / BIG_BYTES) * (BIG_BYTES / SECTOR),
		    w->buf[i], BIG_BYTES, SECTOR, 0, 0, 0, 0, 0, big_written,
		    &slots[i]) == NULL)
			bench_die("A", iscsi_get_error(w->l.ctx));
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

	bench_login(&w.l, url, "iqn.2026-01.example:bench-a");
	for (unsigned i = 0; i < DEPTH; i++) {
		w.buf[i] = bench_buf(BIG_BYTES);
		slots[i] = (struct slot){ &w, i };
	}
	w.begun_ns = clock_mono_ns();
	while (!atomic_load(&sh->stop) || w.in_flight > 0) {
		int ms = issue_due(&w, slots);
		struct pollfd p = { .fd = iscsi_get_fd(w.l.ctx),
		    .events = (short)iscsi_which_events(w.l.ctx) };

		if (poll(&p, 1, ms) < 0)
			bench_die("A", strerror(errno));
		if (iscsi_service(w.l.ctx, p.revents) != 0)
			bench_die("A", iscsi_get_error(w.l.ctx));
	}
	(void)iscsi_destroy_context(w.l.ctx);
}

/* ---- the flusher of B ------------------------------------------------- */

static void
check(struct scsi_task *t, const struct bench_lun *l)
{

	if (t == NULL || t->status != SCSI_STATUS_GOOD)
		bench_die("B", iscsi_get_error(l->ctx));
	scsi_free_scsi_task(t);
}

/* Writes, flushes; how long the flush took. */
static double
flush_once(const struct bench_lun *l, uint8_t *buf)
{
	uint64_t begun;

	bench_freshen(buf, BLOCK_BYTES);
	check(iscsi_write16_sync(l->ctx, l->lun,
	    bench_next() % (SPAN_BYTES / BLOCK_BYTES) * (BLOCK_BYTES / SECTOR),
	    buf, BLOCK_BYTES, SECTOR, 0, 0, 0, 0, 0), l);
	begun = clock_mono_ns();
	check(iscsi_synchronizecache16_sync(l->ctx, l->lun, 0, 0, 0, 0), l);
	return ((double)(clock_mono_ns() - begun) / 1e6);
}

static void
flush_b(const struct bench_lun *l, uint64_t seconds, struct shared *sh,
    struct flushes *f)
{
	uint8_t *buf = bench_buf(BLOCK_BYTES);
	uint64_t begun, a = atomic_load(&sh->written);

	begun = clock_mono_ns();
	while (clock_mono_ns() - begun < seconds * 1000000000) {
		flushes_add(f, flush_once(l, buf));
		(void)usleep((unsigned)(bench_next() % REST_MAX_US));
	}
	a = atomic_load(&sh->written) - a;
	flushes_end(f, (double)a * BIG_BYTES / 1e6,
	    (double)(clock_mono_ns() - begun) / 1e9);
	free(buf);
}

static void
target_flushes(char *const urls[static 2], uint64_t seconds, uint64_t mb_per_s,
    struct flushes *f)
{
	struct shared *sh;
	struct bench_lun b;
	pid_t pid;
	int st = 0;

	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sh == MAP_FAILED || (pid = fork()) < 0)
		bench_die("start", strerror(errno));
	if (pid == 0) {
		write_a(urls[0], mb_per_s, sh);
		_exit(0);
	}
	bench_login(&b, urls[1], "iqn.2026-01.example:bench-b");
	/* Memory is warm then, and reclaim gives files back to write to. */
	while (mb_per_s > 0 && atomic_load(&sh->written) < WARM_PIECES &&
	    waitpid(pid, &st, WNOHANG) == 0)
		(void)usleep(10000);
	flush_b(&b, seconds, sh, f);
	atomic_store(&sh->stop, true);
	if (waitpid(pid, &st, 0) != pid || !WIFEXITED(st) ||
	    WEXITSTATUS(st) != 0)
		bench_die("A", "the writer failed");
	(void)iscsi_destroy_context(b.ctx);
}

int
main(int argc, char **argv)
{
	uint64_t seconds = 10, mb_per_s = 800;
	struct flushes f = { 0 }, disk = { 0 };
	const char *dir = NULL;
	double limit_ms = 0, p99, ratio = 0;
	int c;

	while ((c = getopt(argc, argv, "s:m:d:l:")) != -1) {
		if (c == 's')
			seconds = strtoull(optarg, NULL, 10);
		else if (c == 'm')
			mb_per_s = strtoull(optarg, NULL, 10);
		else if (c == 'd')
			dir = optarg;
		else if (c == 'l')
			limit_ms = strtod(optarg, NULL);
		else
			return (2);
	}
	if (argc - optind != 2 || seconds == 0 || (limit_ms > 0 && !dir))
		bench_die("usage", "bench_flush [-s SECONDS] [-m MB_PER_S] "
		    "[-d DIR [-l MS]] URL_A URL_B");
	if (dir != NULL) {
		disk_flushes(dir, seconds, mb_per_s, &disk);
		flushes_print("plain files", &disk);
	}
	target_flushes(argv + optind, seconds, mb_per_s, &f);
	flushes_print("target", &f);
	p99 = bench_at(f.ms, f.n, 0.99);
	if (dir != NULL) {
		ratio = p99 / bench_at(disk.ms, disk.n, 0.99);
		(void)printf("times that of plain files: p90 %.2f  p99 %.2f\n",
		    bench_at(f.ms, f.n, 0.9) / bench_at(disk.ms, disk.n, 0.9),
		    ratio);
	}
	free(f.ms);
	free(disk.ms);
	return (limit_ms > 0 && p99 > limit_ms && ratio > DISK_SHARE ? 1 : 0);
}
