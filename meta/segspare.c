/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * segspare.c - prepared files of the directory backend.
 *
 * spare/NNNNNNNN is a file of the size of a segment, allocated and written
 * once; it becomes a segment by a rename.  spare/NNNNNNNN.new is one that is
 * being made.  The content does not matter (every checksum of a segment is
 * seeded by a nonce that is not known yet), only that each block has been
 * written: then a flush of the segment need not wait for the journal of the
 * file system to say where its blocks are.
 *
 * Crash, step by step:
 *  - while .new is made: .new in any state; removed by the next owner;
 *  - after its rename: .new or the spare; the spare has all its blocks,
 *    because they were synced before the rename;
 *  - after the rename to a segment: the spare or the segment, as long as the
 *    folder of the segment was not synced (seg_sync).  The spare may then hold
 *    bytes that were meant for the segment; nobody was told they are durable.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/base/msg.h"
#include "meta/fsutil.h"
#include "meta/segdir_int.h"

#define CHUNK_BYTES	(1u << 20)
#define NEW_SUFFIX	".new"
#define HOLES_SHARE	4u	/* of a segment that is worth filling */
static_assert(NEWNAME_LEN == SEGNAME_LEN + sizeof(NEW_SUFFIX) - 1, "room");

/* Aligned for O_DIRECT; never written, so it costs no memory. */
static uint8_t zeroes[CHUNK_BYTES] __attribute__((aligned(4096)));

const char *
segspare_new_name(char dst[static NEWNAME_LEN], uint32_t n)
{

	(void)snprintf(dst, NEWNAME_LEN, "%08x" NEW_SUFFIX, (unsigned)n);
	return (dst);
}

/*
 * A whole file that has no other name?  The last is for file systems that do
 * not rename at once: a spare that is also a segment must not be given away.
 */
static bool
is_spare(const struct segdir *d, const struct stat *st)
{

	return (S_ISREG(st->st_mode) && st->st_nlink == 1 &&
	    st->st_size == (off_t)d->segment_bytes);
}

static bool
has_new_suffix(const char *name)
{
	char stem[SEGNAME_LEN];
	uint32_t n;

	if (strlen(name) != NEWNAME_LEN - 1 ||
	    strcmp(name + SEGNAME_LEN - 1, NEW_SUFFIX) != 0)
		return (false);
	(void)snprintf(stem, sizeof(stem), "%.8s", name);
	return (segdir_parse_name(stem, &n));
}

/*
 * A spare that is not empty was a segment whose rename was lost with the
 * power: its header must not come back under its number.
 */
static bool
is_empty(const struct segdir *d, const char *name)
{
	static const uint8_t zero[512];
	uint8_t head[512];
	int fd = openat(d->spare, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool empty;

	if (fd < 0)
		return (false);
	empty = pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
	    memcmp(head, zero, sizeof(head)) == 0;
	(void)close(fd);
	return (empty);
}

/* Half-made files and those of another size go; strangers are left alone. */
static int
scan_one(void *arg, const char *name)
{
	struct segdir *d = arg;
	struct stat st;
	bool ours, keep = false;
	uint32_t n = 0;

	ours = segdir_parse_name(name, &n);
	if (ours && fstatat(d->spare, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		keep = is_spare(d, &st) && is_empty(d, name);
	lk_lock(&d->lk);
	if (ours && n >= d->next_spare)
		d->next_spare = n + 1;	/* may wrap; see segspare_prepare */
	if (keep && d->n_ready < SEGDIR_SPARES_MAX)
		d->ready[d->n_ready++] = n;
	else
		keep = false;
	lk_unlock(&d->lk);
	if (!keep && (ours || has_new_suffix(name)))
		(void)unlinkat(d->spare, name, 0);
	return (0);
}

int
segspare_scan(struct segdir *d)
{

	return (segdir_names(d->dir, "spare", scan_one, d));
}

/* True: there is one, and it is the caller's now. */
static bool
take(struct segdir *d, uint32_t *out)
{
	bool got;

	lk_lock(&d->lk);
	if ((got = d->n_ready > 0))
		*out = d->ready[--d->n_ready];
	lk_unlock(&d->lk);
	return (got);
}

/* One too many (others came meanwhile) is only removed. */
static void
give_back(struct segdir *d, uint32_t n)
{
	char name[SEGNAME_LEN];
	bool room;

	lk_lock(&d->lk);
	if ((room = d->n_ready < SEGDIR_SPARES_MAX))
		d->ready[d->n_ready++] = n;
	lk_unlock(&d->lk);
	if (!room)
		(void)unlinkat(d->spare, segdir_name(name, n), 0);
}

int
segspare_use(struct segdir *d, int to_dir, const char *to_name, int *out_fd)
{
	char name[SEGNAME_LEN];
	struct stat st;
	uint32_t n;
	int fd, rc;

	while (take(d, &n)) {
		fd = openat(d->spare, segdir_name(name, n),
		    O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 && errno != ENOENT && errno != ELOOP) {
			rc = -errno;
			give_back(d, n);
			return (rc);
		}
		/* Somebody has put his hand to it: not a spare any more. */
		if (fd < 0 || fstat(fd, &st) != 0 || !is_spare(d, &st)) {
			if (fd >= 0)
				(void)close(fd);
			continue;
		}
		rc = fsutil_rename_new(d->spare, name, to_dir, to_name);
		if (rc == 0) {
			*out_fd = fd;
			return (0);
		}
		(void)close(fd);
		give_back(d, n);
		return (rc);
	}
	return (-ENOENT);
}

unsigned
segspare_prepared(void *be)
{
	struct segdir *d = be;
	unsigned n;

	lk_lock(&d->lk);
	n = d->n_ready;
	lk_unlock(&d->lk);
	return (n);
}

void
segspare_drop(void *be)
{
	struct segdir *d = be;
	char name[SEGNAME_LEN];
	uint32_t n;

	while (take(d, &n))
		(void)unlinkat(d->spare, segdir_name(name, n), 0);
}

/*
 * Opens past the page cache where that is possible: 64 MiB of zeroes would
 * push out what readers want, and wait in line before the next flush.
 */
static int
open_new(struct segdir *d, const char *name, bool *direct, int *out_fd)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
	int fd;

	*direct = true;
	fd = openat(d->spare, name, flags | O_DIRECT, 0600);
	if (fd < 0 && errno == EINVAL) {
		/* Linux may leave the file behind when it refuses the flag. */
		(void)unlinkat(d->spare, name, 0);
		*direct = false;
		fd = openat(d->spare, name, flags, 0600);
	}
	if (fd < 0)
		return (-errno);
	*out_fd = fd;
	return (0);
}

/* Through the page cache each chunk is synced, so that few are ever dirty. */
static int
write_chunk(int fd, uint64_t off_bytes, size_t len, bool *direct)
{
	int rc = fsutil_write(fd, zeroes, len, off_bytes);

	if (rc == -EINVAL && *direct) {
		int fl = fcntl(fd, F_GETFL);

		if (fl < 0 || fcntl(fd, F_SETFL, fl & ~O_DIRECT) != 0)
			return (-errno);
		*direct = false;
		rc = fsutil_write(fd, zeroes, len, off_bytes);
	}
	if (rc == 0 && !*direct && fdatasync(fd) != 0)
		rc = -errno;
	return (rc);
}

static int
fill(const struct segdir *d, int fd, bool direct, const bool *stop)
{
	uint64_t off = 0;
	int rc;

	if ((rc = fsutil_allocate(fd, d->segment_bytes)) != 0)
		return (rc);
	for (; off < d->segment_bytes; off += CHUNK_BYTES) {
		uint64_t left = d->segment_bytes - off;
		size_t n = (size_t)TT_MIN(left, (uint64_t)CHUNK_BYTES);

		if (__atomic_load_n(stop, __ATOMIC_ACQUIRE))
			return (-ECANCELED);
		if ((rc = write_chunk(fd, off, n, &direct)) != 0)
			return (rc);
	}
	return (fdatasync(fd) != 0 ? -errno : 0);
}

/*
 * A name that is taken (the numbers of spares wrap) is an error of this
 * attempt only; the next one has the next name.
 */
int
segspare_prepare(void *be, const bool *stop)
{
	struct segdir *d = be;
	char name[SEGNAME_LEN], tmp[NEWNAME_LEN];
	bool direct, full;
	uint32_t n;
	int fd = -1, rc;

	lk_lock(&d->lk);
	full = d->n_ready == SEGDIR_SPARES_MAX;
	n = d->next_spare++;
	lk_unlock(&d->lk);
	if (full)
		return (-ENFILE);
	(void)segspare_new_name(tmp, n);
	(void)segdir_name(name, n);
	if ((rc = open_new(d, tmp, &direct, &fd)) != 0)
		return (rc);
	rc = fill(d, fd, direct, stop);
	(void)close(fd);
	/* Power lost here: a .new that the next owner removes. */
	if (rc == 0)
		rc = fsutil_rename_new(d->spare, tmp, d->spare, name);
	if (rc != 0) {
		(void)unlinkat(d->spare, tmp, 0);
		return (rc);
	}
	if (fsync(d->spare) != 0) {
		rc = -errno;
		(void)unlinkat(d->spare, name, 0);
		return (rc);
	}
	give_back(d, n);
	return (0);
}

/* Is all but the ${lacking_bytes} of it there? */
static bool
has_blocks(const struct segdir *d, int fd, uint64_t lacking_bytes)
{
	struct stat st;

	return (fstat(fd, &st) == 0 && is_spare(d, &st) &&
	    (uint64_t)st.st_blocks * 512 + lacking_bytes >= d->segment_bytes);
}

/*
 * The next hole at or behind ${*from}, up to ${*to}; 0 there is none.  An answer
 * that cannot be is an error: it would fill for ever.
 */
static int
next_hole(const struct segdir *d, int fd, off_t *from, off_t *to)
{
	const off_t end = (off_t)d->segment_bytes;
	off_t hole, data;

	if (*from >= end)
		return (0);
	if ((hole = lseek(fd, *from, SEEK_HOLE)) < 0)
		return (-errno);
	if (hole >= end)
		return (0);
	data = lseek(fd, hole, SEEK_DATA);
	if (data < 0 && errno != ENXIO)
		return (-errno);
	if (data < 0 || data > end)
		data = end;	/* to the end */
	if (hole < *from || data <= hole)
		return (-EINVAL);
	*from = hole;
	*to = data;
	return (1);
}

/*
 * A prepared file has all its blocks: a write to a hole would need space, and
 * then there may be none.  Reclaim makes holes in what is partly dead, mostly
 * small ones; to fill these is less than to free the file and write another.
 */
static int
fill_holes(const struct segdir *d, int fd)
{
	int fl = fcntl(fd, F_GETFL), rc;
	bool direct = fl >= 0 && fcntl(fd, F_SETFL, fl | O_DIRECT) == 0;
	off_t at = 0, to = 0;

	while ((rc = next_hole(d, fd, &at, &to)) > 0)
		while (at < to) {
			size_t n = (size_t)TT_MIN(to - at, (off_t)CHUNK_BYTES);

			rc = write_chunk(fd, (uint64_t)at, n, &direct);
			if (rc != 0)
				return (rc);
			at += (off_t)n;
		}
	if (rc == 0 && to > 0 && fdatasync(fd) != 0)
		rc = -errno;
	return (rc);
}

/*
 * No segment any more.  -EINVAL: what it lacks is too much, or could not be
 * found and filled.
 */
static int
clear(const struct segdir *d, int fd)
{
	int rc;

	if (!has_blocks(d, fd, d->segment_bytes / HOLES_SHARE))
		return (-EINVAL);
	if ((rc = fsutil_write(fd, zeroes, SEGDIR_HEADER_BYTES, 0)) != 0)
		return (rc);
	if (fdatasync(fd) != 0)
		return (-errno);
	/* Power lost from here on: it has no header. */
	if ((rc = fill_holes(d, fd)) != 0)
		return (rc);
	return (has_blocks(d, fd, 0) ? 0 : -EINVAL);
}

/*
 * A dead segment becomes a prepared file.  Its header goes first, durably: so
 * the file is no segment any more, whichever of its two names it has after a
 * crash, and as a spare it is one that is empty.  It is not given away before
 * both folders are durable: its old name can then not come back with what is
 * written to it as another segment.
 */
int
segspare_recycle(struct segdir *d, int from_dir, const char *from_name)
{
	char name[SEGNAME_LEN];
	uint32_t n;
	int fd, rc;

	fd = openat(from_dir, from_name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return (-errno);
	rc = clear(d, fd);
	(void)close(fd);
	if (rc != 0)
		return (rc);
	lk_lock(&d->lk);
	n = d->next_spare++;
	lk_unlock(&d->lk);
	rc = fsutil_rename_new(from_dir, from_name, d->spare,
	    segdir_name(name, n));
	if (rc != 0)
		return (rc);
	if (fsync(d->spare) != 0 || fsync(from_dir) != 0) {
		(void)unlinkat(d->spare, name, 0);
		return (0);
	}
	give_back(d, n);
	return (0);
}
