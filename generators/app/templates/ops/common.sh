#!/usr/bin/env bash
# Where the project is and how Docker is called: the other scripts source this file.
set -euo pipefail
if [[ ${OSTYPE} != linux* ]]; then # bash and the tools of macOS are not these
  echo '✗ these scripts need Linux: run them on the server, in a virtual machine, or on Windows in WSL' >&2
  exit 1
fi
shopt -s inherit_errexit # or a function that fails halfway inside $(...) would pass for one that is done

root=$(readlink -f "${BASH_SOURCE[0]}")
root=${root%/ops/*}

# Other settings than .env make a second copy of the project possible.
env_file=${ENV_FILE:-.env}
[[ ${env_file} == /* ]] || env_file=${root}/${env_file}

# The name of the project: those of its services begin with it.
name=$(sed -n 's/^name: //p' "${root}/docker-compose.yml")

# Compose prefers a variable of the caller's shell to .env, so only what Docker itself needs stays exported.
exported=$(compgen -e)
for variable in ${exported}; do
  case ${variable} in
    PATH | HOME | TMPDIR | TERM | LANG | LC_* | NO_COLOR | XDG_RUNTIME_DIR | XDG_CONFIG_HOME | SSH_AUTH_SOCK) ;;
    DOCKER_* | BUILDX_* | BUILDKIT_* | COMPOSE_PROJECT_NAME | *_PROXY | *_proxy | SSL_CERT_FILE | SSL_CERT_DIR) ;;
    RUN_LOG) ;; # of the script that called this one
    *) export -n "${variable?}" ;;
  esac
done

# Another Compose file than this one: what was deployed before, when it is gone back to.
compose_file=${KEPT_COMPOSE_FILE:-${root}/docker-compose.yml}

compose=(docker compose --project-directory "${root}" --file "${compose_file}" --env-file "${env_file}")

# read_config: `config` is the Compose file with the settings in it, secrets too; `project` is the name of the project.
config=''
project=''
read_config() {
  config=$("${compose[@]}" config) || die "the settings in ${env_file} do not fit ${compose_file##*/}: see above"
  project=${config%%$'\n'*}
  project=${project#name: }
}

# config_hashes [SERVICE]: what tells the settings of each service from others, those of its env_file among them.
config_hashes() {
  docker compose --project-directory "${root}" --file - config --hash "${1:-*}" <<<"${config}"
}

# data_volume: the volume that the settings name.
data_volume() {
  sed -n "/^volumes:/,$ {/^  ${name}_data:/,/^  [^ ]/ s/^    name: //p}" <<<"${config}"
}

# address_of SERVICE PORT: where the port of its container is published, as a URL has it.
address_of() {
  local address
  address=$("${compose[@]}" port "$1" "$2")
  [[ ${address%:*} != *:* || ${address} == \[* ]] || address="[${address%:*}]:${address##*:}"
  say "${address}"
}

# canonical ADDRESS: as Docker prints it, one of IPv6 in its short form.
canonical() {
  local said=$1
  [[ $1 != *:* ]] || said=$(getent ahostsv6 "$1") ||
    die "$1, where a port is to be published, is not an address: choose another in ${env_file}"
  say "${said%% *}"
}

# declared_ports: prints what the Compose file publishes, a line for each: service, port of the container, address, port.
# The last is a range where there is a choice, and - where Docker takes any that is free.
declared_ports() {
  local line service='' address='' target='' port=''
  while IFS= read -r line; do
    case ${line} in
      '      - mode: '* | '    '[!\ ]* | '  '[!\ ]* | [!\ ]*)
        [[ -z ${target} ]] || say "${service} ${target} ${address:-0.0.0.0} ${port:--}"
        address='' target='' port=''
        ;;
      '        host_ip: '*) address=${line##* } address=$(canonical "${address//[][\"\']/}") ;;
      '        target: '[0-9]*) target=${line##* } ;;
      '        published: '*) port=${line##* } port=${port//\"/} ;;
      *) ;;
    esac
    [[ ! ${line} =~ ^'  '[^\ ]*:$ ]] || service=${line//[ :]/}
  done <<<"${config}"
}

# declared SERVICE KEY: what the Compose file and the settings make of it.
declared() {
  sed -n "/^services:/,/^[^ s]/ {/^  $1:/,/^  [^ ]/ s/^    $2: \"\\{0,1\\}\\([^\"]*\\).*/\\1/p}" <<<"${config}"
}

# limits CONTAINER: bytes of memory, billionths of processors, and processes.
limits() {
  docker inspect --format '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{with .HostConfig.PidsLimit}}{{.}}{{else}}0{{end}}' "$1"
}

# declared_limits SERVICE: the same, as declared.
declared_limits() {
  local memory cpus pids part
  memory=$(declared "$1" mem_limit)
  cpus=$(declared "$1" cpus)
  pids=$(declared "$1" pids_limit)
  part=${cpus#"${cpus%%.*}"}000000000
  part=${part#.}
  cpus=${cpus%%.*}
  say "${memory:-0} $((10#${cpus:-0}${part:0:9})) ${pids:-0}"
}

# inside TIER COMMAND...: runs it in the container of the service NAME-TIER.
inside() {
  "${compose[@]}" exec -T "${name}-$1" "${@:2}"
}

# containers SERVICE: the ids of its containers, whatever their state; not those of commands that ran in its image.
containers() {
  docker ps --all --quiet --filter "label=com.docker.compose.project=${project}" \
    --filter "label=com.docker.compose.service=$1" --filter label=com.docker.compose.oneoff=False
}

# free_megabytes: in what df -Pk says.
free_megabytes() {
  local free
  read -r _ # the headings
  read -r _ _ _ free _
  say "$((free / 1024))"
}

# attempt COMMAND...: runs it, without a word of its own, and says yes where it worked.
attempt() {
  if "$@" >/dev/null 2>&1 </dev/null; then
    say yes
  fi
}

say() {
  printf '%s\n' "$*"
}

die() {
  printf '✗ %s\n' "$*" >&2
  exit 1
}

# read_settings VARIABLE...: fills `settings` with their values as Compose reads them, blank for one that is missing.
declare -A settings=()
read_settings() {
  local variable document line value
  document='services: {settings: {image: none, environment: {'
  for variable in "$@"; do
    document+="${variable}: \"\${${variable}:-}\", "
  done
  document=$(docker compose --project-name settings --env-file "${env_file}" --file - config --format json \
    <<<"${document}}}}") || die "Compose cannot read ${env_file}: see above"
  while IFS= read -r line; do
    [[ ${line} =~ ^[[:space:]]*\"([A-Z][A-Z0-9_]*)\":\ \"(.*)\",?$ ]] || continue
    variable=${BASH_REMATCH[1]}
    value=${BASH_REMATCH[2]//\\\"/\\x22}
    printf -v value '%b' "${value//\$\$/\$}"
    settings[${variable}]=${value}
  done <<<"${document}"
}

# setting VARIABLE: its value as Compose reads it.
setting() {
  read_settings "$1"
  say "${settings[$1]}"
}

random_secret() {
  local bytes
  bytes=$(od -An -vtx1 -N24 /dev/urandom)
  say "${bytes//[[:space:]]/}"
}

# without_secrets: standard input without any value of a setting whose name says that it is a secret.
without_secrets() {
  local text found variables variable parts part
  text=$(cat)
  found=$(sed -nE \
    's/^[[:space:]]*(export[[:space:]]+)?([A-Z][A-Z0-9_]*(PASSWORD|SECRET|TOKEN|KEYS?))[[:space:]]*[=:].*/\2/p' "${env_file}" |
    sort -u)
  mapfile -t variables <<<"${found}"
  read_settings "${variables[@]}"
  for variable in "${variables[@]}"; do
    IFS=$' \t\n,:' read -rd '' -a parts <<<"${settings[${variable}]}" || true # keys stand there as name:key,name:key
    for part in "${settings[${variable}]}" "${parts[@]}"; do
      ((${#part} < 8)) || text=${text//"${part}"/***}
    done
  done
  say "${text}"
}

# What a script takes is said before it calls `options`:
#   option+=(['--pull']='')       a flag, `yes` where it is given
#   option+=(['--keep=']='14')    one with a value, and its default: --keep 30 or --keep=30
#   most_operands=1             how many words may stand beside them; they go into `operands`
declare -A option=()
operands=()
most_operands=0

# options USAGE "$@": reads the arguments into `option` and `operands`; --help and what is not declared end the script.
options() {
  usage=$1
  shift
  while (($# > 0)); do
    if [[ $1 == -h || $1 == --help ]]; then
      say "${usage}"
      exit
    elif [[ $1 == --*=* && -v option["${1%%=*}="] ]]; then
      option["${1%%=*}="]=${1#*=}
    elif [[ $1 == --* && -v option["$1="] ]]; then
      (($# > 1)) || wrong_usage "$1 needs a value"
      option["$1="]=$2
      shift
    elif [[ $1 == --* && -v option["$1"] ]]; then
      option["$1"]=yes
    elif [[ $1 == -* ]]; then
      wrong_usage "$1 is not an option"
    else
      operands+=("$1")
    fi
    shift
  done
  ((${#operands[@]} <= most_operands)) || wrong_usage "${operands[most_operands]} is one word too many"
}

# wrong_usage WHAT
wrong_usage() {
  printf '✗ %s\n\n%s\n' "$1" "${usage}" >&2
  exit 2
}

endings=()
recorders=()

# on_exit COMMAND: runs it when the script ends, unless that is by kill -9, with the exit status as its argument. Where
# it fails, its own status becomes that of the script. What was given last runs first.
on_exit() {
  endings=("$1" "${endings[@]}")
  end_well
}

end_well() {
  trap end EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

end() {
  local status=$? ending
  trap '' HUP INT TERM
  for ending in "${endings[@]}"; do
    ("${ending}" "${status}") || status=$?
  done
  if ((${#recorders[@]} > 0)); then
    exec >&- 2>&- # so that the recorders end; then all that was said is written
    wait "${recorders[@]}" || :
  fi
  exit "${status}"
}

# record SCRIPT: from here on all output goes to a log of this run in logs/ too. A script that is called by one which is
# recorded writes into the log of that one.
record() {
  local copy
  [[ -z ${RUN_LOG:-} ]] || return 0
  new_log "$1"
  if [[ -z ${RUN_LOG} ]]; then
    say "! this run is not logged: ${root}/logs cannot be written to" >&2
    return
  fi
  export RUN_LOG
  prune_logs "$1" 30
  end_well
  copy=(setsid tee -a "${RUN_LOG}") # what interrupts the script must not cut the log off
  if [[ /dev/fd/1 -ef /dev/fd/2 ]]; then
    exec > >("${copy[@]}" || true) 2>&1 # one pipe keeps the lines in their order
    recorders=("$!")
  else
    exec > >("${copy[@]}" || true)
    recorders=("$!")
    exec 2> >("${copy[@]}" >&2 || true)
    recorders+=("$!")
  fi
}

# new_log SCRIPT: makes an empty log that its owner alone can read, and sets RUN_LOG to its path, or to nothing.
new_log() {
  local stamp n=1
  TZ=UTC printf -v stamp '%(%Y%m%dT%H%M%SZ)T' -1
  RUN_LOG=${root}/logs/${stamp}-$1.log
  mkdir -p "${root}/logs" 2>/dev/null || true
  until (umask 077 && set -o noclobber && : >"${RUN_LOG}") 2>/dev/null; do
    if [[ ! -e ${RUN_LOG} ]]; then
      RUN_LOG=
      return
    fi
    n=$((n + 1))
    RUN_LOG=${root}/logs/${stamp}.${n}-$1.log
  done
}

# prune_logs SCRIPT NUMBER: keeps that many of its logs, the newest; their names begin with the time.
prune_logs() {
  local logs=("${root}/logs/"*-"$1".log)
  if ((${#logs[@]} > $2)); then
    rm -f "${logs[@]:0:${#logs[@]}-$2}"
  fi
}

# exclusive: takes the one lock of the project. What this script calls inherits it, and so goes on at once where it asks
# for the lock itself; it is free again when the last of them has ended, however that was.
exclusive() {
  local lock=${root}/.lock wait=${LOCK_WAIT:-300} holder
  [[ ! /dev/fd/9 -ef ${lock} ]] || return 0
  type -P flock >/dev/null || die 'flock is missing, which belongs to the package util-linux'
  (: >>"${lock}") 2>/dev/null || die "${lock} cannot be written to: does this folder belong to another user?"
  exec 9>>"${lock}"
  if ! flock --wait 0.2 9; then # by then the other has written who it is
    holder=$(<"${lock}")
    say "another run is at work here (${holder}); waiting up to ${wait} s until it ends" >&2
    flock --wait "${wait}" 9 || die "${holder} has not ended within ${wait} s. Nothing was changed; run this again later"
  fi
  TZ=UTC printf '%s, process %d, since %(%H:%M:%S)T UTC\n' "${0##*/}" "$$" -1 >"${lock}"
}
