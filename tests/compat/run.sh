#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Other people's clients: iscsi-test-cu family by family, libiscsi's tools, QEMU.
#
#	run.sh [--write]	--write: RESULTS.md becomes what was found
#
# CUnit counts what a test skips as passed, so its log is parsed.  No family of
# $must may have a failure, and none may be worse than RESULTS.md says.
. "$TT_SRC/tests/lib/sh.sh"
need iscsi-test-cu iscsi-ls iscsi-inq iscsi-readcapacity16 qemu-io qemu-img jq
make_work "${TT_FAST:-/dev/shm}"
admin=("$TT_BIN/tt-admin" -s "$work/sock" --json)
results=$TT_SRC/tests/compat/RESULTS.md
must="Inquiry ReadCapacity10 ReadCapacity16 Read6 Read10 Read12 Read16 Write10
    Write12 Write16 Unmap WriteSame10 WriteSame16 iSCSIResiduals iSCSIcmdsn
    iSCSIdatasn iSCSITMF iSCSICHAP"

cat >"$work/conf" <<END
store = "$work/store"
socket = "$work/sock"
iqn-prefix = "iqn.2026-01.org.example"
portal "main" {
	listen = {"127.0.0.1:0"}
	tag = 1
}
END

start() {
	"$TT_BIN/ttd" --init -c "$work/conf" >"$work/log" 2>&1 || return 1
	"$TT_BIN/ttd" -c "$work/conf" 2>>"$work/log" &
	pids=($!)
	for _ in $(seq 600); do
		"${admin[@]}" status >"$work/status" 2>/dev/null && break
		sleep 0.1
	done
	port=$(jq -r '.portals[0].port' "$work/status")
	kill -0 "${pids[0]}"
}

alive() {
	"${admin[@]}" status >/dev/null && kill -0 "${pids[0]}"
}

no_sessions() {
	for _ in $(seq 50); do
		[ "$("${admin[@]}" status | jq .sessions)" = 0 ] && return 0
		sleep 0.1
	done
	return 1
}

# ---- iscsi-test-cu ----------------------------------------------------------
# A log into "passed skipped failed why".  The result of a test is the word
# behind its dots or at the start of a later line; what it says stands between.
count() {
	awk '
	function note(s) {
		sub(/^.*\[(SKIPPED|SKIPPING|FAILED)\][ \t]*/, "", s)
		gsub(/[|]/, "/", s)
		sub(/[") \t.]+$/, "", s)
		if (s != "" && !(s in seen) && n_why++ < 3) {
			seen[s] = 1
			why = why (why == "" ? "" : "; ") s
		}
	}
	function keep(s) {
		if (n_said < 8)
			said[n_said++] = s
	}
	function tell(  i) {
		for (i = 0; i < n_said; i++)
			note(said[i])
	}
	function result(s) {
		if (s ~ /^passed/) {
			if (skip) {
				skipped++
				tell()
			} else
				passed++
			inside = 0
		} else if (s ~ /^FAILED/) {
			failed++
			inside = 0
			after = 1
			tell()
		} else if (s ~ /\[SKIPP(ED|ING)\]/) {
			skip = 1
			keep(s)
		} else if (s ~ /\[FAILED\]/ && s !~ /command failed with/)
			keep(s)
	}
	/^ *Test: / {
		if (inside)
			failed++
		inside = 1
		skip = after = n_said = 0
		sub(/^ *Test: [^ ]+ \.\.\./, "")
	}
	after && /^ *[0-9]+\. .*\[FAILED\]/ { note($0) }
	inside { result($0) }
	END {
		if (inside) {
			failed++
			note("the tool ended in the middle")
		}
		printf "%d %d %d %s\n", passed, skipped, failed, why
	}' "$1"
}

# What the log does not say.
explain() {	# family
	case $1 in
	GetLBAStatus) echo "UnmapSingle asks for LBA i + 1 and takes only an" \
	    "answer for LBA i + 8 (8 logical blocks per physical block)" ;;
	iSCSICHAP) echo "not in this version of the tool; tests/proto has" \
	    "the cases" ;;
	esac
}

family() {	# name
	timeout -k 5 180 iscsi-test-cu -d -v -t "ALL.$1" "$url" \
	    >"$work/cu" 2>&1 </dev/null
	count "$work/cu"
}

in_list() {	# word list
	[[ " $(echo $2) " == *" $1 "* ]]
}

# The columns of a family in the table that is checked in.
before() {	# family
	awk -F'|' -v f="$1" '{ gsub(/ /, "", $2) } $2 == f {
		print $3 + 0, $4 + 0, $5 + 0 }' "$results" 2>/dev/null
}

table_head() {
	cat <<END
# iscsi-test-cu against ttd

The tool of $(dpkg-query -W -f '${source:Package} ${Version}' libiscsi-bin), one run per family with \`-d\`; made by
\`tests/compat/run.sh --write\`. A test that skips a part of itself counts as
skipped. **Bold** families may not have a failure. What is skipped are optional
commands that are not there, found out by the tool itself.

| family | passed | skipped | failed | why |
|---|---|---|---|---|
END
}

not_worse() {	# family passed failed
	local b_passed b_failed

	read -r b_passed _ b_failed < <(before "$1")
	[ -n "$b_passed" ] && [ "$2" -ge "$b_passed" ] &&
	    [ "$3" -le "$b_failed" ]
}

one_family() {	# name
	local passed skipped failed why bold=

	if in_list "$1" "$families"; then
		read -r passed skipped failed why < <(family "$1")
		check "$1 ran: $passed passed, $skipped skipped, $failed failed" \
		    test $((passed + skipped + failed)) -gt 0
	else
		passed=0 skipped=0 failed=0
		why=
	fi
	[ $((skipped + failed + (passed == 0))) -eq 0 ] ||
	    [ -z "$(explain "$1")" ] || why=$(explain "$1")
	in_list "$1" "$must" && bold='**'
	echo "| $bold$1$bold | $passed | $skipped | $failed | $why |" \
	    >>"$work/table"
	if [ -n "$bold" ] && ! check "$1 has no failure" test "$failed" -eq 0; then
		cat "$work/cu"
	fi
	if [ -z "$write" ]; then
		check "$1 is not worse than in RESULTS.md" not_worse \
		    "$bold$1$bold" "$passed" "$failed"
	fi
	check "$1 left the daemon alive" alive
}

run_families() {
	local f

	families=$(iscsi-test-cu --list 2>/dev/null |
	    sed -n 's/^ALL\.\([^.]*\)$/\1/p')
	check "there are families" test "$(echo "$families" | wc -l)" -gt 20
	table_head >"$work/table"
	for f in $(echo $families $must | tr ' ' '\n' | sort -u); do
		one_family "$f"
	done
	[ -n "$write" ] && cp "$work/table" "$results"
}

# ---- QEMU -------------------------------------------------------------------
# One argument per command of qemu-io; its complaints count as failures.
io() {
	local c args=()

	for c in "$@"; do
		args+=(-c "$c")
	done
	timeout 60 qemu-io -f raw "${args[@]}" "$url" >"$work/io" 2>&1 &&
	    ! grep -iE 'fail|error|mismatch' "$work/io" || {
		cat "$work/io"
		return 1
	}
}

qemu() {
	check "qemu-io: what is written is there" io 'write -P 0x5a 0 1M' \
	    'write -P 0xa5 512 1024' 'flush' 'read -P 0x5a 0 512' \
	    'read -P 0xa5 512 1024' 'read -P 0x5a 1536 1047040'
	check "qemu-io: zeroes and discard" io 'write -P 0x11 4M 8M' \
	    'write -z 5M 64k' 'discard 6M 1M' 'read -P 0x11 4M 1M' \
	    'read -P 0 5M 64k' 'read -P 0 6M 1M' 'read -P 0x11 7M 5M'
	check "qemu-io: large and odd" io 'write -P 0x22 16M 48M' \
	    'read -P 0x22 16M 48M' 'write -P 0x33 16777727 3' \
	    'read -P 0x33 16777727 3' 'read -P 0x22 16777216 511'
	check_fails "qemu-io: what is not there is an error" \
	    io 'write -P 0x5a 0 512' 'read -P 0x5b 0 512'
	check "qemu-img bench, reads" timeout 60 qemu-img bench -f raw -c 4000 \
	    -d 32 -s 4k -t none "$url" >"$work/bench" 2>&1
	check "qemu-img bench, writes" timeout 60 qemu-img bench -f raw -w \
	    -c 4000 -d 32 -s 4k -t none --flush-interval=512 "$url" \
	    >>"$work/bench" 2>&1
	check_fails "qemu does not complain" grep -iE 'fail|error' "$work/bench"
	check "qemu-img map" sh -c 'qemu-img map --output=json -f raw "$1" |
	    jq -e "map(.length) | add == 134217728"' sh "$url"
}

# ---- libiscsi's tools -------------------------------------------------------
tools() {
	check "iscsi-ls" sh -c 'iscsi-ls -s "$1" | grep "Lun:0 "' sh \
	    "iscsi://127.0.0.1:$port"
	check "iscsi-inq" sh -c 'iscsi-inq "$1" | grep DIRECT_ACCESS' sh "$url"
	check "iscsi-inq, block limits" sh -c \
	    'iscsi-inq -e 1 -c 176 "$1" | grep -i "max.*unmap"' sh "$url"
	check "iscsi-readcapacity16" sh -c \
	    'iscsi-readcapacity16 "$1" | grep 134217728' sh "$url"
	check "iscsi-ls by CHAP" sh -c 'LIBISCSI_CHAP_USERNAME=$1 \
	    LIBISCSI_CHAP_PASSWORD=$2 iscsi-inq "$3" | grep DIRECT_ACCESS' sh \
	    "$(jq -r .chap.user "$work/closed")" \
	    "$(jq -r .chap.secret "$work/closed")" \
	    "iscsi://127.0.0.1:$port/$(jq -r .iqn "$work/closed")/0"
	check_fails "without CHAP" iscsi-inq \
	    "iscsi://127.0.0.1:$port/$(jq -r .iqn "$work/closed")/0"
}

write=
[ "${1:-}" = --write ] && write=1
check "daemon" start
check "LUN" sh -c '"$@" >"'"$work"'/lun"' sh "${admin[@]}" create disk 128M \
    --open
check "LUN with CHAP" sh -c '"$@" >"'"$work"'/closed"' sh "${admin[@]}" \
    create closed 16M
url=iscsi://127.0.0.1:$port/$(jq -r .iqn "$work/lun")/0
run_families
qemu
tools
check "no session is left" no_sessions
check "the daemon is alive" alive
kill "${pids[0]}"
wait "${pids[0]}"
check "it stops in order" test $? -eq 0
pids=()
if [ $failures -gt 0 ]; then
	tail -30 "$work/log"
fi
finish
