#!/usr/bin/env bash
# Who can come in: the user who deploys, and SSH. ops/setup_vps.sh sources this file.
set -euo pipefail

# shellcheck source=ops/setup/common.sh
source "${BASH_SOURCE[0]%/*}/common.sh"

name=$(project_name)

sshd=/usr/sbin/sshd

# The timers run as a user who must come to the project, and their units hold its path.
check_place() {
  [[ ${root} =~ ^[A-Za-z0-9/._-]+$ ]] || die "the project's path holds more than letters, digits, '.', '_' and '-': ${root}"
  runuser --user nobody -- test -x "${root%/*}/." || die "only root can reach ${root%/*}. Nothing was changed.
  Move the project to where another user can work with it, such as /srv/${name}, and run this again from there"
}

user_may_use_docker() {
  local groups
  groups=$(id --name --groups "$1" 2>/dev/null) && [[ " ${groups} " == *' docker '* ]]
}

let_user_use_docker() {
  usermod --append --groups docker "$1"
}

has_keys_of_the_caller() {
  local from keys line known
  from=$(caller)
  keys=$(keys_of "${from}")
  keys=$(plain_keys "${keys}")
  if [[ -z ${keys} ]]; then
    because "${from} has no authorised key to copy"
    return 2
  fi
  id "$1" >/dev/null 2>&1 || return 1
  known=$(keys_of "$1")
  known=$(plain_keys "${known}")
  while IFS= read -r line; do
    [[ $'\n'${known}$'\n' == *$'\n'"${line}"$'\n'* ]] || return 1
  done <<<"${keys}"
}

copy_keys() {
  local from keys file group
  from=$(caller)
  from=$(keys_of "${from}")
  file=$(keys_of "$1")
  group=$(id --group "$1")
  keys=$(plain_keys "${from}")
  if [[ -f ${file} ]]; then
    keys=$(awk '!seen[$0]++' "${file}" - <<<"${keys}")
  fi
  install -d -m 700 -o "$1" -g "${group}" "${file%/*}"
  install -m 600 -o "$1" -g "${group}" /dev/stdin "${file}.new" <<<"${keys}"
  mv -f "${file}.new" "${file}"
}

# The log of this very run is root's until it ends.
project_belongs_to() {
  local other
  id "$1" >/dev/null 2>&1 || return 1
  other=$(find "${root}" -path "${root}/logs" -prune -o ! -user "$1" -print -quit)
  [[ -z ${other} ]]
}

hand_project_over() {
  chown --recursive "$1:" "${root}"
}

user_exists() {
  id "$1" >/dev/null 2>&1
}

add_user() {
  useradd --create-home --shell /bin/bash "$1"
}

# A password may go only where a key is proven to be there, or nobody could come in any more.
ssh_takes_keys_only() {
  local effective from obstacle
  if [[ ! -x ${sshd} ]]; then
    because 'there is no SSH server'
    return 2
  fi
  if holds "$@"; then
    effective=$(effective_ssh_settings)
    [[ ${effective} != *$'\npasswordauthentication no\n'* ]] || return 0
    because "$1 has no effect: /etc/ssh/sshd_config has to include its folder before it says anything else"
    return 3
  fi
  from=$(caller)
  obstacle=$(obstacle_to_keys_of "${from}")
  [[ -n ${obstacle} ]] || return 1
  because "${obstacle}"
  return 3
}

print_ssh_settings() {
  cat <<'SETTINGS'
# Written by ops/setup_vps.sh. The first file that names a setting wins, so this one comes before others.
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitEmptyPasswords no
PermitRootLogin prohibit-password
X11Forwarding no
LoginGraceTime 30
SETTINGS
}

# reload_ssh SETTINGS: open sessions stay open. A server that does not run yet reads them when it starts.
reload_ssh() {
  mkdir -p /run/sshd
  if ! "${sshd}" -t; then
    rm "$1"
    die "the SSH server does not accept ${1##*/}, which was taken away again"
  fi
  [[ ! -s /run/sshd.pid ]] || kill -HUP "$(</run/sshd.pid)"
}

# ssh_ports KNOWN: those on which SSH listens or may listen; one that was let in once stays, whatever happened since.
ssh_ports() {
  local ports=${1//,/ } more
  if [[ -x ${sshd} ]]; then
    more=$(effective_ssh_settings | sed -n 's/^listenaddress .*:\([0-9]*\)$/\1/p')
    ports+=" ${more}"
  fi
  if more=$(systemctl show --property Listen --value ssh.socket 2>/dev/null); then
    more=$(sed -n 's/.*:\([0-9]*\) (Stream)$/\1/p' <<<"${more}")
    ports+=" ${more}"
  fi
  if [[ -n ${SSH_CONNECTION:-} ]]; then
    ports+=" ${SSH_CONNECTION##* }"
  fi
  [[ ${ports} == *[0-9]* ]] || ports=22
  say "${ports//$'\n'/ }"
}

# What the server makes of all its files together; without that folder it does not even read them.
effective_ssh_settings() {
  mkdir -p /run/sshd
  "${sshd}" -T
}

# obstacle_to_keys_of USER: why the SSH server would take none of them, which asks for strict modes; nothing if it would.
obstacle_to_keys_of() {
  local file keys loose
  file=$(keys_of "$1")
  keys=$(plain_keys "${file}")
  if ! ssh-keygen -l -f - <<<"${keys}" >/dev/null 2>&1; then
    say "${file} holds no key, so nobody could log in as $1 any more; on your own computer: ssh-copy-id $1@SERVER"
    return
  fi
  loose=$(find "${file%/*/*}" "${file%/*}" "${file}" -maxdepth 0 '(' -perm /022 -o ! -user "$1" ')' -print -quit)
  [[ -z ${loose} ]] ||
    say "${loose} has to belong to $1 and be writable for nobody else, or SSH does not accept the keys there"
}

# Prints who logged in, also where that one became root by sudo since.
caller() {
  local uid=4294967295 # not known
  [[ ! -r /proc/self/loginuid ]] || uid=$(</proc/self/loginuid)
  if ((uid == 4294967295)); then
    say "${SUDO_USER:-root}"
  else
    id --name --user "${uid}"
  fi
}

# keys_of USER: the path of the keys that open the account.
keys_of() {
  local entry
  entry=$(getent passwd "$1" | cut -d : -f 6)
  say "${entry}/.ssh/authorized_keys"
}

# plain_keys FILE: its keys, without those that are bound to a command or restricted in another way.
plain_keys() {
  [[ ! -f $1 ]] || sed --quiet --regexp-extended '/^(ssh-|ecdsa-|sk-)/p' "$1"
}
