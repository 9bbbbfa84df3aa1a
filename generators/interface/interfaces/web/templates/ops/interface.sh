#!/usr/bin/env bash
# What the scripts need to know of the interface, a web page. They source this file.
set -euo pipefail

# shellcheck source=ops/common.sh
source "${BASH_SOURCE[0]%/*}/common.sh"

interface=${name}-interface

# Nothing to ask for: every setting has a default or is generated.
check_settings() {
  :
}

# What lets people in, and keeps them in. A variable for each word.
interface_keys() {
  say 'WEB_PASSWORD SESSION_SECRET'
}

# A whole conversation inside the interface's container, by somebody who signs in with WEB_PASSWORD.
message_round_trip() {
  inside interface python - <"${root}/ops/round_trip.py"
}

# A new one ends all sessions. The password is what people know, so it changes only when they say so.
new_interface_secrets() {
  local secret
  secret=$(random_secret)
  say "SESSION_SECRET=${secret}"
}

how_to_talk() {
  local address
  address=$(address_of "${interface}" 8080)
  cat <<TEXT
Talk to it in a browser: http://${address}/

The password is WEB_PASSWORD in ${env_file}:

  sed -n 's/^WEB_PASSWORD=//p' '${env_file}'
TEXT
}
