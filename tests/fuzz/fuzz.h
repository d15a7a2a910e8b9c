/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz.h - what every fuzz target shares.  It stands in for tests/lib/unit.h,
 * so that the fixtures of the unit tests can be used: an assertion of theirs
 * that fails is a crash.
 *
 * Include it before any of them.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H
#define TESTS_LIB_UNIT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/msg.h"

#define FUZZ_HOLDS(x)							\
	do {								\
		if (!(x)) {						\
			(void)fprintf(stderr, "%s:%d: %s\n", __FILE__,	\
			    __LINE__, #x);				\
			abort();					\
		}							\
	} while (0)
#define CU_ASSERT(x)			FUZZ_HOLDS(x)
#define CU_ASSERT_TRUE(x)		FUZZ_HOLDS(x)
#define CU_ASSERT_FALSE(x)		FUZZ_HOLDS(!(x))
#define CU_ASSERT_EQUAL(a, b)		FUZZ_HOLDS((a) == (b))
#define CU_ASSERT_EQUAL_FATAL(a, b)	FUZZ_HOLDS((a) == (b))
#define CU_ASSERT_NOT_EQUAL(a, b)	FUZZ_HOLDS((a) != (b))
#define CU_ASSERT_PTR_NOT_NULL(a)	FUZZ_HOLDS((a) != NULL)
#define CU_ASSERT_PTR_NOT_NULL_FATAL(a)	FUZZ_HOLDS((a) != NULL)
#define CU_ASSERT_FATAL(x)		FUZZ_HOLDS(x)
#define CU_ASSERT_TRUE_FATAL(x)		FUZZ_HOLDS(x)
#define CU_ASSERT_STRING_EQUAL(a, b)	FUZZ_HOLDS(strcmp((a), (b)) == 0)
#define CU_FAIL(text)			FUZZ_HOLDS(text[0] == '\0')

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Input is eaten from the front; what is not there is zero. */
struct in {
	const uint8_t *p;
	size_t left;
};

static inline uint8_t
in_u8(struct in *in)
{

	if (in->left == 0)
		return (0);
	in->left--;
	return (*in->p++);
}

static inline uint16_t
in_be16(struct in *in)
{
	unsigned hi = in_u8(in);

	return ((uint16_t)(hi << 8 | in_u8(in)));
}

static inline uint32_t
in_be24(struct in *in)
{
	uint32_t hi = in_u8(in);

	return (hi << 16 | in_be16(in));
}

/* At most ${*len} bytes, which becomes how many there are. */
static inline const uint8_t *
in_bytes(struct in *in, size_t *len)
{
	const uint8_t *p = in->p;

	if (*len > in->left)
		*len = in->left;
	in->p += *len;
	in->left -= *len;
	return (p);
}

/* A copy of exactly this length, so that a sanitizer sees its end. */
static inline uint8_t *
fuzz_copy(const void *p, size_t len)
{
	uint8_t *q = malloc(len == 0 ? 1 : len);

	FUZZ_HOLDS(q != NULL);
	if (len > 0)
		memcpy(q, p, len);
	return (q);
}

/* Messages about what the input did wrong would be millions. */
static inline void
fuzz_quiet(void)
{

	msg_set_level(MSG_ERR);
}

/* The same, where damage is what the input is. */
static inline void
fuzz_silent(void)
{

	msg_set_level((enum msg_level)0);
}

#endif /* !TESTS_FUZZ_FUZZ_H */
