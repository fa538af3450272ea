#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# chringctl lock from end to end: what runs under a lock, what it is told, what
# becomes of it when the lock or chringctl is lost; and what is shown of locks.

if [ -z "${CLI_NETNS-}" ]; then
	CLI_NETNS=1 exec unshare -n -m "$0" "$@"
fi

# shellcheck source-path=SCRIPTDIR source=cli_helpers.sh
. "$(dirname "${BASH_SOURCE[0]}")/cli_helpers.sh"

# What a terminal does: starts chringctl lock run with these words, and waits
# until its command runs, of which the name is "job". Its process is in $pid.
hold()	# NAME [KEY VALUE]... [-- WORD...]
{
	local words=()

	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		words+=("$1")
		shift
	done
	shift
	rm -f "$files/runs"
	# What runs in the background would ignore these two.
	env --default-signal=INT,QUIT \
		chringctl lock run "${words[@]}" -- "$files/job" "${@:-wait}" \
		2>"$files/holder" &
	pid=$!
	children+=("$pid")
	wait_until test -s "$files/runs" && job=$(cat "$files/runs")
}

# The token of what hold has started.
token_of_job()
{
	tr '\0' '\n' <"/proc/$job/environ" | sed -n 's/^CHRING_TOKEN=//p'
}

# Waits for one that hold has started, and compares its status.
ended()	# STATUS
{
	local status=0

	wait "$pid" 2>/dev/null || status=$?
	! differs "status of the holder" "$1" $status
}

# After a test, which may have failed: what hold has started is gone.
let_go()
{
	[ -z "$pid" ] || kill -KILL "$pid" "$job" 2>/dev/null
	[ ${#others[@]} = 0 ] || kill -KILL "${others[@]}" 2>/dev/null
	pid='' job='' others=()
}

gone()	# PROCESS
{
	! kill -0 "$1" 2>/dev/null
}

free()	# NAME
{
	chringctl lock run "$1" timeout 0 -- true 2>/dev/null
}

make_job()
{
	cat >"$files/job" <<-'END'
		#!/bin/bash
		# Says that it runs, and does what it is asked to.
		# shellcheck disable=SC2064
		for signal in HUP INT QUIT USR1 USR2 ALRM; do
			trap "echo $signal >>'${0%/*}/signals'" "$signal"
		done
		[ "$1" != stubborn ] || trap 'echo TERM >>"${0%/*}/signals"' TERM
		echo $$ >"${0%/*}/runs.new"
		mv "${0%/*}/runs.new" "${0%/*}/runs"
		until [ -e "${0%/*}/end.$$" ]; do sleep 0.02; done
		exit 42
	END
	chmod 755 "$files/job"
}

status_of_the_command_is_passed_on()
{
	local status

	for status in 0 1 2 3 42 125 255; do
		chringctl lock run a -- sh -c "exit $status" 2>"$files/err"
		! differs "status" $status $? && ! [ -s "$files/err" ] || return
	done
	for status in 1 9 15; do
		chringctl lock run a -- sh -c "kill -$status \$\$"
		! differs "status after a signal" $((128 + status)) $? || return
	done
	free a
}

command_that_cannot_be_run_is_told_as_env_does()
{
	fails 127 "cannot run 'no-such-command'.*No such file" \
		lock run a -- no-such-command &&
	fails 126 "cannot run '/'.*denied" lock run a -- / && free a
}

what_fails_before_the_command_is_125()
{
	fails 125 "lock 'a b'.*Invalid" lock run 'a b' -- true &&
	fails 125 'nowhere' -n nowhere lock run a -- true
}

command_sees_lock_and_token()
{
	local first second

	chringctl lock run x/y -- env >"$files/out" &&
	grep -qx CHRING_LOCK=x/y "$files/out" &&
	! grep -E '^CHRING_(OWNER_DIED|BROKEN|CORRUPT)=' "$files/out" || return
	# shellcheck disable=SC2016 # for the inner shell
	first=$(chringctl lock run a -- sh -c 'echo $CHRING_TOKEN')
	# shellcheck disable=SC2016
	second=$(chringctl lock run a -- sh -c 'echo $CHRING_TOKEN')
	[ "$first" -gt 0 ] && [ "$second" -gt "$first" ]
}

holder_that_waits_gets_the_lock_next()
{
	hold a || return
	chringctl lock run a -- touch "$files/next" &
	children+=("$!")
	wait_until waits a 1 && ! [ -e "$files/next" ] &&
	touch "$files/end.$job" && ended 42 &&
	wait_until test -e "$files/next"
}

waits()	# NAME NUMBER
{
	json "it[0]['waiters'] == $2" lock show "$1" 2>/dev/null
}

busy_lock_is_told_with_its_holder()
{
	local token

	hold a || return
	token=$(token_of_job)
	sleep 1
	fails 3 "^chringctl: lock 'a' is held by pid $pid \(job\) for [1-9][0-9]* s, token $token, 0 waiting$" \
		lock run a timeout 0 -- touch "$files/never" &&
	fails 3 "held by pid $pid" lock run a timeout 0.1 -- true &&
	fails 3 "held by pid $pid" lock run a timeout 50ms -- true &&
	! [ -e "$files/never" ] && kill -0 "$job" &&
	touch "$files/end.$job" && ended 42 && free a
}

signals_go_through_to_the_command()
{
	local signal wanted=()

	rm -f "$files/signals"
	hold a || return
	for signal in HUP INT QUIT USR1 USR2 ALRM; do
		wanted+=("$signal")
		kill -"$signal" "$pid"
		wait_until signalled "${wanted[*]}" || return
	done
	kill -TERM "$pid"
	ended 143 && gone "$job" && free a
}

signalled()	# SIGNALS
{
	[ -e "$files/signals" ] && [ "$(xargs <"$files/signals")" = "$1" ]
}

# Before it starts the command: chringctl ends, and nobody has died.
signal_before_the_command_releases_the_lock()
{
	local signal number

	for signal in TERM:15 INT:2 HUP:1; do
		number=${signal#*:} signal=${signal%:*}
		LD_PRELOAD=$here/signal_in_setenv.so SIGNAL=$number \
			env --default-signal=INT \
			chringctl lock run a -- touch "$files/never"
		! differs "status after $signal" $((128 + number)) $? &&
		chringctl lock run a timeout 0 -- env >"$files/out" &&
		! grep -q CHRING_OWNER_DIED "$files/out" || return
	done
	! [ -e "$files/never" ]
}

signal_ends_who_waits()
{
	local waiter status=0

	hold a || return
	chringctl lock run a -- touch "$files/never" &
	waiter=$!
	children+=("$waiter")
	wait_until waits a 1 && kill -TERM "$waiter" || return
	wait "$waiter" || status=$?
	! differs "status of who waits" 143 $status && wait_until waits a 0 &&
	touch "$files/end.$job" && ended 42 && ! [ -e "$files/never" ] && free a
}

# A terminal sends them to both: the command is not to see two.
signal_of_a_terminal_comes_once()
{
	rm -f "$files/signals" "$files/runs"
	/usr/bin/python3 -IS - "$files/job" <<-'END' || return
		import os, pty, sys, time
		job = sys.argv[1]
		files = os.path.dirname(job)

		def wait(name):
		    end = time.monotonic() + 60
		    while not os.path.exists(f'{files}/{name}'):
		        assert time.monotonic() < end, name
		        time.sleep(0.02)
		    return open(f'{files}/{name}').read().split()

		pid, terminal = pty.fork()
		if not pid:
		    os.execvp('chringctl', ['chringctl', 'lock', 'run', 'a', '--', job])
		child = wait('runs')[0]
		os.write(terminal, b'\x03')
		wait('signals')
		time.sleep(0.5)
		open(f'{files}/end.{child}', 'w')
		assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 42
	END
	signalled INT
}

command_gets_no_descriptor_of_ours()
{
	# shellcheck disable=SC2016 # for the inner shell
	local list='cd /proc/$$/fd && echo *' plain

	plain=$(exec 7</dev/null; sh -c "$list")
	[[ " $plain " == *" 7 "* ]] &&
	! differs "descriptors" "$plain" \
		"$(exec 7</dev/null; chringctl lock run a -- sh -c "$list")"
}

# chringctl is killed: the lock is free at once, and the command ends.
killed_holder_is_told_of_and_its_command_ends()
{
	local token

	hold a || return
	token=$(token_of_job)
	kill -KILL "$pid"
	ended 137 && wait_until gone "$job" &&
	chringctl lock run a timeout 60 -- env >"$files/out" &&
	grep -qx "CHRING_OWNER_DIED=$token" "$files/out" &&
	! grep -q CHRING_BROKEN "$files/out" &&
	# Told once.
	chringctl lock run a timeout 0 -- env >"$files/out" &&
	! grep -q CHRING_OWNER_DIED "$files/out"
}

killed_holder_takes_a_stubborn_command_along_on_loss_kill()
{
	rm -f "$files/signals"
	hold a -- stubborn || return
	kill -KILL "$pid"
	ended 137 && wait_until signalled TERM && kill -0 "$job" &&
	touch "$files/end.$job" && wait_until gone "$job" || return

	hold a on-loss kill -- stubborn || return
	kill -KILL "$pid"
	ended 137 && wait_until gone "$job" && signalled TERM || return

	hold a on-loss ignore || return
	kill -KILL "$pid"
	ended 137 && kill -0 "$job" && touch "$files/end.$job" &&
	wait_until gone "$job"
}

broken_lock_ends_the_command()
{
	local token

	hold a on-loss term || return
	token=$(token_of_job)
	ends 0 lock break a && ended 143 &&
	grep -qx "chringctl: lock 'a' was taken away: terminating the command" \
		"$files/holder" &&
	chringctl lock run a -- env >"$files/out" &&
	grep -qx "CHRING_BROKEN=$token" "$files/out" &&
	! grep -q CHRING_OWNER_DIED "$files/out" || return

	rm -f "$files/signals"
	hold a on-loss kill -- stubborn || return
	ends 0 lock break a && ended 137 && ! [ -e "$files/signals" ] &&
	grep -q 'killing the command' "$files/holder" || return

	hold a on-loss ignore || return
	ends 0 lock break a &&
	wait_until grep -qx "chringctl: lock 'a' was taken away" \
		"$files/holder" &&
	kill -0 "$job" && touch "$files/end.$job" && ended 42
}

command_that_makes_others_wait_for_too_long_ends()
{
	local token

	hold a ttl 0.1 on-loss kill || return
	token=$(token_of_job)
	json '"lease-ns" not in it[0]' lock show a &&
	chringctl lock run a timeout 60 -- env >"$files/out" && ended 137 &&
	grep -qx "CHRING_EXPIRED=$token" "$files/out" &&
	grep -q 'killing the command' "$files/holder" &&
	! grep -q CHRING_OWNER_DIED "$files/out"
}

# The store of the document, to which a job brings what it was told to.
make_store()
{
	local document=$here/locks.rst

	[ -e "$document" ] || document=$here/../../Documentation/locks.rst
	sed -n '/^    #!\/bin\/sh$/,/^It is used so/s/^    //p' "$document" \
		>"$files/fenced-store" &&
	chmod 755 "$files/fenced-store" && mkdir -p "$files/store"
}

store_of_the_document_refuses_a_stale_token()
{
	local stopped store=$files/fenced-store status=0

	make_store || return
	# shellcheck disable=SC2016 # for the inner shell
	chringctl lock run a ttl 0.1 on-loss ignore -- sh -c '
		echo $$ >"$2/stopped" && kill -STOP $$
		echo first | "$1" "$2/store" report "$CHRING_TOKEN"' \
		- "$store" "$files" 2>"$files/holder" &
	pid=$!
	children+=("$pid")
	wait_until test -s "$files/stopped" && stopped=$(cat "$files/stopped") &&
	wait_until grep -q '^State:.T' "/proc/$stopped/status" || return
	# shellcheck disable=SC2016
	chringctl lock run a timeout 60 -- sh -c 'test "$CHRING_EXPIRED" &&
		echo second | "$1" "$2/store" report "$CHRING_TOKEN" &&
		echo third | "$1" "$2/store" report "$CHRING_TOKEN"' \
		- "$store" "$files" && kill -CONT "$stopped" || return
	wait "$pid" || status=$?
	pid=''
	! differs "status of the first" 3 "$status" &&
	grep -q 'token [0-9]* is stale, [0-9]* was seen' "$files/holder" &&
	! differs "report" third "$(cat "$files/store/report")"
}

leases_are_shown_and_set()
{
	ends 0 lock add a ttl 0.0001 expiry kill eager fifo &&
	json 'it[0]["ttl-ms"] == 1 and it[0]["expiry"] == "kill" and
	      it[0]["eager"] and "lease-ns" not in it[0]' lock show a &&
	ends 0 lock set a ttl 1h expiry signal && ends 0 lock show a &&
	grep -q '^a fifo .* ttl-ms 3600000 expiry signal handles 0$' \
		"$files/out" &&
	hold a && json '0 < it[0]["lease-ns"] <= 3600 * 10**9' lock show a &&
	ends 0 lock show a &&
	grep -q ' seconds-left 3[56][0-9][0-9] ' "$files/out" &&
	touch "$files/end.$job" && ended 42 &&
	ends 0 lock set a ttl 0 expiry fence && ends 0 lock show a &&
	! grep -q ttl "$files/out" && ends 0 lock del a
}

# ---- several at once

holds()	# NAME HOLDERS WAITERS
{
	json "it[0]['holders'] == $2 and it[0]['waiters'] == $3" \
		lock show "$1" 2>/dev/null
}

# The same, beside what hold has started already.
hold_too()	# NAME [KEY VALUE]...
{
	others+=("$pid" "$job")
	hold "$@"
}

shared_commands_run_at_once_and_others_do_not()
{
	local first token

	hold a shared && first=$pid && hold_too a shared || return
	token=$(token_of_job)
	json "it[0]['shared'] and it[0]['holders'] == 2 and
	      it[0]['slots'] == 0 and it[0]['token'] == $token and
	      it[0]['pid'] == $first and len(it[0]['holder']) == 2 and
	      it[0]['holder'][0]['token'] == $token - 1 and
	      it[0]['holder'][0]['pid'] == $first and
	      it[0]['holder'][1]['comm'] == 'job' and
	      it[0]['holder'][1]['token'] == $token" lock show a &&
	ends 0 lock show a && grep -q ' held holders 2 pid ' "$files/out" &&
	! differs "lines" 2 "$(grep -c '^ *holder pid [0-9]* comm job ' "$files/out")" &&
	fails 3 "held by pid $first \(job\) and 1 more for .* token $token," \
		lock run a timeout 0 -- true &&
	# Who has died only sharing it is no news, and the other shares it still.
	kill -KILL "$pid" && ended 137 && wait_until holds a 1 0 &&
	fails 3 "held by pid $first \(job\) for" lock run a timeout 0 -- true &&
	chringctl lock run a shared timeout 0 -- true &&
	touch "$files/end.${others[1]}" && wait "$first"
	! differs "status of the first" 42 $? &&
	chringctl lock run a timeout 60 -- env >"$files/out" &&
	! grep -q CHRING_OWNER_DIED "$files/out"
}

slots_are_had_by_as_many_commands()
{
	hold a slots 2 && hold_too a slots 2 && holds a 2 0 || return
	json "it[0]['slots'] == 2 and it[0]['strict'] and
	      it[0]['discipline'] == 'fifo'" lock show a &&
	ends 0 lock show a && grep -q ' slots 2 ' "$files/out" &&
	fails 3 'and 1 more' lock run a timeout 0 -- true &&
	fails 125 "cannot acquire lock 'a': Invalid" lock run a shared -- true &&
	# The dead one's slot is free, once.
	kill -KILL "$pid" && ended 137 &&
	chringctl lock run a timeout 60 -- env >"$files/out" &&
	grep -q CHRING_OWNER_DIED "$files/out" &&
	hold a && fails 3 'and 1 more' lock run a timeout 0 -- true &&
	touch "$files/end.$job" && ended 42 &&
	touch "$files/end.${others[1]}" && wait "${others[0]}"
	! differs "status of the first" 42 $?
}

slots_are_added()
{
	ends 0 lock add pool slots 3 sticky &&
	json "it[0]['slots'] == 3 and it[0]['sticky'] and it[0]['strict'] and
	      it[0]['holders'] == 0 and not it[0]['shared'] and
	      'holder' not in it[0]" lock show pool &&
	fails 2 'slots are given in order of arrival \(attribute discipline\)' \
		lock set pool adaptive &&
	ends 0 lock set pool fifo mode 666 &&
	fails 2 'slots are given in order of arrival' \
		lock add other slots 2 adaptive &&
	ends 0 lock del pool && json 'it == []' lock show
}

loss_is_told_once_and_the_outer_lock_is_not_mistaken()
{
	hold a on-loss ignore || return
	ends 0 lock break a && wait_until test -s "$files/holder" || return
	# shellcheck disable=SC2016 # for the inner shell
	chringctl lock run a -- sh -c 'test "$CHRING_BROKEN" &&
		chringctl lock run b -- env' >"$files/out" &&
	grep -qx CHRING_LOCK=b "$files/out" &&
	! grep -q CHRING_BROKEN "$files/out" &&
	touch "$files/end.$job" && ended 42 &&
	! differs "lines" 1 "$(wc -l <"$files/holder")"
}

# ---- the program in the manual

example_of_the_manual_adds_under_the_lock()
{
	local i adders=()

	echo 0 >"$files/number"
	for ((i = 0; i < 10; i++)); do
		"$here/lock_example" a "$files/number" >"$files/adder.$i" &
		adders+=($!)
	done
	wait "${adders[@]}" || return
	! differs "number" 10 "$(cat "$files/number")" &&
	# By the tokens they come in the order of the numbers.
	! differs "numbers" "$(seq -s ' ' 10)" \
		"$(sort -k 2n "$files"/adder.* | cut -d ' ' -f 3 | xargs)"
}

example_of_the_manual_tells_of_a_dead_holder()
{
	hold a || return
	kill -KILL "$pid"
	ended 137 && "$here/lock_example" a "$files/number" 2>"$files/err" &&
	grep -q "the holder with token [0-9]* died" "$files/err" &&
	! differs "number" 11 "$(cat "$files/number")" &&
	! "$here/lock_example" "a b" "$files/number" 2>"$files/err" &&
	grep -q "a b: Invalid argument" "$files/err" &&
	! "$here/lock_example" a "$files/nothing" 2>/dev/null && wait_until free a
}

# One is held by another, the rest is free; then they compete.
example_of_the_manual_waits_for_many_locks()
{
	local i line='1000 locks, [0-9]* of them waited for'

	ulimit -n 4096
	hold loop/7 || return
	"$here/lock_loop" loop 1000 >"$files/loop" &
	others+=($!)
	wait_until waits loop/7 1 || return
	touch "$files/end.$job" && ended 42 && wait "${others[0]}" &&
	! differs "waited for" '1000 locks, 1 of them waited for' \
		"$(cat "$files/loop")" || return
	others=()
	for ((i = 0; i < 4; i++)); do
		"$here/lock_loop" loop 1000 >"$files/loop.$i" &
		others+=($!)
	done
	for ((i = 0; i < 4; i++)); do
		wait "${others[i]}" && grep -qx "$line" "$files/loop.$i" || return
	done
}

# ---- what is shown and changed

holder_is_shown()
{
	ends 0 lock show && ! [ -s "$files/out" ] && json 'it == []' lock show &&
	hold a || return
	json "len(it) == 1 and it[0]['name'] == 'a' and
	      it[0]['pid'] == $pid and it[0]['comm'] == 'job' and
	      it[0]['token'] > 0 and it[0]['waiters'] == 0" lock show &&
	ends 0 lock show a && grep -q "pid $pid comm job" "$files/out" &&
	touch "$files/end.$job" && ended 42 &&
	fails 2 'no lock' lock show a
}

# Of which each has other cells than the first, for one reason or another.
locks_are_shown_one_below_the_other()
{
	ends 0 lock add a && ends 0 lock add leased ttl 5s &&
	ends 0 lock add last fifo && hold last && ends 0 lock show || return
	sed -E 's/ (pid|seconds|token) +[0-9]+/ \1 N/g' "$files/out" \
		>"$files/shown"
	touch "$files/end.$job" && ended 42 && ends 0 lock del a &&
	ends 0 lock del leased && ends 0 lock del last &&
	diff - "$files/shown" >&2 <<-END
	a      adaptive mode 0600 uid 0 gid 0 handles 0
	    free waiters 0
	leased adaptive mode 0600 uid 0 gid 0 ttl-ms 5000 expiry fence handles 0
	    free waiters 0
	last   fifo     mode 0600 uid 0 gid 0 handles 1
	    held pid N comm job seconds N token N waiters 0
	END
}

has_news()	# NAME
{
	json "it[0]['news']" lock show "$1" 2>/dev/null
}

# A holder that has died, and then a word that cannot be.
scribble()	# NAME
{
	/usr/bin/python3 -IS - "$1" <<-'END'
		import ctypes, fcntl, mmap, os, struct, sys
		name = ctypes.create_string_buffer(sys.argv[1].encode())
		device = os.open('/dev/chring', os.O_RDWR)
		request = struct.pack('=IIQIIII', 32, 0, ctypes.addressof(name),
		                      len(name.value), 0, 0, 0)
		handle = fcntl.ioctl(device, 0xc700, bytearray(request))
		word = mmap.mmap(handle, 4096)
		word[:8] = struct.pack('Q', 2 ** 64 - 16)
	END
}

all_news_are_shown()
{
	local token

	hold a || return
	token=$(token_of_job)
	json "it[0]['news'] == [] and 'dead-token' not in it[0]" lock show a &&
	kill -KILL "$pid" && ended 137 &&
	wait_until has_news a &&
	json "it[0]['news'] == ['owner-died'] and
	      it[0]['dead-token'] == $token" lock show a &&
	scribble a &&
	json "it[0]['news'] == ['owner-died', 'corrupt'] and it[0]['strict'] and
	      it[0]['dead-token'] == $token" lock show a &&
	ends 0 lock show a &&
	grep -q "waiters 0 news owner-died,corrupt dead-token $token" \
		"$files/out" &&
	chringctl lock run a -- env >"$files/out" &&
	grep -qx "CHRING_OWNER_DIED=$token" "$files/out" &&
	grep -qx "CHRING_CORRUPT=$token" "$files/out"
}

told_of_a_death()	# STATUS COMMAND...: of a holder of the lock s, to this one
{
	local due=$1 status=0
	shift

	# shellcheck disable=SC2016 # for the inner shell
	chringctl lock run s timeout 60 -- \
		sh -c 'test "$CHRING_OWNER_DIED" || exit 99; "$@"' - "$@" ||
		status=$?
	! differs "status" "$due" $status
}

sticky_news_stay_until_a_command_succeeds()
{
	ends 0 lock add s sticky && json 'it[0]["sticky"]' lock show s &&
	hold s && kill -KILL "$pid" && ended 137 &&
	told_of_a_death 1 false && told_of_a_death 7 sh -c 'exit 7' &&
	told_of_a_death 143 sh -c 'kill $$' && told_of_a_death 0 true &&
	told_of_a_death 99 true && ends 0 lock del s &&
	json 'it == []' lock show
}

token_is_compared_with_the_newest()
{
	local token

	fails 2 'no lock' lock token a 1 && ends 0 lock add a &&
	fails 3 "nobody has acquired lock 'a'" lock token a 1 || return
	# shellcheck disable=SC2016 # for the inner shell
	token=$(chringctl lock run a -- sh -c 'echo $CHRING_TOKEN') &&
	ends 0 lock token a "$token" && ! [ -s "$files/out" ] &&
	fails 3 "^chringctl: token $((token - 1)) of lock 'a' is stale, the newest is $token$" \
		lock token a $((token - 1)) &&
	fails 3 "token $((token + 1)) of lock 'a' is not given yet, the newest" \
		lock token a $((token + 1)) || return
	# By the word, which the kernel does not see when it happens.
	# shellcheck disable=SC2016
	chringctl lock run a -- sh -c 'chringctl lock token a $CHRING_TOKEN' &&
	fails 3 stale lock token a "$token" &&
	ends 0 lock set a mode 600 &&
	unprivileged 2 'Permission denied' lock token a "$token" &&
	ends 0 lock del a
}

is_stale()	# NAME TOKEN
{
	fails 3 "token $2 of lock '$1' is stale" lock token "$@" 2>/dev/null
}

# Of several holders each has a good one, for as long as it holds the lock.
token_of_each_holder_is_good()	# [KEY VALUE]...
{
	local first second

	hold a "$@" && first=$(token_of_job) && hold_too a "$@" || return
	second=$(token_of_job)
	[ "$second" -gt "$first" ] &&
	ends 0 lock token a "$first" && ends 0 lock token a "$second" &&
	is_stale a $((first - 1)) &&
	fails 3 'not given yet' lock token a $((second + 1)) &&
	kill -KILL "${others[0]}" && wait_until is_stale a "$first" &&
	ends 0 lock token a "$second" &&
	touch "$files/end.$job" && ended 42 &&
	# Nobody has it now; but it is the newest, until somebody does.
	ends 0 lock token a "$second" && chringctl lock run a -- true &&
	is_stale a "$second"
}

tokens_of_those_who_share_are_good_until_let_go()
{
	ends 0 lock add a && token_of_each_holder_is_good shared &&
	ends 0 lock del a
}

tokens_of_slots_are_good_until_let_go()
{
	ends 0 lock add a slots 2 && token_of_each_holder_is_good &&
	ends 0 lock del a
}

lock_that_was_added_stays_until_deleted()
{
	ends 0 lock add stay mode 640 owner nobody group 7 fifo strict &&
	json 'len(it) == 1 and it[0]["mode"] == 0o640 and
	      it[0]["uid"] == 65534 and it[0]["gid"] == 7 and
	      it[0].get("pid") is None and it[0]["waiters"] == 0' \
		lock show stay &&
	fails 2 'File exists' lock add stay &&
	chringctl lock run stay -- true && ends 0 lock show stay &&
	ends 0 lock set stay mode 600 owner 0 &&
	json 'it[0]["mode"] == 0o600 and it[0]["uid"] == 0 and
	      it[0]["gid"] == 7' lock show stay &&
	ends 0 lock del stay && json 'it == []' lock show &&
	fails 2 'No such file' lock del stay &&
	fails 2 'No such file' lock set stay mode 600 &&
	fails 2 'No such file' lock break stay
}

# One of nobody's commands.
unprivileged()	# STATUS PATTERN WORD...
{
	local status=$1 pattern=$2 got
	shift 2

	setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$(command -v chringctl)" "$@" >"$files/out" 2>"$files/err"
	got=$?
	! differs "status of nobody's $*" "$status" $got &&
	grep -q "$pattern" "$files/err" "$files/out"
}

permissions_are_those_of_a_file()
{
	ends 0 lock add private && ends 0 lock add public mode 666 &&
	ends 0 lock add readable mode 604 &&
	unprivileged 0 LOCK=public lock run public -- env &&
	unprivileged 0 LOCK=mine lock run mine -- env &&
	unprivileged 125 'Permission denied' lock run private -- env &&
	unprivileged 125 'Permission denied' lock run readable -- env &&
	unprivileged 0 public lock show && ! grep -q private "$files/out" &&
	unprivileged 2 '' lock break public &&
	unprivileged 2 '' lock del public &&
	unprivileged 2 '' lock set public mode 600 &&
	json 'sorted(lock["name"] for lock in it) ==
	      ["private", "public", "readable"]' lock show &&
	ends 0 lock del private && ends 0 lock del public &&
	ends 0 lock del readable
}

other_namespace_has_other_locks()
{
	mkdir -p /run/netns && touch /run/netns/there &&
	unshare -n sh -c 'mount --bind /proc/self/ns/net /run/netns/there' ||
		return
	hold a || return
	chringctl -n there lock run a timeout 0 -- true &&
	ends 0 -n there lock add b && json 'len(it) == 1' lock show &&
	json '[lock["name"] for lock in it] == ["b"]' -n there lock show &&
	ends 0 -n there lock del b && umount /run/netns/there &&
	touch "$files/end.$job" && ended 42
}

tests=(
	status_of_the_command_is_passed_on
	command_that_cannot_be_run_is_told_as_env_does
	what_fails_before_the_command_is_125 command_sees_lock_and_token
	holder_that_waits_gets_the_lock_next busy_lock_is_told_with_its_holder
	signals_go_through_to_the_command
	signal_before_the_command_releases_the_lock signal_ends_who_waits
	signal_of_a_terminal_comes_once
	command_gets_no_descriptor_of_ours
	killed_holder_is_told_of_and_its_command_ends
	killed_holder_takes_a_stubborn_command_along_on_loss_kill
	broken_lock_ends_the_command
	command_that_makes_others_wait_for_too_long_ends leases_are_shown_and_set
	store_of_the_document_refuses_a_stale_token
	shared_commands_run_at_once_and_others_do_not
	slots_are_had_by_as_many_commands slots_are_added
	loss_is_told_once_and_the_outer_lock_is_not_mistaken
	example_of_the_manual_adds_under_the_lock
	example_of_the_manual_tells_of_a_dead_holder
	example_of_the_manual_waits_for_many_locks
	holder_is_shown locks_are_shown_one_below_the_other all_news_are_shown
	sticky_news_stay_until_a_command_succeeds
	token_is_compared_with_the_newest
	tokens_of_those_who_share_are_good_until_let_go
	tokens_of_slots_are_good_until_let_go lock_that_was_added_stays_until_deleted
	permissions_are_those_of_a_file other_namespace_has_other_locks
)

job='' others=()
trap 'let_go; clean_up; rm -rf "$files"' EXIT
make_job
start_judge

ktap_print_header
ktap_set_plan ${#tests[@]}
for test in "${tests[@]}"; do
	ktap_test_result "$test" "$test"
	let_go
done
ktap_finished
