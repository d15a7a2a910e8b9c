/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check.h - what the files of crash-check share.
 */
#ifndef TESTS_CRASH_CHECK_H
#define TESTS_CRASH_CHECK_H

#include <stdint.h>
#include <stdio.h>

#include "tests/crash/image.h"
#include "tests/crash/model.h"
#include "tests/lib/eng.h"

#define CHECK_RESERVE (UINT64_C(1) << 20)	/* as that of the workload */

struct opened {
	struct lunset *ls;
	struct eng e;
	uint64_t digest;	/* of all that was found */
};

extern int check_complaints;
extern bool check_with_reserve;		/* stores are opened with one */

#define COMPLAIN(...)							\
	do {								\
		(void)fprintf(stderr, __VA_ARGS__);			\
		(void)fputc('\n', stderr);				\
		check_complaints++;						\
	} while (0)

void check_mix(uint64_t *d, const void *p, size_t n);
int check_open(const char *dir, struct opened *o);
int check_close(struct opened *o);

/* The store is open, there is room: it has its reserve, whole. */
void check_reserve(const char *dir);

/* Compare with the model; ${*digest}: what there is, 0 before the first time. */
void check_look(struct opened *o, struct model *m, enum image_mode mode,
    uint64_t *digest, const char *what);

/* One opening more; with ${reclaim} verified and reclaimed before the look. */
void check_once_more(struct model *m, const char *dir, enum image_mode mode,
    uint64_t *digest, bool reclaim, const char *what);

/* Everything that anything leads to can be read, and is what it was. */
void check_verify(struct opened *o, const struct model *m);

/*
 * Of a closed store: a catalogue that is made anew changes nothing that anybody
 * reads, and has the same roots.
 */
void check_rebuild(struct model *m, const char *dir, enum image_mode mode,
    uint64_t digest);

/* The same of reclaim, of a rebuild behind it, and of reclaim behind that. */
void check_deep(struct model *m, const char *dir, enum image_mode mode,
    uint64_t digest);

#endif /* !TESTS_CRASH_CHECK_H */
