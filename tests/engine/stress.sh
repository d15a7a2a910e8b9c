#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Several workers and an administrator on one store (stress.c).  TT_LONG: on one
# new store after the other; a single one would grow too large for memory.
. "$TT_SRC/tests/lib/sh.sh"
make_work "${TT_FAST:-/dev/shm}"
stores=1
[ -z "${TT_LONG:-}" ] || stores=15
for i in $(seq "$stores"); do
	check "stress $i" "$TT_BIN/tests/engine-stress" "$work/store"
	rm -rf "$work/store"
done
finish
