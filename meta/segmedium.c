/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/segmedium.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/rec.h"

/* What every file system and disk is content with for O_DIRECT. */
#define ALIGN	4096u

/*
 * The same file, opened a second time: the flag belongs to an opening, and the
 * segment's own must stay as it is.
 */
static int
open_direct(const struct seg *s)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", seg_fd(s));
	return (open(name, O_RDONLY | O_DIRECT | O_CLOEXEC));
}

/* Bytes read, or -errno. */
static ssize_t
read_all(int fd, uint8_t *p, size_t len, uint64_t off)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, p + done, len - done,
		    (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return (-errno);
		if (n == 0)
			break;
		done += (size_t)n;
		/* An end of the file that is not aligned. */
		if (done % ALIGN != 0)
			break;
	}
	return ((ssize_t)done);
}

/* ${len} bytes, and what is around them up to multiples of ${align}. */
static ssize_t
read_aligned(int fd, void *buf, size_t len, uint64_t off_bytes, uint64_t align)
{
	uint64_t from = off_bytes & ~(align - 1);
	uint64_t to = (off_bytes + len + align - 1) & ~(align - 1);
	uint8_t *bounce = aligned_alloc(ALIGN, (size_t)(to - from + ALIGN -
	    1) & ~(size_t)(ALIGN - 1));
	ssize_t n;

	if (bounce == NULL)
		return (-ENOMEM);
	n = read_all(fd, bounce, (size_t)(to - from), from);
	if (n >= 0 && (uint64_t)n >= off_bytes - from + len) {
		memcpy(buf, bounce + (off_bytes - from), len);
		n = 0;
	} else if (n >= 0) {
		n = -ENODATA;
	}
	free(bounce);
	return (n);
}

int
seg_read_medium(struct seg *s, void *buf, size_t len, uint64_t off_bytes)
{
	int fd = open_direct(s);
	ssize_t n;

	if (fd < 0)
		return (seg_read(s, buf, len, off_bytes));
	n = read_aligned(fd, buf, len, off_bytes, ALIGN);
	/* A bad sector beside ours is not ours, where disks have small ones. */
	if (n == -EIO && read_aligned(fd, buf, len, off_bytes,
	    SECTOR_BYTES) == 0)
		n = 0;
	(void)close(fd);
	/* Opened, and refused all the same: some file systems do that. */
	if (n == -EINVAL)
		return (seg_read(s, buf, len, off_bytes));
	return ((int)n);
}
