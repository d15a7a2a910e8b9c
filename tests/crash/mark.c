/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/crash/mark.h"

#include <string.h>

#include "meta/base/check.h"

#define UNIT_MAX 4096u
#define MAGIC UINT64_C(0x7474756e69742121)
#define STREAM_KEY UINT32_MAX	/* in the place of a LUN's */

void
mark_fill(void *unit, uint32_t sector, uint32_t lun, uint64_t unit_no,
    uint32_t op)
{
	uint64_t w[UNIT_MAX / 8], x;
	size_t n = sector / 8;

	TT_ASSERT(sector <= UNIT_MAX);
	w[0] = MAGIC;
	w[1] = (uint64_t)lun << 32 | op;
	w[2] = unit_no;
	x = w[1] * UINT64_C(0x9e3779b97f4a7c15) ^ unit_no;
	for (size_t i = 3; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		w[i] = x;
	}
	memcpy(unit, w, sector);
}

uint32_t
mark_version(const void *unit, uint32_t sector, uint32_t lun,
    uint64_t unit_no)
{
	const uint8_t *p = unit;
	uint8_t want[UNIT_MAX];
	uint64_t w[3];

	memcpy(w, p, sizeof(w));
	if (w[0] == 0 && memcmp(p, p + 1, sector - 1) == 0 && p[0] == 0)
		return (MARK_ZERO);
	if (w[0] != MAGIC || w[1] >> 32 != lun || w[2] != unit_no)
		return (MARK_FOREIGN);
	mark_fill(want, sector, lun, unit_no, (uint32_t)w[1]);
	return (memcmp(p, want, sector) == 0 ? (uint32_t)w[1] : MARK_FOREIGN);
}

void
mark_put(void *unit, uint32_t sector, uint32_t lun, uint64_t unit_no,
    uint64_t content)
{

	if (content == MARK_ZERO)
		memset(unit, 0, sector);
	else if ((content & CONTENT_STREAM) != 0)
		mark_fill(unit, sector, STREAM_KEY, content & UINT32_MAX,
		    (uint32_t)(content >> 32) & 0x7fffffffu);
	else
		mark_fill(unit, sector, lun, unit_no, (uint32_t)content);
}

uint64_t
mark_content(const void *unit, uint32_t sector, uint32_t lun,
    uint64_t unit_no)
{
	uint32_t v;
	uint64_t w[3];

	memcpy(w, unit, sizeof(w));
	if (w[0] != MAGIC || w[1] >> 32 != STREAM_KEY) {
		v = mark_version(unit, sector, lun, unit_no);
		return (v == MARK_FOREIGN ? CONTENT_FOREIGN : v);
	}
	v = mark_version(unit, sector, STREAM_KEY, w[2]);
	return (v == MARK_FOREIGN || w[2] > UINT32_MAX ? CONTENT_FOREIGN :
	    mark_stream(v, w[2]));
}
