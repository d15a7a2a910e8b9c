/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spec.h - "LUN" and "LUN@NAME" as people write them.
 *
 * Only taken apart here; whether a name is allowed the daemon says.
 */
#ifndef CLI_SPEC_H
#define CLI_SPEC_H

#include <stddef.h>

#define SPEC_PART_MAX 255

struct spec {
	char lun[SPEC_PART_MAX + 1];
	char snapshot[SPEC_PART_MAX + 1];	/* "": there was no @ */
};

/*
 * Errors: -EINVAL an empty part or a second @; -ENAMETOOLONG a part is longer
 * than any name can be.  ${out} is set only on success.
 */
int spec_parse(const char *text, struct spec *out);

#endif /* !CLI_SPEC_H */
