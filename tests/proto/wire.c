/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/proto/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "meta/base/bytes.h"
#include "meta/base/check.h"
#include "meta/base/clock.h"

/* CRC32C, reflected, a nibble at a time: RFC 7143 13.1. */
uint32_t
wire_crc(uint32_t crc, const void *p, size_t n)
{
	static const uint32_t t[16] = { 0x00000000, 0x105ec76f, 0x20bd8ede,
	    0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
	    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4,
	    0xd3d3e1ab, 0xe330a81a, 0xf36e6f75 };
	const uint8_t *b = p;

	crc = ~crc;
	while (n-- > 0) {
		crc ^= *b++;
		crc = crc >> 4 ^ t[crc & 15];
		crc = crc >> 4 ^ t[crc & 15];
	}
	return (~crc);
}

static void
put_crc(uint8_t d[4], uint32_t crc)
{

	for (int i = 0; i < 4; i++)
		d[i] = (uint8_t)(crc >> 8 * i);
}

bool
wire_dial(struct wire *w, unsigned port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port) };
	int one = 1;

	*w = (struct wire){ .fd = -1 };
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	w->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (w->fd < 0)
		return (false);
	(void)setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(w->fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return (true);
	wire_close(w);
	return (false);
}

void
wire_close(struct wire *w)
{

	if (w->fd >= 0)
		(void)close(w->fd);
	w->fd = -1;
	free(w->in);
	w->in = NULL;
	w->in_beg = w->in_end = w->in_cap = 0;
}

void
wire_reset(struct wire *w)
{
	struct linger l = { 1, 0 };

	if (w->fd >= 0)
		(void)setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	wire_close(w);
}

/* What can be read now; false: the end. */
static bool
fill(struct wire *w)
{
	ssize_t n;

	if (w->in_beg > 0 && w->in_beg == w->in_end)
		w->in_beg = w->in_end = 0;
	if (w->in_cap - w->in_end < 65536) {
		if (w->in_end > w->in_beg)
			memmove(w->in, w->in + w->in_beg,
			    w->in_end - w->in_beg);
		w->in_end -= w->in_beg;
		w->in_beg = 0;
	}
	if (w->in_cap - w->in_end < 65536) {
		w->in_cap = w->in_cap * 2 + 131072;
		w->in = realloc(w->in, w->in_cap);
		TT_ASSERT(w->in != NULL);
	}
	n = recv(w->fd, w->in + w->in_end, w->in_cap - w->in_end,
	    MSG_DONTWAIT);
	if (n > 0) {
		w->in_end += (size_t)n;
		w->received += (uint64_t)n;
		return (true);
	}
	return (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* While the other side does not read, what it sends is read. */
bool
wire_raw(struct wire *w, const void *p, size_t n)
{
	const uint8_t *b = p;
	uint64_t end = clock_mono_ms() + WIRE_MS;

	while (n > 0 && clock_mono_ms() < end) {
		struct pollfd f = { .fd = w->fd, .events = POLLOUT | POLLIN };
		ssize_t k;

		if (poll(&f, 1, 100) < 0 && errno != EINTR)
			return (false);
		if ((f.revents & POLLIN) != 0 && !fill(w))
			return (false);
		if ((f.revents & (POLLOUT | POLLERR | POLLHUP)) == 0)
			continue;
		k = send(w->fd, b, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (k > 0) {
			b += k;
			n -= (size_t)k;
		} else if (k < 0 && errno != EAGAIN && errno != EINTR)
			return (false);
	}
	return (n == 0);
}

bool
wire_send_ahs(struct wire *w, uint8_t b[48], const void *ahs, size_t ahs_len,
    const void *data, size_t len)
{
	static const uint8_t zero[4];
	size_t pad = (4 - len % 4) % 4, n = 0;
	uint8_t *buf = malloc(48 + ahs_len + 4 + len + pad + 4);
	bool ok;

	TT_ASSERT(buf != NULL && ahs_len % 4 == 0);
	b[4] = (uint8_t)(ahs_len / 4);
	put_be24(b + 5, (uint32_t)len);
	memcpy(buf, b, 48);
	n = 48;
	if (ahs_len > 0)
		memcpy(buf + n, ahs, ahs_len);
	n += ahs_len;
	if (w->hdigest) {
		put_crc(buf + n, wire_crc(0, buf, n) ^ w->spoil_header);
		n += 4;
	}
	if (len > 0) {
		memcpy(buf + n, data, len);
		memcpy(buf + n + len, zero, pad);
		n += len + pad;
	}
	if (w->ddigest && len > 0) {
		put_crc(buf + n, wire_crc(0, buf + n - len - pad, len + pad) ^
		    w->spoil_data);
		n += 4;
	}
	w->spoil_header = w->spoil_data = false;
	ok = wire_raw(w, buf, n);
	free(buf);
	return (ok);
}

bool
wire_send(struct wire *w, uint8_t b[48], const void *data, size_t len)
{

	return (wire_send_ahs(w, b, NULL, 0, data, len));
}

static bool
crc_is(const uint8_t *p, size_t n)
{
	uint8_t d[4];

	put_crc(d, wire_crc(0, p, n));
	return (memcmp(d, p + n, 4) == 0);
}

/* A whole PDU at the front of what was received. */
static bool
take(struct wire *w, struct wpdu *out)
{
	size_t have = w->in_end - w->in_beg, need = 48, len, pad;
	const uint8_t *p;

	if (have < need)
		return (false);
	p = w->in + w->in_beg;
	len = get_be24(p + 5);
	pad = (4 - len % 4) % 4;
	w->bad |= p[4] != 0;		/* no answer has additional headers */
	if (w->hdigest)
		need += 4;
	if (have < need + len + pad + (w->ddigest && len > 0 ? 4 : 0))
		return (false);
	w->bad |= w->hdigest && !crc_is(p, 48);
	memcpy(out->b, p, 48);
	out->data = p + need;
	out->len = (uint32_t)len;
	for (size_t i = 0; i < pad; i++)
		w->bad |= out->data[len + i] != 0;
	need += len + pad;
	if (w->ddigest && len > 0) {
		w->bad |= !crc_is(out->data, len + pad);
		need += 4;
	}
	w->in_beg += need;
	return (true);
}

enum wire_got
wire_recv(struct wire *w, struct wpdu *out, unsigned ms)
{
	uint64_t end = clock_mono_ms() + ms;

	for (;;) {
		struct pollfd f = { .fd = w->fd, .events = POLLIN };
		uint64_t now = clock_mono_ms();

		if (take(w, out))
			return (WIRE_PDU);
		if (now > end)
			return (WIRE_NOTHING);
		if (poll(&f, 1, (int)(end - now)) > 0 && !fill(w))
			return (WIRE_CLOSED);
	}
}

bool
wire_gone(struct wire *w, unsigned ms)
{
	uint64_t end = clock_mono_ms() + ms;

	for (;;) {
		struct pollfd f = { .fd = w->fd, .events = POLLIN };
		uint64_t now = clock_mono_ms();

		if (now > end)
			return (false);
		if (poll(&f, 1, (int)(end - now)) > 0) {
			w->in_beg = w->in_end = 0;
			if (!fill(w))
				return (true);
		}
	}
}

const char *
wire_value(const struct wpdu *p, const char *key)
{
	const char *s = (const char *)p->data;
	size_t k = strlen(key), i = 0;

	if (p->len == 0 || s[p->len - 1] != '\0')
		return (NULL);
	while (i < p->len) {
		if (strncmp(s + i, key, k) == 0 && s[i + k] == '=')
			return (s + i + k + 1);
		i += strlen(s + i) + 1;
	}
	return (NULL);
}
