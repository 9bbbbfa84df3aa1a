#!/usr/bin/env bash
# Builds the three tiers, starts them in health order and verifies them.
set -euo pipefail

here=$(readlink -f "${BASH_SOURCE[0]}")
# shellcheck source=ops/database.sh
source "${here%/*}/ops/database.sh"
# shellcheck source=ops/interface.sh
source "${here%/*}/ops/interface.sh"
# shellcheck source=ops/replicas.sh
source "${here%/*}/ops/replicas.sh"

options "Usage: ./deploy.sh

Makes the running agent what these files say, whatever is there: completes .env, builds the images, starts the
database, brings it up to date, starts agent and interface, and lets ops/verify.sh prove that all of it works.
Data is kept. When a step fails, it says which tier is the reason and shows the end of its log.

Environment: ENV_FILE, other settings than .env; COMPOSE_PROJECT_NAME, a second copy beside the first.
Exit status: 0 all three tiers work, 1 a step failed, 2 wrong usage." "$@"

agent=${name}-agent
doing=''
concerned=()

# step WHAT SERVICE...: the services are those that can be the reason when it fails.
step() {
  doing=$1
  concerned=("${@:2}")
  say "── $1"
}

# require WHAT VERSION MAJOR MINOR
require() {
  local major minor
  IFS=.-+ read -r major minor _ <<<"${2#v}"
  ((major > $3 || (major == $3 && minor >= $4))) || die "$1 is $2, but $3.$4 or newer is needed"
}

# A copy of this folder has the same project name, and would take over the containers and the data of the other.
refuse_to_replace_another_copy() {
  local project folder folders
  project=$("${compose[@]}" config | sed -n 's/^name: //p')
  folders=$(docker ps --all --filter "label=com.docker.compose.project=${project}" \
    --format '{{.Label "com.docker.compose.project.working_dir"}}')
  while IFS= read -r folder; do
    [[ -z ${folder} || ${folder} -ef ${root} ]] || die "${project} runs already, from ${folder}.
  For a second copy, give it a name of its own: COMPOSE_PROJECT_NAME=${project}-2 ./deploy.sh
  If this folder replaces that one: docker compose -p ${project} down (keeps the data), then ./deploy.sh"
  done <<<"${folders}"
}

# explain: names the first service that is the reason, and shows the end of its log.
explain() {
  local service id state
  for service in "${concerned[@]}"; do
    id=$("${compose[@]}" ps --all --quiet "${service}")
    id=${id%%$'\n'*}
    [[ -n ${id} ]] || continue
    state=$(docker inspect --format '{{.State.Status}}{{with .State.Health}}, {{.Status}}{{end}}' "${id}")
    case ${state} in
      'running, healthy') ;;
      created*)
        doing+=": ${service} was not started. If its port is in use, choose another one in ${env_file}"
        return
        ;;
      *)
        say "── the end of the log of ${service}"
        docker logs --tail 20 "${id}"
        doing+=": ${service} is ${state}"
        return
        ;;
    esac
  done
}

finish() {
  local status=$?
  set +e
  if ((status != 0)); then
    explain >&2
    die "could not ${doing}"
  fi
}
trap finish EXIT

step 'check Docker'
type -P docker >/dev/null || die 'Docker is not installed: https://docs.docker.com/engine/install/'
engine=$(docker version --format '{{.Server.Version}}')
require 'the Docker engine' "${engine}" 25 0
version=$(docker compose version --short)
require 'Docker Compose' "${version}" 2 20

step 'complete the settings'
ENV_FILE=${env_file} "${root}/ops/env.sh"
check_settings
[[ ! -e ${env_file}.rotation ]] ||
  die 'new secrets are on their way into the database: ops/rotate-secrets.sh goes on with that, and deploys'
check_replicas

step 'rule out another copy'
refuse_to_replace_another_copy

step 'build the images'
"${compose[@]}" build

step 'start the database' "${database}"
start_database

step 'bring the database up to date' "${database}"
apply_init_files

step 'start agent and interface' "${database}" "${agent}" "${interface}"
replace_agents
"${compose[@]}" up --detach --wait --wait-timeout 120

step 'verify the tiers' "${database}" "${agent}" "${interface}"
ENV_FILE=${env_file} "${root}/ops/verify.sh"
how_to_talk
