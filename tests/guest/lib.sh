# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2034,SC2154 # sh.sh and the scripts share names
# What the scripts in the guest share; check and finish are those of the other
# shell tests.
TT_BIN=/tt TT_SRC=/tt
. /tt/sh.sh

# Seconds since boot, so that a slow step is seen.
say() { echo "-- $(cut -d' ' -f1 /proc/uptime) $*"; }

# host WORD...: tests/guest/host answers, and its exit code is ours.
host() {
	local line rc=125

	exec 7<>/dev/tcp/10.0.2.100/7 || return 125
	echo "$*" >&7
	while IFS= read -r line <&7; do
		case $line in
		"rc "*)	rc=${line#rc } ;;
		*)	printf '%s\n' "$line" ;;
		esac
	done
	exec 7>&-
	return "$rc"
}

# Nothing goes on without it.
must() {
	local before=$failures

	check "$@"
	if [ "$failures" -gt "$before" ]; then
		trouble
		finish
	fi
}

trouble() { dmesg | tail -n 25; }

the_end() {
	[ "$failures" = 0 ] || trouble
	finish
}

# ---- what a server's administrator does -------------------------------------
# Runs the lines that tt-admin printed into FILE.
paste() {	# FILE
	local line

	while IFS= read -r line <&3; do
		case $line in
		iscsiadm\ *) eval "$line" </dev/null >/dev/null || return ;;
		esac
	done 3<"$1"
}

secret_in() {	# FILE NAME: what the lines set
	sed -n "s/.*\.auth\.$2 -v //p" "$1"
}

# The lines of "expose" have variables for the secrets of the LUN, which were in
# those of "create".
paste_exposed() {	# CREATED EXPOSED
	# shellcheck disable=SC2034 # the lines use them
	local CHAP_SECRET MUTUAL_SECRET

	CHAP_SECRET=$(secret_in "$1" password)
	MUTUAL_SECRET=$(secret_in "$1" password_in)
	paste "$2"
}

set_node() {	# IQN NAME VALUE
	iscsiadm -m node -T "$1" -o update -n "$2" -v "$3"
}

login() { iscsiadm -m node -T "$1" --login >/dev/null; }
logout() { iscsiadm -m node -T "$1" --logout >/dev/null; }

# ---- what the kernel knows --------------------------------------------------
session() {	# IQN: its folder
	local s

	for s in /sys/class/iscsi_session/session*; do
		if [ "$(cat "$s/targetname" 2>/dev/null)" = "$1" ]; then
			echo "$s"
			return 0
		fi
	done
	return 1
}

connection() {	# IQN: its folder
	local s

	s=$(session "$1") && echo "$s"/device/connection*/iscsi_connection/*
}

disk() {	# IQN: its block device, when it is there
	local s d i

	for ((i = 0; i < 100; i++)); do
		if s=$(session "$1"); then
			for d in "$s"/device/target*/*:0/block/*; do
				if [ -b "/dev/${d##*/}" ]; then
					echo "/dev/${d##*/}"
					return 0
				fi
			done
		fi
		sleep 0.1
	done
	return 1
}

sysfs() { cat "/sys/block/${1##*/}/$2"; }	# DEVICE NAME
