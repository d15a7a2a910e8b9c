/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/net/conn.h"

#include <pthread.h>
#include <string.h>

#include "tests/unit/net/pair.h"

/* --- echo --- */

#define ECHO_MSGS	5000
#define ECHO_MAX	9001

struct echo_out {
	struct conn_out out;
	struct iovec iov[3];
	uint8_t b[ECHO_MAX];
};

static uint8_t echo_buf[ECHO_MAX];
static size_t echo_most_queued;
static uint64_t echo_left;		/* bytes still to come */

static void
echo_sent(struct conn_out *o, int rc)
{

	sent_note(o, rc);
	free(TT_CONTAINER(o, struct echo_out, out));
}

static void
echo_received(void *arg, ssize_t n)
{
	struct echo_out *o;
	size_t third;

	(void)arg;
	n_received++;
	if (n <= 0) {
		last_received = n;
		conn_close(cn, true);
		return;
	}
	if ((o = malloc(sizeof(*o))) == NULL)
		abort();
	memcpy(o->b, echo_buf, (size_t)n);
	third = (size_t)n / 3;
	o->iov[0] = (struct iovec){ o->b, third };
	o->iov[1] = (struct iovec){ o->b + third, 0 };
	o->iov[2] = (struct iovec){ o->b + third, (size_t)n - third };
	o->out.iov = o->iov;
	o->out.n_iov = 3;
	o->out.sent = echo_sent;
	do_send(&o->out);
	echo_most_queued = TT_MAX(echo_most_queued, conn_unsent_bytes(cn));
	/* Never more than is still to come: what is short of it is not ours. */
	echo_left -= (uint64_t)n;
	do_recv(echo_buf, TT_MAX(1, TT_MIN(1 + n_received % 700, echo_left)),
	    sizeof(echo_buf));
}

static const struct conn_ops echo_ops = { echo_received, closed };

static uint8_t
echo_byte(uint64_t pos)
{

	return ((uint8_t)(pos ^ pos >> 8 ^ pos >> 17));
}

static size_t
echo_len(unsigned i)
{

	return (1 + (i * 7919u) % ECHO_MAX);
}

static void *
echo_writer(void *arg)
{
	uint8_t b[ECHO_MAX];
	uint64_t pos = 0;

	(void)arg;
	for (unsigned i = 0; i < ECHO_MSGS; i++) {
		const size_t len = echo_len(i);
		size_t done = 0;

		for (size_t j = 0; j < len; j++)
			b[j] = echo_byte(pos + j);
		while (done < len) {
			ssize_t n = write(peer, b + done, len - done);

			if (n <= 0)
				return ((void *)1);
			done += (size_t)n;
		}
		pos += len;
	}
	(void)shutdown(peer, SHUT_WR);
	return (NULL);
}

static void *
echo_reader(void *arg)
{
	uint64_t *got = arg;
	uint8_t b[4096];
	ssize_t n;

	while ((n = read(peer, b, sizeof(b))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			if (b[i] != echo_byte(*got + (uint64_t)i))
				return ((void *)1);
		*got += (uint64_t)n;
	}
	return ((void *)(intptr_t)n);
}

static void
test_echo(void)
{
	uint64_t want = 0, got = 0;
	pthread_t w, r;
	void *wrc, *rrc;

	begin(&echo_ops);
	for (unsigned i = 0; i < ECHO_MSGS; i++)
		want += echo_len(i);
	echo_left = want;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&w, NULL, echo_writer, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&r, NULL, echo_reader, &got), 0);
	do_recv(echo_buf, 1, sizeof(echo_buf));
	run();
	(void)pthread_join(w, &wrc);
	(void)pthread_join(r, &rrc);
	CU_ASSERT_PTR_NULL(wrc);
	CU_ASSERT_PTR_NULL(rrc);
	CU_ASSERT_EQUAL(got, want);
	CU_ASSERT_EQUAL(last_received, 0);
	CU_ASSERT_EQUAL(n_sent, n_received - 1);
	CU_ASSERT_EQUAL(n_unsent, 0);
	CU_ASSERT(echo_most_queued > 0);
	end();
}

/* --- receiving --- */

static void
test_min_cap(void)
{
	char b[64];

	begin(&note_ops);
	do_recv(b, 10, sizeof(b));
	peer_write("123456", 6);
	run_ms(30);
	CU_ASSERT_EQUAL(n_received, 0);		/* below the minimum */
	peer_write("789012", 6);
	run();
	CU_ASSERT_EQUAL(last_received, 12);
	CU_ASSERT_EQUAL(memcmp(b, "123456789012", 12), 0);
	peer_write("abcdefgh", 8);
	do_recv(b, 3, 5);			/* not beyond the cap */
	run();
	CU_ASSERT_EQUAL(last_received, 5);
	do_recv(b, 3, 3);
	run();
	CU_ASSERT_EQUAL(last_received, 3);
	CU_ASSERT_EQUAL(memcmp(b, "fgh", 3), 0);
	do_recv(b, 10, 10);			/* the end below the minimum */
	peer_write("xy", 2);
	(void)shutdown(peer, SHUT_WR);
	run();
	CU_ASSERT_EQUAL(last_received, 0);
	do_close(false);
	run();
	end();
}

static void
test_reset(void)
{
	const struct linger hard = { 1, 0 };
	char b[8];

	begin(&note_ops);
	do_recv(b, 8, 8);
	(void)setsockopt(peer, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	(void)close(peer);
	peer = -1;
	run();
	CU_ASSERT_EQUAL(last_received, -ECONNRESET);
	do_close(true);				/* nothing to wait for */
	run();
	end();
}

/* --- sending --- */

#define MANY 700		/* messages, several times the iovec limit */

static struct conn_out many[MANY];
static struct iovec many_iov[MANY][2];

static void
queue_many(const char *text)
{

	for (unsigned i = 0; i < MANY; i++) {
		many_iov[i][0] = (struct iovec){ (void *)(uintptr_t)text, 3 };
		many_iov[i][1] = (struct iovec){ (void *)(uintptr_t)text, 2 };
		many[i] = (struct conn_out){ .iov = many_iov[i], .n_iov = 2,
		    .sent = sent_note };
		do_send(&many[i]);
	}
}

/* Each sendmsg is one packet of a SEQPACKET socket: count and size them. */
static void
test_coalesce(void)
{
	static char b[16384];
	unsigned packets = 0;
	ssize_t total = 0, n;
	int fd[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
	begin_fds(fd, &note_ops);
	queue_many("abc");
	CU_ASSERT_EQUAL(conn_unsent_bytes(cn), MANY * 5);
	do_close(true);
	(void)shutdown(peer, SHUT_WR);
	run();
	while ((n = recv(peer, b, sizeof(b), MSG_DONTWAIT)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			CU_ASSERT_EQUAL(b[i], "abcab"[(total + i) % 5]);
		total += n;
		packets++;
	}
	CU_ASSERT_EQUAL(total, MANY * 5);
	CU_ASSERT_EQUAL(packets, (MANY * 2 + 255) / 256);
	CU_ASSERT_EQUAL(n_sent, MANY);
	end();
}

static void
test_empty(void)
{
	struct iovec nothing = { NULL, 0 }, some = { (void *)(uintptr_t)"z", 1 };
	struct conn_out a = { .iov = NULL, .n_iov = 0, .sent = sent_note };
	struct conn_out b = { .iov = &nothing, .n_iov = 1, .sent = sent_note };
	struct conn_out c = { .iov = &some, .n_iov = 1, .sent = sent_note };
	struct conn_out d = { .iov = &nothing, .n_iov = 1, .sent = sent_note };
	char got[2];

	begin(&note_ops);
	do_send(&a);
	do_send(&b);
	run_ms(10);
	CU_ASSERT_EQUAL(n_sent, 2);
	do_send(&c);
	do_send(&d);
	run_ms(10);
	CU_ASSERT_EQUAL(n_sent, 4);
	CU_ASSERT_EQUAL(conn_unsent_bytes(cn), 0);
	do_close(false);
	run();
	CU_ASSERT_EQUAL(peer_read_all(got, 2), 1);
	end();
}

/* Sends more than the socket takes; the rest goes when the peer reads. */
#define BIG_BYTES (16u << 20)

static void *
read_big(void *arg)
{
	uint8_t *b = malloc(BIG_BYTES + 1);
	ssize_t n;
	bool ok;

	(void)arg;
	if (b == NULL)
		abort();
	n = peer_read_all(b, BIG_BYTES + 1);
	ok = n == BIG_BYTES;
	for (uint64_t i = 0; ok && i < BIG_BYTES; i++)
		ok = b[i] == echo_byte(i);
	free(b);
	return ((void *)(intptr_t)ok);
}

static void
test_short_sends(void)
{
	uint8_t *b = malloc(BIG_BYTES);
	struct iovec iov[2];
	struct conn_out o = { .iov = iov, .n_iov = 2, .sent = sent_note };
	pthread_t t;
	void *ok = NULL;

	CU_ASSERT_PTR_NOT_NULL_FATAL(b);
	for (uint64_t i = 0; i < BIG_BYTES; i++)
		b[i] = echo_byte(i);
	iov[0] = (struct iovec){ b, 777 };
	iov[1] = (struct iovec){ b + 777, BIG_BYTES - 777 };
	begin(&note_ops);
	do_send(&o);
	run_ms(30);
	CU_ASSERT_EQUAL(n_sent, 0);
	CU_ASSERT(conn_unsent_bytes(cn) > 0);
	CU_ASSERT(conn_unsent_bytes(cn) < BIG_BYTES);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, read_big, NULL), 0);
	do_close(true);
	run();
	CU_ASSERT_EQUAL(n_sent, 1);
	(void)pthread_join(t, &ok);
	CU_ASSERT_PTR_NOT_NULL(ok);
	free(b);
	end();
}

/* Sends after the peer has gone: each is given back, none is lost. */
static void
test_send_broken(void)
{
	const struct linger hard = { 1, 0 };

	begin(&note_ops);
	(void)setsockopt(peer, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	(void)close(peer);
	peer = -1;
	queue_many("abc");
	run_ms(20);
	CU_ASSERT_EQUAL(n_unsent, MANY);
	CU_ASSERT_EQUAL(conn_unsent_bytes(cn), 0);
	CU_ASSERT(last_rc == -EPIPE || last_rc == -ECONNRESET);
	queue_many("abc");
	run_ms(20);
	CU_ASSERT_EQUAL(n_unsent, 2 * MANY);
	do_close(false);
	queue_many("abc");
	run();
	CU_ASSERT_EQUAL(n_unsent, 3 * MANY);
	end();
}

static void
test_names(void)
{
	char want[64];
	struct sockaddr_in in;
	socklen_t len = sizeof(in);

	begin(&note_ops);
	CU_ASSERT(conn_is_loopback(cn));
	CU_ASSERT_PTR_EQUAL(conn_loop(cn), lp);
	CU_ASSERT_EQUAL(getsockname(peer, (struct sockaddr *)&in, &len), 0);
	(void)snprintf(want, sizeof(want), "127.0.0.1:%u", ntohs(in.sin_port));
	CU_ASSERT_STRING_EQUAL(conn_peer(cn), want);
	CU_ASSERT_EQUAL(getpeername(peer, (struct sockaddr *)&in, &len), 0);
	(void)snprintf(want, sizeof(want), "127.0.0.1:%u", ntohs(in.sin_port));
	CU_ASSERT_STRING_EQUAL(conn_local(cn), want);
	do_close(false);
	run();
	end();
}

static const struct unit_test tests[] = {
	{ "echo of thousands of odd messages", test_echo },
	{ "minimum and cap of a receive", test_min_cap },
	{ "reset by the peer", test_reset },
	{ "one turn's sends share a sendmsg", test_coalesce },
	{ "messages without bytes", test_empty },
	{ "short sends go on", test_short_sends },
	{ "sends on a broken connection", test_send_broken },
	{ "names", test_names },
};
UNIT_MAIN("net/conn", tests)
