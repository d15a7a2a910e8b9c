/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rnd.h - random bytes from the kernel (getrandom(2)): identities, nonces.
 */
#ifndef META_BASE_RND_H
#define META_BASE_RND_H

#include <stddef.h>
#include <stdint.h>

/* Fills ${buf}.  Never fails: waits for the kernel's pool if it must. */
void rnd_bytes(void *buf, size_t len);

/* A random (version 4) UUID, RFC 9562 5.4. */
void rnd_uuid(uint8_t uuid[static 16]);

/* The kernel's id of this boot; all zero when it is not to be had. */
void rnd_boot_id(uint8_t id[static 16]);
/* For tests: from now on the machine seems to be in this boot. */
void rnd_fake_boot_id(const uint8_t id[static 16]);

#define UUID_TEXT_LEN 37
const char *uuid_format(char dst[static UUID_TEXT_LEN],
    const uint8_t uuid[static 16]);

#endif /* !META_BASE_RND_H */
