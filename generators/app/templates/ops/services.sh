#!/usr/bin/env bash
# How the services of the stack are, and how they go back. ops/swarm.sh sources this file.
set -euo pipefail

# shellcheck source=ops/database.sh
source "${BASH_SOURCE[0]%/*}/database.sh"

# From the bottom to the top, as they depend on each other.
services=("${database#"${name}-"}" agent interface)

# now: as Swarm notes when it made a task.
now() {
  TZ=UTC printf '%(%Y-%m-%d %H:%M:%S)T' -1
}

began=$(now)

# What a task has in common with its service where it is not one of a former version.
readonly SPECIFICATION='{{with .ContainerSpec}}{{json .Image}}{{json .Command}}{{json .Args}}{{json .Env}}{{json .Mounts}}
  {{- json .Healthcheck}}{{json .Secrets}}{{json .Configs}}{{.User}}{{end}}{{json .Resources}}{{json .Placement}}
  {{- json .Networks}}{{json .LogDriver}}{{.ForceUpdate}}'

# What a service uses by name.
readonly USED='{{with .TaskTemplate.ContainerSpec}}{{println .Image}}{{range .Secrets}}{{println .SecretName}}{{end}}
  {{- range .Configs}}{{println .ConfigName}}{{end}}{{end}}'

# tasks SERVICE STATE FORMAT: what docker inspect says of each of its tasks that Swarm wants to be running or shutdown.
tasks() {
  local found ids
  found=$(docker service ps --quiet --filter "desired-state=$2" "${project}_$1")
  [[ -n ${found} ]] || return 0
  mapfile -t ids <<<"${found}"
  docker inspect --type task --format "$3" "${ids[@]}" 2>/dev/null || true # one may just have been removed
}

# update_state SERVICE: how its last update is, or nothing where nothing had to be changed.
update_state() {
  docker service inspect --format '{{with .UpdateStatus}}{{.State}}{{end}}' "${project}_$1"
}

# runs SERVICE: says yes where all its tasks run, as the service is now.
runs() {
  local wanted replicas found
  replicas=$(docker service inspect --format '{{.Spec.Mode.Replicated.Replicas}}' "${project}_$1")
  wanted=$(docker service inspect --format "running {{with .Spec.TaskTemplate}}${SPECIFICATION}{{end}}" "${project}_$1")
  wanted=$(repeat "${replicas}" "${wanted}")
  found=$(tasks "$1" running "{{.Status.State}} {{with .Spec}}${SPECIFICATION}{{end}}")
  [[ ${found} != "${wanted}" ]] || say yes
}

# settled SERVICE SINCE: says yes where it runs as it should, no where that may still come, and otherwise why it will not.
settled() {
  local state runs replicas failed
  state=$(update_state "$1")
  runs=$(runs "$1")
  replicas=$(docker service inspect --format '{{.Spec.Mode.Replicated.Replicas}}' "${project}_$1")
  failed=$(failures "$1" "$2" | wc -l)
  case ${state} in
    rollback_completed) say 'was taken back, as its update failed' ;;
    *paused) say "stopped in the middle of its ${state%_*}" ;;
    updating | rollback_started) say no ;;
    *)
      if [[ -n ${runs} ]]; then
        say yes
      elif [[ -z ${state} ]] && ((failed >= 3 * replicas)); then
        say 'ends again and again'
      else
        say no
      fi
      ;;
  esac
}

# repeat NUMBER TEXT: so many lines of it.
repeat() {
  local n
  for ((n = 0; n < $1; n++)); do
    say "$2"
  done
}

# failures SERVICE SINCE: its tasks that were made since then and have ended, the newest first: when they were made, which,
# how and why they ended.
failures() {
  local all line
  all=$(tasks "$1" shutdown '{{.CreatedAt}}	{{.ID}}	{{.Status.State}}	{{.Status.Err}}' | sort -r)
  while IFS= read -r line; do
    [[ ! ${line} =~ $'\t'(failed|rejected|complete)$'\t' || ${line} < $2 ]] || say "${line}"
  done <<<"${all}"
}

# wait_for SERVICE: until it has settled. `is` becomes yes, or why it does not. What ended while those below it were not
# ready yet does not count.
wait_for() {
  local since deadline=$((SECONDS + ${SWARM_WAIT:-600}))
  since=$(now)
  is=no
  while [[ ${is} == no ]]; do
    sleep 0.5
    is=$(settled "$1" "${since}")
    if [[ ${is} == no ]] && ((SECONDS > deadline)); then
      is="is not ready after ${SWARM_WAIT:-600} s"
    fi
  done
}

# show_log SERVICE: the end of the log of its newest task that failed, or of all.
show_log() {
  local newest task reason
  newest=$(failures "$1" "${began}")
  IFS=$'\t' read -r _ task _ reason <<<"${newest}"
  say "── the end of the log of ${project}_$1${reason:+ (${reason})}"
  { docker service logs --raw --tail 50 "${task:-${project}_$1}" 2>&1 || true; } | without_secrets
  [[ -n ${task} ]] || docker service ps --format '{{.Name}}: {{.CurrentState}} {{.Error}}' "${project}_$1"
}

# go_back: what was updated, as a new password, say, concerns more than one service. What is new is removed, as an update
# of it would be taken back to what never worked. Says yes where all that ran before runs again.
go_back() {
  local service state went back=() deadline=$((SECONDS + 120))
  for service in "${services[@]}"; do
    state=$(update_state "${service}")
    went=yes
    if [[ ${state} != rollback* ]]; then
      went=$(attempt docker service rollback --detach "${project}_${service}")
    fi
    if [[ -n ${went} ]]; then
      back+=("${service}")
    else
      docker service rm "${project}_${service}" >/dev/null
    fi
  done
  [[ ${back[*]} == *'agent interface' ]] || return 0
  for service in "${back[@]}"; do
    went=''
    while [[ -z ${went} ]]; do
      ((SECONDS < deadline)) || return 0
      sleep 0.5
      went=$(runs "${service}")
    done
  done
  say yes
}

# in_use: what the services use and what they used before their last update.
in_use() {
  local service
  for service in "${services[@]}"; do
    docker service inspect --format "{{with .Spec}}${USED}{{end}}{{with .PreviousSpec}}${USED}{{end}}" "${project}_${service}"
  done
}
