#!/usr/bin/env bash
# Puts what ops/export.sh has written into the database, and starts the tiers on it.
set -euo pipefail

here=$(readlink -f "${BASH_SOURCE[0]}")
# shellcheck source=ops/transfer.sh
source "${here%/*}/transfer.sh"

option+=(['--add']='')
most_operands=1
options "Usage: ops/import.sh [--add] FILE

Puts the threads and messages of a file that ops/export.sh has written into the project's database, reads back each
thread and compares it with the file, and then calls ./deploy.sh. Order, times and idempotency keys are as before (to
the millisecond, which every kind of database keeps). A file that is cut off or altered is refused before anything is
written. Agent and interface are stopped meanwhile.

If it is interrupted, even by kill -9, run the same command again: it goes on, and nothing is there twice. A database
that holds other threads is refused.

  --add  put them beside what the database holds already, which stays as it is

Environment: ENV_FILE, other settings than .env; COMPOSE_PROJECT_NAME, the copy to import into; LOCK_WAIT, the seconds
to wait for another run, 300.
Exit status: 0 all of it is there, and the tiers work; 1 it failed (what to do is said); 2 wrong usage." "$@"
((${#operands[@]} == 1)) || wrong_usage 'give the FILE that ops/export.sh has written'
file=$(readlink -m "${operands[0]}")

record import
umask 077
exclusive

# finish STATUS: says where a failure leaves it.
finish() {
  (($1 == 0)) || [[ -z ${standing} ]] || die "${standing}"
}

# A run that was interrupted has left a journal: which file it put on which volume.
begin() {
  mkdir -p "${journal%/*}"
  say "${this}" >"${journal}"
  sync "${journal}"
}

[[ -f ${file} && -r ${file} ]] || die "${file} is not a file that you may read. Nothing was changed"
ENV_FILE=${env_file} "${root}/ops/env.sh"
locate
standing='Nothing was changed'
on_exit finish

say "── check ${file##*/}"
build_mover
standing="${file} is refused, as said above. Nothing was changed"
check "${file}"

say '── start the database'
standing="${database} could not be made ready, as said above. No data was changed; docker compose logs ${database}"
start_database
apply_init_files
start_mover
journal=${root}/exports/.${project}.import
sum=$(sha256sum <"${file}")
this="${sum%% *} ${volume}"
begun=''
[[ ! -e ${journal} ]] || begun=$(<"${journal}")
if [[ -z ${option['--add']} && ${begun} != "${this}" ]]; then
  standing="Nothing was changed. ops/import.sh --add would put the threads of the file beside those that are there.
  To begin with an empty database instead, which deletes what is on its volume:
    docker compose --project-name ${project} rm --stop --force ${database} && docker volume rm ${volume}"
  move empty </dev/null
fi

say '── stop agent and interface'
stop_tiers
begin
standing="The import is not complete, and the agent must not serve. What is there already stays. When what is above is
  mended, go on with the same command: ops/import.sh ${operands[0]}"

say '── import, and read back'
move import <"${file}"

standing="All threads are in ${database}, but the tiers do not work on it. When what is above is mended: ./deploy.sh"
remove_mover # which has no business on the network of the database any more
ENV_FILE=${env_file} "${root}/deploy.sh"
rm "${journal}"

say '
✓ imported: every thread was read back, and is as it was'
others=$(other_volumes)
[[ -z ${others} ]] || say "Kept beside ${volume}, until you delete them with docker volume rm:
${others}"
