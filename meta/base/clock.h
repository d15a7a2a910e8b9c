/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clock.h - time of day and elapsed time.  Threads: any.
 */
#ifndef META_BASE_CLOCK_H
#define META_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Nanoseconds since 1970-01-01T00:00:00Z. */
uint64_t clock_utc_ns(void);

/* A clock that only goes forward; its zero means nothing. */
uint64_t clock_mono_ns(void);
uint64_t clock_mono_ms(void);

/* Bytes that clock_rfc3339 needs, with the terminating zero. */
#define CLOCK_RFC3339_LEN 32

/* ${ns} since 1970 as "2026-01-31T23:59:59.123456789Z" (RFC 3339, UTC). */
const char *clock_rfc3339(char dst[static CLOCK_RFC3339_LEN], uint64_t ns);

#endif /* !META_BASE_CLOCK_H */
