/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exec_sync.h - an executor for programs without an event loop: reads block,
 * everything runs inside exec_sync_run on the thread that calls it.
 */
#ifndef META_BASE_EXEC_SYNC_H
#define META_BASE_EXEC_SYNC_H

#include <stdbool.h>

#include "meta/base/exec.h"

struct exec_sync;

/* Errors: -ENOMEM.  Free with exec_sync_free (nothing may be queued). */
int exec_sync_new(struct exec_sync **out);
void exec_sync_free(struct exec_sync *es);
struct exec *exec_sync_exec(struct exec_sync *es);

/*
 * Runs callbacks until ${*stop} is true, sleeping while there is nothing to
 * do.  Posts from other threads wake it.
 */
void exec_sync_run(struct exec_sync *es, const bool *stop);

#endif /* !META_BASE_EXEC_SYNC_H */
