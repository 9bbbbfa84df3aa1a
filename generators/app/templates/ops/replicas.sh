#!/usr/bin/env bash
# Several agents at a time, and how they are replaced so that one always answers. deploy.sh sources this file.
set -euo pipefail

# shellcheck source=ops/common.sh
source "${BASH_SOURCE[0]%/*}/common.sh"

# agent_setting KEY: what docker-compose.yml and the settings make of it for the agent.
agent_setting() {
  sed -n "/^  ${name}-agent:/,/^  [^ ]/ s/^ *$1: \"\\{0,1\\}\\([^\"]*\\).*/\\1/p" <<<"${config}"
}

# Each replica publishes the agent's port, so one port is not enough for several.
check_replicas() {
  local replicas ports
  replicas=$(agent_setting scale)
  ports=$(agent_setting published)
  [[ -n ${ports} ]] || return 0
  ((${ports#*-} - ${ports%-*} + 1 >= ${replicas:-1})) || die "AGENT_REPLICAS is ${replicas}, but AGENT_PORT is ${ports}.
  Each replica needs a port: write AGENT_PORT=${ports%-*}-$((${ports%-*} + replicas - 1)) into ${env_file}, or leave it blank"
}

# find_outdated: fills `outdated` with the agents that run something else than `up` would start now, and `useless` with
# those of them that answer nobody anyway.
find_outdated() {
  local ids hash image id state
  ids=$(containers "${name}-agent")
  hash=$(config_hashes "${name}-agent")
  image=$(agent_setting image)
  image=$(docker image inspect --format '{{.Id}}' "${image}")
  outdated=() useless=()
  for id in ${ids}; do
    state=$(docker inspect --format '{{index .Config.Labels "com.docker.compose.config-hash"}} {{.Image}}
      {{- ""}} {{.State.Status}}{{with .State.Health}} {{.Status}}{{end}}' "${id}")
    case ${state} in
      *' running unhealthy') useless+=("${id}") ;;
      "${hash##* } ${image} "*) ;;
      *' running healthy') outdated+=("${id}") ;;
      *) useless+=("${id}") ;;
    esac
  done
}

start_missing_agents() {
  "${compose[@]}" up --detach --no-recreate --wait --wait-timeout 120 "${name}-agent"
}

# Where there are several agents, puts a new one in the place of each, one after the other: the old one finishes what it
# was asked while the others go on. A single one is left to `up`; the interface waits while that replaces it.
replace_agents() {
  local replicas outdated useless id
  replicas=$(agent_setting scale)
  ((${replicas:-1} > 1)) || return 0
  find_outdated
  ((${#useless[@]} == 0)) || docker rm --force "${useless[@]}" >/dev/null
  start_missing_agents
  for id in "${outdated[@]}"; do
    docker stop "${id}" >/dev/null
    docker rm "${id}" >/dev/null
    start_missing_agents
  done
}
