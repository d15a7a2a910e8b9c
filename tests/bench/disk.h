/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * disk.h - how long flushes take, and what plain files of this disk give.
 */
#ifndef BENCH_DISK_H
#define BENCH_DISK_H

#include <stddef.h>
#include <stdint.h>

/*
 * Between two flushes, at most and at random: who flushes at once again finds
 * little to write out, and who comes later what was left to him.
 */
#define REST_MAX_US	20000u

struct flushes {
	double *ms;	/* of each; sorted by flushes_end; free() */
	size_t n, room;
	double mb_per_s;	/* what was written beside them */
};

void flushes_add(struct flushes *f, double ms);
/* ${mb} megabytes were written beside them in ${seconds}. */
void flushes_end(struct flushes *f, double mb, double seconds);
void flushes_print(const char *what, const struct flushes *f);

/*
 * The least that a log could do: one thread writes 1 MiB pieces in order to
 * files of 64 MiB of which every block was written before, and begins to
 * write each out; another one writes 4 KiB to the file that is being written,
 * with fdatasync behind it.  Makes its files in ${dir} and removes them.
 */
void disk_flushes(const char *dir, uint64_t seconds, uint64_t mb_per_s,
    struct flushes *out);

#endif
