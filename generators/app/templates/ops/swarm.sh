#!/usr/bin/env bash
# Makes what runs on Docker Swarm what stack.yml says. ./deploy.sh --swarm has checked machine and settings before.
set -euo pipefail

here=$(readlink -f "${BASH_SOURCE[0]}")
# shellcheck source=ops/database.sh
source "${here%/*}/database.sh"
# shellcheck source=ops/interface.sh
source "${here%/*}/interface.sh"
# shellcheck source=ops/services.sh
source "${here%/*}/services.sh"

options "Usage: ./deploy.sh --swarm

Makes what runs on Docker Swarm what stack.yml and the settings say: checks the swarm, builds the images, makes secrets of
the passwords and tokens, updates the services one task after another, waits until that is done, and sends a message
through all three tiers. When an update fails, Swarm goes back by itself, this script takes the other services back too,
and shows the end of the log of what failed. What has not changed keeps running. Run it on a manager of the swarm.

Images are built here. With several machines they are pushed to REGISTRY, a setting in .env such as
registry.example.com/team; log in to it with docker login first. stack.override.yml, if there is one, is read after
stack.yml. The data is on the one machine that has the label PROJECT-data=yes; a single machine gets it by itself.

Environment: ENV_FILE, other settings than .env; COMPOSE_PROJECT_NAME, another name for the stack; SWARM_WAIT, the seconds
that an update may take, 600.
Exit status: 0 all three tiers work; 1 it failed, and what ran before serves; 2 wrong usage; 3 it failed, and the agent
does not serve." "$@"
record swarm
exclusive

tiers=(agent interface)

check_swarm() {
  local swarm
  swarm=$(docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}')
  case ${swarm} in
    'active true') ;;
    active*) die "this machine is a worker of its swarm; run this on a manager (docker node ls there says which it is)" ;;
    *) die "this machine is in no swarm; to begin one: docker swarm init
  (with several network addresses: docker swarm init --advertise-addr ADDRESS, the one that the others reach)" ;;
  esac
}

# Two databases on one volume would destroy it.
refuse_beside_compose() {
  local running
  running=$(docker ps --quiet --filter "label=com.docker.compose.project=${project}" \
    --filter label=com.docker.compose.oneoff) # which the images have no label of
  [[ -z ${running} ]] || die "${project} runs by docker-compose.yml here, on the volume that the stack would use.
  To change over: docker compose -p ${project} down (keeps the data), then ./deploy.sh --swarm"
}

# What is published is open on all addresses of every machine, whatever INTERFACE_BIND says, so it has to say just that.
check_bind() {
  local ports service address
  ports=$(declared_ports)
  while read -r service _ address _; do
    [[ ${service} != "${interface}" || ${address} == 0.0.0.0 || ${address} == :: ]] ||
      die "a swarm publishes on all addresses of all its machines, but INTERFACE_BIND is ${address}.
  If that is meant, and a firewall or a proxy is what you want before it: INTERFACE_BIND=0.0.0.0 in ${env_file}"
  done <<<"${ports}"
}

# check_nodes: the data stays on one machine; the others need a place to get the images from.
check_nodes() {
  local nodes node is label=${project}-data holders=()
  nodes=$(docker node ls --quiet)
  for node in ${nodes}; do
    is=$(docker node inspect --format "{{index .Spec.Labels \"${label}\"}}" "${node}")
    [[ ${is} != yes ]] || holders+=("${node}")
  done
  if [[ ${nodes} != *$'\n'* && ${#holders[@]} -eq 0 ]]; then
    docker node update --label-add "${label}=yes" "${nodes}" >/dev/null
    say "labelled this machine ${label}=yes: the data is here"
    return
  fi
  ((${#holders[@]} > 0)) || die "no machine has the label that says where the data is.
  To choose one (docker node ls lists them): docker node update --label-add ${label}=yes NODE"
  ((${#holders[@]} == 1)) || die "${#holders[@]} machines have the label ${label}=yes, but each would have data of its own.
  To leave it to one: docker node update --label-rm ${label} NODE"
  [[ ${nodes} != *$'\n'* || -n ${REGISTRY} ]] || die "the swarm has several machines, which cannot have the images that are built here.
  Write a registry that all of them reach into ${env_file}: REGISTRY=registry.example.com/team"
}

# export_settings: those that stack.yml names, and REGISTRY, become variables of this shell.
export_settings() {
  local found variables variable
  found=$(cat "${files[@]}" | grep -oE '\$\{(SECRET_)?[A-Z][A-Z0-9_]*' | sed -E 's/\$\{(SECRET_)?//' | sort -u)
  mapfile -t variables <<<"${found}"$'\n'REGISTRY
  read_settings "${variables[@]}"
  for variable in "${variables[@]}"; do
    export "${variable}=${settings[${variable}]}"
  done
}

build_images() {
  local tier id image
  DATABASE_IMAGE=$("${compose[@]}" config --images "${database}")
  export DATABASE_IMAGE
  BUILDX_NO_DEFAULT_ATTESTATIONS=1 TAG=candidate "${compose[@]}" build "${tiers[@]/#/${name}-}"
  for tier in "${tiers[@]}"; do
    id=$(docker image inspect --format '{{.Id}}' "${project}-${tier}:candidate")
    id=${id#sha256:}
    image=${REGISTRY:+${REGISTRY%/}/}${project}-${tier}:${id:0:12} # the same content, the same name
    docker tag "${project}-${tier}:candidate" "${image}"
    docker image rm "${project}-${tier}:candidate" >/dev/null
    [[ -z ${REGISTRY} ]] || docker push --quiet "${image}"
    export "${tier^^}_IMAGE=${image}"
  done
}

# hash: of standard input, and of the stack's name, so that no two stacks share what is named after it.
hash() {
  local sum
  sum=$({
    say "${project}"
    cat
  } | sha256sum)
  say "${sum:0:12}"
}

# secrets: the variables that stack.yml has a secret for.
secrets() {
  sed -n 's/.*{SECRET_\([A-Z0-9_]*\).*/\1/p' "${root}/stack.yml"
}

# Neither a secret nor a configuration can be changed, so a new value is a new one with another name.
make_secrets() {
  local variables variable value sum secret is_there
  variables=$(secrets)
  for variable in ${variables}; do
    value=${!variable:-}
    [[ ${value} != [[:space:]]* && ${value} != *[[:space:]] ]] ||
      die "${variable} in ${env_file} begins or ends with a blank, which is lost on the way"
    sum=$(printf '%s=%s' "${variable}" "${value}" | hash)
    secret=${STACK_PREFIX}_${variable,,}_${sum}
    is_there=$(attempt docker secret inspect "${secret}")
    if [[ -z ${is_there} ]]; then
      printf '%s' "${value:-$'\n'}" | # one without a value cannot be made
        docker secret create --label "com.docker.stack.namespace=${project}" "${secret}" - >/dev/null
      say "made the secret ${secret}"
    fi
    export "SECRET_${variable}=${secret}"
  done
}

# hash_files: of the files that stack.yml hands over as configurations.
hash_files() {
  local list file paths=()
  list=$(sed -n 's#.*{file: \./\([^,]*\),.*#\1#p' "${root}/stack.yml")
  while IFS= read -r file; do
    paths+=("${root}/${file}")
  done <<<"${list}"
  cat "${paths[@]}" | hash
}

# remove_former_services: those that the files do not name, such as a database of another kind. Its data is kept.
remove_former_services() {
  local found service named
  named=$(docker stack config "${files[@]/#/--compose-file=}" | sed -n '/^services:/,/^[^s ]/ s/^  \([^ ]*\):$/\1/p')
  found=$(docker service ls --filter "label=com.docker.stack.namespace=${project}" --format '{{.Name}}')
  for service in ${found}; do
    [[ $'\n'${named}$'\n' == *$'\n'"${service#"${project}_"}"$'\n'* ]] || docker service rm "${service}" >/dev/null
  done
}

# What is neither used nor needed to go back by one update.
remove_former_secrets() {
  local used kind found item
  used=$(in_use)
  for kind in secret config; do
    found=$(docker "${kind}" ls --filter "label=com.docker.stack.namespace=${project}" --format '{{.Name}}')
    for item in ${found}; do
      [[ $'\n'${used}$'\n' == *$'\n'"${item}"$'\n'* ]] || docker "${kind}" rm "${item}" >/dev/null
    done
  done
}

remove_former_images() {
  local used tier found image
  used=$(in_use)
  for tier in "${tiers[@]}"; do
    found=$(docker image ls --format '{{.Repository}}:{{.Tag}}' "${REGISTRY:+${REGISTRY%/}/}${project}-${tier}")
    for image in ${found}; do
      [[ ! ${image} =~ :[0-9a-f]{12}$ || $'\n'${used}$'\n' == *$'\n'"${image}"$'\n'* ]] ||
        docker image rm "${image}" >/dev/null 2>&1 || true
    done
  done
}

# The message goes through the interface where that runs on this machine; otherwise Swarm's word has to do.
send_message() {
  local container variable variables passed=()
  container=$(docker ps --quiet --filter "label=com.docker.swarm.service.name=${project}_interface" --filter health=healthy)
  if [[ -z ${container} ]]; then
    say "! ${project}_interface runs on another machine, so no message was sent through the tiers" >&2
    return
  fi
  variables=$(secrets)
  for variable in ${variables}; do
    passed+=(--env "${variable}") # the value is not on the command line
  done
  docker exec --interactive "${passed[@]}" "${container%%$'\n'*}" python - <"${root}/ops/round_trip.py" ||
    fail interface 'runs, but a message did not get through'
}

# fail SERVICE WHY
fail() {
  local back
  show_log "$1" >&2
  say '── go back to what ran before' >&2
  back=$(go_back)
  [[ -n ${back} ]] || give_up "${project}_$1 $2"
  die "${project}_$1 $2. What ran before serves; your files still say what failed"
}

give_up() {
  printf '✗ %s. The agent does not serve. What is above says why; when it is mended: ./deploy.sh --swarm\n' "$*" >&2
  exit 3
}

read_config
files=("${root}/stack.yml")
[[ ! -e ${root}/stack.override.yml ]] || files+=("${root}/stack.override.yml")

say '── check the swarm'
check_swarm
refuse_beside_compose
check_bind
export_settings
check_nodes

say '── build the images'
build_images

say '── make secrets of the passwords and tokens'
export STACK=${project} STACK_PREFIX=${project:0:32} FILES_HASH
make_secrets
FILES_HASH=$(hash_files)

say '── update the services'
docker stack deploy --detach=true --resolve-image never ${REGISTRY:+--with-registry-auth} \
  "${files[@]/#/--compose-file=}" "${project}" ||
  die 'docker stack deploy stopped, see above. When that is mended, run this again'
for service in "${services[@]}"; do
  wait_for "${service}"
  [[ ${is} == yes ]] || fail "${service}" "${is}"
  say "✓ ${project}_${service}"
done

say '── send a message through the tiers'
send_message
remove_former_services
remove_former_secrets
remove_former_images
docker service ls --filter "label=com.docker.stack.namespace=${project}"
say "
✓ deployed ${project} to the swarm in ${SECONDS} s${RUN_LOG:+; the log is ${RUN_LOG}}"
