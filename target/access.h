/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * access.h - who may enter which target, and how he proves it: the table of
 * functions that the iSCSI layer asks (target/iscsi/env.h).
 *
 * A LUN with CHAP users is entered by those; without users it is entered from
 * loopback, or from anywhere if it was created so (--open).  An exposure has
 * the users of its LUN.  Everything is looked up at each login.
 */
#ifndef TARGET_ACCESS_H
#define TARGET_ACCESS_H

#include "target/iscsi/env.h"

/* ${arg} is a struct registry. */
extern const struct iscsi_env_ops access_ops;

#endif /* !TARGET_ACCESS_H */
