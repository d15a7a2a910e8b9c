/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * show.h - what a store holds, for a person or as JSON, on stdout.
 */
#ifndef CLI_RECOVER_SHOW_H
#define CLI_RECOVER_SHOW_H

#include <stdbool.h>

#include "lun/lun.h"

/* 0 or -errno, also of stdout. */
int show_luns(struct lunset *ls, bool json, bool is_partial);

#endif /* !CLI_RECOVER_SHOW_H */
