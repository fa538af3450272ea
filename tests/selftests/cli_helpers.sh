# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For the scripts about chringctl: running it, and looking at what it says.

# shellcheck source-path=SCRIPTDIR source=script_helpers.sh
. "$(dirname "${BASH_SOURCE[0]}")/script_helpers.sh"

# What chringctl printed is in $files/out and $files/err.
files=$(mktemp -d)
trap 'clean_up; rm -rf "$files"' EXIT
chmod 755 "$files"

# Says what is otherwise than it should be.
differs()	# WHAT WANTED GOT
{
	[ "$2" != "$3" ] || return
	ktap_print_msg "$1: wanted '$2', got '$3'" >&2
}

# True where the words after the status, given to chringctl, end with it; a
# failure says so in one line (1: and shows the usage), success says nothing.
ends()	# STATUS WORD...
{
	local wanted=$1 status said=0 line lines
	shift

	chringctl "$@" >"$files/out" 2>"$files/err"
	status=$?
	mapfile -t lines <"$files/err"
	for line in "${lines[@]}"; do
		[[ $line != "chringctl: "* ]] || said=$((said + 1))
	done
	if differs "status of $*" "$wanted" $status ||
	   differs "errors of $*" $((wanted != 0)) $said; then
		printf '# %s\n' "${lines[@]}" >&2
		return 1
	fi
	[ "$wanted" = 1 ] || ! differs "lines of $*" $said ${#lines[@]}
}

# The same, and the error has these words.
fails()	# STATUS PATTERN WORD...
{
	local status=$1 pattern=$2
	shift 2

	ends "$status" "$@" || return
	grep -Eq "$pattern" "$files/err" && return
	ktap_print_msg "$*: no '$pattern' in '$(cat "$files/err")'" >&2
	return 1
}

# Python takes long to start: one reads all of what chringctl -j prints. Of
# each line it takes an expression over that, as "it".
# shellcheck disable=SC2016 # not the shell's
judge='
import json, sys
for line in sys.stdin:
    try:
        with open(sys.argv[1]) as file:
            it = json.load(file)
        right = isinstance(it, list) and eval(line)
        print("" if right else "# not so: %s: %s" % (line.strip(), it))
    except Exception as error:
        print("# %s: %r" % (line.strip(), error))
    sys.stdout.flush()
'

# To be called before json.
start_judge()
{
	coproc python { exec /usr/bin/python3 -IS -c "$judge" "$files/out"; }
	children+=("$!")
}

# Runs tests: functions of these names, after start_judge.
run_tests()	# NAME...
{
	local test

	ktap_print_header
	ktap_set_plan $#
	for test; do
		ktap_test_result "$test" "$test"
	done
	ktap_finished
}

# True where an expression is so of what chringctl -j prints.
json()	# EXPRESSION WORD...
{
	local expression=$1 verdict
	shift

	ends 0 -j "$@" || return
	echo "${expression//$'\n'/ }" >&"${python[1]}"
	read -r -t 60 -u "${python[0]}" verdict || return
	[ -n "$verdict" ] || return 0
	echo "$verdict" >&2
	return 1
}
