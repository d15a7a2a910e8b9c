/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/base/size.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char units[] = "KMGTP";

int
size_parse(const char *text, uint64_t *out_bytes)
{
	const char *p = text, *u;
	uint64_t v = 0;
	unsigned shift = 0;

	if (*p < '0' || *p > '9')
		return (-EINVAL);
	for (; *p >= '0' && *p <= '9'; p++) {
		if (v > (UINT64_MAX - 9) / 10)
			return (-ERANGE);
		v = v * 10 + (uint64_t)(*p - '0');
	}
	if (*p != '\0') {
		char c = (char)(*p & ~0x20);

		if ((u = strchr(units, c)) == NULL || c == '\0')
			return (-EINVAL);
		shift = 10u * (unsigned)(u - units + 1);
		p++;
		if (*p != '\0' && strcasecmp(p, "iB") != 0 &&
		    strcasecmp(p, "B") != 0)
			return (-EINVAL);
	}
	if (v > (uint64_t)INT64_MAX >> shift)
		return (-ERANGE);
	*out_bytes = v << shift;
	return (0);
}

const char *
size_format(char dst[static SIZE_TEXT_LEN], uint64_t bytes)
{
	unsigned u = 0;

	while (u < 5 && bytes != 0 && (bytes & 1023) == 0) {
		bytes >>= 10;
		u++;
	}
	(void)snprintf(dst, SIZE_TEXT_LEN, u == 0 ? "%llu" : "%llu%c",
	    (unsigned long long)bytes, u == 0 ? '\0' : units[u - 1]);
	return (dst);
}

const char *
size_human(char dst[static SIZE_TEXT_LEN], uint64_t bytes)
{
	double v = (double)bytes;
	unsigned u = 0;

	while (u < 5 && v >= 1024) {
		v /= 1024;
		u++;
	}
	if (u == 0)
		(void)snprintf(dst, SIZE_TEXT_LEN, "%llu",
		    (unsigned long long)bytes);
	else
		(void)snprintf(dst, SIZE_TEXT_LEN, v < 10 ? "%.1f%c" : "%.0f%c",
		    v, units[u - 1]);
	return (dst);
}
