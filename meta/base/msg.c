/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/base/msg.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "meta/base/clock.h"

static _Atomic int max_level = MSG_INFO;
static const char *_Atomic person;	/* NULL: priorities, for systemd */

void
msg_set_level(enum msg_level level)
{

	atomic_store(&max_level, (int)level);
}

void
msg_to_person(const char *name)
{

	atomic_store(&person, name);
}

void
msg_at(enum msg_level level, const char *fmt, ...)
{
	char line[1024];
	const char *name;
	va_list ap;
	int n, m;

	if ((int)level > atomic_load(&max_level))
		return;
	if ((name = atomic_load(&person)) != NULL)
		n = snprintf(line, 64, "%.60s: ", name);
	else
		n = snprintf(line, sizeof(line), "<%d>", (int)level);
	va_start(ap, fmt);
	m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	if (m < 0)
		return;
	n += m;
	if ((size_t)n > sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	line[n++] = '\n';
	/* A message that cannot be written has nowhere else to go. */
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}

const char *
msg_why(int rc)
{

	switch (rc) {
	case -EILSEQ:
		return ("content does not match");
	case -EUCLEAN:
		return ("damaged");
	case -ENODATA:
		return ("it ends too early");
	case -EPROTONOSUPPORT:
		return ("of a version that this program does not know");
	default:
		return (strerror(-rc));
	}
}

const char *
msg_safe(char *dst, size_t cap, const void *src, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *s = src;
	size_t o = 0;

	for (size_t i = 0; i < len; i++) {
		if (s[i] >= 0x20 && s[i] < 0x7f && s[i] != '\\') {
			if (o + 1 >= cap)
				break;
			dst[o++] = (char)s[i];
			continue;
		}
		if (o + 4 >= cap)
			break;
		dst[o++] = '\\';
		dst[o++] = 'x';
		dst[o++] = hex[s[i] >> 4];
		dst[o++] = hex[s[i] & 15];
	}
	if (cap > 0)
		dst[o] = '\0';
	return (dst);
}

int
msg_allowed(struct msg_limit *l, unsigned burst)
{
	uint64_t now = clock_mono_ms() / 10000 + 1;

	if (atomic_exchange(&l->window, now) != now)
		atomic_store(&l->count, 0);
	return (atomic_fetch_add(&l->count, 1) < burst);
}
