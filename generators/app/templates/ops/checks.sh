#!/usr/bin/env bash
# What ops/verify.sh checks beside what the database and the interface know of themselves: it sources this file. The last
# line of a check is what is wrong where it fails, and what there is to know where it passes.
set -euo pipefail

# shellcheck source=ops/database.sh
source "${BASH_SOURCE[0]%/*}/database.sh"
# shellcheck source=ops/interface.sh
source "${BASH_SOURCE[0]%/*}/interface.sh"

agent=${name}-agent
services=("${database}" "${agent}" "${interface}")

# A program for Python: says whether an address can be connected to.
readonly CONNECT='
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1).close()
    print("connected")
except OSError:
    pass
'

# look FORMAT: fills `found` with the service and what docker inspect says, for each container of the project.
look() {
  local service id ids
  found=''
  for service in "${services[@]}"; do
    ids=$(containers "${service}")
    for id in ${ids}; do
      found+=$(docker inspect --format "${service} $1" "${id}")$'\n'
    done
  done
  found=${found%$'\n'}
}

# complain WHO WHAT: a check goes through all containers, and what is wrong with any becomes one line.
wrong=''
complain() {
  wrong+=${wrong:+; }"$1 $2"
}

end_of_complaints() {
  [[ -n ${wrong} ]] || return 0
  say "${wrong}"
  return 1
}

# quietly COMMAND...: without a word where it works.
quietly() {
  local said
  said=$("$@" 2>&1) || die "${said}"
}

engine_answers() {
  docker version --format '{{.Server.Version}}'
}

settings_fit() {
  [[ -e ${env_file} ]] || die "there is no ${env_file}"
  "${compose[@]}" config --quiet
}

all_are_healthy() {
  local service is
  look '{{.State.Status}}{{with .State.Health}}, {{.Status}}{{end}}'
  for service in "${services[@]}"; do
    [[ ${found} == *"${service} "* ]] || complain "${service}" 'was not started'
  done
  while read -r service is; do
    [[ -z ${service} || ${is} == 'running, healthy' ]] || complain "${service}" "is ${is}"
  done <<<"${found}"
  end_of_complaints
}

data_is_on_its_volume() {
  local volume
  volume=$(data_volume)
  docker volume inspect "${volume}" >/dev/null || die "there is no volume ${volume}"
  look '{{range .Mounts}} {{.Name}} {{end}}'
  [[ ${found} == *" ${volume} "* ]] || die "${database} does not use the volume ${volume}"
}

agent_is_healthy() {
  inside agent python - <<'PY'
import sys, urllib.request as u
try:
    u.urlopen("http://127.0.0.1:8000/health", timeout=15)
except u.HTTPError as answer:
    sys.exit(f"it says {answer.code} {answer.read().decode()}")
PY
}

interface_is_connected() {
  inside interface python - <<'PY'
import json, sys, urllib.request as u
try:
    agent = json.load(u.urlopen("http://127.0.0.1:8080/health", timeout=15))["agent"]
except u.HTTPError as answer:
    sys.exit(f"it says {answer.code} {answer.read().decode()}")
sys.exit(None if agent == "ok" else f"to it, the agent is {agent}")
PY
}

# The token itself is not printed.
tokens_are_equal() {
  local expected shown
  expected=$(inside agent printenv AGENT_TOKEN)
  shown=$(inside interface printenv AGENT_TOKEN)
  ((${#shown} >= 12)) || die 'the interface has no token'
  [[ ${shown} == "${expected}" ]] || die 'they have different ones'
}

# What lets callers in, or itself where it calls others, and the certificates by which it knows those.
has_keys_and_certificates() {
  local keys
  keys=$(interface_keys)
  read -ra keys <<<"${keys}"
  inside interface python - "${keys[@]}" <<'PY'
import os, pathlib, ssl, sys
missing = [name for name in sys.argv[1:] if len(os.environ.get(name, "")) < 12]
places = ssl.get_default_verify_paths()
if not places.cafile and not (places.capath and any(pathlib.Path(places.capath).iterdir())):
    missing.append("the list of the authorities that sign certificates")
sys.exit(f"missing: {', '.join(missing)}" if missing else None)
PY
}

# A container keeps a hash of what it was made from; its limits can be changed later, by docker update.
are_as_declared() {
  local hashes service hash image wanted built id is
  hashes=$(config_hashes)
  look '{{index .Config.Labels "com.docker.compose.config-hash"}} {{.Image}} {{.Config.Image}} {{.Id}}'
  while read -r service hash built image id; do
    [[ $'\n'${hashes}$'\n' == *$'\n'"${service} ${hash}"$'\n'* ]] || complain "${service}" 'runs with other settings'
    wanted=$(docker image inspect --format '{{.Id}}' "${image}")
    [[ ${built} == "${wanted}" ]] || complain "${service}" "runs another image than ${image} is now"
    wanted=$(declared_limits "${service}")
    is=$(limits "${id}")
    [[ ${is} == "${wanted}" ]] || complain "${service}" 'has other limits'
  done <<<"${found}"
  end_of_complaints
}

are_confined() {
  local service user facts
  look '{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}
    {{- if .HostConfig.CapAdd}} capabilities{{end}}{{if .HostConfig.Privileged}} privileged{{end}}'
  while read -r service user facts; do
    [[ ${user} =~ ^[1-9][0-9]* ]] || complain "${service}" "runs as ${user:-root}"
    [[ ${facts} == 'true [ALL] [no-new-privileges:true]' ]] ||
      complain "${service}" 'may write its root file system, or may do what only root may'
  done <<<"${found}"
  look '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{with .HostConfig.PidsLimit}}{{.}}{{else}}0{{end}}'
  while read -r service facts; do
    [[ ${facts} =~ ^[1-9][0-9]*" "[1-9][0-9]*" "[1-9][0-9]*$ ]] ||
      complain "${service}" 'may take all memory, processors or processes'
  done <<<"${found}"
  end_of_complaints
}

listen_where_declared() {
  local declared service id ids published target place address places=''
  declared=$(declared_ports)
  for service in "${services[@]}"; do
    ids=$(containers "${service}")
    for id in ${ids}; do
      published=$(docker port "${id}")
      while read -r target _ place; do
        [[ -n ${place} ]] || continue
        places+="${places:+, }${service} on ${place}"
        address=${place%:*}
        compare_port "${target%/*}" "${address//[][]/}" "${place##*:}"
      done <<<"${published}"
    done
  done
  end_of_complaints
  say "${places:-none is published}"
}

# compare_port TARGET ADDRESS PORT: with what is declared for the service. All addresses are those of IPv6, too.
compare_port() {
  local of target address port
  [[ ${service} != "${database}" ]] || complain "${service}" "is published on $2:$3, where others than the agent reach it"
  while read -r of target address port; do
    [[ "${of} ${target}" == "${service} $1" ]] || continue
    [[ ${address} == "$2" || "${address} $2" == '0.0.0.0 ::' ]] || continue
    [[ ${port} != - ]] || return 0
    (($3 < ${port%-*} || $3 > ${port#*-})) || return 0
  done <<<"${declared}"
  complain "${service}" "is published on $2:$3, as docker-compose.yml does not say"
}

# network KEY: its name, as the settings make it.
network() {
  sed -n "/^networks:/,/^[^ n]/ {/^  $1:/,/^  [^ ]/ s/^    name: //p}" <<<"${config}"
}

are_apart() {
  local names network facts internal members member address ports said
  look '{{.Name}}'
  names=${found}
  network=$(network "${name}-data")
  facts=$(docker network inspect --format '{{.Internal}}{{range .Containers}} {{.Name}}{{end}}' "${network}")
  read -r internal members <<<"${facts}"
  [[ ${internal} == true ]] || complain "${network}" 'is missing, or has a way out'
  for member in ${members}; do
    [[ ${names} =~ (^|$'\n')("${database}"|"${agent}")" /${member}"($|$'\n') ]] ||
      complain "${member}" "is on the network ${network}"
  done
  look '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}} {{.Config.ExposedPorts}}'
  while read -r member address ports; do
    [[ ${member} == "${database}" && ${ports} =~ [0-9]+ ]] || continue
    said=$(inside interface python - "${address}" "${BASH_REMATCH[0]}" <<<"${CONNECT}")
    [[ ${said} != connected ]] || complain "${interface}" "reaches ${database}"
  done <<<"${found}"
  end_of_complaints
}

# A crash of last month that nothing came of is no fault, one of the last hour may be; for deploy.sh, one since it began.
stay_up() {
  local service count killed since started now
  now=$(date +%s)
  : "${CHECK_CRASHES_SINCE:=$((now - 3600))}"
  look '{{.RestartCount}} {{.State.OOMKilled}} {{.State.StartedAt}}'
  while read -r service count killed since; do
    [[ ${killed} == false ]] || complain "${service}" 'was killed because it needed more memory than its limit'
    started=$(date -d "${since}" +%s)
    ((count == 0 || started < CHECK_CRASHES_SINCE)) ||
      complain "${service}" "has crashed and was restarted ${count} times, the last time at ${since%.*} UTC"
  done <<<"${found}"
  end_of_complaints
}

# A clock that has been set back lets leases and sessions live too long.
clocks_agree() {
  local before there now service since started by_network
  before=$(date +%s)
  there=$(inside agent date +%s)
  now=$(date +%s)
  ((there >= before - 2 && there <= now + 2)) || complain "${agent}" "is $((there - now)) s off"
  look '{{.State.StartedAt}}'
  while read -r service since; do
    started=$(date -d "${since}" +%s)
    ((started <= now + 2)) || complain "${service}" "was started in the future, at ${since%.*} UTC"
  done <<<"${found}"
  end_of_complaints
  by_network=$(timedatectl show --property NTPSynchronized --value 2>/dev/null) || true
  [[ ${by_network} != no ]] || say 'nothing sets the clock of this machine: timedatectl set-ntp true'
}

has_room() {
  local folder free least
  look '{{range .Mounts}}{{if eq .Type "volume"}}{{.Destination}}{{end}}{{end}}'
  folder=$(sed -n "s/^${database} //p" <<<"${found}")
  free=$(inside "${database#"${name}-"}" df -Pk "${folder}" | free_megabytes)
  ((free >= 500)) || complain "${database}" "has ${free} MB left"
  least=${free}
  free=$(df -Pk "${root}" | free_megabytes)
  ((free >= 100)) || complain "${root}" "has ${free} MB left for logs and backups"
  end_of_complaints
  say "${least} MB for the data, ${free} MB for logs and backups"
}
