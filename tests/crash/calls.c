/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * calls.c - makes every kind of change that the recorder knows, in DIR, from
 * several threads.  That the trace gives the same directory is for toy.sh to
 * see.  Exits 0 when every call succeeded.  "calls DIR CALL" makes one more, of
 * those that it does not know: symlink, fopen or sendfile.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "meta/base/check.h"

#define MUST(x) TT_ASSERT((x) != -1)
#define FULL(x, n) TT_ASSERT((x) == (ssize_t)(n))

static const char *top;
static int top_fd;
static _Alignas(4096) uint8_t buf[16384];

static const char *
at(const char *name)
{
	static __thread char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", top, name);
	return (path);
}

static void
writes(void)
{
	struct iovec v[2] = { { buf, 700 }, { buf + 5000, 3000 } };
	int fd, fd2;

	MUST(fd = open(at("a"), O_RDWR | O_CREAT | O_EXCL, 0600));
	FULL(write(fd, buf, 1000), 1000);
	FULL(writev(fd, v, 2), 3700);
	MUST(lseek(fd, 100, SEEK_SET));
	FULL(write(fd, buf + 9, 50), 50);
	FULL(pwrite(fd, buf + 77, 5000, 9999), 5000);
	FULL(pwrite64(fd, buf + 78, 10, 3), 10);
	FULL(pwritev(fd, v, 2, 20000), 3700);
	FULL(pwritev64(fd, v, 1, 30000), 700);
	FULL(pwritev2(fd, v, 2, 40000, RWF_DSYNC), 3700);
	FULL(pwritev64v2(fd, v, 1, 41000, 0), 700);
	MUST(fd2 = dup(fd));
	FULL(pwrite(fd2, buf, 100, 50000), 100);
	MUST(fdatasync(fd2));
	MUST(close(fd2));
	MUST(close(fd));
	MUST(fd = open64(at("a"), O_WRONLY | O_APPEND));
	FULL(write(fd, buf, 333), 333);
	MUST(close(fd));
	MUST(fd = open(at("a"), O_WRONLY | O_DSYNC));
	FULL(pwrite(fd, buf, 333, 60000), 333);
	MUST(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
	MUST(close(fd));
}

static void
sizes(void)
{
	int fd;

	MUST(fd = openat(top_fd, "b", O_RDWR | O_CREAT, 0600));
	MUST(fallocate(fd, 0, 0, 65536));
	FULL(pwrite(fd, buf, sizeof(buf), 4096), sizeof(buf));
	MUST(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8192,
	    4096));
	MUST(fallocate(fd, FALLOC_FL_KEEP_SIZE, 65536, 65536));
	TT_ASSERT(posix_fallocate(fd, 60000, 10000) == 0);
	MUST(ftruncate(fd, 69000));
	MUST(ftruncate(fd, 12345));
	MUST(ftruncate64(fd, 23456));
	MUST(fsync(fd));
	MUST(close(fd));
	MUST(truncate(at("b"), 22222));
	MUST(fd = openat64(top_fd, "b", O_WRONLY | O_TRUNC));
	FULL(write(fd, buf, 99), 99);
	MUST(close(fd));
	/* Not every file system has it. */
	fd = open(at("direct"), O_RDWR | O_CREAT | O_DIRECT, 0600);
	if (fd >= 0) {
		FULL(pwrite(fd, buf, 8192, 4096), 8192);
		MUST(close(fd));
	}
	MUST(fd = creat(at("c"), 0600));
	FULL(write(fd, buf, 10), 10);
	MUST(close(fd));
}

static void
names(void)
{
	int sub, fd;

	MUST(mkdir(at("sub"), 0700));
	MUST(mkdirat(top_fd, "sub/deeper", 0700));
	MUST(mkdir(at("gone"), 0700));
	MUST(rmdir(at("gone")));
	MUST(sub = open(at("sub"), O_RDONLY | O_DIRECTORY));
	MUST(fd = openat(sub, "x", O_WRONLY | O_CREAT, 0600));
	FULL(write(fd, buf, 4000), 4000);
	MUST(renameat(sub, "x", top_fd, "sub/deeper/y"));
	/* The descriptor goes on under another name. */
	FULL(write(fd, buf, 4000), 4000);
	MUST(close(fd));
	MUST(rename(at("c"), "renamed-c"));
	MUST(rename("renamed-c", "c"));
	MUST(fd = open("./c2", O_WRONLY | O_CREAT, 0600));
	MUST(close(fd));
	MUST(renameat2(AT_FDCWD, "c2", sub, "c3", RENAME_NOREPLACE));
	for (int i = 0; i < 50; i++) {
		MUST(fd = open(at("tmp"), O_WRONLY | O_CREAT | O_EXCL, 0600));
		FULL(write(fd, buf + i, 500), 500);
		MUST(close(fd));
		if (i % 3 == 0)
			MUST(rename(at("tmp"), "kept"));
		else if (i % 3 == 1)
			MUST(unlink(at("tmp")));
		else
			MUST(unlinkat(top_fd, "tmp", 0));
	}
	MUST(fsync(sub));
	MUST(close(sub));
}

/* Two threads append to one file: the order of the trace is the real one. */
static void *
append(void *arg)
{
	const char *text = arg;
	int fd;

	MUST(fd = open(at("shared"), O_WRONLY | O_CREAT | O_APPEND, 0600));
	for (int i = 0; i < 500; i++) {
		FULL(write(fd, text, strlen(text)), strlen(text));
		if (i % 50 == 0)
			MUST(fdatasync(fd));
	}
	MUST(close(fd));
	return (NULL);
}

/* What cannot be recorded must be found out. */
static void
odd(const char *call)
{
	int in, out;

	if (strcmp(call, "symlink") == 0) {
		MUST(symlink("nowhere", at("link")));
	} else if (strcmp(call, "fopen") == 0) {
		FILE *f = fopen(at("by-stdio"), "we");

		TT_ASSERT(f != NULL && fputs("text", f) >= 0);
		TT_ASSERT(fclose(f) == 0);
	} else {
		MUST(in = open(at("a"), O_RDONLY));
		MUST(out = open(at("sent"), O_WRONLY | O_CREAT, 0600));
		MUST(sendfile(out, in, NULL, 100));
		MUST(close(in));
		MUST(close(out));
	}
}

int
main(int argc, char **argv)
{
	pthread_t t[2];
	char one[] = "one, ", two[] = "the second; ";

	if (argc != 2 && argc != 3)
		return (2);
	top = argv[1];
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(i * 7 + i / 256 + 1);
	MUST(chdir(top));
	MUST(top_fd = open(top, O_RDONLY | O_DIRECTORY));
	writes();
	sizes();
	names();
	TT_ASSERT(pthread_create(&t[0], NULL, append, one) == 0);
	TT_ASSERT(pthread_create(&t[1], NULL, append, two) == 0);
	(void)pthread_join(t[0], NULL);
	(void)pthread_join(t[1], NULL);
	if (argc == 3)
		odd(argv[2]);
	MUST(fsync(top_fd));
	MUST(close(top_fd));
	return (0);
}
