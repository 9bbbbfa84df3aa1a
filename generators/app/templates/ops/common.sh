#!/usr/bin/env bash
# Where the project is and how Docker is called: the other scripts source this file.
set -euo pipefail

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
    *) export -n "${variable?}" ;;
  esac
done

compose=(docker compose --project-directory "${root}" --file "${root}/docker-compose.yml" --env-file "${env_file}")

# inside TIER COMMAND...: runs it in the container of the service NAME-TIER.
inside() {
  "${compose[@]}" exec -T "${name}-$1" "${@:2}"
}

say() {
  printf '%s\n' "$*"
}

die() {
  printf '✗ %s\n' "$*" >&2
  exit 1
}

# options USAGE "$@": what each script does with its arguments, as none takes any but --help.
options() {
  case ${2:-} in
    '') ;;
    -h | --help)
      say "$1"
      exit
      ;;
    *)
      say "$1" >&2
      exit 2
      ;;
  esac
}
