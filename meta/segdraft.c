/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * segdraft.c - a segment that is written beside, and gets its name when all of
 * it is durable.
 *
 * For what is made in place of something that was lost: whoever sees the name
 * sees the whole content, or what was there before.
 *
 * Crash, step by step:
 *  - while it is written: spare/NNNNNNNN.new in any state; removed by the next
 *    owner, as one that was being prepared;
 *  - after the rename: the old name or the new one; under the new one it is
 *    whole, because it was synced before.  Where a file system does not rename
 *    at once there may be both: the next owner removes the first.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta/fsutil.h"
#include "meta/segdir_int.h"
#include "meta/segs_int.h"

int
segdraft_make(void *be, uint32_t *out, int *out_fd)
{
	struct segdir *d = be;
	char name[NEWNAME_LEN];
	uint32_t n;
	int fd;

	lk_lock(&d->lk);
	n = d->next_spare++;
	lk_unlock(&d->lk);
	fd = openat(d->spare, segspare_new_name(name, n),
	    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return (-errno);
	*out = n;
	*out_fd = fd;
	return (0);
}

void
segdraft_drop(void *be, uint32_t draft)
{
	struct segdir *d = be;
	char name[NEWNAME_LEN];

	(void)unlinkat(d->spare, segspare_new_name(name, draft), 0);
}

int
segdraft_adopt(void *be, uint32_t draft, uint32_t number)
{
	struct segdir *d = be;
	char name[NEWNAME_LEN], path[SEGPATH_LEN], shard[SHARD_LEN];

	if (renameat2(d->spare, segspare_new_name(name, draft), d->seg,
	    segdir_path(path, number), 0) != 0)
		return (-errno);
	return (fsutil_sync_dir(d->seg, segdir_shard(shard, number)));
}

/* ---- for who makes one -------------------------------------------------- */

int
segs_draft(struct segs *ss, struct seg_draft *out)
{

	TT_MAGIC(ss, SEGS_MAGIC);
	if (ss->ops->draft == NULL)
		return (-EOPNOTSUPP);
	return (ss->ops->draft(ss->be, &out->name, &out->fd));
}

int
segs_draft_adopt(struct segs *ss, struct seg_draft *d, uint32_t number)
{
	int rc;

	TT_MAGIC(ss, SEGS_MAGIC);
	rc = fsync(d->fd) != 0 ? -errno : 0;
	if (rc == 0)
		rc = segcache_adopt(ss, number, d->name);
	/* A name that could not be synced: whole all the same. */
	segs_draft_drop(ss, d);
	return (rc);
}

bool
segs_is_used(struct segs *ss, uint32_t number)
{

	TT_MAGIC(ss, SEGS_MAGIC);
	return (segcache_is_used(ss, number));
}

void
segs_draft_drop(struct segs *ss, struct seg_draft *d)
{

	TT_MAGIC(ss, SEGS_MAGIC);
	(void)close(d->fd);
	ss->ops->draft_drop(ss->be, d->name);
}
