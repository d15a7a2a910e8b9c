/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_buf.c - the buffer pool.
 */
#include "target/iscsi/buf.h"

#include <string.h>

#include "tests/lib/unit.h"

/* Each size gives vectors that cover exactly it, aligned, writable. */
static void
test_sizes(void)
{
	static const size_t sizes[] = { 1, 511, 4096, 4097, 65536, 1 << 20,
	    (1 << 20) + 1, (3 << 20) - 1, BUF_BYTES_MAX };
	struct buf_pool p;
	struct iovec iov[BUF_CHUNKS_MAX];

	buf_pool_init(&p, 8u << 20);
	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		struct buf b = { 0 };
		size_t sum = 0;
		unsigned n;

		buf_plan(&b, sizes[k]);
		CU_ASSERT_EQUAL(buf_reserve(&p, &b, sizes[k]), 0);
		n = buf_iov(&b, iov);
		for (unsigned i = 0; i < n; i++) {
			CU_ASSERT_EQUAL((uintptr_t)iov[i].iov_base % 4096, 0);
			if (i + 1 < n)
				CU_ASSERT_EQUAL(iov[i].iov_len, BUF_CHUNK);
			memset(iov[i].iov_base, 0xa5, iov[i].iov_len);
			sum += iov[i].iov_len;
		}
		CU_ASSERT_EQUAL(sum, sizes[k]);
		CU_ASSERT_EQUAL(n, (sizes[k] + BUF_CHUNK - 1) / BUF_CHUNK);
		buf_free(&p, &b);
		CU_ASSERT_EQUAL(b.n, 0);
		CU_ASSERT_TRUE(p.idle_bytes <= p.max_idle_bytes);
	}
	buf_pool_drain(&p);
	CU_ASSERT_EQUAL(p.idle_bytes, 0);
}

/* What a reservation takes is what buf_cost says, and it is counted. */
static void
test_cost(void)
{
	static const size_t sizes[] = { 1, 4096, 4097, 100000, 1 << 20,
	    (1 << 20) + 1, 5000000, BUF_BYTES_MAX };
	struct buf_pool p;

	buf_pool_init(&p, 8u << 20);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (size_t k = 0; k <= i; k++) {
			struct buf b = { 0 };

			buf_plan(&b, sizes[i]);
			CU_ASSERT_EQUAL(buf_reserve(&p, &b, sizes[k]), 0);
			CU_ASSERT_EQUAL(p.used_bytes, buf_cost(sizes[i],
			    sizes[k]));
			CU_ASSERT_TRUE(p.used_bytes >= sizes[k]);
			buf_free(&p, &b);
			CU_ASSERT_EQUAL(p.used_bytes, 0);
		}
	buf_pool_drain(&p);
}

/* Chunks appear as far as they are asked for, and not beyond. */
static void
test_reserve(void)
{
	struct buf_pool p;
	struct buf b = { 0 };
	size_t len;

	buf_pool_init(&p, 0);
	buf_plan(&b, 4u << 20);
	CU_ASSERT_EQUAL(buf_reserve(&p, &b, 1), 0);
	CU_ASSERT_EQUAL(b.n, 1);
	CU_ASSERT_EQUAL(buf_reserve(&p, &b, 1 << 20), 0);
	CU_ASSERT_EQUAL(b.n, 1);
	CU_ASSERT_EQUAL(buf_reserve(&p, &b, (1 << 20) + 1), 0);
	CU_ASSERT_EQUAL(b.n, 2);
	CU_ASSERT_PTR_EQUAL(buf_at(&b, (1 << 20) + 5, &len),
	    (uint8_t *)b.chunk[1] + 5);
	CU_ASSERT_EQUAL(len, (1 << 20) - 5);
	buf_free(&p, &b);
	CU_ASSERT_EQUAL(p.idle_bytes, 0);
}

/* What was given back is used again before new memory. */
static void
test_recycled(void)
{
	struct buf_pool p;
	struct buf a = { 0 }, b = { 0 };
	void *was;

	buf_pool_init(&p, 1 << 20);
	buf_plan(&a, 10000);
	CU_ASSERT_EQUAL(buf_reserve(&p, &a, 10000), 0);
	was = a.chunk[0];
	buf_free(&p, &a);
	CU_ASSERT_EQUAL(p.idle_bytes, 16384);
	buf_plan(&b, 16384);
	CU_ASSERT_EQUAL(buf_reserve(&p, &b, 16384), 0);
	CU_ASSERT_PTR_EQUAL(b.chunk[0], was);
	CU_ASSERT_EQUAL(p.idle_bytes, 0);
	buf_free(&p, &b);
	buf_pool_drain(&p);
}

static const struct unit_test tests[] = {
	{ "every size", test_sizes },
	{ "what it costs", test_cost },
	{ "memory as it is needed", test_reserve },
	{ "recycling", test_recycled }
};
UNIT_MAIN("iscsi/buf", tests)
