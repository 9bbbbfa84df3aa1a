#!/usr/bin/env bash
# Writes all that is remembered into one file, while everything runs.
set -euo pipefail

here=$(readlink -f "${BASH_SOURCE[0]}")
# shellcheck source=ops/backups.sh
source "${here%/*}/backups.sh"

options "Usage: ops/backup.sh

Writes a consistent copy of the data into one file in backups/, while everything runs: all that was acknowledged before
it began is in it. It holds no password. Older backups are deleted as BACKUP_KEEP and BACKUP_DAYS say, and
BACKUP_UPLOAD_CMD, if it is set, is called with the path of the new one. The path is the last line on standard output.

Where the conversations of a backup are gone from the next one, or most of them, each run says so until the former is
deleted by hand: it is kept beyond BACKUP_KEEP and BACKUP_DAYS.

ops/restore.sh FILE brings a backup back; ops/restore.sh --drill proves that the newest one can be restored.

Environment: ENV_FILE, other settings than .env; COMPOSE_PROJECT_NAME, the copy to back up.
Exit status: 0 done, 1 failed (older backups are untouched; where only the upload failed, the file is kept and named),
2 wrong usage." "$@"

record backup
umask 077
exclusive
locate

# number VARIABLE: its value in .env.
number() {
  local value
  value=$(setting "$1")
  [[ ${value} =~ ^[0-9]+$ ]] || die "$1 in ${env_file} must be a whole number, 0 for no limit"
  say "$((10#${value}))"
}

# A database that is stopped is started for the backup, and stopped again.
wake_database() {
  local running
  running=$("${compose[@]}" ps --status running --quiet "${database}")
  [[ -z ${running} ]] || return 0
  docker volume inspect "${data_volume}" >/dev/null 2>&1 ||
    die "there is no data: the volume ${data_volume} does not exist"
  on_exit rest_database
  start_database >&2
}

rest_database() {
  "${compose[@]}" stop "${database}" >&2
}

# say_where_it_stands STATUS: after a failure, nothing half-written stays, and that is the last thing said.
say_where_it_stands() {
  [[ -z ${written} ]] || return 0
  rm -f "${draft}"
  (($1 == 0)) || die "no backup was written, as said above; those in ${backups} are as they were. When that is mended:
  ops/backup.sh"
}

# next_name: sets `taken` and `file`, which no other backup has.
next_name() {
  taken=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  file=${backups}/${project}-${taken//[-:]/}.backup
  if [[ -e ${file} ]]; then
    sleep 1
    next_name
  fi
}

# write_manifest FILE SUMMARY: before the data, where room was left for it.
write_manifest() {
  local text size content sum held db
  size=$(stat --format %s "$1")
  sum=$(tail -c "+$((MANIFEST_SIZE + 1))" "$1" | checksum)
  content=$(checksum <<<"$2")
  held=$(holds "$2")
  db=$(setting DB_NAME)
  text="backup format: ${FORMAT}
project: ${name}
database: ${database##*-}
schema: ${schema}
DB_NAME: ${db}
copy: ${project}
taken: ${taken}
holds: ${held}
content sha256: ${content}
bytes: $((size - MANIFEST_SIZE))
sha256: ${sum}"
  sum=$(checksum <<<"${text}")
  text+=$'\n'"manifest sha256: ${sum}"
  ((${#text} < MANIFEST_SIZE)) || die 'there are more tables than the manifest of a backup has room for'
  printf '%s\n' "${text}" 1<>"$1"
}

# rotate: the newest is kept in any case, and so is one after which much was lost.
rotate() {
  local oldest='' found list file stamp lost i
  ((days == 0)) || oldest=$(date -u -d "-${days} days" +%Y%m%dT%H%M%SZ)
  found=$(list_backups)
  mapfile -t list <<<"${found}"
  for ((i = 0; i < ${#list[@]} - 1; i++)); do
    file=${list[i]}
    stamp=${file##*-}
    lost=$(fall "${file}" "${list[i + 1]}")
    if [[ -n ${lost} ]]; then
      say "! much was lost after ${file##*/}, which had ${lost}. It is kept. To bring it back:" \
        "ops/restore.sh ${file}; if the loss was meant: rm ${file}" >&2
    elif ((keep > 0 && ${#list[@]} - i > keep)) || [[ ${stamp%.backup} < ${oldest} ]]; then
      rm -f "${file}"
      say "deleted ${file##*/}, as BACKUP_KEEP and BACKUP_DAYS say" >&2
    fi
  done
}

keep=$(number BACKUP_KEEP)
days=$(number BACKUP_DAYS)
upload=$(setting BACKUP_UPLOAD_CMD)
mkdir -p "${backups}"
draft=${backups}/.${project}.draft # of a run that was killed, too
written=''
on_exit say_where_it_stands
wake_database

say "── back up ${project}" >&2
next_name
printf "%${MANIFEST_SIZE}s" '' >"${draft}"
dump_database | gzip --fast >>"${draft}"
summary=$(payload "${draft}" | summarize_dump)
write_manifest "${draft}" "${summary}"
sync "${draft}"

mv "${draft}" "${file}"
sync "${backups}"
written=yes
size=$(stat --format %s "${file}")
held=$(holds "${summary}")
say "${held} in ${size} bytes" >&2
rotate

if [[ -n ${upload} ]]; then
  say '── upload it' >&2
  bash -c "${upload} \"\$1\"" upload "${file}" >&2 || die "BACKUP_UPLOAD_CMD failed with status $?. The backup is kept here:
  ${file}"
fi
say "${file}"
