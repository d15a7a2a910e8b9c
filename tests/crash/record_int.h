/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record_int.h - what the files of the recorder share.
 */
#ifndef TESTS_CRASH_RECORD_INT_H
#define TESTS_CRASH_RECORD_INT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "tests/crash/trace.h"

#define EXPORT __attribute__((visibility("default")))

/* The real functions, found once; the object to function pointer cast that
 * dlsym needs is done by bytes. */
struct rec_real {
	int (*openat)(int, const char *, int, ...);
	ssize_t (*write)(int, const void *, size_t);
	ssize_t (*writev)(int, const struct iovec *, int);
	ssize_t (*pwrite)(int, const void *, size_t, off_t);
	ssize_t (*pwritev)(int, const struct iovec *, int, off_t);
	ssize_t (*pwritev2)(int, const struct iovec *, int, off_t, int);
	int (*fsync)(int);
	int (*fdatasync)(int);
	int (*sync_file_range)(int, off_t, off_t, unsigned);
	int (*syncfs)(int);
	void (*sync)(void);
	int (*renameat2)(int, const char *, int, const char *, unsigned);
	int (*unlinkat)(int, const char *, int);
	int (*mkdirat)(int, const char *, mode_t);
	int (*fallocate)(int, int, off_t, off_t);
	int (*ftruncate)(int, off_t);
	int (*truncate)(const char *, off_t);
	int (*linkat)(int, const char *, int, const char *, int);
	void *(*mmap)(void *, size_t, int, int, int, off_t);
	int (*symlinkat)(const char *, int, const char *);
	ssize_t (*sendfile)(int, int, off_t *, size_t);
	ssize_t (*splice)(int, off_t *, int, off_t *, size_t, unsigned);
	int (*ioctl)(int, unsigned long, void *);
	FILE *(*fopen)(const char *, const char *);
	ssize_t (*copy_file_range)(int, off_t *, int, off_t *, size_t,
	    unsigned);
};
extern struct rec_real rec_real;

/* False: nothing is recorded in this program.  Finds the real functions. */
bool rec_active(void);

/* Held around a real call and its event. */
void rec_lock(void);
void rec_unlock(void);

/* Lock held.  Events so far. */
uint64_t rec_events(void);
void rec_emit(struct trace_ev e, const char *name, const char *name2,
    const void *data);
void rec_emit_name(enum trace_kind kind, const char *name,
    const char *name2);

/* Takes the lock. */
void rec_unknown(const char *what);

/* The path below the root ("." is the root itself); false: outside. */
bool rec_below(const char *path, char out[PATH_MAX]);
bool rec_fd_path(int fd, char out[PATH_MAX]);
bool rec_at_path(int dirfd, const char *path, char out[PATH_MAX]);

/* Lock held.  The fid of a regular file below the root, else 0. */
uint32_t rec_fd_fid(int fd);
/* Lock held.  A new file; its fid. */
uint32_t rec_new_file(const struct stat *st);
/* Lock held.  A name goes away: forget the inode, its number may come again. */
void rec_forget(int dirfd, const char *path);

#endif /* !TESTS_CRASH_RECORD_INT_H */
