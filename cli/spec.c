/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/spec.h"

#include <errno.h>
#include <string.h>

int
spec_parse(const char *text, struct spec *out)
{
	const char *at = strchr(text, '@');
	size_t lun_len = at == NULL ? strlen(text) : (size_t)(at - text);
	size_t snap_len = at == NULL ? 0 : strlen(at + 1);

	if (lun_len == 0 || (at != NULL && snap_len == 0) ||
	    (at != NULL && strchr(at + 1, '@') != NULL))
		return (-EINVAL);
	if (lun_len > SPEC_PART_MAX || snap_len > SPEC_PART_MAX)
		return (-ENAMETOOLONG);
	memset(out, 0, sizeof(*out));
	memcpy(out->lun, text, lun_len);
	if (at != NULL)
		memcpy(out->snapshot, at + 1, snap_len);
	return (0);
}
