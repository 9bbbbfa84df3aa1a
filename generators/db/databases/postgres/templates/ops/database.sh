#!/usr/bin/env bash
# What the scripts need to know of the database, PostgreSQL. They source this file.
set -euo pipefail

# shellcheck source=ops/common.sh
source "${BASH_SOURCE[0]%/*}/common.sh"

database=${name}-postgres

# Its user must be able to read its files, whatever umask they were checked out under.
start_database() {
  find "${root}/start-database.sh" "${root}/init-tables.sql" "${root}/init-role.sh" ! -perm -444 -exec chmod a+rX {} +
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

# expect_administrator PASSWORD: has the server let the administrator in with it, where the init files need that before
# the settings have it. Here they log in without one, and set it.
expect_administrator() {
  :
}

# unfinished_start VOLUME: says yes where the first start of a server on it was cut off before a table was made. What is
# made after that has a file whose number is 16384 or more.
unfinished_start() {
  local image files file
  image=$("${compose[@]}" config --images "${database}")
  files=$(docker run --rm --network none --user 70:70 --volume "$1:/volume:ro" --entrypoint find "${image}" \
    /volume -path '*/base/*' -type f)
  while IFS= read -r file; do
    file=${file##*/}
    file=${file%%[!0-9]*}
    ((${file:-0} < 16384)) || return 0
  done <<<"${files}"
  say yes
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

# The schema that init-tables.sql makes. To be raised with a change after which older files cannot read the data.
schema_version() {
  say 1
}

# Prints all of the database as SQL, and at its end comments that say how many rows each table has, and a checksum of
# them. Both are of one moment: pg_dump takes over the snapshot of the transaction that counts.
dump_database() {
  local db
  db=$(inside postgres printenv POSTGRES_DB)
  inside postgres psql -XqAtw -v ON_ERROR_STOP=1 -U postgres -d "${db}" <<'SQL'
set timezone = 'UTC';
begin isolation level repeatable read read only;
select pg_export_snapshot() as snapshot \gset
\setenv SNAPSHOT :snapshot
\! pg_dump -U postgres -d "${POSTGRES_DB}" --no-owner --no-privileges --snapshot="${SNAPSHOT}" || echo '-- incomplete'

select format(
  'select ''-- holds '' || %L || '' '' || count(*) || '' '' ||
     coalesce(sum((''x'' || left(md5(t::text), 16))::bit(64)::bigint::numeric), 0)
   from %I.%I as t',
  case schemaname when 'public' then tablename else schemaname || '.' || tablename end, schemaname, tablename
)
from pg_tables
where schemaname not in ('pg_catalog', 'information_schema')
order by schemaname <> 'public', tablename <> 'threads', tablename <> 'messages', tablename collate "C" \gexec
SQL
}

# summarize_dump: what a dump says of its contents, a line `WHAT NUMBER CHECKSUM` for each table. Reads the dump.
summarize_dump() {
  local lines
  lines=$(grep -aE '^-- (holds |incomplete$)')
  [[ ${lines} != *incomplete* ]] || die 'pg_dump failed'
  say "${lines//-- holds /}"
}

# load_database: makes the database anew from a dump. Whoever owns what is in it, apply_init_files says afterwards.
load_database() {
  local db
  db=$(inside postgres printenv POSTGRES_DB </dev/null) # which would read the dump
  inside postgres psql -Xqw -v ON_ERROR_STOP=1 -U postgres -d postgres -v db="${db}" <<'SQL'
drop database if exists :"db" with (force);
create database :"db" template template0;
SQL
  # A pg_dump that is newer than the server sets what the server does not know; that stands in the first lines.
  sed '1,40 { /^SET transaction_timeout = 0;$/ d }' |
    inside postgres psql -Xqw -o /dev/null -v ON_ERROR_STOP=1 --single-transaction -U postgres -d "${db}"
}
