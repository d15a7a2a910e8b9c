/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * discovery.h - SendTargets (RFC 7143 appendix C).
 */
#ifndef TARGET_ISCSI_DISCOVERY_H
#define TARGET_ISCSI_DISCOVERY_H

#include "target/iscsi/env.h"
#include "target/iscsi/text.h"

/**
 * discovery_answer(env, peer, user, own, value, out):
 * Append the records that "SendTargets=${value}" asks for.  ${own} is the
 * target of a normal session, which learns of no other; NULL in a discovery
 * session.  What may not be asked is answered SendTargets=Reject.
 *
 * Threads: as env.h says.
 */
void discovery_answer(const struct iscsi_env *env,
    const struct iscsi_peer *peer, const char *user, const char *own,
    const char *value, struct text_out *out);

#endif /* !TARGET_ISCSI_DISCOVERY_H */
