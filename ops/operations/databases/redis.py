"""Redis."""

from typing import IO, ClassVar

from operations.compose import Service
from operations.contracts import Sink

ANSWERS = 'REDISCLI_AUTH=${DB_PASSWORD} redis-cli -e -h 127.0.0.1 --user "${DB_USER}" set "${DB_NAME}:alive" yes'

REFUSES = """
said=$(redis-cli -e -h 127.0.0.1 ping 2>&1)
case ${?}${said} in
  *NOAUTH*) ;;
  0*) echo 'it lets in who has no password' && exit 1 ;;
  *) echo "${said}" && exit 1 ;;
esac
said=$(REDISCLI_AUTH=wrong redis-cli -e -h 127.0.0.1 --user "${DB_USER}" ping 2>&1)
case ${?}${said} in
  *WRONGPASS*) ;;
  0*) echo 'it let a wrong password in' && exit 1 ;;
  *) echo "${said}" && exit 1 ;;
esac
"""

# A snapshot (RDB) of one moment, which the server takes as for a replica.
DUMP = """
trap 'rm -f /data/backup.rdb' EXIT
if ! said=$(REDISCLI_AUTH=${DB_ADMIN_PASSWORD} redis-cli -e --user admin --rdb /data/backup.rdb 2>&1); then
  echo "${said}" >&2
  exit 1
fi
cat /data/backup.rdb
"""

# A server for the script alone, which it may `ask`, with the snapshot that it reads.
LOAD_SNAPSHOT = """
set -eu
cat >/data/dump.rdb
redis-server --dir /data --dbfilename dump.rdb --appendonly no --save "" --port 0 --unixsocket /tmp/server \\
  --enable-debug-command local --loglevel warning >/tmp/log 2>&1 &
server=$!
ask() { redis-cli -e -s /tmp/server "$@"; }
until [ "$(ask ping 2>&1)" = PONG ]; do
  kill -0 "${server}" || { cat /tmp/log >&2; exit 1; }
  sleep 0.1
done
"""

COUNT_KEYS = """
ask eval "
  local messages = 0
  for _, key in ipairs(redis.call('KEYS', ARGV[1] .. ':messages/*')) do
    messages = messages + redis.call('XLEN', key)
  end
  return {redis.call('ZCARD', ARGV[1] .. ':used'), messages, redis.call('DBSIZE')}" 0 "$1" >/tmp/counts
ask debug digest >>/tmp/counts
{ read -r threads && read -r messages && read -r keys && read -r digest; } </tmp/counts
printf '%s\\n' "threads ${threads}" "messages ${messages}" "keys ${keys} ${digest}"
"""

BEGIN_APPEND_ONLY_FILE = """
rm -rf /data/appendonlydir
ask config set appendonly yes >/tmp/said
until ask info persistence | grep -q '^aof_rewrite_in_progress:0'; do sleep 0.1; done
ask info persistence | grep -q '^aof_last_bgrewrite_status:ok'
ask shutdown
wait "${server}"
rm /data/dump.rdb
"""


class Redis:
    """Redis in its official image."""

    kind: ClassVar[str] = "redis"
    schema: ClassVar[int] = 1
    files: ClassVar[tuple[str, ...]] = ("start-database.sh", "redis.conf", "init-users.sh")

    def apply_init_files(self, db: Service) -> None:
        """Start the server again where its files have changed since it has read them, which it does when it starts."""
        wanted = "".join((db.compose.root / name).read_text() for name in self.files[1:]).strip()
        if db.inside("cat", "/tmp/started-from") != wanted:
            db.up("--force-recreate")

    def set_administrator_password(self, db: Service, password: str) -> None:
        """Do nothing: this server reads its passwords from the settings when it starts."""

    def is_unfinished(self, db: Service, volume: str) -> bool:
        """Redis can always go on."""
        return False

    def check_answers(self, db: Service) -> None:
        """Write a key."""
        db.inside("sh", "-s", given=ANSWERS)

    def check_refuses_strangers(self, db: Service) -> None:
        """Try no password, and a wrong one."""
        db.inside("sh", "-s", given=REFUSES)

    def dump(self, db: Service, sink: Sink) -> None:
        """Print a snapshot."""
        db.docker.programs.pipe("docker", "exec", db.container_id, "sh", "-c", DUMP, sink=sink)

    def summarize(self, db: Service, dump: IO[bytes]) -> str:
        """What a server of its own, without a network, finds in the snapshot."""
        parts: list[bytes] = []
        command = ("docker", "run", "--rm", "--interactive", "--network", "none", "--user", "999:1000", "--read-only")
        confined = ("--tmpfs", "/tmp:size=1m", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
        count = ("sh", "-c", LOAD_SNAPSHOT + COUNT_KEYS, "sh", db.environment["DB_NAME"])
        db.docker.programs.pipe(*command, *confined, db.image, *count, pieces=dump, sink=parts.append)
        return b"".join(parts).decode().strip()

    def load(self, db: Service, dump: IO[bytes]) -> None:
        """Replace the data by a snapshot.

        A server with an append-only file does not look at snapshots, so one without reads it and begins such a file.
        """
        db.stop()
        run = db.compose.command("run", "--rm", "--no-deps", "--no-TTY", db.name)
        db.docker.programs.pipe(*run, "sh", "-c", LOAD_SNAPSHOT + BEGIN_APPEND_ONLY_FILE, pieces=dump)
        db.up()
