#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What dedup saves and what it costs (dedup.c).  TT_LONG: a tree of 1 GiB.
. "$TT_SRC/tests/lib/sh.sh"
make_work "${TT_FAST:-/dev/shm}"
prog=$TT_BIN/tests/engine-dedup
one() { # WHAT MIB
	"$prog" "$1" "$work" "$2" || return 1
	rm -rf "${work:?}"/*
}
mib=256
[ "$TT_BUILD" = release ] || mib=48
tree=$mib
[ -z "${TT_LONG:-}" ] || tree=1024
check "a tree of files, copied" one tree "$tree"
check "unique data" one unique $((mib / 4))
check "a flood of copies" one flood $((mib * 2))
finish
