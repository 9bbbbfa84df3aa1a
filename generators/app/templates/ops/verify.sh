#!/usr/bin/env bash
# Checks the three tiers as they run, from the engine to a whole conversation.
set -euo pipefail

here=$(readlink -f "${BASH_SOURCE[0]}")
# shellcheck source=ops/database.sh
source "${here%/*}/database.sh"
# shellcheck source=ops/interface.sh
source "${here%/*}/interface.sh"
# shellcheck source=ops/checks.sh
source "${here%/*}/checks.sh"

option+=(['--json']='')
options "Usage: ops/verify.sh [--json]

Checks the three tiers as they run: that the database answers and lets nobody in with a wrong password, the agent is
healthy, the interface is connected, and a message makes its way through all of them and back (the thread that it is
written to is deleted again); that the containers are what docker-compose.yml describes, cannot do more than they
should, listen where they should, and reach whom they should; keys, certificates, volume, disk, clock and restarts. What
fails says what to do. It changes nothing.

  --json  one JSON document on standard output: {\"ok\", \"project\", \"failed\", \"checks\": [{\"tier\", \"check\", \"ok\", \"said\",
          \"advice\"}]}

Environment: ENV_FILE, other settings than .env; COMPOSE_PROJECT_NAME, the copy to check.
Exit status: 0 all checks passed, 1 one failed, 2 wrong usage." "$@"
record verify

checks=0
failed=0
rows=''

# check TIER WHAT ADVICE COMMAND...: what the command says last is the reason where it fails, and shown where it passes.
check() {
  local said='' advice='' ok=true status
  checks=$((checks + 1))
  set +e # outside of a condition, or the command would go on after what fails in it
  said=$(set -e && "${@:4}" 2>&1 </dev/null)
  status=$?
  set -e
  said=${said##*$'\n'}
  said=${said#✗ }
  if ((status != 0)); then
    failed=$((failed + 1))
    ok=false
    advice=$3
  fi
  if [[ -n ${option['--json']} ]]; then
    add_row "$1" "$2" "${ok}" "${said}" "${advice}"
  elif [[ ${ok} == true ]]; then
    printf '✓ %-10s %s\n' "$1" "$2${said:+ (${said})}"
  else
    printf '✗ %-10s %s: %s\n  %-10s → %s\n' "$1" "$2" "${said}" '' "${advice}"
  fi
}

# add_row TIER WHAT OK SAID ADVICE
add_row() {
  local fields=() field
  for field in "$@"; do
    field=$(quote "${field}")
    fields+=("${field}")
  done
  rows+=${rows:+,}$'\n'"    {\"tier\": ${fields[0]}, \"check\": ${fields[1]}, \"ok\": $3, \"said\": ${fields[3]}, \"advice\": ${fields[4]}}"
}

# quote TEXT: as a string of JSON, in which a question mark stands for what is not plain.
quote() {
  local LC_ALL=C text=${1//[^[:print:]]/?}
  text=${text//\\/\\\\}
  say "\"${text//\"/\\\"}\""
}

# document: all that was found, as JSON.
document() {
  local ok=true title
  ((failed == 0)) || ok=false
  title=$(quote "${project:-${name}}")
  say "{\"ok\": ${ok}, \"project\": ${title}, \"failed\": ${failed}, \"checks\": [${rows}"$'\n]}'
}

check machine 'reaches the Docker engine' 'sudo systemctl start docker; may you use its socket?' engine_answers
check machine 'has settings that fit docker-compose.yml' "./deploy.sh completes ${env_file}" settings_fit
started=''
if ((failed == 0)); then
  read_config
  check 'all tiers' 'are started and healthy' 'see docker compose ps and docker compose logs; ./deploy.sh' all_are_healthy
  started=$("${compose[@]}" ps --all --quiet)
fi
if [[ -n ${started} ]]; then
  check database 'answers the agent over TCP' \
    "see docker compose logs ${database}; ./deploy.sh starts it and brings it up to date" quietly database_answers
  check database 'refuses a wrong password' \
    'if it runs, its volume was initialised without authentication' database_refuses_a_wrong_password
  check database 'keeps its data on its volume' \
    'stop, and find out who removed it: ops/restore.sh brings the newest backup back' data_is_on_its_volume
  check database 'has room left on the disk' \
    "docker system df and du -sh ${root}/* show what takes it; docker image prune removes images that nothing uses" has_room
  check agent 'is healthy' "see docker compose logs ${agent}" agent_is_healthy
  check interface 'is connected to the agent' "see docker compose logs ${interface}" interface_is_connected
  check interface 'shows the token that the agent expects' \
    "AGENT_TOKEN must be one for both: ./deploy.sh replaces what was started with another one" tokens_are_equal
  check interface 'has its keys and certificates' \
    "ops/env.sh completes ${env_file}; ./deploy.sh builds the image again and starts it" has_keys_and_certificates
  check 'all tiers' 'run as docker-compose.yml and the settings say' './deploy.sh makes it so' are_as_declared
  check 'all tiers' 'are not root, write nothing but their data, and have limits' \
    'somebody started them in another way or edited docker-compose.yml: ./deploy.sh' are_confined
  check 'all tiers' 'listen where they should and nowhere else' \
    'somebody started them in another way: ./deploy.sh' listen_where_declared
  check 'all tiers' 'reach whom they should and nobody else' \
    'take what does not belong there off: docker network disconnect NETWORK CONTAINER; ./deploy.sh' are_apart
  check 'all tiers' 'have not crashed in the last hour' \
    'see docker compose logs; AGENT_MEMORY and the like raise a limit' stay_up
  check 'all tiers' 'have the time of this machine, which has not been set back' \
    'set the clock: timedatectl set-ntp true, then docker compose restart' clocks_agree
  check 'all tiers' 'carry a message there and back' \
    "see docker compose logs ${interface} ${agent}: the newest warning says why" quietly message_round_trip
fi

[[ -z ${option['--json']} ]] || document
((failed == 0)) || die "${failed} of ${checks} checks failed"
[[ -n ${option['--json']} ]] || say 'All three tiers work.'
