/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * disk.c - a disk that fails while the daemon runs: preloaded into ttd, and
 * told by files in the folder TT_FAULT_DIR.
 *
 *	eio-read	an inode number: reading that file fails with EIO
 *	eio-sync	syncing anything fails with EIO
 *
 * Reads through io_uring cannot be caught here.  So the file behind the
 * descriptor is exchanged for one that really fails: /proc/self/mem, of which
 * the kernel answers EIO for an address where nothing is.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* The number in a file of that name; 0: none, or no such file. */
static unsigned long
told(const char *name)
{
	const char *dir = getenv("TT_FAULT_DIR");
	char path[PATH_MAX], text[32] = "";
	int fd;

	if (dir == NULL)
		return (0);
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return (0);
	(void)!syscall(SYS_read, fd, text, sizeof(text) - 1);
	(void)close(fd);
	return (strtoul(text, NULL, 10));
}

static void
spoil(int fd)
{
	unsigned long inode = told("eio-read");
	struct stat st;
	int mem;

	if (inode == 0 || fstat(fd, &st) != 0 || st.st_ino != inode)
		return;
	mem = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/mem",
	    O_RDONLY | O_CLOEXEC);
	if (mem >= 0) {
		(void)dup3(mem, fd, O_CLOEXEC);
		(void)close(mem);
	}
}

EXPORT ssize_t
preadv2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{

	spoil(fd);
	return (syscall(SYS_preadv2, fd, iov, n, off, 0L, flags));
}

EXPORT int
fdatasync(int fd)
{

	if (told("eio-sync") != 0) {
		errno = EIO;
		return (-1);
	}
	return ((int)syscall(SYS_fdatasync, fd));
}

EXPORT int
fsync(int fd)
{

	if (told("eio-sync") != 0) {
		errno = EIO;
		return (-1);
	}
	return ((int)syscall(SYS_fsync, fd));
}
