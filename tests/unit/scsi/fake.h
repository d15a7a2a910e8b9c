/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fake.h - what every test of the SCSI layer needs: a disk in memory that
 * completes at once or when told to, fails where told to, and remembers what
 * is durable; a logical unit and a nexus on it; a command that checks the
 * layer's promises (done exactly once, room asked for at most once).
 */
#ifndef TESTS_UNIT_SCSI_FAKE_H
#define TESTS_UNIT_SCSI_FAKE_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/base/bytes.h"
#include "meta/base/check.h"
#include "target/scsi/asc.h"
#include "target/scsi/scsi.h"
#include "tests/lib/unit.h"

#define FAKE_SIZE	(UINT64_C(4) << 20)	/* bytes of the usual disk */
#define FAKE_INITIATOR	"iqn.2001-04.com.example:host,i,0x00023d000001"
#define FAKE_TARGET	"iqn.2025-01.com.example:disk,t,0x0001"
#define FAKE_SERIAL	"TT0123456789ABCD"

enum fake_op { F_READ, F_WRITE, F_FLUSH, F_UNMAP, F_ZERO, F_EXTENT, F_OPS };

struct fake_disk {
	uint8_t *mem, *durable;		/* NULL: a disk too large for that */
	uint64_t size_bytes;
	bool deferred;			/* fake_finish completes */
	struct { struct scsi_io *io; enum fake_op op; } queue[64];
	unsigned n_queue;
	unsigned calls[F_OPS], cancels, releases;
	unsigned fail_at[F_OPS];	/* the n-th call fails; 0: none */
	int fail_rc;
	uint64_t fail_off_bytes;
	uint64_t max_len_bytes;		/* of any request */
	uint64_t run_bytes;		/* extents, by turns stored and holes */
	struct scsi_io last;		/* a copy, taken at the start */
};

static inline uint64_t
fake_iov_bytes(const struct iovec *iov, unsigned n)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += iov[i].iov_len;
	return (sum);
}

static inline void
fake_move(struct fake_disk *d, struct scsi_io *io, bool out)
{
	uint64_t at = io->off_bytes;

	for (unsigned i = 0; i < io->n_iov; i++) {
		size_t n = io->iov[i].iov_len;

		if (out)
			memcpy(d->mem + at, io->iov[i].iov_base, n);
		else
			memcpy(io->iov[i].iov_base, d->mem + at, n);
		at += n;
	}
	if (out && (io->flags & SCSI_IO_FUA) != 0)
		memcpy(d->durable + io->off_bytes, d->mem + io->off_bytes,
		    (size_t)io->len_bytes);
}

static inline void
fake_do(struct fake_disk *d, struct scsi_io *io, enum fake_op op)
{

	if (d->fail_at[op] != 0 && d->calls[op] == d->fail_at[op]) {
		io->rc = d->fail_rc;
		io->bad_off_bytes = d->fail_off_bytes;
		return;
	}
	if (op == F_EXTENT) {
		uint64_t run = d->run_bytes, at = io->off_bytes;

		io->hole = run > 0 && at / run % 2 == 1;
		if (run > 0)
			io->len_bytes = TT_MIN(io->len_bytes, run - at % run);
	}
	if (d->mem == NULL)
		return;
	switch (op) {
	case F_READ:
		fake_move(d, io, false);
		break;
	case F_WRITE:
		fake_move(d, io, true);
		break;
	case F_FLUSH:
		memcpy(d->durable, d->mem, (size_t)d->size_bytes);
		break;
	case F_UNMAP:
		for (unsigned i = 0; i < io->n_ext; i++)
			memset(d->mem + io->ext[i].off_bytes, 0,
			    (size_t)io->ext[i].len_bytes);
		break;
	case F_ZERO:
		memset(d->mem + io->off_bytes, 0, (size_t)io->len_bytes);
		break;
	case F_EXTENT:
	case F_OPS:
		break;
	}
}

/* What disk.h promises to the disk. */
static inline void
fake_check(struct fake_disk *d, const struct scsi_io *io, enum fake_op op)
{

	TT_ASSERT(io->rc == 0 && io->bad_off_bytes == SCSI_OFF_UNKNOWN);
	if (op == F_READ || op == F_WRITE || op == F_ZERO || op == F_EXTENT) {
		TT_ASSERT(io->len_bytes > 0);
		TT_ASSERT(io->off_bytes % 512 == 0 && io->len_bytes % 512 == 0);
		TT_ASSERT(io->off_bytes <= d->size_bytes);
		TT_ASSERT(io->len_bytes <= d->size_bytes - io->off_bytes);
		if (op != F_EXTENT)
			d->max_len_bytes = TT_MAX(d->max_len_bytes,
			    io->len_bytes);
	}
	if (op == F_READ || op == F_WRITE)
		TT_ASSERT(fake_iov_bytes(io->iov, io->n_iov) == io->len_bytes);
	if (op == F_UNMAP)
		TT_ASSERT(io->n_ext > 0 && io->n_ext <= 256);
	for (unsigned i = 0; op == F_UNMAP && i < io->n_ext; i++) {
		const struct scsi_extent *e = &io->ext[i];

		TT_ASSERT(e->len_bytes > 0 && e->off_bytes <= d->size_bytes);
		TT_ASSERT(e->len_bytes <= d->size_bytes - e->off_bytes);
	}
}

static inline void
fake_start(struct fake_disk *d, struct scsi_io *io, enum fake_op op)
{

	fake_check(d, io, op);
	d->calls[op]++;
	d->last = *io;
	memset(io->priv, 0xa5, sizeof(io->priv));
	if (d->deferred) {
		TT_ASSERT(d->n_queue < 64);
		d->queue[d->n_queue].io = io;
		d->queue[d->n_queue++].op = op;
		return;
	}
	fake_do(d, io, op);
	io->done(io);
}

/* Completes the oldest request of a deferred disk; false: there is none. */
static inline bool
fake_finish(struct fake_disk *d)
{
	struct scsi_io *io;
	enum fake_op op;

	if (d->n_queue == 0)
		return (false);
	io = d->queue[0].io;
	op = d->queue[0].op;
	d->n_queue--;
	memmove(&d->queue[0], &d->queue[1],
	    d->n_queue * sizeof(d->queue[0]));
	fake_do(d, io, op);
	io->done(io);
	return (true);
}

static inline void
fake_read(void *disk, struct scsi_io *io)
{

	fake_start(disk, io, F_READ);
}

static inline void
fake_write(void *disk, struct scsi_io *io)
{

	fake_start(disk, io, F_WRITE);
}

static inline void
fake_flush(void *disk, struct scsi_io *io)
{

	fake_start(disk, io, F_FLUSH);
}

static inline void
fake_unmap(void *disk, struct scsi_io *io)
{

	fake_start(disk, io, F_UNMAP);
}

static inline void
fake_zero(void *disk, struct scsi_io *io)
{

	fake_start(disk, io, F_ZERO);
}

static inline void
fake_extent(void *disk, struct scsi_io *io)
{

	fake_start(disk, io, F_EXTENT);
}

static inline void
fake_cancel(void *disk, struct scsi_io *io)
{
	struct fake_disk *d = disk;
	bool found = false;

	for (unsigned i = 0; i < d->n_queue; i++)
		found |= d->queue[i].io == io;
	TT_ASSERT(found);
	d->cancels++;
}

static inline void
fake_release(void *disk)
{

	((struct fake_disk *)disk)->releases++;
}

static const struct scsi_disk_ops fake_ops = {
	fake_read, fake_write, fake_flush, fake_unmap, fake_zero, fake_cancel,
	fake_release, fake_extent
};

/* A unit on a fake disk, with one nexus that has no attention pending. */
struct fake {
	struct fake_disk d;
	struct scsi_lu *lu;
	struct scsi_nexus *nx;
};

static inline struct scsi_lu_conf
fake_conf(struct fake_disk *d)
{

	return ((struct scsi_lu_conf){
		.ops = &fake_ops, .disk = d, .size_bytes = FAKE_SIZE,
		.sector_bytes = 512, .block_bytes = 4096,
		.uuid = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0x4c, 0xde,
		    0x8f, 0x01, 0x12, 0x23, 0x34, 0x45, 0x56, 0x67 },
		.naa = { 0x31, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88 },
		.serial = FAKE_SERIAL, .revision = "0001"
	});
}

static inline struct scsi_nexus *
fake_nexus(struct scsi_lu *lu, const char *initiator)
{
	struct scsi_nexus_conf nc = { .initiator_port = initiator,
	    .target_port = FAKE_TARGET, .rel_port = 1, .port_group = 1 };
	struct scsi_nexus *nx;

	TT_ASSERT(scsi_nexus_new(lu, &nc, &nx) == 0);
	return (nx);
}

struct fake_cmd {
	struct scsi_cmd c;
	unsigned done, allocs;
	int alloc_rc;		/* what alloc_in answers */
	uint8_t *in;		/* all of data-in, in one piece */
	size_t in_len;
	struct iovec iov[2], out;
	void (*then)(struct fake_cmd *);	/* at the end of done */
};

/* Two vectors of which the first has an odd length. */
static inline int
fake_alloc_in(struct scsi_cmd *c, size_t bytes)
{
	struct fake_cmd *fc = TT_CONTAINER(c, struct fake_cmd, c);
	size_t cut = bytes > 7 ? 7 : bytes;

	TT_ASSERT(fc->allocs++ == 0 && bytes > 0);
	TT_ASSERT(bytes <= SCSI_XFER_MAX_BYTES);
	if (fc->alloc_rc != 0)
		return (fc->alloc_rc);
	fc->in = malloc(bytes);
	TT_ASSERT(fc->in != NULL);
	memset(fc->in, 0xee, bytes);
	fc->in_len = bytes;
	fc->iov[0] = (struct iovec){ fc->in, cut };
	fc->iov[1] = (struct iovec){ fc->in + cut, bytes - cut };
	c->in = fc->iov;
	c->n_in = bytes > cut ? 2 : 1;
	return (0);
}

static inline void
fake_done(struct scsi_cmd *c)
{
	struct fake_cmd *fc = TT_CONTAINER(c, struct fake_cmd, c);

	TT_ASSERT(fc->done++ == 0);
	TT_ASSERT(c->in_bytes <= fc->in_len);
	TT_ASSERT(c->in_bytes <= c->in_max_bytes);
	TT_ASSERT(c->sense_len == 0 || c->sense_len == SCSI_SENSE_LEN);
	TT_ASSERT(c->aborted ||
	    (c->sense_len != 0) == (c->status == SCSI_CHECK_CONDITION));
	if (fc->then != NULL)
		fc->then(fc);
}

static const struct scsi_cmd_ops fake_cmd_ops = { fake_alloc_in, fake_done };

/* A command that expects up to 16 MiB and has no data-out. */
static inline void
fake_cmd_init(struct fake_cmd *fc, const void *cdb, size_t cdb_len)
{

	memset(fc, 0, sizeof(*fc));
	/* What the caller need not set must not matter. */
	memset(&fc->c, 0x5a, sizeof(fc->c));
	memset(fc->c.cdb, 0, sizeof(fc->c.cdb));
	memset(fc->c.lun, 0, sizeof(fc->c.lun));
	memcpy(fc->c.cdb, cdb, cdb_len);
	fc->c.ops = &fake_cmd_ops;
	fc->c.ex = NULL;
	fc->c.attr = SCSI_ATTR_SIMPLE;
	fc->c.out = NULL;
	fc->c.n_out = 0;
	fc->c.out_bytes = 0;
	fc->c.in_max_bytes = SCSI_XFER_MAX_BYTES;
}

static inline void
fake_cmd_out(struct fake_cmd *fc, void *buf, size_t len)
{

	fc->out = (struct iovec){ buf, len };
	fc->c.out = &fc->out;
	fc->c.n_out = len > 0 ? 1 : 0;
	fc->c.out_bytes = len;
}

static inline void
fake_cmd_free(struct fake_cmd *fc)
{

	free(fc->in);
	fc->in = NULL;
}

#define CDB(...)	((const uint8_t[]){ __VA_ARGS__ }),		\
	sizeof((const uint8_t[]){ __VA_ARGS__ })

/* Runs a command without data-out on the usual nexus to its end. */
static inline void
fake_run(struct fake *f, struct fake_cmd *fc, const void *cdb, size_t cdb_len)
{

	fake_cmd_init(fc, cdb, cdb_len);
	scsi_exec(f->nx, &fc->c);
	while (fc->done == 0 && fake_finish(&f->d))
		continue;
	CU_ASSERT_EQUAL_FATAL(fc->done, 1);
	CU_ASSERT_FALSE(fc->c.aborted);
}

/* The same with data-out. */
static inline void
fake_run_out(struct fake *f, struct fake_cmd *fc, const void *cdb,
    size_t cdb_len, void *buf, size_t len)
{

	fake_cmd_init(fc, cdb, cdb_len);
	fake_cmd_out(fc, buf, len);
	scsi_exec(f->nx, &fc->c);
	while (fc->done == 0 && fake_finish(&f->d))
		continue;
	CU_ASSERT_EQUAL_FATAL(fc->done, 1);
	CU_ASSERT_FALSE(fc->c.aborted);
}

static inline void
fake_open_conf(struct fake *f, struct scsi_lu_conf *conf)
{
	struct fake_cmd fc;

	f->d.size_bytes = conf->size_bytes;
	if (conf->size_bytes <= (64u << 20)) {
		f->d.mem = calloc(1, (size_t)conf->size_bytes);
		f->d.durable = calloc(1, (size_t)conf->size_bytes);
		TT_ASSERT(f->d.mem != NULL && f->d.durable != NULL);
	}
	TT_ASSERT(scsi_lu_new(conf, &f->lu) == 0);
	f->nx = fake_nexus(f->lu, FAKE_INITIATOR);
	fake_run(f, &fc, CDB(0));	/* takes the attention */
	TT_ASSERT(fc.c.status == SCSI_CHECK_CONDITION);
}

static inline void
fake_open(struct fake *f)
{
	struct scsi_lu_conf conf;

	memset(f, 0, sizeof(*f));
	conf = fake_conf(&f->d);
	fake_open_conf(f, &conf);
}

static inline void
fake_close(struct fake *f)
{

	TT_ASSERT(f->d.n_queue == 0);
	scsi_nexus_free(f->nx);
	scsi_lu_put(f->lu);
	CU_ASSERT_EQUAL(f->d.releases, 1);
	free(f->d.mem);
	free(f->d.durable);
}

static inline void
expect_good(const struct fake_cmd *fc)
{

	CU_ASSERT_EQUAL(fc->c.status, SCSI_GOOD);
	CU_ASSERT_EQUAL(fc->c.sense_len, 0);
}

static inline void
expect_sense(const struct fake_cmd *fc, int key, uint8_t asc, uint8_t ascq)
{

	CU_ASSERT_EQUAL(fc->c.status, SCSI_CHECK_CONDITION);
	CU_ASSERT_EQUAL(fc->c.sense_len, SCSI_SENSE_LEN);
	CU_ASSERT_EQUAL(fc->c.sense[0] & 0x7f, 0x70);
	CU_ASSERT_EQUAL(fc->c.sense[2], key);
	CU_ASSERT_EQUAL(fc->c.sense[7], 10);
	CU_ASSERT_EQUAL(fc->c.sense[12], asc);
	CU_ASSERT_EQUAL(fc->c.sense[13], ascq);
	CU_ASSERT_EQUAL(fc->c.in_bytes, 0);
}

/* INVALID FIELD IN CDB; bit < 0: no bit is named. */
static inline void
expect_field(const struct fake_cmd *fc, unsigned byte, int bit)
{

	expect_sense(fc, KEY_ILLEGAL_REQUEST, ASC_INVALID_CDB);
	CU_ASSERT_EQUAL(fc->c.sense[15],
	    bit < 0 ? 0xc0 : 0xc8 | (unsigned)bit);
	CU_ASSERT_EQUAL(get_be16(fc->c.sense + 16), byte);
}

static inline void
expect_bytes(const struct fake_cmd *fc, const void *want, size_t len)
{

	expect_good(fc);
	CU_ASSERT_EQUAL_FATAL(fc->c.in_bytes, len);
	CU_ASSERT_EQUAL(fc->c.xfer_bytes, len);
	CU_ASSERT_EQUAL(fc->c.dir, SCSI_DIR_IN);
	for (size_t i = 0; i < len; i++) {
		uint8_t w = ((const uint8_t *)want)[i];

		if (fc->in[i] == w)
			continue;
		(void)fprintf(stderr, "byte %zu: %02x, not %02x\n", i,
		    fc->in[i], w);
		CU_FAIL("wrong byte");
	}
}

/* Runs, compares the reply with golden bytes, frees. */
#define GOLDEN(f, want, ...)						\
	do {								\
		struct fake_cmd gfc_;					\
									\
		fake_run((f), &gfc_, CDB(__VA_ARGS__));			\
		expect_bytes(&gfc_, (want), sizeof(want));		\
		fake_cmd_free(&gfc_);					\
	} while (0)

/* Runs and expects CHECK CONDITION / INVALID FIELD IN CDB. */
#define BAD_FIELD(f, byte, bit, ...)					\
	do {								\
		struct fake_cmd gfc_;					\
									\
		fake_run((f), &gfc_, CDB(__VA_ARGS__));			\
		expect_field(&gfc_, (byte), (bit));			\
		fake_cmd_free(&gfc_);					\
	} while (0)

/* BAD_SENSE(f, key, asc, ascq, cdb...): any other CHECK CONDITION. */
#define BAD_SENSE(f, key, asc, ascq, ...)				\
	do {								\
		struct fake_cmd gfc_;					\
									\
		fake_run((f), &gfc_, CDB(__VA_ARGS__));			\
		expect_sense(&gfc_, (key), (asc), (ascq));		\
		fake_cmd_free(&gfc_);					\
	} while (0)

#endif /* !TESTS_UNIT_SCSI_FAKE_H */
