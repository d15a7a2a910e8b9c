/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ini.h - logging in with libiscsi, which never reconnects by itself here.
 */
#ifndef TESTS_E2E_INI_H
#define TESTS_E2E_INI_H

#include <stddef.h>
#include <stdint.h>
/* libiscsi's headers need the types above and include nothing. */
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

#include "tests/e2e/daemon.h"

/*
 * Connect and log in with the credentials of ${d}; NULL when refused, with
 * libiscsi's reason in ${why} (256 bytes, may be NULL).  The unit attention of
 * the new session is consumed.
 */
struct iscsi_context *ini_login(const struct disk *d, const char *initiator,
    char *why);

/* Whole commands, waited for; true: GOOD. */
bool ini_write(struct iscsi_context *ctx, uint64_t lba, const void *buf,
    size_t len, uint32_t sector);
bool ini_read(struct iscsi_context *ctx, uint64_t lba, void *buf, size_t len,
    uint32_t sector);

#endif /* !TESTS_E2E_INI_H */
