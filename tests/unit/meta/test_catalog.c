/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "meta/base/bytes.h"
#include "tests/lib/unit.h"
#include "tests/unit/meta/tmpdir.h"

#define MAP_BYTES (UINT64_C(64) << 20)

/* The disk refuses: LMDB's own calls end here, in place of the C library. */
#define EXPORT __attribute__((visibility("default")))
static _Atomic int fail_fdatasync, fail_data, fail_meta;
static _Atomic bool short_data, no_room;

#define META_PAGES_BYTES (2 * 4096)

EXPORT int
fdatasync(int fd)
{
	int err = atomic_load(&fail_fdatasync);

	if (err != 0) {
		errno = err;
		return (-1);
	}
	return ((int)syscall(SYS_fdatasync, fd));
}

EXPORT int
fstatvfs(int fd, struct statvfs *out)
{

	(void)fd;
	*out = (struct statvfs){ .f_frsize = 4096,
	    .f_bavail = atomic_load(&no_room) ? 3 : 1000000 };
	return (0);
}

EXPORT ssize_t
pwrite(int fd, const void *buf, size_t n, off_t off)
{
	int err = atomic_load(off < META_PAGES_BYTES ? &fail_meta :
	    &fail_data);

	if (err != 0) {
		errno = err;
		return (-1);
	}
	if (atomic_load(&short_data) && off >= META_PAGES_BYTES)
		n /= 2;
	return (syscall(SYS_pwrite64, fd, buf, n, off));
}

/* Several pages in a row: LMDB seeks and calls this. */
EXPORT ssize_t
writev(int fd, const struct iovec *iov, int n)
{
	int err = atomic_load(&fail_data);

	if (err != 0) {
		errno = err;
		return (-1);
	}
	return (syscall(SYS_writev, fd, iov, atomic_load(&short_data) && n > 1 ?
	    n - 1 : n));
}

struct fixture {
	struct tmpdir t;
	const char *dir;
	struct catalog *c;
};

static void
setup(struct fixture *f)
{

	tmpdir_make(&f->t);
	f->dir = tmpdir_path(&f->t, "catalog");
	CU_ASSERT_EQUAL_FATAL(catalog_init(f->dir), 0);
	CU_ASSERT_EQUAL_FATAL(catalog_open(f->dir, MAP_BYTES, &f->c), 0);
}

static void
teardown(struct fixture *f)
{

	catalog_close(f->c);
	tmpdir_remove(&f->t);
}

static void
reopen(struct fixture *f)
{

	catalog_close(f->c);
	CU_ASSERT_EQUAL_FATAL(catalog_open(f->dir, MAP_BYTES, &f->c), 0);
}

static int
count_row(void *arg, const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen)
{

	(void)key;
	(void)klen;
	(void)val;
	(void)vlen;
	++*(unsigned *)arg;
	return (0);
}

static unsigned
rows(struct catalog *c, enum cat_table tab)
{
	unsigned n = 0;

	CU_ASSERT_EQUAL(catalog_each(c, tab, count_row, &n), 0);
	return (n);
}

static int
put1(struct catalog *c, enum cat_table tab, const char *key, const char *val)
{
	struct cat_txn *t;
	int rc;

	if ((rc = catalog_begin(c, &t)) != 0)
		return (rc);
	rc = catalog_put(t, tab, key, strlen(key), val, strlen(val));
	if (rc != 0) {
		catalog_abort(t);
		return (rc);
	}
	return (catalog_commit(t));
}

static bool
has(struct catalog *c, enum cat_table tab, const char *key, const char *val)
{
	char buf[CAT_VALUE_MAX];
	size_t n = sizeof(buf);

	return (catalog_get(c, tab, key, strlen(key), buf, &n) == 0 &&
	    n == strlen(val) && memcmp(buf, val, n) == 0);
}

static void
test_init_and_open(void)
{
	static const char *const names[] = { "data.mdb", "lock.mdb" };
	struct fixture f;
	struct stat st;

	setup(&f);
	CU_ASSERT_EQUAL(catalog_init(f.dir), -EEXIST);
	CU_ASSERT_EQUAL(stat(f.dir, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0700);
	for (unsigned i = 0; i < 2; i++) {
		char path[PATH_MAX + 16];

		(void)snprintf(path, sizeof(path), "%s/%s", f.dir, names[i]);
		CU_ASSERT_EQUAL(stat(path, &st), 0);
		CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
	}
	/* Every table is there and empty. */
	for (unsigned t = CAT_STORE; t < CAT_TABLES; t++)
		CU_ASSERT_EQUAL(rows(f.c, (enum cat_table)t), 0);
	teardown(&f);
}

static void
test_open_makes_nothing(void)
{
	struct catalog *c;
	struct tmpdir t;
	const char *dir;

	tmpdir_make(&t);
	dir = tmpdir_path(&t, "none");
	CU_ASSERT_EQUAL(catalog_open(dir, MAP_BYTES, &c), -ENOENT);
	CU_ASSERT_EQUAL(access(dir, F_OK), -1);
	CU_ASSERT_EQUAL(mkdir(dir, 0700), 0);
	CU_ASSERT_EQUAL(catalog_open(dir, MAP_BYTES, &c), -ENOENT);
	CU_ASSERT_EQUAL(rmdir(dir), 0);		/* still empty */
	tmpdir_remove(&t);
}

/* Runs in the folder of a catalogue whose data file is damaged. */
static int
open_damaged(const char *dir, off_t cut, const char *junk, size_t junk_len)
{
	struct catalog *c;
	char path[PATH_MAX + 16];
	unsigned n = 0;
	int fd, rc;

	(void)snprintf(path, sizeof(path), "%s/data.mdb", dir);
	fd = open(path, O_RDWR);
	CU_ASSERT_TRUE_FATAL(fd >= 0);
	if (cut >= 0)
		CU_ASSERT_EQUAL(ftruncate(fd, cut), 0);
	if (junk_len > 0)
		CU_ASSERT_EQUAL(write(fd, junk, junk_len), (ssize_t)junk_len);
	(void)close(fd);
	if ((rc = catalog_open(dir, MAP_BYTES, &c)) != 0)
		return (rc);
	rc = catalog_each(c, CAT_LUN, count_row, &n);
	catalog_close(c);
	return (rc);
}

static void
test_damaged(void)
{
	char junk[8192];

	memset(junk, 0x5a, sizeof(junk));
	for (unsigned i = 0; i < 5; i++) {
		static const off_t cuts[] = { 0, 100, 8192, 16384, -1 };
		struct fixture f;
		struct cat_txn *t;

		setup(&f);
		CU_ASSERT_EQUAL_FATAL(catalog_begin(f.c, &t), 0);
		for (unsigned k = 0; k < 1000; k++) {
			uint8_t key[4];

			put_be32(key, k);
			CU_ASSERT_EQUAL(catalog_put(t, CAT_LUN, key, 4, junk,
			    500), 0);
		}
		CU_ASSERT_EQUAL(catalog_commit(t), 0);
		catalog_close(f.c);
		CU_ASSERT_EQUAL(open_damaged(f.dir, cuts[i], junk,
		    cuts[i] < 0 ? sizeof(junk) : 0), -EUCLEAN);
		tmpdir_remove(&f.t);
	}
}

static void
test_put_get_del(void)
{
	struct fixture f;
	struct cat_txn *t;
	char buf[8] = "unused", key[CAT_KEY_MAX + 1], val[CAT_VALUE_MAX + 1];
	size_t n;

	memset(key, 'k', sizeof(key));
	memset(val, 'v', sizeof(val));
	setup(&f);
	CU_ASSERT_EQUAL(put1(f.c, CAT_LUN, "a", "one"), 0);
	CU_ASSERT_EQUAL(put1(f.c, CAT_SNAP, "a", "two"), 0);
	CU_ASSERT_EQUAL(put1(f.c, CAT_LUN, "a", "three"), 0);
	CU_ASSERT_TRUE(has(f.c, CAT_LUN, "a", "three"));
	CU_ASSERT_TRUE(has(f.c, CAT_SNAP, "a", "two"));
	n = 4;
	CU_ASSERT_EQUAL(catalog_get(f.c, CAT_LUN, "a", 1, buf, &n), -ENOSPC);
	n = sizeof(buf);
	CU_ASSERT_EQUAL(catalog_get(f.c, CAT_LUN, "b", 1, buf, &n), -ENOENT);
	CU_ASSERT_EQUAL(n, sizeof(buf));
	CU_ASSERT_EQUAL(strcmp(buf, "unused"), 0);
	CU_ASSERT_EQUAL(catalog_get(f.c, CAT_LUN, "a", 0, buf, &n), -EINVAL);

	CU_ASSERT_EQUAL_FATAL(catalog_begin(f.c, &t), 0);
	CU_ASSERT_EQUAL(catalog_put(t, CAT_LUN, key, 0, val, 1), -EINVAL);
	CU_ASSERT_EQUAL(catalog_put(t, CAT_LUN, key, CAT_KEY_MAX + 1, val, 1),
	    -EINVAL);
	CU_ASSERT_EQUAL(catalog_put(t, CAT_LUN, key, 1, val,
	    CAT_VALUE_MAX + 1), -EINVAL);
	CU_ASSERT_EQUAL(catalog_put(t, CAT_LUN, key, CAT_KEY_MAX, val,
	    CAT_VALUE_MAX), 0);
	CU_ASSERT_EQUAL(catalog_put(t, CAT_LUN, "empty", 5, NULL, 0), 0);
	CU_ASSERT_EQUAL(catalog_del(t, CAT_LUN, "a", 1), 0);
	CU_ASSERT_EQUAL(catalog_del(t, CAT_LUN, "a", 1), -ENOENT);
	/* Readers see the last commit until this one. */
	CU_ASSERT_TRUE(has(f.c, CAT_LUN, "a", "three"));
	CU_ASSERT_EQUAL(catalog_commit(t), 0);
	CU_ASSERT_FALSE(has(f.c, CAT_LUN, "a", "three"));
	CU_ASSERT_TRUE(has(f.c, CAT_LUN, "empty", ""));
	reopen(&f);
	CU_ASSERT_EQUAL(rows(f.c, CAT_LUN), 2);
	CU_ASSERT_TRUE(has(f.c, CAT_SNAP, "a", "two"));
	teardown(&f);
}

static void
test_abort(void)
{
	struct fixture f;
	struct cat_txn *t;

	setup(&f);
	CU_ASSERT_EQUAL(put1(f.c, CAT_LUN, "a", "one"), 0);
	CU_ASSERT_EQUAL_FATAL(catalog_begin(f.c, &t), 0);
	CU_ASSERT_EQUAL(catalog_put(t, CAT_LUN, "b", 1, "x", 1), 0);
	CU_ASSERT_EQUAL(catalog_del(t, CAT_LUN, "a", 1), 0);
	catalog_abort(t);
	CU_ASSERT_EQUAL(rows(f.c, CAT_LUN), 1);
	CU_ASSERT_TRUE(has(f.c, CAT_LUN, "a", "one"));
	teardown(&f);
}

struct order {
	uint8_t last[CAT_KEY_MAX];
	size_t last_len;
	unsigned n, stop_at, wrong;
};

static int
in_order(void *arg, const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen)
{
	struct order *o = arg;
	size_t n = klen < o->last_len ? klen : o->last_len;
	int c = memcmp(o->last, key, n);

	if (o->n > 0 && (c > 0 || (c == 0 && klen <= o->last_len)))
		o->wrong++;
	/* The value of each row is its key. */
	if (vlen != klen || memcmp(key, val, klen) != 0)
		o->wrong++;
	memcpy(o->last, key, klen);
	o->last_len = klen;
	return (++o->n == o->stop_at ? 4711 : 0);
}

static void
test_each_in_order(void)
{
	struct order o = { .stop_at = 0 };
	struct fixture f;
	struct cat_txn *t;

	srand(13);
	setup(&f);
	CU_ASSERT_EQUAL_FATAL(catalog_begin(f.c, &t), 0);
	for (unsigned i = 0; i < 5000; i++) {
		uint8_t key[12];
		size_t len = 1 + (size_t)rand() % sizeof(key);

		for (size_t k = 0; k < len; k++)
			key[k] = (uint8_t)rand();
		CU_ASSERT_EQUAL(catalog_put(t, CAT_ROOT, key, len, key, len),
		    0);
	}
	CU_ASSERT_EQUAL(catalog_commit(t), 0);
	CU_ASSERT_EQUAL(catalog_each(f.c, CAT_ROOT, in_order, &o), 0);
	CU_ASSERT_TRUE(o.n > 4000);
	CU_ASSERT_EQUAL(o.wrong, 0);
	o = (struct order){ .stop_at = 10 };
	CU_ASSERT_EQUAL(catalog_each(f.c, CAT_ROOT, in_order, &o), 4711);
	CU_ASSERT_EQUAL(o.n, 10);
	teardown(&f);
}

/* Keys LUN 4, seq 4; the rows of one LUN go, of its neighbours none. */
static void
test_del_prefix(void)
{
	static const uint32_t luns[] = { 0, 1, 2, 255, 256, 257, 0xffffffff };
	const size_t n_luns = sizeof(luns) / sizeof(luns[0]);
	unsigned left = 0;
	struct fixture f;
	struct cat_txn *t;
	uint8_t key[8];

	setup(&f);
	CU_ASSERT_EQUAL_FATAL(catalog_begin(f.c, &t), 0);
	CU_ASSERT_EQUAL(catalog_del_prefix(t, CAT_SNAP, "x", 1), 0);
	for (size_t i = 0; i < n_luns; i++)
		for (uint32_t seq = 0; seq < 700; seq++, left++) {
			put_be32(key, luns[i]);
			put_be32(key + 4, seq * 12345);
			CU_ASSERT_EQUAL(catalog_put(t, CAT_SNAP, key, 8,
			    "0123456789012345678901234567890123456789", 40),
			    0);
		}
	CU_ASSERT_EQUAL(catalog_commit(t), 0);
	CU_ASSERT_EQUAL(rows(f.c, CAT_SNAP), left);
	for (size_t i = 0; i < n_luns; i++) {
		size_t k = (i * 3) % n_luns;	/* not from one end */

		CU_ASSERT_EQUAL_FATAL(catalog_begin(f.c, &t), 0);
		put_be32(key, luns[k]);
		CU_ASSERT_EQUAL(catalog_del_prefix(t, CAT_SNAP, key, 4), 0);
		CU_ASSERT_EQUAL(catalog_commit(t), 0);
		left -= 700;
		CU_ASSERT_EQUAL(rows(f.c, CAT_SNAP), left);
		for (size_t j = 0; j <= i; j++) {
			uint8_t gone[8];
			char buf[64];
			size_t n = sizeof(buf);

			put_be32(gone, luns[(j * 3) % n_luns]);
			put_be32(gone + 4, 12345);
			CU_ASSERT_EQUAL(catalog_get(f.c, CAT_SNAP, gone, 8,
			    buf, &n), -ENOENT);
		}
	}
	teardown(&f);
}

static void
test_map_full(void)
{
	char val[CAT_VALUE_MAX];
	struct fixture f;
	struct cat_txn *t;
	int rc = 0;

	memset(val, 'x', sizeof(val));
	setup(&f);
	catalog_close(f.c);
	CU_ASSERT_EQUAL_FATAL(catalog_open(f.dir, 1u << 20, &f.c), 0);
	CU_ASSERT_EQUAL(put1(f.c, CAT_LUN, "a", "kept"), 0);
	CU_ASSERT_EQUAL_FATAL(catalog_begin(f.c, &t), 0);
	for (uint32_t i = 0; i < 2000 && rc == 0; i++) {
		uint8_t key[4];

		put_be32(key, i);
		rc = catalog_put(t, CAT_SNAP, key, 4, val, sizeof(val));
	}
	CU_ASSERT_EQUAL(rc, -ENOSPC);
	catalog_abort(t);
	/* Nothing is broken by that. */
	CU_ASSERT_TRUE(has(f.c, CAT_LUN, "a", "kept"));
	CU_ASSERT_EQUAL(put1(f.c, CAT_LUN, "b", "works"), 0);
	CU_ASSERT_TRUE(has(f.c, CAT_LUN, "b", "works"));
	teardown(&f);
}

/*
 * A commit that fails: nothing of it is there, now or when opened again, and
 * what was there can be read all the time.
 */
static void
commit_fails(_Atomic int *knob, int err, int want_next)
{
	struct fixture f;
	struct cat_txn *t;

	setup(&f);
	CU_ASSERT_EQUAL(put1(f.c, CAT_LUN, "a", "old"), 0);
	CU_ASSERT_EQUAL_FATAL(catalog_begin(f.c, &t), 0);
	CU_ASSERT_EQUAL(catalog_put(t, CAT_LUN, "a", 1, "new", 3), 0);
	atomic_store(knob, err);
	CU_ASSERT_EQUAL(catalog_commit(t), -err);
	atomic_store(knob, 0);
	CU_ASSERT_TRUE(has(f.c, CAT_LUN, "a", "old"));
	CU_ASSERT_FALSE(has(f.c, CAT_LUN, "a", "new"));
	CU_ASSERT_EQUAL(put1(f.c, CAT_LUN, "b", "x"), want_next);
	reopen(&f);
	CU_ASSERT_TRUE(has(f.c, CAT_LUN, "a", "old"));
	CU_ASSERT_EQUAL(put1(f.c, CAT_LUN, "a", "later"), 0);
	CU_ASSERT_TRUE(has(f.c, CAT_LUN, "a", "later"));
	teardown(&f);
}

static void
test_failed_commits(void)
{

	/* A sync that failed is not trusted again before the next opening. */
	commit_fails(&fail_fdatasync, EIO, -EIO);
	commit_fails(&fail_data, EIO, -EIO);
	/* Space comes back. */
	commit_fails(&fail_data, ENOSPC, 0);
	/* LMDB does not know which of its roots the disk has: it stops, for
	 * readers as well; they go on beside it. */
	commit_fails(&fail_meta, EIO, -EIO);
}

struct reader {
	struct catalog *c;
	_Atomic bool stop;
	_Atomic unsigned reads, wrong;
};

/* The two rows are written together: nobody sees them differ. */
static int
both(void *arg, const uint8_t *key, size_t klen, const uint8_t *val,
    size_t vlen)
{
	uint64_t *sum = arg;

	(void)klen;
	if (vlen == 8)
		*sum += key[0] == 'a' ? get_be64(val) : 0 - get_be64(val);
	return (0);
}

static void *
read_thread(void *arg)
{
	struct reader *r = arg;

	while (!atomic_load(&r->stop)) {
		uint64_t sum = 0;
		uint8_t buf[8];
		size_t n = sizeof(buf);
		int rc;

		if (catalog_each(r->c, CAT_STORE, both, &sum) != 0 || sum != 0)
			atomic_fetch_add(&r->wrong, 1);
		rc = catalog_get(r->c, CAT_STORE, "a", 1, buf, &n);
		if (rc != 0 || n != 8)
			atomic_fetch_add(&r->wrong, 1);
		atomic_fetch_add(&r->reads, 1);
	}
	return (NULL);
}

static int
put_both(struct catalog *c, uint64_t v)
{
	struct cat_txn *t;
	uint8_t val[8];
	int rc;

	put_be64(val, v);
	if ((rc = catalog_begin(c, &t)) != 0)
		return (rc);
	if ((rc = catalog_put(t, CAT_STORE, "a", 1, val, 8)) != 0 ||
	    (rc = catalog_put(t, CAT_STORE, "b", 1, val, 8)) != 0) {
		catalog_abort(t);
		return (rc);
	}
	return (catalog_commit(t));
}

static void
test_readers_and_the_writer(void)
{
	struct reader r = { .stop = false };
	pthread_t th[4];
	struct fixture f;

	setup(&f);
	r.c = f.c;
	CU_ASSERT_EQUAL(put_both(f.c, 1), 0);
	for (unsigned i = 0; i < 4; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&th[i], NULL,
		    read_thread, &r), 0);
	for (uint64_t v = 2; v < 300 || atomic_load(&r.reads) < 1000; v++)
		CU_ASSERT_EQUAL_FATAL(put_both(f.c, v), 0);
	atomic_store(&r.stop, true);
	for (unsigned i = 0; i < 4; i++)
		(void)pthread_join(th[i], NULL);
	CU_ASSERT_EQUAL(r.wrong, 0);
	teardown(&f);
}

/* The row at or below a key, at both ends and between. */
static void
test_floor(void)
{
	static const struct { const char *ask, *found; } asks[] = {
		{ "b", "b" }, { "c", "b" }, { "bb", "b" }, { "d", "d" },
		{ "zz", "f" }, { "a", NULL }, { "f", "f" },
	};
	uint8_t key[CAT_KEY_MAX], val[8];
	struct fixture f;
	size_t kn, vn;

	setup(&f);
	memcpy(key, "x", 1);
	kn = 1;
	vn = sizeof(val);
	CU_ASSERT_EQUAL(catalog_floor(f.c, CAT_MOVED, key, &kn, val, &vn),
	    -ENOENT);
	CU_ASSERT_EQUAL(put1(f.c, CAT_MOVED, "b", "1"), 0);
	CU_ASSERT_EQUAL(put1(f.c, CAT_MOVED, "d", "2"), 0);
	CU_ASSERT_EQUAL(put1(f.c, CAT_MOVED, "f", "333"), 0);
	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		kn = strlen(asks[i].ask);
		vn = sizeof(val);
		memcpy(key, asks[i].ask, kn);
		if (asks[i].found == NULL) {
			CU_ASSERT_EQUAL(catalog_floor(f.c, CAT_MOVED, key, &kn,
			    val, &vn), -ENOENT);
			continue;
		}
		CU_ASSERT_EQUAL(catalog_floor(f.c, CAT_MOVED, key, &kn, val,
		    &vn), 0);
		CU_ASSERT_EQUAL(kn, 1);
		CU_ASSERT_EQUAL(key[0], asks[i].found[0]);
	}
	CU_ASSERT_EQUAL(vn, 3);
	kn = 1;
	vn = 2;
	CU_ASSERT_EQUAL(catalog_floor(f.c, CAT_MOVED, key, &kn, val, &vn),
	    -ENOSPC);
	kn = 0;
	CU_ASSERT_EQUAL(catalog_floor(f.c, CAT_MOVED, key, &kn, val, &vn),
	    -EINVAL);
	teardown(&f);
}

/*
 * A write that is cut short is a full file system where there is no room, and
 * then the next commit may succeed; else it is the disk.
 */
static void
test_short_write(void)
{
	struct fixture f;

	setup(&f);
	CU_ASSERT_EQUAL(put1(f.c, CAT_LUN, "a", "one"), 0);
	atomic_store(&short_data, true);
	atomic_store(&no_room, true);
	CU_ASSERT_EQUAL(put1(f.c, CAT_LUN, "b", "two"), -ENOSPC);
	atomic_store(&short_data, false);
	CU_ASSERT_EQUAL(put1(f.c, CAT_LUN, "c", "three"), 0);
	CU_ASSERT_EQUAL(rows(f.c, CAT_LUN), 2);
	atomic_store(&no_room, false);
	atomic_store(&short_data, true);
	CU_ASSERT_EQUAL(put1(f.c, CAT_LUN, "d", "four"), -EIO);
	atomic_store(&short_data, false);
	CU_ASSERT_EQUAL(put1(f.c, CAT_LUN, "d", "four"), -EIO);
	reopen(&f);
	CU_ASSERT_EQUAL(rows(f.c, CAT_LUN), 2);
	CU_ASSERT_TRUE(has(f.c, CAT_LUN, "c", "three"));
	teardown(&f);
}

static const struct unit_test tests[] = {
	{ "the row at or below a key", test_floor },
	{ "a write cut short", test_short_write },
	{ "init and open", test_init_and_open },
	{ "open makes nothing", test_open_makes_nothing },
	{ "damaged", test_damaged },
	{ "put, get, delete", test_put_get_del },
	{ "abort", test_abort },
	{ "each, in order", test_each_in_order },
	{ "delete a prefix", test_del_prefix },
	{ "map full", test_map_full },
	{ "failed commits", test_failed_commits },
	{ "readers and the writer", test_readers_and_the_writer },
};

UNIT_MAIN("catalog", tests)
