#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Verification beside everything else that a store does (verify.c).
. "$TT_SRC/tests/lib/sh.sh"
make_work "${TT_FAST:-/dev/shm}"
check "verify" "$TT_BIN/tests/engine-verify" "$work/store" 20 1
finish
