/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/fsutil.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta/base/check.h"

#define FILL_CHUNK_BYTES (64u << 10)
/* What is freed at a time: about a millisecond. */
#define FREE_PIECE_BYTES (UINT64_C(4) << 20)

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

void
fsutil_shrink(int fd)
{
	struct stat st;
	uint64_t left;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink != 0)
		return;
	left = (uint64_t)st.st_size;
	while (left > 0) {
		left = left > FREE_PIECE_BYTES ? left - FREE_PIECE_BYTES : 0;
		if (ftruncate(fd, (off_t)left) != 0)
			return;	/* the close does it */
	}
}

int
fsutil_punch(int fd, uint64_t off_bytes, uint64_t len_bytes)
{

	while (len_bytes > 0) {
		uint64_t n = TT_MIN(len_bytes, FREE_PIECE_BYTES);

		if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		    (off_t)off_bytes, (off_t)n) != 0) {
			if (errno == EINTR)
				continue;
			return (-errno);
		}
		off_bytes += n;
		len_bytes -= n;
	}
	return (0);
}
