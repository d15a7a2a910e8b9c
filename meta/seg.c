/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * seg.c - the bytes of one segment.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/base/msg.h"
#include "meta/segs_int.h"

void
seg_put(struct seg *s)
{

	if (s == NULL)
		return;
	TT_MAGIC(s, SEG_MAGIC);
	segcache_release(s);
}

struct seg *
seg_ref(struct seg *s)
{

	TT_MAGIC(s, SEG_MAGIC);
	TT_ASSERT(atomic_fetch_add(&s->refs, 1) > 0);
	return (s);
}

uint32_t
seg_number(const struct seg *s)
{

	TT_MAGIC(s, SEG_MAGIC);
	return (s->number);
}

int
seg_fd(const struct seg *s)
{

	TT_MAGIC(s, SEG_MAGIC);
	return (s->fd);
}

static int
say(const struct seg *s, const char *what, int err)
{
	static struct msg_limit limit;

	if (msg_allowed(&limit, 10))
		msg_err("segment %08x: %s: %s", (unsigned)s->number, what,
		    strerror(err));
	return (-err);
}

/* The rest of one piece of memory, after a short write ended inside it. */
static int
write_rest(struct seg *s, const uint8_t *p, size_t len, uint64_t off_bytes)
{

	while (len > 0) {
		ssize_t n = pwrite(s->fd, p, len, (off_t)off_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return (say(s, "write", n < 0 ? errno : EIO));
		p += n;
		len -= (size_t)n;
		off_bytes += (uint64_t)n;
	}
	return (0);
}

/*
 * One call for the whole batch, as a rule.  After a short one (a signal, or
 * the disk is full) the rest is tried once more, which tells which it was.
 * Crash: any prefix of the bytes, or any pages of them, may be there.
 */
int
seg_write(struct seg *s, const struct iovec *iov, int n_iov,
    uint64_t off_bytes)
{
	uint64_t end = off_bytes;

	TT_MAGIC(s, SEG_MAGIC);
	if (s->ss->read_only)
		return (-EROFS);
	for (int i = 0; i < n_iov; i++)
		end += iov[i].iov_len;
	TT_ASSERT(off_bytes <= end && end <= s->ss->segment_bytes);
	/* Before the bytes: whoever syncs after us must not skip them. */
	atomic_store(&s->dirty, true);
	while (n_iov > 0) {
		size_t done;
		ssize_t n = pwritev(s->fd, iov, TT_MIN(n_iov, IOV_MAX),
		    (off_t)off_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return (say(s, "write", errno));
		if (n == 0 && off_bytes < end)
			return (say(s, "write", EIO));
		done = (size_t)n;
		off_bytes += done;
		while (n_iov > 0 && done >= iov->iov_len) {
			done -= iov->iov_len;
			iov++;
			n_iov--;
		}
		if (done > 0) {
			size_t left = iov->iov_len - done;
			int rc = write_rest(s,
			    (const uint8_t *)iov->iov_base + done, left,
			    off_bytes);

			if (rc != 0)
				return (rc);
			off_bytes += left;
			iov++;
			n_iov--;
		}
	}
	return (0);
}

int
seg_read(struct seg *s, void *buf, size_t len, uint64_t off_bytes)
{
	uint8_t *p = buf;

	TT_MAGIC(s, SEG_MAGIC);
	while (len > 0) {
		ssize_t n = pread(s->fd, p, len, (off_t)off_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return (say(s, "read", errno));
		if (n == 0)
			return (-ENODATA);
		p += n;
		len -= (size_t)n;
		off_bytes += (uint64_t)n;
	}
	return (0);
}

ssize_t
seg_read_cached(struct seg *s, const struct iovec *iov, int n_iov,
    uint64_t off_bytes)
{
	ssize_t n;

	TT_MAGIC(s, SEG_MAGIC);
	while ((n = preadv2(s->fd, iov, n_iov, (off_t)off_bytes,
	    RWF_NOWAIT)) < 0 && errno == EINTR)
		continue;
	if (n >= 0)
		return (n);
	/* A file system that cannot tell: then it is not known to be cached. */
	if (errno == EAGAIN || errno == EOPNOTSUPP || errno == ENOSYS)
		return (-EAGAIN);
	return (say(s, "read", errno));
}

/*
 * WRITE alone neither waits for the pages nor takes note of their errors: those
 * stay for seg_sync.
 */
void
seg_begin_sync(struct seg *s)
{

	TT_MAGIC(s, SEG_MAGIC);
	(void)sync_file_range(s->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

/*
 * One thread at a time per segment.  The kernel reports a failed write-back
 * once per open file: of two fdatasyncs at the same time one gets the error
 * and the other a 0 that means nothing.
 *
 * The name is synced the first time also for a segment that was only opened:
 * the process that made it may have died before it came to that.  Data before
 * name or after: power lost in between leaves a file without content or
 * content without a file; neither was promised to anybody.
 */
int
seg_sync(struct seg *s)
{
	struct segs *ss;
	bool name;
	int rc;

	TT_MAGIC(s, SEG_MAGIC);
	ss = s->ss;
	if (ss->read_only)	/* nobody has written anything */
		return (0);
	lk_lock(&ss->lk);
	while (s->syncing)
		lk_wait(&ss->lk, &ss->idle);
	if ((rc = s->sync_err) != 0) {
		lk_unlock(&ss->lk);
		return (rc);
	}
	s->syncing = true;
	name = !s->name_synced;
	lk_unlock(&ss->lk);

	/* Bytes that come from now on make it dirty again. */
	atomic_store(&s->dirty, false);
	if (fdatasync(s->fd) != 0)
		rc = say(s, "sync", errno);
	else if (name)
		rc = ss->ops->sync_name(ss->be, s->number);

	lk_lock(&ss->lk);
	s->syncing = false;
	s->sync_err = rc;
	if (rc == 0)
		s->name_synced = true;
	(void)pthread_cond_broadcast(&ss->idle);
	lk_unlock(&ss->lk);
	return (rc);
}
