#!/usr/bin/env bash
# What the scripts need to know of the database, Redis. They source this file.
set -euo pipefail

# shellcheck source=ops/common.sh
source "${BASH_SOURCE[0]%/*}/common.sh"

database=${name}-redis

# Its user must be able to read the init files, whatever umask they were checked out under.
start_database() {
  find "${root}/redis.conf" "${root}/init-users.sh" ! -perm -444 -exec chmod a+rX {} +
  "${compose[@]}" up --detach --wait --wait-timeout 120 "${database}"
}

# The server reads the init files when it starts. Where they have changed since, it starts again.
apply_init_files() {
  local wanted started_from
  wanted=$(cat "${root}/redis.conf" "${root}/init-users.sh")
  started_from=$(inside redis cat /tmp/started-from)
  if [[ ${started_from} != "${wanted}" ]]; then
    "${compose[@]}" up --detach --wait --wait-timeout 120 --force-recreate "${database}"
  fi
}

# As the agent asks: over TCP, as its user, with a write.
database_answers() {
  inside redis sh -s <<'SH'
REDISCLI_AUTH=${DB_PASSWORD} redis-cli -e -h 127.0.0.1 --user "${DB_USER}" set "${DB_NAME}:alive" yes
SH
}

database_refuses_a_wrong_password() {
  inside redis sh -s <<'SH'
said=$(redis-cli -e -h 127.0.0.1 ping 2>&1)
case ${?}${said} in
  *NOAUTH*) ;;
  0*) echo 'it lets in who has no password' && exit 1 ;;
  *) echo "${said}" && exit 1 ;;
esac
said=$(REDISCLI_AUTH=wrong redis-cli -e -h 127.0.0.1 --user "${DB_USER}" ping 2>&1)
case ${?}${said} in
  *WRONGPASS*) ;;
  0*) echo 'it let a wrong password in' && exit 1 ;;
  *) echo "${said}" && exit 1 ;;
esac
SH
}
