#!/usr/bin/env bash
# What a backup is: backup.sh and restore.sh source this file, and it the database's.
#
# A backup is one file: a manifest of lines `field: value`, filled up with blanks to MANIFEST_SIZE bytes, then the data,
# compressed by gzip. By hand: head -n 12 FILE shows the one, tail -c +4097 FILE | gunzip the other.
set -euo pipefail

# shellcheck source=ops/database.sh
source "${BASH_SOURCE[0]%/*}/database.sh"

readonly FORMAT=1 MANIFEST_SIZE=4096
backups=${root}/backups
declare -A manifest=()

# locate: sets `project`, what Compose calls this copy, `data_volume`, where its data is, and the data's `schema`.
locate() {
  [[ -e ${env_file} ]] || die "there is no ${env_file}: ./deploy.sh makes it"
  read_config
  schema=$(schema_version)
  data_volume=$(data_volume)
  [[ -n ${project} && -n ${data_volume} ]] || die 'docker-compose.yml does not say which volume the data is on'
}

# list_backups: the paths of the backups of this copy, the oldest first.
list_backups() {
  [[ -d ${backups} ]] || return 0
  find "${backups}" -maxdepth 1 -regextype posix-extended -regex ".*/${project}-[0-9]{8}T[0-9]{6}Z\.backup" | sort
}

# payload FILE: the data in it.
payload() {
  tail -c "+$((MANIFEST_SIZE + 1))" "$1" | gunzip
}

# checksum: of standard input.
checksum() {
  local sum
  sum=$(sha256sum)
  say "${sum%% *}"
}

# holds SUMMARY: what the database said of its contents, as a person reads it.
holds() {
  local what count rest text=''
  while read -r what count rest; do
    text+="${text:+, }${count} ${what}"
  done <<<"$1"
  say "${text}"
}

# fall BEFORE AFTER: how much there was of the conversations in one backup and is in the next, where all of it is gone, or
# more than half of it and ten or more; nothing otherwise.
fall() {
  local what before after text=''
  for what in threads messages; do
    before=$(held "$1" "${what}")
    after=$(held "$2" "${what}")
    ((before == 0 || (after > 0 && (2 * after >= before || before - after < 10)))) ||
      text+="${text:+, }${before} ${what}, and then ${after}"
  done
  say "${text}"
}

# held FILE WHAT: the number of them that its manifest names.
held() {
  local number
  number=$(head -c "${MANIFEST_SIZE}" "$1" | sed -nE "s/^holds: (.*, )?([0-9]+) $2(,.*)?\$/\2/p")
  say "${number:-0}"
}

# refuse WHY: nothing was touched until here.
refuse() {
  die "${file} is refused: $1. Nothing was changed"
}

# read_manifest FILE: fills `manifest`, having made sure that the file is whole, of this project, and can be read here.
read_manifest() {
  local file=$1 header line
  [[ -f ${file} && -r ${file} ]] || die "${file} is not a file that you may read"
  header=$(head -c "${MANIFEST_SIZE}" "${file}" | tr -d '\0' | sed 's/ *$//')
  [[ ${header} == 'backup format: '* ]] || refuse 'it is no backup that ops/backup.sh has made'
  manifest=()
  while IFS= read -r line; do
    manifest[${line%%: *}]=${line#*: }
  done <<<"${header}"
  check_format
  check_integrity "${header}"
  check_origin
}

check_format() {
  local field
  for field in 'backup format' schema bytes; do
    [[ ${manifest[${field}]:-} =~ ^[0-9]{1,18}$ ]] || refuse "its manifest says no ${field}, so it was altered"
  done
  ((manifest['backup format'] == FORMAT)) ||
    refuse "its format is ${manifest['backup format']}, and these scripts read ${FORMAT}: update the project first"
}

# check_integrity HEADER
check_integrity() {
  local size sum
  sum=$(sed '/^manifest sha256: /,$ d' <<<"$1" | checksum)
  [[ ${manifest['manifest sha256']:-} == "${sum}" ]] || refuse 'its manifest was cut off or altered'
  size=$(stat --dereference --format %s "${file}")
  size=$((size - MANIFEST_SIZE))
  ((size >= manifest[bytes])) || refuse "it is truncated: ${size} of ${manifest[bytes]} bytes of data are there"
  sum=$(tail -c "+$((MANIFEST_SIZE + 1))" "${file}" | checksum)
  [[ ${manifest[sha256]} == "${sum}" ]] || refuse 'its data was altered since it was written'
}

check_origin() {
  local db
  db=$(setting DB_NAME)
  [[ ${manifest[project]} == "${name}" ]] || refuse "it is of the project ${manifest[project]}, and this is ${name}"
  [[ ${manifest[database]} == "${database##*-}" ]] ||
    refuse "it is of ${manifest[database]}, and the database here is ${database##*-}"
  ((manifest[schema] <= schema)) ||
    refuse "its data has schema ${manifest[schema]}, and this project knows ${schema}: update the project first"
  [[ ${manifest[DB_NAME]} == "${db}" ]] ||
    refuse "its DB_NAME is ${manifest[DB_NAME]}; write that into ${env_file}, where it is ${db}"
}
