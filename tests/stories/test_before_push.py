"""The dumps that are shipped as examples: whole, private, and never worse than the last one.

Databases are played by small programs here; SQLite is real, where it is installed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples" / "before-push.d"
#: Of each example: the program that dumps, and what it writes.
DUMPS = {
    "postgresql": ("pg_dumpall", "postgresql.sql"),
    "mariadb": ("mariadb-dump", "mariadb.sql"),
    "openldap": ("slapcat", "openldap-0.ldif"),
}


class Example:
    """An example that works below ``top``, with programs of the test's own in its path."""

    def __init__(self, top: Path, name: str, text: str = "") -> None:
        self.top, self.path = top, top / name
        self.path.write_text(
            (text or (EXAMPLES / name).read_text("utf-8")).replace("/var/backups", str(top / "backups"))
        )
        self.path.chmod(0o755)
        (top / "bin").mkdir(exist_ok=True)
        self.program("runuser", 'test "$1 $2 $3" = "-u postgres --"; shift 3; exec "$@"')

    @property
    def dumps(self) -> Path:
        return self.top / "backups" / "pacha"

    def program(self, name: str, text: str) -> None:
        path = self.top / "bin" / name
        path.write_text(f"#!/bin/sh\nset -e\n{text}\n")
        path.chmod(0o755)

    def start(self) -> subprocess.Popen[bytes]:
        environment = {"PATH": f"{self.top}/bin:{os.environ['PATH']}"}
        return subprocess.Popen([self.path], env=environment, cwd="/", start_new_session=True)

    def run(self) -> int:
        code = self.start().wait(30)
        assert os.listdir(self.top / "backups" / "pacha.new") == [], "something is left"
        return code


@pytest.mark.parametrize("name", DUMPS)
def test_a_dump_replaces_the_last_one_only_if_it_is_complete_and_differs(tmp_path: Path, name: str) -> None:
    example, (program, result) = Example(tmp_path, name), DUMPS[name]
    dump = example.dumps / result
    example.program(program, "echo half; exit 1")
    assert example.run() != 0 and not dump.exists()
    example.program(program, "echo one")
    assert example.run() == 0 and dump.read_text() == "one\n"
    assert (dump.stat().st_mode & 0o777, dump.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    before = (dump.stat().st_ino, dump.stat().st_mtime_ns, dump.parent.stat().st_mtime_ns)
    assert example.run() == 0
    assert (dump.stat().st_ino, dump.stat().st_mtime_ns, dump.parent.stat().st_mtime_ns) == before, "a push is not idle"
    example.program(program, "echo half of two; kill -9 $$")
    assert example.run() != 0 and dump.read_text() == "one\n"
    example.program(program, "echo two")
    assert example.run() == 0 and dump.read_text() == "two\n"


@pytest.mark.parametrize("name", DUMPS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_one_that_is_ended_leaves_the_last_one(tmp_path: Path, name: str, number: int) -> None:
    example, (program, result) = Example(tmp_path, name), DUMPS[name]
    example.program(program, "echo one")
    assert example.run() == 0
    example.program(program, f"echo two; touch {tmp_path}/begun; sleep 60")
    with example.start() as process:
        while not (tmp_path / "begun").exists():
            time.sleep(0.02)
        os.killpg(process.pid, number)
    assert (example.dumps / result).read_text() == "one\n"
    assert len(os.listdir(tmp_path / "backups" / "pacha.new")) == (number == signal.SIGKILL)
    example.program(program, "echo three")
    assert example.run() == 0, "what was left is removed by the next one"
    assert (example.dumps / result).read_text() == "three\n"


def test_the_random_word_of_a_newer_pg_dumpall_makes_no_difference(tmp_path: Path) -> None:
    example = Example(tmp_path, "postgresql")
    line = r"printf '%s\n' '\restrict '$$ 'COPY t' '\\restrict x' '{}' '\unrestrict '$$"
    example.program("pg_dumpall", line.format("a"))
    assert example.run() == 0
    first = (example.dumps / "postgresql.sql").read_bytes()
    assert example.run() == 0 and (example.dumps / "postgresql.sql").read_bytes() == first
    example.program("pg_dumpall", line.format("b"))
    assert example.run() == 0 and b"\nb\n" in (example.dumps / "postgresql.sql").read_bytes()


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="needs sqlite3")
def test_a_copy_of_sqlite_is_whole_while_it_is_written_to(tmp_path: Path) -> None:
    good, missing = tmp_path / "it's good.db", tmp_path / "missing.db"
    text = (EXAMPLES / "sqlite").read_text("utf-8")
    example = Example(tmp_path, "sqlite", text.replace("set -- /var/lib/foo/foo.db", f'set -- "{missing}" "{good}"'))
    copy = Path(f"{example.dumps}/sqlite{good}")

    def sql(path: Path, text: str) -> str:
        return subprocess.run(
            ["sqlite3", "-cmd", ".timeout 20000", path, text], capture_output=True, text=True, check=True
        ).stdout

    sql(good, "pragma journal_mode=wal; create table t(a); insert into t values(1)")
    assert example.run() == 1 and not missing.exists(), "the other one is copied all the same"
    before = copy.stat()
    assert (sql(copy, "select a from t"), before.st_mode & 0o777) == ("1\n", 0o600)
    assert example.run() == 1 and copy.stat().st_mtime_ns == before.st_mtime_ns
    with subprocess.Popen(["sqlite3", good], stdin=subprocess.PIPE, text=True) as writer:
        assert writer.stdin is not None
        writer.stdin.write(".timeout 20000\ninsert into t values(2);\nbegin immediate; insert into t values(3);\n")
        writer.stdin.flush()
        deadline = time.monotonic() + 30
        while sql(good, "select count(*) from t") != "2\n":
            assert time.monotonic() < deadline
        assert example.run() == 1 and sql(copy, "select a from t") == "1\n2\n", "what is not committed is not in it"
    good.write_bytes(good.read_bytes()[:4096] + b"x" * 4096)
    assert example.run() == 1 and sql(copy, "select a from t") == "1\n2\n", "a damaged one replaces nothing"


def test_they_are_ready_to_be_installed() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} == {*DUMPS, "sqlite"}
    for path in EXAMPLES.iterdir():
        assert os.access(path, os.X_OK) and path.read_text("utf-8").startswith("#!/bin/sh\n#")
        assert "set -eu\numask 077\n" in path.read_text("utf-8")
        assert subprocess.run(["sh", "-n", path], check=False).returncode == 0
