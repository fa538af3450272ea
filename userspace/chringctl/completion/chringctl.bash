# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# bash completion of chringctl(8): words from its usage, names from its JSON.

# The names in the JSON of a command, but those that JSON has to escape.
_chringctl_names()	# OBJECT VERB [SERVICE]
{
	chringctl "${_chringctl_options[@]}" -j "$@" 2>/dev/null |
		grep -oE '"name":"[^"\\]+"' | cut -d '"' -f 4
}

# The words that may come after those of a replica, a service or a lock.
_chringctl_keys()	# OBJECT VERB PREVIOUS-WORD
{
	case "$1 $2 $3" in
	*" pid" | *" fd" | *" at" | *" prefix" | *" weight" | *" watch" | *" from" | *" to" | \
	*" vnodes" | *" slots" | *" seed" | *" grace" | *" ramp")
		return ;;
	*" owner")
		compgen -u ;;
	*" none")
		echo refuse hold ;;
	*" override")
		echo reattach leave ;;
	*" key")
		echo flow client prefix payload ;;
	*" payload" | *" ipv4")
		return ;;
	*" group")
		compgen -g ;;
	*" mode" | *" timeout" | *" ttl")
		return ;;
	*" expiry")
		echo fence signal kill ;;
	*" on-loss")
		echo term kill ignore ;;
	"lock run"*)
		echo shared slots timeout ttl on-loss -- ;;
	"lock add"*)
		echo mode owner group fifo adaptive strict sticky slots ttl expiry eager ;;
	"lock set"*)
		echo mode owner group fifo adaptive ttl expiry ;;
	*" balance")
		echo even ring ;;
	"service add"*)
		echo v6only owner none override key balance vnodes slots seed grace ;;
	"service set"*)
		echo owner none override balance grace ;;
	"replica add"*)
		echo pid fd at weight watch ramp replace ;;
	"replica adopt"*)
		echo pid prefix weight ;;
	"replica set"*)
		echo weight
		_chringctl_names replica show "${words[2]}" ;;
	"replica del"*)
		_chringctl_names replica show "${words[2]}" ;;
	esac
}

_chringctl_words()	# the words before the one to complete, in ${words[@]}
{
	local object=${words[0]} verb=${words[1]} count=${#words[@]}

	if [ "$count" = 0 ]; then
		echo service replica run ring plan lookup monitor lock help -j -p -n -h -V
	elif [ "$object" = lookup ]; then
		case $count in
		1) _chringctl_names service show ;;
		2) echo from ;;
		3) ;;
		*) [[ ${words[-1]} = to || ${words[-1]} = payload ]] ||
			echo to payload ;;
		esac
	elif [ "$object" = plan ]; then
		case $count,${words[2]} in
		1,) _chringctl_names service show ;;
		2,) echo add del weight ;;
		3,del | 3,weight) _chringctl_names replica show "$verb" ;;
		4,add) echo weight ;;
		esac
	elif [ "$object" = run ]; then
		case $count in
		1) _chringctl_names service show ;;
		2) _chringctl_names replica show "$verb" ;;
		*) [[ ${words[-1]} = weight || ${words[-1]} = ramp ]] ||
			echo replace weight ramp -- ;;
		esac
	elif [ "$object" = monitor ]; then
		echo services locks
	elif [ "$count" = 1 ]; then
		case $object in
		service) echo add show set del help ;;
		replica) echo add adopt show set drain up del help ;;
		ring) echo show help ;;
		lock) echo run show add set del break token help ;;
		esac
	elif [ "$count" = 2 ] && [ "$object" = lock ]; then
		[ "$verb" = add ] || _chringctl_names lock show
	elif [ "$count" = 2 ]; then
		[ "$object $verb" = "service add" ] ||
			_chringctl_names service show
	elif [ "$object $verb $count" = "service add 3" ]; then
		echo tcp udp
	elif [ "$object $verb $count" = "service add 4" ]; then
		:	# ADDRESS:PORT
	elif [ "$object $verb $count" = "replica adopt 3" ]; then
		_chringctl_keys "$object" "$verb" ''
	elif [ "$object $count" = "replica 3" ]; then
		[ "$verb" = add ] || _chringctl_names replica show "${words[2]}"
	else
		_chringctl_keys "$object" "$verb" "${words[-1]}"
	fi
}

# The words of the command that follows "--", which is at this index.
_chringctl_command()	# INDEX
{
	if [ "$COMP_CWORD" = $(($1 + 1)) ]; then
		mapfile -t COMPREPLY < <(compgen -c -- "$current")
	elif declare -F _command_offset >/dev/null; then
		_command_offset $(($1 + 1))
	else
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
	fi
}

_chringctl()
{
	local _chringctl_options=() words=() current=$2 i command

	# Options, which the names to complete depend on, come first.
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-n)
			_chringctl_options+=(-n "${COMP_WORDS[i + 1]}")
			i=$((i + 1)) ;;
		-*) ;;
		*) break ;;
		esac
	done
	if [ "${COMP_WORDS[COMP_CWORD - 1]}" = -n ] && [ "$i" -ge "$COMP_CWORD" ]
	then
		mapfile -t COMPREPLY < <(compgen -W \
			"$(ls /run/netns 2>/dev/null)" -- "$current")
		return
	fi

	for ((command = i; command < COMP_CWORD; command++)); do
		if [ "${COMP_WORDS[command]}" = -- ]; then
			_chringctl_command $command
			return
		fi
	done

	words=("${COMP_WORDS[@]:i:COMP_CWORD-i}")
	mapfile -t COMPREPLY < <(compgen -W "$(_chringctl_words)" -- "$current")
}

complete -F _chringctl chringctl
