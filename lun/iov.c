/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iov.c - positions in vectors of memory.
 */
#include <string.h>

#include "lun/io_int.h"

/* The element that holds byte ${*pos}, which becomes the offset in it. */
static int
seek(const struct iovec *iov, int n_iov, uint64_t *pos)
{
	int i = 0;

	while (i < n_iov && *pos >= iov[i].iov_len)
		*pos -= iov[i++].iov_len;
	return (i);
}

uint8_t *
iov_at(const struct iovec *iov, int n_iov, uint64_t pos, size_t len)
{
	int i = seek(iov, n_iov, &pos);

	if (i == n_iov || iov[i].iov_len - pos < len)
		return (NULL);
	return ((uint8_t *)iov[i].iov_base + pos);
}

enum copy { COPY_OUT, COPY_IN, COPY_ZERO };

static void
walk(const struct iovec *iov, int n_iov, uint64_t pos, uint8_t *buf,
    size_t len, enum copy how)
{
	int i = seek(iov, n_iov, &pos);

	for (; i < n_iov && len > 0; i++, pos = 0) {
		uint8_t *p = (uint8_t *)iov[i].iov_base + pos;
		size_t n = TT_MIN(len, iov[i].iov_len - pos);

		if (how == COPY_OUT)
			memcpy(buf, p, n);
		else if (how == COPY_IN)
			memcpy(p, buf, n);
		else
			memset(p, 0, n);
		if (buf != NULL)
			buf += n;
		len -= n;
	}
}

void
iov_read(const struct iovec *iov, int n_iov, uint64_t pos, void *dst,
    size_t len)
{

	walk(iov, n_iov, pos, dst, len, COPY_OUT);
}

void
iov_write(const struct iovec *iov, int n_iov, uint64_t pos, const void *src,
    size_t len)
{
	uint8_t *p;

	memcpy(&p, &src, sizeof(p));
	walk(iov, n_iov, pos, p, len, COPY_IN);
}

void
iov_zero(const struct iovec *iov, int n_iov, uint64_t pos, size_t len)
{

	walk(iov, n_iov, pos, NULL, len, COPY_ZERO);
}

uint64_t
iov_total(const struct iovec *iov, int n_iov)
{
	uint64_t sum = 0;

	for (int i = 0; i < n_iov; i++)
		sum += iov[i].iov_len;
	return (sum);
}
