/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * image_dir.c - an image from a directory, into one, and compared with one.
 */
#include "tests/crash/image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "tests/crash/image_int.h"

#define PAGE	IMAGE_PAGE_BYTES
#define MARK_NS	123456789L	/* beside a version */

static int
load_file(struct file *f, const char *path)
{
	static const uint8_t zero[PAGE];
	uint8_t buf[16 * PAGE];
	struct stat st;
	uint64_t at = 0;
	ssize_t n;
	int fd, rc = 0;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return (-errno);
	if (fstat(fd, &st) != 0) {
		rc = -errno;
		goto out_close;
	}
	image_file_resize(f, (size_t)st.st_size);
	while ((n = pread(fd, buf, sizeof(buf), (off_t)at)) > 0) {
		for (size_t i = 0; i < (size_t)n; i += PAGE) {
			size_t len = TT_MIN(PAGE, (size_t)n - i);

			if (memcmp(buf + i, zero, len) != 0)
				image_file_write(f, at + i, buf + i, len);
		}
		at += (uint64_t)n;
	}
	if (n < 0 || at != f->size)
		rc = n < 0 ? -errno : -EIO;
out_close:
	(void)close(fd);
	return (rc);
}

/* Calls ${fn} for everything below ${dir}; ${rel} is relative to the top. */
typedef int walk_fn(void *arg, const char *full, const char *rel, bool is_dir);

static int
walk(const char *dir, const char *rel, walk_fn *fn, void *arg)
{
	struct dirent *de;
	int rc = 0;
	DIR *d;

	if ((d = opendir(dir)) == NULL)
		return (-errno);
	while (rc == 0 && (de = readdir(d)) != NULL) {
		char full[PATH_MAX], sub[PATH_MAX];
		struct stat st;

		if (strcmp(de->d_name, ".") == 0 ||
		    strcmp(de->d_name, "..") == 0)
			continue;
		if (snprintf(full, sizeof(full), "%s/%s", dir, de->d_name) >=
		    PATH_MAX || snprintf(sub, sizeof(sub), "%s%s%s", rel,
		    rel[0] == '\0' ? "" : "/", de->d_name) >= PATH_MAX)
			rc = -ENAMETOOLONG;
		else if (lstat(full, &st) != 0)
			rc = -errno;
		else if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
			rc = fn(arg, full, sub, S_ISDIR(st.st_mode));
		if (rc == 0 && S_ISDIR(st.st_mode))
			rc = walk(full, sub, fn, arg);
	}
	(void)closedir(d);
	return (rc);
}

static int
load_one(void *arg, const char *full, const char *rel, bool is_dir)
{
	struct image *im = arg;
	struct file *f = is_dir ? NULL : image_file_new();
	int rc = is_dir ? 0 : load_file(f, full);

	if (f != NULL)
		f->seg = strncmp(rel, "seg/", 4) == 0 ||
		    strncmp(rel, "spare/", 6) == 0;
	image_names_put(&im->durable, rel, f);
	image_names_put(&im->live, rel, f);
	image_file_put(f);
	return (rc);
}

int
image_load(struct image *im, const char *dir)
{

	return (walk(dir, "", load_one, im));
}

/* Only pages that are not zero, so that the copy is as sparse as it can be. */
static int
write_pages(const struct file *f, int fd)
{
	struct iovec v[64];
	size_t i = 0;

	while (i < f->n_page) {
		size_t first = i, n = 0, len = 0;

		for (; i < f->n_page && f->page[i] != NULL && n < 64; i++) {
			v[n].iov_base = f->page[i];
			v[n].iov_len = TT_MIN(PAGE, f->size - i * PAGE);
			len += v[n++].iov_len;
		}
		if (n == 0)
			i++;
		else if (pwritev(fd, v, (int)n, (off_t)(first * PAGE)) !=
		    (ssize_t)len)
			return (errno == 0 ? -EIO : -errno);
	}
	return (0);
}

static int
write_file(const struct file *f, const char *path)
{
	struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT },
	    { .tv_sec = (time_t)f->version, .tv_nsec = MARK_NS } };
	int fd, rc = 0;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return (-errno);
	if (ftruncate(fd, (off_t)f->size) != 0)
		rc = -errno;
	if (rc == 0)
		rc = write_pages(f, fd);
	if (rc == 0 && f->seg && f->version != 0 && futimens(fd, ts) != 0)
		rc = -errno;
	if (close(fd) != 0 && rc == 0)
		rc = -errno;
	return (rc);
}

/* Is it there already?  Whoever changes a file changes its time as well. */
static bool
is_same(const struct file *f, const struct stat *st)
{

	return (S_ISREG(st->st_mode) && f->seg && f->version != 0 &&
	    st->st_nlink == 1 && st->st_size == (off_t)f->size &&
	    st->st_mtim.tv_sec == (time_t)f->version &&
	    st->st_mtim.tv_nsec == MARK_NS);
}

static int
by_path(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return (strcmp(x->path, y->path));
}

/* Removes what is not in the image, or is something else there. */
static int
clear(const struct image *im, const char *dir, const char *rel)
{
	struct dirent *de;
	int rc = 0;
	DIR *d;

	if ((d = opendir(dir)) == NULL)
		return (-errno);
	while (rc == 0 && (de = readdir(d)) != NULL) {
		char full[PATH_MAX], sub[PATH_MAX];
		struct name key = { .path = sub }, *n;
		bool is_dir = de->d_type == DT_DIR;

		if (strcmp(de->d_name, ".") == 0 ||
		    strcmp(de->d_name, "..") == 0)
			continue;
		if (snprintf(full, sizeof(full), "%s/%s", dir, de->d_name) >=
		    PATH_MAX || snprintf(sub, sizeof(sub), "%s%s%s", rel,
		    rel[0] == '\0' ? "" : "/", de->d_name) >= PATH_MAX)
			rc = -ENAMETOOLONG;
		else if (is_dir)
			rc = clear(im, full, sub);
		n = im->durable.n == 0 ? NULL : bsearch(&key, im->durable.v,
		    im->durable.n, sizeof(key), by_path);
		if (rc == 0 && (n == NULL || (n->file == NULL) != is_dir) &&
		    (is_dir ? rmdir(full) : unlink(full)) != 0)
			rc = -errno;
		else if (n != NULL && is_dir)
			n->there = n->file == NULL;
	}
	(void)closedir(d);
	return (rc);
}

static int
write_one(const struct name *n, const char *path)
{
	struct stat st;

	if (n->file == NULL)
		return (!n->there && mkdir(path, 0700) != 0 ? -errno : 0);
	if (lstat(path, &st) == 0) {
		if (is_same(n->file, &st))
			return (0);
		if (unlink(path) != 0)
			return (-errno);
	}
	return (write_file(n->file, path));
}

int
image_write(const struct image *im, const char *dir)
{
	char path[PATH_MAX];
	int rc = 0;

	/* Sorted: directories come before what is in them. */
	if (im->durable.n > 0)
		qsort(im->durable.v, im->durable.n, sizeof(struct name),
		    by_path);
	rc = clear(im, dir, "");
	for (size_t i = 0; i < im->durable.n && rc == 0; i++) {
		const struct name *n = &im->durable.v[i];

		if (snprintf(path, sizeof(path), "%s/%s", dir, n->path) >=
		    PATH_MAX)
			return (-ENAMETOOLONG);
		rc = write_one(n, path);
	}
	return (rc);
}

struct compare {
	const struct image *im;
	size_t seen;
	int differ;
};

static size_t
first_difference(const struct file *a, const struct file *b)
{
	size_t i = 0, at = 0;

	while (i < a->n_page && memcmp(image_file_page(a, i),
	    image_file_page(b, i), PAGE) == 0)
		i++;
	if (i == a->n_page)
		return (a->size);
	while (image_file_page(a, i)[at] == image_file_page(b, i)[at])
		at++;
	return (i * PAGE + at);
}

static int
compare_one(void *arg, const char *full, const char *rel, bool is_dir)
{
	struct compare *c = arg;
	struct names t = c->im->durable;
	struct name *n = image_names_find(&t, rel);
	struct file *f;
	size_t len = strlen(rel), at;
	int rc;

	if (n == NULL || (n->file == NULL) != is_dir) {
		(void)fprintf(stderr, "compare: %s is not in the trace\n",
		    rel);
		c->differ++;
		return (0);
	}
	c->seen++;
	if (is_dir || (len >= 8 && strcmp(rel + len - 8, "lock.mdb") == 0))
		return (0);
	f = image_file_new();
	if ((rc = load_file(f, full)) == 0) {
		at = first_difference(f, n->file);
		if (at < f->size || f->size != n->file->size) {
			(void)fprintf(stderr,
			    "compare: %s: %zu bytes, trace says %zu; differs "
			    "at %zu\n", rel, f->size, n->file->size, at);
			c->differ++;
		}
	}
	image_file_put(f);
	return (rc);
}

int
image_compare(const struct image *im, const char *dir)
{
	struct compare c = { .im = im };
	int rc;

	if ((rc = walk(dir, "", compare_one, &c)) != 0)
		return (rc);
	if (c.seen != im->durable.n) {
		(void)fprintf(stderr, "compare: %zu names, trace says %zu\n",
		    c.seen, im->durable.n);
		c.differ++;
	}
	return (c.differ);
}
