/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_keys.c - the one table of keys, and the check of a value by its row.
 */
#include "target/config_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "meta/base/size.h"
#include "meta/super.h"
#include "target/net/addr.h"
#include "target/secret.h"

#define MIB (UINT64_C(1) << 20)
#define TOP(nm, type, req, lo, hi, dflt, unit, ex, fld, help)		\
	{ NULL, nm, type, req, lo, hi, dflt, unit, ex, help,		\
	    offsetof(struct config, fld) }
#define PORTAL(nm, type, req, lo, hi, dflt, unit, ex, fld, help)	\
	{ "portal", nm, type, req, lo, hi, dflt, unit, ex, help,	\
	    offsetof(struct config_portal, fld) }

static const struct config_key keys[] = {
	TOP("store", CONFIG_PATH, true, 0, 0, NULL, "",
	    "\"/var/lib/tt\"", store,
	    "folder that holds everything; made by ttd --init"),
	TOP("socket", CONFIG_SOCKET, false, 0, 0, "/run/tt/tt.sock", "",
	    "\"/run/tt/tt.sock\"", socket,
	    "admin socket, the -s of tt-admin"),
	TOP("iqn-prefix", CONFIG_PREFIX, true, 0, 0, NULL, "",
	    "\"iqn.2026-01.com.example:tt\"", iqn_prefix,
	    "what the names of all targets begin with"),
	TOP("workers", CONFIG_NUMBER, false, 1, CONFIG_WORKERS_MAX,
	    CONFIG_CPUS, "threads", "4", workers,
	    "threads that serve connections"),
	TOP("memory", CONFIG_SIZE, false, 64 * MIB, (uint64_t)16 << 40, "512M",
	    "bytes", "2G", memory_bytes,
	    "what the daemon may use: data in flight, maps, writes not folded "
	    "yet"),
	TOP("segment-size", CONFIG_POWER, false, SEGMENT_BYTES_MIN,
	    SEGMENT_BYTES_MAX, "64M", "bytes", "64M", segment_bytes,
	    "size of a segment file; only ttd --init looks at it"),
	TOP("space-low", CONFIG_PERCENT, false, 0, 90, "10%", "percent",
	    "10%", space_low_percent,
	    "share of the file system: when less is free, servers are warned "
	    "and space is reclaimed; 0%: never"),
	TOP("space-reserve", CONFIG_SIZE, false, 16 * MIB,
	    (uint64_t)1 << 40, "256M", "bytes", "1G", space_reserve_bytes,
	    "what the store keeps allocated for itself, so that it goes on "
	    "when its file system is full; at most 1/32 of that"),
	TOP("scrub", CONFIG_NUMBER, false, 0, 3650, "30", "days", "30",
	    scrub_days,
	    "so often everything is read and verified in the background; 0: "
	    "never"),
	TOP("scrub-rate", CONFIG_SIZE, false, MIB, (uint64_t)1 << 40, "16M",
	    "bytes a second", "64M", scrub_rate_bytes,
	    "how much of that in a second"),
	TOP("chap-algorithms", CONFIG_ALGORITHMS, false, 1, 4,
	    "SHA3-256,SHA256,SHA1,MD5", "", "{\"SHA3-256\", \"SHA256\"}",
	    chap_algorithms, "CHAP algorithms that a server may choose from"),
	TOP("nop-interval", CONFIG_NUMBER, false, 0, 3600, "30", "seconds",
	    "30", nop_interval_s,
	    "silence of a server before it is asked whether it lives; 0: "
	    "never"),
	TOP("nop-timeout", CONFIG_NUMBER, false, 1, 3600, "30", "seconds",
	    "30", nop_timeout_s, "how long its answer may take"),
	TOP("discovery-user", CONFIG_USER, false, 0, 0, NULL, "",
	    "\"discovery\"", discovery_user,
	    "CHAP user for discovery; without it everybody may ask"),
	TOP("discovery-secret-file", CONFIG_PATH, false, 0, 0, NULL, "",
	    "\"/etc/tt/discovery.secret\"", discovery_secret_file,
	    "file with its secret"),
	PORTAL("listen", CONFIG_LISTEN, true, 1, CONFIG_LISTEN_MAX, NULL, "",
	    "{\"127.0.0.1:3260\", \"[::1]:3260\"}", listen,
	    "addresses to listen on; port 0: the system chooses"),
	PORTAL("advertise", CONFIG_ADVERTISE, false, 1, CONFIG_LISTEN_MAX,
	    NULL, "", "{\"192.0.2.1:3260\"}", advertise,
	    "addresses that servers are told instead, behind NAT"),
	PORTAL("tag", CONFIG_NUMBER, false, 1, UINT16_MAX, "1", "", "1", tag,
	    "portal group tag"),
};

const struct config_key *
config_keys(size_t *n)
{

	*n = sizeof(keys) / sizeof(keys[0]);
	return (keys);
}

static bool
is_path(const char *s, size_t max)
{
	const size_t len = strlen(s);

	return (len > 1 && len <= max && s[0] == '/');
}

/* iqn.YYYY-MM.naming-authority[:text], RFC 7143 4.2.7.4. */
static bool
is_prefix(const char *s)
{
	static const char form[] = "iqn.dddd-dd.";
	const size_t len = strlen(s);
	size_t i;

	if (len > CONFIG_PREFIX_MAX || len <= sizeof(form) - 1)
		return (false);
	for (i = 0; form[i] != '\0'; i++)
		if (form[i] == 'd' ? s[i] < '0' || s[i] > '9' : s[i] != form[i])
			return (false);
	for (; i < len; i++)
		if ((s[i] < 'a' || s[i] > 'z') && (s[i] < '0' || s[i] > '9') &&
		    s[i] != '-' && s[i] != '.' && s[i] != ':')
			return (false);
	return (s[len - 1] != ':' && s[len - 1] != '.');
}

static int parse_number(const char *s, uint64_t *out);

/* "10%" */
static int
parse_percent(const char *s, uint64_t *out)
{
	const size_t len = strlen(s);
	char digits[4];

	if (len < 2 || len > sizeof(digits) || s[len - 1] != '%')
		return (-EINVAL);
	memcpy(digits, s, len - 1);
	digits[len - 1] = '\0';
	return (parse_number(digits, out));
}

static int
parse_number(const char *s, uint64_t *out)
{
	uint64_t v = 0;

	if (*s == '\0' || strlen(s) > 18)
		return (-EINVAL);
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9')
			return (-EINVAL);
		v = v * 10 + (uint64_t)(*s - '0');
	}
	*out = v;
	return (0);
}

bool
config_is_list(const struct config_key *k)
{

	return (k->type == CONFIG_LISTEN || k->type == CONFIG_ADVERTISE ||
	    k->type == CONFIG_ALGORITHMS);
}

static const char *
check_address(const struct config_key *k, const char *text)
{
	struct sockaddr_storage sa;
	socklen_t len;

	if (addr_parse(text, &sa, &len) != 0)
		return ("is not a numeric address with a port");
	if (k->type == CONFIG_ADVERTISE && (addr_port(&sa) == 0 ||
	    strncmp(text, "0.0.0.0:", 8) == 0 ||
	    strncmp(text, "[::]:", 5) == 0))
		return ("is nothing that one could connect to");
	return (NULL);
}

static bool
is_algorithm(const char *s)
{

	return (strcmp(s, "SHA3-256") == 0 || strcmp(s, "SHA256") == 0 ||
	    strcmp(s, "SHA1") == 0 || strcmp(s, "MD5") == 0);
}

const char *
config_value_check(const struct config_key *k, const char *text,
    uint64_t *out_number)
{
	uint64_t v = 0;

	switch (k->type) {
	case CONFIG_PATH:
		return (is_path(text, CONFIG_PATH_MAX) ? NULL :
		    "is not an absolute path");
	case CONFIG_SOCKET:
		return (is_path(text, CONFIG_SOCKET_MAX) ? NULL :
		    "is not an absolute path of at most 107 bytes");
	case CONFIG_PREFIX:
		return (is_prefix(text) ? NULL :
		    "is not iqn.YYYY-MM.DOMAIN or iqn.YYYY-MM.DOMAIN:NAME, of "
		    "a-z 0-9 . - : and at most 95 bytes");
	case CONFIG_USER:
		return (secret_user_ok(text) ? NULL : "is not 1 to 200 "
		    "printable ASCII characters without blanks");
	case CONFIG_LISTEN:
	case CONFIG_ADVERTISE:
		return (check_address(k, text));
	case CONFIG_ALGORITHMS:
		return (is_algorithm(text) ? NULL : "is no CHAP algorithm");
	case CONFIG_NUMBER:
		if (parse_number(text, &v) != 0)
			return ("is not a number");
		break;
	case CONFIG_PERCENT:
		if (parse_percent(text, &v) != 0)
			return ("is not a percentage");
		break;
	case CONFIG_SIZE:
	case CONFIG_POWER:
		if (size_parse(text, &v) != 0)
			return ("is not a size");
		break;
	}
	if (v < k->min || v > k->max)
		return ("is out of range");
	if (k->type == CONFIG_POWER && (v & (v - 1)) != 0)
		return ("is not a power of two");
	*out_number = v;
	return (NULL);
}

const char *
config_range_text(const struct config_key *k, char dst[static CONFIG_TEXT_CAP])
{
	char lo[SIZE_TEXT_LEN], hi[SIZE_TEXT_LEN];

	switch (k->type) {
	case CONFIG_PATH:
		return ("an absolute path");
	case CONFIG_SOCKET:
		return ("an absolute path, at most 107 bytes");
	case CONFIG_PREFIX:
		return ("iqn.YYYY-MM.DOMAIN[:NAME], at most 95 bytes");
	case CONFIG_USER:
		return ("1 to 200 printable ASCII characters");
	case CONFIG_LISTEN:
	case CONFIG_ADVERTISE:
		return ("1 to 16 of ADDRESS:PORT or [IPV6]:PORT");
	case CONFIG_ALGORITHMS:
		return ("some of SHA3-256, SHA256, SHA1, MD5");
	case CONFIG_NUMBER:
		(void)snprintf(dst, CONFIG_TEXT_CAP, "%ju to %ju",
		    (uintmax_t)k->min, (uintmax_t)k->max);
		return (dst);
	case CONFIG_PERCENT:
		(void)snprintf(dst, CONFIG_TEXT_CAP, "%ju%% to %ju%%",
		    (uintmax_t)k->min, (uintmax_t)k->max);
		return (dst);
	case CONFIG_SIZE:
	case CONFIG_POWER:
		(void)snprintf(dst, CONFIG_TEXT_CAP, "%s to %s%s",
		    size_format(lo, k->min), size_format(hi, k->max),
		    k->type == CONFIG_POWER ? ", a power of two" : "");
		return (dst);
	}
	return ("");
}
