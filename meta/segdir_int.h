/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * segdir_int.h - what segdir.c (segments), segspare.c (prepared files)
 * and segdraft.c share.
 */
#ifndef META_SEGDIR_INT_H
#define META_SEGDIR_INT_H

#include "meta/base/lock.h"
#include "meta/segdir.h"

/*
 * A store's directory.  Members are protected by:
 *	I  immutable after open		l  lk
 */
struct segdir {
	uint32_t segment_bytes;		/* [I] */
	int dir, seg, spare;		/* [I] folders */
	int lock;			/* [I] flocked once lock() returned 0 */
	bool read_only;			/* [I] */
	bool locked;			/* [I] by the caller already */
	struct lk lk;			/* rank LK_PREP */
	uint32_t ready[SEGDIR_SPARES_MAX]; /* [l] names of prepared files */
	unsigned n_ready;		/* [l] */
	uint32_t next_spare;		/* [l] no file has this name or above */
};

/* "NNNNNNNN", the name of a segment in its folder, or of a spare. */
#define SEGNAME_LEN	9
const char *segdir_name(char dst[static SEGNAME_LEN], uint32_t number);
/* Its folder below seg/, and both. */
#define SHARD_LEN	3
#define SEGPATH_LEN	(SHARD_LEN + SEGNAME_LEN)
const char *segdir_shard(char dst[static SHARD_LEN], uint32_t number);
const char *segdir_path(char dst[static SEGPATH_LEN], uint32_t number);
/* Is it exactly such a name? */
bool segdir_parse_name(const char *name, uint32_t *out);

/* Each name in a folder but "." and ".."; stops at the first result not 0. */
int segdir_names(int parent, const char *name,
    int (*fn)(void *arg, const char *name), void *arg);

/* Looks at what an earlier owner left in spare/; only with the lock. */
int segspare_scan(struct segdir *d);
/* See segs_ops: prepare, prepared. */
int segspare_prepare(void *be, const bool *stop);
unsigned segspare_prepared(void *be);
void segspare_drop(void *be);
/*
 * A prepared file becomes ${to_name} in the folder ${to_dir}.
 * Errors: -ENOENT none is prepared; -EEXIST the name is taken; -errno.
 */
int segspare_use(struct segdir *d, int to_dir, const char *to_name,
    int *out_fd);

/*
 * The other way: ${from_name} in ${from_dir} becomes a prepared file.
 * Errors: -EINVAL it is not fit for one; -errno; it is there still, perhaps
 * without its header.  0: it is not there any more.
 */
#define SEGDIR_HEADER_BYTES 4096u
int segspare_recycle(struct segdir *d, int from_dir, const char *from_name);

/* "NNNNNNNN.new" in spare/: not whole yet; the next owner removes it. */
#define NEWNAME_LEN	(SEGNAME_LEN + 4)
const char *segspare_new_name(char dst[static NEWNAME_LEN], uint32_t n);

/* segdraft.c: see segs_ops. */
int segdraft_make(void *be, uint32_t *out_draft, int *out_fd);
int segdraft_adopt(void *be, uint32_t draft, uint32_t number);
void segdraft_drop(void *be, uint32_t draft);

#endif /* !META_SEGDIR_INT_H */
