#!/usr/bin/env bash
# What the scripts need to know of the interface, a Telegram bot. They source this file.
set -euo pipefail

# shellcheck source=ops/common.sh
source "${BASH_SOURCE[0]%/*}/common.sh"

interface=${name}-interface

# Only a person can get a token, so without one nothing is started.
check_settings() {
  local token
  token=$(setting TELEGRAM_BOT_TOKEN)
  [[ ! ${token} =~ ^[0-9]{3,}:[A-Za-z0-9_-]{20,}$ ]] || return 0
  cat >&2 <<TEXT
TELEGRAM_BOT_TOKEN in ${env_file} is ${token:+not the token of a bot}${token:-blank}. To get one:

  1. In Telegram, open https://t.me/BotFather and send it /newbot.
  2. Answer its two questions: a name, and a username that ends in "bot". It replies with the token.
  3. Put the token into ${env_file}, in the line TELEGRAM_BOT_TOKEN=
  4. Run ./deploy.sh again.

TEXT
  return 1
}

# What lets it speak for the bot. A variable for each word.
interface_keys() {
  say 'TELEGRAM_BOT_TOKEN'
}

# A whole conversation of the agent with the interface's container, and a look at what Telegram says to the token.
message_round_trip() {
  inside interface python - <"${root}/ops/round_trip.py"
}

# The bot's token comes from @BotFather.
new_interface_secrets() {
  :
}

how_to_talk() {
  local bot users
  bot=$("${compose[@]}" exec -T "${interface}" python -c \
    "import json, urllib.request as u; print(json.load(u.urlopen('http://127.0.0.1:8080/health', timeout=15))['bot'])")
  users=$(setting ALLOWED_USERS)
  say "Talk to it: https://t.me/${bot}"
  [[ -n ${users} ]] || say "
Nobody may talk to it yet. Write to it, and it tells you your id; put that into ALLOWED_USERS in ${env_file} and run
./deploy.sh again."
}
