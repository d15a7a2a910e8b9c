/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * image_int.h - what image.c and image_dir.c share.
 */
#ifndef TESTS_CRASH_IMAGE_INT_H
#define TESTS_CRASH_IMAGE_INT_H

#include "tests/crash/image.h"

#define IMAGE_PAGE_BYTES 4096u

struct file {
	uint8_t **page;			/* NULL: zeroes */
	size_t n_page, size;
	unsigned refs;			/* names, fids, pending events */
	uint64_t version;		/* of the content; 0: of one cut only */
	bool lost_size;			/* while settling */
	bool seg;			/* below seg/: torn pages are meant */
	bool moved;			/* a segment of the kind MOVED */
};

struct name {
	char *path;
	struct file *file;		/* NULL: a directory */
	bool there;			/* while it is written out */
};

struct names {
	struct name *v;
	size_t n, cap;
};

struct pend {
	uint64_t idx;
	enum trace_kind kind;
	bool sure;
	struct file *file;
	char *path, *path2;
	uint64_t off, len, mode;
	const uint8_t *data;		/* NULL: zeroes; the trace's memory */
};

struct image {
	unsigned breaks;
	const char *break_path;		/* no sync of what is below; or NULL */
	struct names durable, live;
	struct file **fids;		/* of the current trace */
	size_t n_fids;
	struct pend *pend;
	size_t n_pend, cap_pend;
};

/* What is changed now has no version: the child of one cut does it. */
extern bool image_of_a_cut;

void *image_must(void *p);		/* p, which must not be NULL */
struct file *image_file_new(void);	/* one reference */
struct file *image_file_ref(struct file *f);
void image_file_put(struct file *f);
void image_file_resize(struct file *f, size_t size);
/* ${data} NULL: zeroes. */
void image_file_write(struct file *f, uint64_t off, const uint8_t *data,
    size_t len);
/* Page ${i} of it, all of it: zeroes behind the end. */
const uint8_t *image_file_page(const struct file *f, size_t i);
struct name *image_names_find(struct names *t, const char *path);
void image_names_put(struct names *t, const char *path, struct file *f);

#endif /* !TESTS_CRASH_IMAGE_INT_H */
