/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mem_count.h - counts the memory of the code that is included behind it, and
 * lets allocations fail.  For white-box tests.
 */
#ifndef TESTS_UNIT_LUN_MEM_COUNT_H
#define TESTS_UNIT_LUN_MEM_COUNT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static _Atomic uint64_t live_bytes;	/* allocated now */
static _Atomic int fail_at;		/* the n-th fails; -1: every one */

struct mem {
	max_align_t size[1];		/* the first word of it */
};

static inline bool
mem_fails(void)
{
	int n = atomic_load(&fail_at);

	if (n == 0)
		return (false);
	if (n < 0)
		return (true);
	return (atomic_fetch_sub(&fail_at, 1) == 1);
}

static inline size_t
mem_size(const struct mem *m)
{
	size_t n;

	memcpy(&n, m, sizeof(n));
	return (n);
}

static inline void *
mem_realloc(void *p, size_t n)
{
	struct mem *m = p == NULL ? NULL : (struct mem *)p - 1;
	const size_t old = m == NULL ? 0 : mem_size(m);

	if (mem_fails() || (m = realloc(m, sizeof(*m) + n)) == NULL)
		return (NULL);
	memcpy(m, &n, sizeof(n));
	atomic_fetch_add(&live_bytes, n - old);
	return (m + 1);
}

static inline void *
mem_malloc(size_t n)
{
	void *p = mem_realloc(NULL, n);

	if (p != NULL)
		memset(p, 0xa5, n);
	return (p);
}

static inline void *
mem_calloc(size_t n, size_t size)
{
	void *p = mem_malloc(n * size);

	if (p != NULL)
		memset(p, 0, n * size);
	return (p);
}

static inline void
mem_free(void *p)
{
	struct mem *m = p == NULL ? NULL : (struct mem *)p - 1;

	if (m == NULL)
		return;
	atomic_fetch_sub(&live_bytes, mem_size(m));
	free(m);
}

#define malloc	mem_malloc
#define calloc	mem_calloc
#define realloc	mem_realloc
#define free	mem_free

#endif /* !TESTS_UNIT_LUN_MEM_COUNT_H */
