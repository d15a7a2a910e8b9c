/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nthcall.h - the n-th system call that changes the disk fails, for the
 * programs that include this (once).  Calls are counted while armed, those of
 * all threads and of LMDB as well.
 */
#ifndef TESTS_UNIT_META_NTHCALL_H
#define TESTS_UNIT_META_NTHCALL_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define NTH_EXPORT __attribute__((visibility("default")))

static struct {
	_Atomic bool armed;
	_Atomic bool sticky;		/* from the n-th on all of them */
	_Atomic int err;
	_Atomic unsigned at;		/* 1, 2, ... */
	_Atomic unsigned calls;		/* since armed */
	_Atomic unsigned failed;
	_Atomic unsigned long sync_ino;	/* this file cannot be synced */
} nth;

static inline void
nth_arm(unsigned at, int err, bool sticky)
{

	nth.at = at;
	nth.err = err;
	nth.sticky = sticky;
	nth.calls = nth.failed = 0;
	nth.armed = true;
}

static inline void
nth_disarm(void)
{

	nth.armed = false;
}

static inline bool
nth_fails(void)
{
	unsigned k;

	if (!nth.armed)
		return (false);
	k = atomic_fetch_add(&nth.calls, 1) + 1;
	if (k != nth.at && !(nth.sticky && k > nth.at))
		return (false);
	atomic_fetch_add(&nth.failed, 1);
	errno = nth.err;
	return (true);
}

NTH_EXPORT ssize_t
write(int fd, const void *buf, size_t n)
{

	/* Messages go to stderr by this call. */
	if (fd > 2 && nth_fails())
		return (-1);
	return (syscall(SYS_write, fd, buf, n));
}

NTH_EXPORT ssize_t
writev(int fd, const struct iovec *iov, int n)
{

	return (fd > 2 && nth_fails() ? -1 : syscall(SYS_writev, fd, iov, n));
}

NTH_EXPORT ssize_t
pwrite(int fd, const void *buf, size_t n, off_t off)
{

	return (nth_fails() ? -1 : syscall(SYS_pwrite64, fd, buf, n, off));
}

NTH_EXPORT ssize_t
pwrite64(int fd, const void *buf, size_t n, off_t off)
{

	return (nth_fails() ? -1 : syscall(SYS_pwrite64, fd, buf, n, off));
}

NTH_EXPORT ssize_t
pwritev(int fd, const struct iovec *iov, int n, off_t off)
{

	return (nth_fails() ? -1 :
	    syscall(SYS_pwritev, fd, iov, n, off, 0L));
}

NTH_EXPORT ssize_t
pwritev64(int fd, const struct iovec *iov, int n, off_t off)
{

	return (nth_fails() ? -1 :
	    syscall(SYS_pwritev, fd, iov, n, off, 0L));
}

NTH_EXPORT int
fdatasync(int fd)
{
	struct stat st;

	if (nth.sync_ino != 0 && fstat(fd, &st) == 0 &&
	    st.st_ino == nth.sync_ino) {
		errno = EIO;
		return (-1);
	}
	return (nth_fails() ? -1 : (int)syscall(SYS_fdatasync, fd));
}

NTH_EXPORT int
fsync(int fd)
{

	return (nth_fails() ? -1 : (int)syscall(SYS_fsync, fd));
}

NTH_EXPORT int
fallocate(int fd, int mode, off_t off, off_t len)
{

	return (nth_fails() ? -1 :
	    (int)syscall(SYS_fallocate, fd, mode, off, len));
}

NTH_EXPORT int
ftruncate(int fd, off_t len)
{

	return (nth_fails() ? -1 : (int)syscall(SYS_ftruncate, fd, len));
}

NTH_EXPORT int
unlinkat(int dir, const char *name, int flags)
{

	return (nth_fails() ? -1 :
	    (int)syscall(SYS_unlinkat, dir, name, flags));
}

NTH_EXPORT int
openat(int dir, const char *name, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if ((flags & O_CREAT) != 0)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	if (nth_fails())
		return (-1);
	return ((int)syscall(SYS_openat, dir, name, flags, mode));
}

#endif /* !TESTS_UNIT_META_NTHCALL_H */
