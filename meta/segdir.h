/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * segdir.h - segments as files of a directory: the backend of segs.c.
 * Layout: segs.h.
 */
#ifndef META_SEGDIR_H
#define META_SEGDIR_H

#include "meta/segs.h"

/* Prepared files beyond these are removed when the store is opened. */
#define SEGDIR_SPARES_MAX 64u

/* The functions for what segdir_open returns. */
extern const struct segs_ops segdir_ops;

/* See segs_init. */
int segdir_init(const char *dir);

/**
 * segdir_open(dir, segment_bytes, out):
 * Only opens the folders; spares are looked at when the lock is held.
 * Errors: -ENOENT not a store, -errno.  Close with segdir_ops.close.
 */
int segdir_open(const char *dir, uint32_t segment_bytes, void **out);

/*
 * The functions of segdir_ops that read, and -EROFS for the others; the lock
 * is shared with other readers.  ${locked}: the caller holds it already.
 */
extern const struct segs_ops segdir_ro_ops;
int segdir_open_read_only(const char *dir, uint32_t segment_bytes, bool locked,
    void **out);

#endif /* !META_SEGDIR_H */
