/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inject.h - the n-th call of a kind fails, in the program that links this:
 * system calls of the storage code and of LMDB, and allocations.  Calls are
 * counted while armed, on all threads but those that said that they are the
 * test's.
 */
#ifndef TESTS_FAULT_INJECT_H
#define TESTS_FAULT_INJECT_H

#include <stdbool.h>

enum inject_kind {
	INJECT_WRITE,	/* write, pwrite, pwritev, fallocate, ftruncate and what
			 * makes, renames or removes a name */
	INJECT_SYNC,	/* fdatasync, fsync */
	INJECT_OPEN,	/* openat of what is there */
	INJECT_CHANGE,	/* these three */
	INJECT_READ,	/* pread, preadv2 */
	INJECT_SHORT,	/* pwrite, pwritev: half of it, then no more */
	INJECT_MEMORY,	/* malloc, calloc, realloc and their kin */
};

/* From the ${at}-th call on (1, 2, ...): that one, or all of them. */
void inject_arm(enum inject_kind kind, unsigned at, int err, bool sticky);
/* Calls of that kind since; none fails any more. */
unsigned inject_disarm(void);
unsigned inject_failed(void);
/* This file cannot be synced, armed or not; 0: it can. */
void inject_sync_fails(unsigned long ino);
/* What this thread does is not counted and does not fail, or again it is. */
void inject_spare_me(bool spare);
/* False: this build cannot let allocations fail (sanitizers own malloc). */
bool inject_has_memory(void);

/* For inject_mem.c: does this call fail? */
bool inject_hit(enum inject_kind kind);

#endif /* !TESTS_FAULT_INJECT_H */
