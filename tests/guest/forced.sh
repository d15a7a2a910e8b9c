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
	CHAP_SECRET=$(secret_in /tmp/disk password)
	MUTUAL_SECRET=$(secret_in /tmp/disk password_in)
	host admin expose disk@before >/tmp/old && paste /tmp/old &&
	    old=$(disk "$old_iqn") && mount -o ro,noload "$old" /mnt/old &&
	    cmp /usr/bin/fio /mnt/old/fio
}
wwid() { cat "/sys/block/${1##*/}/device/wwid"; }

host admin create disk 256M >/tmp/disk
must "login" paste /tmp/disk
head=$(disk "$head_iqn")
must "files" eval 'mkfs.ext4 -q "$head" && mount "$head" /mnt/head &&
    cp /usr/bin/fio /mnt/head && sync'
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

host admin unexpose disk@before >/tmp/refused 2>&1
check "refused without --force" test $? -gt 0
check "the answer names the server" grep -q "$base:guest" /tmp/refused
check "the session goes on" test "$(cat "$(session "$old_iqn")/state")" = \
    LOGGED_IN
begin=$(date +%s)
host admin unexpose disk@before --force >/tmp/forced
must "unexpose --force" test $? = 0
say "it took $(($(date +%s) - begin)) s"
check "the target has one session" test \
    "$(host get .sessions[].iqn sessions)" = "$head_iqn"
check "later logins are told" eval 'sleep 4; [ "$(host log "target.removed")" -gt 0 ]'
for ((i = 0; i < 100; i++)); do
	[ ! -e /tmp/reader ] || break
	sleep 0.2
done
check "the reader got an error" test -e /tmp/reader

# ---- the printed lines ------------------------------------------------------
check "the lines to clean up" test "$(grep -c '^iscsiadm ' /tmp/forced)" = 2
check "they work" paste /tmp/forced
check "no session" eval '! session "$old_iqn"'
check "no record" eval '! iscsiadm -m node -T "$old_iqn" >/dev/null 2>&1'
check "umount" umount /mnt/old
check "no disk" test ! -e "$old"
n=$(host log "target.removed")
sleep 4
check "nobody tries any more" test "$(host log "target.removed")" = "$n"

# ---- beside it, and again ---------------------------------------------------
wait "$fio"
check "the LUN was written and read all the time" test $? = 0
check "its session is the same" test "$(session "$head_iqn")" = \
    /sys/class/iscsi_session/session1
must "exposed again" expose
check "as another disk" test "$(wwid "$old")" != "$first"
check "umount" umount /mnt/old
check "umount" umount /mnt/head
check "logout" iscsiadm -m node --logoutall=all
check "nobody is left" test "$(host get '.sessions|length' sessions)" = 0
[ "$failures" = 0 ] || trouble
finish
