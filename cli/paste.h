/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * paste.h - the lines that an administrator pastes on a server to log in to a
 * disk (open-iscsi's iscsiadm).
 */
#ifndef CLI_PASTE_H
#define CLI_PASTE_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

/**
 * paste_lines(disk):
 * Discovery, credentials, login for a *disk* of target/ADMIN.md, as an array
 * of strings (new; NULL without memory).  With secrets in it (a new LUN) they
 * are shown; otherwise the lines take them from the shell variables
 * CHAP_SECRET and MUTUAL_SECRET, and that of the user for discovery, which only
 * the configuration has, from DISCOVERY_SECRET.
 */
json_t *paste_lines(json_t *disk);
/* The same on ${f}. */
void paste_print(FILE *f, json_t *disk);
/*
 * The same, below a line that says what to do with them, and with the variables
 * that are to be filled in.
 */
void paste_print_use(FILE *f, json_t *disk);

/*
 * The lines by which a server forgets the targets of ${result} ("targets", an
 * array of names): logout, and the record of the node.  New.
 */
json_t *paste_cleanup(json_t *result);
/* The same on ${f}, with a line that says what for; nothing without targets. */
void paste_print_cleanup(FILE *f, json_t *result);

/*
 * ${src} as one word of a POSIX shell; as it is when nothing in it needs a
 * quote.  Cut (but well quoted) at ${cap} >= 3.  Returns ${dst}.
 */
const char *paste_quote(char *dst, size_t cap, const char *src);

/* "192.0.2.9:3260", "[2001:db8::1]:3260". */
const char *paste_portal(char *dst, size_t cap, const char *address,
    json_int_t port);

/*
 * The address by which others reach a portal bound to ${address}: itself, or
 * for a wildcard one of this machine's (127.0.0.1 or ::1 without a network).
 */
const char *paste_reachable(char *dst, size_t cap, const char *address);

#endif /* !CLI_PASTE_H */
