/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_int.h - shared by config.c (the file) and config_keys.c (the table).
 */
#ifndef TARGET_CONFIG_INT_H
#define TARGET_CONFIG_INT_H

#include <limits.h>

#include "target/config.h"

#define CONFIG_TEXT_CAP		128
/* Room for what the store puts behind it. */
#define CONFIG_PATH_MAX		(PATH_MAX - 256)
#define CONFIG_SOCKET_MAX	107	/* sun_path, and the zero */

/*
 * What is wrong with ${text} as a value of ${k}, or NULL; numbers and sizes
 * are stored.
 */
const char *config_value_check(const struct config_key *k, const char *text,
    uint64_t *out_number);

/* Is its value a struct config_list? */
bool config_is_list(const struct config_key *k);

/* What would be right. */
const char *config_range_text(const struct config_key *k,
    char dst[static CONFIG_TEXT_CAP]);

#endif /* !TARGET_CONFIG_INT_H */
