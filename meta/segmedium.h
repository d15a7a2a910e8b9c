/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * segmedium.h - read what the medium holds, for who looks for decay: past the
 * page cache where the file system can do that, so that a good copy in memory
 * does not hide a bad one below it, and so that reading everything pushes
 * nothing out of the cache.
 */
#ifndef META_SEGMEDIUM_H
#define META_SEGMEDIUM_H

#include <stddef.h>
#include <stdint.h>

#include "meta/segs.h"

/*
 * As seg_read: ${len} bytes or -errno; beyond the end of the file -ENODATA.
 * -ENOMEM.  Blocks.
 */
int seg_read_medium(struct seg *s, void *buf, size_t len, uint64_t off_bytes);

#endif /* !META_SEGMEDIUM_H */
