/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>


static int
addr_parse_port(const char *s, in_port_t *out)
{
	uint32_t v = 0;

	if (*s == '\0' || (s[0] == '0' && s[1] != '\0'))
		return (-EINVAL);
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9')
			return (-EINVAL);
		v = v * 10 + (uint32_t)(*s - '0');
		if (v > 65535)
			return (-EINVAL);
	}
	*out = htons((uint16_t)v);
	return (0);
}

int
addr_parse(const char *text, struct sockaddr_storage *out, socklen_t *out_len)
{
	char host[INET6_ADDRSTRLEN];
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	const bool is_v6 = text[0] == '[';
	const char *end;
	size_t len;

	if (is_v6)
		text++;
	end = is_v6 ? strchr(text, ']') : strchr(text, ':');
	if (end == NULL || (is_v6 && end[1] != ':'))
		return (-EINVAL);
	len = (size_t)(end - text);
	if (len == 0 || len >= sizeof(host))
		return (-EINVAL);
	memcpy(host, text, len);
	host[len] = '\0';
	if (addr_parse_port(end + (is_v6 ? 2 : 1),
	    is_v6 ? &in6.sin6_port : &in.sin_port) != 0)
		return (-EINVAL);
	if (inet_pton(is_v6 ? AF_INET6 : AF_INET, host,
	    is_v6 ? (void *)&in6.sin6_addr : (void *)&in.sin_addr) != 1)
		return (-EINVAL);
	memset(out, 0, sizeof(*out));
	*out_len = is_v6 ? sizeof(in6) : sizeof(in);
	memcpy(out, is_v6 ? (const void *)&in6 : (const void *)&in, *out_len);
	return (0);
}

/* sockaddr_storage is copied out, which keeps the aliasing rules. */
static struct sockaddr_in
addr_v4(const struct sockaddr_storage *sa)
{
	struct sockaddr_in in;

	memcpy(&in, sa, sizeof(in));
	return (in);
}

static struct sockaddr_in6
addr_v6(const struct sockaddr_storage *sa)
{
	struct sockaddr_in6 in6;

	memcpy(&in6, sa, sizeof(in6));
	return (in6);
}

const char *
addr_format(char dst[static ADDR_TEXT_LEN], const struct sockaddr_storage *sa)
{
	char host[INET6_ADDRSTRLEN];

	if (sa->ss_family == AF_INET) {
		struct sockaddr_in in = addr_v4(sa);

		(void)inet_ntop(AF_INET, &in.sin_addr, host, sizeof(host));
		(void)snprintf(dst, ADDR_TEXT_LEN, "%s:%u", host,
		    addr_port(sa));
	} else if (sa->ss_family == AF_INET6) {
		struct sockaddr_in6 in6 = addr_v6(sa);

		(void)inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof(host));
		(void)snprintf(dst, ADDR_TEXT_LEN, "[%s]:%u", host,
		    addr_port(sa));
	} else {
		(void)snprintf(dst, ADDR_TEXT_LEN, "local");
	}
	return (dst);
}

bool
addr_is_loopback(const struct sockaddr_storage *sa)
{

	if (sa->ss_family == AF_INET) {
		struct sockaddr_in in = addr_v4(sa);

		return (ntohl(in.sin_addr.s_addr) >> 24 == 127);
	}
	if (sa->ss_family == AF_INET6) {
		struct sockaddr_in6 in6 = addr_v6(sa);

		if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
			return (in6.sin6_addr.s6_addr[12] == 127);
		return (IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr));
	}
	return (sa->ss_family == AF_UNIX);
}

unsigned
addr_port(const struct sockaddr_storage *sa)
{

	if (sa->ss_family == AF_INET)
		return (ntohs(addr_v4(sa).sin_port));
	if (sa->ss_family == AF_INET6)
		return (ntohs(addr_v6(sa).sin6_port));
	return (0);
}
