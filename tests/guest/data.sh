# SPDX-License-Identifier: BSD-2-Clause
# File systems with real files: snapshot from outside, change, delete, trim; the
# snapshot as a disk beside it has every file as it was.
. /tt/lib.sh
base=iqn.2026-01.org.example
mkdir -p /mnt/head /mnt/old

digests() {	# DIRECTORY
	(cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
}
same() {	# DIRECTORY FILE: exactly these files, with these digests
	digests "$1" >/tmp/now && cmp "$2" /tmp/now
}

# ---- disks ------------------------------------------------------------------
make_lun() {	# NAME SECTOR BLOCK
	host admin create "$1" 1G --sector "$2" --block "$3" >"/tmp/$1" &&
	    paste "/tmp/$1" && head=$(disk "$base:$1")
}

expose() {	# NAME
	host admin expose "$1@before" >"/tmp/$1.old" &&
	    paste_exposed "/tmp/$1" "/tmp/$1.old" &&
	    old=$(disk "$base:$1:before")
}

# A server knows a disk by these.
naa() { sg_vpd -p di "$1" | sed -n 's/^ *0x\([0-9a-f]*\)$/\1/p' | head -n 1; }
serial() { sg_vpd -p sn "$1" | sed -n 's/.*serial number: *//p'; }

geometry() {	# DEVICE SECTOR
	[ "$(sysfs "$1" queue/logical_block_size)" = "$2" ] &&
	    [ "$(sysfs "$1" queue/physical_block_size)" = 4096 ] &&
	    [ "$(sysfs "$1" size)" = 2097152 ] &&
	    [ "$(sysfs "$1" queue/discard_max_bytes)" -gt 0 ] &&
	    [ "$(sysfs "$1" queue/write_zeroes_max_bytes)" -gt 0 ] &&
	    [ "$(sysfs "$1" queue/write_cache)" = "write back" ] &&
	    [ "$(sysfs "$1" queue/optimal_io_size)" = 1048576 ]
}

# ---- file systems -----------------------------------------------------------
mount_old() {	# TYPE
	case $1 in
	ext4)	mount -t ext4 -o ro,noload "$old" /mnt/old ;;
	xfs)	mount -t xfs -o ro,norecovery,nouuid "$old" /mnt/old ;;
	esac
}

fill() {	# DIRECTORY
	local i

	mkdir "$1/bin" "$1/lib" "$1/small" && cp /usr/bin/* "$1/bin/" &&
	    cp -r /usr/lib/modules /usr/lib/x86_64-linux-gnu/*crypto* \
	    /usr/lib/x86_64-linux-gnu/libc.so* "$1/lib/" || return
	for ((i = 0; i < 300; i++)); do
		echo "$i of $1" >"$1/small/$i"
	done
}

# Overwritten in place, cut, appended to, replaced, new, and gone.
change() {	# DIRECTORY
	local f i=0

	for f in "$1"/bin/*; do
		case $((i++ % 4)) in
		0)	dd if=/dev/urandom of="$f" bs=4K count=8 conv=notrunc \
			    status=none ;;
		1)	truncate -s 10000 "$f" ;;
		2)	rm "$f" ;;
		3)	cat /usr/bin/bash >>"$f" ;;
		esac
	done
	rm -r "$1/lib" "$1"/small/*7 && cp -r /etc "$1/lib" &&
	    cp /usr/bin/fio "$1/small/fio"
}

# ext4 has everything in its place after sync.  XFS leaves some of it in its
# log, which nobody replays on a disk that cannot be written: it is frozen.
snapshot() {	# TYPE NAME
	local rc

	sync
	[ "$1" = ext4 ] || fsfreeze --freeze /mnt/head || return
	host admin snapshot "$2" before
	rc=$?
	[ "$1" = ext4 ] || fsfreeze --unfreeze /mnt/head || return
	return $rc
}

fsck() {	# TYPE DEVICE
	case $1 in
	ext4)	e2fsck -fn "$2" >/tmp/fsck 2>&1 ;;
	xfs)	xfs_repair -n "$2" >/tmp/fsck 2>&1 ;;
	esac || { cat /tmp/fsck; return 1; }
}

# ---- one of each ------------------------------------------------------------
one() {	# NAME TYPE SECTOR BLOCK
	local name=$1 type=$2 head_iqn=$base:$1 old_iqn=$base:$1:before n

	say "$type on sectors of $3, blocks of $4"
	must "$name: a LUN" make_lun "$name" "$3" "$4"
	check "$name: its geometry" geometry "$head" "$3"
	must "$name: mkfs" "mkfs.$type" -q "$head"
	must "$name: mount" mount -t "$type" "$head" /mnt/head
	must "$name: files" fill /mnt/head
	digests /mnt/head >/tmp/before
	n=$(wc -l </tmp/before)
	say "$n files, $(du -sm /mnt/head | cut -f1) MiB"
	check "$name: some hundred files" test "$n" -gt 350
	must "$name: snapshot" snapshot "$type" "$name"
	must "$name: change" change /mnt/head
	sync
	digests /mnt/head >/tmp/after
	check_fails "$name: it did change" cmp -s /tmp/before /tmp/after

	must "$name: expose" expose "$name"
	lsblk -o NAME,SIZE,LOG-SEC,PHY-SEC,RO,DISC-GRAN,MODEL
	identity "$name"
	must "$name: the exposure mounts" mount_old "$type"
	check_fails "$name: nobody writes to it" \
	    dd if=/dev/zero of="$old" bs=4K count=1 oflag=direct status=none
	check "$name: fstrim of the head" fstrim -v /mnt/head
	check "$name: every file as it was" same /mnt/old /tmp/before
	check "$name: umount" umount /mnt/head
	check "$name: file system check" fsck "$type" "$head"

	# A new session has nothing of it in memory.
	check "$name: logout" logout "$head_iqn"
	check "$name: login" login "$head_iqn"
	head=$(disk "$head_iqn")
	must "$name: mounts again" mount -t "$type" -o ro "$head" /mnt/head
	check "$name: the head again" same /mnt/head /tmp/after
	check "$name: umount" umount /mnt/head

	[ "$3" != 512 ] || discard "$name"
	check "$name: umount of the exposure" umount /mnt/old
	check "$name: logout" logout "$old_iqn"
	check "$name: logout" logout "$head_iqn"
	check "$name: deleted" host admin delete "$name" --with-snapshots
}

# The whole head goes; what was exposed stays.
discard() {	# NAME
	check "$1: blkdiscard" blkdiscard -f "$head"
	echo 3 >/proc/sys/vm/drop_caches
	check "$1: only zeros" cmp -n 16777216 "$head" /dev/zero
	check "$1: and still every file as it was" same /mnt/old /tmp/before
}

identity() {	# NAME
	local a b second

	a=$(cat "/sys/block/${head##*/}/device/wwid")
	b=$(cat "/sys/block/${old##*/}/device/wwid")
	say "head $a, exposure $b"
	check "$1: two disks, two names" test "$a" != "$b" -a -n "$a" -a -n "$b"
	check "$1: the NAA of the head" test "$(naa "$head")" = \
	    "$(host get .naa show "$1")"
	check "$1: the NAA of the exposure" test "$(naa "$old")" = \
	    "$(host get .naa show "$1@before")"
	check "$1: two NAAs" test "$(naa "$head")" != "$(naa "$old")"
	check "$1: the serial number" test "$(serial "$head")" = \
	    "$(host get .serial show "$1")"
	sg_inq "$old" >/tmp/inquiry
	check "$1: sg_inq" grep -q "time-travel LUN" /tmp/inquiry
	check "$1: the head is writable" test "$(sysfs "$head" ro)" = 0
	check "$1: the exposure is not" test "$(sysfs "$old" ro)" = 1

	# A second way to the same disk: what multipath joins must be the same.
	[ "$1" = one ] || return 0
	set_node "$base:$1" node.session.nr_sessions 2
	login "$base:$1"
	must "$1: a second session" second_path
	check "$1: the same name on it" test "$(cat "$second/device/wwid")" = "$a"
	check "$1: the same NAA" test "$(naa "/dev/${second##*/}")" = \
	    "$(naa "$head")"
	iscsiadm -m session -r "$(session_of "$second")" -u >/dev/null
	set_node "$base:$1" node.session.nr_sessions 1
}

session_of() {	# BLOCK DEVICE in /sys
	readlink -f "$1/device" | sed 's,.*/session\([0-9]*\)/.*,\1,'
}

second_path() {
	local i d

	for ((i = 0; i < 100; i++)); do
		for d in /sys/block/sd*; do
			case /dev/${d##*/} in "$head" | "$old") continue ;; esac
			second=$d
			[ -e "$d/device/wwid" ] && return
		done
		sleep 0.1
	done
	return 1
}

one one ext4 512 4K
one two xfs 4096 16K
if [ -e /tt/long ]; then
	one three ext4 4096 4K
	one four xfs 512 64K
fi
# Writing to an exposure is one, and was tried.
dmesg | grep -v 'dev sdb' >/tmp/kernel
check_fails "the kernel saw no other error" \
    grep -E "I/O error|EXT4-fs error|XFS.*[Cc]orrupt" /tmp/kernel
check "nobody is left" test "$(host get '.sessions|length' sessions)" = 0
the_end
