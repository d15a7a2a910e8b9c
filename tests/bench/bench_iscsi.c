/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_iscsi.c - speed of iSCSI targets against each other, in one run.
 *
 *	bench_iscsi [-r ROUNDS] [-s SECONDS] [-j JOBS] NAME=URL=PID ...
 *
 * An asynchronous libiscsi client.  It first writes the whole span once (so
 * that memory, files and maps of every target exist), then does each job on
 * one target after the other, ROUNDS times in turn, so that the noise of the
 * machine meets all of them.  Data is unique and incompressible.  Prints the
 * median of the rounds, the ratio to the last target named, and the CPU time
 * of the target for one I/O (from /proc/PID/stat).  JOBS are the numbers of
 * those to do, counted from 1, as in "34"; all of them as a rule.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* libiscsi's headers need the types above and include nothing. */
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

#include "meta/base/clock.h"
#include "tests/bench/common.h"

#define SPAN_BYTES	(UINT64_C(1) << 30)
#define TARGETS_MAX	4
#define ROUNDS_MAX	15
#define DEPTH_MAX	32

struct job {
	const char *name;
	bool write, random;
	uint32_t bytes;
	unsigned depth;
};

static const struct job jobs[] = {
	{ "4 KiB random write, depth 32", true, true, 4096, 32 },
	{ "4 KiB random read, depth 32", false, true, 4096, 32 },
	{ "1 MiB sequential write, depth 8", true, false, 1u << 20, 8 },
	{ "1 MiB sequential read, depth 8", false, false, 1u << 20, 8 },
	{ "4 KiB random write, depth 1", true, true, 4096, 1 },
	{ "4 KiB random read, depth 1", false, true, 4096, 1 },
};
#define JOBS (sizeof(jobs) / sizeof(jobs[0]))

struct target {
	char name[64];
	const char *url;
	long pid;
	struct bench_lun l;
	double iops[JOBS][ROUNDS_MAX], cpu_us[JOBS][ROUNDS_MAX];
};

/* One job on one target. */
struct run {
	struct target *t;
	const struct job *j;
	uint64_t end_ns, done, pos, limit;
	unsigned in_flight;
	uint8_t *buf[DEPTH_MAX];
	struct slot {
		struct run *r;
		unsigned no;
		struct scsi_iovec iov;
	} slot[DEPTH_MAX];
};

/* CPU time of a process so far, in microseconds. */
static double
cpu_us(long pid)
{
	char path[64], line[1024], *p;
	unsigned long user, sys;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	if ((f = fopen(path, "r")) == NULL)
		bench_die(path, strerror(errno));
	p = fgets(line, sizeof(line), f);
	(void)fclose(f);
	if (p == NULL || (p = strrchr(line, ')')) == NULL || sscanf(p + 2,
	    "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
	    &sys) != 2)
		bench_die(path, "cannot be read");
	return ((double)(user + sys) * 1e6 / (double)sysconf(_SC_CLK_TCK));
}

static void issue(struct slot *s);

static void
completed(struct iscsi_context *ctx, int status, void *data, void *arg)
{
	struct slot *s = arg;
	struct run *r = s->r;

	scsi_free_scsi_task(data);
	if (status != SCSI_STATUS_GOOD)
		bench_die(r->t->name, iscsi_get_error(ctx));
	r->done++;
	r->in_flight--;
	if (clock_mono_ns() < r->end_ns && r->done + r->in_flight < r->limit)
		issue(s);
}

static void
issue(struct slot *s)
{
	struct run *r = s->r;
	uint32_t bytes = r->j->bytes;
	uint64_t n = SPAN_BYTES / bytes;
	uint64_t lba = (r->j->random ? bench_next() % n : r->pos++ % n) *
	    (bytes / SECTOR);
	struct scsi_task *task;

	if (r->j->write) {
		bench_freshen(r->buf[s->no], bytes);
		task = iscsi_write16_task(r->t->l.ctx, r->t->l.lun, lba,
		    r->buf[s->no], bytes, (int)SECTOR, 0, 0, 0, 0, 0,
		    completed, s);
	} else {
		task = iscsi_read16_task(r->t->l.ctx, r->t->l.lun, lba, bytes,
		    (int)SECTOR, 0, 0, 0, 0, 0, completed, s);
		s->iov.iov_base = r->buf[s->no];
		s->iov.iov_len = bytes;
		if (task != NULL)
			scsi_task_set_iov_in(task, &s->iov, 1);
	}
	if (task == NULL)
		bench_die(r->t->name, iscsi_get_error(r->t->l.ctx));
	r->in_flight++;
}

static void
serve(struct run *r)
{

	while (r->in_flight > 0) {
		struct pollfd p = { .fd = iscsi_get_fd(r->t->l.ctx),
		    .events = (short)iscsi_which_events(r->t->l.ctx) };

		if (poll(&p, 1, 10000) <= 0)
			bench_die(r->t->name, "no answer for 10 s");
		if (iscsi_service(r->t->l.ctx, p.revents) != 0)
			bench_die(r->t->name, iscsi_get_error(r->t->l.ctx));
	}
}

/* At most ${ms} and ${limit} I/Os; how many, and how long. */
static uint64_t
run_job(struct target *t, const struct job *j, uint64_t ms, uint64_t limit,
    double *seconds)
{
	static uint8_t *pool[DEPTH_MAX];
	struct run r = { .t = t, .j = j, .limit = limit };
	uint64_t begun = clock_mono_ns();

	r.end_ns = begun + ms * 1000000;
	for (unsigned i = 0; i < j->depth; i++) {
		if (pool[i] == NULL)
			pool[i] = bench_buf(1u << 20);
		r.buf[i] = pool[i];
		r.slot[i] = (struct slot){ .r = &r, .no = i };
		issue(&r.slot[i]);
	}
	serve(&r);
	*seconds = (double)(clock_mono_ns() - begun) / 1e9;
	return (r.done);
}

static void
login(struct target *t, char *spec)
{
	char *url = strchr(spec, '='), *pid;

	if (url == NULL || (pid = strrchr(spec, '=')) == url)
		bench_die(spec, "want NAME=URL=PID");
	*url++ = *pid++ = '\0';
	(void)snprintf(t->name, sizeof(t->name), "%s", spec);
	t->url = url;
	t->pid = strtol(pid, NULL, 10);
	bench_login(&t->l, url, "iqn.2026-01.example:bench");
}

static double
median(double *v, unsigned n)
{

	bench_sort(v, n);
	return (n % 2 != 0 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2);
}

static void
print_job(struct target *t, unsigned n, size_t k, unsigned rounds)
{
	double base = median(t[n - 1].iops[k], rounds);

	(void)printf("%s\n", jobs[k].name);
	for (unsigned i = 0; i < n; i++) {
		double m = median(t[i].iops[k], rounds);

		(void)printf("  %-10s %9.0f IO/s %8.1f MiB/s  x%.2f  "
		    "%7.1f us CPU/IO  (%.0f..%.0f)\n", t[i].name, m,
		    m * jobs[k].bytes / 1048576, m / base,
		    median(t[i].cpu_us[k], rounds), t[i].iops[k][0],
		    t[i].iops[k][rounds - 1]);
	}
}

int
main(int argc, char **argv)
{
	static const struct job fill = { "fill", true, false, 1u << 20, 8 };
	static struct target t[TARGETS_MAX];
	unsigned rounds = 5, n = 0;
	const char *only = "123456";
	uint64_t ms = 2000;
	double s;
	int c;

	while ((c = getopt(argc, argv, "r:s:j:")) != -1) {
		if (c == 'r')
			rounds = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 's')
			ms = strtoull(optarg, NULL, 10) * 1000;
		else if (c == 'j')
			only = optarg;
		else
			return (2);
	}
	if (rounds == 0 || rounds > ROUNDS_MAX || optind == argc)
		bench_die("usage", "bench_iscsi [-r ROUNDS] [-s SECONDS] "
		    "[-j JOBS] NAME=URL=PID ...");
	for (; optind < argc && n < TARGETS_MAX; optind++)
		login(&t[n++], argv[optind]);
	for (unsigned pass = 0; pass < 2; pass++)
		for (unsigned i = 0; i < n; i++)
			(void)run_job(&t[i], &fill, 600000,
			    SPAN_BYTES >> 20, &s);
	for (size_t k = 0; k < JOBS; k++) {
		if (strchr(only, '1' + (int)k) == NULL)
			continue;
		for (unsigned r = 0; r < rounds; r++) {
			for (unsigned i = 0; i < n; i++) {
				double cpu = cpu_us(t[i].pid);
				uint64_t done = run_job(&t[i], &jobs[k], ms,
				    UINT64_MAX, &s);

				t[i].iops[k][r] = (double)done / s;
				t[i].cpu_us[k][r] = (cpu_us(t[i].pid) - cpu) /
				    (double)done;
			}
		}
		print_job(t, n, k, rounds);
		(void)fflush(stdout);
	}
	for (unsigned i = 0; i < n; i++)
		(void)iscsi_destroy_context(t[i].l.ctx);
	return (0);
}
