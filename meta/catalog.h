/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * catalog.h - the LMDB catalogue: tables of small rows, one writer.
 *
 * The only file that knows LMDB.  It holds what a checkpoint committed;
 * everything newer is in the log, and all of it can be rebuilt from the
 * segments.  Tables and rows: FORMAT.md "Catalogue".
 *
 * When a commit has failed, nothing can be written before the next opening; all
 * can be read, as it was before or as it would be behind it.
 *
 * Threads: the write transaction only on the keeper (and before it starts);
 * reads from any thread.
 * Errors: -errno; LMDB's own codes are translated here and nowhere else:
 * MDB_NOTFOUND -ENOENT, MDB_KEYEXIST -EEXIST, MDB_MAP_FULL -ENOSPC,
 * MDB_CORRUPTED, MDB_PAGE_NOTFOUND, MDB_INVALID, MDB_PANIC -EUCLEAN,
 * MDB_VERSION_MISMATCH -EPROTONOSUPPORT, other MDB_* -EIO.
 */
#ifndef META_CATALOG_H
#define META_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cat_table {
	CAT_STORE = 1,	/* singletons: position of the log, epoch, numbers */
	CAT_SEGMENT,	/* segment number -> what it is                    */
	CAT_LUN,	/* LUN -> attributes                               */
	CAT_SNAP,	/* LUN, seq -> attributes                          */
	CAT_ROOT,	/* LUN, seq (all ones: head) -> root of the map    */
	CAT_EXPOSE,	/* LUN, seq -> attributes                          */
	CAT_ACCESS,	/* LUN, kind, name -> attributes                   */
	CAT_MOVED,	/* birth segment, offset -> place now              */
	CAT_DEDUP,	/* first half of an id -> a block that has it      */
	CAT_TABLES
};

/* Tables that say only what segments say themselves: not in dumps, not in
 * records, nothing that the layer above is told of. */
static inline bool
cat_is_derived(enum cat_table tab)
{

	return (tab == CAT_SEGMENT || tab == CAT_MOVED || tab == CAT_DEDUP);
}

#define CAT_KEY_MAX	300
#define CAT_VALUE_MAX	2000

struct catalog;
struct cat_txn;

/* Makes the environment in ${dir} (which must not exist). */
int catalog_init(const char *dir);

/* -ENOENT there is none; -EUCLEAN damaged.  ${map_bytes} is reserved once. */
int catalog_open(const char *dir, uint64_t map_bytes, struct catalog **out);
/*
 * The same without changing a byte, also of its folder; nobody may write to it
 * meanwhile (the caller holds the lock of the store).  catalog_begin: -EROFS.
 * The file is not given its length, so a damaged one may end the process by a
 * signal: who does not know that it is whole looks in a child first.
 */
int catalog_open_read_only(const char *dir, uint64_t map_bytes,
    struct catalog **out);
void catalog_close(struct catalog *c);
/* Names of its files, for who removes a catalogue. */
extern const char *const catalog_files[];	/* ends with NULL */

/**
 * catalog_begin(c, out): the one write transaction.
 * catalog_put / catalog_del: errors leave the transaction only fit to abort,
 * but for -ENOENT of catalog_del.  Keys 1..CAT_KEY_MAX, values 0..CAT_VALUE_MAX.
 * catalog_commit: consumes the transaction, also on failure.
 * Durable: when catalog_commit has returned 0.  Crash: all of it or nothing.
 */
int catalog_begin(struct catalog *c, struct cat_txn **out);
int catalog_put(struct cat_txn *t, enum cat_table tab, const void *key,
    size_t klen, const void *val, size_t vlen);
int catalog_del(struct cat_txn *t, enum cat_table tab, const void *key,
    size_t klen);
/* Deletes every row whose key begins with the prefix. */
int catalog_del_prefix(struct cat_txn *t, enum cat_table tab, const void *key,
    size_t klen);
int catalog_commit(struct cat_txn *t);
void catalog_abort(struct cat_txn *t);

/* Copies a value out; ${*vlen} in: room, out: length.  -ENOENT, -ENOSPC. */
int catalog_get(struct catalog *c, enum cat_table tab, const void *key,
    size_t klen, void *val, size_t *vlen);

/*
 * The row with the greatest key that is not above ${key}; ${*klen}, ${*vlen}
 * in: length of the key and room (of both: ${key} has room for CAT_KEY_MAX),
 * out: lengths.  -ENOENT there is none, -ENOSPC.
 */
int catalog_floor(struct catalog *c, enum cat_table tab, void *key,
    size_t *klen, void *val, size_t *vlen);

/*
 * Rows of a table in the order of their keys; stops at the first result that
 * is not 0 and returns it.  key and val are valid only during the call, which
 * must not write to the catalogue.
 */
typedef int cat_row_fn(void *arg, const uint8_t *key, size_t klen,
    const uint8_t *val, size_t vlen);
int catalog_each(struct catalog *c, enum cat_table tab, cat_row_fn *fn,
    void *arg);
/* The same from the first key on that is not below ${key}. */
int catalog_each_from(struct catalog *c, enum cat_table tab, const void *key,
    size_t klen, cat_row_fn *fn, void *arg);

/* Rows of a table. */
int catalog_rows(struct catalog *c, enum cat_table tab, uint64_t *out);

#endif /* !META_CATALOG_H */
