/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * e2e_garbage.c - nonsense on the portal: that connection is closed, a session
 * beside it goes on undisturbed, and so does the daemon.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "meta/base/bytes.h"
#include "meta/base/clock.h"
#include "tests/e2e/ini.h"
#include "tests/e2e/load.h"
#include "tests/lib/unit.h"

#define MIB (UINT64_C(1) << 20)

static struct daemon d;
static struct disk k;
static struct load *l;

static int
dial(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)d.port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&sa,
	    sizeof(sa)), 0);
	return (fd);
}

/*
 * Send, while the session beside writes.  True: the other side closed the
 * connection within ${ms}; what it answered before is read and thrown away.
 */
static bool
closed_after(int fd, const uint8_t *p, size_t n, unsigned ms)
{
	uint64_t end = clock_mono_ms() + ms;
	uint8_t buf[65536];
	bool closed = false;

	while (!closed && clock_mono_ms() < end) {
		struct pollfd f = { .fd = fd,
		    .events = (short)(n > 0 ? POLLIN | POLLOUT : POLLIN) };

		CU_ASSERT_TRUE_FATAL(load_run(l, 10, NULL, NULL));
		(void)poll(&f, 1, 0);
		if ((f.revents & POLLIN) != 0) {
			ssize_t r = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

			closed = r == 0 || (r < 0 && errno != EAGAIN);
		} else if ((f.revents & (POLLERR | POLLHUP)) != 0)
			closed = true;
		if (!closed && n > 0 && (f.revents & POLLOUT) != 0) {
			ssize_t w = send(fd, p, n, MSG_DONTWAIT |
			    MSG_NOSIGNAL);

			if (w > 0) {
				p += w;
				n -= (size_t)w;
			} else if (w < 0 && errno != EAGAIN)
				closed = true;
		}
	}
	(void)close(fd);
	return (closed);
}

/* A login request: header, and the data padded to four bytes. */
static size_t
login_pdu(uint8_t *out, const char *data, size_t len, size_t claim)
{

	memset(out, 0, 48);
	out[0] = 0x43;				/* immediate, login */
	out[1] = 0x81;				/* transit, to operational */
	put_be24(out + 5, (uint32_t)claim);
	put_be32(out + 16, 1);			/* ITT */
	put_be32(out + 24, 1);			/* CmdSN */
	if (len > 0)
		memcpy(out + 48, data, len);
	memset(out + 48 + len, 0, 4);
	return (48 + (len + 3) / 4 * 4);
}

static void
test_random(void)
{
	uint8_t buf[8192];
	uint64_t x = 88172645463325252u;

	for (int i = 0; i < 40; i++) {
		for (size_t j = 0; j < sizeof(buf); j++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			buf[j] = (uint8_t)x;
		}
		CU_ASSERT_TRUE(closed_after(dial(), buf, sizeof(buf), 20000));
	}
}

/* Each opcode as the first PDU, with nothing behind it. */
static void
test_opcodes(void)
{
	uint8_t bhs[48];

	for (unsigned op = 0; op < 64; op++) {
		if (op == 0x03)
			continue;
		memset(bhs, 0, sizeof(bhs));
		bhs[0] = (uint8_t)op;
		bhs[1] = 0x80;
		CU_ASSERT_TRUE(closed_after(dial(), bhs, sizeof(bhs), 20000));
	}
}

static void
test_http(void)
{
	static const char req[] = "GET / HTTP/1.1\r\nHost: localhost\r\n"
	    "User-Agent: lost\r\nAccept: */*\r\n\r\n";

	CU_ASSERT_TRUE(closed_after(dial(), (const uint8_t *)req,
	    sizeof(req) - 1, 20000));
}

/* 10,000 keys in PDUs of at most 8 KiB, continued one by one. */
static void
test_many_keys(void)
{
	uint8_t *buf = malloc(4u << 20), *p = buf;
	char text[8192];
	unsigned key = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(buf);
	while (key < 10000) {
		size_t n = 0;

		while (key < 10000 && n < sizeof(text) - 64)
			n += (size_t)snprintf(text + n, sizeof(text) - n,
			    "X-org.example.k%u=v", key++) + 1;
		(void)login_pdu(p, text, n, n);
		p[1] = 0x40;			/* continued */
		p += 48 + (n + 3) / 4 * 4;
	}
	CU_ASSERT_TRUE(closed_after(dial(), buf, (size_t)(p - buf), 30000));
	free(buf);
}

/* A data segment of 16 MiB - 1 in the first PDU. */
static void
test_huge_segment(void)
{
	size_t n = 16u << 20;
	uint8_t *buf = calloc(1, n + 64);

	CU_ASSERT_PTR_NOT_NULL_FATAL(buf);
	(void)login_pdu(buf, NULL, 0, n - 1);
	CU_ASSERT_TRUE(closed_after(dial(), buf, n + 48, 20000));
	free(buf);
}

/* Text without a zero at its end, without '=', with an endless key. */
static void
test_bad_text(void)
{
	static const char *const texts[] = { "InitiatorName", "=", "a=b\0=",
	    "InitiatorName=iqn.2026-01.org.example:x\0TargetName=",
	    "InitiatorName=\0SessionType=Normal" };
	static uint8_t buf[16384];
	char key[8000];
	size_t n;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		n = login_pdu(buf, texts[i], strlen(texts[i]),
		    strlen(texts[i]));
		CU_ASSERT_TRUE(closed_after(dial(), buf, n, 20000));
	}
	memset(key, 'k', sizeof(key));
	n = login_pdu(buf, key, sizeof(key), sizeof(key));
	CU_ASSERT_TRUE(closed_after(dial(), buf, n, 20000));
}

/* Half a header, then silence and hanging up: nothing is left behind. */
static void
test_half(void)
{
	uint8_t bhs[64];
	json_t *j;
	int rc;

	(void)login_pdu(bhs, NULL, 0, 0);
	for (int i = 0; i < 100; i++) {
		int fd = dial();

		CU_ASSERT(send(fd, bhs, (size_t)(i % 48), MSG_NOSIGNAL) >= 0);
		(void)close(fd);
	}
	CU_ASSERT_TRUE(load_run(l, 200, NULL, NULL));
	j = daemon_admin(&d, &rc, "sessions");
	CU_ASSERT_EQUAL(json_array_size(json_object_get(j, "sessions")), 2);
	json_decref(j);
}

/* Garbage of someone who is logged in ends only him. */
static void
test_inside_session(void)
{
	struct iscsi_context *ctx = ini_login(&k,
	    "iqn.2026-01.org.example:bad", NULL);
	static uint8_t bytes[65536];

	CU_ASSERT_PTR_NOT_NULL_FATAL(ctx);
	memset(bytes, 0xee, sizeof(bytes));
	CU_ASSERT_TRUE(closed_after(dup(iscsi_get_fd(ctx)), bytes,
	    sizeof(bytes), 20000));
	(void)iscsi_destroy_context(ctx);
}

static void
test_alive(void)
{

	CU_ASSERT_TRUE(load_flush(l));
	CU_ASSERT_EQUAL(load_verify(l, false), 0);
	CU_ASSERT_TRUE(daemon_alive(&d));
	load_logout(l);
	CU_ASSERT_TRUE(daemon_stop(&d));
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "random bytes", test_random },
		{ "every opcode first", test_opcodes },
		{ "HTTP", test_http },
		{ "10,000 keys", test_many_keys },
		{ "16 MiB before login", test_huge_segment },
		{ "bad text", test_bad_text },
		{ "half a header", test_half },
		{ "garbage in a session", test_inside_session },
		{ "the other session", test_alive },
	};
	struct load_conf c = { .conns = 2, .depth = 8, .key = 1, .seed = 5,
	    .io_max = 64 << 10, .zero_percent = 5, .win = { { 0, 16 * MIB } } };
	int rc;

	daemon_init(&d, NULL);
	daemon_start(&d);
	if (!daemon_create(&d, &k, "busy 16M"))
		return (1);
	l = load_new(&k, &c);
	if (!load_connect(l))
		return (1);
	rc = unit_run("e2e-garbage", tests, sizeof(tests) / sizeof(tests[0]));
	load_free(l);
	daemon_fini(&d, rc != 0);
	return (rc);
}
