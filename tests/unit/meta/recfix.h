/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recfix.h - logs for the tests of meta/recover.c: built with log.c, then
 * closed and damaged; and a way to put the files back as they were.
 */
#ifndef TESTS_UNIT_META_RECFIX_H
#define TESTS_UNIT_META_RECFIX_H

#include "tests/unit/meta/logfix.h"

#define REC_NONE ((struct log_pos){ 0, 0, 0, 0, 0 })

static struct found recfix_found;

/* ---- files as they were ----------------------------------------------- */

#define IMAGE_SEGS 16u

struct image {
	unsigned n;
	uint32_t number[IMAGE_SEGS];
	uint8_t *data[IMAGE_SEGS];
	ssize_t len[IMAGE_SEGS];	/* of the file */
};

static inline int
image_add(void *arg, uint32_t number)
{
	struct image *im = arg;

	CU_ASSERT_FATAL(im->n < IMAGE_SEGS);
	im->number[im->n++] = number;
	return (0);
}

static inline void
image_save(struct logfix *x, struct image *im)
{

	im->n = 0;
	CU_ASSERT_EQUAL_FATAL(segs_list(x->f.ss, image_add, im), 0);
	for (unsigned i = 0; i < im->n; i++) {
		int fd = open(logfix_file(x, im->number[i]), O_RDONLY);

		CU_ASSERT_FATAL(fd >= 0);
		im->data[i] = malloc(SEG_BYTES);
		im->len[i] = pread(fd, im->data[i], SEG_BYTES, 0);
		CU_ASSERT(im->len[i] >= 0);
		(void)close(fd);
	}
}

static inline int
image_drop(void *arg, uint32_t number)
{

	return (unlink(logfix_file(arg, number)));
}

static inline void
image_restore(struct logfix *x, const struct image *im)
{

	CU_ASSERT_EQUAL_FATAL(segs_list(x->f.ss, image_drop, x), 0);
	segs_close(x->f.ss);
	for (unsigned i = 0; i < im->n; i++) {
		int fd = open(logfix_file(x, im->number[i]),
		    O_WRONLY | O_CREAT | O_EXCL, 0600);

		CU_ASSERT_FATAL(fd >= 0);
		CU_ASSERT_EQUAL(pwrite(fd, im->data[i], (size_t)im->len[i],
		    0), im->len[i]);
		(void)close(fd);
	}
	segfix_open(&x->f, 64);
}

static inline void
image_free(struct image *im)
{

	for (unsigned i = 0; i < im->n; i++)
		free(im->data[i]);
	im->n = 0;
}

/* ---- logs ------------------------------------------------------------- */

/*
 * Appends ${n} records one by one; after record i a sync when bit i of
 * ${syncs} is set.  The next record says what was durable.
 */
static inline void
recfix_append(struct logfix *x, struct one *o, unsigned n, uint64_t syncs)
{

	for (unsigned i = 0; i < n; i++) {
		uint64_t end = logfix_append(x, &o[i], 1);

		CU_ASSERT_EQUAL_FATAL(o[i].lr.rc, 0);
		if ((syncs >> i & 1) != 0)
			CU_ASSERT_EQUAL(log_sync(x->l, end), 0);
	}
}

static inline void
recfix_free(struct one *o, unsigned n)
{

	for (unsigned i = 0; i < n; i++)
		one_free(&o[i]);
}

/* Fixture, log, records, and the log closed again. */
static inline void
recfix_setup(struct logfix *x, struct one *o, unsigned n, uint64_t syncs)
{

	logfix_setup(x);
	recfix_append(x, o, n, syncs);
	log_close(x->l);
	x->l = NULL;
}

static inline void
recfix_teardown(struct logfix *x)
{

	segfix_teardown(&x->f);
}

/* Records as large as to let two of them fill a segment. */
static inline void
recfix_big(struct one *o, unsigned n)
{

	for (unsigned i = 0; i < n; i++)
		one_items(&o[i], REC_CATALOG, 900 << 10, i);
}

/* ---- outcomes --------------------------------------------------------- */

/* A recovery finds exactly the first ${n} records. */
static inline void
recfix_expect(struct logfix *x, const struct one *o, size_t n)
{
	struct recovery *rv;
	int rc = logfix_recover(x, &recfix_found, &rv);

	CU_ASSERT_EQUAL(rc, 0);
	if (rc != 0)
		return;
	CU_ASSERT_TRUE(logfix_same(&recfix_found, o, n));
	CU_ASSERT_EQUAL(recovery_end(rv).seq,
	    n == 0 ? x->start.seq : o[n - 1].lr.seq);
	recovery_free(rv);
}

static inline void
recfix_expect_rc(struct logfix *x, int want)
{
	struct recovery *rv = NULL;
	int rc = logfix_recover(x, &recfix_found, &rv);

	CU_ASSERT_EQUAL(rc, want);
	if (rc == 0)
		recovery_free(rv);
}

struct gone {
	unsigned n;
	uint32_t number[IMAGE_SEGS];
};

static inline void
recfix_gone(void *arg, uint32_t number)
{
	struct gone *g = arg;

	CU_ASSERT_FATAL(g->n < IMAGE_SEGS);
	g->number[g->n++] = number;
}

/* Recover, make durable, clean up: where the log ended. */
static inline struct log_pos
recfix_finish(struct logfix *x, struct gone *g)
{
	struct log_pos end = REC_NONE;
	struct recovery *rv;

	g->n = 0;
	CU_ASSERT_EQUAL_FATAL(logfix_recover(x, &recfix_found, &rv), 0);
	CU_ASSERT_EQUAL(recovery_sync(rv), 0);
	end = recovery_end(rv);
	atomic_store(&x->next_segment,
	    TT_MAX(x->next_segment, recovery_max_segment(rv) + 1));
	recovery_clean(rv, recfix_gone, g);
	recovery_free(rv);
	return (end);
}

/* A log of a later epoch behind ${at}: ${n} records, no sync, closed. */
static inline void
recfix_go_on(struct logfix *x, uint64_t epoch, struct log_pos at,
    struct one *o, unsigned n)
{

	logfix_open(x, epoch, at);
	recfix_append(x, o, n, 0);
	log_close(x->l);
	x->l = NULL;
}

/* ---- damage ----------------------------------------------------------- */

static inline uint64_t
recfix_byte(const struct one *o)
{

	return ((uint64_t)one_off(o) * SECTOR_BYTES);
}

static inline void
recfix_break_header(struct logfix *x, const struct one *o)
{

	logfix_flip(x, o->lr.segment, recfix_byte(o) + 33);
}

static inline void
recfix_break_payload(struct logfix *x, const struct one *o)
{

	logfix_flip(x, o->lr.segment,
	    (uint64_t)o->lr.payload_off_sectors * SECTOR_BYTES + 5);
}

#endif /* !TESTS_UNIT_META_RECFIX_H */
