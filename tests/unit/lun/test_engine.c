/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_engine.c - the engine as a whole against plain arrays: random
 * operations, snapshots, checkpoints and reopenings.
 */
#include "tests/lib/unit.h"
#include "tests/unit/lun/engine.h"
#include "tests/unit/lun/steps.h"

#define DISK	(UINT64_C(1) << 20)
#define SNAPS	6

struct model {
	char name[16];
	uint32_t block, sector;
	uint64_t number;
	uint8_t *now;
	struct lun_dev *dev;
	struct {
		char name[32];
		uint64_t seq;
		uint8_t *data;
	} snap[SNAPS];
};

static struct rnd rng = { 88172645463325252u };

static uint64_t
rnd(uint64_t n)
{

	return (rnd_next(&rng) % n);
}

static void
fill(uint8_t *p, size_t n)
{
	/* Few contents, so that zero blocks and repetitions occur. */
	uint64_t v = rnd(5) == 0 ? 0 : rnd(1000000);

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(v == 0 ? 0 : v >> (i % 3 * 8) ^ i >> 9);
}

static void
model_create(struct engine *e, struct model *m, const char *name,
    uint32_t block, uint32_t sector)
{
	struct lun_params p = { .name = name, .size_bytes = DISK,
	    .block_bytes = block, .sector_bytes = sector };
	struct lun_info info;

	memset(m, 0, sizeof(*m));
	(void)snprintf(m->name, sizeof(m->name), "%s", name);
	m->block = block;
	m->sector = sector;
	m->now = calloc(1, DISK);
	CU_ASSERT_EQUAL_FATAL(lunset_create(e->ls, &p, &info), 0);
	m->number = info.number;
	CU_ASSERT_EQUAL_FATAL(lun_dev_open(e->ls, m->number, LUN_HEAD,
	    &m->dev), 0);
}

static void
model_free(struct model *m)
{

	free(m->now);
	for (unsigned i = 0; i < SNAPS; i++)
		free(m->snap[i].data);
}

static void
extent(const struct model *m, uint64_t *off, uint64_t *len, uint64_t max)
{

	*off = rnd(DISK / m->sector) * m->sector;
	*len = (1 + rnd(max / m->sector)) * m->sector;
	if (rnd(2) == 0) {
		*off = *off / m->block * m->block;
		*len = (*len + m->block - 1) / m->block * m->block;
	}
	if (*len > DISK - *off)
		*len = DISK - *off;
}

static void
do_write(struct engine *e, struct model *m)
{
	static uint8_t buf[256 << 10];
	uint64_t off, len;

	extent(m, &off, &len, sizeof(buf) - 65536);
	fill(buf, len);
	CU_ASSERT_EQUAL(engine_rw(e, m->dev, LUN_WRITE, off, buf, len,
	    rnd(10) == 0 ? LUN_F_FUA : 0), 0);
	memcpy(m->now + off, buf, len);
}

static void
do_zero(struct engine *e, struct model *m)
{
	struct lun_extent x[3];

	for (unsigned i = 0; i < 3; i++) {
		extent(m, &x[i].off_bytes, &x[i].len_bytes, 300 << 10);
		memset(m->now + x[i].off_bytes, 0, x[i].len_bytes);
	}
	CU_ASSERT_EQUAL(engine_zero(e, m->dev, x, 3), 0);
}

static void
do_caw(struct engine *e, struct model *m)
{
	static uint8_t buf[2 * 65536];
	uint64_t off, len;

	extent(m, &off, &len, 16 << 10);
	if (len > 65536)
		len = m->sector;
	memcpy(buf, m->now + off, len);
	fill(buf + len, len);
	if (rnd(3) == 0) {
		buf[len - 1] ^= 1;
		CU_ASSERT_EQUAL(engine_rw(e, m->dev, LUN_COMPARE_WRITE, off,
		    buf, 2 * len, 0), -EBADMSG);
		return;
	}
	CU_ASSERT_EQUAL(engine_rw(e, m->dev, LUN_COMPARE_WRITE, off, buf,
	    2 * len, 0), 0);
	memcpy(m->now + off, buf + len, len);
}

static void
do_read(struct engine *e, struct model *m)
{
	static uint8_t buf[256 << 10];
	uint64_t off, len;

	extent(m, &off, &len, sizeof(buf) - 65536);
	memset(buf, 0xee, len);
	CU_ASSERT_EQUAL(engine_rw(e, m->dev, LUN_READ, off, buf, len, 0), 0);
	CU_ASSERT_EQUAL(memcmp(buf, m->now + off, len), 0);
}

static void
verify(struct engine *e, struct model *m, uint64_t seq, const uint8_t *want)
{
	static uint8_t buf[DISK];
	struct lun_dev *d;

	CU_ASSERT_EQUAL_FATAL(lun_dev_open(e->ls, m->number, seq, &d), 0);
	memset(buf, 0xdd, sizeof(buf));
	CU_ASSERT_EQUAL(engine_rw(e, d, LUN_READ, 0, buf, DISK, 0), 0);
	CU_ASSERT_EQUAL(memcmp(buf, want, DISK), 0);
	lun_dev_close(d);
}

static void
verify_all(struct engine *e, struct model *m)
{

	verify(e, m, LUN_HEAD, m->now);
	for (unsigned i = 0; i < SNAPS; i++)
		if (m->snap[i].data != NULL)
			verify(e, m, m->snap[i].seq, m->snap[i].data);
}

static void
do_snapshot(struct engine *e, struct model *m)
{
	static unsigned serial;
	unsigned i = (unsigned)rnd(SNAPS);
	struct snap_info s;

	if (m->snap[i].data != NULL) {
		CU_ASSERT_EQUAL(lunset_snap_delete(e->ls, m->name,
		    m->snap[i].name), 0);
		CU_ASSERT_EQUAL(lunset_snap_delete(e->ls, m->name,
		    m->snap[i].name), -ENOENT);
		free(m->snap[i].data);
		m->snap[i].data = NULL;
		return;
	}
	(void)snprintf(m->snap[i].name, sizeof(m->snap[i].name), "s%u",
	    serial++);
	CU_ASSERT_EQUAL_FATAL(lunset_snapshot(e->ls, m->name, m->snap[i].name,
	    &s), 0);
	m->snap[i].seq = s.seq;
	m->snap[i].data = malloc(DISK);
	memcpy(m->snap[i].data, m->now, DISK);
}

static void
reopen(struct engine *e, struct model *m, unsigned n)
{

	for (unsigned i = 0; i < n; i++)
		lun_dev_close(m[i].dev);
	if (rnd(3) == 0)
		CU_ASSERT_EQUAL(engine_close(e), 0)
	else
		engine_abandon(e);
	CU_ASSERT_EQUAL_FATAL(engine_open(e), 0);
	for (unsigned i = 0; i < n; i++)
		CU_ASSERT_EQUAL_FATAL(lun_dev_open(e->ls, m[i].number,
		    LUN_HEAD, &m[i].dev), 0);
}

static void
do_flush(struct engine *e, struct model *m)
{

	CU_ASSERT_EQUAL(engine_flush(e, m->dev), 0);
}

static void
do_checkpoint(struct engine *e)
{

	CU_ASSERT_EQUAL(lunset_checkpoint(e->ls), 0);
}

static void
test_random(void)
{
	struct engine e;
	struct model m[3];

	CU_ASSERT_EQUAL_FATAL(engine_make(&e), 0);
	model_create(&e, &m[0], "small", 4096, 512);
	model_create(&e, &m[1], "large", 65536, 512);
	model_create(&e, &m[2], "native", 4096, 4096);
	for (uint64_t i = 0; i < steps(6000); i++) {
		struct model *x = &m[rnd(3)];
		uint64_t what = rnd(1000);

		if (what < 500)
			do_write(&e, x);
		else if (what < 560)
			do_zero(&e, x);
		else if (what < 620)
			do_caw(&e, x);
		else if (what < 950)
			do_read(&e, x);
		else if (what < 975)
			do_snapshot(&e, x);
		else if (what < 985)
			do_flush(&e, x);
		else if (what < 992)
			do_checkpoint(&e);
		else if (what < 996)
			verify_all(&e, x);
		else if (what < 998)
			reopen(&e, m, 3);
	}
	for (unsigned i = 0; i < 3; i++) {
		verify_all(&e, &m[i]);
		lun_dev_close(m[i].dev);
		model_free(&m[i]);
	}
	CU_ASSERT_EQUAL(engine_close(&e), 0);
	engine_remove(&e);
}

static const struct unit_test tests[] = {
	{ "random operations against arrays", test_random },
};

UNIT_MAIN("engine", tests)
