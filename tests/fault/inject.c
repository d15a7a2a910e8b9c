/* SPDX-License-Identifier: BSD-2-Clause */
/* See inject.h.  Each function asks and then makes the system call itself. */
#include "tests/fault/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static struct {
	_Atomic bool armed;
	_Atomic bool sticky;
	_Atomic int kind, err;
	_Atomic unsigned at, calls, failed;
	_Atomic unsigned long sync_ino;
} inj;
static _Thread_local bool spared;

void
inject_arm(enum inject_kind kind, unsigned at, int err, bool sticky)
{

	inj.kind = (int)kind;
	inj.at = at;
	inj.err = err;
	inj.sticky = sticky;
	inj.calls = inj.failed = 0;
	inj.armed = true;
}

unsigned
inject_disarm(void)
{

	inj.armed = false;
	return (inj.calls);
}

unsigned
inject_failed(void)
{

	return (inj.failed);
}

void
inject_sync_fails(unsigned long ino)
{

	inj.sync_ino = ino;
}

void
inject_spare_me(bool spare)
{

	spared = spare;
}

static bool
is_meant(enum inject_kind kind)
{

	return (inj.kind == (int)kind || (inj.kind == INJECT_CHANGE &&
	    (kind == INJECT_WRITE || kind == INJECT_SYNC ||
	    kind == INJECT_OPEN)));
}

bool
inject_hit(enum inject_kind kind)
{
	unsigned k;

	if (!inj.armed || !is_meant(kind) || spared)
		return (false);
	k = atomic_fetch_add(&inj.calls, 1) + 1;
	if (k != inj.at && !(inj.sticky && k > inj.at))
		return (false);
	atomic_fetch_add(&inj.failed, 1);
	errno = inj.err;
	return (true);
}

/* ---- bytes ------------------------------------------------------------- */

EXPORT ssize_t
write(int fd, const void *buf, size_t n)
{

	/* Messages go to stderr by this call. */
	if (fd > 2 && inject_hit(INJECT_WRITE))
		return (-1);
	return (syscall(SYS_write, fd, buf, n));
}

EXPORT ssize_t
writev(int fd, const struct iovec *iov, int n)
{

	return (fd > 2 && inject_hit(INJECT_WRITE) ? -1 :
	    syscall(SYS_writev, fd, iov, n));
}

static ssize_t
do_pwrite(int fd, const void *buf, size_t n, off_t off)
{

	if (inject_hit(INJECT_WRITE))
		return (-1);
	if (n > 1 && inject_hit(INJECT_SHORT))
		n /= 2;
	return (syscall(SYS_pwrite64, fd, buf, n, off));
}

EXPORT ssize_t
pwrite(int fd, const void *buf, size_t n, off_t off)
{

	return (do_pwrite(fd, buf, n, off));
}

EXPORT ssize_t
pwrite64(int fd, const void *buf, size_t n, off_t off)
{

	return (do_pwrite(fd, buf, n, off));
}

static ssize_t
do_pwritev(int fd, const struct iovec *iov, int n, off_t off)
{

	if (inject_hit(INJECT_WRITE))
		return (-1);
	/* The first piece, and half of it: a torn record. */
	if (n > 0 && iov[0].iov_len > 1 && inject_hit(INJECT_SHORT))
		return (syscall(SYS_pwrite64, fd, iov[0].iov_base,
		    iov[0].iov_len / 2, off));
	return (syscall(SYS_pwritev, fd, iov, n, off, 0L));
}

EXPORT ssize_t
pwritev(int fd, const struct iovec *iov, int n, off_t off)
{

	return (do_pwritev(fd, iov, n, off));
}

EXPORT ssize_t
pwritev64(int fd, const struct iovec *iov, int n, off_t off)
{

	return (do_pwritev(fd, iov, n, off));
}

EXPORT ssize_t
pread(int fd, void *buf, size_t n, off_t off)
{

	return (inject_hit(INJECT_READ) ? -1 :
	    syscall(SYS_pread64, fd, buf, n, off));
}

EXPORT ssize_t
pread64(int fd, void *buf, size_t n, off_t off)
{

	return (inject_hit(INJECT_READ) ? -1 :
	    syscall(SYS_pread64, fd, buf, n, off));
}

EXPORT ssize_t
preadv2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{

	return (inject_hit(INJECT_READ) ? -1 :
	    syscall(SYS_preadv2, fd, iov, n, off, 0L, flags));
}

/* ---- durability, files, names ------------------------------------------- */

EXPORT int
fdatasync(int fd)
{
	struct stat st;

	if (inj.sync_ino != 0 && fstat(fd, &st) == 0 &&
	    st.st_ino == inj.sync_ino) {
		errno = EIO;
		return (-1);
	}
	return (inject_hit(INJECT_SYNC) ? -1 :
	    (int)syscall(SYS_fdatasync, fd));
}

EXPORT int
fsync(int fd)
{

	return (inject_hit(INJECT_SYNC) ? -1 : (int)syscall(SYS_fsync, fd));
}

EXPORT int
fallocate(int fd, int mode, off_t off, off_t len)
{

	return (inject_hit(INJECT_WRITE) ? -1 :
	    (int)syscall(SYS_fallocate, fd, mode, off, len));
}

EXPORT int
ftruncate(int fd, off_t len)
{

	return (inject_hit(INJECT_WRITE) ? -1 :
	    (int)syscall(SYS_ftruncate, fd, len));
}

EXPORT int
unlinkat(int dir, const char *name, int flags)
{

	return (inject_hit(INJECT_WRITE) ? -1 :
	    (int)syscall(SYS_unlinkat, dir, name, flags));
}

EXPORT int
renameat2(int od, const char *on, int nd, const char *nn, unsigned flags)
{

	return (inject_hit(INJECT_WRITE) ? -1 :
	    (int)syscall(SYS_renameat2, od, on, nd, nn, flags));
}

EXPORT int
openat(int dir, const char *name, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if ((flags & O_CREAT) != 0)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	if (inject_hit((flags & O_CREAT) != 0 ? INJECT_WRITE : INJECT_OPEN))
		return (-1);
	return ((int)syscall(SYS_openat, dir, name, flags, mode));
}
