#!/usr/bin/env bash
# Writes all that is remembered into a file that another kind of database can take.
set -euo pipefail

here=$(readlink -f "${BASH_SOURCE[0]}")
# shellcheck source=ops/transfer.sh
source "${here%/*}/transfer.sh"

options "Usage: ops/export.sh

Writes all threads and messages, with their times and idempotency keys, into one file in exports/ that only you can
read: JSON Lines, compressed, the same for every kind of database. It holds no password and no key of the API. The
path is the last line on standard output. ops/import.sh puts it into the database that the project has then.

Agent and interface are stopped first, and stay stopped: whatever was acknowledged is in the file, and nothing is said
that would not be. ./deploy.sh starts them again. Where the export fails, it starts them itself. To copy the data
while everything runs, there is ops/backup.sh, whose files fit the same kind of database only.

Environment: ENV_FILE, other settings than .env; COMPOSE_PROJECT_NAME, the copy to export; LOCK_WAIT, the seconds to
wait for another run, 300.
Exit status: 0 the file is written and was read back; 1 it failed, and what ran before runs; 2 wrong usage." "$@"

record export
umask 077
exclusive
locate

# resume STATUS: after a failure, what ran before runs again.
resume() {
  (($1 != 0)) || return 0
  rm -f "${draft}"
  if ((${#stopped[@]} > 0)); then
    "${compose[@]}" --progress quiet start "${stopped[@]}" >&2 ||
      die 'could not export, nor start agent and interface again. Nothing is lost. When it is mended: ./deploy.sh'
  fi
  die 'could not export; what is above says why. Nothing is lost, and what ran before runs again'
}

# next_name: sets `file`, which is not there yet.
next_name() {
  local stamp
  TZ=UTC printf -v stamp '%(%Y%m%dT%H%M%SZ)T' -1
  file=${exports}/${project}-${stamp}.jsonl.gz
  if [[ -e ${file} ]]; then
    sleep 1
    next_name
  fi
}

docker volume inspect "${volume}" >/dev/null 2>&1 || die "there is nothing to export: ${database} has no data yet.
  If the project was changed to it from another kind of database, change it back first, export, and change it then"

say '── get ready' >&2
exports=${root}/exports
mkdir -p "${exports}"
draft=${exports}/.${project}.draft # of a run that was killed, too
on_exit resume
build_mover >&2

say '── stop agent and interface' >&2
stop_tiers >&2
start_database >&2
apply_init_files >&2
start_mover >&2

say '── export' >&2
move export </dev/null >"${draft}"
say '── read it back' >&2
check "${draft}"
next_name
sync "${draft}"
mv "${draft}" "${file}"
sync "${exports}"

say "
✓ exported. Agent and interface stay stopped, so that nothing is said that the file does not hold.
  to go on as before:              ./deploy.sh
  in another kind of database:     yo three-tier:db --database KIND, then ops/import.sh ${file#"${root}/"}
" >&2
say "${file}"
