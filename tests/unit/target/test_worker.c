/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_worker.c - how sessions are spread over the workers.  Real loops and
 * sockets; logins are written by hand.
 */
#include "target/worker.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include "meta/base/bytes.h"
#include "meta/base/clock.h"
#include "target/joint_scsi.h"
#include "target/net/loop.h"
#include "tests/unit/target/real_store.h"

#define N_MAX	64

static struct workers *ws;
static struct loop *main_loop;
static pthread_t main_thread;
static struct exec_call end_call;
static int listen_fd;

static void *
run(void *arg)
{

	CU_ASSERT_EQUAL(loop_run(main_loop), 0);
	return (arg);
}

static void
drained(void *arg)
{

	(void)arg;
	loop_stop(main_loop);
}

static void
on_end(struct exec_call *c)
{

	(void)c;
	workers_drain(ws, true, loop_exec(main_loop), drained, NULL);
}

static void
begin(unsigned n)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct iscsi_env env = { .ops = &access_ops,
	    .task_ops = &joint_scsi_task_ops,
	    .task_priv_bytes = joint_scsi_priv_bytes };
	struct lun_info l;

	rs_make();
	rs_open();
	iscsi_node_free(rs_node);
	env.arg = rs_reg;
	CU_ASSERT_EQUAL_FATAL(iscsi_node_new(&env, &rs_node), 0);
	registry_set_node(rs_reg, rs_node);
	rs_create("open", true, NULL, 0, &l);
	CU_ASSERT_EQUAL_FATAL(workers_start(rs_ls, rs_node, n, &ws), 0);
	registry_set_workers(rs_reg, ws);
	CU_ASSERT_EQUAL_FATAL(registry_load(rs_reg), 0);
	CU_ASSERT_EQUAL_FATAL(loop_new(&main_loop), 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&main_thread, NULL, run, NULL), 0);
	listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_FATAL(bind(listen_fd, (struct sockaddr *)&sin,
	    sizeof(sin)) == 0 && listen(listen_fd, 128) == 0);
}

static void
end(void)
{

	end_call.fn = on_end;
	exec_post(loop_exec(main_loop), &end_call);
	CU_ASSERT_EQUAL(pthread_join(main_thread, NULL), 0);
	loop_free(main_loop);
	workers_free(ws);
	(void)close(listen_fd);
	rs_close();
	rs_remove();
}

/* A connection that some worker has; our end of it. */
static int
dial(void)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), in;

	CU_ASSERT_FATAL(fd >= 0 && getsockname(listen_fd,
	    (struct sockaddr *)&sin, &len) == 0 &&
	    connect(fd, (struct sockaddr *)&sin, len) == 0);
	in = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	CU_ASSERT_FATAL(in >= 0);
	workers_accept(ws, in, 1);
	return (fd);
}

/* One Login Request right to the full feature phase; true: it is there. */
static bool
login(int fd, uint16_t isid, bool discovery)
{
	static const char disc[] = "InitiatorName=iqn.2026-01.com.example:i\0"
	    "SessionType=Discovery";
	static const char norm[] = "InitiatorName=iqn.2026-01.com.example:i\0"
	    "TargetName=" PREFIX ":open";
	const size_t n = discovery ? sizeof(disc) : sizeof(norm);
	uint8_t b[256] = { 0x43, 0x87 }, r[48];

	put_be24(b + 5, (uint32_t)n);
	b[8] = 0x80;
	put_be16(b + 12, isid);
	put_be32(b + 24, 1);
	memcpy(b + 48, discovery ? disc : norm, n);
	return (send(fd, b, 48 + (n + 3) / 4 * 4, 0) > 0 &&
	    recv(fd, r, sizeof(r), MSG_WAITALL) == 48 && r[0] == 0x23 &&
	    r[1] == 0x87 && r[36] == 0);
}

static bool
spread(unsigned n, unsigned each)
{
	const uint64_t until = clock_mono_ms() + 10000;
	bool same;

	/* Who is gone is counted a moment longer. */
	do {
		same = true;
		for (unsigned i = 0; i < n; i++)
			same &= workers_load(ws, i) == each;
	} while (!same && clock_mono_ms() < until && poll(NULL, 0, 1) == 0);
	for (unsigned i = 0; !same && i < n; i++)
		(void)printf("\n    worker %u: %u, not %u\n", i,
		    workers_load(ws, i), each);
	return (same);
}

/* As open-iscsi does: first ask what there is, then log in. */
static void
test_discovery_first(void)
{
	for (unsigned n = 1; n <= 4; n++) {
		int fd[24], d[24];

		begin(n);
		for (unsigned i = 0; i < 24; i++) {
			d[i] = dial();
			CU_ASSERT_TRUE(login(d[i], 1, true));
			/* half of them stay open for a while */
			if (i % 2 == 0)
				(void)close(d[i]);
			fd[i] = dial();
			CU_ASSERT_TRUE(login(fd[i], (uint16_t)(2 + i), false));
		}
		CU_ASSERT_TRUE(spread(n, 24 / n));
		for (unsigned i = 0; i < 24; i++) {
			if (i % 2 == 1)
				(void)close(d[i]);
			(void)close(fd[i]);
		}
		CU_ASSERT_TRUE(spread(n, 0));
		end();
	}
}

/* All at once, after a restart: nobody has said yet what he wants. */
static void
test_storm(void)
{
	int fd[N_MAX];

	begin(4);
	for (unsigned i = 0; i < N_MAX; i++)
		fd[i] = dial();
	CU_ASSERT_TRUE(spread(4, N_MAX / 4));
	for (unsigned i = 0; i < N_MAX; i++)
		CU_ASSERT_TRUE(login(fd[i], (uint16_t)i, false));
	CU_ASSERT_TRUE(spread(4, N_MAX / 4));
	/* Those of one worker go; the next ones come there. */
	for (unsigned i = 0; i < N_MAX; i += 4)
		(void)close(fd[i]);
	for (unsigned i = 0; i < 4; i++)
		while (workers_load(ws, i) > N_MAX / 4)
			(void)poll(NULL, 0, 1);
	while (workers_load(ws, 0) + workers_load(ws, 1) +
	    workers_load(ws, 2) + workers_load(ws, 3) > N_MAX / 4 * 3)
		(void)poll(NULL, 0, 1);
	for (unsigned i = 0; i < N_MAX; i += 4) {
		fd[i] = dial();
		CU_ASSERT_TRUE(login(fd[i], (uint16_t)i, false));
	}
	CU_ASSERT_TRUE(spread(4, N_MAX / 4));
	for (unsigned i = 0; i < N_MAX; i++)
		(void)close(fd[i]);
	CU_ASSERT_TRUE(spread(4, 0));
	end();
}

/*
 * The same identities again, while the old sessions are still there: these end,
 * on whichever worker they are, and those that take their place are spread.
 */
static void
test_reinstatement(void)
{
	int fd[4][12];

	begin(3);
	for (unsigned k = 0; k < 4; k++) {
		for (unsigned i = 0; i < 12; i++) {
			fd[k][i] = dial();
			CU_ASSERT_TRUE(login(fd[k][i], (uint16_t)i, false));
		}
		CU_ASSERT_EQUAL(iscsi_node_count(rs_node, NULL), 12);
		for (unsigned i = 0; i < 3; i++)
			CU_ASSERT(workers_load(ws, i) >= 2);
	}
	for (unsigned k = 0; k < 4; k++)
		for (unsigned i = 0; i < 12; i++)
			(void)close(fd[k][i]);
	CU_ASSERT_TRUE(spread(3, 0));
	end();
}

static const struct unit_test tests[] = {
	{ "discovery before each login", test_discovery_first },
	{ "storm", test_storm },
	{ "reinstatement", test_reinstatement },
};
UNIT_MAIN("target/worker", tests)
