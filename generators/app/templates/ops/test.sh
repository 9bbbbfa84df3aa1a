#!/usr/bin/env bash
# Runs the tests of agent and interface, in images of their own.
set -euo pipefail

here=$(readlink -f "${BASH_SOURCE[0]}")
# shellcheck source=ops/common.sh
source "${here%/*}/common.sh"

options "Usage: ops/test.sh

Builds the tests of both tiers into images and runs them there; a tier that did not change since its tests passed
is not tested again. What runs and what is stored is not touched.

Exit status: 0 all tests passed, 1 one failed, 2 wrong usage." "$@"

for tier in agent interface; do
  say "── the tests of the ${tier}"
  docker build --progress plain --target test "${root}/${tier}" || die 'tests failed'
done
say 'All tests passed.'
