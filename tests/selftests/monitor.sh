#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# chringctl monitor: a line for each change, in order, as it happens, and of
# what it is asked for; and how it ends.

# shellcheck source-path=SCRIPTDIR source=cli_helpers.sh
. "$(dirname "${BASH_SOURCE[0]}")/cli_helpers.sh"

ADDRESS=127.0.0.1
PORT=8000

if [ -z "${MONITOR_NETNS-}" ]; then
	MONITOR_NETNS=1 exec unshare -n "$0" "$@"
fi

listening()	# COUNT: as many sockets of this namespace are in a group
{
	[ "$(awk 'NR > 1 && $4 != "00000000"' /proc/net/netlink | wc -l)" = "$1" ]
}

# Starts chringctl monitor, whose number is then in $pid, and its output goes
# to $files/events; returns when it listens.
start_monitor()	# OPTION|WORD...
{
	: >"$files/events"
	${as-} chringctl "$@" >"$files/events" 2>"$files/err" &
	pid=$!
	children+=("$pid")
	wait_until listening 1
}

events_are()	# COUNT
{
	[ "$(wc -l <"$files/events")" = "$1" ]
}

# What the monitor has printed is what standard input says.
expect_events()
{
	cat >"$files/wanted"
	wait_until events_are "$(wc -l <"$files/wanted")"
	diff "$files/wanted" "$files/events" | sed 's/^/# /' >&2
	cmp -s "$files/wanted" "$files/events"
}

ends_with()	# STATUS SIGNAL
{
	kill "-$2" "$pid"
	wait "$pid"
	! differs "status after $2" "$1" $? && [ ! -s "$files/err" ] &&
	wait_until listening 0
}

counts='picks 0 migrated 0 passed-over 0'

each_change_is_a_line()
{
	start_monitor monitor services || return
	monitor=$pid
	start_replicas tcp $ADDRESS $PORT || return
	local inode
	inode=$(readlink "/proc/$pid/fd/${fds[0]}" | tr -dc 0-9)
	ends 0 service add web tcp $ADDRESS:$PORT grace 0 &&
	ends 0 replica add web one pid "$pid" &&
	ends 0 replica set web one weight 3 &&
	end_process "$pid" &&
	wait_until not_shown web one &&
	ends 0 service del web && wait_until grep -q ^service-del "$files/events" &&
	ends 0 service add next tcp $ADDRESS:$PORT || return
	pid=$monitor
	expect_events <<-END &&
		service-new web tcp $ADDRESS:$PORT owner root none refuse override reattach key flow state idle replicas 0 points 0 balance even vnodes 160 slots 16384 grace 0 $counts refused 0
		service-set web tcp $ADDRESS:$PORT owner root none refuse override reattach key flow state steering replicas 1 points 160 balance even vnodes 160 slots 16384 grace 0 $counts refused 0
		replica-new web one weight 1 state up points 160 slots 16384 $counts inode $inode
		replica-set web one weight 3 state up points 480 slots 16384 $counts inode $inode
		replica-set web one weight 3 state dead points 480 slots 16384 $counts inode $inode
		replica-del web one weight 3 state dead points 480 slots 16384 $counts inode $inode
		service-set web tcp $ADDRESS:$PORT owner root none refuse override reattach key flow state removing replicas 0 points 0 balance even vnodes 160 slots 16384 grace 0 $counts refused 0
		service-del web tcp $ADDRESS:$PORT owner root none refuse override reattach key flow state removing replicas 0 points 0 balance even vnodes 160 slots 16384 grace 0 $counts refused 0
		service-new next tcp $ADDRESS:$PORT owner root none refuse override reattach key flow state idle replicas 0 points 0 balance even vnodes 160 slots 16384 grace 30 $counts refused 0
	END
	ends_with 0 TERM && ends 0 service del next
}

# Has one listener with room for two connections, and accepts all that wait when
# it is told to, by USR1; its number is then in $pid, its listener's in $inode.
start_acceptor()
{
	/usr/bin/python3 -IS -c "
import os, signal, socket
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
listener.bind(('$ADDRESS', $PORT))
listener.listen(1)
listener.setblocking(False)
with open('$files/inode.new', 'w') as file:
    print(os.fstat(listener.fileno()).st_ino, file=file)
os.rename('$files/inode.new', '$files/inode')
accepted = []
while True:
    signal.sigwait([signal.SIGUSR1])
    try:
        while True:
            accepted.append(listener.accept())
    except BlockingIOError:
        pass
" &
	pid=$!
	children+=("$pid")
	wait_until test -e "$files/inode" && read -r inode <"$files/inode"
}

# The same of a server that does not accept.
start_silent()
{
	start_replicas tcp $ADDRESS $PORT &&
	inode=$(readlink "/proc/$pid/fd/${fds[0]}" | tr -dc 0-9)
}

# How often it was picked is the kernel's affair.
expect_life()	# INODE INODE INODE
{
	local slots="slots 16384 $counts" service

	sed -i 's/picks [0-9]*/picks 0/' "$files/events"
	service="web tcp $ADDRESS:$PORT owner root none refuse override reattach key flow"
	expect_events <<-END
		service-new $service state idle replicas 0 points 0 balance even vnodes 160 slots 16384 grace 3600 $counts refused 0
		service-set $service state steering replicas 1 points 10 balance even vnodes 160 slots 16384 grace 3600 $counts refused 0
		replica-new web w1 weight 1 state joining points 10 $slots inode $1
		replica-set web w1 weight 1 state up points 160 $slots inode $1
		replica-set web w1 weight 1 state full points 160 $slots inode $1
		replica-set web w1 weight 1 state up points 160 $slots inode $1
		replica-set web w1 weight 1 state draining points 160 $slots inode $1
		replica-set web w1 weight 1 state up points 160 $slots inode $1
		replica-set web w1 weight 1 state up points 160 $slots inode $2
		replica-set web w1 weight 1 state dead points 160 $slots inode $2
		replica-set web w1 weight 1 state up points 160 $slots inode $3
		replica-set web w1 weight 1 state draining points 160 $slots inode $3
		replica-del web w1 weight 1 state draining points 160 $slots inode $3
	END
}

# As in the documentation, where its lines are shortened.
# shellcheck disable=SC2034 # those who wait only have to be there
life_of_a_replica_is_told()
{
	local monitor old waiting one two three

	start_monitor monitor services && monitor=$pid &&
	ends 0 service add web tcp $ADDRESS:$PORT grace 3600 &&
	start_acceptor && old=$pid && one=$inode &&
	ends 0 replica add web w1 pid "$old" ramp 1 &&
	wait_until events_are 4 || return
	exec {waiting}<>/dev/tcp/$ADDRESS/$PORT &&
	exec {waiting}<>/dev/tcp/$ADDRESS/$PORT &&
	wait_until events_are 5 && kill -USR1 "$old" &&
	wait_until events_are 6 &&
	exec {waiting}<>/dev/tcp/$ADDRESS/$PORT &&
	ends 0 replica drain web w1 3600 && ends 0 replica up web w1 &&
	start_silent && two=$inode &&
	ends 0 replica add web w1 pid "$pid" replace &&
	end_process "$pid" && wait_until events_are 10 &&
	start_silent && three=$inode && ends 0 replica add web w1 pid "$pid" &&
	ends 0 replica drain web w1 && wait_until events_are 13 || return
	pid=$monitor
	expect_life "$one" "$two" "$three" && ends_with 0 TERM &&
	end_process "$old" && ends 0 service del web
}

# Each event is that of the lock whatever else there is.
each_change_of_a_lock_is_a_line()
{
	local as_made='adaptive mode 0600 uid 0 gid 0 handles'
	local as_set='fifo mode 0640 uid 0 gid 7 handles'

	start_monitor monitor locks &&
	ends 0 service add web tcp $ADDRESS:$PORT && ends 0 service del web &&
	ends 0 lock add a && ends 0 lock set a group 7 mode 640 fifo || return
	# shellcheck disable=SC2016 # for the inner shell
	chringctl lock run a -- sh -c 'kill -9 $PPID'
	wait_until events_are 3 || return
	# shellcheck disable=SC2016
	chringctl lock run a on-loss ignore -- sh -c '
		echo $CHRING_TOKEN $CHRING_OWNER_DIED
		chringctl lock break a && chringctl lock del a' \
		>"$files/tokens" 2>/dev/null &&
	read -r second first <"$files/tokens" && wait_until events_are 5 || return
	# The dead one's handle may be gone already, or not yet.
	sed -i '/^lock-owner-died/s/handles 0/handles 1/' "$files/events"
	expect_events <<-END &&
		lock-new a $as_made 0 free waiters 0
		lock-set a $as_set 0 free waiters 0
		lock-owner-died a $as_set 1 free token $first waiters 0 news owner-died dead-token $first
		lock-broken a $as_set 1 free token $second waiters 0 news broken dead-token $second
		lock-del a $as_set 0 free token $second waiters 0 news broken dead-token $second
	END
	ends_with 0 TERM
}

each_change_of_a_lock_is_an_object()
{
	start_monitor -j monitor locks &&
	ends 0 lock add a && ends 0 lock set a mode 644 || return
	# shellcheck disable=SC2016 # for the inner shell
	chringctl lock run a -- sh -c 'kill -9 $PPID'
	wait_until events_are 3 &&
	jq -es '[.[].event] ==
			["lock-new", "lock-set", "lock-owner-died"] and
		.[1].mode == 420 and .[1].news == [] and
		.[2].name == "a" and .[2].news == ["owner-died"] and
		.[2]["dead-token"] == .[2].token and .[2].held == false' \
		"$files/events" >/dev/null &&
	ends 0 lock del a && wait_until events_are 4 && ends_with 0 TERM
}

without_a_word_all_are_told()
{
	start_monitor -j monitor && ends 0 lock add a &&
	ends 0 service add web tcp $ADDRESS:$PORT && ends 0 lock del a &&
	wait_until events_are 3 &&
	jq -es '[.[].event] == ["lock-new", "service-new", "lock-del"]' \
		"$files/events" >/dev/null &&
	ends_with 0 TERM && ends 0 service del web || return
	start_monitor monitor services && ends 0 lock add a &&
	ends 0 lock del a && ends 0 service add web tcp $ADDRESS:$PORT &&
	wait_until events_are 1 && grep -q '^service-new web' "$files/events" &&
	ends_with 0 TERM && ends 0 service del web
}

locks_are_not_told_to_everybody()
{
	local word

	for word in '' locks; do
		# shellcheck disable=SC2086 # no word is none
		setpriv --reuid 65534 --regid 65534 --clear-groups \
			"$(command -v chringctl)" monitor $word 2>"$files/err"
		! differs "status of nobody's monitor $word" 2 $? &&
		grep -q 'locks needs CAP_NET_ADMIN.*not permitted' \
			"$files/err" || return
	done
}

not_shown()	# SERVICE REPLICA
{
	! chringctl replica show "$1" "$2" >/dev/null 2>&1
}

each_change_is_an_object()
{
	start_monitor -j monitor || return
	start_replicas udp $ADDRESS $PORT || return
	ends 0 service add dns udp $ADDRESS:$PORT &&
	ends 0 replica add dns one pid "$pid" &&
	wait_until events_are 3 &&
	jq -es '[.[].event] == ["service-new", "service-set", "replica-new"] and
		.[1].name == "dns" and .[1].state == "steering" and
		.[1]["local-port"] == 8000 and .[1].replicas == 1 and
		.[2].service == "dns" and .[2].name == "one" and
		.[2].state == "up" and .[2].weight == 1' \
		"$files/events" >/dev/null &&
	# The event's object is that of "show", and what has happened.
	json 'len(it) == 1' replica show dns &&
	jq -es --slurpfile now "$files/out" \
		'.[2] | del(.event) == $now[0][0]' "$files/events" >/dev/null &&
	pid=${children[-2]} && ends_with 0 INT &&
	ends 0 service del dns
}

indented_objects_are_objects_too()
{
	start_monitor -j -p monitor &&
	ends 0 service add web tcp $ADDRESS:$PORT &&
	ends 0 service set web owner nobody &&
	wait_until two_objects && ends_with 0 TERM && ends 0 service del web
}

two_objects()
{
	jq -es '[.[].event] == ["service-new", "service-set"] and
		.[1].owner == 65534' "$files/events" >/dev/null 2>&1
}

# For all network namespaces, and to be set in the first only.
set_most_room()	# BYTES
{
	nsenter --net=/proc/1/ns/net \
		sh -c "echo $1 >/proc/sys/net/core/rmem_max"
}

# With the least room for events, and stopped, it misses some.
loss_is_told_in_its_place()
{
	local room uid told
	room=$(cat /proc/sys/net/core/rmem_max)
	set_most_room 2304
	as="setpriv --reuid 65534 --regid 65534 --clear-groups" \
		start_monitor monitor services
	set_most_room "$room"
	ends 0 service add web tcp $ADDRESS:$PORT && wait_until events_are 1 ||
		return
	kill -STOP "$pid"
	for uid in {1..40}; do
		ends 0 service set web owner "$uid" || return
	done
	kill -CONT "$pid"
	wait_until grep -qx lost "$files/events" || return
	told=$(grep -c ^service-set "$files/events")
	[ "$told" -gt 0 ] && [ "$told" -lt 40 ] &&
	ends 0 service set web owner 41 &&
	wait_until grep -q 'owner 41 ' "$files/events" &&
	ends_with 0 TERM && ends 0 service del web
}

# Starts it with an output that the caller opens, and whoever closes ends.
start_piped()
{
	mkfifo "$files/pipe"
	chringctl monitor >"$files/pipe" 2>"$files/err" &
	pid=$!
	children+=("$pid")
	exec {reader}<"$files/pipe"
	rm "$files/pipe"
	wait_until listening 1
}

it_ends_when_nobody_reads_any_more()
{
	start_piped || return
	exec {reader}<&-
	wait "$pid"
	! differs "status" 0 $? && [ ! -s "$files/err" ]
}

# Stopped, it does not see that before there is something to write.
it_ends_where_nobody_reads_what_it_writes()
{
	start_piped || return
	kill -STOP "$pid"
	ends 0 service add web tcp $ADDRESS:$PORT || return
	exec {reader}<&-
	kill -CONT "$pid"
	wait "$pid"
	! differs "status" 0 $? && [ ! -s "$files/err" ] &&
	ends 0 service del web
}

it_ends_while_its_output_is_stuck()
{
	local uid
	start_piped || return
	# The least room that a pipe can have
	python3 -c 'import fcntl; fcntl.fcntl(0, fcntl.F_SETPIPE_SZ, 4096)' \
		<&"$reader" || return
	ends 0 service add web tcp $ADDRESS:$PORT || return
	for uid in {1..60}; do
		ends 0 service set web owner "$uid" || return
	done
	wait_until grep -q pipe "/proc/$pid/wchan" || return
	kill -TERM "$pid"
	wait "$pid"
	! differs "status" 0 $? || return
	exec {reader}<&-
	ends 0 service del web
}

output_that_cannot_be_written_is_an_error()
{
	chringctl monitor >/dev/full 2>"$files/err" &
	pid=$!
	wait_until listening 1 && ends 0 service add web tcp $ADDRESS:$PORT
	wait "$pid"
	! differs "status" 2 $? && grep -q 'cannot write' "$files/err" &&
	ends 0 service del web
}

tests=(
	each_change_is_a_line life_of_a_replica_is_told each_change_is_an_object
	each_change_of_a_lock_is_a_line each_change_of_a_lock_is_an_object
	without_a_word_all_are_told locks_are_not_told_to_everybody
	indented_objects_are_objects_too loss_is_told_in_its_place
	it_ends_when_nobody_reads_any_more
	it_ends_where_nobody_reads_what_it_writes
	it_ends_while_its_output_is_stuck
	output_that_cannot_be_written_is_an_error
)

ip link set lo up
start_judge

run_tests "${tests[@]}"
