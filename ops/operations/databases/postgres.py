"""PostgreSQL."""

import re
import secrets
from collections.abc import Iterator
from typing import IO, ClassVar

from operations.compose import Service
from operations.contracts import Sink
from operations.errors import Failure
from operations.programs import CommandFailed

PSQL = ("psql", "-Xqw", "-v", "ON_ERROR_STOP=1", "-U", "postgres")

ANSWERS = """
PGCONNECT_TIMEOUT=5 PGPASSWORD=${DB_PASSWORD} \\
  psql -Xqw -v VERBOSITY=terse -h 127.0.0.1 -U "${DB_USER}" -d "${POSTGRES_DB}" -c 'select from threads limit 0'
"""

REFUSES = """
said=$(PGCONNECT_TIMEOUT=5 PGPASSWORD=wrong psql -Xqw -h 127.0.0.1 -U "${DB_USER}" -d "${POSTGRES_DB}" -c '' 2>&1)
case ${?}${said} in
  *'password authentication failed'*) ;;
  0*) echo 'it let a wrong password in' && exit 1 ;;
  *) echo "${said}" && exit 1 ;;
esac
"""

# All of the database as SQL, and at its end comments that say how many rows each table has, and a checksum of them.
# Both are of one moment: pg_dump takes over the snapshot of the transaction that counts.
DUMP = r"""
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
"""

EMPTY = r"""
drop database if exists :"db" with (force);
create database :"db" template template0;
"""

ROLES = """
select rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls,
  array(select roleid::regrole from pg_auth_members where member = role.oid order by 1)
from pg_roles as role order by rolname
"""

# Files whose number is this or more were made after the first start of a server had set up its own.
FIRST_OWN_FILE = 16384


class Postgres:
    """PostgreSQL in its official image."""

    kind: ClassVar[str] = "postgres"
    schema: ClassVar[int] = 1
    files: ClassVar[tuple[str, ...]] = ("start-database.sh", "init-tables.sql", "init-role.sh")

    def apply_init_files(self, db: Service) -> None:
        """Bring the tables up to date, then the role of the agent and its rights."""
        tables, role = ((db.compose.root / name).read_bytes() for name in self.files[1:])
        container = db.container_id
        quiet = ("env", "PGOPTIONS=-cclient_min_messages=warning")
        db.docker.run_inside(container, *quiet, *PSQL, "-d", db.environment["POSTGRES_DB"], given=tables)
        db.docker.run_inside(container, "bash", "-s", given=role)

    def set_administrator_password(self, db: Service, password: str) -> None:
        """Do nothing: the init files log in on the socket, without a password, and set it."""

    def is_unfinished(self, db: Service, volume: str) -> bool:
        """Whether no table was made yet."""
        found = db.docker.ask(
            *("run", "--rm", "--network", "none", "--user", "70:70", "--volume", f"{volume}:/volume:ro"),
            *("--entrypoint", "find", db.image, "/volume", "-path", "*/base/*", "-type", "f"),
        )
        numbers = (re.sub(r"\D.*", "", name.rpartition("/")[2]) for name in found.split())
        return all(int(number or 0) < FIRST_OWN_FILE for number in numbers)

    def check_answers(self, db: Service) -> None:
        """Read from the table of threads."""
        db.inside("sh", "-s", given=ANSWERS)

    def check_refuses_strangers(self, db: Service) -> None:
        """Try a wrong password."""
        db.inside("sh", "-s", given=REFUSES)

    def dump(self, db: Service, sink: Sink) -> None:
        """Print the database as SQL, and what its tables hold."""
        command = ("docker", "exec", db.container_id, "sh", "-c")
        psql = " ".join(PSQL).replace("-Xqw", "-XqAtw")
        db.docker.programs.pipe(*command, f"{psql} -d \"${{POSTGRES_DB}}\" <<'SQL'\n{DUMP}\nSQL", sink=sink)

    def summarize(self, db: Service, dump: IO[bytes]) -> str:
        """What stands in the comments at its end."""
        found = [line.decode() for line in dump if line.startswith((b"-- holds ", b"-- incomplete\n"))]
        if not found or any("incomplete" in line for line in found):
            raise Failure("pg_dump failed, or the dump is not complete")
        return "".join(line.removeprefix("-- holds ") for line in found).rstrip()

    def load(self, db: Service, dump: IO[bytes]) -> None:
        r"""Make the database anew from the dump. Whoever owns what is in it, the init files say afterwards.

        psql obeys nothing but SQL in it (PostgreSQL's `\restrict`), and roles that it makes or changes are refused:
        they belong to the whole server.
        """
        container, name = db.container_id, db.environment["POSTGRES_DB"]
        before = self._roles(db)
        db.docker.run_inside(container, *PSQL, "-d", "postgres", "-v", f"db={name}", given=EMPTY)
        command = ("docker", "exec", "--interactive", container, *PSQL, "-o", "/dev/null", "--single-transaction")
        try:
            db.docker.programs.pipe(*command, "-d", name, pieces=_restricted(dump))
        except CommandFailed as failed:
            raise Failure(f"PostgreSQL refuses what is in the backup: {failed}") from None
        if self._roles(db) != before:
            raise Failure("the backup makes or changes roles of the database, which no backup of ours does")

    def _roles(self, db: Service) -> str:
        return db.docker.run_inside(db.container_id, *PSQL, "-At", "-d", "postgres", "-c", ROLES)


def _restricted(dump: IO[bytes]) -> Iterator[bytes]:
    """The dump for a psql that runs none of its own commands, which a forged one may hold.

    What pg_dump itself says about that is left out, and what a newer one sets that an older server does not know. Both
    stand outside of data, which begins with COPY and ends with a line of its own.
    """
    key, in_data = secrets.token_hex(16).encode(), False
    yield b"\\restrict " + key + b"\n"
    for line in dump:
        if in_data:
            in_data = line != b"\\.\n"
        elif line.startswith((b"\\restrict ", b"\\unrestrict ")) or line == b"SET transaction_timeout = 0;\n":
            continue
        else:
            in_data = line.startswith(b"COPY ") and line.endswith(b" FROM stdin;\n")
        yield line
    yield b"\\unrestrict " + key + b"\n"
