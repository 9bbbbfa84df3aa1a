#!/usr/bin/env bash
# The agent's role, which can connect to this database only, and read and write the rows of its tables: they belong to the
# administrator, so the agent can neither drop nor alter them. And the passwords of both roles.
# Runs by itself on an empty volume; every deployment applies it again, so a new DB_PASSWORD takes effect.
set -euo pipefail

if [[ "${1:-}" == --help ]]; then
  echo "usage: init-role.sh   (inside the database's container; reads DB_USER, DB_PASSWORD, POSTGRES_DB)"
  exit 0
fi

: "${DB_USER:?is not set}" "${DB_PASSWORD:?is not set}" "${POSTGRES_DB:?is not set}"
export PGPASSWORD="${PGPASSWORD:-${POSTGRES_PASSWORD:-}}"

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 \
  --username "${POSTGRES_USER:-postgres}" --dbname "${POSTGRES_DB}" <<'SQL'
set client_min_messages = warning;
set lock_timeout = '10s';
set log_statement = 'none'; -- no password in the server's log,
set log_min_error_statement = 'panic'; -- not even when a statement fails
\getenv agent DB_USER
\getenv password DB_PASSWORD
\getenv administrators POSTGRES_PASSWORD

select format('create role %I', :'agent')
where not exists (select from pg_roles where rolname = :'agent') \gexec

alter role :"agent" login nosuperuser nocreatedb nocreaterole noreplication nobypassrls
  connection limit 100 password :'password';
alter role current_user password :'administrators';

-- In version 0.1 the tables belonged to the agent. Each changes hands in a transaction of its own, with the agent's
-- rights, as agents are at work.
select format(
  'alter table %1$I.%2$I owner to current_user; grant select, insert, update, delete on %1$I.%2$I to %3$I',
  schemaname, tablename, tableowner
)
from pg_tables where tableowner = :'agent' \gexec
reassign owned by :"agent" to current_user;

select format('revoke all on database %I from public', datname)
from pg_database where datname in ('postgres', 'template1', current_database()) \gexec

revoke all on schema public from public;
grant connect on database :"DBNAME" to :"agent";
grant usage on schema public to :"agent";
grant select, insert, update, delete on all tables in schema public to :"agent";
grant usage, select, update on all sequences in schema public to :"agent";
SQL
