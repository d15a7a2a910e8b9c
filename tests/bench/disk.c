/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bench/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "meta/base/clock.h"
#include "meta/base/vec.h"
#include "tests/bench/common.h"

#define FILES		16u
#define PIECE_BYTES	(1u << 20)
#define PIECES		64u	/* of a file */

struct disk {
	int fd[FILES];
	uint64_t mb_per_s;
	_Atomic uint64_t pos;	/* pieces written */
	_Atomic bool stop;
};

void
flushes_add(struct flushes *f, double ms)
{
	double *v = vec_room(f->ms, &f->room, f->n, sizeof(*v));

	if (v == NULL)
		bench_die("memory", strerror(ENOMEM));
	f->ms = v;
	f->ms[f->n++] = ms;
}

void
flushes_end(struct flushes *f, double mb, double seconds)
{

	if (f->n == 0)
		bench_die("flushes", "there was not one");
	bench_sort(f->ms, f->n);
	f->mb_per_s = mb / seconds;
}

void
flushes_print(const char *what, const struct flushes *f)
{

	(void)printf("%-12s %4.0f MB/s written; %zu flushes beside it, ms: "
	    "median %.2f  p90 %.2f  p99 %.2f  p99.9 %.2f  worst %.2f\n", what,
	    f->mb_per_s, f->n, bench_at(f->ms, f->n, 0.5),
	    bench_at(f->ms, f->n, 0.9), bench_at(f->ms, f->n, 0.99),
	    bench_at(f->ms, f->n, 0.999), f->ms[f->n - 1]);
	(void)fflush(stdout);
}

static void
put(int fd, const uint8_t *buf, size_t len, uint64_t off_bytes)
{

	if (pwrite(fd, buf, len, (off_t)off_bytes) != (ssize_t)len)
		bench_die("write", strerror(errno));
}

static void
make_file(struct disk *d, unsigned i, const char *dir, const uint8_t *buf)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/bench-disk-%u", dir, i);
	d->fd[i] = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (d->fd[i] < 0)
		bench_die(path, strerror(errno));
	(void)unlink(path);
	for (unsigned k = 0; k < PIECES; k++)
		put(d->fd[i], buf, PIECE_BYTES, (uint64_t)k * PIECE_BYTES);
	if (fsync(d->fd[i]) != 0)
		bench_die(path, strerror(errno));
}

static int
file_at(const struct disk *d, uint64_t pos)
{

	return (d->fd[pos / PIECES % FILES]);
}

static void *
write_pieces(void *arg)
{
	struct disk *d = arg;
	uint8_t *buf = bench_buf(PIECE_BYTES);
	uint64_t begun = clock_mono_ns();

	while (!atomic_load(&d->stop)) {
		uint64_t pos = atomic_load(&d->pos), now = clock_mono_ns();
		uint64_t at = begun + pos * PIECE_BYTES * 1000 / d->mb_per_s;
		uint64_t off = pos % PIECES * PIECE_BYTES;

		if (at > now)
			(void)usleep((unsigned)((at - now) / 1000) + 1);
		put(file_at(d, pos), buf, PIECE_BYTES, off);
		(void)sync_file_range(file_at(d, pos), (off_t)off, PIECE_BYTES,
		    SYNC_FILE_RANGE_WRITE);
		atomic_store(&d->pos, pos + 1);
	}
	free(buf);
	return (NULL);
}

static void
flush_disk(struct disk *d, uint64_t seconds, struct flushes *out)
{
	uint8_t *buf = bench_buf(BLOCK_BYTES);
	uint64_t begun = clock_mono_ns(), from = atomic_load(&d->pos);

	while (clock_mono_ns() - begun < seconds * 1000000000) {
		int fd = file_at(d, atomic_load(&d->pos));
		uint64_t t;

		put(fd, buf, BLOCK_BYTES, PIECES * PIECE_BYTES - BLOCK_BYTES);
		t = clock_mono_ns();
		if (fdatasync(fd) != 0)
			bench_die("fdatasync", strerror(errno));
		flushes_add(out, (double)(clock_mono_ns() - t) / 1e6);
		(void)usleep((unsigned)(bench_next() % REST_MAX_US));
	}
	flushes_end(out, (double)(atomic_load(&d->pos) - from) * PIECE_BYTES /
	    1e6, (double)(clock_mono_ns() - begun) / 1e9);
	free(buf);
}

void
disk_flushes(const char *dir, uint64_t seconds, uint64_t mb_per_s,
    struct flushes *out)
{
	struct disk d = { .mb_per_s = mb_per_s };
	uint8_t *buf = bench_buf(PIECE_BYTES);
	pthread_t t;

	for (unsigned i = 0; i < FILES; i++)
		make_file(&d, i, dir, buf);
	if (mb_per_s > 0 && pthread_create(&t, NULL, write_pieces, &d) != 0)
		bench_die("thread", "cannot be started");
	flush_disk(&d, seconds, out);
	atomic_store(&d.stop, true);
	if (mb_per_s > 0)
		(void)pthread_join(t, NULL);
	for (unsigned i = 0; i < FILES; i++)
		(void)close(d.fd[i]);
	free(buf);
}
