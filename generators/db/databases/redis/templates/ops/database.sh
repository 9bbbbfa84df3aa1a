#!/usr/bin/env bash
# What the scripts need to know of the database, Redis. They source this file.
set -euo pipefail

# shellcheck source=ops/common.sh
source "${BASH_SOURCE[0]%/*}/common.sh"

database=${name}-redis

# Its user must be able to read its files, whatever umask they were checked out under.
start_database() {
  find "${root}/start-database.sh" "${root}/redis.conf" "${root}/init-users.sh" ! -perm -444 -exec chmod a+rX {} +
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

# expect_administrator PASSWORD: has the server let the administrator in with it, where the init files need that before
# the settings have it. This server reads its passwords from the settings when it starts.
expect_administrator() {
  :
}

# unfinished_start VOLUME: says yes where the first start of a server on it was cut off and cannot go on, which Redis
# always can.
unfinished_start() {
  :
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

# How agent/memory.py lays the data out. To be raised with a change after which older files cannot read it.
schema_version() {
  say 1
}

# Prints all of the data as a snapshot (RDB) of one moment, which the server takes as for a replica.
dump_database() {
  inside redis sh -s <<'SH'
trap 'rm -f /data/backup.rdb' EXIT
if ! said=$(REDISCLI_AUTH=${DB_ADMIN_PASSWORD} redis-cli -e --user admin --rdb /data/backup.rdb 2>&1); then
  echo "${said}" >&2
  exit 1
fi
cat /data/backup.rdb
SH
}

# summarize_dump: what a snapshot holds, a line `WHAT NUMBER CHECKSUM` each. Reads the snapshot, and has it loaded by a
# server of its own, without a network, which is gone afterwards.
summarize_dump() {
  local image db script
  image=$("${compose[@]}" config --images "${database}")
  db=$(inside redis printenv DB_NAME </dev/null) # which would read the snapshot
  script=$(
    load_snapshot
    count_keys
  )
  docker run --rm --interactive --network none --user 999:1000 --read-only --tmpfs /tmp:size=1m --cap-drop ALL \
    --security-opt no-new-privileges "${image}" sh -c "${script}" sh "${db}"
}

# load_database: replaces the data by a snapshot. A server with an append-only file does not look at snapshots, so one
# without reads it and begins such a file.
load_database() {
  local script
  script=$(
    load_snapshot
    begin_append_only_file
  )
  "${compose[@]}" stop "${database}" </dev/null
  "${compose[@]}" run --rm --no-deps --no-TTY "${database}" sh -c "${script}"
  start_database
}

# What a script begins with: a server for it alone, which it may `ask`, with the snapshot that it reads.
load_snapshot() {
  cat <<'SH'
set -eu
cat >/data/dump.rdb
redis-server --dir /data --dbfilename dump.rdb --appendonly no --save "" --port 0 --unixsocket /tmp/server \
  --enable-debug-command local --loglevel warning >/tmp/log 2>&1 &
server=$!
ask() { redis-cli -e -s /tmp/server "$@"; }
until [ "$(ask ping 2>&1)" = PONG ]; do
  kill -0 "${server}" || { cat /tmp/log >&2; exit 1; }
  sleep 0.1
done
SH
}

count_keys() {
  cat <<'SH'
ask eval "
  local messages = 0
  for _, key in ipairs(redis.call('KEYS', ARGV[1] .. ':messages/*')) do
    messages = messages + redis.call('XLEN', key)
  end
  return {redis.call('ZCARD', ARGV[1] .. ':used'), messages, redis.call('DBSIZE')}" 0 "$1" >/tmp/counts
ask debug digest >>/tmp/counts
{ read -r threads && read -r messages && read -r keys && read -r digest; } </tmp/counts
printf '%s\n' "threads ${threads}" "messages ${messages}" "keys ${keys} ${digest}"
SH
}

begin_append_only_file() {
  cat <<'SH'
rm -rf /data/appendonlydir
ask config set appendonly yes >/tmp/said
until ask info persistence | grep -q '^aof_rewrite_in_progress:0'; do sleep 0.1; done
ask info persistence | grep -q '^aof_last_bgrewrite_status:ok'
ask shutdown
wait "${server}"
rm /data/dump.rdb
SH
}
