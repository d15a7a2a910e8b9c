/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * segfound.c - what is done with segments that were found: cut, punch, count.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/fsutil.h"
#include "meta/segs_int.h"

/*
 * Crash: the tail is there or not; nothing refers to it either way.
 */
int
seg_cut_tail(struct seg *s, uint64_t bytes)
{
	off_t end;

	TT_MAGIC(s, SEG_MAGIC);
	if (s->ss->read_only)
		return (-EROFS);
	if ((end = lseek(s->fd, 0, SEEK_END)) < 0)
		return (-errno);
	if ((uint64_t)end <= bytes)
		return (0);
	if (ftruncate(s->fd, (off_t)bytes) != 0)
		return (-errno);
	return (0);
}

/*
 * Crash: the bytes are there or not; nothing refers to them either way.
 */
int
seg_punch(struct seg *s, uint64_t off_bytes, uint64_t len_bytes)
{

	TT_MAGIC(s, SEG_MAGIC);
	TT_ASSERT(off_bytes >= 4096 && off_bytes % 4096 == 0 &&
	    len_bytes % 4096 == 0);
	if (s->ss->read_only)
		return (-EROFS);
	return (fsutil_punch(s->fd, off_bytes, len_bytes));
}

struct used {
	struct segs *ss;
	uint64_t bytes;
};

static int
add_used(void *arg, uint32_t number)
{
	struct used *u = arg;
	struct stat sb;
	struct seg *s;

	/* One that vanishes meanwhile takes no space. */
	if (segs_get(u->ss, number, &s) != 0)
		return (0);
	if (fstat(s->fd, &sb) == 0)
		u->bytes += (uint64_t)sb.st_blocks * 512;
	seg_put(s);
	return (0);
}

uint64_t
segs_used_bytes(struct segs *ss)
{
	struct used u = { ss, 0 };

	(void)segs_list(ss, add_used, &u);
	return (u.bytes);
}
