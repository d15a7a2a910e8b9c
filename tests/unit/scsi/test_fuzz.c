/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random commands, most of them almost right, with random buffers, expected
 * lengths, attributes, completions, failures and aborts, on two nexuses at
 * once: each ends exactly once, the lengths agree, nothing outside of a buffer
 * is touched (the sanitizers see to that), and what is read is what a plain
 * array says.  The seed is fixed and printed.
 */
#include "target/scsi/ops.h"
#include "tests/unit/scsi/fake.h"

enum { ROUNDS = 150000, IN_FLIGHT = 40 };

static uint64_t rng = UINT64_C(0x2545f4914f6cdd1d);

static uint32_t
rnd(uint32_t below)
{

	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return ((uint32_t)(rng >> 32) % below);
}

struct slot {
	struct fake_cmd fc;
	uint8_t *out;
	struct iovec iov[3];
	bool used;
};

static struct slot slots[IN_FLIGHT];
static unsigned n_done, n_good, n_check, n_busy, n_aborted, n_full_reads;

static const uint8_t opcodes[] = { 0x00, 0x03, 0x08, 0x0a, 0x12, 0x1a, 0x1b,
    0x25, 0x28, 0x2a, 0x35, 0x41, 0x42, 0x5a, 0x88, 0x8a, 0x91, 0x93, 0x9e,
    0xa0, 0xa3, 0xa8, 0xaa };

static void
ended(struct fake_cmd *fc)
{
	struct slot *s = TT_CONTAINER(fc, struct slot, fc);
	const struct scsi_cmd *c = &fc->c;

	TT_ASSERT(s->used);
	n_done++;
	if (c->aborted)
		n_aborted++;
	else if (c->status == SCSI_GOOD) {
		n_good++;
		if (c->dir == SCSI_DIR_IN) {
			TT_ASSERT(c->in_bytes ==
			    TT_MIN(c->xfer_bytes, c->in_max_bytes));
			n_full_reads += c->in_bytes > 0;
		} else
			TT_ASSERT(c->in_bytes == 0);
	} else {
		TT_ASSERT(c->in_bytes == 0);
		if (c->status == SCSI_BUSY)
			n_busy++;
		else
			n_check++;
	}
	fake_cmd_free(fc);
	free(s->out);
	s->used = false;
}

/* The upper bits of what is an LBA or a length in most commands. */
static void
shrink(uint8_t cdb[16], unsigned len)
{

	switch (len) {
	case 6:
		cdb[2] &= cdb[0] < 0x10 ? 0x1f : 0xff;
		cdb[1] &= cdb[0] < 0x10 ? 0 : 0xff;
		break;
	case 10:
		cdb[2] = cdb[3] = cdb[7] = 0;
		cdb[4] &= 0x1f;
		break;
	case 12:
		cdb[2] &= cdb[0] == 0xa8 || cdb[0] == 0xaa ? 0 : 0xff;
		cdb[3] = cdb[6] = cdb[7] = cdb[8] = 0;
		cdb[4] &= 0x1f;
		break;
	default:
		memset(cdb + 2, 0, 6);
		cdb[8] &= 0x1f;
		cdb[10] = cdb[11] = cdb[12] = 0;
		break;
	}
}

/* Random bytes through the mask of a command, small LBA and length. */
static void
near_cdb(uint8_t cdb[16])
{
	const struct scsi_op *op;
	bool known;

	cdb[0] = opcodes[rnd(sizeof(opcodes))];
	cdb[1] = cdb[0] == 0x9e ? (rnd(2) == 0 ? 0x10 : 0x12) : cdb[0] == 0xa3 ? 0x0c : cdb[1];
	op = ops_find(cdb, &known);
	TT_ASSERT(op != NULL);
	for (unsigned i = 1; i < 16; i++) {
		if (i >= op->len || rnd(200) == 0)
			continue;
		if (i == 1 && (op->flags & SF_SA) != 0)
			continue;
		cdb[i] &= op->mask[i];
		if (rnd(2) == 0)
			cdb[i] = 0;
	}
	if (rnd(8) != 0)
		shrink(cdb, op->len);
	/* a stopped unit shall not stay so for long */
	if (cdb[0] == 0x1b && rnd(4) != 0)
		cdb[4] |= 1;
}

static void
fill_out(struct slot *s)
{
	static const uint32_t sizes[] = { 0, 1, 8, 24, 200, 511, 512, 513, 2048,
	    4096, 131072 };
	size_t len = sizes[rnd(sizeof(sizes) / sizeof(sizes[0]))], at = 0;
	uint8_t *p = malloc(len == 0 ? 1 : len);

	TT_ASSERT(p != NULL);
	s->out = p;
	memset(p, rnd(2) == 0 ? 0 : (int)rnd(256), len);
	for (unsigned i = 0; i < TT_MIN(len, 64) && rnd(2) == 0; i++)
		p[rnd((uint32_t)TT_MIN(len, 600))] = (uint8_t)rnd(256);
	if (len >= 24 && rnd(2) == 0) {		/* a list of extents */
		put_be16(p, (uint16_t)(len - 2));
		put_be16(p + 2, (uint16_t)(len - 8));
		memset(p + 8, 0, 16);
		p[14] = (uint8_t)rnd(40);
		p[19] = (uint8_t)rnd(256);
	}
	for (unsigned i = 0; i < 3; i++) {
		size_t n = i == 2 ? len - at : rnd((uint32_t)(len - at) + 1);

		s->iov[i] = (struct iovec){ p + at, n };
		at += n;
	}
	s->fc.c.out = s->iov;
	s->fc.c.n_out = 3;
	s->fc.c.out_bytes = len;
}

static void
launch(struct slot *s, struct scsi_nexus *nx)
{
	static const size_t expects[] = { 0, 1, 5, 36, 512, 600, 4096, 70000,
	    SIZE_MAX };
	uint8_t cdb[16];

	for (unsigned i = 0; i < 16; i++)
		cdb[i] = (uint8_t)rnd(256);
	if (rnd(8) != 0)
		near_cdb(cdb);
	fake_cmd_init(&s->fc, cdb, sizeof(cdb));
	s->fc.then = ended;
	s->used = true;
	fill_out(s);
	if (cdb[0] == 0x42 && rnd(4) != 0 && s->fc.c.out_bytes < 4096)
		put_be16(s->fc.c.cdb + 7, (uint16_t)s->fc.c.out_bytes);
	s->fc.c.in_max_bytes = expects[rnd(sizeof(expects) /
	    sizeof(expects[0]))];
	if (rnd(30) == 0)
		s->fc.c.lun[rnd(8)] = (uint8_t)rnd(256);
	if (rnd(10) == 0)
		s->fc.c.attr = (enum scsi_attr)rnd(4);
	if (rnd(50) == 0)
		s->fc.alloc_rc = -ENOMEM;
	scsi_exec(nx, &s->fc.c);
}

static void
disturb(struct fake *f)
{
	static const int rcs[] = { -EIO, -EILSEQ, -ENOSPC, -EROFS, -ENOMEM,
	    -ENODEV, -EINVAL, -ECANCELED };
	enum fake_op op = (enum fake_op)rnd(F_OPS);

	f->d.deferred = rnd(3) != 0;
	f->d.run_bytes = rnd(2) * 512u * (1 + rnd(3000));
	if (rnd(20) == 0) {
		f->d.fail_at[op] = f->d.calls[op] + 1;
		f->d.fail_rc = rcs[rnd(sizeof(rcs) / sizeof(rcs[0]))];
		f->d.fail_off_bytes = rnd(2) == 0 ? SCSI_OFF_UNKNOWN :
		    rnd(FAKE_SIZE);
	}
	if (rnd(100) == 0)
		scsi_lu_attention(f->lu, NULL, 0x2a, (uint8_t)rnd(16));
	if (rnd(500) == 0)
		scsi_lu_reset(f->lu, NULL);
}

static void
test_fuzz(void)
{
	struct scsi_nexus *other;
	struct fake f;
	unsigned launched = 0;

	(void)fprintf(stderr, "seed %016llx ", (unsigned long long)rng);
	fake_open(&f);
	other = fake_nexus(f.lu, "iqn.2001-04.com.example:other,i,0x1");
	while (launched < ROUNDS) {
		struct slot *s = &slots[rnd(IN_FLIGHT)];

		disturb(&f);
		if (!s->used) {
			launch(s, rnd(2) == 0 ? f.nx : other);
			launched++;
		} else if (rnd(4) == 0)
			scsi_abort(&s->fc.c);
		if (rnd(5) == 0)
			(void)fake_finish(&f.d);
	}
	while (fake_finish(&f.d))
		continue;
	CU_ASSERT_EQUAL(n_done, ROUNDS);
	for (unsigned i = 0; i < IN_FLIGHT; i++)
		CU_ASSERT_FALSE(slots[i].used);
	(void)fprintf(stderr, "good %u check %u busy %u aborted %u; disk",
	    n_good, n_check, n_busy, n_aborted);
	for (unsigned op = 0; op < F_OPS; op++)
		(void)fprintf(stderr, " %u", f.d.calls[op]);
	(void)fprintf(stderr, " cancel %u\n", f.d.cancels);
	/* the noise reached everything */
	CU_ASSERT(n_good > ROUNDS / 10);
	CU_ASSERT(n_check > ROUNDS / 10);
	CU_ASSERT(n_busy > 100);
	CU_ASSERT(n_aborted > 500);
	CU_ASSERT(n_full_reads > 1000);
	for (unsigned op = 0; op < F_OPS; op++)
		CU_ASSERT(f.d.calls[op] > 100);
	CU_ASSERT(f.d.cancels > 100);
	scsi_nexus_free(other);
	fake_close(&f);
}

/*
 * The same against a model: one at a time, right commands only, 512-byte
 * sectors; the disk is compared with an array that does what the CDB says.
 */
static void
test_model(void)
{
	enum { SECTORS = 300 };
	static uint8_t model[FAKE_SIZE], out[SECTORS * 512];
	struct fake f;

	fake_open(&f);
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t lba = rnd(8192);
		uint32_t n = 1 + rnd((uint32_t)TT_MIN(SECTORS - 1,
		    8192 - lba));
		uint8_t cdb[16] = { 0 };
		struct fake_cmd fc;

		f.d.deferred = rnd(2) == 0;
		put_be64(cdb + 2, lba);
		put_be32(cdb + 10, n);
		switch (rnd(4)) {
		case 0:
			cdb[0] = 0x8a;
			memset(out, (int)rnd(256), n * 512);
			memcpy(model + lba * 512, out, n * 512);
			fake_run_out(&f, &fc, cdb, 16, out, n * 512);
			break;
		case 1:
			cdb[0] = 0x93;
			memset(out, rnd(2) == 0 ? 0 : (int)rnd(256), 512);
			for (uint32_t k = 0; k < n; k++)
				memcpy(model + (lba + k) * 512, out, 512);
			fake_run_out(&f, &fc, cdb, 16, out, 512);
			break;
		case 2:
			memset(cdb, 0, sizeof(cdb));
			cdb[0] = 0x42;
			cdb[8] = 24;
			memset(out, 0, 24);
			put_be16(out, 22);
			put_be16(out + 2, 16);
			put_be64(out + 8, lba);
			put_be32(out + 16, n);
			memset(model + lba * 512, 0, n * 512);
			fake_run_out(&f, &fc, cdb, 10, out, 24);
			break;
		default:
			cdb[0] = 0x88;
			fake_run(&f, &fc, cdb, 16);
			if (fc.c.in_bytes != n * 512 || memcmp(fc.in,
			    model + lba * 512, n * 512) != 0)
				CU_FAIL("wrong data");
			break;
		}
		if (fc.c.status != SCSI_GOOD)
			CU_FAIL("not good");
		fake_cmd_free(&fc);
	}
	CU_ASSERT_EQUAL(memcmp(f.d.mem, model, FAKE_SIZE), 0);
	fake_close(&f);
}

static const struct unit_test tests[] = {
	{ "random commands", test_fuzz },
	{ "against a model", test_model },
};
UNIT_MAIN("scsi/fuzz", tests)
