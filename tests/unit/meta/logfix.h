/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * logfix.h - a log in a temporary folder, records with known content, what a
 * recovery finds of them, and hands to damage its files with.
 */
#ifndef TESTS_UNIT_META_LOGFIX_H
#define TESTS_UNIT_META_LOGFIX_H

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#include "meta/log.h"
#include "meta/recover.h"
#include "tests/unit/meta/segfix.h"

#define LOGFIX_BLOCK	4096u
#define LOGFIX_MAX	4096u	/* records that a test remembers */

struct logfix {
	struct segfix f;
	struct log *l;
	struct log_conf conf;
	_Atomic uint32_t next_segment;
	_Atomic unsigned n_created;
	_Atomic int created_err;
	struct log_pos start;		/* for recoveries */
};

/* One record to append, with its memory. */
struct one {
	struct log_rec lr;
	uint8_t *hdr, *payload;
	struct iovec iov;
};

static inline int
logfix_created(void *arg, uint32_t number)
{
	struct logfix *x = arg;

	(void)number;
	x->n_created++;
	return (x->created_err);
}

/* Opens a log behind ${start}. */
static inline void
logfix_open(struct logfix *x, uint64_t epoch, struct log_pos start)
{

	x->conf = (struct log_conf){
		.segs = x->f.ss, .segment_bytes = SEG_BYTES, .epoch = epoch,
		.next_segment = &x->next_segment, .start = start,
		.created = logfix_created, .created_arg = x,
	};
	memset(x->conf.store_uuid, 0x5a, 16);
	CU_ASSERT_EQUAL_FATAL(log_open(&x->conf, &x->l), 0);
}

static inline void
logfix_setup(struct logfix *x)
{

	tmpdir_prefer_memory();
	memset(x, 0, sizeof(*x));
	segfix_setup(&x->f, 64);
	atomic_store(&x->next_segment, 1);
	logfix_open(x, 1, (struct log_pos){ 0, 0, 0, 0, 0 });
}

static inline void
logfix_teardown(struct logfix *x)
{

	log_close(x->l);
	segfix_teardown(&x->f);
}

/* ---- records ---------------------------------------------------------- */

static inline void
logfix_fill(uint8_t *p, size_t n, uint64_t stamp)
{

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)((stamp + 1) * 37 + i * 11 + i / 251);
}

static inline void
one_init(struct one *o, enum rec_kind kind, size_t len)
{

	memset(o, 0, sizeof(*o));
	o->hdr = calloc(REC_HEADER_MAX_SECTORS, SECTOR_BYTES);
	o->payload = malloc(len + 1);
	o->iov = (struct iovec){ o->payload, len };
	o->lr = (struct log_rec){
		.kind = kind, .hdr = o->hdr, .iov = &o->iov,
		.n_iov = len > 0, .payload_bytes = (uint32_t)len, .rc = 99,
	};
}

/* Blocks [10, 10 + n) of LUN 7. */
static inline void
one_data(struct one *o, uint32_t n_blk, uint64_t stamp)
{
	struct rec counts = { .n_extents = 1 };

	one_init(o, REC_DATA, (size_t)n_blk * LOGFIX_BLOCK);
	o->lr.lun = 7;
	o->lr.block_shift = BLOCK_SHIFT_MIN;
	o->lr.n_extents = 1;
	o->lr.n_ids = n_blk;
	rec_put_extent(o->hdr, 0, (struct extent){ 10, n_blk });
	for (uint32_t i = 0; i < n_blk; i++) {
		uint8_t *b = o->payload + (size_t)i * LOGFIX_BLOCK;

		logfix_fill(b, LOGFIX_BLOCK, stamp + i);
		rec_put_id(o->hdr, &counts, i, id_of(b, LOGFIX_BLOCK));
	}
}

static inline void
one_items(struct one *o, enum rec_kind kind, size_t len, uint64_t stamp)
{

	one_init(o, kind, len);
	logfix_fill(o->payload, len, stamp);
}

static inline void
one_zero(struct one *o, uint64_t n_blk)
{

	one_init(o, REC_ZERO, 0);
	o->lr.lun = 7;
	o->lr.n_extents = 1;
	rec_put_extent(o->hdr, 0, (struct extent){ 10, n_blk });
}

static inline void
one_free(struct one *o)
{

	free(o->hdr);
	free(o->payload);
}

static inline uint32_t
one_sectors(const struct one *o)
{

	return (rec_header_sectors(o->lr.n_extents, o->lr.n_ids,
	    o->lr.n_runs) + (o->lr.payload_bytes + SECTOR_BYTES - 1) /
	    SECTOR_BYTES);
}

/* Where its header is. */
static inline uint32_t
one_off(const struct one *o)
{

	return (o->lr.payload_off_sectors - rec_header_sectors(
	    o->lr.n_extents, o->lr.n_ids, o->lr.n_runs));
}

/* Appends ${n} records as one batch; the end of it. */
static inline uint64_t
logfix_append(struct logfix *x, struct one *o, size_t n)
{
	struct log_rec *lrs[64];
	struct log_batch b;

	CU_ASSERT_FATAL(n <= 64);
	for (size_t i = 0; i < n; i++)
		lrs[i] = &o[i].lr;
	log_append(x->l, lrs, n, NULL, NULL, &b);
	log_batch_done(x->l, &b);
	return (b.end_pos);
}

/* The seq of the last record in the log. */
static inline uint64_t
log_state_seq(struct logfix *x)
{
	struct log_state st;

	log_state(x->l, &st);
	return (st.seq);
}

/* ---- what is there ---------------------------------------------------- */

struct found_rec {
	struct rec r;
	uint64_t hash;			/* of the payload */
};

struct found {
	size_t n;
	int stop_rc;			/* the callback returns it ... */
	size_t stop_at;			/* ... at this record; 0 never */
	struct found_rec v[LOGFIX_MAX];
};

static inline uint64_t
logfix_hash(const void *p, size_t n)
{

	return (n == 0 ? 0 : id_of(p, n).lo);
}

static inline int
logfix_replay(void *arg, const struct rec *r, const uint8_t *hdr,
    const uint8_t *payload)
{
	struct found *fd = arg;

	(void)hdr;
	CU_ASSERT_FATAL(fd->n < LOGFIX_MAX);
	fd->v[fd->n].r = *r;
	fd->v[fd->n].hash = logfix_hash(payload, r->payload_used_bytes);
	fd->n++;
	return (fd->stop_at == fd->n ? fd->stop_rc : 0);
}

/* Without a log open; on success the caller frees ${*rv}. */
static inline int
logfix_recover(struct logfix *x, struct found *fd, struct recovery **rv)
{
	struct recover_conf rc = {
		.segs = x->f.ss, .segment_bytes = SEG_BYTES,
		.start = x->start, .replay = logfix_replay, .arg = fd,
	};

	memcpy(rc.store_uuid, x->conf.store_uuid, 16);
	fd->n = 0;
	return (recover_run(&rc, rv));
}

/* Exactly these records, in this order. */
static inline bool
logfix_same(const struct found *fd, const struct one *o, size_t n)
{

	if (fd->n != n)
		return (false);
	for (size_t i = 0; i < n; i++) {
		const struct log_rec *lr = &o[i].lr;

		if (fd->v[i].r.seq != lr->seq || fd->v[i].r.kind != lr->kind ||
		    fd->v[i].r.segment != lr->segment ||
		    fd->v[i].r.time_ns != lr->time_ns ||
		    fd->v[i].hash != logfix_hash(o[i].payload,
		    lr->payload_bytes))
			return (false);
	}
	return (true);
}

/* ---- files ------------------------------------------------------------ */

static inline const char *
logfix_file(const struct logfix *x, uint32_t number)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "seg/%02x/%08x", number & 0xff,
	    number);
	return (tmpdir_path(&x->f.t, name));
}

static inline bool
logfix_there(const struct logfix *x, uint32_t number)
{

	return (access(logfix_file(x, number), F_OK) == 0);
}

static inline void
logfix_get(const struct logfix *x, uint32_t number, uint64_t off, void *buf,
    size_t n)
{
	int fd = open(logfix_file(x, number), O_RDONLY);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(pread(fd, buf, n, (off_t)off), (ssize_t)n);
	(void)close(fd);
}

static inline void
logfix_put(const struct logfix *x, uint32_t number, uint64_t off,
    const void *buf, size_t n)
{
	int fd = open(logfix_file(x, number), O_WRONLY);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(pwrite(fd, buf, n, (off_t)off), (ssize_t)n);
	(void)close(fd);
}

static inline void
logfix_flip(const struct logfix *x, uint32_t number, uint64_t off)
{
	uint8_t c;

	logfix_get(x, number, off, &c, 1);
	c ^= 0x10;
	logfix_put(x, number, off, &c, 1);
}

static inline void
logfix_clear(const struct logfix *x, uint32_t number, uint64_t off, size_t n)
{
	uint8_t *z = calloc(1, n);

	logfix_put(x, number, off, z, n);
	free(z);
}

/* The header of a segment that must have one. */
static inline void
logfix_header(const struct logfix *x, uint32_t number, struct seg_header *h)
{
	uint8_t buf[SEG_HEADER_BYTES];

	logfix_get(x, number, 0, buf, sizeof(buf));
	CU_ASSERT_EQUAL_FATAL(seg_header_dec(buf, h), 0);
}

#endif /* !TESTS_UNIT_META_LOGFIX_H */
