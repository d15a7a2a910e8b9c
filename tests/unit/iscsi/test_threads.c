/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_threads.c - the whole layer on two real loops with real sockets: peers
 * on threads of their own log in under a few shared names, so that they keep
 * reinstating each other's sessions, write and read with commands in flight,
 * reset, log out, want more memory than there is, or just go; and the target is
 * taken away under them.  Meant for TSan as well.
 *
 * The SCSI side is a disk of one block per peer; it answers later, from a
 * posted call or a timer.
 */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "meta/base/bytes.h"
#include "meta/base/msg.h"
#include "target/iscsi/iscsi.h"
#include "target/net/listener.h"
#include "tests/lib/unit.h"

#define N_LANES 2
#define N_PEERS 6
#define ROUNDS 300
#define BLOCK 4096

struct iscsi_target {
	_Atomic int refs;
};

static struct iscsi_target the_target;
static _Atomic unsigned n_started, n_ended, n_submitted, n_done, n_released,
    n_resets, n_drops, n_evicted;
static atomic_bool removed, peers_done;

struct lane {
	struct loop *loop;
	struct iscsi_worker *w;
	struct listener *ls;
	pthread_t thread;
	struct exec_call stop;
	bool force;
};
static struct lane lanes[N_LANES];

/* The tasks of a lane are on its thread; a block belongs to one peer. */
static uint8_t disk[N_PEERS][BLOCK];
static pthread_mutex_t disk_mtx = PTHREAD_MUTEX_INITIALIZER;

struct priv {
	struct exec_call call;
	struct exec_timer timer;
};

static int
find(void *arg, const char *iqn, const struct iscsi_peer *peer,
    struct iscsi_target **out)
{

	(void)arg;
	(void)peer;
	if (strcmp(iqn, "iqn.t:disk") != 0)
		return (-ENOENT);
	if (atomic_load(&removed))
		return (-EIDRM);
	atomic_fetch_add(&the_target.refs, 1);
	*out = &the_target;
	return (0);
}

static void
put(void *arg, struct iscsi_target *t)
{

	(void)arg;
	atomic_fetch_sub(&t->refs, 1);
}

static bool
no_chap(void *arg, struct iscsi_target *t, const struct iscsi_peer *peer)
{

	(void)arg;
	(void)t;
	(void)peer;
	return (false);
}

static int
start(void *arg, struct iscsi_target *t,
    const struct iscsi_session_info *info, struct iscsi_conn *c,
    void **out_nexus)
{

	(void)arg;
	(void)t;
	(void)info;
	atomic_fetch_add(&n_started, 1);
	*out_nexus = c;
	return (0);
}

static void
ended(void *arg, void *nexus)
{

	(void)arg;
	(void)nexus;
	atomic_fetch_add(&n_ended, 1);
}

static void
execute(struct iscsi_task *t)
{
	struct iscsi_result r = { .xfer_bytes = BLOCK };
	size_t len;
	const uint8_t *cdb = iscsi_task_cdb(t, &len);
	unsigned lba = get_be32(cdb + 2) % N_PEERS, n;
	struct iovec *iov;

	(void)pthread_mutex_lock(&disk_mtx);
	if (cdb[0] == 0x28 && iscsi_task_alloc_in(t, BLOCK) == 0) {
		iov = iscsi_task_in(t, &n);
		memcpy(iov[0].iov_base, disk[lba], BLOCK);
		r.in_bytes = BLOCK;
	} else if (cdb[0] == 0x2a && !iscsi_task_aborted(t)) {
		iov = iscsi_task_out(t, &n);
		memcpy(disk[lba], iov[0].iov_base, BLOCK);
	}
	(void)pthread_mutex_unlock(&disk_mtx);
	atomic_fetch_add(&n_done, 1);
	iscsi_task_done(t, &r);
}

static void
on_call(struct exec_call *c)
{

	execute(iscsi_task_from_priv(TT_CONTAINER(c, struct priv, call)));
}

static void
on_timer(struct exec_timer *t)
{

	execute(iscsi_task_from_priv(TT_CONTAINER(t, struct priv, timer)));
}

static void
submit(struct iscsi_task *t)
{
	struct priv *p = iscsi_task_priv(t);
	struct exec *ex = loop_exec(iscsi_task_loop(t));

	memset(p, 0, sizeof(*p));
	p->call.fn = on_call;
	p->timer.fn = on_timer;
	list_init(&p->call.link);
	if (atomic_fetch_add(&n_submitted, 1) % 3 == 0)
		exec_after(ex, &p->timer, 500);
	else
		exec_post(ex, &p->call);
}

static void
on_abort(struct iscsi_task *t)
{

	/* Comes back when its call or timer runs. */
	(void)t;
}

static bool
lun_exists(void *nexus, const uint8_t lun[static 8])
{

	(void)nexus;
	return (lun[1] == 0);
}

static void
on_reset(void *nexus, enum iscsi_tmf_fn fn, const uint8_t lun[static 8])
{

	(void)nexus;
	(void)fn;
	(void)lun;
	atomic_fetch_add(&n_resets, 1);
}

static void
on_release(struct iscsi_task *t)
{

	(void)t;
	atomic_fetch_add(&n_released, 1);
}

static const struct iscsi_env_ops env_ops = {
	.target_find = find, .target_put = put, .chap_needed = no_chap,
	.session_start = start, .session_end = ended
};
static const struct iscsi_task_ops task_ops = {
	.submit = submit, .abort = on_abort, .lun_exists = lun_exists,
	.reset = on_reset, .release = on_release
};

static void
accepted(void *arg, int fd)
{
	struct lane *l = arg;

	(void)iscsi_conn_accept(l->w, fd, 1);
}

static void *
lane_main(void *arg)
{
	struct lane *l = arg;

	(void)loop_run(l->loop);
	return (NULL);
}

static void
lane_idle(void *arg)
{
	struct lane *l = arg;

	loop_stop(l->loop);
}

static void
lane_stop(struct exec_call *c)
{
	struct lane *l = TT_CONTAINER(c, struct lane, stop);

	iscsi_worker_stop(l->w, l->force, lane_idle, l);
}

/* The peer's side: blocking, false when the connection is gone. */
static bool
all_out(int fd, const void *p, size_t n)
{

	return (send(fd, p, n, MSG_NOSIGNAL) == (ssize_t)n);
}

static bool
all_in(int fd, void *p, size_t n)
{
	uint8_t *b = p;

	while (n > 0) {
		ssize_t k = recv(fd, b, n, 0);

		if (k <= 0)
			return (false);
		b += k;
		n -= (size_t)k;
	}
	return (true);
}

/* The next PDU of this opcode; others are passed over.  Data into ${buf}. */
static bool
wait_for(int fd, uint8_t opcode, uint8_t bhs[48], uint8_t *buf, size_t cap)
{
	uint8_t skip[8192];

	for (;;) {
		uint32_t len, pad;

		if (!all_in(fd, bhs, 48))
			return (false);
		len = get_be24(bhs + 5);
		pad = (4 - len % 4) % 4;
		if (len + pad > sizeof(skip))
			return (false);
		if (!all_in(fd, skip, len + pad))
			return (false);
		/* A read that someone's reset ended. */
		if (bhs[0] == 0x21 && opcode == 0x25)
			return (false);
		if (bhs[0] != opcode)
			continue;
		if (buf != NULL)
			memcpy(buf, skip, len < cap ? len : cap);
		return (true);
	}
}

static int
dial(unsigned lane)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct timeval tv = { .tv_sec = 20 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_port = htons(listener_port(lanes[lane].ls));
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0) {
		(void)close(fd);
		return (-1);
	}
	return (fd);
}

static bool
login(int fd, uint8_t isid)
{
	static const char text[] = "InitiatorName=iqn.i:storm\0"
	    "TargetName=iqn.t:disk\0SessionType=Normal\0InitialR2T=No\0"
	    "ImmediateData=Yes\0\0";
	uint8_t b[48] = { 0x43, 0x87 }, rsp[48], pdu[48 + sizeof(text) + 3];
	uint32_t len = sizeof(text) - 1, pad = (4 - len % 4) % 4;

	b[8] = 0x80;
	b[13] = isid;
	put_be32(b + 24, 1);
	put_be24(b + 5, len);
	memset(pdu, 0, sizeof(pdu));
	memcpy(pdu, b, 48);
	memcpy(pdu + 48, text, len);
	return (all_out(fd, pdu, 48 + len + pad) &&
	    wait_for(fd, 0x23, rsp, NULL, 0) && get_be16(rsp + 36) == 0);
}

static bool
request(int fd, uint32_t sn, bool write, uint32_t lba, const uint8_t *block,
    uint32_t edtl)
{
	uint8_t pdu[48 + BLOCK] = { 0x01, write ? 0xa1 : 0xc1 };

	put_be32(pdu + 16, sn);
	put_be32(pdu + 20, edtl);
	put_be32(pdu + 24, sn);
	pdu[32] = write ? 0x2a : 0x28;
	put_be32(pdu + 34, lba);
	if (!write)
		return (all_out(fd, pdu, 48));
	put_be24(pdu + 5, BLOCK);
	memcpy(pdu + 48, block, BLOCK);
	return (all_out(fd, pdu, sizeof(pdu)));
}

static bool
command(int fd, uint32_t sn, bool write, uint32_t lba, const uint8_t *block)
{

	return (request(fd, sn, write, lba, block, BLOCK));
}

/*
 * Reads that say they want 8 MiB each, together more than is shared: they wait
 * for each other, over connections and loops.
 */
static void
hungry_reads(int fd, uint32_t sn, unsigned me)
{
	uint8_t b[48];
	int n = 0;

	while (n < 8 && request(fd, sn++, false, me, NULL, 8u << 20))
		n++;
	while (n > 0 && wait_for(fd, 0x25, b, NULL, 0))
		n--;
}

static bool
immediate(int fd, uint8_t opcode, uint8_t flags, uint32_t sn, uint8_t answer)
{
	uint8_t b[48] = { (uint8_t)(0x40 | opcode), flags }, rsp[48];

	put_be32(b + 16, 0x80000000 + sn);
	put_be32(b + 20, 0xffffffff);
	put_be32(b + 24, sn);
	return (all_out(fd, b, 48) && wait_for(fd, answer, rsp, NULL, 0));
}

/*
 * One life of a peer.  What was acknowledged must be read back, now and in the
 * next life; a write that was not may be there or not.
 */
static void
round_trip(unsigned me, unsigned *seed, uint8_t *known, bool *sure)
{
	uint8_t block[BLOCK], got[BLOCK], b[48], *was = known;
	int fd = dial((unsigned)rand_r(seed) % N_LANES);
	uint32_t sn = 1;
	unsigned n = (unsigned)rand_r(seed) % 6;

	if (fd < 0)
		return;
	if (!login(fd, (uint8_t)(me % 3)))
		goto out_close;
	if (*sure && command(fd, sn++, false, me, NULL) &&
	    wait_for(fd, 0x25, b, got, BLOCK))
		CU_ASSERT_EQUAL(memcmp(got, was, BLOCK), 0);
	for (unsigned i = 0; i < n; i++) {
		memset(block, rand_r(seed), BLOCK);
		*sure = false;
		if (!command(fd, sn++, true, me, block) ||
		    !wait_for(fd, 0x21, b, NULL, 0))
			goto out_close;
		if (b[3] != 0)		/* the same with a write */
			continue;
		memcpy(known, block, BLOCK);
		*sure = true;
	}
	switch (rand_r(seed) % 6) {
	case 0:		/* some in flight, then gone */
		for (int i = 0; i < 8; i++)
			(void)command(fd, sn++, false, me, NULL);
		break;
	case 1:
		(void)immediate(fd, 0x02, 0x85, sn, 0x22);	/* LUN reset */
		break;
	case 2:
		(void)immediate(fd, 0x06, 0x80, sn, 0x26);	/* logout */
		break;
	case 3:
		(void)immediate(fd, 0x00, 0x80, sn, 0x20);	/* ping */
		break;
	case 4:
		hungry_reads(fd, sn, me);
		break;
	default:
		break;
	}
	atomic_fetch_add(&n_drops, 1);
out_close:
	(void)close(fd);
}

static void *
peer_main(void *arg)
{
	unsigned me = *(unsigned *)arg, seed = me + 1;
	uint8_t known[BLOCK] = { 0 };
	bool sure = true;

	for (int i = 0; i < ROUNDS; i++)
		round_trip(me, &seed, known, &sure);
	return (NULL);
}

static void
on_evicted(void *arg)
{

	CU_ASSERT_EQUAL(atomic_load(&the_target.refs), 0);
	(void)sem_post(arg);
}

/* Take the target away and give it back, again and again. */
static void *
evict_main(void *arg)
{
	struct iscsi_node *node = arg;
	unsigned i = 0;
	sem_t done;

	(void)sem_init(&done, 0, 0);
	while (!atomic_load(&peers_done)) {
		(void)usleep(20000);
		atomic_store(&removed, true);
		CU_ASSERT_EQUAL(iscsi_node_evict(node, &the_target, i % 3 * 5,
		    loop_exec(lanes[i % N_LANES].loop), on_evicted, &done), 0);
		(void)sem_wait(&done);
		atomic_store(&removed, false);
		atomic_fetch_add(&n_evicted, 1);
		i++;
	}
	(void)sem_destroy(&done);
	return (NULL);
}

static void
storm(bool force, bool evict)
{
	struct iscsi_env env = { .ops = &env_ops, .task_ops = &task_ops,
	    .task_priv_bytes = sizeof(struct priv),
	    .task_aborted_status = true, .memory_bytes = 64u << 20 };
	struct iscsi_node *node;
	pthread_t peers[N_PEERS], evictor;
	unsigned ids[N_PEERS];

	msg_set_level(MSG_ERR);
	memset(disk, 0, sizeof(disk));
	CU_ASSERT_EQUAL_FATAL(iscsi_node_new(&env, &node), 0);
	for (int i = 0; i < N_LANES; i++) {
		struct lane *l = &lanes[i];

		memset(l, 0, sizeof(*l));
		l->force = force;
		l->stop.fn = lane_stop;
		list_init(&l->stop.link);
		CU_ASSERT_EQUAL_FATAL(loop_new(&l->loop), 0);
		CU_ASSERT_EQUAL_FATAL(iscsi_worker_new(node, l->loop, &l->w),
		    0);
		CU_ASSERT_EQUAL_FATAL(listener_new(l->loop, "127.0.0.1:0",
		    accepted, l, &l->ls), 0);
	}
	for (int i = 0; i < N_LANES; i++)
		CU_ASSERT_EQUAL(pthread_create(&lanes[i].thread, NULL,
		    lane_main, &lanes[i]), 0);
	for (unsigned i = 0; i < N_PEERS; i++) {
		ids[i] = i;
		CU_ASSERT_EQUAL(pthread_create(&peers[i], NULL, peer_main,
		    &ids[i]), 0);
	}
	atomic_store(&peers_done, false);
	if (evict)
		CU_ASSERT_EQUAL(pthread_create(&evictor, NULL, evict_main,
		    node), 0);
	for (unsigned i = 0; i < N_PEERS; i++)
		(void)pthread_join(peers[i], NULL);
	atomic_store(&peers_done, true);
	if (evict) {
		(void)pthread_join(evictor, NULL);
		CU_ASSERT_TRUE(n_evicted > 2);
	}
	for (int i = 0; i < N_LANES; i++)
		exec_post(loop_exec(lanes[i].loop), &lanes[i].stop);
	for (int i = 0; i < N_LANES; i++) {
		(void)pthread_join(lanes[i].thread, NULL);
		listener_free(lanes[i].ls);
		iscsi_worker_free(lanes[i].w);
		loop_free(lanes[i].loop);
	}
	CU_ASSERT_EQUAL(iscsi_node_count(node, NULL), 0);
	iscsi_node_free(node);
	CU_ASSERT_EQUAL(n_started, n_ended);
	CU_ASSERT_EQUAL(n_submitted, n_done);
	CU_ASSERT_EQUAL(n_submitted, n_released);
	CU_ASSERT_EQUAL(the_target.refs, 0);
	CU_ASSERT_TRUE(n_drops > 20);
	CU_ASSERT_TRUE(n_resets > 0);
	CU_ASSERT_TRUE(n_submitted > 100);
}

static void
test_storm(void)
{

	storm(false, false);
}

static void
test_storm_force(void)
{

	storm(true, false);
}

static void
test_storm_evict(void)
{

	storm(false, true);
}

static const struct unit_test tests[] = {
	{ "storm of logins, orderly stop", test_storm },
	{ "storm of logins, forced stop", test_storm_force },
	{ "storm of logins and evictions", test_storm_evict }
};
UNIT_MAIN("iscsi/threads", tests)
