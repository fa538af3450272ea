#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own tests of SO_REUSEPORT say the same without the module, with
# it, and beside services that steer on the very ports they use, under traffic.
# Leaves the module loaded.
#
# CHRING_KO names the module's file; without it nothing is tried.

# shellcheck source-path=SCRIPTDIR source=script_helpers.sh
. "$(dirname "${BASH_SOURCE[0]}")/script_helpers.sh"

# The tests' sockets are on every address, and they send to 127.0.0.1. On the
# ports of reuseport_bpf nobody else can be: it attaches before it binds.
ADDRESS=127.0.0.2
PORT=8888
programs=(reuseaddr_conflict reuseport_addr_any reuseport_bpf reuseport_bpf_cpu
	  reuseport_bpf_numa reuseport_dualstack)

if [ -z "${REUSEPORT_NETNS-}" ]; then
	if [ ! -e "${CHRING_KO-}" ]; then
		ktap_print_header
		ktap_skip_all "CHRING_KO does not name the module"
		exit "$KSFT_SKIP"
	fi
	REUSEPORT_NETNS=1 exec unshare -n "$0" "$@"
fi

loaded()
{
	[ -d /sys/module/chring ]
}

unload()
{
	! loaded || rmmod chring 2>/dev/null
}

# Puts what a program says into a file, with its status in the last line.
run()	# PROGRAM FILE
{
	timeout 300 "$here/$1" >"$files/$2" 2>&1
	echo "status $?" >>"$files/$2"
}

# What each says without the module is what it has to say; and that is no error.
try_without()
{
	local program status

	for program in "${programs[@]}"; do
		run "$program" "$program"
		status=$(tail -n 1 "$files/$program")
		case ${status#status } in
		0)
			ktap_test_pass "$program without the module" ;;
		"$KSFT_SKIP")
			ktap_test_skip "$program without the module" ;;
		*)
			sed 's/^/# /' "$files/$program"
			ktap_test_fail "$program without the module" ;;
		esac
	done
}

says_the_same()	# PROGRAM
{
	run "$1" again
	diff "$files/$1" "$files/again" | sed 's/^/# /'
	return "${PIPESTATUS[0]}"
}

try_again()	# HOW
{
	local program

	for program in "${programs[@]}"; do
		ktap_test_result "$program $1" says_the_same "$program"
	done
}

# Adds a service under traffic, with two replicas, named for its protocol.
steer()	# tcp|udp
{
	start_replicas "$1" $ADDRESS $PORT 2 &&
	chringctl service add "$1" "$1" $ADDRESS:$PORT &&
	chringctl replica add "$1" a pid "$pid" fd "${fds[0]}" \
				   b pid "$pid" fd "${fds[1]}" &&
	start_traffic "$1" $ADDRESS $PORT
}

picks()	# SERVICE
{
	chringctl -j service show "$1" | sed -n 's/.*"picks": *\([0-9]*\).*/\1/p'
}

picked_more()	# SERVICE PICKS
{
	[ "$(picks "$1")" -gt "$2" ]
}

# All services have their replicas, and steer; refused is none.
services_steer()
{
	local service

	for service in tcp udp; do
		wait_until picked_more "$service" "$(picks "$service")" || return
		[ "$(chringctl -j replica show "$service" |
			grep -o '"state": *"up"' | wc -l)" = 2 ] || return
		chringctl -j service show "$service" |
			grep -q '"refused": *0\b' || return
	done
}

start_services()
{
	steer tcp && steer udp && services_steer
}

files=$(mktemp -d)
trap 'clean_up; rm -rf "$files"; loaded || insmod "$CHRING_KO"' EXIT
ip link set lo up

ktap_print_header
ktap_set_plan $((3 * ${#programs[@]} + 2))
wait_until unload || ktap_exit_fail_msg "cannot unload the module"
try_without
insmod "$CHRING_KO" || ktap_exit_fail_msg "cannot load $CHRING_KO"
try_again "with the module"
ktap_test_result "services steer on the port of the tests" start_services
try_again "beside services"
ktap_test_result "and steer as before when the tests are over" services_steer
ktap_finished
