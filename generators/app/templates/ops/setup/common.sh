#!/usr/bin/env bash
# Where the project is, and how these scripts speak: the other files in this folder source this one.
set -euo pipefail
shopt -s inherit_errexit # or a function that fails halfway inside $(...) would pass for one that is done

root=$(readlink -f "${BASH_SOURCE[0]}")
root=${root%/ops/*}

# project_name: those of the services begin with it.
project_name() {
  sed -n 's/^NAME = "\(.*\)"$/\1/p' "${root}/ops/operations/project.py"
}

# attempt COMMAND...: runs it, without a word of its own, and says yes where it worked.
attempt() {
  if "$@" >/dev/null 2>&1 </dev/null; then
    say yes
  fi
}

say() {
  printf '%s\n' "$*"
}

die() {
  printf '✗ %s\n' "$*" >&2
  exit 1
}

# What a script takes is said before it calls `options`:
#   option+=(['--pull']='')       a flag, `yes` where it is given
#   option+=(['--keep=']='14')    one with a value, and its default: --keep 30 or --keep=30
#   most_operands=1             how many words may stand beside them; they go into `operands`
declare -A option=()
operands=()
most_operands=0

# options USAGE "$@": reads the arguments into `option` and `operands`; --help and what is not declared end the script.
options() {
  usage=$1
  shift
  while (($# > 0)); do
    if [[ $1 == -h || $1 == --help ]]; then
      say "${usage}"
      exit
    elif [[ $1 == --*=* && -v option["${1%%=*}="] ]]; then
      option["${1%%=*}="]=${1#*=}
    elif [[ $1 == --* && -v option["$1="] ]]; then
      (($# > 1)) || wrong_usage "$1 needs a value"
      option["$1="]=$2
      shift
    elif [[ $1 == --* && -v option["$1"] ]]; then
      option["$1"]=yes
    elif [[ $1 == -* ]]; then
      wrong_usage "$1 is not an option"
    else
      operands+=("$1")
    fi
    shift
  done
  ((${#operands[@]} <= most_operands)) || wrong_usage "${operands[most_operands]} is one word too many"
}

# wrong_usage WHAT
wrong_usage() {
  printf '✗ %s\n\n%s\n' "$1" "${usage}" >&2
  exit 2
}

endings=()
recorders=()

# on_exit COMMAND: runs it when the script ends, unless that is by kill -9, with the exit status as its argument. Where
# it fails, its own status becomes that of the script. What was given last runs first.
on_exit() {
  endings=("$1" "${endings[@]}")
  end_well
}

end_well() {
  trap end EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

end() {
  local status=$? ending
  trap '' HUP INT TERM
  for ending in "${endings[@]}"; do
    ("${ending}" "${status}") || status=$?
  done
  if ((${#recorders[@]} > 0)); then
    exec >&- 2>&- # so that the recorders end; then all that was said is written
    wait "${recorders[@]}" || :
  fi
  exit "${status}"
}

# record SCRIPT: from here on all output goes to a log of this run in logs/.
record() {
  local copy
  new_log "$1"
  if [[ -z ${RUN_LOG} ]]; then
    say "! this run is not logged: ${root}/logs cannot be written to" >&2
    return
  fi
  prune_logs "$1" 30
  end_well
  copy=(setsid tee -a "${RUN_LOG}") # what interrupts the script must not cut the log off
  if [[ /dev/fd/1 -ef /dev/fd/2 ]]; then
    exec > >("${copy[@]}" || true) 2>&1 # one pipe keeps the lines in their order
    recorders=("$!")
  else
    exec > >("${copy[@]}" || true)
    recorders=("$!")
    exec 2> >("${copy[@]}" >&2 || true)
    recorders+=("$!")
  fi
}

# new_log SCRIPT: makes an empty log that its owner alone can read, and sets RUN_LOG to its path, or to nothing.
new_log() {
  local stamp n=1
  TZ=UTC printf -v stamp '%(%Y%m%dT%H%M%SZ)T' -1
  RUN_LOG=${root}/logs/${stamp}-$1.log
  mkdir -p "${root}/logs" 2>/dev/null || true
  until (umask 077 && set -o noclobber && : >"${RUN_LOG}") 2>/dev/null; do
    if [[ ! -e ${RUN_LOG} ]]; then
      RUN_LOG=
      return
    fi
    n=$((n + 1))
    RUN_LOG=${root}/logs/${stamp}.${n}-$1.log
  done
}

# prune_logs SCRIPT NUMBER: keeps that many of its logs, the newest; their names begin with the time.
prune_logs() {
  local logs=("${root}/logs/"*-"$1".log)
  if ((${#logs[@]} > $2)); then
    rm -f "${logs[@]:0:${#logs[@]}-$2}"
  fi
}
