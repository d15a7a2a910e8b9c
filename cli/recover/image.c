/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * image.c - reads what the map says may be data, in pieces; a piece that
 * cannot be read is read again block by block, so that one bad block costs no
 * more than itself.
 *
 * A file is written under another name (FILE.partial), synced, and gets its
 * own then: a sparse file has its full size from the first moment on, so
 * nothing else tells one that was cut short from one that is done.  A block
 * device has no second name.
 */
#include "cli/recover/image.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/recover/place.h"
#include "meta/base/clock.h"
#include "meta/base/exec_sync.h"
#include "meta/base/msg.h"
#include "meta/base/size.h"
#include "meta/fsutil.h"

#define PIECE_BYTES	(UINT64_C(4) << 20)
#define ZERO_BYTES	4096u		/* less is not worth a hole */
#define TELL_MS		200u

struct image {
	const struct image_conf *conf;
	struct exec_sync *es;
	struct lun_worker *w;
	struct lun_dev *dev;
	uint8_t *buf;
	uint8_t *map;			/* lun_dev_datamap */
	uint64_t unit_bytes, size_bytes;
	uint32_t block_bytes;
	int fd;
	bool is_device;
	char path[PATH_MAX];		/* of a file: its name at the end */
	char partial[PATH_MAX];		/* and until then */
	uint64_t bad_from, bad_to;	/* the range being gathered */
	int bad_rc;
	uint64_t told_ms, begun_ms;
	struct image_result res;
};

/* ---- reading ------------------------------------------------------------ */

struct waiter {
	struct lun_op op;
	bool done;
};

static void
read_done(struct lun_op *op)
{

	TT_CONTAINER(op, struct waiter, op)->done = true;
}

static int
read_at(struct image *im, uint64_t off, uint64_t len)
{
	struct iovec iov = { im->buf, len };
	struct waiter wt = { .op = { .kind = LUN_READ, .dev = im->dev,
	    .off_bytes = off, .len_bytes = len, .iov = &iov, .n_iov = 1,
	    .done = read_done } };

	lun_submit(im->w, &wt.op);
	exec_sync_run(im->es, &wt.done);
	return (wt.op.rc);
}

/* ---- progress and what is bad ------------------------------------------- */

static void
tell(struct image *im, uint64_t off, bool last)
{
	char done[SIZE_TEXT_LEN], all[SIZE_TEXT_LEN], rate[SIZE_TEXT_LEN];
	uint64_t now = clock_mono_ms(), ms = now - im->begun_ms + 1;
	unsigned percent = (unsigned)(off / (im->size_bytes / 100 + 1));

	if (!im->conf->progress || (!last && now < im->told_ms + TELL_MS))
		return;
	im->told_ms = now;
	(void)fprintf(stderr, "\r%3u%%  %s of %s, %s/s of data  %s",
	    last ? 100 : percent, size_human(done, off),
	    size_human(all, im->size_bytes),
	    size_human(rate, im->res.data_bytes * 1000 / ms),
	    last ? "\n" : "");
	(void)fflush(stderr);
}

static void
flush_bad(struct image *im)
{

	if (im->bad_to == im->bad_from)
		return;
	if (im->conf->progress)
		(void)fputs("\r", stderr);
	msg_err("unreadable: %llu bytes from %llu on: %s",
	    (unsigned long long)(im->bad_to - im->bad_from),
	    (unsigned long long)im->bad_from, msg_why(im->bad_rc));
	im->bad_from = im->bad_to = 0;
}

static void
note_bad(struct image *im, uint64_t off, uint64_t len, int rc)
{

	if (off != im->bad_to || rc != im->bad_rc)
		flush_bad(im);
	im->bad_rc = rc;
	if (im->bad_to == im->bad_from)
		im->bad_from = off;
	im->bad_to = off + len;
	im->res.bad_bytes += len;
}

/* ---- writing ------------------------------------------------------------ */

static bool
all_zero(const uint8_t *p, size_t n)
{

	return (n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0));
}

/* A device may hold anything, so it gets its zeroes; a file is empty. */
static int
write_piece(struct image *im, uint64_t off, size_t len)
{
	size_t from, to;
	int rc = 0;

	if (im->is_device) {
		im->res.data_bytes += len;
		return (fsutil_write(im->fd, im->buf, len, off));
	}
	for (from = 0; from < len && rc == 0; from = to) {
		to = TT_MIN(from + ZERO_BYTES, len);
		if (all_zero(im->buf + from, to - from))
			continue;
		while (to < len && !all_zero(im->buf + to,
		    TT_MIN((size_t)ZERO_BYTES, len - to)))
			to = TT_MIN(to + ZERO_BYTES, len);
		rc = fsutil_write(im->fd, im->buf + from, to - from,
		    off + from);
		im->res.data_bytes += to - from;
	}
	return (rc);
}

static int
copy_blocks(struct image *im, uint64_t off, uint64_t len)
{
	int rc = 0;

	for (uint64_t o = off; o < off + len && rc == 0; ) {
		uint64_t n = TT_MIN((uint64_t)im->block_bytes, off + len - o);

		rc = read_at(im, o, n);
		if (rc == -EIO || rc == -EILSEQ || rc == -ENODATA) {
			note_bad(im, o, n, rc);
			memset(im->buf, 0, n);
			rc = 0;
		}
		if (rc == 0)
			rc = write_piece(im, o, n);
		o += n;
	}
	return (rc);
}

static int
copy_piece(struct image *im, uint64_t off, uint64_t len)
{
	int rc = read_at(im, off, len);

	if (rc == -EIO || rc == -EILSEQ || rc == -ENODATA)
		return (copy_blocks(im, off, len));
	return (rc != 0 ? rc : write_piece(im, off, len));
}

static bool
may_have_data(const struct image *im, uint64_t off)
{
	uint64_t i = off / im->unit_bytes;

	return (im->is_device || (im->map[i / 8] >> (i % 8) & 1) != 0);
}

static int
copy_all(struct image *im)
{
	uint64_t off = 0, len;
	int rc;

	while (off < im->size_bytes) {
		if (!may_have_data(im, off)) {
			off += im->unit_bytes;
			tell(im, TT_MIN(off, im->size_bytes), false);
			continue;
		}
		len = 0;
		do {
			len = TT_MIN(len + im->unit_bytes,
			    im->size_bytes - off);
		} while (len < PIECE_BYTES && off + len < im->size_bytes &&
		    may_have_data(im, off + len));
		if ((rc = copy_piece(im, off, len)) != 0)
			return (rc);
		off += len;
		tell(im, off, false);
	}
	return (0);
}

/* ---- the file ------------------------------------------------------------ */

static int
say(const struct image *im, const char *what, int rc)
{

	msg_err("%s: %s", im->conf->file, what != NULL ? what :
	    strerror(-rc));
	return (rc);
}

static int
open_device(struct image *im)
{
	off_t end;

	/* O_EXCL: not one that is mounted. */
	im->fd = open(im->conf->file, O_WRONLY | O_CLOEXEC | O_EXCL);
	if (im->fd < 0)
		return (say(im, NULL, -errno));
	if ((end = lseek(im->fd, 0, SEEK_END)) < 0)
		return (say(im, NULL, -errno));
	if ((uint64_t)end < im->size_bytes)
		return (say(im, "the device is smaller than the LUN", -ENOSPC));
	im->is_device = true;
	return (0);
}

/*
 * Who writes it holds a lock on it.  It must still have that name afterwards:
 * the one who had the lock before may have finished it.
 */
static int
lock_partial(struct image *im)
{
	struct stat by_fd, by_name;

	if (flock(im->fd, LOCK_EX | LOCK_NB) != 0)
		return (errno == EWOULDBLOCK ? -EBUSY : -errno);
	if (fstat(im->fd, &by_fd) != 0)
		return (-errno);
	if (lstat(im->partial, &by_name) != 0 ||
	    by_fd.st_dev != by_name.st_dev || by_fd.st_ino != by_name.st_ino)
		return (-EBUSY);
	return (0);
}

static int
open_partial(struct image *im)
{
	const int flags = O_WRONLY | O_CLOEXEC | O_CREAT | O_NOFOLLOW;
	int rc;

	im->fd = open(im->partial, flags | O_EXCL, 0600);
	if (im->fd < 0 && errno == EEXIST && !im->conf->force) {
		msg_err("%s exists: the rest of one that was cut short; "
		    "remove it, or --force", im->partial);
		return (-EEXIST);
	}
	if (im->fd < 0 && errno == EEXIST)
		im->fd = open(im->partial, flags, 0600);
	if (im->fd < 0)
		return (say(im, NULL, -errno));
	if ((rc = lock_partial(im)) != 0)
		return (say(im, rc == -EBUSY ? "another tt-recover writes it" :
		    NULL, rc));
	if (ftruncate(im->fd, 0) != 0 ||
	    ftruncate(im->fd, (off_t)im->size_bytes) != 0)
		return (say(im, NULL, -errno));
	return (0);
}

/* Whose name is new, or replaced: its folder counts, not what is there. */
static int
check_place(const struct image *im)
{
	char dir[PATH_MAX];
	int rc;

	(void)snprintf(dir, sizeof(dir), "%s", im->path);
	rc = place_is_in(dirname(dir), im->conf->store);
	if (rc < 0)
		return (say(im, NULL, rc));
	return (rc == 0 ? 0 : say(im, "is in the store: choose a place outside",
	    -EINVAL));
}

static int
open_file(struct image *im)
{
	const char *file = im->conf->file;
	struct stat st;
	int n, rc;

	if (lstat(file, &st) != 0) {
		if (errno != ENOENT)
			return (say(im, NULL, -errno));
		n = snprintf(im->path, sizeof(im->path), "%s", file);
	} else {
		/* Of a link: what it leads to is replaced, not the link. */
		if (realpath(file, im->path) == NULL ||
		    stat(im->path, &st) != 0)
			return (say(im, NULL, -errno));
		if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
			return (say(im, "neither a file nor a block device",
			    -EINVAL));
		if (!im->conf->force)
			return (say(im, "it exists; --force writes over it",
			    -EEXIST));
		if (S_ISBLK(st.st_mode))
			return (open_device(im));
		n = 0;
	}
	if (n < 0 || (size_t)n >= sizeof(im->path) ||
	    (n = snprintf(im->partial, sizeof(im->partial), "%s.partial",
	    im->path)) < 0 || (size_t)n >= sizeof(im->partial))
		return (say(im, NULL, -ENAMETOOLONG));
	if ((rc = check_place(im)) != 0)
		return (rc);
	return (open_partial(im));
}

/*
 * The power goes before the folder is synced: FILE.partial or FILE, and the
 * latter is whole, because its content was synced before.
 */
static int
finish_file(struct image *im)
{
	char dir[PATH_MAX];
	int rc = 0;

	if (fsync(im->fd) != 0)
		return (-errno);
	if (im->is_device)
		return (0);
	if (!im->conf->force)
		rc = fsutil_rename_new(AT_FDCWD, im->partial, AT_FDCWD,
		    im->path);
	else if (rename(im->partial, im->path) != 0)
		rc = -errno;
	if (rc != 0)
		return (rc);
	(void)snprintf(dir, sizeof(dir), "%s", im->path);
	im->partial[0] = '\0';
	return (fsutil_sync_dir(AT_FDCWD, dirname(dir)));
}

/* ---- the whole ----------------------------------------------------------- */

static int
begin(struct image *im)
{
	const struct image_conf *c = im->conf;
	int rc;

	if ((rc = exec_sync_new(&im->es)) != 0 ||
	    (rc = lun_worker_new(c->ls, exec_sync_exec(im->es), &im->w)) != 0 ||
	    (rc = lun_dev_open(c->ls, c->lun, c->seq, &im->dev)) != 0)
		return (say(im, NULL, rc));
	im->size_bytes = im->res.size_bytes = lun_dev_size_bytes(im->dev);
	im->block_bytes = lun_dev_block_bytes(im->dev);
	rc = lun_dev_datamap(im->dev, &im->map, &im->unit_bytes);
	if (rc == 0 && (im->buf = malloc(PIECE_BYTES + im->unit_bytes)) == NULL)
		rc = -ENOMEM;
	return (rc == 0 ? open_file(im) : say(im, NULL, rc));
}

static void
end(struct image *im)
{

	lun_dev_close(im->dev);
	lun_worker_free(im->w);
	if (im->es != NULL)
		exec_sync_free(im->es);
	free(im->map);
	free(im->buf);
	if (im->fd >= 0)
		(void)close(im->fd);
}

int
image_write(const struct image_conf *conf, struct image_result *out)
{
	struct image im = { .conf = conf, .fd = -1,
	    .begun_ms = clock_mono_ms() };
	int rc;

	if ((rc = begin(&im)) == 0) {
		rc = copy_all(&im);
		flush_bad(&im);
		if (rc == 0)
			rc = finish_file(&im);
		if (rc == 0)
			tell(&im, im.size_bytes, true);
		else
			(void)say(&im, NULL, rc);
		if (rc != 0 && im.partial[0] != '\0')
			msg_err("what there is of it stays in %s", im.partial);
	}
	end(&im);
	*out = im.res;
	return (rc);
}
