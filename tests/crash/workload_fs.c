/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * workload_fs.c - the file system of the workload: large, and nearly empty; or
 * full, as long as the store has not given back its reserve.
 *
 * What is defined here stands before the recorder, which is the next one asked.
 */
#include "tests/crash/workload.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/space.h"

#define EXPORT		__attribute__((visibility("default")))
#define FS_PAGE		4096u
#define FS_BYTES	(UINT64_C(1) << 30)
#define WAIT_MS		5000u
#define LOG_RETRY_US	300000u	/* more than log.c waits */

static _Atomic bool fs_full;

static bool
refuses(void)
{
	char path[PATH_MAX];

	if (!atomic_load(&fs_full))
		return (false);
	(void)snprintf(path, sizeof(path), "%s/" SPACE_RESERVE_NAME,
	    work_store);
	return (access(path, F_OK) == 0);
}

EXPORT int
fstatvfs(int fd, struct statvfs *v)
{

	(void)fd;
	*v = (struct statvfs){ .f_frsize = FS_PAGE, .f_bsize = FS_PAGE,
	    .f_blocks = FS_BYTES / FS_PAGE,
	    .f_bavail = atomic_load(&fs_full) ? 0 : FS_BYTES / FS_PAGE };
	return (0);
}

EXPORT int
fallocate(int fd, int mode, off_t off, off_t len)
{
	static int (*next)(int, int, off_t, off_t);

	if (next == NULL) {
		void *p = dlsym(RTLD_NEXT, "fallocate64");

		TT_ASSERT(p != NULL);
		memcpy(&next, &p, sizeof(next));
	}
	if ((mode & FALLOC_FL_PUNCH_HOLE) == 0 && refuses()) {
		errno = ENOSPC;
		return (-1);
	}
	return (next(fd, mode, off, len));
}

void
work_fs_full(void)
{

	atomic_store(&fs_full, true);
}

bool
work_fs_released(void)
{
	struct lunset_status ss;

	lunset_status(work_ls, &ss);
	return (ss.reserve_bytes == 0);
}

static bool
is_well(void)
{
	struct lunset_status ss;

	lunset_status(work_ls, &ss);
	return (ss.reserve_bytes == WORK_RESERVE && ss.space == LUN_SPACE_OK);
}

/*
 * Who looks sees that there is room, and then the reserve is made again.  The
 * log, which was refused a segment, asks for another one a moment later only.
 */
void
work_fs_room(void)
{

	atomic_store(&fs_full, false);
	for (unsigned ms = 0; !is_well(); ms++) {
		if (ms == WAIT_MS)
			work_must(-ETIMEDOUT, "the reserve is not made again");
		(void)usleep(1000);
	}
	(void)usleep(LOG_RETRY_US);
}
