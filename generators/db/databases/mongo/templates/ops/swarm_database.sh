#!/usr/bin/env bash
# How the database starts on Docker Swarm, which hands secrets over as files. The image applies the init file on an
# empty volume only; here it is applied after each start, so a new DB_PASSWORD or index comes with an update of the
# service. Where that fails the server stops, and Swarm takes the update back.
set -euo pipefail

if [[ "${1:-}" == --help ]]; then
  echo "usage: swarm_database.sh mongod OPTION...   (in the database's container, see stack.yml)"
  exit 0
fi

# They are in the environment of the server alone, where docker inspect does not see them.
DB_PASSWORD=$(</run/secrets/db_password)
MONGO_INITDB_ROOT_PASSWORD=$(</run/secrets/db_admin_password)
export DB_PASSWORD MONGO_INITDB_ROOT_PASSWORD

{
  until (: <"/dev/tcp/${HOSTNAME}/27017") 2>/dev/null; do # while it initialises, the server listens on 127.0.0.1 only
    sleep 0.2
  done
  if ! mongosh --quiet --norc --file /docker-entrypoint-initdb.d/init-collections.js; then
    echo 'the init file could not be applied, so the server stops' >&2
    kill -TERM "$$"
  fi
} &

exec docker-entrypoint.sh "$@"
