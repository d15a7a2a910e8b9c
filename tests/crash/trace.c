/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/crash/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/crash/cuts.h"

struct trace {
	int fd;
	const uint8_t *map;
	size_t len, at;
	uint64_t idx, pos;
	uint64_t base;		/* index of the first event of this process */
};

static void
unmap(struct trace *t)
{
	void *p;

	if (t->map == NULL)
		return;
	memcpy(&p, &t->map, sizeof(p));
	(void)munmap(p, t->len);
	t->map = NULL;
}

int
trace_refresh(struct trace *t)
{
	struct stat st;
	void *p;

	if (fstat(t->fd, &st) != 0)
		return (-errno);
	if (st.st_size == 0)
		return (-ENODATA);
	if ((size_t)st.st_size == t->len)
		return (0);
	unmap(t);
	t->len = 0;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, t->fd, 0);
	if (p == MAP_FAILED)
		return (-errno);
	t->map = p;
	t->len = (size_t)st.st_size;
	return (0);
}

int
trace_open(const char *path, struct trace **out)
{
	struct trace *t;
	int rc;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		return (-ENOMEM);
	if ((t->fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		rc = -errno;
	else
		rc = trace_refresh(t);
	if (rc != 0) {
		trace_close(t);
		return (rc);
	}
	*out = t;
	return (0);
}

void
trace_close(struct trace *t)
{

	if (t == NULL)
		return;
	unmap(t);
	if (t->fd >= 0)
		(void)close(t->fd);
	free(t);
}

void
trace_rewind(struct trace *t)
{

	t->at = 0;
	t->idx = 0;
	t->pos = 0;
	t->base = 0;
}

bool
trace_next(struct trace *t, struct trace_item *out)
{
	const uint8_t *p = t->map + t->at;
	size_t need;

	if (t->len - t->at < sizeof(out->ev))
		return (false);
	memcpy(&out->ev, p, sizeof(out->ev));
	need = sizeof(out->ev) + out->ev.name_len + out->ev.name2_len +
	    out->ev.data_len;
	if (out->ev.magic != TRACE_MAGIC || t->len - t->at < need ||
	    out->ev.name_len >= sizeof(out->name) ||
	    out->ev.name2_len >= sizeof(out->name2))
		return (false);
	p += sizeof(out->ev);
	memcpy(out->name, p, out->ev.name_len);
	out->name[out->ev.name_len] = '\0';
	p += out->ev.name_len;
	memcpy(out->name2, p, out->ev.name2_len);
	out->name2[out->ev.name2_len] = '\0';
	out->data = p + out->ev.name2_len;
	out->pos = t->pos++;
	out->idx = t->idx;
	if (out->ev.kind == TRACE_START)
		t->base = t->idx;
	else if ((out->ev.flags & TRACE_F_OUTSIDE) == 0)
		t->idx++;
	if (out->ev.kind == TRACE_SYNC || out->ev.kind == TRACE_SYNC_DIR ||
	    out->ev.kind == TRACE_SYNC_ALL)
		out->ev.begun += t->base;
	t->at += need;
	return (true);
}
