/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * place.h - where something may be written: never into the store that is read.
 */
#ifndef CLI_RECOVER_PLACE_H
#define CLI_RECOVER_PLACE_H

/*
 * Is ${folder} the folder ${store}, or anywhere in it?  Asks device and inode
 * of it and of each folder above it, so that neither links nor other names for
 * one place matter.  1 yes, 0 no, -errno.
 */
int place_is_in(const char *folder, const char *store);

#endif /* !CLI_RECOVER_PLACE_H */
