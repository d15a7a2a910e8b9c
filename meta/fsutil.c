/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/fsutil.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta/base/check.h"

#define FILL_CHUNK_BYTES (64u << 10)

int
fsutil_write(int fd, const void *buf, size_t len, uint64_t off_bytes)
{
	const uint8_t *p = buf;

	while (len > 0) {
		ssize_t n = pwrite(fd, p, len, (off_t)off_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return (-errno);
		if (n == 0)
			return (-EIO);
		p += n;
		len -= (size_t)n;
		off_bytes += (uint64_t)n;
	}
	return (0);
}

int
fsutil_read(int fd, void *buf, size_t len, uint64_t off_bytes)
{
	uint8_t *p = buf;

	while (len > 0) {
		ssize_t n = pread(fd, p, len, (off_t)off_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return (-errno);
		if (n == 0)
			return (-ENODATA);
		p += n;
		len -= (size_t)n;
		off_bytes += (uint64_t)n;
	}
	return (0);
}

int
fsutil_rename_new(int old_dir, const char *old_name, int new_dir,
    const char *new_name)
{

	if (renameat2(old_dir, old_name, new_dir, new_name,
	    RENAME_NOREPLACE) == 0)
		return (0);
	if (errno != EINVAL && errno != ENOSYS)
		return (-errno);
	if (faccessat(new_dir, new_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return (-EEXIST);
	if (errno != ENOENT)
		return (-errno);
	if (renameat(old_dir, old_name, new_dir, new_name) != 0)
		return (-errno);
	return (0);
}

int
fsutil_sync_dir(int dir_fd, const char *name)
{
	int fd, rc = 0;

	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return (-errno);
	if (fsync(fd) != 0)
		rc = -errno;
	(void)close(fd);
	return (rc);
}

int
fsutil_allocate(int fd, uint64_t bytes)
{
	/* Aligned: the file may be open with O_DIRECT. */
	static uint8_t zeroes[FILL_CHUNK_BYTES] __attribute__((aligned(4096)));
	int rc;

	while ((rc = fallocate(fd, 0, 0, (off_t)bytes)) != 0 &&
	    errno == EINTR)
		continue;
	if (rc == 0)
		return (0);
	if (errno != EOPNOTSUPP && errno != ENOSYS)
		return (-errno);
	for (uint64_t off = 0; off < bytes; off += FILL_CHUNK_BYTES) {
		uint64_t n = TT_MIN(bytes - off, (uint64_t)FILL_CHUNK_BYTES);

		if ((rc = fsutil_write(fd, zeroes, (size_t)n, off)) != 0)
			return (rc);
	}
	return (0);
}
