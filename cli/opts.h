/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * opts.h - the command line of tt-admin: options anywhere, then a verb and
 * its arguments.  Also the exit codes, which are part of the interface.
 */
#ifndef CLI_OPTS_H
#define CLI_OPTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Documented in tt-admin(8); the daemon's error codes map onto them. */
enum cli_exit {
	EXIT_OK = 0,
	EXIT_FAILED = 1,	/* the operation failed */
	EXIT_USAGE = 2,		/* command line, or a value not allowed */
	EXIT_UNREACHABLE = 3,	/* no daemon answers */
	EXIT_NOT_FOUND = 4,
	EXIT_EXISTS = 5,
	EXIT_BUSY = 6,		/* in use, exposed, or it has snapshots */
	EXIT_DENIED = 7,	/* this user may not */
	EXIT_NO_SPACE = 8,
	EXIT_STOPPED = 9,	/* store stopped, or a portal not accepting */
	EXIT_DAMAGED = 10	/* verify, status: something cannot be read */
};

/* Which options a verb takes; -s, --json and -h are taken by all. */
enum {
	OPT_DRY_RUN = 1 << 0,
	OPT_YES = 1 << 1,
	OPT_WITH_SNAPSHOTS = 1 << 2,
	OPT_BLOCK = 1 << 3,
	OPT_SECTOR = 1 << 4,
	OPT_CHAP = 1 << 5,
	OPT_SECRET_FILE = 1 << 6,
	OPT_MUTUAL = 1 << 7,
	OPT_MUTUAL_SECRET_FILE = 1 << 8,
	OPT_OPEN = 1 << 9,
	OPT_FORCE = 1 << 10,
	OPT_AFTER_POWER_LOSS = 1 << 11,
	OPT_ALL = 1 << 12,
	OPT_RATE = 1 << 13,
	OPT_WAIT = 1 << 14,
	OPT_STOP = 1 << 15,
	OPT_DEDUP = 1 << 16,
	OPT_CACHE = 1 << 17
};

struct opts {
	const char *socket;
	bool json, help, version;
	bool dry_run, yes, with_snapshots, open, force;
	const char *block, *sector;
	const char *chap, *secret_file;
	const char *mutual, *mutual_secret_file;
	const char *after_power_loss, *dedup, *cache;
	bool all, wait, stop;
	const char *rate;
	unsigned given;			/* OPT_* that were there */
	const char *verb;		/* NULL: none */
	char **args;			/* behind the verb */
	int n_args;
};

/**
 * opts_parse(argc, argv, o):
 * Permutes ${argv}; the strings of ${o} point into it.
 * Result: 0, or EXIT_USAGE, and it said why on stderr.
 */
int opts_parse(int argc, char **argv, struct opts *o);

/* The word that is the verb, before anything is parsed; "" without one. */
const char *opts_verb(int argc, char **argv);

/* Name of an option for messages: "--block". */
const char *opts_name(unsigned bit);

#endif /* !CLI_OPTS_H */
