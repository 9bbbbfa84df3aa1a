#!/usr/bin/env bash
# Docker, from its own repository or from the distribution. ops/setup_vps.sh sources this file.
set -euo pipefail

# shellcheck source=ops/setup/common.sh
source "${BASH_SOURCE[0]%/*}/common.sh"

oldest_docker=25
docker_repository=${DOCKER_REPOSITORY:-https://download.docker.com/linux}
docker_key=/etc/apt/keyrings/docker.asc

check_system() {
  local id version
  id=$(os ID)
  version=$(os VERSION_ID)
  case ${id}-${version} in
    debian-12 | debian-13 | ubuntu-22.04 | ubuntu-24.04) ;;
    *) die "this is made for Debian 12 and 13 and Ubuntu 22.04 and 24.04, and here is ${id} ${version}. Nothing was changed" ;;
  esac
}

# python_package: that of a Python which ops/three-tier can use.
python_package() {
  local version
  version=$(os VERSION_ID)
  if [[ ${version} == 22.04 ]]; then
    say python3.11
  else
    say python3
  fi
}

# os KEY: of /etc/os-release.
os() {
  sed -n "s/^$1=\"\{0,1\}\([^\"]*\).*/\1/p" /etc/os-release
}

# Which package it came from is not for this script to decide again, so an old one is not replaced.
check_present_docker() {
  local version
  version=$(installed_docker)
  [[ -z ${version} ]] || ((${version%%.*} >= oldest_docker)) ||
    die "Docker ${version} is installed, but ${oldest_docker} or newer is needed. Nothing was changed.
  Remove it, which keeps its containers and volumes, and run this again: apt-get remove docker.io docker-ce"
}

has_docker_key() {
  local version
  version=$(complete_docker)
  [[ -n ${version} || -s ${docker_key} ]]
}

fetch_docker_key() {
  local url key
  url=$(os ID)
  url=${docker_repository}/${url}/gpg
  mkdir -p "${docker_key%/*}"
  /usr/lib/apt/apt-helper -qq download-file "${url}" "${docker_key}.new" ||
    die "${url} cannot be read.
  Try again later, name a mirror (DOCKER_REPOSITORY=...), or take Docker from the distribution (--distro-docker)"
  key=$(<"${docker_key}.new")
  [[ ${key} == *'BEGIN PGP PUBLIC KEY BLOCK'* ]] || die "${url} is not a key"
  chmod 644 "${docker_key}.new"
  mv -f "${docker_key}.new" "${docker_key}"
}

uses_docker_repository() {
  local version
  version=$(complete_docker)
  [[ -n ${version} ]] || holds "$@"
}

print_docker_sources() {
  local id codename architecture
  id=$(os ID)
  codename=$(os VERSION_CODENAME)
  architecture=$(dpkg --print-architecture)
  cat <<SOURCES
Types: deb
URIs: ${docker_repository}/${id}
Suites: ${codename}
Components: stable
Architectures: ${architecture}
Signed-By: ${docker_key}
SOURCES
}

install_docker() {
  install_packages docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin
}

# Only the package lists tell what the distribution has, and on a fresh server there may be none.
distro_docker_is_ready() {
  local version offered
  version=$(complete_docker)
  because "${version}"
  [[ -z ${version} ]] || return 0
  update_package_lists
  offered=$(apt-cache policy docker.io | sed -n 's/^ *Candidate: //p')
  ((${offered%%[!0-9]*} < oldest_docker)) || return 1
  because "the distribution has ${offered:-none}, but ${oldest_docker} or newer is needed: run this without --distro-docker"
  return 3
}

# Compose and the client are packaged in different ways.
install_distro_docker() {
  local id
  id=$(os ID)
  if [[ ${id} == ubuntu ]]; then
    install_packages docker.io docker-compose-v2 docker-buildx
  else
    install_packages docker.io docker-cli docker-compose docker-buildx
  fi
}

docker_is_ready() {
  local version
  version=$(complete_docker)
  because "${version}"
  [[ -n ${version} ]]
}

# Prints the version of the Docker that is installed with all that is needed of it, or nothing.
complete_docker() {
  ! docker compose version >/dev/null 2>&1 || ! docker buildx version >/dev/null 2>&1 || installed_docker
}

# Prints the version of the Docker engine that is installed, or nothing.
installed_docker() {
  local said
  type -P dockerd >/dev/null || return 0
  said=$(dockerd --version)
  [[ ${said} =~ [0-9]+\.[0-9.]+ ]]
  say "${BASH_REMATCH[0]}"
}

# Settings of somebody else are theirs.
has_docker_settings() {
  [[ -e $1 ]] || return 1
  ! holds "$@" || return 0
  because "$1 was there before, and is left as it is"
  return 2
}

# Of its own addresses Docker makes about thirty networks, which is fifteen agents; of these it makes four thousand.
print_docker_settings() {
  cat <<'JSON'
{
  "log-driver": "json-file",
  "log-opts": { "max-size": "10m", "max-file": "3" },
  "default-address-pools": [{ "base": "172.16.0.0/12", "size": 24 }]
}
JSON
}
