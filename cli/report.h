/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * report.h - what goes wrong, told to a person on stderr and, with --json, to
 * a program on stdout.
 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <stdbool.h>

#include "cli/opts.h"
#include "target/admin_proto.h"

/* With --json an error is also an object {"error":{...}} on stdout. */
void report_json(bool on);

/*
 * "tt-admin: WHAT: WHY" and NEXT on a line of its own; ${why} and ${next} may
 * be empty.  Returns the exit code that belongs to ${code}.
 */
int report_error(enum admin_code code, const char *what, const char *why,
    const char *next);
enum cli_exit report_exit(enum admin_code code);

/* No daemon answers; returns EXIT_UNREACHABLE. */
int report_unreachable(const char *what, const char *why, const char *next);

/* Of which verb tt-admin help tells how it is used; NULL: of all. */
void report_verb(const char *name);
/* A command line that makes no sense; returns EXIT_USAGE. */
int report_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void report_warning(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

#endif /* !CLI_REPORT_H */
