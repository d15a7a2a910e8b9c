/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * discovery.c - see discovery.h.
 */
#include "target/iscsi/discovery.h"

#include <string.h>
#include <strings.h>

static void
emit(void *ctx, const char *iqn, const char *const *portals, size_t n_portals)
{
	struct text_out *out = ctx;

	text_put(out, "TargetName", iqn);
	for (size_t i = 0; i < n_portals; i++)
		text_put(out, "TargetAddress", portals[i]);
}

/* Names are compared in lower case (RFC 7143 4.2.7.2). */
static bool
lower(char dst[ISCSI_NAME_CAP], const char *src)
{
	size_t n = strlen(src);

	if (n == 0 || n >= ISCSI_NAME_CAP)
		return (false);
	for (size_t i = 0; i <= n; i++)
		dst[i] = src[i] >= 'A' && src[i] <= 'Z' ?
		    (char)(src[i] - 'A' + 'a') : src[i];
	return (true);
}

void
discovery_answer(const struct iscsi_env *env, const struct iscsi_peer *peer,
    const char *user, const char *own, const char *value,
    struct text_out *out)
{
	char iqn[ISCSI_NAME_CAP];
	const char *want;

	if (own != NULL) {
		if (value[0] != '\0' && strcasecmp(value, own) != 0) {
			text_put(out, "SendTargets", "Reject");
			return;
		}
		want = own;
	} else if (strcmp(value, "All") == 0)
		want = NULL;
	else if (lower(iqn, value))
		want = iqn;
	else {
		text_put(out, "SendTargets", "Reject");
		return;
	}
	env->ops->discover(env->arg, peer, user, want, emit, out);
}
