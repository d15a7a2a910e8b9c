/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/probe.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "meta/base/clock.h"

/* The connection is there, or will not be. */
static bool
finished(int fd, unsigned ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	uint64_t end_ms = clock_mono_ms() + ms, now_ms;
	socklen_t len = sizeof(int);
	int err = 0, n;

	while ((now_ms = clock_mono_ms()) < end_ms) {
		n = poll(&pfd, 1, (int)(end_ms - now_ms));
		if (n < 0 && errno != EINTR)
			return (false);
		if (n > 0)
			return (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err,
			    &len) == 0 && err == 0);
	}
	return (false);
}

bool
probe_portal(const char *address, unsigned port, unsigned ms)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
	    .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV }, *ai;
	char service[16];
	bool ok = false;
	int fd;

	if (strcmp(address, "0.0.0.0") == 0)
		address = "127.0.0.1";
	else if (strcmp(address, "::") == 0)
		address = "::1";
	(void)snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(address, service, &hints, &ai) != 0)
		return (false);
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (fd >= 0) {
		ok = connect(fd, ai->ai_addr, ai->ai_addrlen) == 0 ||
		    (errno == EINPROGRESS && finished(fd, ms));
		(void)close(fd);
	}
	freeaddrinfo(ai);
	return (ok);
}
