/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit attentions: who is told what, once; from other threads, too. */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/unit/scsi/fake.h"

#define HOST2 "iqn.2001-04.com.example:host2,i,0x00023d000001"

static void
ready(struct scsi_nexus *nx, struct fake_cmd *fc)
{

	fake_cmd_init(fc, CDB(0x00));
	scsi_exec(nx, &fc->c);
	CU_ASSERT_EQUAL_FATAL(fc->done, 1);
}

static void
expect_ready_ua(struct scsi_nexus *nx, uint8_t asc, uint8_t ascq)
{
	struct fake_cmd fc;

	ready(nx, &fc);
	expect_sense(&fc, KEY_UNIT_ATTENTION, asc, ascq);
}

static void
expect_ready(struct scsi_nexus *nx)
{
	struct fake_cmd fc;

	ready(nx, &fc);
	expect_good(&fc);
}

/* Power on for a port that is new to the unit, nexus loss afterwards. */
static void
test_first(void)
{
	struct scsi_nexus *a, *b;
	struct fake f;

	memset(&f, 0, sizeof(f));
	fake_open(&f);		/* FAKE_INITIATOR was here */
	a = fake_nexus(f.lu, HOST2);
	expect_ready_ua(a, ASC_POWER_ON);
	expect_ready(a);
	scsi_nexus_free(a);
	a = fake_nexus(f.lu, HOST2);
	expect_ready_ua(a, ASC_NEXUS_LOSS);
	expect_ready(a);
	b = fake_nexus(f.lu, FAKE_INITIATOR);
	expect_ready_ua(b, ASC_NEXUS_LOSS);
	expect_ready(b);
	expect_ready(f.nx);
	scsi_nexus_free(a);
	scsi_nexus_free(b);
	fake_close(&f);
}

/* More ports than are remembered: the oldest is told "power on" again. */
static void
test_forgotten(void)
{
	struct scsi_nexus *nx;
	struct fake f;
	char name[64];

	fake_open(&f);
	for (unsigned i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "iqn.2001-04.com.e:%u,i,1",
		    i);
		nx = fake_nexus(f.lu, name);
		expect_ready_ua(nx, ASC_POWER_ON);
		scsi_nexus_free(nx);
	}
	nx = fake_nexus(f.lu, name);
	expect_ready_ua(nx, ASC_NEXUS_LOSS);
	scsi_nexus_free(nx);
	nx = fake_nexus(f.lu, FAKE_INITIATOR);
	expect_ready_ua(nx, ASC_POWER_ON);
	scsi_nexus_free(nx);
	fake_close(&f);
}

/* INQUIRY, REPORT LUNS pass and leave it; everything else is stopped once. */
static void
test_pass(void)
{
	struct fake f;
	struct fake_cmd fc;

	fake_open(&f);
	scsi_lu_attention(f.lu, NULL, 0x2a, 0x01);
	fake_run(&f, &fc, CDB(0x12, 0, 0, 0, 36, 0));
	expect_good(&fc);
	fake_cmd_free(&fc);
	fake_run(&f, &fc, CDB(0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16));
	expect_good(&fc);
	fake_cmd_free(&fc);
	/* an opcode that is not there does not take it either */
	BAD_SENSE(&f, 5, 0x20, 0x00, 0xff);
	fake_run(&f, &fc, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0));
	expect_sense(&fc, KEY_UNIT_ATTENTION, 0x2a, 0x01);
	CU_ASSERT_EQUAL(fc.c.xfer_bytes, 0);
	CU_ASSERT_EQUAL(f.d.calls[F_READ], 0);
	fake_run(&f, &fc, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0));
	expect_good(&fc);
	fake_cmd_free(&fc);
	fake_close(&f);
}

static void
test_queue(void)
{
	struct scsi_nexus *other;
	struct fake f;

	fake_open(&f);
	other = fake_nexus(f.lu, HOST2);
	expect_ready_ua(other, ASC_POWER_ON);

	/* in order, each once, not for the one who caused it */
	scsi_lu_attention(f.lu, f.nx, 0x2a, 0x01);
	scsi_lu_attention(f.lu, f.nx, 0x2a, 0x09);
	scsi_lu_attention(f.lu, f.nx, 0x2a, 0x01);
	expect_ready(f.nx);
	expect_ready_ua(other, 0x2a, 0x01);
	expect_ready_ua(other, 0x2a, 0x09);
	expect_ready(other);

	scsi_lu_reset(f.lu, f.nx);
	expect_ready(f.nx);
	expect_ready_ua(other, ASC_BUS_DEVICE_RESET);
	expect_ready(other);
	scsi_lu_reset(f.lu, NULL);
	expect_ready_ua(f.nx, ASC_BUS_DEVICE_RESET);
	expect_ready_ua(other, ASC_BUS_DEVICE_RESET);

	/* too many become one that covers all */
	for (uint8_t i = 0; i < 8; i++)
		scsi_lu_attention(f.lu, f.nx, 0x2a, i);
	expect_ready_ua(other, 0x2a, 0x00);
	scsi_lu_attention(f.lu, f.nx, 0x2a, 0x20);
	scsi_lu_attention(f.lu, f.nx, 0x2a, 0x21);
	expect_ready_ua(other, ASC_RESET_OR_POWER_ON);
	expect_ready(other);
	scsi_nexus_free(other);
	fake_close(&f);
}

static void
test_names(void)
{
	char name[SCSI_PORT_NAME_MAX + 2];
	struct scsi_nexus_conf nc = { name, FAKE_TARGET, 1, 1 };
	struct scsi_nexus *nx = NULL;
	struct fake f;

	fake_open(&f);
	memset(name, 'n', sizeof(name));
	name[SCSI_PORT_NAME_MAX + 1] = '\0';
	CU_ASSERT_EQUAL(scsi_nexus_new(f.lu, &nc, &nx), -EINVAL);
	name[0] = '\0';
	CU_ASSERT_EQUAL(scsi_nexus_new(f.lu, &nc, &nx), -EINVAL);
	nc.initiator_port = FAKE_INITIATOR;
	nc.target_port = name;
	CU_ASSERT_EQUAL(scsi_nexus_new(f.lu, &nc, &nx), -EINVAL);
	nc.target_port = NULL;
	CU_ASSERT_EQUAL(scsi_nexus_new(f.lu, &nc, &nx), -EINVAL);
	CU_ASSERT_PTR_NULL(nx);
	fake_close(&f);
}

enum { THREADS = 4, ROUNDS = 3000 };

static struct fake shared;
static _Atomic unsigned told, sent;

/* Sessions come, work and go while everybody sends attentions. */
static void *
session(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg;
	struct scsi_nexus *nx = NULL;
	char name[64];

	(void)snprintf(name, sizeof(name), "iqn.2001-04.com.e:%u,i,1", id);
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct fake_cmd fc;

		if (i % 50 == 0) {
			scsi_nexus_free(nx);
			nx = fake_nexus(shared.lu, name);
		}
		if (i % 3 == 0) {
			scsi_lu_attention(shared.lu, nx, 0x2a, (uint8_t)id);
			atomic_fetch_add(&sent, 1);
		}
		if (i % 500 == id)
			scsi_lu_reset(shared.lu, nx);
		fake_cmd_init(&fc, CDB(0x00));
		scsi_exec(nx, &fc.c);
		TT_ASSERT(fc.done == 1);
		if (fc.c.status == SCSI_GOOD)
			continue;
		TT_ASSERT(fc.c.sense[2] == KEY_UNIT_ATTENTION);
		TT_ASSERT(fc.c.sense[12] == 0x29 || fc.c.sense[12] == 0x2a);
		atomic_fetch_add(&told, 1);
	}
	scsi_nexus_free(nx);
	return (NULL);
}

static void
test_threads(void)
{
	pthread_t t[THREADS];

	fake_open(&shared);
	for (uintptr_t i = 0; i < THREADS; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, session,
		    (void *)i), 0);
	for (unsigned i = 0; i < THREADS; i++)
		CU_ASSERT_EQUAL(pthread_join(t[i], NULL), 0);
	CU_ASSERT(told >= THREADS * (ROUNDS / 50));
	CU_ASSERT_EQUAL(sent, THREADS * (ROUNDS / 3));
	fake_close(&shared);
}

static const struct unit_test tests[] = {
	{ "the first attention", test_first },
	{ "ports forgotten", test_forgotten },
	{ "commands that pass", test_pass },
	{ "queue, reset", test_queue },
	{ "names", test_names },
	{ "threads", test_threads },
};
UNIT_MAIN("scsi/nexus", tests)
