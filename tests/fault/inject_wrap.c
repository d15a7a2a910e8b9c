/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocations that fail in a program that is linked with --wrap for them
 * (CMakeLists.txt), in any build: a sanitizer keeps its allocator, and tells
 * what is not freed.  Those of shared libraries do not fail.
 */
#include "tests/fault/inject.h"

#include <stddef.h>
#include <stdlib.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);

bool
inject_has_memory(void)
{

	return (true);
}

void *
__wrap_malloc(size_t n)
{

	return (inject_hit(INJECT_MEMORY) ? NULL : __real_malloc(n));
}

void *
__wrap_calloc(size_t n, size_t size)
{

	return (inject_hit(INJECT_MEMORY) ? NULL : __real_calloc(n, size));
}

void *
__wrap_realloc(void *p, size_t n)
{

	return (inject_hit(INJECT_MEMORY) ? NULL : __real_realloc(p, n));
}

void *
__wrap_aligned_alloc(size_t align, size_t n)
{

	return (inject_hit(INJECT_MEMORY) ? NULL :
	    __real_aligned_alloc(align, n));
}
