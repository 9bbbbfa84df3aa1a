#!/usr/bin/env bash
# What a step is: something that holds already, or is made to hold. ops/setup_vps.sh sources this file, and the steps of
# the other files in this folder use it.
set -euo pipefail

# shellcheck source=ops/setup/common.sh
source "${BASH_SOURCE[0]%/*}/common.sh"

systemd=/run/systemd/system # is there where systemd runs
apt_get=(env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get --quiet --quiet
  --option DPkg::Lock::Timeout=300 --option Dpkg::Options::=--force-confold)
lists_are_new=''

dry_run=''
changes=0
left_out=0
doing=''
reason=''

# begin DRY_RUN: two runs at a time would be at the same files, whichever project they belong to.
begin() {
  dry_run=$1
  [[ -z ${dry_run} ]] || return 0
  exec 8>/run/lock/setup_vps.lock
  flock --nonblock 8 || die 'another run is at work on this server. Nothing was changed; run this again when it has ended'
  record setup_vps
  on_exit say_where_it_ended
}

say_where_it_ended() {
  [[ ! -d ${root}/logs ]] || chown --recursive --reference="${root}" "${root}/logs"
  (($1 == 0)) || [[ -z ${doing} ]] ||
    die "not finished. The step that failed: ${doing}. What was done before it stays; mend it, and run this again"
}

# step WHAT CHECK APPLY ARG...: both get the arguments. CHECK changes nothing and returns 0 where WHAT holds, 1 where
# APPLY has to make it so, 2 where that does not make sense here, and 3 where it must not be done; `because` says more.
step() {
  local what=$1 check=$2 status=0
  reason=''
  "${check}" "${@:4}" || status=$?
  case ${status} in
    0) tell 'already so' "${what}" ;;
    1) change "$@" ;;
    2) tell 'skipped' "${what}" ;;
    3)
      left_out=$((left_out + 1))
      tell 'LEFT OUT' "${what}"
      ;;
    *) die "${what}: the check of this ended with status ${status}" ;;
  esac
}

# change WHAT CHECK APPLY ARG...
change() {
  local what=$1 check=$2 apply=$3
  shift 3
  changes=$((changes + 1))
  reason=''
  if [[ -n ${dry_run} ]]; then
    tell 'would change' "${what}"
    [[ ${apply} != write ]] || show_difference "$1" "$2" "${@:4}"
    return
  fi
  doing=${what}
  "${apply}" "$@"
  "${check}" "$@" || die "${what}: this was tried, and still is not so${reason:+: ${reason}}"
  doing='' reason=''
  tell 'changed' "${what}"
}

because() {
  reason=$1
}

tell() {
  printf '%-13s %s%s\n' "$1" "$2" "${reason:+ (${reason})}"
}

# conclude NEXT
conclude() {
  if [[ -n ${dry_run} ]]; then
    say "${changes} steps would change something. Nothing was changed."
  else
    say "${changes} steps changed something. $1"
  fi
  ((left_out == 0)) || die "${left_out} steps were left out. The reason stands there; mend it, and run this again"
}

# holds PATH CONTENT [AFTER [ARG]]: whether the file is what the function CONTENT prints, and AFTER was done since.
holds() {
  [[ -f $1 && ! -e $1.unfinished ]] && "$2" "${@:4}" | cmp --silent - "$1"
}

# write PATH CONTENT [AFTER [ARG]]: an interrupted one is begun again by the next run.
write() {
  mkdir -p "${1%/*}"
  : >"$1.unfinished"
  "$2" "${@:4}" >"$1.new"
  chmod 644 "$1.new"
  mv -f "$1.new" "$1"
  [[ -z ${3:-} ]] || "$3" "$1"
  rm "$1.unfinished"
}

# show_difference PATH CONTENT [ARG]
show_difference() {
  local old=$1
  [[ -f ${old} ]] || old=/dev/null
  "$2" "${@:3}" | diff --unified --label "$1" --label "$1" "${old}" - | sed 's/^/    /' || :
}

runs_as_a_service() {
  if [[ ! -d ${systemd} ]]; then
    because 'systemd does not run here'
    return 2
  fi
  systemctl is-enabled --quiet "$1" 2>/dev/null && systemctl is-active --quiet "$1"
}

start_service() {
  systemctl enable --now --quiet "$1"
}

reload_units() {
  [[ ! -d ${systemd} ]] || systemctl daemon-reload
}

are_installed() {
  local package status
  for package; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "${package}" 2>/dev/null) || return 1
    [[ ${status} == installed ]] || return 1
  done
}

install_packages() {
  [[ -n ${lists_are_new} ]] || update_package_lists
  "${apt_get[@]}" install --yes --no-install-recommends "$@" >/dev/null
}

# A fresh server is often busy with its first updates; their locks are waited for.
update_package_lists() {
  local attempt
  for attempt in {1..12}; do
    "${apt_get[@]}" update && lists_are_new=yes && return
    say "the package lists could not be read (attempt ${attempt} of 12)" >&2
    sleep 5
  done
  die 'the package lists cannot be read: check the network and /etc/apt, then run this again'
}

packages_are_whole() {
  local unfinished
  unfinished=$(dpkg --audit)
  [[ -z ${unfinished} ]]
}

finish_installation() {
  DEBIAN_FRONTEND=noninteractive dpkg --configure --pending >/dev/null
}
