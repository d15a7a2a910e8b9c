/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record.c - LD_PRELOAD object: writes everything that a program does to the
 * files below TT_RECORD_DIR into the trace TT_RECORD_TRACE (trace.h).
 *
 * One mutex is held around the real call and the event, so the order of the
 * trace is the real one.  A sync is different: it covers what was written
 * before it *began*, and others write while it runs; so its event comes when
 * it has returned and says where the trace stood when it began.
 *
 * Files are known by device and inode, asked at each call, so duplicated and
 * passed descriptors need no care.  What the kernel does without a call of
 * libc (io_uring writes, stores through a mapping) is not seen: the replayer
 * compares its final image with the real directory to find that out.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/crash/record_int.h"

struct rec_real rec_real;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t found = PTHREAD_ONCE_INIT;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int trace_fd = -1;
static char root[PATH_MAX];		/* without a slash at its end */
static size_t root_len;
static uint64_t n_events;
static uint32_t last_fid;

/* (device, inode) -> fid; fid 0 is a file that does not concern us. */
struct known {
	dev_t dev;
	ino_t ino;
	uint32_t fid;
	bool used;
};
static struct known *tab;
static size_t tab_cap, tab_n;

static void
find(void *fn, const char *name)
{
	void *p = dlsym(RTLD_NEXT, name);

	if (p == NULL)
		abort();
	memcpy(fn, &p, sizeof(p));
}

static void
find_all(void)
{

	find(&rec_real.openat, "openat");
	find(&rec_real.write, "write");
	find(&rec_real.writev, "writev");
	find(&rec_real.pwrite, "pwrite");
	find(&rec_real.pwritev, "pwritev");
	find(&rec_real.pwritev2, "pwritev2");
	find(&rec_real.fsync, "fsync");
	find(&rec_real.fdatasync, "fdatasync");
	find(&rec_real.sync_file_range, "sync_file_range");
	find(&rec_real.syncfs, "syncfs");
	find(&rec_real.sync, "sync");
	find(&rec_real.renameat2, "renameat2");
	find(&rec_real.unlinkat, "unlinkat");
	find(&rec_real.mkdirat, "mkdirat");
	find(&rec_real.fallocate, "fallocate");
	find(&rec_real.ftruncate, "ftruncate");
	find(&rec_real.truncate, "truncate");
	find(&rec_real.linkat, "linkat");
	find(&rec_real.mmap, "mmap");
	find(&rec_real.symlinkat, "symlinkat");
	find(&rec_real.sendfile, "sendfile");
	find(&rec_real.splice, "splice");
	find(&rec_real.ioctl, "ioctl");
	find(&rec_real.fopen, "fopen");
	find(&rec_real.copy_file_range, "copy_file_range");
}

static void
setup(void)
{
	const char *dir = getenv("TT_RECORD_DIR");
	const char *trace = getenv("TT_RECORD_TRACE");

	if (dir == NULL || trace == NULL)
		return;
	if (realpath(dir, root) == NULL) {
		(void)fprintf(stderr, "record: TT_RECORD_DIR %s: %s\n", dir,
		    strerror(errno));
		abort();
	}
	root_len = strlen(root);
	trace_fd = rec_real.openat(AT_FDCWD, trace,
	    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (trace_fd < 0)
		abort();
}

bool
rec_active(void)
{

	(void)pthread_once(&found, find_all);
	/* A sanitizer calls us before libc has an environment. */
	if (environ != NULL)
		(void)pthread_once(&once, setup);
	return (trace_fd >= 0);
}

/* ---- which file ------------------------------------------------------- */

static struct known *
slot(struct known *t, size_t cap, dev_t dev, ino_t ino)
{
	size_t i = (size_t)((ino * 0x9e3779b97f4a7c15u) ^ dev) & (cap - 1);

	while (t[i].used && (t[i].dev != dev || t[i].ino != ino))
		i = (i + 1) & (cap - 1);
	return (&t[i]);
}

static void
remember(const struct stat *st, uint32_t fid)
{
	struct known *k;

	if (tab_n * 2 >= tab_cap) {
		size_t cap = tab_cap == 0 ? 1024 : tab_cap * 2;
		struct known *t = calloc(cap, sizeof(*t));

		if (t == NULL)
			abort();
		for (size_t i = 0; i < tab_cap; i++)
			if (tab[i].used)
				*slot(t, cap, tab[i].dev, tab[i].ino) = tab[i];
		free(tab);
		tab = t;
		tab_cap = cap;
	}
	k = slot(tab, tab_cap, st->st_dev, st->st_ino);
	if (!k->used)
		tab_n++;
	*k = (struct known){ st->st_dev, st->st_ino, fid, true };
}

/* The path below the root ("." is the root itself); false: outside. */
bool
rec_below(const char *path, char out[PATH_MAX])
{

	if (strncmp(path, root, root_len) != 0 ||
	    (path[root_len] != '/' && path[root_len] != '\0'))
		return (false);
	path += root_len;
	while (*path == '/')
		path++;
	(void)snprintf(out, PATH_MAX, "%s", *path == '\0' ? "." : path);
	for (size_t n = strlen(out); n > 1 && out[n - 1] == '/'; n--)
		out[n - 1] = '\0';
	return (true);
}

bool
rec_fd_path(int fd, char out[PATH_MAX])
{
	char link[64];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if ((n = readlink(link, out, PATH_MAX - 1)) < 0)
		return (false);
	out[n] = '\0';
	return (true);
}

bool
rec_at_path(int dirfd, const char *path, char out[PATH_MAX])
{
	char full[2 * PATH_MAX], base[PATH_MAX];

	if (path == NULL)
		return (false);
	if (path[0] == '/')
		return (rec_below(path, out));
	if (dirfd == AT_FDCWD) {
		if (getcwd(base, sizeof(base)) == NULL)
			return (false);
	} else if (!rec_fd_path(dirfd, base))
		return (false);
	while (path[0] == '.' && path[1] == '/')
		path += 2;
	(void)snprintf(full, sizeof(full), "%s/%s", base,
	    strcmp(path, ".") == 0 ? "" : path);
	if (strlen(full) >= PATH_MAX)
		return (false);
	return (rec_below(full, out));
}

/* ---- the trace -------------------------------------------------------- */

static void
put(const void *p, size_t n)
{
	const char *b = p;

	while (n > 0) {
		ssize_t w = rec_real.write(trace_fd, b, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0) {
			(void)fprintf(stderr, "record: trace: %s\n",
			    strerror(errno));
			abort();
		}
		b += w;
		n -= (size_t)w;
	}
}

/* A child of fork counts for itself, from 0. */
static void
new_process(void)
{
	static pid_t owner;
	struct trace_ev e = { .magic = TRACE_MAGIC, .kind = TRACE_START };

	if (owner == getpid())
		return;
	owner = getpid();
	free(tab);
	tab = NULL;
	tab_cap = tab_n = 0;
	n_events = 0;
	last_fid = 0;
	put(&e, sizeof(e));
}

/* One event in one write: a killed program leaves a whole prefix. */
void
rec_emit(struct trace_ev e, const char *name, const char *name2, const void *data)
{
	static char *buf;
	static size_t cap;
	int err = errno;
	size_t n = sizeof(e);

	e.magic = TRACE_MAGIC;
	e.name_len = (uint16_t)(name == NULL ? 0 : strlen(name));
	e.name2_len = (uint16_t)(name2 == NULL ? 0 : strlen(name2));
	if (cap < n + e.name_len + e.name2_len + e.data_len) {
		cap = n + e.name_len + e.name2_len + e.data_len + 65536;
		if ((buf = realloc(buf, cap)) == NULL)
			abort();
	}
	memcpy(buf, &e, n);
	if (name != NULL)
		memcpy(buf + n, name, e.name_len);
	n += e.name_len;
	if (name2 != NULL)
		memcpy(buf + n, name2, e.name2_len);
	n += e.name2_len;
	if (e.data_len > 0)
		memcpy(buf + n, data, e.data_len);
	put(buf, n + e.data_len);
	n_events++;
	errno = err;
}

void
rec_emit_name(enum trace_kind kind, const char *name, const char *name2)
{

	rec_emit((struct trace_ev){ .kind = (uint8_t)kind }, name, name2, NULL);
}

void
tt_record_mark(const void *data, uint32_t len)
{

	if (!rec_active())
		return;
	rec_lock();
	rec_emit((struct trace_ev){ .kind = TRACE_MARK, .data_len = len }, NULL,
	    NULL, data);
	rec_unlock();
}

void
tt_record_exit(int status)
{

	if (rec_active())
		rec_lock();
	_exit(status);
}

/* The fid of a regular file below the root, else 0.  Lock held. */
uint32_t
rec_fd_fid(int fd)
{
	char path[PATH_MAX], rel[PATH_MAX];
	struct stat st;
	struct known *k;
	uint32_t fid = 0;
	int err = errno;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		errno = err;
		return (0);
	}
	if (tab_cap > 0) {
		k = slot(tab, tab_cap, st.st_dev, st.st_ino);
		if (k->used)
			return (k->fid);
	}
	if (st.st_nlink > 0 && rec_fd_path(fd, path) && rec_below(path, rel)) {
		fid = ++last_fid;
		rec_emit((struct trace_ev){ .kind = TRACE_BIND, .fid = fid }, rel,
		    NULL, NULL);
	}
	remember(&st, fid);
	errno = err;
	return (fid);
}

/* A name goes away: forget the inode, its number may come again. */
void
rec_forget(int dirfd, const char *path)
{
	struct stat st;
	int err = errno;

	if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode) && st.st_nlink == 1 && tab_cap > 0) {
		struct known *k = slot(tab, tab_cap, st.st_dev, st.st_ino);

		if (k->used)
			k->fid = 0;
	}
	errno = err;
}

uint32_t
rec_new_file(const struct stat *st)
{

	remember(st, ++last_fid);
	return (last_fid);
}

uint64_t
rec_events(void)
{

	return (n_events);
}

void
rec_lock(void)
{

	(void)pthread_mutex_lock(&lock);
	new_process();
}

void
rec_unlock(void)
{

	(void)pthread_mutex_unlock(&lock);
}

void
rec_unknown(const char *what)
{

	rec_lock();
	rec_emit_name(TRACE_UNKNOWN, what, NULL);
	rec_unlock();
}
