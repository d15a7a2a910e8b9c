/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vec.h - room in arrays that grow.
 */
#ifndef META_BASE_VEC_H
#define META_BASE_VEC_H

#include <stddef.h>
#include <stdlib.h>

/*
 * ${p} with room for one more than ${n} elements of ${size} bytes, ${*room}
 * raised when it had to grow; the caller keeps the result in place of ${p}.
 * NULL: no memory, and ${p} and ${*room} are as they were.
 */
static inline void *
vec_room(void *p, size_t *room, size_t n, size_t size)
{
	size_t want = *room == 0 ? 64 : *room * 2;
	void *bigger;

	if (n < *room)
		return (p);
	if ((bigger = realloc(p, want * size)) != NULL)
		*room = want;
	return (bigger);
}

#endif /* !META_BASE_VEC_H */
