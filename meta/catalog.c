/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * catalog.c - the catalogue in LMDB.
 *
 * LMDB is used in its safe form and no other: every commit syncs data before
 * it writes the page that makes it valid (no NOSYNC, no WRITEMAP), no
 * duplicates, no nested transactions, one process.  A read is a transaction of
 * its own (NOTLS: not tied to the thread), short, so that no page is kept
 * from being used again.
 *
 * A commit that failed for another reason than space leaves it open what the
 * disk holds; the environment then takes no further write until it is opened
 * again, which starts from the last commit that is whole.
 */
#include "meta/catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/base/msg.h"
#include "meta/fsutil.h"

#define WRITE_BYTES_MAX	(UINT64_C(1) << 20)	/* LMDB: 64 pages */
#define CATALOG_MAGIC	0x63617461u
#define CATTXN_MAGIC	0x6374786eu
#define PANIC_TRIES	1000u
#define MODE		0600
#define ENV_FLAGS	MDB_NOTLS
#define MAX_READERS	1024u
#define INIT_MAP_BYTES	(1u << 20)
#define DATA_NAME	"data.mdb"
#define LOCK_NAME	"lock.mdb"

static const char *const table_names[CAT_TABLES] = {
	[CAT_STORE] = "store",
	[CAT_SEGMENT] = "segment",
	[CAT_LUN] = "lun",
	[CAT_SNAP] = "snap",
	[CAT_ROOT] = "root",
	[CAT_EXPOSE] = "expose",
	[CAT_ACCESS] = "access",
	[CAT_MOVED] = "moved",
	[CAT_DEDUP] = "dedup"
};

const char *const catalog_files[] = { DATA_NAME, LOCK_NAME, NULL };

struct catalog {
	unsigned magic;
	bool read_only;
	MDB_env *env;
	MDB_dbi dbi[CAT_TABLES];	/* immutable after open */
	int failed;			/* of a commit; the writer's only */
	/*
	 * LMDB gives an environment up as a whole when a commit has failed, for
	 * readers too.  They go on with another one, that nobody writes to.
	 */
	char *dir;			/* immutable */
	size_t map_bytes;		/* immutable */
	MDB_env *_Atomic reading;	/* where readers go; env at first */
	_Atomic bool tried;		/* the other one was opened, or cannot be */
};

struct cat_txn {
	unsigned magic;
	struct catalog *c;
	MDB_txn *txn;
};

/* LMDB's numbers end here; what is not an everyday answer is logged. */
static int
to_errno(int rc, const char *what)
{
	int err;

	switch (rc) {
	case 0:
		return (0);
	case MDB_NOTFOUND:
		return (-ENOENT);
	case MDB_KEYEXIST:
		return (-EEXIST);
	case MDB_MAP_FULL:
		err = -ENOSPC;
		break;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_PANIC:
		err = -EUCLEAN;
		break;
	case MDB_VERSION_MISMATCH:
		err = -EPROTONOSUPPORT;
		break;
	default:
		err = rc > 0 ? -rc : -EIO;
		break;
	}
	msg_err("catalogue: %s: %s", what, mdb_strerror(rc));
	return (err);
}

/* An environment that is not open yet.  ${map_bytes} in whole pages. */
static int
new_env(size_t map_bytes, MDB_env **out)
{
	MDB_env *env;
	int rc;

	if ((rc = mdb_env_create(&env)) != 0)
		return (to_errno(rc, "create"));
	if ((rc = mdb_env_set_maxdbs(env, CAT_TABLES)) != 0 ||
	    (rc = mdb_env_set_maxreaders(env, MAX_READERS)) != 0 ||
	    (rc = mdb_env_set_mapsize(env, map_bytes)) != 0) {
		mdb_env_close(env);
		return (to_errno(rc, "settings"));
	}
	*out = env;
	return (0);
}

/* Opens the tables; with MDB_CREATE in a write transaction, makes them. */
static int
open_tables(MDB_env *env, unsigned flags, MDB_dbi dbi[static CAT_TABLES])
{
	MDB_txn *txn;
	int rc;

	rc = mdb_txn_begin(env, NULL, flags == 0 ? MDB_RDONLY : 0, &txn);
	if (rc != 0)
		return (to_errno(rc, "begin"));
	for (unsigned t = CAT_STORE; t < CAT_TABLES && rc == 0; t++)
		rc = mdb_dbi_open(txn, table_names[t], flags, &dbi[t]);
	if (rc != 0) {
		mdb_txn_abort(txn);
		/* Every one was there from the first commit on. */
		if (rc == MDB_NOTFOUND)
			rc = MDB_CORRUPTED;
		return (to_errno(rc, "tables"));
	}
	/* Also a reader commits: that is what keeps the handles. */
	return (to_errno(mdb_txn_commit(txn), "commit"));
}

/* fsync of the folder that holds ${dir}, whose name is new. */
static int
sync_parent(int dir_fd)
{

	return (fsutil_sync_dir(dir_fd, ".."));
}

static int
init_env(const char *dir)
{
	MDB_dbi dbi[CAT_TABLES];
	MDB_env *env;
	int rc;

	if ((rc = new_env(INIT_MAP_BYTES, &env)) != 0)
		return (rc);
	rc = to_errno(mdb_env_open(env, dir, ENV_FLAGS, MODE), "open");
	if (rc == 0)
		rc = open_tables(env, MDB_CREATE, dbi);
	mdb_env_close(env);
	return (rc);
}

/*
 * Crash: no folder, or one with any part of an environment.  That is no
 * store: the superblock is written when all this is durable.
 */
int
catalog_init(const char *dir)
{
	int fd, rc;

	if (mkdir(dir, 0700) != 0) {
		if (errno == EEXIST)
			return (-EEXIST);
		rc = -errno;
		goto out_say;
	}
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		rc = -errno;
		goto out_rmdir;
	}
	/* LMDB syncs what is in its files, but not their names. */
	if ((rc = init_env(dir)) == 0 &&
	    (rc = fsutil_sync_dir(fd, ".")) == 0)
		rc = sync_parent(fd);
	if (rc != 0) {
		(void)unlinkat(fd, DATA_NAME, 0);
		(void)unlinkat(fd, LOCK_NAME, 0);
	}
	(void)close(fd);
	if (rc == 0)
		return (0);

out_rmdir:
	(void)rmdir(dir);
out_say:
	msg_err("cannot make the catalogue: %s", strerror(-rc));
	return (rc);
}

/* LMDB would make an environment where there is none: look before. */
static int
look_for_data(const char *dir)
{
	struct stat st;
	int fd, rc = 0;

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return (-errno);
	if (fstatat(fd, DATA_NAME, &st, 0) != 0)
		rc = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_size == 0)
		rc = -EUCLEAN;
	(void)close(fd);
	return (rc);
}

/*
 * A file that is shorter than its own account of itself would end us by
 * SIGBUS at the first look behind its end.  LMDB does leave unwritten pages
 * there (free ones), so a short file is no error by itself: give it its
 * length, and what is missing reads as pages that LMDB refuses.
 */
static int
mend_length(MDB_env *env, bool read_only)
{
	MDB_envinfo info;
	MDB_stat ms;
	struct stat st;
	uint64_t want;
	int fd, rc;

	if ((rc = mdb_env_info(env, &info)) != 0 ||
	    (rc = mdb_env_stat(env, &ms)) != 0 ||
	    (rc = mdb_env_get_fd(env, &fd)) != 0)
		return (to_errno(rc, "length"));
	if (info.me_last_pgno >= info.me_mapsize / ms.ms_psize)
		return (to_errno(MDB_CORRUPTED, "length"));
	want = ((uint64_t)info.me_last_pgno + 1) * ms.ms_psize;
	if (fstat(fd, &st) != 0)
		return (to_errno(errno, "length"));
	if (!read_only && (uint64_t)st.st_size < want &&
	    ftruncate(fd, (off_t)want) != 0)
		return (to_errno(errno, "length"));
	return (0);
}

static int
open_any(const char *dir, uint64_t map_bytes, bool read_only,
    struct catalog **out)
{
	/* Without its locks it leaves the folder as it is. */
	const unsigned flags = ENV_FLAGS |
	    (read_only ? MDB_RDONLY | MDB_NOLOCK : 0u);
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct catalog *c;
	int rc;

	if (map_bytes == 0 || map_bytes > SIZE_MAX - page)
		return (-EINVAL);
	if ((rc = look_for_data(dir)) != 0) {
		if (rc != -ENOENT)
			msg_err("catalogue %s: %s", dir, strerror(-rc));
		return (rc);
	}
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return (-ENOMEM);
	c->magic = CATALOG_MAGIC;
	c->read_only = read_only;
	map_bytes = (map_bytes + page - 1) / page * page;
	c->map_bytes = (size_t)map_bytes;
	if ((c->dir = strdup(dir)) == NULL) {
		rc = -ENOMEM;
		goto out_free;
	}
	if ((rc = new_env((size_t)map_bytes, &c->env)) != 0)
		goto out_free;
	rc = to_errno(mdb_env_open(c->env, dir, flags, MODE), "open");
	if (rc != 0 || (rc = mend_length(c->env, read_only)) != 0 ||
	    (rc = open_tables(c->env, 0, c->dbi)) != 0)
		goto out_env;
	atomic_store(&c->reading, c->env);
	*out = c;
	return (0);

out_env:
	mdb_env_close(c->env);
out_free:
	free(c->dir);
	free(c);
	return (rc);
}

int
catalog_open(const char *dir, uint64_t map_bytes, struct catalog **out)
{

	return (open_any(dir, map_bytes, false, out));
}

int
catalog_open_read_only(const char *dir, uint64_t map_bytes,
    struct catalog **out)
{

	return (open_any(dir, map_bytes, true, out));
}

void
catalog_close(struct catalog *c)
{

	if (c == NULL)
		return;
	TT_MAGIC(c, CATALOG_MAGIC);
	if (atomic_load(&c->reading) != c->env)
		mdb_env_close(atomic_load(&c->reading));
	mdb_env_close(c->env);
	c->magic = 0;
	free(c->dir);
	free(c);
}

/* ---- writing ---------------------------------------------------------- */

int
catalog_begin(struct catalog *c, struct cat_txn **out)
{
	struct cat_txn *t;
	int rc;

	TT_MAGIC(c, CATALOG_MAGIC);
	if (c->read_only)
		return (-EROFS);
	if (c->failed != 0)
		return (c->failed);
	if ((t = calloc(1, sizeof(*t))) == NULL)
		return (-ENOMEM);
	rc = to_errno(mdb_txn_begin(c->env, NULL, 0, &t->txn), "begin");
	if (rc != 0) {
		free(t);
		return (rc);
	}
	t->magic = CATTXN_MAGIC;
	t->c = c;
	*out = t;
	return (0);
}

static MDB_dbi
table(const struct catalog *c, enum cat_table tab)
{

	TT_ASSERT(tab >= CAT_STORE && tab < CAT_TABLES);
	return (c->dbi[tab]);
}

/* LMDB's type for both directions has no const; it only reads these. */
static MDB_val
val_of(const void *p, size_t len)
{
	union {
		const void *in;
		void *out;
	} u = { .in = p };

	return ((MDB_val){ len, u.out });
}

int
catalog_put(struct cat_txn *t, enum cat_table tab, const void *key,
    size_t klen, const void *val, size_t vlen)
{
	MDB_val k = val_of(key, klen), v = val_of(val, vlen);

	TT_MAGIC(t, CATTXN_MAGIC);
	if (klen == 0 || klen > CAT_KEY_MAX || vlen > CAT_VALUE_MAX)
		return (-EINVAL);
	return (to_errno(mdb_put(t->txn, table(t->c, tab), &k, &v, 0),
	    "put"));
}

int
catalog_del(struct cat_txn *t, enum cat_table tab, const void *key,
    size_t klen)
{
	MDB_val k = val_of(key, klen);

	TT_MAGIC(t, CATTXN_MAGIC);
	if (klen == 0 || klen > CAT_KEY_MAX)
		return (-EINVAL);
	return (to_errno(mdb_del(t->txn, table(t->c, tab), &k, NULL),
	    "delete"));
}

/*
 * Each row is looked up anew: deleting moves rows between pages, and a search
 * from the root cannot lose its place.
 */
int
catalog_del_prefix(struct cat_txn *t, enum cat_table tab, const void *key,
    size_t klen)
{
	MDB_cursor *cur;
	int rc;

	TT_MAGIC(t, CATTXN_MAGIC);
	if (klen == 0 || klen > CAT_KEY_MAX)
		return (-EINVAL);
	if ((rc = mdb_cursor_open(t->txn, table(t->c, tab), &cur)) != 0)
		return (to_errno(rc, "cursor"));
	while (rc == 0) {
		MDB_val k = val_of(key, klen), v;

		rc = mdb_cursor_get(cur, &k, &v, MDB_SET_RANGE);
		if (rc != 0 || k.mv_size < klen ||
		    memcmp(k.mv_data, key, klen) != 0)
			break;
		rc = mdb_cursor_del(cur, 0);
	}
	mdb_cursor_close(cur);
	return (rc == MDB_NOTFOUND ? 0 : to_errno(rc, "delete"));
}

/* False: LMDB itself has given the environment up. */
static bool
takes_writes(MDB_env *env)
{
	MDB_txn *txn;

	if (mdb_txn_begin(env, NULL, 0, &txn) != 0)
		return (false);
	mdb_txn_abort(txn);
	return (true);
}

/*
 * LMDB calls a write that was cut short EIO.  That is what a file system does
 * with room for a part of it; where there is room for more than LMDB writes at
 * once, it was something else.
 */
static bool
is_out_of_room(MDB_env *env)
{
	struct statvfs fs;
	int fd;

	return (mdb_env_get_fd(env, &fd) == 0 && fstatvfs(fd, &fs) == 0 &&
	    (uint64_t)fs.f_bavail * fs.f_frsize < WRITE_BYTES_MAX);
}

/*
 * After a failed commit nothing is written any more, so what is in the file is
 * the state before it or the one behind it, and stays so: it can be read
 * without locks.  The handles of the tables are given out in order, so they
 * are the same; if they are not, there is nothing to read from.
 */
static void
open_reading(struct catalog *c)
{
	MDB_dbi dbi[CAT_TABLES] = { 0 };
	MDB_env *env;

	if (!atomic_load(&c->tried) && new_env(c->map_bytes, &env) == 0) {
		if (to_errno(mdb_env_open(env, c->dir, ENV_FLAGS | MDB_RDONLY |
		    MDB_NOLOCK, MODE), "open") == 0 &&
		    open_tables(env, 0, dbi) == 0 &&
		    memcmp(dbi + CAT_STORE, c->dbi + CAT_STORE,
		    (CAT_TABLES - CAT_STORE) * sizeof(dbi[0])) == 0)
			atomic_store(&c->reading, env);
		else
			mdb_env_close(env);
	}
	atomic_store(&c->tried, true);
}

int
catalog_commit(struct cat_txn *t)
{
	int rc;

	TT_MAGIC(t, CATTXN_MAGIC);
	rc = to_errno(mdb_txn_commit(t->txn), "commit");
	if (rc == -EIO && is_out_of_room(t->c->env))
		rc = -ENOSPC;
	/*
	 * Without space nothing of it was made valid, and space may come
	 * back; but for space that lacked when the page was written that makes
	 * all of it valid.  Then, and after anything else, nobody knows what
	 * was kept.
	 */
	if ((rc == -ENOSPC || rc == -ENOMEM) && !takes_writes(t->c->env))
		rc = -EUCLEAN;
	if (rc != 0 && rc != -ENOSPC && rc != -ENOMEM) {
		t->c->failed = rc;
		open_reading(t->c);
	}
	t->magic = 0;
	free(t);
	return (rc);
}

void
catalog_abort(struct cat_txn *t)
{

	if (t == NULL)
		return;
	TT_MAGIC(t, CATTXN_MAGIC);
	mdb_txn_abort(t->txn);
	t->magic = 0;
	free(t);
}

/* ---- reading ---------------------------------------------------------- */

/* Between the failure of a commit and what follows from it: moments. */
static int
begin_reading(struct catalog *c, MDB_txn **out)
{
	const struct timespec nap = { 0, 1000000 };
	MDB_env *env;
	bool last;
	int rc;

	for (unsigned i = 0;; i++) {
		last = atomic_load(&c->tried) || i == PANIC_TRIES;
		env = atomic_load(&c->reading);
		rc = mdb_txn_begin(env, NULL, MDB_RDONLY, out);
		if (rc != MDB_PANIC || env != c->env || last)
			return (rc);
		(void)nanosleep(&nap, NULL);
	}
}

int
catalog_get(struct catalog *c, enum cat_table tab, const void *key,
    size_t klen, void *val, size_t *vlen)
{
	MDB_val k = val_of(key, klen), v;
	MDB_txn *txn;
	int rc;

	TT_MAGIC(c, CATALOG_MAGIC);
	if (klen == 0 || klen > CAT_KEY_MAX)
		return (-EINVAL);
	if ((rc = begin_reading(c, &txn)) != 0)
		return (to_errno(rc, "begin"));
	rc = to_errno(mdb_get(txn, table(c, tab), &k, &v), "get");
	if (rc == 0 && v.mv_size > *vlen)
		rc = -ENOSPC;
	if (rc == 0) {
		if (v.mv_size > 0)
			memcpy(val, v.mv_data, v.mv_size);
		*vlen = v.mv_size;
	}
	mdb_txn_abort(txn);
	return (rc);
}

/* The cursor stands at the first row not below ${key}, or at the end. */
static int
step_back(MDB_cursor *cur, int rc, const void *key, size_t klen, MDB_val *k,
    MDB_val *v)
{

	if (rc == 0 && k->mv_size == klen && memcmp(k->mv_data, key, klen) == 0)
		return (0);
	if (rc == MDB_NOTFOUND)
		return (mdb_cursor_get(cur, k, v, MDB_LAST));
	return (rc == 0 ? mdb_cursor_get(cur, k, v, MDB_PREV) : rc);
}

int
catalog_floor(struct catalog *c, enum cat_table tab, void *key, size_t *klen,
    void *val, size_t *vlen)
{
	MDB_val k = val_of(key, *klen), v;
	MDB_cursor *cur;
	MDB_txn *txn;
	int rc;

	TT_MAGIC(c, CATALOG_MAGIC);
	if (*klen == 0 || *klen > CAT_KEY_MAX)
		return (-EINVAL);
	if ((rc = begin_reading(c, &txn)) != 0)
		return (to_errno(rc, "begin"));
	if ((rc = mdb_cursor_open(txn, table(c, tab), &cur)) != 0) {
		mdb_txn_abort(txn);
		return (to_errno(rc, "cursor"));
	}
	rc = mdb_cursor_get(cur, &k, &v, MDB_SET_RANGE);
	rc = to_errno(step_back(cur, rc, key, *klen, &k, &v), "floor");
	if (rc == 0 && (v.mv_size > *vlen || k.mv_size > CAT_KEY_MAX))
		rc = -ENOSPC;
	if (rc == 0) {
		memcpy(key, k.mv_data, k.mv_size);
		*klen = k.mv_size;
		if (v.mv_size > 0)
			memcpy(val, v.mv_data, v.mv_size);
		*vlen = v.mv_size;
	}
	mdb_cursor_close(cur);
	mdb_txn_abort(txn);
	return (rc);
}

/* ${key} NULL: from the first row on. */
static int
each(struct catalog *c, enum cat_table tab, const void *key, size_t klen,
    cat_row_fn *fn, void *arg)
{
	MDB_val k = val_of(key, klen), v;
	MDB_cursor *cur;
	MDB_txn *txn;
	int rc, fn_rc = 0;

	TT_MAGIC(c, CATALOG_MAGIC);
	if ((rc = begin_reading(c, &txn)) != 0)
		return (to_errno(rc, "begin"));
	if ((rc = mdb_cursor_open(txn, table(c, tab), &cur)) != 0)
		goto out_abort;
	rc = mdb_cursor_get(cur, &k, &v, key == NULL ? MDB_FIRST :
	    MDB_SET_RANGE);
	while (rc == 0 && (fn_rc = fn(arg, k.mv_data, k.mv_size, v.mv_data,
	    v.mv_size)) == 0)
		rc = mdb_cursor_get(cur, &k, &v, MDB_NEXT);
	mdb_cursor_close(cur);
out_abort:
	mdb_txn_abort(txn);
	if (fn_rc != 0)
		return (fn_rc);
	return (rc == MDB_NOTFOUND ? 0 : to_errno(rc, "walk"));
}

int
catalog_each(struct catalog *c, enum cat_table tab, cat_row_fn *fn, void *arg)
{

	return (each(c, tab, NULL, 0, fn, arg));
}

int
catalog_each_from(struct catalog *c, enum cat_table tab, const void *key,
    size_t klen, cat_row_fn *fn, void *arg)
{

	if (klen == 0 || klen > CAT_KEY_MAX)
		return (-EINVAL);
	return (each(c, tab, key, klen, fn, arg));
}

int
catalog_rows(struct catalog *c, enum cat_table tab, uint64_t *out)
{
	MDB_stat st;
	MDB_txn *txn;
	int rc;

	TT_MAGIC(c, CATALOG_MAGIC);
	if ((rc = begin_reading(c, &txn)) != 0)
		return (to_errno(rc, "begin"));
	rc = mdb_stat(txn, table(c, tab), &st);
	mdb_txn_abort(txn);
	if (rc != 0)
		return (to_errno(rc, "stat"));
	*out = st.ms_entries;
	return (0);
}
