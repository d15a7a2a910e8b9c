/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocations that fail.  The C library's own names for its allocator are used
 * underneath.
 */
#include "tests/fault/inject.h"

#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);

bool
inject_has_memory(void)
{

	return (true);
}

EXPORT void *
malloc(size_t n)
{

	return (inject_hit(INJECT_MEMORY) ? NULL : __libc_malloc(n));
}

EXPORT void *
calloc(size_t n, size_t size)
{

	return (inject_hit(INJECT_MEMORY) ? NULL : __libc_calloc(n, size));
}

EXPORT void *
realloc(void *p, size_t n)
{

	return (inject_hit(INJECT_MEMORY) ? NULL : __libc_realloc(p, n));
}

EXPORT void *
aligned_alloc(size_t align, size_t n)
{

	return (inject_hit(INJECT_MEMORY) ? NULL : __libc_memalign(align, n));
}

EXPORT void *
memalign(size_t align, size_t n)
{

	return (inject_hit(INJECT_MEMORY) ? NULL : __libc_memalign(align, n));
}

EXPORT int
posix_memalign(void **out, size_t align, size_t n)
{
	void *p;

	if (inject_hit(INJECT_MEMORY))
		return (ENOMEM);
	if ((p = __libc_memalign(align, n)) == NULL)
		return (ENOMEM);
	*out = p;
	return (0);
}
