/* SPDX-License-Identifier: BSD-2-Clause */
#include "meta/base/rnd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "meta/base/check.h"

void
rnd_bytes(void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len > 0) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0) {
			TT_ASSERT(errno == EINTR);
			continue;
		}
		p += n;
		len -= (size_t)n;
	}
}

void
rnd_uuid(uint8_t uuid[static 16])
{

	rnd_bytes(uuid, 16);
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

const char *
uuid_format(char dst[static UUID_TEXT_LEN], const uint8_t uuid[static 16])
{
	static const char hex[] = "0123456789abcdef";
	char *p = dst;

	for (unsigned i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[uuid[i] >> 4];
		*p++ = hex[uuid[i] & 15];
	}
	*p = '\0';
	return (dst);
}

static uint8_t fake_boot_id[16];
static bool has_fake_boot_id;

void
rnd_fake_boot_id(const uint8_t id[static 16])
{

	memcpy(fake_boot_id, id, 16);
	has_fake_boot_id = true;
}

void
rnd_boot_id(uint8_t id[static 16])
{
	char text[UUID_TEXT_LEN] = "";
	unsigned i = 0, v;
	ssize_t n = -1;
	int fd;

	if (has_fake_boot_id) {
		memcpy(id, fake_boot_id, 16);
		return;
	}
	memset(id, 0, 16);
	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (n < (ssize_t)sizeof(text) - 1)
		return;
	for (const char *p = text; *p != '\0' && i < 16; ) {
		if (*p == '-') {
			p++;
			continue;
		}
		if (sscanf(p, "%2x", &v) != 1)
			break;
		id[i++] = (uint8_t)v;
		p += 2;
	}
	if (i < 16)
		memset(id, 0, 16);
}
