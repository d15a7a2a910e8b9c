/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_cdb.c - commands on two nexuses of one unit.
 *
 * Each: 1 how (1 the other nexus, 2 the disk is slow, 4 a request ends first,
 *	8 the previous command is aborted, 16 expects little, 32 the disk fails,
 *	64 the disk knows holes), 1 attribute, 16 CDB, 2 length of data-out,
 *	data-out
 */
#include "tests/fuzz/fuzz.h"

#include "tests/unit/scsi/fake.h"

enum { IN_FLIGHT = 16 };

static struct slot {
	struct fake_cmd fc;
	uint8_t *out;
	bool used;
} slots[IN_FLIGHT];
static struct fake f;
static struct scsi_nexus *other;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{

	(void)argc;
	(void)argv;
	fuzz_quiet();
	fake_open(&f);
	other = fake_nexus(f.lu, "iqn.2001-04.com.example:other,i,0x1");
	return (0);
}

static void
ended(struct fake_cmd *fc)
{
	struct slot *s = TT_CONTAINER(fc, struct slot, fc);

	FUZZ_HOLDS(s->used);
	if (fc->c.status == SCSI_GOOD && !fc->c.aborted &&
	    fc->c.dir == SCSI_DIR_IN)
		FUZZ_HOLDS(fc->c.in_bytes == TT_MIN(fc->c.xfer_bytes,
		    fc->c.in_max_bytes));
	fake_cmd_free(fc);
	free(s->out);
	s->out = NULL;
	s->used = false;
}

static struct slot *
free_slot(void)
{

	for (;;) {
		for (unsigned i = 0; i < IN_FLIGHT; i++)
			if (!slots[i].used)
				return (&slots[i]);
		FUZZ_HOLDS(fake_finish(&f.d));
	}
}

static void
one(struct in *in, struct slot **last)
{
	uint8_t how = in_u8(in), attr = in_u8(in), cdb[16] = { 0 };
	size_t n = sizeof(cdb), len;
	const uint8_t *p = in_bytes(in, &n);
	struct slot *s;

	memcpy(cdb, p, n);
	len = in_be16(in);
	p = in_bytes(in, &len);
	if ((how & 4) != 0)
		(void)fake_finish(&f.d);
	if ((how & 8) != 0 && *last != NULL && (*last)->used)
		scsi_abort(&(*last)->fc.c);
	f.d.deferred = (how & 2) != 0;
	f.d.run_bytes = (how & 64) != 0 ? 40960 : 0;
	f.d.fail_rc = -EIO;
	f.d.fail_off_bytes = 4096;
	for (unsigned op = 0; op < F_OPS; op++)
		f.d.fail_at[op] = (how & 32) != 0 ? f.d.calls[op] + 1 : 0;
	s = free_slot();
	fake_cmd_init(&s->fc, cdb, sizeof(cdb));
	s->fc.then = ended;
	s->out = fuzz_copy(p, len);
	fake_cmd_out(&s->fc, s->out, len);
	s->fc.c.attr = (enum scsi_attr)(attr & 3);
	s->fc.c.lun[1] = attr >> 7;
	if ((how & 16) != 0)
		s->fc.c.in_max_bytes = attr;
	s->used = true;
	*last = s;
	scsi_exec((how & 1) != 0 ? other : f.nx, &s->fc.c);
}

/* Whatever was stopped or is pending, the next input starts the same. */
static void
settle(void)
{
	static const uint8_t start[6] = { 0x1b, 0, 0, 0, 1 };
	struct fake_cmd fc;

	memset(f.d.fail_at, 0, sizeof(f.d.fail_at));
	while (fake_finish(&f.d))
		continue;
	for (unsigned i = 0; i < IN_FLIGHT; i++)
		FUZZ_HOLDS(!slots[i].used);
	f.d.deferred = false;
	do {
		fake_run(&f, &fc, start, sizeof(start));
	} while (fc.c.status == SCSI_CHECK_CONDITION);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };
	struct slot *last = NULL;

	while (in.left > 0)
		one(&in, &last);
	settle();
	return (0);
}
