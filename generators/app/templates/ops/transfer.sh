#!/usr/bin/env bash
# How all that is remembered goes out of the database and in again: export.sh and import.sh source this file. The work is
# done by the agent, in a container of the agent beside the one that serves.
set -euo pipefail

# shellcheck source=ops/database.sh
source "${BASH_SOURCE[0]%/*}/database.sh"

# locate: sets `project`, what Compose calls this copy, and `volume`, where its data is.
locate() {
  [[ -e ${env_file} ]] || die "there is no ${env_file}: ./deploy.sh makes it"
  read_config
  volume=$(data_volume)
  [[ -n ${project} && -n ${volume} ]] || die 'docker-compose.yml does not say which volume the data is on'
}

# other_volumes: the volumes of this project that are not in use, such as that of another kind of database.
other_volumes() {
  docker volume ls --quiet --filter "label=com.docker.compose.project=${project}" | sed "/^${volume}\$/ d"
}

# build_mover: builds the agent from the files as they are, beside the one that serves. A container of a run that was
# killed is removed: it must not go on writing.
build_mover() {
  mover=${project}-transfer
  remove_mover
  on_exit remove_mover
  TAG=transfer "${compose[@]}" --progress quiet build "${name}-agent"
}

# start_mover: starts a container of it, on the network of the database, that waits for commands.
start_mover() {
  TAG=transfer "${compose[@]}" --progress quiet run --detach --no-deps --name "${mover}" "${name}-agent" sleep 1d >/dev/null
}

remove_mover() {
  docker rm --force "${mover}" >/dev/null 2>&1 || true
  docker image rm "${project}-agent:transfer" >/dev/null 2>&1 || true
}

# check FILE: that it is whole; needs nothing but the image.
check() {
  docker run --rm --interactive --read-only --network none "${project}-agent:transfer" python main.py check <"$1"
}

# move COMMAND: of the agent, between standard input and output.
move() {
  docker exec --interactive "${mover}" python main.py "$1"
}

stopped=()

# stop_tiers: sets `stopped` to those of agent and interface that ran. They finish what they have begun.
stop_tiers() {
  local tier running
  for tier in interface agent; do
    running=$("${compose[@]}" ps --quiet --status running "${name}-${tier}")
    [[ -z ${running} ]] || stopped+=("${name}-${tier}")
  done
  ((${#stopped[@]} == 0)) || "${compose[@]}" --progress quiet stop "${stopped[@]}"
}
