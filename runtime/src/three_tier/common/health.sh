#!/usr/bin/env bash
# Whether this tier answers with 200: health.sh PORT PATH. Docker asks every ten seconds, and while the tier starts twice a
# second; to start Python for each question would take thirty times as long.
# A tier that takes connections and answers none hangs: something in it waits, or computes, and holds up all the rest.
# After LIVENESS_TIMEOUT seconds of that it is ended, so that Docker starts it anew; Python writes into the log at which
# line it stood. Only checks that waited for an answer count, so a container that was frozen goes on where it was; and of
# those that follow one another closely, as during the start, only one in ten seconds.
set -euo pipefail

PATIENCE=4 # seconds for an answer
EACH=15    # seconds from one check without an answer to the next
APART=10   # seconds from one that counts to the next, at least
silent=${TMPDIR:-/tmp}/checks-without-an-answer

# ask PATH: sets `status`, which stays empty where no answer comes in time. Fails where nothing listens.
ask() {
  local protocol=''
  status=''
  exec 3<>"/dev/tcp/127.0.0.1/${port}"
  printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$1" >&3
  IFS=' ' read -r -t "${PATIENCE}" protocol status reason <&3 || true
  exec 3<&-
  if [[ -n ${protocol} && ${protocol} != HTTP/* ]]; then
    status=garbage
  fi
}

# end_hanging: the process of this tier, unless somebody has stopped it.
end_hanging() {
  local folder words
  for folder in /proc/[0-9]*; do
    mapfile -d '' -t words <"${folder}/cmdline" || continue
    if [[ ${words[*]} == 'python main.py' ]] && ! grep -q '^State:.T' "${folder}/status"; then
      kill -s "$1" "${folder##*/}"
    fi
  done 2>/dev/null
}

port=$1
count=0
counted=-${APART}
if [[ -e ${silent} ]]; then
  read -r count counted <"${silent}"
fi
ask /live
if [[ -z ${status} ]]; then
  IFS=. read -r uptime _ </proc/uptime
  if ((uptime - counted < APART)); then
    printf 'no answer\n'
    exit 1
  fi
  count=$((count + 1))
  printf '%s %s\n' "${count}" "${uptime}" >"${silent}"
  printf 'no answer, %s times in a row\n' "${count}"
  limit=${LIVENESS_TIMEOUT:-60}
  if ((limit > 0 && count * EACH >= limit + EACH)); then
    end_hanging KILL # it did not end by itself
  elif ((limit > 0 && count * EACH >= limit)); then
    end_hanging ABRT
  fi
  exit 1
fi
rm -f "${silent}"
ask "$2"
if [[ ${status} != 200 ]]; then
  printf '%s is answered with %s %s\n' "$2" "${status}" "${reason%$'\r'}"
  exit 1
fi
