/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * model_main.c - random operations against a plain model.
 *
 *	engine-model [-s SEED] [-n STEPS] [-t SECONDS] [-w WORKERS] [-k]
 *	    [-b BITS] [-m MIB] [-g MIB] [-v] STORE
 *
 *	-s	what is done depends on it alone (with -w 0; with threads, their
 *		race is another each time)
 *	-n -t	ends after so many steps, or so long; else after 10 s
 *	-w	threads that write (3); 0: one thread does everything, in an
 *		order that the seed alone decides
 *	-k	the engine runs in a child process, which is killed with SIGKILL
 *		again and again, also while it recovers
 *	-b	ids have so many bits: collisions everywhere
 *	-m	size of each LUN (2)
 *	-g	writers wait while the store is larger (2048)
 *
 * A difference ends it with exit code 3, what is needed to look into it, and
 * the store left as it is.
 */
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "meta/base/check.h"
#include "meta/base/clock.h"
#include "meta/base/msg.h"
#include "meta/rec.h"
#include "tests/engine/model.h"

#define MIB		(UINT64_C(1) << 20)
#define STUCK_MS	90000u
#define SAMPLE_MS	250u
#define ROWS		UINT64_C(20)
/* Buffers of the workers, the budget of the engine, and some. */
#define RSS_MAX_KIB	(256u << 10)
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED	1
#else
#define SANITIZED	0
#endif

static void
usage(void)
{

	(void)fprintf(stderr, "usage: engine-model [-s SEED] [-n STEPS] "
	    "[-t SECONDS] [-w WORKERS] [-k] [-b BITS] [-m MIB] [-g MIB] "
	    "[-v] STORE\n");
	exit(2);
}

static uint64_t
number(const char *s)
{
	char *end;
	uint64_t v = strtoull(s, &end, 0);

	if (*s == '\0' || *end != '\0')
		usage();
	return (v);
}

static void
options(int argc, char **argv, struct m_conf *c)
{
	int o;

	while ((o = getopt(argc, argv, "s:n:t:w:kb:m:g:v")) != -1) {
		switch (o) {
		case 's':
			c->seed = number(optarg);
			break;
		case 'n':
			c->max_steps = number(optarg);
			break;
		case 't':
			c->max_ms = number(optarg) * 1000;
			break;
		case 'w':
			c->workers = (unsigned)number(optarg);
			break;
		case 'k':
			c->kill = true;
			break;
		case 'b':
			c->id_bits = (unsigned)number(optarg);
			break;
		case 'm':
			c->lun_units = (uint32_t)(number(optarg) * MIB /
			    UNIT_BYTES);
			break;
		case 'g':
			c->store_bytes = number(optarg) * MIB;
			break;
		case 'v':
			c->verbose = true;
			break;
		default:
			usage();
		}
	}
	if (optind != argc - 1 || c->workers > MODEL_WORKERS ||
	    c->lun_units < MIB / UNIT_BYTES ||
	    c->lun_units > 64 * MIB / UNIT_BYTES)
		usage();
	if (c->max_steps == 0 && c->max_ms == 0)
		c->max_ms = 10000;
	c->store = argv[optind];
}

/* ---- figures ------------------------------------------------------------------ */

struct sample {
	uint64_t ms, steps, kills, store_kib, rss_kib;
};

static struct sample samples[ROWS + 1];
static unsigned last_row;
static bool printed;

static unsigned long long
mib(uint64_t bytes)
{

	return (bytes / MIB);
}

static unsigned long long
ull(uint64_t v)
{

	return (v);
}

static void
print_counts(void)
{
	struct m_counts *c = &m->count;

	(void)printf("%llu steps in %llu s: %llu writes, %llu zeroes, %llu "
	    "compare-and-writes, %llu reads, %llu flushes, %llu cancelled\n",
	    ull(c->steps), ull((clock_mono_ms() - m->start_ms) / 1000),
	    ull(c->writes), ull(c->zeroes), ull(c->compares), ull(c->reads),
	    ull(c->flushes), ull(c->cancelled));
	(void)printf("%llu MiB written, %llu MiB read and compared, %llu MiB "
	    "copied\n", mib(c->written_bytes), mib(c->verified_bytes),
	    mib(c->copied * UNIT_BYTES));
	(void)printf("LUNs: %llu made, %llu deleted; snapshots: %llu made, "
	    "%llu deleted, %llu exposed\n", ull(c->luns_made),
	    ull(c->luns_deleted), ull(c->snaps_made), ull(c->snaps_deleted),
	    ull(c->exposures));
	(void)printf("%llu openings, %llu closed, %llu "
	    "abandoned, %llu killed, %llu rebuilt; %llu units in flight "
	    "settled\n", ull(c->opens), ull(c->closes),
	    ull(c->abandons), ull(c->kills), ull(c->rebuilds),
	    ull(c->resolved));
	(void)printf("%llu checkpoints asked for, %llu verifications, %llu "
	    "reclaims: %llu MiB freed, %llu MiB punched, %llu MiB moved\n",
	    ull(c->checkpoints), ull(c->verifies), ull(c->gcs),
	    mib(c->gc_freed), mib(c->gc_punched), mib(c->gc_moved));
	(void)printf("dedup: %llu MiB shared, %llu collisions; at the end "
	    "%llu MiB on disk for %llu MiB\n", mib(c->shared),
	    ull(c->collisions), mib(c->end_store_bytes),
	    mib(c->end_live_bytes));
	(void)printf("slowest, in ms: opening %llu, I/O %llu, snapshot %llu, "
	    "checkpoint %llu, reclaim %llu, verification %llu\n",
	    ull(c->slow_ms[SLOW_OPEN]), ull(c->slow_ms[SLOW_IO]),
	    ull(c->slow_ms[SLOW_SNAP]), ull(c->slow_ms[SLOW_CKPT]),
	    ull(c->slow_ms[SLOW_GC]), ull(c->slow_ms[SLOW_VERIFY]));
}

/* The same seed must give the same. */
static void
print_order(void)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < HISTORY && i < m->next_history; i++) {
		const struct m_history *h = &m->history[i];

		sum = (sum ^ h->no ^ h->kind ^ (uint64_t)h->lun << 8 ^
		    (uint64_t)h->unit << 16 ^ (uint64_t)h->n << 40 ^ h->tok) *
		    UINT64_C(0x100000001b3);
	}
	(void)printf("order: %016llx\n", ull(sum));
}

static void
print_sample(unsigned i)
{
	const struct sample *s = &samples[i];

	if (s->ms == 0)
		return;
	if (!printed)
		(void)printf("%8s %10s %7s %10s %9s\n", "seconds", "steps",
		    "kills", "store MiB", "RSS MiB");
	printed = true;
	(void)printf("%8llu %10llu %7llu %10llu %9llu\n", ull(s->ms / 1000),
	    ull(s->steps), ull(s->kills), ull(s->store_kib >> 10),
	    ull(s->rss_kib >> 10));
	(void)fflush(stdout);
}

/* ---- with kills ----------------------------------------------------------------- */

static uint64_t tree_kib;

static int
add_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{

	(void)path;
	(void)type;
	(void)ftw;
	tree_kib += (uint64_t)st->st_blocks / 2;
	return (0);
}

/* Memory of its own, without pages of files. */
static uint64_t
rss_kib(pid_t pid)
{
	char line[256];
	uint64_t v = 0;
	FILE *f;

	(void)snprintf(line, sizeof(line), "/proc/%d/status", (int)pid);
	if ((f = fopen(line, "re")) == NULL)
		return (0);
	while (v == 0 && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "RssAnon:", 8) == 0)
			v = strtoull(line + 8, NULL, 10);
	(void)fclose(f);
	return (v);
}

static _Noreturn void
give_up(pid_t pid, const char *why)
{

	(void)fprintf(stderr, "model: FAILED: %s; seed %llu, generation %llu, "
	    "store %s (%llu MiB)\n", why, ull(m->conf.seed),
	    ull(m->generation), m->conf.store, ull(tree_kib >> 10));
	if (pid != getpid())
		(void)kill(pid, SIGABRT);
	exit(3);
}

/* The most that was seen in a tenth of the time. */
static void
sample(pid_t child)
{
	const uint64_t ms = clock_mono_ms() - m->start_ms;
	uint64_t span = m->conf.max_ms == 0 ? 60000 : m->conf.max_ms / ROWS;
	uint64_t row = TT_MIN(ms / TT_MAX(span, UINT64_C(1)), ROWS), kib;
	struct sample *s = &samples[row];

	if (row > last_row) {
		print_sample(last_row);
		last_row = (unsigned)row;
	}
	s->ms = ms;
	s->steps = m->count.steps;
	s->kills = m->count.kills;
	tree_kib = 0;
	(void)nftw(m->conf.store, add_file, 8, FTW_PHYS);
	s->store_kib = tree_kib > s->store_kib ? tree_kib : s->store_kib;
	kib = rss_kib(child);
	s->rss_kib = kib > s->rss_kib ? kib : s->rss_kib;
	if (tree_kib > 2 * (m->conf.store_bytes >> 10) + 1024 * 1024)
		give_up(child, "the store grows without end");
	if (!SANITIZED && kib > RSS_MAX_KIB)
		give_up(child, "the engine takes too much memory");
}

static _Noreturn void
child_main(uint64_t seed)
{
	uint64_t s = seed;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (m->conf.id_bits != 0)
		id_set_test_bits(m->conf.id_bits);
	while (!time_is_over())
		generation(&s);
	(void)fflush(NULL);
	_exit(0);
}

/* 0: it lives; 1: it ended because the time is over. */
static int
child_state(pid_t pid)
{
	int status;
	pid_t got = waitpid(pid, &status, WNOHANG);

	if (got == 0)
		return (0);
	if (got == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return (1);
	if (WIFSIGNALED(status))
		(void)fprintf(stderr, "model: the engine ended by signal %d; "
		    "seed %llu, generation %llu, store %s\n",
		    WTERMSIG(status), ull(m->conf.seed), ull(m->generation),
		    m->conf.store);
	exit(3);
}

static uint64_t
choose_life(uint64_t *s)
{

	switch (rnd(s, 10)) {
	case 0:
	case 1:
		return (1 + rnd(s, 60));
	case 2:
	case 3:
	case 4:
		return (50 + rnd(s, 500));
	case 9:
		return (m->conf.max_ms >= 600000 && rnd(s, 4) == 0 ?
		    60000 : 5000);
	default:
		return (300 + rnd(s, 3000));
	}
}

/* Where everybody waits, if there is a debugger to ask; and a core. */
static _Noreturn void
stuck(pid_t pid)
{
	char cmd[128];

	(void)fprintf(stderr, "model: FAILED: nothing happens; seed %llu, "
	    "generation %llu, store %s\n", ull(m->conf.seed),
	    ull(m->generation), m->conf.store);
	(void)snprintf(cmd, sizeof(cmd), "gdb -p %d -batch -ex "
	    "'thread apply all bt' >&2 2>/dev/null", (int)pid);
	(void)!system(cmd);
	(void)kill(pid, SIGABRT);
	exit(3);
}

/*
 * Lets it live for a while; true: the time is over.  ${patient}: it dies only
 * when it gets on, so that a standstill is not ended by the kill.
 */
static bool
live(pid_t pid, uint64_t ms, bool patient, uint64_t *next_sample)
{
	uint64_t until = clock_mono_ms() + ms, seen = m->count.steps;
	uint64_t seen_ms = clock_mono_ms(), now;

	while ((now = clock_mono_ms()) < until || (patient &&
	    now > seen_ms + 100)) {
		if (child_state(pid) != 0)
			return (true);
		if (now >= *next_sample) {
			sample(pid);
			*next_sample = clock_mono_ms() + SAMPLE_MS;
		}
		if (m->count.steps + m->count.verified_bytes != seen) {
			seen = m->count.steps + m->count.verified_bytes;
			seen_ms = now;
		} else if (now > seen_ms + STUCK_MS) {
			stuck(pid);
		}
		(void)usleep(m->failed ? 100000 : 1000);
		/* Whoever failed has to say so before it is killed. */
		patient = patient || m->failed;
	}
	return (false);
}

static void
supervise(uint64_t *s)
{
	uint64_t next_sample = 0, life;
	pid_t pid;
	int status;

	while (!time_is_over()) {
		(void)fflush(NULL);
		if ((pid = fork()) == 0)
			child_main(rnd_stream(m->count.kills, 5));
		if (pid < 0) {
			perror("fork");
			exit(1);
		}
		life = choose_life(s);
		if (m->count.kills == 0 && m->conf.max_ms != 0)
			life = TT_MIN(life, m->conf.max_ms / 4);
		if (live(pid, life, rnd(s, 4) == 0, &next_sample))
			return;
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, &status, 0);
		if (!WIFSIGNALED(status)) {
			if (WEXITSTATUS(status) != 0)
				exit(3);
			return;
		}
		atomic_fetch_add(&m->count.kills, 1);
	}
}

int
main(int argc, char **argv)
{
	struct m_conf c = { .seed = 1, .workers = 3,
	    .lun_units = (uint32_t)(2 * MIB / UNIT_BYTES),
	    .store_bytes = 2048 * MIB };
	uint64_t s;

	options(argc, argv, &c);
	(void)printf("engine-model: seed %llu, %u threads%s, ids of %u bits, "
	    "5 LUNs of %llu MiB\n", ull(c.seed), c.workers,
	    c.kill ? ", killed" : "", c.id_bits == 0 ? 128 : c.id_bits,
	    mib((uint64_t)c.lun_units * UNIT_BYTES));
	msg_set_level(c.verbose ? MSG_INFO : MSG_WARN);
	m = model_new(&c);
	s = rnd_stream(0, 4);
	if (c.id_bits != 0)
		id_set_test_bits(c.id_bits);
	make_store();
	if (c.kill)
		supervise(&s);
	else
		while (!time_is_over()) {
			generation(&s);
			sample(getpid());
		}
	last_generation(&s);
	print_sample(last_row);
	print_counts();
	if (c.workers == 0 && !c.kill)
		print_order();
	if (m->count.steps < 100 || m->count.snaps_made == 0 ||
	    (c.kill && m->count.kills == 0)) {
		(void)fprintf(stderr, "model: too little happened\n");
		return (1);
	}
	return (m->failed ? 3 : 0);
}
