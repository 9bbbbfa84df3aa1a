#!/usr/bin/env bash
# Checks the three tiers as they run, from the database to a whole conversation.
set -euo pipefail

here=$(readlink -f "${BASH_SOURCE[0]}")
# shellcheck source=ops/database.sh
source "${here%/*}/database.sh"
# shellcheck source=ops/interface.sh
source "${here%/*}/interface.sh"

options "Usage: ops/verify.sh

Checks the three tiers as they run: the database answers and lets nobody in with a wrong password, the agent is
healthy, the interface is connected, and a message makes its way through all of them and back. The thread that it
is written to is deleted again. Each check that fails says what to do.

Environment: ENV_FILE, other settings than .env; COMPOSE_PROJECT_NAME, the copy to check.
Exit status: 0 all checks passed, 1 one failed, 2 wrong usage." "$@"

agent=${name}-agent
failed=0

# check TIER WHAT ADVICE COMMAND...
check() {
  local said
  if said=$("${@:4}" 2>&1 </dev/null); then
    printf '✓ %-10s %s\n' "$1" "$2"
  else
    failed=$((failed + 1))
    printf '✗ %-10s %s: %s\n  %-10s → %s\n' "$1" "$2" "${said##*$'\n'}" '' "$3"
  fi
}

agent_is_healthy() {
  inside agent python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health', timeout=15)"
}

interface_is_connected() {
  local lines
  lines=$("${compose[@]}" logs "${interface}") || return
  if [[ ${lines} != *Connected* ]]; then
    say 'its log has no such line'
    return 1
  fi
}

check database 'answers the agent over TCP' \
  "see docker compose logs ${database}; ./deploy.sh starts it and brings it up to date" database_answers
check database 'refuses a wrong password' \
  'if it runs, its volume was initialised without authentication' database_refuses_a_wrong_password
check agent 'is healthy' \
  "see docker compose logs ${agent}" agent_is_healthy
check interface 'logged that it is Connected' \
  "see docker compose logs ${interface}; AGENT_TOKEN must be one for both: ./deploy.sh" interface_is_connected
check 'all tiers' 'carry a message there and back' \
  "see docker compose logs ${interface} ${agent}: the newest warning says why" message_round_trip

((failed == 0)) || die "${failed} of 5 checks failed"
say 'All three tiers work.'
