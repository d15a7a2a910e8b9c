/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/net/addr.h"

#include <string.h>

#include "tests/lib/unit.h"

static void
test_good(void)
{
	static const struct {
		const char *in, *out;
		unsigned port;
		bool is_loopback;
	} t[] = {
		{ "127.0.0.1:3260", "127.0.0.1:3260", 3260, true },
		{ "127.255.0.9:1", "127.255.0.9:1", 1, true },
		{ "0.0.0.0:0", "0.0.0.0:0", 0, false },
		{ "192.0.2.7:65535", "192.0.2.7:65535", 65535, false },
		{ "[::1]:0", "[::1]:0", 0, true },
		{ "[::]:3260", "[::]:3260", 3260, false },
		{ "[2001:DB8:0::1]:860", "[2001:db8::1]:860", 860, false },
		{ "[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:1", 1, true },
		{ "[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.1]:1", 1, false },
	};
	char text[ADDR_TEXT_LEN];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct sockaddr_storage sa;
		socklen_t len = 0;

		CU_ASSERT_EQUAL_FATAL(addr_parse(t[i].in, &sa, &len), 0);
		CU_ASSERT_STRING_EQUAL(addr_format(text, &sa), t[i].out);
		CU_ASSERT_EQUAL(addr_port(&sa), t[i].port);
		CU_ASSERT_EQUAL(addr_is_loopback(&sa), t[i].is_loopback);
		CU_ASSERT(len > 0);
	}
}

static void
test_bad(void)
{
	static const char *const t[] = {
		"", ":", ":3260", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
		"127.0.0.1:99999999999", "127.0.0.1:-1", "127.0.0.1:+1",
		"127.0.0.1:03", "127.0.0.1:0x10", "127.0.0.1:1 ",
		" 127.0.0.1:1", "127.1:3260", "127.0.0.256:1", "localhost:3260",
		"::1:3260", "[::1]", "[::1]3260", "[::1]:", "[]:1", "[:1", "[",
		"[127.0.0.1]:1", "[fe80::1%lo]:1", "[::1]]:1", "1.2.3.4:1:2",
		"[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]:1",
	};
	struct sockaddr_storage sa, was;
	socklen_t len = 77;

	memset(&was, 0x5a, sizeof(was));
	sa = was;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		CU_ASSERT_NOT_EQUAL(addr_parse(t[i], &sa, &len), 0);
	CU_ASSERT_EQUAL(len, 77);
	CU_ASSERT_EQUAL(memcmp(&sa, &was, sizeof(sa)), 0);
}

static void
test_no_network(void)
{
	struct sockaddr_storage sa;
	char text[ADDR_TEXT_LEN];

	memset(&sa, 0, sizeof(sa));
	sa.ss_family = AF_UNIX;
	CU_ASSERT_STRING_EQUAL(addr_format(text, &sa), "local");
	CU_ASSERT(addr_is_loopback(&sa));
	CU_ASSERT_EQUAL(addr_port(&sa), 0);
	sa.ss_family = AF_UNSPEC;
	CU_ASSERT(!addr_is_loopback(&sa));
}

static const struct unit_test tests[] = {
	{ "good addresses", test_good },
	{ "bad addresses", test_bad },
	{ "sockets without a network", test_no_network },
};
UNIT_MAIN("net/addr", tests)
