/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * secret.h - CHAP secrets: made, sealed for storage, opened at a login.
 *
 * A secret is stored only sealed: AES-256-GCM under a key that lies in the
 * store as the file "key" (32 random bytes, mode 0600).  The seal covers the
 * user and the direction, so a sealed secret cannot be moved to another user.
 *
 * off  len  sealed secret
 *   0    1  version, 1
 *   1   12  nonce, random
 *  13    n  the secret, encrypted
 * 13+n  16  tag
 *
 * Threads: any.
 */
#ifndef TARGET_SECRET_H
#define TARGET_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "target/iscsi/env.h"

struct secret_key;

#define SECRET_USER_MAX		200u	/* LUN_USER_MAX */
#define SECRET_MIN_BYTES	12u	/* 96 bits: RFC 7143 9.2.1 */
#define SECRET_MAX_BYTES	255u
#define SECRET_SEAL_BYTES	29u	/* what sealing adds */
#define SECRET_SEALED_MAX	(SECRET_MAX_BYTES + SECRET_SEAL_BYTES)
#define SECRET_MADE_LEN		16u	/* characters, each one of 64 */

/**
 * secret_key_create(store):
 * Make the key file.  Errors: -EEXIST, -errno; logged.
 * Durable: on return.
 */
int secret_key_create(const char *store);

/**
 * secret_key_load(store, out):
 * Errors: -ENOENT there is none, -EACCES others may read it, -EUCLEAN not 32
 * bytes, -errno; logged with what to do.  Free (wipes): secret_key_free.
 */
int secret_key_load(const char *store, struct secret_key **out);
void secret_key_free(struct secret_key *k);

/* Whose secret it is; the seal holds only for exactly this. */
struct secret_owner {
	const char *user;
	bool mutual;		/* the target's own proof */
};

struct secret_sealed {
	uint8_t b[SECRET_SEALED_MAX];
	size_t len;
};

/* 12 to 255 bytes of printable ASCII? */
bool secret_ok(const char *secret, size_t len);

/* 1 to 200 bytes of printable ASCII without blanks? */
bool secret_user_ok(const char *user);

/* Errors: -EINVAL not secret_ok, -EIO of libcrypto. */
int secret_seal(const struct secret_key *k, const struct secret_owner *who,
    const char *secret, size_t len, struct secret_sealed *out);

/**
 * secret_unseal(k, who, sealed, sealed_len, dst, cap, out_len):
 * Errors: -EBADMSG damaged, another key or another owner; -EINVAL not a
 * sealed secret, or longer than ${cap}.  On failure ${dst} is wiped.
 */
int secret_unseal(const struct secret_key *k, const struct secret_owner *who,
    const uint8_t *sealed, size_t sealed_len, uint8_t *dst, size_t cap,
    size_t *out_len);

/**
 * secret_file_load(what, path, runs_as, out):
 * A secret that a person keeps in a file; one line end behind it is cut off.
 * ${what}: the key of the configuration that names it; ${runs_as}: the user of
 * the daemon, whose file it has to be, unless that is who reads it now.
 * Errors: -EACCES others may read it, or he may not; -EINVAL not secret_ok;
 * -errno; logged with what to do.
 */
int secret_file_load(const char *what, const char *path, uid_t runs_as,
    struct iscsi_secret *out);

/* A new secret of SECRET_MADE_LEN characters, and the zero. */
void secret_make(char dst[static SECRET_MADE_LEN + 1]);

/* Overwrite; the compiler cannot leave it out. */
void secret_wipe(void *p, size_t len);

#endif /* !TARGET_SECRET_H */
