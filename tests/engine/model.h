/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * model.h - a plain model of a store, and programs that work on both and
 * compare: what model.c, model_io.c, model_adm.c, model_open.c and
 * model_main.c share.
 *
 * The model is in memory that is shared with the supervisor and outlives a
 * process that is killed.  A LUN is an array of units of 512 bytes, a unit is a
 * token, and its bytes are a function of the token alone: so equal content in
 * other places is common, and what a sector holds tells where it came from.
 *
 * A LUN's units lie in cells, which may be far apart on the disk; each worker
 * owns every n-th cell and has at most one operation in flight on it.  What is
 * in flight is noted before it is sent, so that after a kill a unit may be
 * what it was or what it was about to be; then it is taken as it was found, and
 * must stay so.
 */
#ifndef TESTS_ENGINE_MODEL_H
#define TESTS_ENGINE_MODEL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/lib/eng.h"

#define UNIT_BYTES	512u
#define MODEL_LUNS	5u
#define MODEL_SNAPS	5u		/* of each LUN */
#define MODEL_WORKERS	4u
#define MODEL_DEPTH	6u
#define MODEL_PARTS	3u
#define CELL_UNITS_MAX	2048u
#define ALTS_MAX	262144u
#define HISTORY		65536u
#define ALPHA		(UINT64_C(1) << 63)
#define ALPHA_UNITS	16384u		/* 8 MiB of content that repeats */

typedef uint64_t token;			/* 0: zeroes */

/* Of a thing that is made or removed: a crash in between may show either. */
enum there { GONE, COMING, THERE, GOING };

struct m_alt {
	uint32_t unit;
	token tok;
};

struct m_snap {
	enum there state, exposed;
	char name[48];
	uint64_t seq;
	struct lun_identity identity;	/* of the exposure */
	unsigned readers;
};

struct m_part {
	uint32_t unit, n;
};

/* An operation that changes units; ${tok} has those of the first part. */
struct m_flight {
	_Atomic bool active;
	bool zero;
	unsigned lun, n_parts;
	struct m_part part[MODEL_PARTS];
	token tok[CELL_UNITS_MAX];
};

/* Protected by lk, but what the administrator alone changes. */
struct m_lun {
	enum there state;
	char name[32];
	struct lun_info info;
	bool dedup;
	uint32_t cell_units, n_cells, n_units;
	uint64_t stride_bytes;		/* from one cell to the next */
	pthread_mutex_t lk;
	_Atomic bool gate;		/* closed: nobody opens or submits */
	unsigned n_open;		/* devices of workers */
	bool snapping;			/* alts are gathered for ... */
	unsigned snapping_of;		/* ... the snapshot in this slot */
	unsigned n_alts;
	struct m_alt alts[ALTS_MAX];
	struct m_snap snap[MODEL_SNAPS];
};

enum m_event {
	EV_WRITE, EV_ZERO, EV_COMPARE, EV_CREATE, EV_DELETE, EV_SNAP,
	EV_SNAP_DEL, EV_EXPOSE, EV_UNEXPOSE, EV_DEDUP, EV_CKPT, EV_GC,
	EV_VERIFY, EV_OPEN, EV_CLOSE, EV_ABANDON, EV_REBUILD, EV_RESOLVED
};

struct m_history {
	uint64_t no;
	uint32_t kind, lun, unit, n;
	token tok;
};

struct m_conf {
	uint64_t seed, max_steps, max_ms;
	unsigned workers;		/* 0: one thread, a fixed order */
	unsigned id_bits;		/* 0: all */
	uint32_t lun_units;
	uint64_t store_bytes;		/* more: writers wait */
	bool kill, verbose;
	const char *store;
};

enum m_slow { SLOW_OPEN, SLOW_IO, SLOW_SNAP, SLOW_CKPT, SLOW_GC, SLOW_VERIFY,
	SLOWS };

/* Everything that is counted. */
struct m_counts {
	_Atomic uint64_t steps, writes, reads, zeroes, compares, flushes;
	_Atomic uint64_t cancelled, written_bytes, verified_bytes, copied;
	_Atomic uint64_t luns_made, luns_deleted, snaps_made, snaps_deleted;
	_Atomic uint64_t exposures, checkpoints, gcs, verifies, dedups;
	_Atomic uint64_t opens, closes, abandons, kills, rebuilds, resolved;
	_Atomic uint64_t gc_freed, gc_moved, gc_punched, shared, collisions;
	_Atomic uint64_t end_store_bytes, end_live_bytes;
	_Atomic uint64_t slow_ms[SLOWS];
};

struct model {
	struct m_conf conf;
	struct m_counts count;
	uint64_t start_ms;
	_Atomic uint64_t next_token, next_history, next_name;
	_Atomic bool stop, failed, full;
	bool rebuilding;
	uint64_t generation;
	struct m_lun lun[MODEL_LUNS];
	struct m_flight flight[MODEL_WORKERS][MODEL_DEPTH];
	struct m_history history[HISTORY];
	token units[];
};

extern struct model *m;
extern struct lunset *ls;

/* ---- model.c ---------------------------------------------------------- */

struct model *model_new(const struct m_conf *conf);
uint64_t rnd(uint64_t *s, uint64_t n);
uint64_t rnd_stream(uint64_t generation, uint64_t who);
token *units_of(unsigned lun, int snap);	/* snap -1: the LUN */
uint64_t unit_off_bytes(const struct m_lun *l, uint32_t unit);
void unit_fill(token t, uint8_t *buf);
bool unit_is(token t, const uint8_t *buf);
/* Is it what anybody could have written?  The token. */
bool unit_decode(const uint8_t *buf, token *out);
void slow(enum m_slow what, uint64_t since_ms);
void history(enum m_event kind, unsigned lun, uint32_t unit, uint32_t n,
    token tok);
_Noreturn void fail(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));
/* A unit is not what it should be; ${snap} -1: the LUN. */
_Noreturn void fail_unit(struct lun_dev *dev, unsigned lun, int snap,
    uint32_t unit, token want, const uint8_t *buf, const char *what);
void check_units(struct eng *e, struct lun_dev *dev, unsigned lun, int snap,
    uint32_t unit, uint32_t n, const char *what);
/* All of a LUN or snapshot.  ${resolve}: what was under way is settled. */
void check_all(struct eng *e, unsigned lun, int snap, bool resolve,
    const char *what);

#define MUST(x)								\
	do {								\
		int rc_ = (x);						\
									\
		if (rc_ != 0)						\
			fail("%s: %s", #x, strerror(-rc_));		\
	} while (0)

/* ---- model_io.c ------------------------------------------------------- */

struct m_worker;
struct m_worker *worker_new(unsigned number);
void worker_step(struct m_worker *w);
void worker_drain(struct m_worker *w);
/* Let go of LUNs whose gate is closed, take those whose is open. */
void worker_gates(struct m_worker *w);
void worker_free(struct m_worker *w);

/* ---- model_adm.c ------------------------------------------------------ */

struct m_admin {
	struct eng e;
	uint64_t rnd;
	struct m_worker *worker;	/* the only thread's, or NULL */
	unsigned first, step;		/* LUNs that are its own; verifies: 0 */
};
void admin_step(struct m_admin *a);
void care_step(struct m_admin *a);
void reader_step(struct m_admin *a);
/* Nothing is in flight: delete all snapshots, and is the space given back? */
void admin_space(struct m_admin *a);

/* ---- model_open.c ----------------------------------------------------- */

void make_store(void);
/* Opens, compares everything, works for a while, ends in some way. */
void generation(uint64_t *s);
/* The end: all is compared, and the space is given back. */
void last_generation(uint64_t *s);
bool time_is_over(void);

#endif /* !TESTS_ENGINE_MODEL_H */
