#!/usr/bin/env bash
# Runs the tests of agent and interface, and those of the agent's memory against a real database.
set -euo pipefail

# A project of its own, with its own name, settings, images and volume, of which nothing is left afterwards.
random=$(od -An -vtx1 -N4 /dev/urandom)
random=${random//[[:space:]]/}
ENV_FILE=.env.test-${random}

here=$(readlink -f "${BASH_SOURCE[0]}")
# shellcheck source=ops/database.sh
source "${here%/*}/database.sh"
export COMPOSE_PROJECT_NAME=${name}-test-${random}

options "Usage: ops/test.sh

Builds the tests of both tiers into images and runs them there (a tier that did not change since its tests passed
is not tested again), then the tests of the agent's memory against an empty database like the real one.
What runs and what is stored is not touched.

Exit status: 0 all tests passed, 1 one failed, 2 wrong usage." "$@"

finish() {
  local status=$?
  set +e
  {
    [[ ! -e ${env_file} ]] || "${compose[@]}" down --volumes --timeout 5
    docker image rm "${COMPOSE_PROJECT_NAME}-agent" "${COMPOSE_PROJECT_NAME}-interface"
    rm -f "${env_file}"
  } >/dev/null 2>&1
  ((status == 0)) || die 'tests failed'
}
trap finish EXIT

for tier in agent interface; do
  say "── the tests of the ${tier}"
  docker build --progress plain --target test --tag "${COMPOSE_PROJECT_NAME}-${tier}" "${root}/${tier}"
done

say '── the tests of the memory, on a database'
ENV_FILE=${env_file} "${root}/ops/env.sh" >/dev/null
start_database
"${compose[@]}" run --rm --no-deps --no-TTY "${name}-agent" sh -s -- "test_${database##*-}.py" <<'SH'
export TEST_DATABASE_URL="${DATABASE_URL}" TEST_DATABASE_PASSWORD="${DATABASE_PASSWORD}"
exec python -m pytest -p no:cacheprovider tests/test_memory.py "tests/$1"
SH
say 'All tests passed.'
