/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check.h - assertions that stay on in every build.
 *
 * TT_ASSERT is for states that only a bug of ours can reach; bytes from the
 * wire, the disk, a socket or a file are answered with an error instead.
 */
#ifndef META_BASE_CHECK_H
#define META_BASE_CHECK_H

#define TT_ASSERT(x)							\
	do {								\
		if (__builtin_expect(!(x), 0))				\
			check_failed(#x, __FILE__, __LINE__, __func__);	\
	} while (0)

/* Checks that ${p} is not NULL and carries the magic number of its type. */
#define TT_MAGIC(p, m)	TT_ASSERT((p) != NULL && (p)->magic == (m))

/* Writes the message to stderr and aborts. */
_Noreturn void check_failed(const char *what, const char *file, int line,
    const char *func);

#define TT_CONTAINER(ptr, type, member)					\
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#define TT_MIN(a, b)	((a) < (b) ? (a) : (b))
#define TT_MAX(a, b)	((a) > (b) ? (a) : (b))

#endif /* !META_BASE_CHECK_H */
