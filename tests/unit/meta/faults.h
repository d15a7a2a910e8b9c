/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * faults.h - a disk that refuses, for the programs that include this (once):
 * the system calls of the storage code, with knobs.  0 = works.
 */
#ifndef TESTS_UNIT_META_FAULTS_H
#define TESTS_UNIT_META_FAULTS_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FAULT_EXPORT __attribute__((visibility("default")))

static struct {
	_Atomic int fallocate_err, fdatasync_err, fsync_err, pwritev_err;
	_Atomic int no_direct;		/* openat refuses O_DIRECT */
	_Atomic int fdatasync_once;	/* the error is reported to one only */
	_Atomic int pwritev_max;	/* bytes of one call */
	_Atomic int pwrite_ms;		/* each call takes so long */
	_Atomic int sync_ms;		/* fdatasync */
	_Atomic unsigned n_fdatasync, n_fsync, n_fallocate, n_pwrite;
	_Atomic unsigned n_direct;	/* files opened with O_DIRECT */
	void (*_Atomic on_fdatasync)(int fd);	/* is told of each one */
} fault;

static inline void
fault_sleep(int ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	if (ms > 0)
		(void)nanosleep(&ts, NULL);
}

FAULT_EXPORT int
fallocate(int fd, int mode, off_t off, off_t len)
{

	fault.n_fallocate++;
	if (fault.fallocate_err != 0) {
		/* As the kernel does: some of it may be there already. */
		(void)syscall(SYS_fallocate, fd, mode, off, len / 2);
		errno = fault.fallocate_err;
		return (-1);
	}
	return ((int)syscall(SYS_fallocate, fd, mode, off, len));
}

FAULT_EXPORT int
fdatasync(int fd)
{
	void (*on)(int) = fault.on_fdatasync;
	int err = fault.fdatasync_err;

	fault.n_fdatasync++;
	if (on != NULL)
		on(fd);
	if (fault.fdatasync_once != 0)
		err = atomic_exchange(&fault.fdatasync_once, 0);
	fault_sleep(fault.sync_ms);
	if (err != 0) {
		errno = err;
		return (-1);
	}
	return ((int)syscall(SYS_fdatasync, fd));
}

FAULT_EXPORT int
fsync(int fd)
{

	fault.n_fsync++;
	if (fault.fsync_err != 0) {
		errno = fault.fsync_err;
		return (-1);
	}
	return ((int)syscall(SYS_fsync, fd));
}

FAULT_EXPORT ssize_t
pwrite(int fd, const void *buf, size_t n, off_t off)
{

	fault.n_pwrite++;
	fault_sleep(fault.pwrite_ms);
	if (fault.pwritev_err != 0) {
		errno = fault.pwritev_err;
		return (-1);
	}
	return (syscall(SYS_pwrite64, fd, buf, n, off));
}

/* Writes the first bytes only, and says so. */
static inline ssize_t
fault_short(int fd, const struct iovec *iov, int n, off_t off, size_t max)
{
	size_t done = 0;

	for (int i = 0; i < n && done < max; i++) {
		size_t k = iov[i].iov_len < max - done ? iov[i].iov_len :
		    max - done;
		ssize_t w = syscall(SYS_pwrite64, fd, iov[i].iov_base, k,
		    off + (off_t)done);

		if (w < 0)
			return (w);
		done += (size_t)w;
	}
	return ((ssize_t)done);
}

FAULT_EXPORT ssize_t
pwritev(int fd, const struct iovec *iov, int n, off_t off)
{

	if (fault.pwritev_max > 0) {
		ssize_t w = fault_short(fd, iov, n, off,
		    (size_t)fault.pwritev_max);

		/* "The disk is full": the first call is short. */
		return (w);
	}
	if (fault.pwritev_err != 0) {
		errno = fault.pwritev_err;
		return (-1);
	}
	/* The sixth argument is the high half of the offset. */
	return (syscall(SYS_pwritev, fd, iov, n, off, 0L));
}

FAULT_EXPORT int
openat(int dir, const char *name, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;
	int fd;

	va_start(ap, flags);
	if ((flags & O_CREAT) != 0)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	fd = (int)syscall(SYS_openat, dir, name, flags, mode);
	if ((flags & O_DIRECT) == 0 || fd < 0)
		return (fd);
	if (fault.no_direct != 0) {
		/* Linux looks at the flag when the file is there already. */
		(void)close(fd);
		errno = EINVAL;
		return (-1);
	}
	fault.n_direct++;
	return (fd);
}

#endif /* !TESTS_UNIT_META_FAULTS_H */
