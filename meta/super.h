/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * super.h - the superblock: the file that makes a directory a store.
 *
 * Written once, by super_create, never changed; FORMAT.md "Superblock" is
 * normative.  A directory without a valid one is not a store and is never
 * taken for an empty one.
 */
#ifndef META_SUPER_H
#define META_SUPER_H

#include <stdint.h>

#define SUPER_VERSION 1u
#define SUPER_LEN 4096

/* Feature bits that this program knows; none are defined yet. */
#define SUPER_COMPAT_KNOWN	UINT64_C(0)
#define SUPER_ROCOMPAT_KNOWN	UINT64_C(0)
#define SUPER_INCOMPAT_KNOWN	UINT64_C(0)

#define SEGMENT_BYTES_MIN	(2u << 20)
#define SEGMENT_BYTES_MAX	(128u << 20)
#define SEGMENT_BYTES_DEFAULT	(64u << 20)

struct super {
	uint32_t version;
	uint64_t compat, ro_compat, incompat;
	uint8_t uuid[16];		/* of the store */
	uint64_t created_ns;		/* UTC */
	uint32_t segment_bytes;		/* a power of two, MIN..MAX */
};

/* Encode and decode; -EILSEQ damaged, -EPROTONOSUPPORT unknown version or
 * unknown incompatible (or read-only compatible) feature bits. */
void super_enc(const struct super *s, uint8_t out[static SUPER_LEN]);
int super_dec(const uint8_t in[static SUPER_LEN], struct super *out);

/**
 * super_create(dir_fd, s):
 * Writes "superblock" into the directory: temporary file, fsync, rename,
 * fsync of the directory.
 * Errors:  -EEXIST there is one already (nothing is changed), -errno.
 * Durable: when it has returned 0.  Crash: no superblock, or the whole one.
 */
int super_create(int dir_fd, const struct super *s);

/* Errors: -ENOENT not a store, and those of super_dec, -errno; not logged. */
int super_load(int dir_fd, struct super *out);

#endif /* !META_SUPER_H */
