/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * source.h - a store opened to get data out of it, whatever state it is in.
 *
 * In this order, until one works:
 *  1. as it is, when its catalogue is whole;
 *  2. with a catalogue that is made anew in a temporary folder;
 *  3. with its own catalogue, leaving out what is damaged;
 *  4. with a new one, leaving out what is damaged.
 * The store itself is never changed.
 */
#ifndef CLI_RECOVER_SOURCE_H
#define CLI_RECOVER_SOURCE_H

#include <stdbool.h>

#include "lun/lun.h"

struct source {
	struct lunset *ls;
	bool is_partial;	/* something was damaged and is left out */
	char tmp[256];		/* temporary folder, "" = none */
};

/**
 * source_open(path, rebuild, out):
 * ${rebuild}: begin with 2.  Errors: -EBUSY a daemon has it open, -ENOENT not
 * a store, -EUCLEAN nothing works, -errno; logged.
 * Threads: before any other exists (it forks).
 */
int source_open(const char *path, bool rebuild, struct source *out);
void source_close(struct source *s);

#endif /* !CLI_RECOVER_SOURCE_H */
