#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Every call of a small workload fails once (fault.c); of allocations, of which
# there are ten times as many, each sixth or fourteenth: the long form takes all.
# $1: in steps of that many instead.
. "$TT_SRC/tests/lib/sh.sh"
for mode in enospc enospc-on enospc-reserve eio-write eio-sync eio-read \
    eio-read-on short memory memory-on; do
	step=${1:-1}
	if [ -z "${TT_LONG:-}" ] && [ "$step" = 1 ]; then
		case $mode in
		memory) step=6 ;;
		memory-on) step=14 ;;
		esac
	fi
	check "$mode" "$TT_BIN/tests/engine-fault" "$mode" 1 "$step"
done
finish
