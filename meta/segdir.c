/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * segdir.c - segments as files of a directory.
 *
 * A name in a folder is durable when the folder was synced, whatever was done
 * to the file; sync_name does that.  A file that has its name but no valid
 * segment header is not a segment yet: that, and not the name, is what
 * recovery believes.  Numbers are never used twice, so a name that a crash
 * left behind is in nobody's way.
 */
#include "meta/segdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta/base/msg.h"
#include "meta/fsutil.h"
#include "meta/segdir_int.h"

#define N_SHARDS	256u
#define LOCK_NAME	"lock"
#define SEG_NAME	"seg"
#define SPARE_NAME	"spare"

/* Too many open files is not said: the caller closes some and comes again. */
static int
say(const char *what, const char *name, int err)
{

	static struct msg_limit limit;

	if (err != EMFILE && err != ENFILE && msg_allowed(&limit, 10))
		msg_err("%s %s: %s", what, name, strerror(err));
	return (-err);
}

const char *
segdir_name(char dst[static SEGNAME_LEN], uint32_t number)
{

	(void)snprintf(dst, SEGNAME_LEN, "%08x", (unsigned)number);
	return (dst);
}

bool
segdir_parse_name(const char *name, uint32_t *out)
{
	uint32_t v = 0;

	if (strlen(name) != SEGNAME_LEN - 1 ||
	    strspn(name, "0123456789abcdef") != SEGNAME_LEN - 1)
		return (false);
	for (; *name != '\0'; name++)
		v = v << 4 | (uint32_t)(*name <= '9' ? *name - '0' :
		    *name - 'a' + 10);
	*out = v;
	return (true);
}

const char *
segdir_shard(char dst[static SHARD_LEN], uint32_t number)
{

	(void)snprintf(dst, SHARD_LEN, "%02x", (unsigned)(number & 0xff));
	return (dst);
}

/* The folder's descriptor, or -errno. */
static int
open_dir(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return (fd < 0 ? -errno : fd);
}

int
segdir_names(int parent, const char *name,
    int (*fn)(void *arg, const char *name), void *arg)
{
	struct dirent *e;
	DIR *dp;
	int fd, rc = 0;

	if ((fd = open_dir(parent, name)) < 0)
		return (say("folder", name, -fd));
	if ((dp = fdopendir(fd)) == NULL) {
		rc = -errno;
		(void)close(fd);
		return (rc);
	}
	for (;;) {
		errno = 0;
		if ((e = readdir(dp)) == NULL) {
			if (errno != 0)
				rc = say("folder", name, errno);
			break;
		}
		if (strcmp(e->d_name, ".") == 0 ||
		    strcmp(e->d_name, "..") == 0)
			continue;
		if ((rc = fn(arg, e->d_name)) != 0)
			break;
	}
	(void)closedir(dp);
	return (rc);
}

/* Undoes what init made; only empty folders and an empty file. */
static void
uninit(int dir)
{
	char name[SHARD_LEN];
	int seg;

	if ((seg = open_dir(dir, SEG_NAME)) >= 0) {
		for (unsigned i = 0; i < N_SHARDS; i++)
			(void)unlinkat(seg, segdir_shard(name, i), AT_REMOVEDIR);
		(void)close(seg);
	}
	(void)unlinkat(dir, SEG_NAME, AT_REMOVEDIR);
	(void)unlinkat(dir, SPARE_NAME, AT_REMOVEDIR);
	(void)unlinkat(dir, LOCK_NAME, 0);
}

static int
make_shards(int dir)
{
	char name[SHARD_LEN];
	int rc = 0, seg;

	if ((seg = open_dir(dir, SEG_NAME)) < 0)
		return (seg);
	for (unsigned i = 0; i < N_SHARDS && rc == 0; i++)
		if (mkdirat(seg, segdir_shard(name, i), 0700) != 0)
			rc = -errno;
	if (rc == 0 && fsync(seg) != 0)
		rc = -errno;
	(void)close(seg);
	return (rc);
}

static int
make_all(int dir)
{
	int fd, rc;

	if (mkdirat(dir, SEG_NAME, 0700) != 0 ||
	    mkdirat(dir, SPARE_NAME, 0700) != 0)
		return (-errno);
	fd = openat(dir, LOCK_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600);
	if (fd < 0)
		return (-errno);
	(void)close(fd);
	if ((rc = make_shards(dir)) != 0)
		return (rc);
	return (fsync(dir) != 0 ? -errno : 0);
}

/*
 * Crash: some of the folders.  That is no store: the superblock is written
 * when all this is durable.
 */
int
segdir_init(const char *dir)
{
	static const char *const names[] = { SEG_NAME, SPARE_NAME, LOCK_NAME };
	int fd, rc;

	if ((fd = open_dir(AT_FDCWD, dir)) < 0)
		return (say("folder", dir, -fd));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (faccessat(fd, names[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
			rc = -EEXIST;
			goto out_close;
		}
	if ((rc = make_all(fd)) != 0) {
		uninit(fd);
		rc = say("cannot make the folders of a store in", dir, -rc);
	}
out_close:
	(void)close(fd);
	return (rc);
}

static void
segdir_close(void *be)
{
	struct segdir *d = be;
	const int fds[] = { d->spare, d->seg, d->dir, d->lock };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	lk_destroy(&d->lk);
	free(d);
}

static struct segdir *
segdir_new(uint32_t segment_bytes)
{
	struct segdir *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return (NULL);
	d->segment_bytes = segment_bytes;
	d->dir = d->seg = d->spare = d->lock = -1;
	lk_init(&d->lk, LK_PREP);
	return (d);
}

int
segdir_open(const char *dir, uint32_t segment_bytes, void **out)
{
	struct segdir *d = segdir_new(segment_bytes);
	int rc;

	if (d == NULL)
		return (-ENOMEM);
	if ((rc = d->dir = open_dir(AT_FDCWD, dir)) < 0 ||
	    (rc = d->seg = open_dir(d->dir, SEG_NAME)) < 0 ||
	    (rc = d->spare = open_dir(d->dir, SPARE_NAME)) < 0)
		goto out_close;
	d->lock = openat(d->dir, LOCK_NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (d->lock < 0) {
		rc = -errno;
		goto out_close;
	}
	*out = d;
	return (0);

out_close:
	segdir_close(d);
	return (say("cannot open the segments of", dir, -rc));
}

/* A copy need not have the lock; what is there must be locked. */
int
segdir_open_read_only(const char *dir, uint32_t segment_bytes, bool locked,
    void **out)
{
	struct segdir *d = segdir_new(segment_bytes);
	int rc;

	if (d == NULL)
		return (-ENOMEM);
	d->read_only = true;
	d->locked = locked;
	if ((rc = d->dir = open_dir(AT_FDCWD, dir)) < 0 ||
	    (rc = d->seg = open_dir(d->dir, SEG_NAME)) < 0)
		goto out_close;
	d->lock = openat(d->dir, LOCK_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (d->lock < 0 && errno != ENOENT) {
		rc = -errno;
		goto out_close;
	}
	*out = d;
	return (0);

out_close:
	segdir_close(d);
	return (say("cannot open the segments of", dir, -rc));
}

/* The kernel drops it with the process, however that ends. */
static int
segdir_lock(void *be, uint64_t epoch)
{
	struct segdir *d = be;
	char name[SHARD_LEN];

	/* A lock of a pool would be fenced by the epoch; flock needs none. */
	(void)epoch;
	while (flock(d->lock, LOCK_EX | LOCK_NB) != 0) {
		if (errno == EWOULDBLOCK)
			return (-EBUSY);
		if (errno != EINTR)
			return (say("cannot lock", LOCK_NAME, errno));
	}
	if (faccessat(d->seg, segdir_shard(name, 0), W_OK | X_OK, AT_EACCESS)
	    != 0)
		return (say("cannot write to folder", SEG_NAME, errno));
	return (segspare_scan(d));
}

/* Shared: several may read, and nobody may write meanwhile. */
static int
segdir_lock_ro(void *be, uint64_t epoch)
{
	struct segdir *d = be;

	(void)epoch;
	if (d->locked)
		return (0);
	if (d->lock < 0) {
		msg_warn("the store has no file \"%s\": it is taken for a "
		    "copy that nobody writes to", LOCK_NAME);
		return (0);
	}
	while (flock(d->lock, LOCK_SH | LOCK_NB) != 0) {
		if (errno == EWOULDBLOCK)
			return (-EBUSY);
		if (errno != EINTR)
			return (say("cannot lock", LOCK_NAME, errno));
	}
	return (0);
}

/* A file of its own, with all its blocks. */
static int
create_fresh(struct segdir *d, int shard, const char *name, int *out_fd)
{
	int fd, rc;

	fd = openat(shard, name,
	    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return (-errno);
	/* Power lost from here on: an empty or short file, without header. */
	if ((rc = fsutil_allocate(fd, d->segment_bytes)) != 0) {
		(void)unlinkat(shard, name, 0);
		(void)close(fd);
		return (rc);
	}
	*out_fd = fd;
	return (0);
}

static int
segdir_create(void *be, uint32_t number, int *out_fd)
{
	struct segdir *d = be;
	char name[SEGNAME_LEN], shard[SHARD_LEN];
	int dir, rc;

	(void)segdir_name(name, number);
	dir = open_dir(d->seg, segdir_shard(shard, number));
	if (dir < 0)
		return (say("folder", shard, -dir));
	rc = segspare_use(d, dir, name, out_fd);
	if (rc == -ENOENT)
		rc = create_fresh(d, dir, name, out_fd);
	(void)close(dir);
	if (rc != 0)
		return (say("cannot make segment", name, -rc));
	return (0);
}

const char *
segdir_path(char dst[static SEGPATH_LEN], uint32_t number)
{

	(void)snprintf(dst, SEGPATH_LEN, "%02x/%08x",
	    (unsigned)(number & 0xff), (unsigned)number);
	return (dst);
}

static int
segdir_open_one(void *be, uint32_t number, int *out_fd)
{
	struct segdir *d = be;
	char path[SEGPATH_LEN];
	int fd;

	fd = openat(d->seg, segdir_path(path, number),
	    (d->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return (-ENOENT);
	if (fd < 0)
		return (say("cannot open segment", path, errno));
	*out_fd = fd;
	return (0);
}

static int
segdir_sync_name(void *be, uint32_t number)
{
	struct segdir *d = be;
	char shard[SHARD_LEN];
	int rc;

	rc = fsutil_sync_dir(d->seg, segdir_shard(shard, number));
	return (rc == 0 ? 0 : say("cannot sync folder", shard, -rc));
}

/* Power lost behind this: the file is there again, whole as it was. */
static int
segdir_remove(void *be, uint32_t number)
{
	struct segdir *d = be;
	char path[SEGPATH_LEN];

	if (unlinkat(d->seg, segdir_path(path, number), 0) == 0)
		return (0);
	if (errno == ENOENT)
		return (-ENOENT);
	return (say("cannot remove segment", path, errno));
}

static int
segdir_recycle(void *be, uint32_t number)
{
	struct segdir *d = be;
	char name[SEGNAME_LEN], shard[SHARD_LEN];
	int dir, rc;

	dir = open_dir(d->seg, segdir_shard(shard, number));
	if (dir < 0)
		return (dir);
	rc = segspare_recycle(d, dir, segdir_name(name, number));
	(void)close(dir);
	return (rc);
}

struct list_arg {
	unsigned shard;
	int (*fn)(void *arg, uint32_t number);
	void *arg;
};

/* What is not a segment's name, in its folder, is not ours to judge. */
static int
list_one(void *arg, const char *name)
{
	struct list_arg *la = arg;
	uint32_t number;

	if (!segdir_parse_name(name, &number) || number == 0 ||
	    (number & 0xff) != la->shard)
		return (0);
	return (la->fn(la->arg, number));
}

static int
segdir_list(void *be, int (*fn)(void *arg, uint32_t number), void *arg)
{
	struct segdir *d = be;
	struct list_arg la = { 0, fn, arg };
	char shard[SHARD_LEN];
	int rc = 0;

	for (; la.shard < N_SHARDS && rc == 0; la.shard++)
		rc = segdir_names(d->seg, segdir_shard(shard, la.shard),
		    list_one, &la);
	return (rc);
}

const struct segs_ops segdir_ops = {
	.name = "directory",
	.lock = segdir_lock,
	.create = segdir_create,
	.open = segdir_open_one,
	.sync_name = segdir_sync_name,
	.remove = segdir_remove,
	.recycle = segdir_recycle,
	.list = segdir_list,
	.prepare = segspare_prepare,
	.prepared = segspare_prepared,
	.drop_prepared = segspare_drop,
	.draft = segdraft_make,
	.draft_adopt = segdraft_adopt,
	.draft_drop = segdraft_drop,
	.close = segdir_close
};

/* ---- for readers ------------------------------------------------------ */

static int
ro_create(void *be, uint32_t number, int *out_fd)
{

	(void)be;
	(void)number;
	(void)out_fd;
	return (-EROFS);
}

static int
ro_change(void *be, uint32_t number)
{

	(void)be;
	(void)number;
	return (-EROFS);
}

static int
ro_prepare(void *be, const bool *stop)
{

	(void)be;
	(void)stop;
	return (-EROFS);
}

static unsigned
ro_prepared(void *be)
{

	(void)be;
	return (0);
}

const struct segs_ops segdir_ro_ops = {
	.name = "directory, read-only",
	.lock = segdir_lock_ro,
	.create = ro_create,
	.open = segdir_open_one,
	.sync_name = ro_change,
	.remove = ro_change,
	.list = segdir_list,
	.prepare = ro_prepare,
	.prepared = ro_prepared,
	.close = segdir_close
};
