/* SPDX-License-Identifier: BSD-2-Clause */
/* fuzz_item.c - a list of items; what was read is written again the same. */
#include "tests/fuzz/fuzz.h"

#include "meta/item.h"

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{

	(void)argc;
	(void)argv;
	fuzz_quiet();
	return (0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = fuzz_copy(data, size), *again = fuzz_copy(data, size);
	struct rd r = rd_init(copy, size);
	struct wr w = wr_init(again, size);
	uint8_t sum = 0;
	struct item it;

	while (item_next(&r, &it)) {
		for (uint32_t i = 0; i < it.len; i++)
			sum ^= it.val[i];
		item_put(&w, it.type, it.val, it.len);
	}
	FUZZ_HOLDS(!w.bad);
	FUZZ_HOLDS(memcmp(copy, again, (size_t)(w.p - again)) == 0);
	FUZZ_HOLDS(r.bad || (size_t)(w.p - again) == size);
	/* So that the loop over the values is not left out. */
	if (sum == 1 && size == 0)
		abort();
	free(copy);
	free(again);
	return (0);
}
