#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A real file system: an ext4 image of a real tree goes in over iSCSI by
# qemu-img, is snapshotted, overwritten by another one, and comes back byte for
# byte; also after the daemon was killed.
. "$TT_SRC/tests/lib/sh.sh"
need qemu-img mke2fs e2fsck debugfs jq sha256sum
make_work "${TT_BIG:-/dev/shm}"
admin=("$TT_BIN/tt-admin" -s "$work/sock" --json)
size_mib=1024

# ---- the daemon -------------------------------------------------------------
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
	"$TT_BIN/ttd" -c "$work/conf" 2>>"$work/log" &
	pids=($!)
	for _ in $(seq 600); do
		"${admin[@]}" status >"$work/status" 2>/dev/null && break
		sleep 0.1
	done
	port=$(jq -r '.portals[0].port' "$work/status")
	[ -n "$port" ] && kill -0 "${pids[0]}"
}

crash() {
	kill -9 "${pids[0]}"
	wait "${pids[0]}" 2>/dev/null
	pids=()
}

stop() {
	local rc

	kill "${pids[0]}"
	wait "${pids[0]}"
	rc=$?
	pids=()
	return $rc
}

# ---- qemu-img ---------------------------------------------------------------
# Credentials by file; no secret in an argument.
secret() {
	echo "secret,id=chap,file=$work/secret,format=raw"
}

remote() {	# iqn
	echo "driver=iscsi,transport=tcp,portal=127.0.0.1:$port,target=$1,lun=0,user=$user,password-secret=chap,initiator-name=iqn.2026-01.org.example:qemu"
}

# qemu says so for each stretch that it asks about; it then reads it.
quiet() {
	"$@" 2> >(grep -v 'GET_LBA_STATUS failed' >&2)
}

put_image() {	# file iqn
	quiet qemu-img convert -n -f raw --object "$(secret)" --target-image-opts \
	    "$1" "$(remote "$2")"
}

get_image() {	# iqn file
	quiet qemu-img convert -O raw --object "$(secret)" --image-opts \
	    "driver=raw,file.$(remote "$1" | sed 's/,/,file./g')" "$2"
}

same() {	# file iqn
	quiet qemu-img compare --object "$(secret)" --image-opts \
	    "driver=raw,file.driver=file,file.filename=$1" \
	    "driver=raw,file.$(remote "$2" | sed 's/,/,file./g')"
}

differs() {
	! same "$@"
}

# ---- trees ------------------------------------------------------------------
digests() {	# directory
	(cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
}

tree() {	# the first of these that has 100 to 900 MiB
	local d n

	for d in "$@"; do
		n=$(du -smx "$d" 2>/dev/null | cut -f1)
		[ "${n:-0}" -ge 100 ] && [ "$n" -le 900 ] && echo "$d" &&
		    return 0
	done
	return 1
}

make_image() {	# tree file
	mke2fs -q -F -t ext4 -d "$1" "$2" "${size_mib}M" >/dev/null 2>&1
}

# Every file of the file system in $1 is as it was in the first tree.
files_are_back() {
	local n

	mkdir "$work/back"
	debugfs -R "rdump / $work/back" "$1" >/dev/null 2>&1
	rm -rf "$work/back/lost+found"
	digests "$work/back" >"$work/got"
	rm -rf "$work/back"
	n=$(wc -l <"$work/want")
	echo "$n files compared"
	[ "$n" -gt 100 ] && cmp "$work/want" "$work/got"
}

first=$(tree /usr/bin /usr/lib/gcc /usr/share/doc /usr/share) || first=/usr/bin
second=$(tree /usr/include /usr/share/doc /usr/share /usr/lib/gcc) ||
    second=/usr/include
check "two trees: $first, $second" test "$first" != "$second"
# A copy: nobody installs anything in it meanwhile.
check "copy of $first" cp -a "$first" "$work/tree"
digests "$work/tree" >"$work/want"
check "image of $first" make_image "$work/tree" "$work/first.img"
rm -rf "$work/tree"
check "image of $second" make_image "$second" "$work/second.img"
check "several hundred MiB" \
    test "$(du -m "$work/first.img" | cut -f1)" -ge 100

check "store" "$TT_BIN/ttd" --init -c "$work/conf"
check "daemon" start
check "LUN" sh -c '"$@" >"'"$work"'/lun"' sh "${admin[@]}" create fs ${size_mib}M
iqn=$(jq -r .iqn "$work/lun")
user=$(jq -r .chap.user "$work/lun")
(umask 077; jq -j .chap.secret "$work/lun" >"$work/secret")

check "the first image goes in" put_image "$work/first.img" "$iqn"
check "it is there" same "$work/first.img" "$iqn"
check "snapshot" "${admin[@]}" snapshot fs before >/dev/null
check "the second image goes over it" put_image "$work/second.img" "$iqn"
check "it is there" same "$work/second.img" "$iqn"
check "it is another one" differs "$work/first.img" "$iqn"
check "expose" sh -c '"$@" >"'"$work"'/exp"' sh "${admin[@]}" expose fs@before
old=$(jq -r .iqn "$work/exp")
check "the exposure is the first image" same "$work/first.img" "$old"

check "killed" crash
check "started again" start
check "after the kill: the exposure" same "$work/first.img" "$old"
check "after the kill: the LUN" same "$work/second.img" "$iqn"

check "read back" get_image "$old" "$work/back.img"
check "the same bytes" cmp "$work/first.img" "$work/back.img"
check "e2fsck of what was read back" e2fsck -fn "$work/back.img"
check "every file" files_are_back "$work/back.img"
check_fails "the exposure cannot be written" put_image "$work/second.img" \
    "$old"
check "still the first image" same "$work/first.img" "$old"
check "stopped" stop
check "started again" start
check "after a restart: the exposure" same "$work/first.img" "$old"
check "after a restart: the LUN" same "$work/second.img" "$iqn"
check "stopped" stop
[ $failures -gt 0 ] && tail -30 "$work/log"
finish
