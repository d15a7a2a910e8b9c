/* SPDX-License-Identifier: BSD-2-Clause */
/* Creation of a unit: every value that is refused; references. */
#include "tests/unit/scsi/fake.h"

#define REFUSED(stmt)							\
	do {								\
		struct fake_disk d = { 0 };				\
		struct scsi_lu_conf c = fake_conf(&d);			\
		struct scsi_lu *lu = NULL;				\
									\
		stmt;							\
		CU_ASSERT_EQUAL(scsi_lu_new(&c, &lu), -EINVAL);		\
		CU_ASSERT_PTR_NULL(lu);					\
		CU_ASSERT_EQUAL(d.releases, 0);				\
	} while (0)

static void
test_refused(void)
{

	REFUSED(c.size_bytes = 0);
	REFUSED(c.size_bytes = 511);
	REFUSED(c.size_bytes += 100);
	REFUSED(c.size_bytes = UINT64_C(1) << 63);
	REFUSED(c.sector_bytes = 0);
	REFUSED(c.sector_bytes = 1024);
	REFUSED(c.sector_bytes = 4096; c.size_bytes += 512);
	REFUSED(c.block_bytes = 2048);
	REFUSED(c.block_bytes = 131072);
	REFUSED(c.block_bytes = 12288);
	REFUSED(c.naa[0] = 0x52);
	REFUSED(c.serial = NULL);
	REFUSED(c.serial = "");
	REFUSED(c.serial = "012345678901234567890123456789012");
	REFUSED(c.serial = "tab\there");
	REFUSED(c.serial = "\xc3\xa9");
	REFUSED(c.vendor = "123456789");
	REFUSED(c.product = "12345678901234567");
	REFUSED(c.revision = "12345");
	REFUSED(c.revision = "\n");
}

static void
test_references(void)
{
	struct fake_disk d = { 0 };
	struct scsi_lu_conf c = fake_conf(&d);
	struct scsi_nexus *nx;
	struct scsi_lu *lu;

	CU_ASSERT_EQUAL_FATAL(scsi_lu_new(&c, &lu), 0);
	scsi_lu_get(lu);
	nx = fake_nexus(lu, FAKE_INITIATOR);
	scsi_lu_put(lu);
	scsi_lu_put(lu);
	CU_ASSERT_EQUAL(d.releases, 0);		/* the nexus has one */
	scsi_nexus_free(nx);
	CU_ASSERT_EQUAL(d.releases, 1);
	scsi_lu_put(NULL);
	scsi_nexus_free(NULL);
}

static const struct unit_test tests[] = {
	{ "refused", test_refused },
	{ "references", test_references },
};
UNIT_MAIN("scsi/lu", tests)
