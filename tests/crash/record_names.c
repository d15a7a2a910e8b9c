/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record_names.c - calls that make, change and remove names.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/crash/record_int.h"

/* ---- opening ---------------------------------------------------------- */

static int
rec_open(int dirfd, const char *path, int flags, mode_t mode)
{
	char rel[PATH_MAX];
	struct stat st;
	bool was;
	int fd;

	if (!rec_active() || (flags & (O_CREAT | O_TRUNC)) == 0 ||
	    !rec_at_path(dirfd, path, rel))
		return (rec_real.openat(dirfd, path, flags, mode));
	rec_lock();
	was = fstatat(dirfd, path, &st, 0) == 0;
	fd = rec_real.openat(dirfd, path, flags, mode);
	if (fd >= 0 && (flags & O_TMPFILE) == O_TMPFILE)
		rec_emit_name(TRACE_UNKNOWN, "O_TMPFILE", NULL);
	else if (fd >= 0 && !was && fstat(fd, &st) == 0) {
		rec_emit((struct trace_ev){ .kind = TRACE_CREATE,
		    .fid = rec_new_file(&st) }, rel, NULL, NULL);
	} else if (fd >= 0 && (flags & O_TRUNC) != 0) {
		uint32_t fid = rec_fd_fid(fd);

		rec_emit((struct trace_ev){ .kind = TRACE_TRUNC, .fid = fid },
		    NULL, NULL, NULL);
	}
	rec_unlock();
	return (fd);
}

#define OPEN_BODY(dirfd)						\
	mode_t mode = 0;						\
									\
	if ((flags & (O_CREAT | O_TMPFILE)) != 0) {			\
		va_list ap;						\
									\
		va_start(ap, flags);					\
		mode = (mode_t)va_arg(ap, int);				\
		va_end(ap);						\
	}								\
	return (rec_open(dirfd, path, flags, mode))

EXPORT int
open(const char *path, int flags, ...)
{
	OPEN_BODY(AT_FDCWD);
}

EXPORT int
open64(const char *path, int flags, ...)
{
	OPEN_BODY(AT_FDCWD);
}

EXPORT int
openat(int dirfd, const char *path, int flags, ...)
{
	OPEN_BODY(dirfd);
}

EXPORT int
openat64(int dirfd, const char *path, int flags, ...)
{
	OPEN_BODY(dirfd);
}

EXPORT int
creat(const char *path, mode_t mode)
{

	return (rec_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode));
}

EXPORT int
creat64(const char *path, mode_t mode)
{

	return (rec_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode));
}

/* What the fortified headers call when there is no mode argument. */
EXPORT int __open_2(const char *path, int flags);
EXPORT int __open64_2(const char *path, int flags);
EXPORT int __openat_2(int dirfd, const char *path, int flags);
EXPORT int __openat64_2(int dirfd, const char *path, int flags);

int
__open_2(const char *path, int flags)
{

	return (rec_open(AT_FDCWD, path, flags, 0));
}

int
__open64_2(const char *path, int flags)
{

	return (rec_open(AT_FDCWD, path, flags, 0));
}

int
__openat_2(int dirfd, const char *path, int flags)
{

	return (rec_open(dirfd, path, flags, 0));
}

int
__openat64_2(int dirfd, const char *path, int flags)
{

	return (rec_open(dirfd, path, flags, 0));
}

/* ---- names ------------------------------------------------------------ */

static int
rec_rename(int fd1, const char *p1, int fd2, const char *p2, unsigned flags)
{
	char r1[PATH_MAX], r2[PATH_MAX];
	bool b1, b2;
	int rc;

	if (!rec_active())
		return (rec_real.renameat2(fd1, p1, fd2, p2, flags));
	rec_lock();
	b1 = rec_at_path(fd1, p1, r1);
	b2 = rec_at_path(fd2, p2, r2);
	if (b2 && (flags & (RENAME_NOREPLACE | RENAME_EXCHANGE)) == 0)
		rec_forget(fd2, p2);
	rc = rec_real.renameat2(fd1, p1, fd2, p2, flags);
	if (rc == 0 && (b1 != b2 || (flags & RENAME_EXCHANGE) != 0))
		rec_emit_name(TRACE_UNKNOWN, "rename", NULL);
	else if (rc == 0 && b1)
		rec_emit_name(TRACE_RENAME, r1, r2);
	rec_unlock();
	return (rc);
}

EXPORT int
rename(const char *p1, const char *p2)
{

	return (rec_rename(AT_FDCWD, p1, AT_FDCWD, p2, 0));
}

EXPORT int
renameat(int fd1, const char *p1, int fd2, const char *p2)
{

	return (rec_rename(fd1, p1, fd2, p2, 0));
}

EXPORT int
renameat2(int fd1, const char *p1, int fd2, const char *p2, unsigned flags)
{

	return (rec_rename(fd1, p1, fd2, p2, flags));
}

static int
rec_unlink(int dirfd, const char *path, int flags)
{
	char rel[PATH_MAX];
	bool in;
	int rc;

	if (!rec_active())
		return (rec_real.unlinkat(dirfd, path, flags));
	rec_lock();
	if ((in = rec_at_path(dirfd, path, rel)))
		rec_forget(dirfd, path);
	rc = rec_real.unlinkat(dirfd, path, flags);
	if (rc == 0 && in)
		rec_emit_name((flags & AT_REMOVEDIR) != 0 ? TRACE_RMDIR :
		    TRACE_UNLINK, rel, NULL);
	rec_unlock();
	return (rc);
}

EXPORT int
unlink(const char *path)
{

	return (rec_unlink(AT_FDCWD, path, 0));
}

EXPORT int
unlinkat(int dirfd, const char *path, int flags)
{

	return (rec_unlink(dirfd, path, flags));
}

EXPORT int
rmdir(const char *path)
{

	return (rec_unlink(AT_FDCWD, path, AT_REMOVEDIR));
}

static int
rec_mkdir(int dirfd, const char *path, mode_t mode)
{
	char rel[PATH_MAX];
	int rc;

	if (!rec_active())
		return (rec_real.mkdirat(dirfd, path, mode));
	rec_lock();
	rc = rec_real.mkdirat(dirfd, path, mode);
	if (rc == 0 && rec_at_path(dirfd, path, rel))
		rec_emit_name(TRACE_MKDIR, rel, NULL);
	rec_unlock();
	return (rc);
}

EXPORT int
mkdir(const char *path, mode_t mode)
{

	return (rec_mkdir(AT_FDCWD, path, mode));
}

EXPORT int
mkdirat(int dirfd, const char *path, mode_t mode)
{

	return (rec_mkdir(dirfd, path, mode));
}

EXPORT int
linkat(int fd1, const char *p1, int fd2, const char *p2, int flags)
{
	char rel[PATH_MAX];
	int rc;

	(void)rec_active();
	rc = rec_real.linkat(fd1, p1, fd2, p2, flags);
	if (rc == 0 && rec_active() && rec_at_path(fd2, p2, rel))
		rec_unknown("linkat");
	return (rc);
}

EXPORT int
link(const char *p1, const char *p2)
{

	return (linkat(AT_FDCWD, p1, AT_FDCWD, p2, 0));
}

EXPORT int
symlinkat(const char *what, int fd, const char *path)
{
	char rel[PATH_MAX];
	int rc;

	(void)rec_active();
	rc = rec_real.symlinkat(what, fd, path);
	if (rc == 0 && rec_active() && rec_at_path(fd, path, rel))
		rec_unknown("symlinkat");
	return (rc);
}

EXPORT int
symlink(const char *what, const char *path)
{

	return (symlinkat(what, AT_FDCWD, path));
}
