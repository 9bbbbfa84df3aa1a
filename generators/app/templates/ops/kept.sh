#!/usr/bin/env bash
# What was deployed last and passed its checks: its images, Compose file, settings, and the files that it mounts.
# deploy.sh sources this file, keeps all that after a success, and goes back to it after a failure.
set -euo pipefail

# shellcheck source=ops/database.sh
source "${BASH_SOURCE[0]%/*}/database.sh"

tiers=(agent interface)

# locate_kept: sets `kept`, a link to the folder beside it. It is not there before the first success; another kind of
# database has one of its own.
locate_kept() {
  kept=${root}/.deployed/${project}-${database##*-}/last
}

# image TIER: the one that the settings name.
image() {
  sed -n "s/^    image: \(${project}-$1:.*\)/\1/p" <<<"${config}"
}

# mounted_files: fills `mounted` with the files of the project that its containers see.
mounted_files() {
  local found file
  found=$(sed -n 's#^ *- \./\([^:]*\):.*#\1#p' "${compose_file}")
  mounted=()
  while IFS= read -r file; do
    [[ ! -f ${root}/${file} ]] || mounted+=("${file}")
  done <<<"${found}"
}

# keep: remembers what runs now. The link changes in one step, so what is interrupted here leaves the former or the new.
keep() {
  local folder=${kept%/*} draft tier image id former=''
  [[ ! -e ${kept}/images ]] || former=$(<"${kept}/images")
  mkdir -p "${folder}"
  chmod 700 "${root}/.deployed" "${folder}"
  draft=$(mktemp -d "${folder}/XXXXXXXX")
  install -m 600 "${env_file}" "${draft}/.env"
  install -m 644 "${compose_file}" "${draft}/docker-compose.yml"
  mounted_files
  (cd "${root}" && cp --parents --preserve "${mounted[@]}" "${draft}")
  for tier in "${tiers[@]}"; do
    image=$(image "${tier}")
    id=$(docker image inspect --format '{{.Id}}' "${image}")
    docker tag "${id}" "${image%:*}:deployed" # with a name, so that it is not pruned
    say "${image} ${id}" >>"${draft}/images"
  done
  sync
  ln -sfn "${draft##*/}" "${kept}.new"
  mv -T "${kept}.new" "${kept}"
  forget "${former}"
}

# forget IMAGES: removes what was kept before, and the images of that which are not in use.
forget() {
  local id tags
  find "${kept%/*}" -mindepth 1 -maxdepth 1 -type d ! -samefile "${kept}/" -exec rm -rf {} +
  while read -r _ id; do
    [[ -n ${id} ]] || continue
    tags=$(docker image inspect --format '{{len .RepoTags}}' "${id}" 2>/dev/null || true)
    [[ ${tags} != 0 ]] || docker image rm "${id}" >/dev/null 2>&1 || true
  done <<<"$1"
  remove_candidates
}

remove_candidates() {
  local tier
  for tier in "${tiers[@]}"; do
    docker image rm "${project}-${tier}:candidate" >/dev/null 2>&1 || true
  done
}

# use_kept: from here on Compose works with what was kept. Which data is in use is no part of that, nor are secrets that
# ops/rotate-secrets.sh is replacing: the one or the other may have changed since, and the database with it.
use_kept() {
  local file newest=${env_file}
  compose_file=${kept}/going-back.yml
  env_file=${kept}/going-back.env
  install -m 644 "${kept}/docker-compose.yml" "${compose_file}"
  install -m 600 "${kept}/.env" "${env_file}"
  {
    echo
    sed -n '/_DATA_SUFFIX[[:space:]]*[=:]/p' "${newest}"
    [[ ! -e ${newest}.rotated ]] || cat "${newest}.rotated"
  } >>"${env_file}"
  mounted_files
  for file in "${mounted[@]}"; do
    cmp --silent "${root}/${file}" "${kept}/${file}" || # a container that needs no other file is left alone
      sed -i "s#- \./${file}:#- ./${kept#"${root}/"}/${file}:#" "${compose_file}"
  done
  compose=(docker compose --project-directory "${root}" --file "${compose_file}" --env-file "${env_file}")
  read_config
}
