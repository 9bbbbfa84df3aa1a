import io

import pytest

from operations.databases.mongo import Mongo
from operations.databases.postgres import Postgres, _restricted
from operations.errors import Failure


def test_psql_runs_no_command_of_a_dump_from_its_first_byte_on() -> None:
    dump = io.BytesIO(b"\\restrict abc\nSELECT 1;\nCOPY t (a) FROM stdin;\n\\restrict in data\n\\.\n\\unrestrict abc\n")
    lines = list(_restricted(dump))
    key = lines[0].removeprefix(b"\\restrict ")
    assert len(key) == 33
    assert lines[1:-1] == [b"SELECT 1;\n", b"COPY t (a) FROM stdin;\n", b"\\restrict in data\n", b"\\.\n"]
    assert lines[-1] == b"\\unrestrict " + key


def test_a_forged_dump_does_not_end_the_restriction() -> None:
    lines = list(_restricted(io.BytesIO(b"\\unrestrict guessed\n\\! touch /tmp/x\n")))
    assert lines[1:-1] == [b"\\! touch /tmp/x\n"]  # which a restricted psql refuses


def test_what_a_dump_of_postgres_holds() -> None:
    dump = io.BytesIO(b"SELECT 1;\n-- holds threads 2 17\n-- holds messages 4 18\n")
    assert Postgres().summarize(None, dump) == "threads 2 17\nmessages 4 18"


@pytest.mark.parametrize("dump", [b"", b"-- holds threads 2 17\n-- incomplete\n"])
def test_a_dump_of_postgres_that_is_not_complete(dump: bytes) -> None:
    with pytest.raises(Failure, match="not complete"):
        Postgres().summarize(None, io.BytesIO(dump))


def test_what_a_dump_of_mongo_holds() -> None:
    dump = io.BytesIO(b'["threads",{}]\n{"threads":"1 abc","messages":"2 def"}\n')
    assert Mongo().summarize(None, dump) == "threads 1 abc\nmessages 2 def"
    with pytest.raises(Failure, match="not complete"):
        Mongo().summarize(None, io.BytesIO(b'["threads",{}]\n'))
