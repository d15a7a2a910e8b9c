/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * id.c - names of contents.
 */
#include "meta/rec.h"

#include "meta/base/check.h"
#include "meta/xxh.h"

/* Written only before a store is opened, so readers need no lock. */
static uint64_t mask_hi = UINT64_MAX, mask_lo = UINT64_MAX;

/*
 * libxxhash picks its code at the first long input, by plain stores to
 * globals.  Do that once before there are threads.
 */
static void __attribute__((constructor))
id_warm_up(void)
{
	static const uint8_t zeroes[1024];

	(void)XXH3_64bits_withSeed(zeroes, sizeof(zeroes), 1);
	(void)XXH3_64bits(zeroes, sizeof(zeroes));
	(void)XXH3_128bits(zeroes, sizeof(zeroes));
}

struct id
id_of(const void *buf, size_t len)
{
	XXH128_hash_t h = XXH3_128bits(buf, len);
	struct id i = { h.high64 & mask_hi, h.low64 & mask_lo };

	if (id_is_hole(&i))
		i.lo = 1;
	return (i);
}

void
id_set_test_bits(unsigned bits)
{

	TT_ASSERT(bits <= 128);
	mask_hi = mask_lo = UINT64_MAX;
	if (bits == 0)
		return;
	if (bits < 64)
		mask_lo = (UINT64_C(1) << bits) - 1;
	if (bits <= 64)
		mask_hi = 0;
	else if (bits < 128)
		mask_hi = (UINT64_C(1) << (bits - 64)) - 1;
}
