/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cuts.h - cut a trace at many points, each in a process of its own: build the
 * directory that the disk could hold, call the check, count.
 *
 * Command line of every program that uses it:
 *	--trace FILE	what the recorder wrote
 *	--work DIR	where the directories are made (a tmpfs is fastest)
 *	--base DIR	files that were there and durable before the trace
 *	--cuts N	how many points (default 500)
 *	--seed S	chooses the points and the fate of each write
 *	--jobs J	processes at a time (default 2)
 *	--limit S	seconds for one check (default 20)
 *	--only I	only cut number I of this seed; its directory is kept
 *	--verify DIR	first: everything of the trace must give this directory
 *	--every		each event is a cut as well: "cut while it ran"
 *	--around-folders	the others where a folder gets another name
 *	--stats		first: say what the trace holds
 *	--break-sync, --break-dir	pretend that syncs do nothing
 *	--break-moved	... of segments of the kind MOVED
 *	--break-wipe	pretend that headers of dead segments stay
 *	--break-path P	pretend that syncs of files below P do nothing
 *	--expect-failures	succeed only when checks fail
 */
#ifndef TESTS_CRASH_CUTS_H
#define TESTS_CRASH_CUTS_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/crash/image.h"

struct cut {
	uint64_t at;		/* position in the file: what is before it
				 * happened */
	enum image_mode mode;
	uint64_t seed;
	size_t number;
	bool only;		/* this one alone is looked at */
	const char *work;	/* a folder for files of the check */
};

struct cuts_ops {
	/* A mark, in the order of the trace. */
	void (*mark)(void *arg, const uint8_t *data, uint32_t len);
	/* In a child.  0, or not, with the reason on stderr. */
	int (*check)(void *arg, const char *dir, const struct cut *c);
	void *arg;
};

/* The result is the exit status. */
int cuts_main(int argc, char **argv, const struct cuts_ops *ops);

/* ---- a trace, event by event ------------------------------------------ */

struct trace;

struct trace_item {
	uint64_t idx, pos;	/* pos: counts marks from outside as well */
	struct trace_ev ev;
	char name[512], name2[512];
	const uint8_t *data;	/* valid until trace_close */
};

/* 0 or -errno. */
int trace_open(const char *path, struct trace **out);
void trace_close(struct trace *t);
/* False at the end, also when the last event is not complete. */
bool trace_next(struct trace *t, struct trace_item *out);
void trace_rewind(struct trace *t);
/* What was added since it was opened can be read, too.  0 or -errno. */
int trace_refresh(struct trace *t);

/* Removes a directory and all that is in it. */
void cuts_remove_tree(const char *dir);

#endif /* !TESTS_CRASH_CUTS_H */
