#!/usr/bin/env bash
# What the scripts need to know of the database, PostgreSQL. They source this file.
set -euo pipefail

# shellcheck source=ops/common.sh
source "${BASH_SOURCE[0]%/*}/common.sh"

database=${name}-postgres

# Its user must be able to read the init files, whatever umask they were checked out under.
start_database() {
  find "${root}/init-tables.sql" "${root}/init-role.sh" ! -perm -444 -exec chmod a+rX {} +
  "${compose[@]}" up --detach --wait --wait-timeout 120 "${database}"
}

# The server runs the init files on an empty volume only. They change nothing that is there already.
apply_init_files() {
  local db
  db=$(inside postgres printenv POSTGRES_DB)
  inside postgres env PGOPTIONS=-cclient_min_messages=warning \
    psql -Xqw -v ON_ERROR_STOP=1 -U postgres -d "${db}" <"${root}/init-tables.sql"
  inside postgres bash -s <"${root}/init-role.sh"
}

# As the agent asks: over TCP, as its role, from a real table.
database_answers() {
  inside postgres sh -s <<'SH'
PGCONNECT_TIMEOUT=5 PGPASSWORD=${DB_PASSWORD} \
  psql -Xqw -v VERBOSITY=terse -h 127.0.0.1 -U "${DB_USER}" -d "${POSTGRES_DB}" -c 'select from threads limit 0'
SH
}

database_refuses_a_wrong_password() {
  inside postgres sh -s <<'SH'
said=$(PGCONNECT_TIMEOUT=5 PGPASSWORD=wrong psql -Xqw -h 127.0.0.1 -U "${DB_USER}" -d "${POSTGRES_DB}" -c '' 2>&1)
case ${?}${said} in
  *'password authentication failed'*) ;;
  0*) echo 'it let a wrong password in' && exit 1 ;;
  *) echo "${said}" && exit 1 ;;
esac
SH
}
