/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/base/clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t
clock_ns(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return ((uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec);
}

uint64_t
clock_utc_ns(void)
{

	return (clock_ns(CLOCK_REALTIME));
}

uint64_t
clock_mono_ns(void)
{

	return (clock_ns(CLOCK_MONOTONIC));
}

uint64_t
clock_mono_ms(void)
{

	return (clock_mono_ns() / 1000000u);
}

const char *
clock_rfc3339(char dst[static CLOCK_RFC3339_LEN], uint64_t ns)
{
	time_t s = (time_t)(ns / 1000000000u);
	struct tm tm;
	size_t n;

	if (gmtime_r(&s, &tm) == NULL ||
	    (n = strftime(dst, CLOCK_RFC3339_LEN, "%Y-%m-%dT%H:%M:%S", &tm)) == 0) {
		dst[0] = '\0';
		return (dst);
	}
	(void)snprintf(dst + n, CLOCK_RFC3339_LEN - n, ".%09uZ",
	    (unsigned)(ns % 1000000000u));
	return (dst);
}
