/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/paste.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "meta/base/check.h"

#define ADDRESS_LEN	64
#define PORTAL_LEN	80
#define QUOTED_LEN	2048
#define LINE_LEN	(QUOTED_LEN + 512)
#define CHAP_ALGS	"SHA3-256,SHA256,SHA1,MD5"	/* best first */

static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=@,+-%";

const char *
paste_quote(char *dst, size_t cap, const char *src)
{
	size_t n = 0;

	TT_ASSERT(cap >= 3);
	if (*src != '\0' && src[strspn(src, plain)] == '\0' &&
	    strlen(src) < cap) {
		memcpy(dst, src, strlen(src) + 1);
		return (dst);
	}
	dst[n++] = '\'';
	for (; *src != '\0'; src++) {
		size_t need = *src == '\'' ? 4 : 1;

		if (n + need + 2 > cap)
			break;
		/* A quote ends the word, stands alone, and it goes on. */
		memcpy(dst + n, *src == '\'' ? "'\\''" : src, need);
		n += need;
	}
	dst[n++] = '\'';
	dst[n] = '\0';
	return (dst);
}

const char *
paste_portal(char *dst, size_t cap, const char *address, json_int_t port)
{
	bool v6 = strchr(address, ':') != NULL;

	(void)snprintf(dst, cap, "%s%s%s:%lld", v6 ? "[" : "", address,
	    v6 ? "]" : "", (long long)port);
	return (dst);
}

/* A useful address of interface ${ifa} in family ${af}. */
static bool
usable(const struct ifaddrs *ifa, int af)
{
	const struct sockaddr *sa = ifa->ifa_addr;
	struct sockaddr_in6 sin6;

	if (sa == NULL || sa->sa_family != af ||
	    (ifa->ifa_flags & IFF_UP) == 0 ||
	    (ifa->ifa_flags & IFF_LOOPBACK) != 0)
		return (false);
	if (af == AF_INET)
		return (true);
	memcpy(&sin6, sa, sizeof(sin6));
	return (!IN6_IS_ADDR_LINKLOCAL(&sin6.sin6_addr));
}

static bool
own_address(char *dst, size_t cap, int af)
{
	struct ifaddrs *all;
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;
	const char *text = NULL;

	if (getifaddrs(&all) != 0)
		return (false);
	for (const struct ifaddrs *i = all; i != NULL && text == NULL;
	    i = i->ifa_next) {
		if (!usable(i, af))
			continue;
		if (af == AF_INET) {
			memcpy(&sin, i->ifa_addr, sizeof(sin));
			text = inet_ntop(af, &sin.sin_addr, dst,
			    (socklen_t)cap);
		} else {
			memcpy(&sin6, i->ifa_addr, sizeof(sin6));
			text = inet_ntop(af, &sin6.sin6_addr, dst,
			    (socklen_t)cap);
		}
	}
	freeifaddrs(all);
	return (text != NULL);
}

const char *
paste_reachable(char *dst, size_t cap, const char *address)
{
	bool v4 = strcmp(address, "0.0.0.0") == 0;
	bool v6 = strcmp(address, "::") == 0;

	if (!v4 && !v6)
		(void)snprintf(dst, cap, "%s", address);
	else if (!own_address(dst, cap, v4 ? AF_INET : AF_INET6))
		(void)snprintf(dst, cap, "%s", v4 ? "127.0.0.1" : "::1");
	return (dst);
}

static const char *
text_of(json_t *obj, const char *key)
{

	return (json_string_value(json_object_get(obj, key)));
}

/* One more line; ${fmt} as printf. */
static void __attribute__((format(printf, 2, 3)))
add(json_t *lines, const char *fmt, ...)
{
	char text[LINE_LEN];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)json_array_append_new(lines, json_string(text));
	explicit_bzero(text, sizeof(text));
}

/*
 * Ask for the targets.  Where that needs CHAP, a user of the LUN may ask with his
 * own secret; for a LUN without users it is the user that all have in common.
 */
static void
discovery(json_t *lines, const char *where, const char *common, json_t *chap)
{
	static const char what[] = "discovery.sendtargets.auth";
	const char *user = text_of(chap, "user"), *secret;
	char quoted[QUOTED_LEN], db[PORTAL_LEN + 64];

	if (common == NULL) {
		/* Without "new" other LUNs' records would lose their secrets. */
		add(lines, "iscsiadm -m discovery -t sendtargets -p %s -o new",
		    where);
		return;
	}
	(void)snprintf(db, sizeof(db), "iscsiadm -m discoverydb -t "
	    "sendtargets -p %s", where);
	add(lines, "%s -o new", db);
	add(lines, "%s -o update -n %s.authmethod -v CHAP", db, what);
	/* No chap_algs here: open-iscsi does MD5 for discovery. */
	add(lines, "%s -o update -n %s.username -v %s", db, what,
	    paste_quote(quoted, sizeof(quoted), user == NULL ? common : user));
	if ((secret = text_of(chap, "secret")) != NULL)
		(void)paste_quote(quoted, sizeof(quoted), secret);
	else
		(void)snprintf(quoted, sizeof(quoted), "\"$%s\"",
		    user == NULL ? "DISCOVERY_SECRET" : "CHAP_SECRET");
	add(lines, "%s -o update -n %s.password -v %s", db, what, quoted);
	explicit_bzero(quoted, sizeof(quoted));
	add(lines, "%s --discover -o new", db);
}

/* One "node.session.auth" setting; ${value} is quoted already. */
static void
update(json_t *lines, const char *iqn, const char *name, const char *value)
{

	add(lines, "iscsiadm -m node -T %s -o update -n node.session.auth.%s "
	    "-v %s", iqn, name, value);
}

/* User and secret of ${who}; a secret that is not known is a variable. */
static void
credentials(json_t *lines, const char *iqn, json_t *who, const char *suffix,
    const char *variable)
{
	const char *user = text_of(who, "user"), *secret;
	char quoted[QUOTED_LEN], name[32];

	if (user == NULL)
		return;
	(void)snprintf(name, sizeof(name), "username%s", suffix);
	update(lines, iqn, name, paste_quote(quoted, sizeof(quoted), user));
	(void)snprintf(name, sizeof(name), "password%s", suffix);
	if ((secret = text_of(who, "secret")) != NULL)
		(void)paste_quote(quoted, sizeof(quoted), secret);
	else
		(void)snprintf(quoted, sizeof(quoted), "\"$%s\"", variable);
	update(lines, iqn, name, quoted);
	explicit_bzero(quoted, sizeof(quoted));
}

json_t *
paste_lines(json_t *disk)
{
	json_t *portal = json_array_get(json_object_get(disk, "portals"), 0);
	json_t *chap = json_object_get(disk, "chap");
	json_t *mutual = json_object_get(disk, "mutual");
	json_t *lines = json_array();
	const char *iqn = text_of(disk, "iqn");
	const char *address = text_of(portal, "address");
	char reach[ADDRESS_LEN], where[PORTAL_LEN], quoted_iqn[256];

	if (lines == NULL || iqn == NULL || address == NULL)
		return (lines);
	(void)paste_quote(quoted_iqn, sizeof(quoted_iqn), iqn);
	(void)paste_portal(where, sizeof(where),
	    paste_reachable(reach, sizeof(reach), address),
	    json_integer_value(json_object_get(portal, "port")));
	discovery(lines, where, text_of(disk, "discovery_user"), chap);
	if (chap != NULL) {
		update(lines, quoted_iqn, "authmethod", "CHAP");
		/* Its own default is MD5 alone. */
		update(lines, quoted_iqn, "chap_algs", CHAP_ALGS);
	}
	credentials(lines, quoted_iqn, chap, "", "CHAP_SECRET");
	credentials(lines, quoted_iqn, mutual, "_in", "MUTUAL_SECRET");
	add(lines, "iscsiadm -m node -T %s --login", quoted_iqn);
	return (lines);
}

void
paste_print(FILE *f, json_t *disk)
{
	json_t *lines = paste_lines(disk), *v;
	size_t i;

	json_array_foreach(lines, i, v)
		(void)fprintf(f, "%s\n", json_string_value(v));
	json_decref(lines);
}

/* A user without his secret: it is to be filled in. */
static bool
lacks(json_t *disk, const char *who)
{
	json_t *obj = json_object_get(disk, who);

	return (text_of(obj, "user") != NULL && text_of(obj, "secret") == NULL);
}

void
paste_print_use(FILE *f, json_t *disk)
{
	bool chap = lacks(disk, "chap"), mutual = lacks(disk, "mutual");
	bool common = text_of(disk, "discovery_user") != NULL &&
	    json_object_get(disk, "chap") == NULL;
	bool told = json_object_get(disk, "chap") != NULL && !chap;
	const char *lun = text_of(disk, "lun");

	if (chap || mutual)
		(void)fprintf(f, "Fill in the secrets that `create` showed, "
		    "then paste on the server, as root:\n\n");
	else if (common)
		(void)fprintf(f, "Fill in the secret of discovery-user, then "
		    "paste on the server, as root:\n\n");
	else
		(void)fprintf(f, "To use it, paste on the server, as root%s:"
		    "\n\n", told ? " (the secrets are shown only now)" : "");
	if (chap)
		(void)fprintf(f, "CHAP_SECRET='...'       # that of %s\n",
		    lun == NULL ? "the LUN" : lun);
	if (mutual)
		(void)fprintf(f, "MUTUAL_SECRET='...'     # the target's "
		    "own\n");
	if (common)
		(void)fprintf(f, "DISCOVERY_SECRET='...'  # of "
		    "discovery-user in tt.conf\n");
	paste_print(f, disk);
}

json_t *
paste_cleanup(json_t *result)
{
	json_t *lines = json_array(), *v;
	char quoted[256];
	size_t i;

	json_array_foreach(json_object_get(result, "targets"), i, v) {
		(void)paste_quote(quoted, sizeof(quoted),
		    json_string_value(v) == NULL ? "" : json_string_value(v));
		add(lines, "iscsiadm -m node -T %s --logout", quoted);
		add(lines, "iscsiadm -m node -T %s -o delete", quoted);
	}
	return (lines);
}

void
paste_print_cleanup(FILE *f, json_t *result)
{
	json_t *lines = paste_cleanup(result), *v;
	size_t i;

	if (json_array_size(lines) > 0)
		(void)fprintf(f, "\nOn each server that used it, as root (the "
		    "first says so if it is logged out):\n\n");
	json_array_foreach(lines, i, v)
		(void)fprintf(f, "%s\n", json_string_value(v));
	json_decref(lines);
}
