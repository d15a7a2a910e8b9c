/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/segs.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/meta/faults.h"
#include "tests/unit/meta/segfix.h"

static void
test_init(void)
{
	static const char *const there[] = { "lock", "seg", "spare" };
	struct segfix f;

	for (unsigned i = 0; i < 3; i++) {
		tmpdir_make(&f.t);
		CU_ASSERT_EQUAL(mkdir(tmpdir_path(&f.t, there[i]), 0700), 0);
		CU_ASSERT_EQUAL(segs_init(f.t.path), -EEXIST);
		CU_ASSERT_EQUAL(segfix_files(&f, ".", NULL), 1);
		tmpdir_remove(&f.t);
	}
	tmpdir_make(&f.t);
	CU_ASSERT_EQUAL(segs_init(f.t.path), 0);
	CU_ASSERT_EQUAL(segfix_files(&f, "seg", NULL), 256);
	CU_ASSERT_EQUAL(segfix_files(&f, "spare", NULL), 0);
	CU_ASSERT_EQUAL(segs_init(f.t.path), -EEXIST);
	CU_ASSERT_EQUAL(segs_init(tmpdir_path(&f.t, "none")), -ENOENT);
	tmpdir_remove(&f.t);
}

/* Nothing half done when the disk refuses. */
static void
test_init_fails(void)
{
	struct segfix f;

	tmpdir_make(&f.t);
	fault.fsync_err = EIO;
	CU_ASSERT_EQUAL(segs_init(f.t.path), -EIO);
	fault.fsync_err = 0;
	CU_ASSERT_EQUAL(segfix_files(&f, ".", NULL), 0);
	CU_ASSERT_EQUAL(segs_init(f.t.path), 0);
	tmpdir_remove(&f.t);
}

static void
test_one_owner(void)
{
	struct segs *second;
	struct segfix f;

	tmpdir_make(&f.t);
	CU_ASSERT_EQUAL(segs_open(f.t.path, SEG_BYTES, 8, &second), -ENOENT);
	CU_ASSERT_EQUAL(segs_init(f.t.path), 0);
	segfix_open(&f, 8);
	CU_ASSERT_EQUAL(segs_open(f.t.path, SEG_BYTES, 8, &second), -EBUSY);
	CU_ASSERT_EQUAL(segs_open(f.t.path, SEG_BYTES, 8, &second), -EBUSY);
	segs_close(f.ss);
	segfix_open(&f, 8);
	segfix_teardown(&f);
}

static void
test_owner_dies(void)
{
	int pipes[2], st;
	struct segs *ss;
	struct segfix f;
	char c = 0;
	pid_t pid;

	tmpdir_make(&f.t);
	CU_ASSERT_EQUAL(segs_init(f.t.path), 0);
	CU_ASSERT_EQUAL_FATAL(pipe(pipes), 0);
	(void)fflush(NULL);
	if ((pid = fork()) == 0) {
		c = segs_open(f.t.path, SEG_BYTES, 8, &ss) == 0 ? 'y' : 'n';
		(void)!write(pipes[1], &c, 1);
		for (;;)
			(void)pause();
	}
	CU_ASSERT_EQUAL(read(pipes[0], &c, 1), 1);
	CU_ASSERT_EQUAL(c, 'y');
	CU_ASSERT_EQUAL(segs_open(f.t.path, SEG_BYTES, 8, &ss), -EBUSY);
	CU_ASSERT_EQUAL(kill(pid, SIGKILL), 0);
	CU_ASSERT_EQUAL(waitpid(pid, &st, 0), pid);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
	segfix_open(&f, 8);
	segfix_teardown(&f);
}

static void
test_create_write_read(void)
{
	char a[5000], b[3000], both[8000], buf[16];
	struct iovec iov[3] = { { a, sizeof(a) }, { NULL, 0 },
	    { b, sizeof(b) } };
	struct segfix f;
	struct seg *s, *again;
	struct stat st;

	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	memcpy(both, a, sizeof(a));
	memcpy(both + sizeof(a), b, sizeof(b));
	segfix_setup(&f, 8);
	CU_ASSERT_EQUAL(segs_get(f.ss, 0x1234abcd, &s), -ENOENT);
	CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, 0x1234abcd, &s), 0);
	CU_ASSERT_EQUAL(seg_number(s), 0x1234abcd);
	CU_ASSERT_EQUAL(segs_create(f.ss, 0x1234abcd, &again), -EEXIST);

	/* The whole size, and all of it on the disk. */
	CU_ASSERT_EQUAL(stat(tmpdir_path(&f.t, "seg/cd/1234abcd"), &st), 0);
	CU_ASSERT_EQUAL(st.st_size, SEG_BYTES);
	CU_ASSERT_TRUE(st.st_blocks * 512 >= SEG_BYTES);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);

	CU_ASSERT_EQUAL(seg_write(s, iov, 3, 4096), 0);
	CU_ASSERT_TRUE(segfix_has(s, both, sizeof(both), 4096));
	CU_ASSERT_EQUAL(seg_write(s, iov, 0, 0), 0);
	CU_ASSERT_EQUAL(segfix_put(s, a, 16, SEG_BYTES - 16), 0);
	CU_ASSERT_EQUAL(seg_read(s, buf, 16, SEG_BYTES - 16), 0);
	CU_ASSERT_EQUAL(seg_read(s, buf, 16, SEG_BYTES - 15), -ENODATA);
	CU_ASSERT_EQUAL(seg_read(s, buf, 1, SEG_BYTES), -ENODATA);
	CU_ASSERT_EQUAL(seg_read(s, buf, 0, SEG_BYTES), 0);

	CU_ASSERT_EQUAL(segs_get(f.ss, 0x1234abcd, &again), 0);
	CU_ASSERT_PTR_EQUAL(again, s);
	CU_ASSERT_PTR_EQUAL(seg_ref(s), s);
	seg_put(again);
	seg_put(s);
	CU_ASSERT_EQUAL(seg_sync(s), 0);
	seg_put(s);
	segs_close(f.ss);
	segfix_open(&f, 8);
	CU_ASSERT_EQUAL_FATAL(segs_get(f.ss, 0x1234abcd, &s), 0);
	CU_ASSERT_TRUE(segfix_has(s, both, sizeof(both), 4096));
	seg_put(s);
	CU_ASSERT_EQUAL(segs_create(f.ss, 0x1234abcd, &s), -EEXIST);
	segfix_teardown(&f);
}

/* More pieces than one call takes. */
static void
test_many_pieces(void)
{
	enum { N = 3000, LEN = 300 };
	struct iovec *iov = calloc(N, sizeof(*iov));
	char *buf = malloc(N * LEN), *got = malloc(N * LEN);
	struct segfix f;
	struct seg *s;

	srand(14);
	for (size_t i = 0; i < N * LEN; i++)
		buf[i] = (char)rand();
	for (size_t i = 0; i < N; i++)
		iov[i] = (struct iovec){ buf + i * LEN, LEN };
	segfix_setup(&f, 8);
	CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, 1, &s), 0);
	CU_ASSERT_EQUAL(seg_write(s, iov, N, 512), 0);
	CU_ASSERT_EQUAL(seg_read(s, got, N * LEN, 512), 0);
	CU_ASSERT_EQUAL(memcmp(buf, got, N * LEN), 0);
	seg_put(s);
	segfix_teardown(&f);
	free(got);
	free(buf);
	free(iov);
}

static void
test_read_cached(void)
{
	char a[8192], b[8192];
	struct iovec iov[2] = { { b, 100 }, { b + 100, sizeof(b) - 100 } };
	struct segfix f;
	struct seg *s;
	ssize_t n;

	memset(a, 'x', sizeof(a));
	segfix_setup(&f, 8);
	CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, 1, &s), 0);
	CU_ASSERT_EQUAL(segfix_put(s, a, sizeof(a), 0), 0);
	memset(b, 0, sizeof(b));
	n = seg_read_cached(s, iov, 2, 0);
	CU_ASSERT_EQUAL(n, (ssize_t)sizeof(b));
	CU_ASSERT_EQUAL(memcmp(a, b, sizeof(b)), 0);
	CU_ASSERT_EQUAL(seg_read_cached(s, iov, 2, SEG_BYTES), 0);

	/* Out of the cache: it says so, and never what is not there. */
	CU_ASSERT_EQUAL(seg_sync(s), 0);
	CU_ASSERT_EQUAL(posix_fadvise(seg_fd(s), 0, 0, POSIX_FADV_DONTNEED),
	    0);
	memset(b, 0, sizeof(b));
	n = seg_read_cached(s, iov, 2, 0);
	CU_ASSERT_TRUE(n == -EAGAIN || (n > 0 &&
	    memcmp(a, b, (size_t)n) == 0));
	seg_put(s);
	segfix_teardown(&f);
}

struct listed {
	struct segs *ss;
	uint32_t last;
	unsigned n, wrong, stop_at;
};

static int
in_order(void *arg, uint32_t number)
{
	struct listed *l = arg;

	l->wrong += number <= l->last;
	l->last = number;
	/* Removing what is shown is allowed. */
	if (number % 2 == 0)
		l->wrong += segs_remove(l->ss, number) != 0;
	return (++l->n == l->stop_at ? 4711 : 0);
}

static void
make_file(const struct segfix *f, const char *name)
{
	int fd = open(tmpdir_path(&f->t, name), O_WRONLY | O_CREAT, 0600);

	CU_ASSERT_TRUE(fd >= 0);
	(void)close(fd);
}

static void
test_list(void)
{
	static const char *const strangers[] = { "seg/00/00000001",
	    "seg/01/1", "seg/01/00000001x", "seg/01/0000000g",
	    "seg/AB", "seg/ab/000000AB", "seg/00/00000000", "seg/02/x.new" };
	struct listed l;
	struct segfix f;
	struct seg *s;

	segfix_setup(&f, 4);
	CU_ASSERT_EQUAL(segfix_listed(&f), 0);
	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++)
		make_file(&f, strangers[i]);
	for (uint32_t i = 1; i <= 40; i++) {
		CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, i * 0x10057, &s), 0);
		seg_put(s);
	}
	l = (struct listed){ .ss = f.ss, .stop_at = 7 };
	CU_ASSERT_EQUAL(segs_list(f.ss, in_order, &l), 4711);
	CU_ASSERT_EQUAL(l.n, 7);
	CU_ASSERT_EQUAL(segfix_listed(&f), 37);
	l = (struct listed){ .ss = f.ss };
	CU_ASSERT_EQUAL(segs_list(f.ss, in_order, &l), 0);
	CU_ASSERT_EQUAL(l.n, 37);
	CU_ASSERT_EQUAL(l.wrong, 0);
	CU_ASSERT_EQUAL(segfix_listed(&f), 20);
	segfix_teardown(&f);
}

static void
test_remove(void)
{
	struct segfix f;
	struct seg *s, *t;

	segfix_setup(&f, 8);
	CU_ASSERT_EQUAL(segs_remove(f.ss, 5), -ENOENT);
	CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, 5, &s), 0);
	CU_ASSERT_EQUAL(segfix_put(s, "still here", 10, 0), 0);
	CU_ASSERT_EQUAL(segs_remove(f.ss, 5), 0);
	/* Who has it may go on; nobody else finds it. */
	CU_ASSERT_TRUE(segfix_has(s, "still here", 10, 0));
	CU_ASSERT_EQUAL(segs_get(f.ss, 5, &t), -ENOENT);
	CU_ASSERT_EQUAL(segs_remove(f.ss, 5), -ENOENT);
	CU_ASSERT_EQUAL(seg_sync(s), 0);
	seg_put(s);
	/* An unreferenced one that is open. */
	CU_ASSERT_EQUAL_FATAL(segs_create(f.ss, 6, &s), 0);
	CU_ASSERT_EQUAL(seg_sync(s), 0);
	seg_put(s);
	CU_ASSERT_EQUAL(segs_remove(f.ss, 6), 0);
	CU_ASSERT_EQUAL(segs_get(f.ss, 6, &t), -ENOENT);
	CU_ASSERT_EQUAL(segfix_listed(&f), 0);
	segfix_teardown(&f);
}

static const struct unit_test tests[] = {
	{ "init", test_init },
	{ "init fails", test_init_fails },
	{ "one owner", test_one_owner },
	{ "owner dies", test_owner_dies },
	{ "create, write, read", test_create_write_read },
	{ "many pieces", test_many_pieces },
	{ "read cached", test_read_cached },
	{ "list", test_list },
	{ "remove", test_remove },
};

UNIT_MAIN("segs", tests)
