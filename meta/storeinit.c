/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * storeinit.c - making a store: folders, catalogue, superblock, in this order.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "meta/base/rnd.h"
#include "meta/store_int.h"

/* The row of a store in which nothing was ever written. */
static int
init_catalog(const char *path)
{
	uint8_t val[STORE_ROW_LEN];
	struct store_row row = { .next_segment = 1 };
	struct catalog *cat;
	struct cat_txn *t;
	int rc;

	if ((rc = catalog_init(path)) != 0)
		return (rc);
	if ((rc = catalog_open(path, CATALOG_MAP_BYTES, &cat)) != 0)
		return (rc);
	if ((rc = catalog_begin(cat, &t)) == 0) {
		store_row_enc(&row, val);
		rc = catalog_put(t, CAT_STORE, STORE_ROW_KEY,
		    strlen(STORE_ROW_KEY), val, sizeof(val));
		if (rc == 0)
			rc = catalog_commit(t);
		else
			catalog_abort(t);
	}
	catalog_close(cat);
	return (rc);
}

/* The name of the store itself. */
static int
sync_parent(int fd)
{
	int up = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;

	if (up < 0)
		return (-errno);
	if (fsync(up) != 0)
		rc = -errno;
	(void)close(up);
	return (rc);
}

int
store_init(const char *path, uint32_t segment_bytes)
{
	struct super s = {
		.version = SUPER_VERSION,
		.created_ns = clock_utc_ns(),
		.segment_bytes = segment_bytes == 0 ? SEGMENT_BYTES_DEFAULT :
		    segment_bytes,
	};
	char cat[PATH_MAX];
	int fd, n, rc;

	if (s.segment_bytes < SEGMENT_BYTES_MIN ||
	    s.segment_bytes > SEGMENT_BYTES_MAX ||
	    (s.segment_bytes & (s.segment_bytes - 1)) != 0)
		return (-EINVAL);
	rnd_uuid(s.uuid);
	if (mkdir(path, 0700) != 0 && errno != EEXIST) {
		rc = -errno;
		msg_err("store %s: cannot be made: %s%s", path, strerror(-rc),
		    rc == -ENOENT ? "; make the folder above it first" : "");
		return (rc);
	}
	if ((fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		rc = -errno;
		msg_err("store %s: %s", path, strerror(-rc));
		return (rc);
	}
	n = snprintf(cat, sizeof(cat), "%s/catalog", path);
	rc = n < 0 || (size_t)n >= sizeof(cat) ? -ENAMETOOLONG : 0;
	/* The superblock comes last: without it this is no store. */
	if (rc == 0 && (rc = segs_init(path)) == 0 &&
	    (rc = init_catalog(cat)) == 0)
		rc = super_create(fd, &s);
	if (rc == 0)
		rc = sync_parent(fd);
	(void)close(fd);
	if (rc == -EEXIST)
		msg_err("store %s: there is one already, or what is left of "
		    "one; only if its making was cut short and nothing was "
		    "ever stored in it, remove the folder and make it again",
		    path);
	else if (rc == -ENOTEMPTY)
		msg_err("store %s: the directory is not empty", path);
	else if (rc != 0)
		msg_err("store %s: not made: %s", path, strerror(-rc));
	return (rc);
}
