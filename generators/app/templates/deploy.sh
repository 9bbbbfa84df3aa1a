#!/usr/bin/env bash
# Makes what runs what these files say, verifies it, and goes back to what was deployed before where that fails.
set -euo pipefail

here=$(readlink -f "${BASH_SOURCE[0]}")
# shellcheck source=ops/database.sh
source "${here%/*}/ops/database.sh"
# shellcheck source=ops/interface.sh
source "${here%/*}/ops/interface.sh"
# shellcheck source=ops/replicas.sh
source "${here%/*}/ops/replicas.sh"
# shellcheck source=ops/preflight.sh
source "${here%/*}/ops/preflight.sh"
# shellcheck source=ops/kept.sh
source "${here%/*}/ops/kept.sh"

option+=(['--dry-run']='' ['--no-backup']='' ['--pull']='' ['--roll-back']='' ['--swarm']='')
options "Usage: ./deploy.sh [--dry-run] [--no-backup] [--pull]
       ./deploy.sh --roll-back
       ./deploy.sh --swarm

Makes the running agent what these files say, whatever is there: checks the machine, completes .env, backs the data up,
builds the images, brings the database up to date, tries the new agent beside the one that serves, replaces agent and
interface, and lets ops/verify.sh prove that all of it works. Data is kept, and what has not changed keeps running.
When a step fails, it says which tier is the reason and shows the end of its log, and what was deployed before serves
on, with its images and its settings. Your files stay as they are. If it is interrupted, run it again.

  --dry-run    check everything, say what would be done, and change nothing
  --no-backup  do not back the data up first
  --pull       look for newer versions of the base images and of the image of the database; of those that are pinned by
               digest ops/pin.sh finds them
  --roll-back  do nothing but go back to the images and settings of the last deployment that passed its checks
  --swarm      make what runs on Docker Swarm what stack.yml says; see ops/swarm.sh --help

Environment: ENV_FILE, other settings than .env; COMPOSE_PROJECT_NAME, a second copy beside the first; LOCK_WAIT, the
seconds to wait for another run, 300.
Exit status: 0 all three tiers work; 1 it failed, and what ran before is as it was; 2 wrong usage; 3 it failed, and the
agent does not serve." "$@"
others=${option['--dry-run']}${option['--no-backup']}${option['--pull']}${option['--roll-back']}
[[ -z ${option['--swarm']} || -z ${others} ]] || wrong_usage '--swarm goes with no other option'
record deploy

agent=${name}-agent
doing=''
concerned=()
began=$(date +%s)
warnings=''
touched='' # yes as soon as something that runs may have changed

# step WHAT SERVICE...: the services are those that can be the reason when it fails.
step() {
  doing=$1
  concerned=("${@:2}")
  say "── $1"
}

# The settings of a dry run are completed in a copy.
complete_settings() {
  local said failed=''
  if [[ -z ${option['--dry-run']} ]]; then
    ENV_FILE=${env_file} "${root}/ops/env.sh"
    return
  fi
  draft=$(mktemp)
  on_exit remove_draft
  if [[ -e ${env_file} ]]; then
    cat "${env_file}" >"${draft}"
  else
    rm "${draft}"
  fi
  said=$(ENV_FILE=${draft} "${root}/ops/env.sh" 2>&1) || failed=yes
  said=${said//"${draft}"/"${env_file}"}
  if [[ -n ${failed} ]]; then
    say "${said}" >&2
    exit 1
  fi
  [[ -z ${said} ]] || say "${said}"
  compose[-1]=${draft}
}

remove_draft() {
  rm -f "${draft}"
}

# A copy of this folder has the same project name, and would take over the containers and the data of the other.
refuse_to_replace_another_copy() {
  local folder folders
  folders=$(docker ps --all --filter "label=com.docker.compose.project=${project}" \
    --format '{{.Label "com.docker.compose.project.working_dir"}}')
  while IFS= read -r folder; do
    [[ -z ${folder} || ${folder} -ef ${root} ]] || die "${project} runs already, from ${folder}.
  For a second copy, give it a name of its own: COMPOSE_PROJECT_NAME=${project}-2 ./deploy.sh
  If this folder replaces that one: docker compose -p ${project} down (keeps the data), then ./deploy.sh"
  done <<<"${folders}"
}

# A stack of the same name has its database on the same volume.
refuse_to_replace_a_stack() {
  local services
  services=$(docker service ls --quiet --filter "label=com.docker.stack.namespace=${project}" 2>/dev/null || true)
  [[ -z ${services} ]] || die "${project} runs on Docker Swarm. To update it there: ./deploy.sh --swarm
  To change over to Compose: docker stack rm ${project} (keeps the data), then ./deploy.sh"
}

look_for_data() {
  data=$(attempt docker volume inspect "${volume}")
}

# An empty database beside data of before is what few people want: another kind was chosen, or .env was lost.
mention_other_data() {
  local volumes each
  volumes=$(docker volume ls --quiet --filter "label=com.docker.compose.project=${project}" \
    --filter "label=com.docker.compose.volume=${name}_data")
  while IFS= read -r each; do
    if [[ ${each#"${volume}"} =~ ^-[0-9]{8}T[0-9]{6}Z$ ]]; then
      say "! ${database} will start empty, and ${each} holds what was remembered. To use that instead: ops/restore.sh --volume ${each}"
    elif [[ -n ${each} ]]; then
      say "! ${database} will start empty, and ${each} holds what was remembered in another kind of database. To take it along:
  ops/import.sh FILE, with the FILE that ops/export.sh wrote before the kind was changed; without one, change it back first"
    fi
  done <<<"${volumes}"
}

# A database whose first start was cut off may have half of what it needs: it never starts, or it has no tables.
repair_database() {
  local answers unfinished
  answers=$(attempt database_answers)
  [[ -z ${answers} ]] || return 0
  touched=yes
  unfinished=$(unfinished_start "${volume}")
  if [[ -n ${unfinished} ]]; then
    "${compose[@]}" rm --stop --force "${database}"
    unfinished=$(unfinished_start "${volume}") # once more, now that nobody writes to it
    [[ -n ${unfinished} ]] || die 'the database began to work just now: run this again'
    docker volume rm "${volume}" >/dev/null
    say 'The first start of the database was cut off before it could hold anything: it starts anew.'
  fi
  start_database
  answers=$(attempt database_answers)
  [[ -n ${answers} ]] || apply_init_files
}

# back_up: what it warns of is printed, too, so that it can be said again at the end.
back_up() {
  local line
  ENV_FILE=${env_file} "${root}/ops/backup.sh" 2>&1 | while IFS= read -r line; do
    say "${line}" >&2
    [[ ${line} != '! '* ]] || say "${line}"
  done
}

pull_and_build() {
  if [[ -n ${option['--pull']} ]]; then
    "${compose[@]}" pull "${database}"
  fi
  # Without attestations, which hold the time, what has not changed is the same image as before.
  BUILDX_NO_DEFAULT_ATTESTATIONS=1 TAG=candidate \
    "${compose[@]}" build ${option['--pull']:+--pull} "${tiers[@]/#/${name}-}"
}

# find_change: sets `changed` where an agent serves that is not what was built or what the settings say.
find_change() {
  local containers image hash id runs
  containers=$("${compose[@]}" ps --quiet "${agent}")
  image=$(docker image inspect --format '{{.Id}}' "${project}-agent:candidate")
  hash=$("${compose[@]}" config --hash "${agent}")
  changed=''
  for id in ${containers}; do
    runs=$(docker inspect --format '{{.Image}} {{index .Config.Labels "com.docker.compose.config-hash"}}' "${id}")
    [[ ${runs} == "${image} ${hash##* }" ]] || changed=yes
  done
}

# The new agent starts and answers a message, on the real database, while the old one serves.
try_agent() {
  find_change
  [[ -n ${changed} ]] || return 0
  step 'try the new agent beside the one that serves'
  remove_trial
  TAG=candidate "${compose[@]}" run --detach --no-deps --name "${trial}" "${agent}" >/dev/null
  wait_until_healthy "${trial}"
  docker exec --interactive "${trial}" python - <"${root}/ops/agent_round_trip.py"
  remove_trial
}

remove_trial() {
  docker rm --force "${trial}" >/dev/null 2>&1 || true
}

# What a run that was killed left: its trial, and containers that were made to take the place of others but never started.
remove_leftovers() {
  local created id
  remove_trial
  created=$(docker ps --all --quiet --filter "label=com.docker.compose.project=${project}" --filter status=created)
  while read -r id; do
    [[ -z ${id} ]] || docker rm "${id}" >/dev/null
  done <<<"${created}"
}

# wait_until_healthy CONTAINER: fails as soon as it is clear that it will not be. One that ran already may be unhealthy at
# first, as its database was away until now: three checks in a row have to say so.
wait_until_healthy() {
  local state restarts before='' patience=$((SECONDS + 35)) deadline=$((SECONDS + 120))
  while ((SECONDS < deadline)); do
    state=$(state "$1")
    restarts=$(docker inspect --format '{{.RestartCount}}' "$1")
    before=${before:-${restarts}}
    case ${state} in
      'running, healthy') return ;;
      exited* | dead*) break ;;
      *unhealthy) ((SECONDS < patience)) || break ;;
      *) ((restarts < before + 2)) || break ;;
    esac
    sleep 0.3
  done
  return 1
}

# replace TIER: with those below it, which run already.
replace() {
  local before ids id healthy
  before=$(containers "${name}-$1")
  "${compose[@]}" --progress quiet up --detach --no-build "${name}-$1"
  ids=$(containers "${name}-$1")
  for id in ${ids}; do
    healthy=$(attempt wait_until_healthy "${id}")
    [[ -n ${healthy} ]] || renew "$1" "${id}" "${before}"
  done
}

# renew TIER CONTAINER CONTAINERS: makes a container anew that stays unhealthy, if it is one of those that ran before.
renew() {
  [[ $3 == *"$2"* ]] || return 1
  say "! ${name}-$1 has not changed, but is unhealthy: it is made anew"
  show_log "${name}-$1" "$2"
  docker rm --force "$2" >/dev/null
  "${compose[@]}" --progress quiet up --detach --no-build --wait --wait-timeout 120 "${name}-$1"
}

start_tiers() {
  local tier
  replace_agents
  for tier in "${tiers[@]}"; do
    replace "${tier}"
  done
  # What else there may be in the Compose file, and away with the database of another kind; its volume stays.
  "${compose[@]}" --progress quiet up --detach --no-build --remove-orphans --wait --wait-timeout 120
  reset_limits
}

# Compose does not see what docker update has changed.
reset_limits() {
  local service ids id is wanted memory cpus processes
  for service in "${database}" "${agent}" "${interface}"; do
    wanted=$(declared_limits "${service}")
    read -r memory cpus processes <<<"${wanted}"
    printf -v cpus '%d.%09d' "$((cpus / 1000000000))" "$((cpus % 1000000000))"
    ids=$(containers "${service}")
    for id in ${ids}; do
      is=$(limits "${id}")
      [[ ${is} == "${wanted}" ]] || docker update --memory "${memory}" --memory-swap "$((2 * memory))" --cpus "${cpus}" \
        --pids-limit "${processes}" "${id}" >/dev/null
    done
  done
}

# The images that were tried become those that the settings name.
take_candidates() {
  local tier image
  for tier in "${tiers[@]}"; do
    image=$(image "${tier}")
    docker tag "${project}-${tier}:candidate" "${image}"
  done
}

# state CONTAINER: how it is, or nothing where there is none.
state() {
  docker inspect --format '{{.State.Status}}
    {{- if not .State.Running}} with status {{.State.ExitCode}}{{else}}{{with .State.Health}}, {{.Status}}{{end}}{{end}}' \
    "$1" 2>/dev/null || true
}

# show_log NAME CONTAINER
show_log() {
  say "── the end of the log of $1"
  docker logs --tail 50 "$2" 2>&1 | without_secrets
}

# explain: shows the end of the log of what is the reason, and adds to `doing` how that is. Where all are healthy and
# answer wrongly nevertheless, it shows what agent and interface say.
explain() {
  local service id is shown=()
  is=$(state "${trial}")
  if [[ -n ${is} ]]; then
    show_log "the new ${agent}" "${trial}"
    doing+=": it was ${is/running, healthy/healthy, but did not answer as it should}"
    return
  fi
  for service in "${concerned[@]}"; do
    id=$(containers "${service}")
    id=${id%%$'\n'*}
    is=$(state "${id}")
    case ${is} in
      '') ;;
      'running, healthy') [[ ${service} == "${database}" ]] || shown+=("${service} ${id}") ;;
      created*)
        doing+=": ${service} was not started. If its port is in use, choose another one in ${env_file}"
        return
        ;;
      *)
        show_log "${service}" "${id}"
        doing+=": ${service} is ${is}"
        return
        ;;
    esac
  done
  for service in "${shown[@]}"; do
    show_log "${service% *}" "${service#* }"
  done
}

# What crashed before this run is not held against what it has started.
verify() {
  ENV_FILE=${env_file} KEPT_COMPOSE_FILE=${compose_file} CHECK_CRASHES_SINCE=${began} "${root}/ops/verify.sh"
}

# go_back: starts what was deployed last, whatever the files say by now.
go_back() {
  local image id
  [[ -e ${kept}/images ]] || die "no deployment of ${project} has passed its checks, so there is none to go back to"
  step 'go back to what was deployed before' "${database}" "${agent}" "${interface}"
  while read -r image id; do
    docker tag "${id}" "${image}"
  done <"${kept}/images"
  use_kept
  apply_kept_files
  start_tiers
  verify
}

# The files are as they were started before, and fewer perhaps than start_database would look for by now.
apply_kept_files() {
  local root=${kept}
  "${compose[@]}" up --detach --wait --wait-timeout 120 "${database}"
  apply_init_files
}

# finish STATUS: after a failure, what ran before serves again, or it is said that nothing does.
finish() {
  local serves
  (($1 != 0)) || return 0
  explain >&2
  remove_trial
  remove_candidates
  if [[ -n ${option['--roll-back']} ]]; then
    give_up "could not ${doing}"
  elif [[ -z ${touched} ]]; then
    die "could not ${doing}. Nothing was changed: what ran before is as it was"
  elif [[ ! -e ${kept}/images ]]; then
    serves=$(attempt verify)
    [[ -n ${serves} ]] || give_up "could not ${doing}"
    die "could not ${doing}. What runs now passes all checks of ops/verify.sh nevertheless, and serves"
  elif ! ENV_FILE=${env_file} "${root}/deploy.sh" --roll-back; then
    give_up "could not ${doing}, nor go back to what was deployed before"
  fi
  die "could not ${doing}. What was deployed before serves, and passed its checks; your files still say what failed"
}

# give_up WHAT
give_up() {
  printf '✗ %s. The agent does not serve. What is above says why; when it is mended: ./deploy.sh\n' "$1" >&2
  exit 3
}

plan() {
  local tier
  say 'All that is needed is there. Would now:'
  [[ -z ${data} || -n ${option['--no-backup']} ]] || say "  - back the data up into ${root}/backups"
  [[ -z ${option['--pull']} ]] || say '  - look for newer images'
  for tier in "${tiers[@]}"; do
    say "  - build the image of ${project}-${tier} from ${root}/${tier}"
  done
  say "  - start ${database}, unless it runs, and bring it up to date"
  say "  - try the new agent, then replace agent and interface, as far as they have changed"
  say '  - verify all three tiers, and go back to what runs now if they do not work'
}

doing='check this machine'
check_docker
check_files
check_room
[[ -n ${option['--dry-run']} ]] || exclusive

step 'complete the settings'
complete_settings
read_config
check_settings
[[ ! -e ${env_file}.rotation ]] ||
  die 'new secrets are on their way into the database: ops/rotate-secrets.sh goes on with that, and deploys'
if [[ -n ${option['--swarm']} ]]; then
  ENV_FILE=${env_file} SWARM_WAIT=${SWARM_WAIT:-600} "${root}/ops/swarm.sh"
  exit
fi
refuse_to_replace_a_stack
check_replicas
locate_kept
volume=$(data_volume)
trial=${project}-agent-trial
refuse_to_replace_another_copy

if [[ -n ${option['--roll-back']} ]]; then
  on_exit finish
  remove_leftovers
  go_back
  say '✓ what was deployed last serves again'
  exit
fi

check_ports
look_for_data
[[ -n ${data} ]] || mention_other_data
if [[ -n ${option['--dry-run']} ]]; then
  plan
  exit
fi
on_exit finish
remove_leftovers

if [[ -n ${data} ]]; then
  step 'look after the data' "${database}"
  repair_database
  look_for_data
fi
if [[ -n ${data} && -z ${option['--no-backup']} ]]; then
  step 'back the data up' "${database}"
  warnings=$(back_up)
fi

step 'build the images'
pull_and_build

touched=yes
step 'start the database' "${database}"
start_database

step 'bring the database up to date' "${database}"
apply_init_files

try_agent

step 'start agent and interface' "${database}" "${agent}" "${interface}"
take_candidates
start_tiers

step 'verify the tiers' "${database}" "${agent}" "${interface}"
verify
keep
how_to_talk
say "${warnings:+
${warnings}
}
✓ deployed ${project} in ${SECONDS} s${RUN_LOG:+; the log is ${RUN_LOG}}"
