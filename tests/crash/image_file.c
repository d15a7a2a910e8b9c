/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * image_file.c - the content of a file: pages, most of which are not there.
 * Each change makes another version of it.
 */
#include <stdlib.h>
#include <string.h>

#include "meta/base/check.h"
#include "tests/crash/image_int.h"

#define PAGE	IMAGE_PAGE_BYTES

bool image_of_a_cut;
static uint64_t last_version;

void *
image_must(void *p)
{

	TT_ASSERT(p != NULL);
	return (p);
}

struct file *
image_file_new(void)
{
	struct file *f = image_must(calloc(1, sizeof(*f)));

	f->refs = 1;
	return (f);
}

void
image_file_put(struct file *f)
{

	if (f == NULL || --f->refs > 0)
		return;
	for (size_t i = 0; i < f->n_page; i++)
		free(f->page[i]);
	free(f->page);
	free(f);
}

struct file *
image_file_ref(struct file *f)
{

	if (f != NULL)
		f->refs++;
	return (f);
}

static void
changed(struct file *f)
{

	f->version = image_of_a_cut ? 0 : ++last_version;
}

/* What is behind the end is always zero. */
void
image_file_resize(struct file *f, size_t size)
{
	size_t n = (size + PAGE - 1) / PAGE;

	changed(f);
	for (size_t i = n; i < f->n_page; i++)
		free(f->page[i]);
	if (n != f->n_page) {
		f->page = image_must(realloc(f->page,
		    (n + 1) * sizeof(*f->page)));
		for (size_t i = f->n_page; i < n; i++)
			f->page[i] = NULL;
		f->n_page = n;
	}
	if (size < f->size && size % PAGE != 0 && f->page[n - 1] != NULL)
		memset(f->page[n - 1] + size % PAGE, 0, PAGE - size % PAGE);
	f->size = size;
}

const uint8_t *
image_file_page(const struct file *f, size_t i)
{
	static const uint8_t zero[PAGE];

	return (i < f->n_page && f->page[i] != NULL ? f->page[i] : zero);
}

void
image_file_write(struct file *f, uint64_t off, const uint8_t *data, size_t len)
{

	if (len == 0)
		return;
	if (off + len > f->size)
		image_file_resize(f, off + len);
	changed(f);
	while (len > 0) {
		size_t i = off / PAGE, at = off % PAGE;
		size_t n = TT_MIN(len, PAGE - at);

		if (data == NULL && n == PAGE) {
			free(f->page[i]);
			f->page[i] = NULL;
		} else if (data != NULL || f->page[i] != NULL) {
			if (f->page[i] == NULL)
				f->page[i] = image_must(calloc(1, PAGE));
			if (data == NULL)
				memset(f->page[i] + at, 0, n);
			else
				memcpy(f->page[i] + at, data, n);
		}
		data = data == NULL ? NULL : data + n;
		off += n;
		len -= n;
	}
}
