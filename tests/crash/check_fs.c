/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_fs.c - what the check wants of the file system, and of the reserve.
 */
#include "tests/crash/check.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/space.h"

#define EXPORT __attribute__((visibility("default")))

/*
 * Thousands of stores are opened, each makes new segments, and hardly anything
 * is written to them: a size is enough.  The reserve must have its blocks.
 */
EXPORT int
fallocate(int fd, int mode, off_t off, off_t len)
{
	static int (*next)(int, int, off_t, off_t);
	struct stat st;

	if (next == NULL) {
		void *p = dlsym(RTLD_NEXT, "fallocate64");

		TT_ASSERT(p != NULL);
		memcpy(&next, &p, sizeof(next));
	}
	if (mode != 0 || (uint64_t)len == CHECK_RESERVE ||
	    fstat(fd, &st) != 0)
		return (next(fd, mode, off, len));
	return (st.st_size < off + len ? ftruncate(fd, off + len) : 0);
}

void
check_reserve(const char *dir)
{
	char path[PATH_MAX];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/" SPACE_RESERVE_NAME, dir);
	if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size != CHECK_RESERVE ||
	    (uint64_t)st.st_blocks * 512 < CHECK_RESERVE)
		COMPLAIN("the reserve is not what it should be");
}
