/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * workload.h - what the two threads of the workload share.
 */
#ifndef TESTS_CRASH_WORKLOAD_H
#define TESTS_CRASH_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "lun/lun.h"
#include "tests/crash/mark.h"
#include "tests/lib/eng.h"

#define LUNS		5
#define SNAPS		4

#define UNITS_MAX	2048u		/* 1 MiB */
#define BLOCKS_MAX	256u
#define DEPTH		8
#define IO_MAX		(64u << 10)
#define STREAMS		4u
#define STREAM_BLOCKS	48u		/* places where a copy may begin */
#define WORK_RESERVE	(UINT64_C(1) << 20)

/* Between asking and the answer a thing is COMING or GOING. */
enum state { NO, COMING, YES, GOING };

/*
 * All of this is in memory that outlives the process that does the work.  What
 * the administrator's thread writes (state) the other one reads only when the
 * administrator is idle.
 */
struct snap {
	enum state state, exposed;
	char name[64];
};

struct lun {
	bool used;		/* for I/O */
	enum state state;
	uint32_t key;
	char name[64];
	struct lun_info info;
	unsigned in_flight;
	uint64_t n_unit, first_units;
	uint64_t off[2], len[2];
	uint64_t cur[UNITS_MAX];	/* the content of each unit */
	uint8_t blk_busy[BLOCKS_MAX];	/* per block of the windows */
	struct snap snap[SNAPS];
	bool prop[PROPS];		/* of the administrator */
	enum mark_prop next_prop;
	_Atomic bool write_through;	/* it was said that it is on */
	struct lun_dev *dev;		/* of the process */
};

struct slot {
	struct eng_io io;
	struct lun_extent ext;
	struct lun *l;
	bool used, flush;
	uint32_t op;
	bool zero;
	uint64_t content;	/* at off, of a stream; 0: its own */
	uint64_t off, len;	/* what it holds busy */
	uint8_t buf[2 * IO_MAX];
};

struct work {
	struct lun lun[LUNS];
	struct slot slot[DEPTH];
	uint32_t next_op, next_snap;
	uint32_t next_key;	/* keys of LUNs, never used twice */
	uint64_t seed;
	unsigned losses;
	struct {
		uint64_t shared, freed, moved, punched; /* bytes */
		unsigned repairs, remade, rebuilds, released;
	} did;
};

extern struct work *work;
extern struct lunset *work_ls;
extern const char *work_store;

void work_mark(struct mark k);
void work_mark_snap(enum mark_kind kind, const struct lun *l, const char *name,
    uint64_t seq, const uint8_t *uuid);
void work_must(int rc, const char *what);	/* exits when rc is not 0 */

/* What the administrator can be asked to do; ${s} may be NULL. */
int work_adm_create(struct lun *l, struct snap *s);
int work_adm_delete(struct lun *l, struct snap *s);
int work_adm_snap(struct lun *l, struct snap *s);
int work_adm_snap_delete(struct lun *l, struct snap *s);
int work_adm_expose(struct lun *l, struct snap *s);
int work_adm_unexpose(struct lun *l, struct snap *s);
int work_adm_checkpoint(struct lun *l, struct snap *s);
int work_adm_reclaim(struct lun *l, struct snap *s);
int work_adm_prop(struct lun *l, struct snap *s);	/* l->next_prop */
int work_adm_repair(struct lun *l, struct snap *s);

/* A file of nodes is lost (closed store); verification makes it again. */
void work_lose(void);
void work_make_good(void);

/* What ${prop} is now. */
bool work_prop(const struct lun *l, enum mark_prop prop);
/* Of unit ${at} bytes behind the begin of an operation. */
uint64_t work_content(const struct slot *s, uint64_t at);

void work_adm_init(void);
void work_adm_fini(void);
bool work_adm_idle(void);
/* Begins; the administrator must be idle. */
void work_adm_start(int (*fn)(struct lun *, struct snap *), struct lun *l,
    struct snap *s);

/*
 * The process before this one ended at once: find out what became of what it
 * was doing, compare everything else with what was acknowledged, and say so in
 * marks.  Exits when something is lost.
 */
void work_again(struct eng *e);

/*
 * The file system has no space left, until the store gives its reserve back
 * (has it?); there is room again, and the reserve is made again.
 */
void work_fs_full(void);
bool work_fs_released(void);
void work_fs_room(void);

/* What the store of this process has done is added; was there all? */
void work_did_count(void);
bool work_did_all(void);
void work_did_tell(void);

/* Bytes of a LUN: busy or not (0, 1), or ask whether any is busy (-1). */
bool work_blocks(struct lun *l, uint64_t off, uint64_t len, int set);

#endif /* !TESTS_CRASH_WORKLOAD_H */
