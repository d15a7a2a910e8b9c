/* SPDX-License-Identifier: BSD-2-Clause */
/* seeds.h - what seeds.c and seeds_store.c share. */
#ifndef TESTS_FUZZ_SEEDS_H
#define TESTS_FUZZ_SEEDS_H

#include <stddef.h>

/* Gather an input (at most 64 KiB), then write it to TARGET/NAME. */
void seeds_add(const void *p, size_t n);
void seeds_save(const char *target, const char *name);

/* Inputs from a real store. */
void seeds_store(void);

#endif /* !TESTS_FUZZ_SEEDS_H */
