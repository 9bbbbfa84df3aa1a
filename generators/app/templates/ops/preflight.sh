#!/usr/bin/env bash
# What must hold before anything is changed. deploy.sh sources this file; each check ends the script with what to do.
set -euo pipefail

# shellcheck source=ops/common.sh
source "${BASH_SOURCE[0]%/*}/common.sh"

# The least that a deployment needs, in megabytes.
least_disk=2000
least_memory=256

check_docker() {
  local said version
  type -P docker >/dev/null || die 'Docker is not installed: https://docs.docker.com/engine/install/'
  if ! said=$(docker version --format '{{.Server.Version}}' 2>&1); then
    case ${said} in
      *'permission denied'*) die "you may not use Docker's socket. Either run this by sudo, or join the group, which is as
  good as root:  sudo usermod -aG docker \"\$USER\"  and log in again" ;;
      *) die "the Docker engine does not answer; to start it: sudo systemctl start docker
  (${said##*$'\n'})" ;;
    esac
  fi
  require 'the Docker engine' "${said##*$'\n'}" 25 0
  version=$(docker compose version --short 2>/dev/null) ||
    die 'Docker Compose is not installed: https://docs.docker.com/compose/install/linux/'
  require 'Docker Compose' "${version}" 2 20
}

# require WHAT VERSION MAJOR MINOR
require() {
  local major minor
  IFS=.-+ read -r major minor _ <<<"${2#v}"
  [[ ${major} =~ ^[0-9]+$ && ${minor} =~ ^[0-9]+$ ]] || die "$1 does not say which version it is: $2"
  ((major > $3 || (major == $3 && minor >= $4))) ||
    die "$1 is $2, but $3.$4 or newer is needed: https://docs.docker.com/engine/install/"
}

# Disk where the images and the data are, and where the logs and backups are; memory of the machine.
check_room() {
  local images
  images=$(docker info --format '{{.DockerRootDir}}')
  check_disk "${root}" 100 "delete what you do not need, such as old files in ${root}/backups"
  if [[ -d ${images} ]]; then # it is elsewhere if the engine is
    check_disk "${images}" "${least_disk}" 'see docker system df; docker image prune removes images that nothing uses'
    check_memory
  fi
}

# check_disk FOLDER MEGABYTES ADVICE
check_disk() {
  local free
  free=$(df -Pk "$1" | free_megabytes)
  ((free >= $2)) || die "the disk of $1 has ${free} MB left, but $2 MB are needed: $3"
}

check_memory() {
  local key kilobytes sum=0
  [[ -r /proc/meminfo ]] || return 0
  while read -r key kilobytes _; do
    case ${key} in
      MemAvailable: | SwapFree:) sum=$((sum + kilobytes / 1024)) ;;
      *) ;;
    esac
  done </proc/meminfo
  ((sum >= least_memory)) ||
    die "${sum} MB of memory are left, but ${least_memory} MB are needed: stop something, or add swap"
}

# check_files: what the containers and the engine read must be there, whoever checked it out.
check_files() {
  local file
  for file in docker-compose.yml .env.template agent/Dockerfile interface/Dockerfile; do
    [[ -r ${root}/${file} ]] || die "${root}/${file} is missing, or you may not read it"
  done
  [[ -w ${root} ]] || die "${root} belongs to another user: run this as that user"
}

# own_ports: those of this project's containers, also while the engine restarts one and so does not list them.
own_ports() {
  local found ids
  found=$(docker ps --quiet --filter "label=com.docker.compose.project=${project}")
  [[ -n ${found} ]] || return 0
  mapfile -t ids <<<"${found}"
  docker inspect --format '{{range .HostConfig.PortBindings}}{{range .}}{{println .HostPort}}{{end}}{{end}}' "${ids[@]}"
}

# check_ports: each port that is to be published must be free, unless this project has it already.
check_ports() {
  local service address port holder ports own
  ports=$(declared_ports)
  own=$(own_ports)
  while read -r service _ address port; do
    [[ ${port} =~ ^[0-9]+$ ]] || continue # there is none, or Docker takes one that is free
    [[ $'\n'${own}$'\n' != *$'\n'${port}$'\n'* ]] || continue
    holder=$(docker ps --filter "publish=${port}" --format '{{.Names}}')
    holder=${holder%%$'\n'*}
    [[ ${address} != 0.0.0.0 ]] || address=127.0.0.1
    if [[ -n ${holder} ]]; then
      die "port ${port}, which ${service} is to have, is taken by the container ${holder}: choose another in ${env_file}"
    elif (: <"/dev/tcp/${address}/${port}") 2>/dev/null; then
      die "port ${port}, which ${service} is to have, is taken by another program: choose another in ${env_file}
  (to see which one it is: sudo ss -ltnp 'sport = :${port}')"
    fi
  done <<<"${ports}"
}
