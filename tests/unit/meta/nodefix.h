/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nodefix.h - nodes with known content in segments of a temporary folder.
 */
#ifndef TESTS_UNIT_META_NODEFIX_H
#define TESTS_UNIT_META_NODEFIX_H

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#include "meta/base/exec_sync.h"
#include "meta/node.h"
#include "tests/unit/meta/segfix.h"

#define NODEFIX_BYTES	(64u << 10)	/* of a segment: 34 nodes */
#define NODEFIX_ROOM	34u

struct nodefix {
	struct segfix f;
	struct nodes *ns;
	struct nodes_conf conf;
	struct exec_sync *es;
	_Atomic uint32_t next_segment;
	unsigned n_created;
	int created_err;
};

static inline int
nodefix_created(void *arg, uint32_t number)
{
	struct nodefix *x = arg;

	(void)number;
	x->n_created++;
	return (x->created_err);
}

/* Another one on the same files: nothing cached. */
static inline void
nodefix_open(struct nodefix *x, uint32_t segment_bytes)
{

	CU_ASSERT_EQUAL_FATAL(segs_open(x->f.t.path, segment_bytes, 16,
	    &x->f.ss), 0);
	x->conf = (struct nodes_conf){
		.segs = x->f.ss, .segment_bytes = segment_bytes, .epoch = 3,
		.cache_bytes = 8u << 20, .next_segment = &x->next_segment,
		.created = nodefix_created, .created_arg = x,
	};
	memset(x->conf.store_uuid, 0x5a, 16);
	CU_ASSERT_EQUAL_FATAL(nodes_new(&x->conf, &x->ns), 0);
}

static inline void
nodefix_close(struct nodefix *x)
{

	nodes_free(x->ns);
	segs_close(x->f.ss);
}

static inline void
nodefix_reopen(struct nodefix *x)
{
	uint32_t bytes = x->conf.segment_bytes;

	nodefix_close(x);
	nodefix_open(x, bytes);
}

static inline void
nodefix_setup(struct nodefix *x, uint32_t segment_bytes)
{

	tmpdir_prefer_memory();
	memset(x, 0, sizeof(*x));
	tmpdir_make(&x->f.t);
	CU_ASSERT_EQUAL_FATAL(segs_init(x->f.t.path), 0);
	CU_ASSERT_EQUAL_FATAL(exec_sync_new(&x->es), 0);
	atomic_store(&x->next_segment, 1);
	nodefix_open(x, segment_bytes);
}

static inline void
nodefix_teardown(struct nodefix *x)
{

	nodefix_close(x);
	exec_sync_free(x->es);
	tmpdir_remove(&x->f.t);
}

/* A node that nobody else has. */
static inline void
nodefix_make(struct node *n, uint64_t stamp)
{

	memset(n, 0, sizeof(*n));
	for (unsigned i = (unsigned)(stamp % 3); i < NODE_FANOUT; i += 3)
		node_set_child(n, i, (struct place){ { stamp + 1, i },
		    loc_make((uint32_t)stamp + 7, 100 + i * 8, 8, 0) });
}

static inline bool
nodefix_is(const struct node *n, uint64_t stamp)
{
	struct node want;

	nodefix_make(&want, stamp);
	return (memcmp(n, &want, sizeof(want)) == 0);
}

/* Puts nodes ${from}... */
static inline void
nodefix_put(struct nodefix *x, struct place *p, uint64_t from, unsigned n)
{
	struct node nd;

	for (unsigned i = 0; i < n; i++) {
		nodefix_make(&nd, from + i);
		CU_ASSERT_EQUAL_FATAL(nodes_put(x->ns, &nd, &p[i]), 0);
	}
}

/* ---- loads ------------------------------------------------------------ */

struct nodefix_load {
	struct node_load nl;
	unsigned called;
	bool over;
};

static inline void
nodefix_loaded(struct node_load *nl)
{
	struct nodefix_load *l = TT_CONTAINER(nl, struct nodefix_load, nl);

	l->called++;
	l->over = true;
}

/* Both ways to load; they must agree.  The first goes from the disk. */
static inline int
nodefix_load(struct nodefix *x, struct place p, unsigned flags, bool async,
    struct node *out)
{
	struct nodefix_load l;

	if (!async)
		return (nodes_load(x->ns, p, flags, out));
	memset(&l, 0, sizeof(l));
	l.nl.done = nodefix_loaded;
	nodes_load_async(x->ns, exec_sync_exec(x->es), p, flags, &l.nl);
	CU_ASSERT_EQUAL(l.called, 0);	/* never from inside the call */
	exec_sync_run(x->es, &l.over);
	CU_ASSERT_EQUAL(l.called, 1);
	if (l.nl.rc == 0)
		*out = l.nl.node;
	return (l.nl.rc);
}

/* ---- files ------------------------------------------------------------ */

static inline const char *
nodefix_file(const struct nodefix *x, uint32_t number)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "seg/%02x/%08x", number & 0xff,
	    number);
	return (tmpdir_path(&x->f.t, name));
}

static inline void
nodefix_get(const struct nodefix *x, uint32_t number, uint64_t off, void *buf,
    size_t n)
{
	int fd = open(nodefix_file(x, number), O_RDONLY);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(pread(fd, buf, n, (off_t)off), (ssize_t)n);
	(void)close(fd);
}

static inline void
nodefix_write(const struct nodefix *x, uint32_t number, uint64_t off,
    const void *buf, size_t n)
{
	int fd = open(nodefix_file(x, number), O_WRONLY);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(pwrite(fd, buf, n, (off_t)off), (ssize_t)n);
	(void)close(fd);
}

#endif /* !TESTS_UNIT_META_NODEFIX_H */
