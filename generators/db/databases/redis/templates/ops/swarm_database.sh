#!/bin/sh
# How the database starts on Docker Swarm, which hands secrets over as files.
set -eu

if [ "${1:-}" = --help ]; then
  echo "usage: swarm_database.sh COMMAND...   (in the database's container, see stack.yml)"
  exit 0
fi

# They are in the environment of the server alone, where docker inspect does not see them.
DB_PASSWORD=$(cat /run/secrets/db_password)
DB_ADMIN_PASSWORD=$(cat /run/secrets/db_admin_password)
export DB_PASSWORD DB_ADMIN_PASSWORD

exec docker-entrypoint.sh "$@"
