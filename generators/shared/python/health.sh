#!/usr/bin/env bash
# Whether this tier answers with 200: health.sh PORT PATH. Docker asks every ten seconds, and while the tier starts twice a
# second; to start Python for each question would take thirty times as long.
set -euo pipefail

exec 3<>"/dev/tcp/127.0.0.1/$1"
printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&3
read -r protocol status reason <&3
if [[ ${protocol} != HTTP/* || ${status} != 200 ]]; then
  printf '%s is answered with %s %s\n' "$2" "${status}" "${reason%$'\r'}"
  exit 1
fi
