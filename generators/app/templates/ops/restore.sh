#!/usr/bin/env bash
# Brings a backup back, or proves that it can be brought back.
set -euo pipefail

here=$(readlink -f "${BASH_SOURCE[0]}")
# shellcheck source=ops/backups.sh
source "${here%/*}/backups.sh"

option+=(['--drill']='' ['--volume=']='')
most_operands=1
options "Usage: ops/restore.sh FILE | --drill | --volume VOLUME

FILE             restores this backup into a new volume beside the running system, compares what is there with what was
                 backed up, and only then lets the project use that volume. The volume that was in use is kept; what was
                 said since the backup is on it only. How to go back to it, and how to delete it, is said at the end.
--drill          restores the newest backup into a volume of its own in the same way, and throws it away again. What
                 runs and what is stored is not touched.
--volume VOLUME  lets the project use this volume again: the way back.

A file that is truncated, altered, of another project or of a newer one is refused before anything is touched. If a
restore is interrupted, even by kill -9, run the same command again.

Environment: ENV_FILE, other settings than .env; COMPOSE_PROJECT_NAME, the copy to restore.
Exit status: 0 done, 1 failed (which data is in use is said, and none is lost), 2 wrong usage." "$@"

file=${operands[0]:-}
volume_wanted=${option['--volume=']}
ways=(${file:+file} ${option['--drill']:+drill} ${volume_wanted:+volume})
((${#ways[@]} == 1)) || wrong_usage 'give one of FILE, --drill and --volume VOLUME'

# beside COMMAND...: runs it for a second database, on the new volume, which no other tier can reach.
beside() {
  local -x COMPOSE_PROJECT_NAME=${project}_restore RESTORE_VOLUME=${volume}
  local compose=("${compose[@]}" --file "${root}/ops/restore.yml" --progress quiet)
  "$@"
}

remove_containers() {
  "${compose[@]}" down --remove-orphans --timeout 60
}

standing=''

# say_where_it_stands STATUS: the last thing that is said after a failure.
say_where_it_stands() {
  (($1 == 0)) || [[ -z ${standing} ]] || die "${standing}"
}

# begin: makes a new volume. A run that is killed leaves the journal, from which the next one knows of it.
begin() {
  volume=${base}-$(date -u +%Y%m%dT%H%M%SZ)
  ! docker volume inspect "${volume}" >/dev/null 2>&1 || die "the volume ${volume} exists already; run this again"
  mkdir -p "${backups}"
  printf '%s\n' "${volume}" "${data_volume}" >"${journal}"
  sync "${journal}"
  standing="The backup was not restored, as said above. Nothing was changed: ${project} uses the volume ${data_volume}, as
  before. To try again: the same command. To try an older backup: ls ${backups}"
  on_exit clean_up
  docker volume create --label "com.docker.compose.project=${project}" \
    --label "com.docker.compose.volume=${name}_data" "${volume}" >/dev/null
}

# clean_up: removes the database beside, and its volume, unless that is the project's by now.
clean_up() {
  [[ -e ${journal} ]] || return 0
  locate
  read -r volume <"${journal}" || true
  beside remove_containers
  if [[ -n ${volume} && ${volume} != "${data_volume}" ]]; then
    docker volume rm --force "${volume}" >/dev/null
  fi
  rm "${journal}"
}

# repair: undoes an earlier run that was killed before it switched. One that was killed later has lost nothing either.
repair() {
  local former=''
  [[ -e ${journal} ]] || return 0
  { read -r volume && read -r former; } <"${journal}" || true
  if [[ ${data_volume} == "${volume}" ]]; then
    say "An earlier restore was interrupted when it had switched to ${volume}; before it, ${former} was in use."
  else
    say "An earlier restore was interrupted; its unfinished volume ${volume} is removed."
  fi
  clean_up
}

# fill FILE: loads it into the database beside, and compares what that holds with what was backed up.
fill() {
  local summary sum held
  say "── restore ${1##*/} into the volume ${volume}"
  beside start_database
  payload "$1" | beside load_database
  say '── compare it with what was backed up'
  summary=$(beside dump_database | beside summarize_dump)
  sum=$(checksum <<<"${summary}")
  held=$(holds "${summary}")
  [[ ${held} == "${manifest[holds]}" ]] || die "the backup held ${manifest[holds]}, but what was restored is ${held}"
  [[ ${sum} == "${manifest['content sha256']}" ]] || die "what was restored has the right number (${held}), but not the
  contents that were backed up"
  beside apply_init_files
  beside database_answers >/dev/null
  beside remove_containers
}

# use VOLUME: makes it the project's, all at once, by renaming a complete .env.
use() {
  local suffix=${1#"${base}"} target draft
  ENV_FILE=${env_file} "${root}/ops/env.sh"
  target=$(readlink -f "${env_file}")
  draft=${target}.draft
  cp --preserve "${target}" "${draft}" # with its mode and owner
  sed -E "s/^([[:space:]]*(export[[:space:]]+)?${variable}[[:space:]]*[=:]).*/\1${suffix}/" "${target}" >"${draft}"
  sync "${draft}"
  mv -f "${draft}" "${target}"
  locate
  [[ ${data_volume} == "$1" ]] || die "could not write ${variable}=${suffix} into ${env_file}"
}

# Starts what ran before on the volume that is the project's now.
start_tiers() {
  local containers
  containers=$("${compose[@]}" ps --all --quiet)
  if [[ -z ${containers} ]]; then
    say 'Nothing of the project ran, so nothing was started. To start it: ./deploy.sh'
    return
  fi
  say "── start the tiers on the volume ${data_volume}"
  start_database
  apply_init_files
  "${compose[@]}" up --detach --wait --wait-timeout 120
  ENV_FILE=${env_file} "${root}/ops/verify.sh"
}

# switch VOLUME: from one volume to another, of which the former is kept.
switch() {
  local former=${data_volume}
  use "$1"
  standing="${project} uses the volume ${data_volume} now, whose data is complete, but a tier does not work on it, as said
  above. When that is mended: ./deploy.sh. To go back: ops/restore.sh --volume ${former}"
  start_tiers
  docker volume inspect "${former}" >/dev/null 2>&1 || return 0
  say "
The project uses the volume ${data_volume}. What was there before is kept on ${former}:
  to go back to it:  ops/restore.sh --volume ${former}
  to delete it:      docker volume rm ${former}"
}

restore() {
  begin
  fill "$1"
  switch "${volume}"
  say "✓ restored: ${manifest[holds]}, as they were at ${manifest[taken]}"
}

drill() {
  local newest
  newest=$(list_backups | tail -n 1)
  [[ -n ${newest} ]] || die "there is no backup of ${project} in ${backups}: ops/backup.sh writes one"
  read_manifest "${newest}"
  begin
  fill "${newest}"
  say "✓ ${newest##*/} can be restored: ${manifest[holds]}, as they were at ${manifest[taken]} (${SECONDS} s)"
}

# go_back VOLUME: where it is in use already, an earlier run may have been interrupted before it started the tiers.
go_back() {
  [[ ${1#"${base}"} =~ ^(-[0-9]{8}T[0-9]{6}Z)?$ ]] || die "$1 is no volume of ${project}, whose names are ${base} and
  ${base}-TIME. Nothing was changed"
  docker volume inspect "$1" >/dev/null 2>&1 || die "the volume $1 does not exist. Nothing was changed"
  if [[ $1 == "${data_volume}" ]]; then
    start_tiers
  else
    switch "$1"
  fi
  say "✓ the volume $1 is in use"
}

record restore
on_exit say_where_it_stands
umask 077
exclusive
if [[ ! -e ${env_file} ]]; then
  ENV_FILE=${env_file} "${root}/ops/env.sh"
fi
locate
variable=${database##*-} # each kind of database has its own, for its own volumes
variable=${variable^^}_DATA_SUFFIX
suffix=$(setting "${variable}")
base=${data_volume%"${suffix}"} # the volume that the project began with
journal=${backups}/.${project}.restore

case ${ways[0]} in
  file)
    read_manifest "${file}"
    repair
    restore "${file}"
    ;;
  drill)
    repair
    drill
    ;;
  *)
    repair
    go_back "${volume_wanted}"
    ;;
esac
