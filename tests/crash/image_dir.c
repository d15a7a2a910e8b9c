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
#include <unistd.h>

#include "meta/base/check.h"
#include "tests/crash/image_int.h"

#define PAGE	4096u

static int
load_file(struct file *f, const char *path)
{
	struct stat st;
	ssize_t n;
	int fd, rc = 0;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return (-errno);
	if (fstat(fd, &st) != 0) {
		rc = -errno;
		goto out_close;
	}
	image_file_resize(f, (size_t)st.st_size);
	for (size_t at = 0; at < f->size; at += (size_t)n)
		if ((n = pread(fd, f->data + at, f->size - at,
		    (off_t)at)) <= 0) {
			rc = n < 0 ? -errno : -EIO;
			break;
		}
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
write_file(const struct file *f, const char *path)
{
	static const uint8_t zero[PAGE];
	int fd, rc = 0;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return (-errno);
	if (ftruncate(fd, (off_t)f->size) != 0)
		rc = -errno;
	for (size_t at = 0; at < f->size && rc == 0; at += PAGE) {
		size_t n = TT_MIN(PAGE, f->size - at);

		if (memcmp(f->data + at, zero, n) != 0 &&
		    pwrite(fd, f->data + at, n, (off_t)at) != (ssize_t)n)
			rc = errno == 0 ? -EIO : -errno;
	}
	if (close(fd) != 0 && rc == 0)
		rc = -errno;
	return (rc);
}

static int
by_path(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return (strcmp(x->path, y->path));
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
	for (size_t i = 0; i < im->durable.n && rc == 0; i++) {
		const struct name *n = &im->durable.v[i];

		if (snprintf(path, sizeof(path), "%s/%s", dir, n->path) >=
		    PATH_MAX)
			return (-ENAMETOOLONG);
		if (n->file != NULL)
			rc = write_file(n->file, path);
		else if (mkdir(path, 0700) != 0)
			rc = -errno;
	}
	return (rc);
}

struct compare {
	const struct image *im;
	size_t seen;
	int differ;
};

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
		at = 0;
		while (at < TT_MIN(f->size, n->file->size) &&
		    f->data[at] == n->file->data[at])
			at++;
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
