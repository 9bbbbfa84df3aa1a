#!/bin/sh
# Waits until the disk has room, then becomes the database's server. On a full disk a server ends as soon as it has
# started; Docker would start it again at intervals that grow to a minute, and it would stay away for as long when there
# is room again.
set -eu

if [ "${1:-}" = --help ]; then
  echo "usage: start-database.sh FOLDER COMMAND...   (in the database's container; FOLDER is where its data is)"
  exit 0
fi

folder=${1:?is missing}
shift
room=65536 # kilobytes, with which a server comes up whatever it has to finish first
told=

until df -Pk "${folder}" | { read -r _ && read -r _ _ _ free _ && [ "${free}" -ge "${room}" ]; }; do
  [ -n "${told}" ] || echo "the disk is full: waiting until ${folder} has $((room / 1024)) MB of room" >&2
  told=yes
  sleep 1
done

exec "$@"
