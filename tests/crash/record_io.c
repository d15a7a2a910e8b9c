/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record_io.c - calls that change or sync what is in a file.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "tests/crash/record_int.h"

/* ---- writing ---------------------------------------------------------- */

static bool
all_zero(const char *p, size_t n)
{

	return (n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0));
}

static void
emit_write(uint32_t fid, const struct iovec *iov, int n_iov, uint64_t off,
    size_t done, bool dsync)
{
	struct trace_ev e = {
		.kind = TRACE_WRITE, .fid = fid, .off = off, .len = done,
		.flags = dsync ? TRACE_F_DSYNC : 0,
	};
	static char *buf;
	static size_t cap;
	size_t n = 0;

	if (cap < done) {
		cap = done + 65536;
		if ((buf = realloc(buf, cap)) == NULL)
			abort();
	}
	for (int i = 0; i < n_iov && n < done; i++) {
		size_t c = iov[i].iov_len < done - n ? iov[i].iov_len :
		    done - n;

		memcpy(buf + n, iov[i].iov_base, c);
		n += c;
	}
	if (all_zero(buf, done))
		e.flags |= TRACE_F_ZERO;
	else
		e.data_len = (uint32_t)done;
	rec_emit(e, NULL, NULL, buf);
}

/* ${off} -1: at the file position.  ${flags}: of pwritev2. */
static ssize_t
rec_write(int fd, const struct iovec *iov, int n_iov, off_t off, int flags)
{
	uint64_t at = (uint64_t)off;
	uint32_t fid;
	ssize_t n;

	rec_lock();
	fid = rec_fd_fid(fd);
	if (fid == 0) {
		rec_unlock();
		return (off < 0 ? rec_real.writev(fd, iov, n_iov) :
		    rec_real.pwritev2(fd, iov, n_iov, off, flags));
	}
	if (off < 0)
		at = (uint64_t)lseek(fd, 0, SEEK_CUR);
	if ((fcntl(fd, F_GETFL) & O_APPEND) != 0) {
		struct stat st;

		at = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	}
	n = rec_real.pwritev2(fd, iov, n_iov, off, flags);
	if (n > 0)
		emit_write(fid, iov, n_iov, at, (size_t)n,
		    (fcntl(fd, F_GETFL) & O_DSYNC) != 0 ||
		    (flags & (RWF_DSYNC | RWF_SYNC)) != 0);
	rec_unlock();
	return (n);
}

static struct iovec
iov_of(const void *buf, size_t len)
{
	struct iovec v = { .iov_len = len };

	memcpy(&v.iov_base, &buf, sizeof(buf));
	return (v);
}

EXPORT ssize_t
write(int fd, const void *buf, size_t len)
{
	struct iovec v = iov_of(buf, len);

	if (!rec_active())
		return (rec_real.write(fd, buf, len));
	return (rec_write(fd, &v, 1, -1, 0));
}

EXPORT ssize_t
writev(int fd, const struct iovec *iov, int n)
{

	if (!rec_active())
		return (rec_real.writev(fd, iov, n));
	return (rec_write(fd, iov, n, -1, 0));
}

#define PWRITE(name)							\
EXPORT ssize_t								\
name(int fd, const void *buf, size_t len, off_t off)			\
{									\
	struct iovec v = iov_of(buf, len);				\
									\
	if (!rec_active() || off < 0)					\
		return (rec_real.pwrite(fd, buf, len, off));		\
	return (rec_write(fd, &v, 1, off, 0));				\
}
PWRITE(pwrite)
PWRITE(pwrite64)

#define PWRITEV(name)							\
EXPORT ssize_t								\
name(int fd, const struct iovec *iov, int n, off_t off)			\
{									\
									\
	if (!rec_active() || off < 0)					\
		return (rec_real.pwritev(fd, iov, n, off));			\
	return (rec_write(fd, iov, n, off, 0));				\
}
PWRITEV(pwritev)
PWRITEV(pwritev64)

#define PWRITEV2(name)							\
EXPORT ssize_t								\
name(int fd, const struct iovec *iov, int n, off_t off, int flags)	\
{									\
									\
	if (!rec_active() || off < -1)					\
		return (rec_real.pwritev2(fd, iov, n, off, flags));		\
	return (rec_write(fd, iov, n, off, flags));			\
}
PWRITEV2(pwritev2)
PWRITEV2(pwritev64v2)

/* ---- syncing ---------------------------------------------------------- */

static int
rec_sync(int fd, int (*fn)(int))
{
	char path[PATH_MAX], rel[PATH_MAX] = "";
	struct stat st;
	struct trace_ev e = { .kind = TRACE_SYNC };
	int rc;

	rec_lock();
	e.begun = rec_events();
	e.fid = rec_fd_fid(fd);
	if (e.fid == 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) &&
	    rec_fd_path(fd, path) && rec_below(path, rel))
		e.kind = TRACE_SYNC_DIR;
	rec_unlock();

	rc = fn(fd);
	if (rc == 0 && (e.fid != 0 || rel[0] != '\0')) {
		rec_lock();
		rec_emit(e, rel, NULL, NULL);
		rec_unlock();
	}
	return (rc);
}

EXPORT int
fsync(int fd)
{

	if (!rec_active())
		return (rec_real.fsync(fd));
	return (rec_sync(fd, rec_real.fsync));
}

EXPORT int
fdatasync(int fd)
{

	if (!rec_active())
		return (rec_real.fdatasync(fd));
	return (rec_sync(fd, rec_real.fdatasync));
}

static uint64_t
events_now(void)
{
	uint64_t n;

	rec_lock();
	n = rec_events();
	rec_unlock();
	return (n);
}

static void
emit_locked(struct trace_ev e, const char *name)
{

	rec_lock();
	rec_emit(e, name, NULL, NULL);
	rec_unlock();
}

EXPORT int
syncfs(int fd)
{
	struct trace_ev e = { .kind = TRACE_SYNC_ALL };
	int rc;

	if (!rec_active())
		return (rec_real.syncfs(fd));
	e.begun = events_now();
	if ((rc = rec_real.syncfs(fd)) == 0)
		emit_locked(e, NULL);
	return (rc);
}

EXPORT void
sync(void)
{
	struct trace_ev e = { .kind = TRACE_SYNC_ALL };

	if (!rec_active()) {
		rec_real.sync();
		return;
	}
	e.begun = events_now();
	rec_real.sync();
	emit_locked(e, NULL);
}

EXPORT int
sync_file_range(int fd, off_t off, off_t len, unsigned flags)
{
	int rc;

	if (!rec_active())
		return (rec_real.sync_file_range(fd, off, len, flags));
	rc = rec_real.sync_file_range(fd, off, len, flags);
	rec_lock();
	if (rc == 0 && rec_fd_fid(fd) != 0)
		rec_emit((struct trace_ev){ .kind = TRACE_RANGE,
		    .fid = rec_fd_fid(fd) }, NULL, NULL, NULL);
	rec_unlock();
	return (rc);
}

/* ---- sizes and allocation --------------------------------------------- */

static int
rec_falloc(int fd, int mode, off_t off, off_t len)
{
	struct trace_ev e = { .kind = TRACE_FALLOC, .off = (uint64_t)off,
	    .len = (uint64_t)len, .begun = (uint64_t)mode };
	int rc;

	if (!rec_active())
		return (rec_real.fallocate(fd, mode, off, len));
	rec_lock();
	e.fid = rec_fd_fid(fd);
	rc = rec_real.fallocate(fd, mode, off, len);
	if (rc == 0 && e.fid != 0)
		rec_emit(e, NULL, NULL, NULL);
	rec_unlock();
	return (rc);
}

#define FALLOC(name)							\
EXPORT int								\
name(int fd, int mode, off_t off, off_t len)				\
{									\
									\
	return (rec_falloc(fd, mode, off, len));			\
}
FALLOC(fallocate)
FALLOC(fallocate64)

/* Returns its error; libc's emulation by writes is not wanted. */
#define POSIX_FALLOC(name)						\
EXPORT int								\
name(int fd, off_t off, off_t len)					\
{									\
	int err = errno;						\
	int rc = rec_falloc(fd, 0, off, len) == 0 ? 0 : errno;		\
									\
	errno = err;							\
	return (rc);							\
}
POSIX_FALLOC(posix_fallocate)
POSIX_FALLOC(posix_fallocate64)

#define FTRUNCATE(name)							\
EXPORT int								\
name(int fd, off_t len)							\
{									\
	struct trace_ev e = { .kind = TRACE_TRUNC, .len = (uint64_t)len }; \
	int rc;								\
									\
	if (!rec_active())							\
		return (rec_real.ftruncate(fd, len));			\
	rec_lock();				\
	e.fid = rec_fd_fid(fd);						\
	rc = rec_real.ftruncate(fd, len);					\
	if (rc == 0 && e.fid != 0)					\
		rec_emit(e, NULL, NULL, NULL);				\
	rec_unlock();				\
	return (rc);							\
}
FTRUNCATE(ftruncate)
FTRUNCATE(ftruncate64)

#define TRUNCATE(name)							\
EXPORT int								\
name(const char *path, off_t len)					\
{									\
	int fd, rc;							\
									\
	if (!rec_active())							\
		return (rec_real.truncate(path, len));			\
	if ((fd = rec_real.openat(AT_FDCWD, path, O_WRONLY)) < 0)		\
		return (-1);						\
	rc = ftruncate(fd, len);					\
	(void)close(fd);						\
	return (rc);							\
}
TRUNCATE(truncate)
TRUNCATE(truncate64)

/* ---- what cannot be recorded ------------------------------------------ */

/* LMDB maps its lock file writable; nothing in it outlives the program. */
static void
check_map(int fd)
{
	char path[PATH_MAX], rel[PATH_MAX];

	if (rec_fd_path(fd, path) && rec_below(path, rel) &&
	    strstr(rel, "lock.mdb") == NULL)
		rec_unknown("writable shared mapping");
}

#define MMAP(name)							\
EXPORT void *								\
name(void *addr, size_t len, int prot, int flags, int fd, off_t off)	\
{									\
									\
	if (fd >= 0 && (prot & PROT_WRITE) != 0 &&			\
	    (flags & MAP_SHARED) != 0 && rec_active())			\
		check_map(fd);						\
	(void)rec_active();				\
	return (rec_real.mmap(addr, len, prot, flags, fd, off));		\
}
MMAP(mmap)
MMAP(mmap64)

/* ${n} > 0: it has put something into this file, and nobody knows what. */
static void
check_fd(ssize_t n, int fd, const char *what)
{
	char path[PATH_MAX], rel[PATH_MAX];
	struct stat st;

	if (n > 0 && rec_active() && fstat(fd, &st) == 0 &&
	    S_ISREG(st.st_mode) && rec_fd_path(fd, path) &&
	    rec_below(path, rel))
		rec_unknown(what);
}

EXPORT ssize_t
copy_file_range(int in, off_t *off_in, int out, off_t *off_out, size_t len,
    unsigned flags)
{
	ssize_t n;

	(void)rec_active();
	n = rec_real.copy_file_range(in, off_in, out, off_out, len, flags);
	check_fd(n, out, "copy_file_range");
	return (n);
}

EXPORT ssize_t
sendfile(int out, int in, off_t *off, size_t len)
{
	ssize_t n;

	(void)rec_active();
	n = rec_real.sendfile(out, in, off, len);
	check_fd(n, out, "sendfile");
	return (n);
}

EXPORT ssize_t
splice(int in, off_t *off_in, int out, off_t *off_out, size_t len,
    unsigned flags)
{
	ssize_t n;

	(void)rec_active();
	n = rec_real.splice(in, off_in, out, off_out, len, flags);
	check_fd(n, out, "splice");
	return (n);
}

/* Those that clone or share what is in files. */
EXPORT int
ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;
	int rc;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	(void)rec_active();
	rc = rec_real.ioctl(fd, request, arg);
	if (rc >= 0 && (request == FICLONE || request == FICLONERANGE ||
	    request == FIDEDUPERANGE))
		check_fd(1, fd, "ioctl");
	return (rc);
}

/* libc writes past us then. */
#define FOPEN(name)							\
EXPORT FILE *								\
name(const char *path, const char *mode)				\
{									\
	char rel[PATH_MAX];						\
	FILE *f;							\
									\
	(void)rec_active();						\
	f = rec_real.fopen(path, mode);					\
	if (f != NULL && strpbrk(mode, "wa+") != NULL && rec_active() &&	\
	    rec_at_path(AT_FDCWD, path, rel))				\
		rec_unknown("fopen");					\
	return (f);							\
}
FOPEN(fopen)
FOPEN(fopen64)
