# SPDX-License-Identifier: BSD-2-Clause
# An exposure that is in use is taken away: the target is rid of the session at
# once, the reader gets an error, the lines that tt-admin prints end the session
# here, and the LUN beside it does not notice.
. /tt/lib.sh
base=iqn.2026-01.org.example
head_iqn=$base:disk
old_iqn=$base:disk:before
mkdir -p /mnt/head /mnt/old

expose() {
	host admin expose disk@before >/tmp/old &&
	    paste_exposed /tmp/disk /tmp/old && old=$(disk "$old_iqn") &&
	    mount -o ro,noload "$old" /mnt/old &&
	    cmp /usr/bin/fio /mnt/old/fio
}
wwid() { cat "/sys/block/${1##*/}/device/wwid"; }

host admin create disk 256M >/tmp/disk
must "login" paste /tmp/disk
head=$(disk "$head_iqn")
files() {
	mkfs.ext4 -q "$head" && mount "$head" /mnt/head &&
	    cp /usr/bin/fio /mnt/head && sync
}
must "files" files
must "snapshot" host admin snapshot disk before
must "expose" expose
first=$(wwid "$old")

# What a server does in the meantime: it reads the one and writes the other.
# (How long it waits for a target that is away is up to it: here 5 s.)
echo 5 >"$(session "$old_iqn")/recovery_tmo"
(while dd if="$old" of=/dev/null iflag=direct bs=64K; do :; done
echo ended >/tmp/reader) 2>/dev/null &
fio --name=beside --filename=/mnt/head/data --size=16m --bs=64k --rw=write \
    --rate=1m --fsync=16 --verify=crc32c >/tmp/fio.out 2>&1 &
fio=$!
sleep 1

unexpose() { host admin unexpose disk@before "$@" >/tmp/said; }
check_fails "refused without --force" unexpose
check "the answer names the server" grep -q "$base:guest" /tmp/said
check "the session goes on" test "$(cat "$(session "$old_iqn")/state")" = \
    LOGGED_IN
begin=$(date +%s)
must "unexpose --force" unexpose --force
say "it took $(($(date +%s) - begin)) s"
check "the target has one session" test \
    "$(host get .sessions[].iqn sessions)" = "$head_iqn"
for ((i = 0; i < 100; i++)); do
	[ ! -e /tmp/reader ] || break
	sleep 0.2
done
check "the reader got an error" test -e /tmp/reader
check "later logins are told" test "$(host log target.removed)" -gt 0

# ---- the printed lines ------------------------------------------------------
check "the lines to clean up" test "$(grep -c '^iscsiadm ' /tmp/said)" = 2
check "they work" paste /tmp/said
check_fails "no session" session "$old_iqn"
check_fails "no record" iscsiadm -m node -T "$old_iqn"
check "umount" umount /mnt/old
check "no disk" test ! -e "$old"
n=$(host log target.removed)
sleep 4
check "nobody tries any more" test "$(host log target.removed)" = "$n"

# ---- beside it, and again ---------------------------------------------------
wait "$fio"
check "the LUN was written and read all the time" test $? = 0
check "its session is the same" test "$(session "$head_iqn")" = \
    /sys/class/iscsi_session/session1
must "exposed again" expose
check "as another disk" test "$(wwid "$old")" != "$first"
check "umount" umount /mnt/old
check "umount" umount /mnt/head
check "logout" logout "$old_iqn"
check "logout" logout "$head_iqn"
check "nobody is left" test "$(host get '.sessions|length' sessions)" = 0
the_end
