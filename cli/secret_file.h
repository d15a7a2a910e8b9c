/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * secret_file.h - a CHAP secret that a person keeps in a file.
 *
 * Secrets are never arguments: those are seen by everybody who runs ps.
 */
#ifndef CLI_SECRET_FILE_H
#define CLI_SECRET_FILE_H

#include "target/admin_proto.h"

/* The caller wipes it (explicit_bzero). */
struct secret_text {
	char s[ADMIN_SECRET_MAX_BYTES + 1];
};

/**
 * secret_file_read(path, out):
 * The content of the file without one line end behind it.  A file that others
 * may read gives a warning.
 *
 * Result: 0, or EXIT_USAGE, and it said why (unreadable; shorter than 12
 * bytes, longer than 255, or not printable ASCII).  ${out} is set only on
 * success.
 */
int secret_file_read(const char *path, struct secret_text *out);

#endif /* !CLI_SECRET_FILE_H */
