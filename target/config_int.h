/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_int.h - shared by config.c (the file), config_text.c (its text) and
 * config_keys.c (the table).
 */
#ifndef TARGET_CONFIG_INT_H
#define TARGET_CONFIG_INT_H

#include <confuse.h>
#include <limits.h>

#include "target/config.h"

#define CONFIG_TEXT_CAP		128
/* Room for what the store puts behind it. */
#define CONFIG_PATH_MAX		(PATH_MAX - 256)
#define CONFIG_KEYS_MAX		32
#define CONFIG_FILE_MAX		(1u << 20)
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

/* libconfuse's tables, made from ours; those who check may be NULL. */
struct config_options {
	cfg_opt_t top[CONFIG_KEYS_MAX], portal[CONFIG_KEYS_MAX];
};
void config_options(struct config_options *o, cfg_validate_callback_t on_key,
    cfg_validate_callback_t on_list, cfg_validate_callback_t on_portal);

/*
 * All of a file, on the heap, no zero at the end.  Errors: -EFBIG, -EILSEQ
 * there is a byte 0, -EIO, -ENOMEM.
 */
int config_text_read(FILE *f, char **out, size_t *out_len);

/*
 * What ends only with the text, that libconfuse has just taken without an
 * error; of a section the line in which it begins.
 */
enum config_end { CONFIG_END_CLOSED, CONFIG_END_SECTION, CONFIG_END_COMMENT };
int config_text_end(const char *text, size_t len, enum config_end *out,
    int *out_line);

#endif /* !TARGET_CONFIG_INT_H */
