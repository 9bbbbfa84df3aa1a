"""MongoDB."""

import json
from typing import IO, ClassVar

from operations.compose import Service
from operations.contracts import Sink, script
from operations.errors import Failure

# The scripts log in by themselves, so no password is on a command line.
SHELL = """
script=$(mktemp) && trap 'rm -f "${script}"' EXIT && cat >"${script}" && mongosh --quiet --norc --file "${script}"
"""

ANSWERS = """
const { DB_USER, DB_PASSWORD, MONGO_INITDB_DATABASE } = process.env;
db.getSiblingDB('admin').auth(DB_USER, DB_PASSWORD);
const agent = db.getSiblingDB(MONGO_INITDB_DATABASE);
agent.threads.findOne({ owner: '', id: '' });
if (agent.threads.getIndexes().length < 2) throw new Error('the collections have no indexes');
"""

REFUSES = """
function refused(attempt, code) {
  try {
    attempt();
  } catch (error) {
    if (error.code === code) return true;
    throw error;
  }
  return false;
}
const [UNAUTHORIZED, AUTHENTICATION_FAILED] = [13, 18];
const { DB_USER, MONGO_INITDB_DATABASE } = process.env;
if (!refused(() => db.getSiblingDB(MONGO_INITDB_DATABASE).threads.findOne(), UNAUTHORIZED)) {
  throw new Error('it answers without a password');
}
if (!refused(() => db.getSiblingDB('admin').auth(DB_USER, 'wrong'), AUTHENTICATION_FAILED)) {
  throw new Error('it let a wrong password in');
}
"""

CHANGE_ADMINISTRATOR = """
const { MONGO_INITDB_ROOT_USERNAME: root, MONGO_INITDB_ROOT_PASSWORD: before } = process.env;
const admin = db.getSiblingDB('admin');
try {
  admin.auth(root, PASSWORD); // it was interrupted after this
} catch {
  admin.auth(root, before);
  admin.updateUser(root, { pwd: PASSWORD });
}
"""


class Mongo:
    """MongoDB in its official image. Programs for its shell stand in `ops/inside/`."""

    kind: ClassVar[str] = "mongo"
    schema: ClassVar[int] = 1
    files: ClassVar[tuple[str, ...]] = ("start-database.sh", "init-collections.js")

    def apply_init_files(self, db: Service) -> None:
        """Run the init file again."""
        self._shell(db, (db.compose.root / self.files[1]).read_bytes())

    def set_administrator_password(self, db: Service, password: str) -> None:
        """Log in with the old one, or with the new one where that was done before, as the init file will."""
        self._shell(db, f"const PASSWORD = {json.dumps(password)};\n{CHANGE_ADMINISTRATOR}".encode())

    def is_unfinished(self, db: Service, volume: str) -> bool:
        """MongoDB can always go on: the init file makes what is missing, the administrator too."""
        return False

    def check_answers(self, db: Service) -> None:
        """Read from the collection of threads."""
        self._shell(db, ANSWERS.encode())

    def check_refuses_strangers(self, db: Service) -> None:
        """Try no password, and a wrong one."""
        self._shell(db, REFUSES.encode())

    def dump(self, db: Service, sink: Sink) -> None:
        """Print all documents as lines of extended JSON, and what they are."""
        program = script("mongo/login.js") + script("mongo/dump.js")
        command = ("docker", "exec", "--interactive", db.container_id, "sh", "-c", SHELL)
        db.docker.programs.pipe(*command, pieces=[program], sink=sink)

    def summarize(self, db: Service, dump: IO[bytes]) -> str:
        """What its last line says."""
        last = b""
        for line in dump:
            last = line
        if not last.startswith(b'{"threads":'):
            raise Failure("the dump is not complete")
        held: dict[str, str] = json.loads(last)
        return "\n".join(f"{collection} {what}" for collection, what in held.items())

    def load(self, db: Service, dump: IO[bytes]) -> None:
        """Fill the empty collections from the dump."""
        program = (script("mongo/login.js") + script("mongo/load.js")).decode()
        evaluate = ("sh", "-c", 'cat | mongosh --quiet --norc --eval "$1"', "sh", program)
        db.docker.programs.pipe("docker", "exec", "--interactive", db.container_id, *evaluate, pieces=dump)

    def _shell(self, db: Service, program: bytes) -> None:
        db.inside("sh", "-c", SHELL, given=program)
