/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * common.h - what the programs that measure share: data that is never the same
 * twice, a login by libiscsi, and percentiles.  Errors end the program.
 */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECTOR		512u
#define BLOCK_BYTES	4096u

struct iscsi_context;

struct bench_lun {
	struct iscsi_context *ctx;
	int lun;
};

_Noreturn void bench_die(const char *what, const char *why);

uint64_t bench_next(void);
/* Random bytes, so that nothing compresses and nothing is a hole; page aligned. */
uint8_t *bench_buf(size_t len);
/* Eight bytes in each block of the buffer: never the same content twice. */
void bench_freshen(uint8_t *p, size_t len);

/* Logs in and waits until the LUN is ready; iscsi_destroy_context ends it. */
void bench_login(struct bench_lun *l, const char *url, const char *initiator);

void bench_sort(double *v, size_t n);
/* The value below which ${share} of the sorted ones are. */
double bench_at(const double *v, size_t n, double share);

#endif
