/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd.h - the verbs of tt-admin, and what they share: calling the daemon,
 * printing an answer as JSON, picking fields out of it.
 */
#ifndef CLI_CMD_H
#define CLI_CMD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "cli/opts.h"
#include "cli/spec.h"

#define CMD_NEEDS 2
struct cmd {
	const char *name;
	int (*fn)(const struct opts *o);	/* an exit code */
	const char *args;	/* as in the usage line */
	const char *help;
	unsigned opts;		/* OPT_* it takes */
	int min_args, max_args;
	const char *needs[CMD_NEEDS];	/* names of the first min_args */
};

extern const struct cmd cmd_table[];
extern const size_t cmd_n;
const struct cmd *cmd_find(const char *name);	/* NULL */

/* cmd_lun.c, cmd_create.c, cmd_snap.c, cmd_access.c, cmd_state.c,
 * cmd_verify.c, cmd_gc.c */
int cmd_create(const struct opts *o);
int cmd_delete(const struct opts *o);
int cmd_list(const struct opts *o);
int cmd_show(const struct opts *o);
int cmd_snapshot(const struct opts *o);
int cmd_expose(const struct opts *o);
int cmd_unexpose(const struct opts *o);
int cmd_set(const struct opts *o);
int cmd_online(const struct opts *o);
int cmd_user(const struct opts *o);
int cmd_allow(const struct opts *o);
int cmd_deny(const struct opts *o);
int cmd_logins(const struct opts *o);
int cmd_sessions(const struct opts *o);
int cmd_status(const struct opts *o);
int cmd_verify(const struct opts *o);
int cmd_gc(const struct opts *o);
int cmd_help(const struct opts *o);

/* cmd_gc.c: the lines about space, from the object of gc. */
void cmd_gc_space(json_t *g);
/* cmd_verify.c: how the scrub is; in status as well. */
void cmd_scrub(json_t *s);
/* The line of a verification that is running; else nothing. */
void cmd_verify_running(json_t *v);
/* The line of known damage; ${run} tells whether a verification is running. */
void cmd_known_damage(json_t *known, json_t *run);

/* The whole program; ${argv} is permuted.  Returns the exit code. */
int cmd_main(int argc, char **argv);

/*
 * Ask the daemon; as client_call.  ${args} NULL is an argument that is not
 * UTF-8.
 */
int cmd_call(const struct opts *o, const char *verb, json_t *args,
    json_t **out);

/* Argument ${i} as LUN[@NAME]; 0, or EXIT_USAGE and it said why. */
int cmd_spec(const struct opts *o, int i, struct spec *out);
/* The same, where a snapshot is needed. */
int cmd_spec_snapshot(const struct opts *o, struct spec *out);

/* {"lun":...,"snapshot":...,"dry_run":true}: what most verbs send. */
json_t *cmd_spec_args(const struct opts *o, const struct spec *s);

/* Print ${result} on stdout, indented. */
void cmd_print_json(json_t *result);

/* Fields that may be missing: "" and 0 then. */
const char *cmd_str(json_t *obj, const char *key);
json_int_t cmd_int(json_t *obj, const char *key);

/* "2026-11-21T13:45:01Z" of a time with nanoseconds. */
#define CMD_TIME_LEN 40
const char *cmd_time(char dst[static CMD_TIME_LEN], const char *rfc3339);

/* "  label     text": one line of what is known about something. */
void cmd_line(const char *label, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The lines that describe a disk, and where it is served. */
void cmd_print_disk(json_t *disk);

/* "1 snapshot", "2 snapshots"; ${noun} in the singular. */
#define CMD_COUNT_LEN 48
const char *cmd_count(char dst[static CMD_COUNT_LEN], json_int_t n,
    const char *noun);

/* "on" or "off", of ${what}; else EXIT_USAGE, and it said why. */
int cmd_on_off(const char *text, const char *what, bool *on);

#endif /* !CLI_CMD_H */
