#!/usr/bin/env bash
# What the scripts need to know of the interface, an API. They source this file.
set -euo pipefail

# shellcheck source=ops/common.sh
source "${BASH_SOURCE[0]%/*}/common.sh"

interface=${name}-interface

# A whole conversation inside the interface's container, with the first of the API_KEYS.
message_round_trip() {
  inside interface python - <"${root}/ops/round_trip.py"
}

how_to_talk() {
  local address
  address=$("${compose[@]}" port "${interface}" 8080)
  cat <<TEXT
Talk to it:

  key=\$(sed -n "s/^API_KEYS=[^:]*:\\([^,']*\\).*/\\1/p" '${env_file}')
  curl -sS http://${address}/v1/chat/completions -H "Authorization: Bearer \${key}" -H 'Content-Type: application/json' \\
    -d '{"model": "${name}", "messages": [{"role": "user", "content": "Hello! What is add(17, 25)?"}]}'

The API in a browser: http://${address}/docs
TEXT
}
