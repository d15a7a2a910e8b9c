#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Several workers and an administrator on one store (stress.c).
. "$TT_SRC/tests/lib/sh.sh"
make_work "${TT_FAST:-/dev/shm}"
check "stress" "$TT_BIN/tests/engine-stress" "$work/store"
finish
