/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/recover/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
is_same(const struct stat *a, const struct stat *b)
{

	return (a->st_dev == b->st_dev && a->st_ino == b->st_ino);
}

/* The descriptor of the folder above, or -errno; ${fd} is closed. */
static int
go_up(int fd)
{
	int up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int rc = up < 0 ? -errno : up;

	(void)close(fd);
	return (rc);
}

int
place_is_in(const char *folder, const char *store)
{
	struct stat want, here, above;
	int fd, rc;

	if (stat(store, &want) != 0 ||
	    (fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		return (-errno);
	rc = fstat(fd, &here) != 0 ? -errno : 0;
	while (rc == 0 && !is_same(&here, &want)) {
		if ((fd = go_up(fd)) < 0)
			return (fd);
		if (fstat(fd, &above) != 0)
			rc = -errno;
		else if (is_same(&above, &here))
			break;		/* the root is above itself */
		here = above;
	}
	(void)close(fd);
	return (rc != 0 ? rc : is_same(&here, &want));
}
