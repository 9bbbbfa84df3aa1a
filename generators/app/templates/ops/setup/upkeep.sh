#!/usr/bin/env bash
# What keeps a server well over the years: updates, time, swap and bounded logs. ops/setup_vps.sh sources this file.
set -euo pipefail

# shellcheck source=ops/setup/common.sh
source "${BASH_SOURCE[0]%/*}/common.sh"

swap_file=/swapfile
swap_size=2048 # MiB

# The package's own settings say which updates: those for security. A reboot is left to people.
print_updates() {
  cat <<'SETTINGS'
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
SETTINGS
}

has_time_service() {
  local service
  for service in systemd-timesyncd chrony ntpsec; do
    ! are_installed "${service}" || return 0
  done
  return 1
}

keeps_time() {
  local synchronised
  if [[ ! -d /run/systemd/system ]]; then
    because 'systemd does not run here'
    return 2
  fi
  synchronised=$(timedatectl show --property NTP --value) && [[ ${synchronised} == yes ]]
}

keep_time() {
  timedatectl set-ntp true
}

has_swap() {
  local memory swaps free
  memory=$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)
  memory=$((memory / 1000))
  swaps=$(swapon --noheadings --show=NAME)
  if [[ -n ${swaps} ]]; then
    because "${swaps//$'\n'/, }"
  elif ((memory >= 2000)); then
    because "${memory} MB of memory need none"
  else
    free=$(df --output=avail --block-size=1M / | tail -n 1)
    ((free < 2 * swap_size)) || return 1
    because "${memory} MB of memory need some, but of the disk only ${free} MiB are free"
    return 3
  fi
}

add_swap() {
  rm -f "${swap_file}" # of a run that was interrupted; it is not in use
  (umask 077 && fallocate --length "${swap_size}MiB" "${swap_file}")
  mkswap "${swap_file}" >/dev/null
  grep -q "^${swap_file} " /etc/fstab || printf '%s none swap sw 0 0\n' "${swap_file}" >>/etc/fstab
  swapon "${swap_file}"
}

print_journal() {
  cat <<'SETTINGS'
[Journal]
SystemMaxUse=500M
SETTINGS
}

restart_journal() {
  [[ ! -d /run/systemd/system ]] || systemctl restart systemd-journald.service
}
