#!/usr/bin/env bash
# How the database starts on Docker Swarm, which hands secrets over as files. The image applies the init files on an
# empty volume only; here they are applied after each start, so a new DB_PASSWORD or table comes with an update of the
# service. Where that fails the server stops, and Swarm takes the update back.
set -euo pipefail

if [[ "${1:-}" == --help ]]; then
  echo "usage: swarm_database.sh postgres OPTION...   (in the database's container, see stack.yml)"
  exit 0
fi

# They are in the environment of the server alone, where docker inspect does not see them.
DB_PASSWORD=$(</run/secrets/db_password)
POSTGRES_PASSWORD=$(</run/secrets/db_admin_password)
export DB_PASSWORD POSTGRES_PASSWORD

# Where the very first start was cut off, the database may be missing.
{
  until pg_isready -q -h 127.0.0.1; do # over TCP: while it initialises, the server listens on its socket only
    sleep 0.2
  done
  if ! {
    psql -Xqw -v ON_ERROR_STOP=1 -v db="${POSTGRES_DB:?is not set}" -U postgres -d postgres <<'SQL' &&
select format('create database %I', :'db') where not exists (select from pg_database where datname = :'db') \gexec
SQL
      PGOPTIONS=-cclient_min_messages=warning psql -Xqw -v ON_ERROR_STOP=1 -U postgres -d "${POSTGRES_DB}" \
        -f /docker-entrypoint-initdb.d/10-tables.sql &&
      bash /docker-entrypoint-initdb.d/20-role.sh
  }; then
    echo 'the init files could not be applied, so the server stops' >&2
    kill -INT "$$"
  fi
} &

exec docker-entrypoint.sh "$@"
