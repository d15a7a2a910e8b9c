/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * size.h - byte sizes as people write them: a number and K, M, G, T or P,
 * powers of 1024 ("10G", "512", "64K", also "64KiB" and "64k").
 */
#ifndef META_BASE_SIZE_H
#define META_BASE_SIZE_H

#include <stddef.h>
#include <stdint.h>

/**
 * size_parse(text, out_bytes):
 * Errors: -EINVAL not a size, -ERANGE beyond 2^63-1.  No sign, no fraction,
 * no blanks.
 */
int size_parse(const char *text, uint64_t *out_bytes);

#define SIZE_TEXT_LEN 24

/*
 * ${bytes} in the largest unit that shows it exactly ("10G", "1000",
 * "1536M"): what size_parse reads back to the same number.
 */
const char *size_format(char dst[static SIZE_TEXT_LEN], uint64_t bytes);

/* ${bytes} rounded for the eye: "1.4G", "512", "20M". */
const char *size_human(char dst[static SIZE_TEXT_LEN], uint64_t bytes);

#endif /* !META_BASE_SIZE_H */
