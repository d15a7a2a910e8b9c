/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fsutil.h - whole reads and writes, and names that appear at once or not at
 * all.
 *
 * Errors:  0 or -errno; nothing is logged here, the caller knows the path.
 * Threads: any; no state.
 */
#ifndef META_FSUTIL_H
#define META_FSUTIL_H

#include <stddef.h>
#include <stdint.h>

/* All ${len} bytes at ${off_bytes}, or -errno (no progress: -EIO). */
int fsutil_write(int fd, const void *buf, size_t len, uint64_t off_bytes);

/* The same for reading; the file ends before: -ENODATA. */
int fsutil_read(int fd, void *buf, size_t len, uint64_t off_bytes);

/*
 * Rename to a name that must not exist: -EEXIST, and nothing is changed.
 * Where the file system cannot promise that in one step, the check comes
 * before the rename; the store has one owner, so nobody is in between.
 * Crash: the old name or the new one.
 */
int fsutil_rename_new(int old_dir, const char *old_name, int new_dir,
    const char *new_name);

/* fsync of the folder ${name} in ${dir_fd}: its names are durable. */
int fsutil_sync_dir(int dir_fd, const char *name);

/*
 * Gives the space of a file back that has no name any more, piece by piece;
 * one that has a name is left alone.  Its last close would do it in one go, and
 * what else waits for the journal of the file system waits for that: on ext4
 * 13 to 16 ms for 64 MiB, which a flush beside it took longer.  (Some file
 * systems free in the background; there it does no harm.)
 */
void fsutil_shrink(int fd);

/* The same for a hole in the middle; -EOPNOTSUPP where there are none. */
int fsutil_punch(int fd, uint64_t off_bytes, uint64_t len_bytes);

/* Size on disk for real: fallocate, or zeroes where there is none. */
int fsutil_allocate(int fd, uint64_t bytes);

#endif /* !META_FSUTIL_H */
