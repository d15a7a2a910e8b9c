# SPDX-License-Identifier: BSD-2-Clause
# What the shell tests share.  Source it first; needs bash.
#
#	TT_BIN	the build folder (programs of the tests: $TT_BIN/tests)
#	TT_SRC	the source tree
#	TT_KEEP	not empty: leave the work folder behind
#	TT_LONG	not empty: the long form
#
# Gives $work, a folder that goes away at the end; check, which counts; and
# finish, which says how many checks held and exits.

set -u
: "${TT_BIN:?the build folder}" "${TT_SRC:?the source tree}"
checks=0
failures=0
pids=()

# $1: where. Memory is fastest; big things belong on the disk.
make_work() {
	work=$(mktemp -d "$1/tt-test.XXXXXX") || exit 2
	trap cleanup EXIT
	trap 'exit 130' INT TERM
}

cleanup() {
	local p

	for p in "${pids[@]}"; do
		kill -9 "$p" 2>/dev/null && wait "$p" 2>/dev/null
	done
	if [ -n "${TT_KEEP:-}" ]; then
		echo "kept: $work"
	else
		rm -rf "$work"
	fi
}

# check DESCRIPTION COMMAND...: the command succeeds.
check() {
	local what=$1

	shift
	checks=$((checks + 1))
	if "$@"; then
		echo "ok: $what"
	else
		failures=$((failures + 1))
		echo "NOT OK: $what ($*)"
	fi
}

# The opposite: it must fail, but not by a signal or because it is missing.
check_fails() {
	local what=$1 rc

	shift
	checks=$((checks + 1))
	"$@"
	rc=$?
	if [ "$rc" -gt 0 ] && [ "$rc" -lt 126 ]; then
		echo "ok: $what"
	else
		failures=$((failures + 1))
		echo "NOT OK: $what (exit $rc: $*)"
	fi
}

need() {
	local t

	for t in "$@"; do
		command -v "$t" >/dev/null || {
			echo "NOT OK: $t is not installed"
			exit 1
		}
	done
}

finish() {
	echo "$checks checks, $failures failed"
	[ "$checks" -gt 0 ] && [ "$failures" -eq 0 ]
	exit $?
}
