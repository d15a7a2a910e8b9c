/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * image_int.h - what image.c and image_dir.c share.
 */
#ifndef TESTS_CRASH_IMAGE_INT_H
#define TESTS_CRASH_IMAGE_INT_H

#include "tests/crash/image.h"

struct file {
	uint8_t *data;
	size_t size, cap;
	unsigned refs;			/* names, fids, pending events */
	bool lost_size;			/* while settling */
	bool seg;			/* below seg/: torn pages are meant */
};

struct name {
	char *path;
	struct file *file;		/* NULL: a directory */
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
	struct names durable, live;
	struct file **fids;		/* of the current trace */
	size_t n_fids;
	struct pend *pend;
	size_t n_pend, cap_pend;
};

void *image_must(void *p);		/* p, which must not be NULL */
struct file *image_file_new(void);	/* one reference */
void image_file_put(struct file *f);
void image_file_resize(struct file *f, size_t size);
struct name *image_names_find(struct names *t, const char *path);
void image_names_put(struct names *t, const char *path, struct file *f);

#endif /* !TESTS_CRASH_IMAGE_INT_H */
