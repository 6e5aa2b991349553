"""pacha.db: exact, cheap to keep in a repository, and no trouble when cut off or lost."""

from __future__ import annotations

import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.files.entry import Kind
from pacha.files.keyed import SEALED_SIZE
from pacha.files.owners import Account
from pacha.store import database, untrusted_db
from pacha.store.recorded import Recorded, Summary, summary_of
from pacha.store.snapshot import Snapshot, Watched
from tests.support.entries import entry_at
from tests.support.snapshots import EVERYTHING, META, file, snapshot


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "pacha.db")


# -- what is written is what is read


def test_everything_comes_back(path: str) -> None:
    assert database.read(path) == Snapshot()
    database.write(path, EVERYTHING)
    assert database.read(path) == EVERYTHING
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_what_is_watched_is_read_without_the_rest(path: str) -> None:
    assert database.read(path, whole=False) == Snapshot()
    database.write(path, EVERYTHING)
    assert database.read(path, whole=False) == Snapshot(EVERYTHING.meta, EVERYTHING.watched)


def test_the_later_snapshot_is_the_one_that_is_read(path: str) -> None:
    for one in (EVERYTHING, snapshot(file(b"/w/a")), Snapshot(META), EVERYTHING, snapshot(watched=())):
        database.write(path, one)
        assert database.read(path) == one


def test_nothing_new_leaves_every_byte_as_it_was(path: str) -> None:
    database.write(path, EVERYTHING)
    before = Path(path).read_bytes()
    database.write(path, database.read(path))
    assert Path(path).read_bytes() == before
    assert database.image(path) == database.image(path)


def test_writing_is_all_or_nothing(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    database.write(path, EVERYTHING)
    broken = snapshot(file(b"/w/a"), accounts=(Account(name=b"x", is_group=True, number=2**70),))
    with pytest.raises((PachaError, OverflowError)):
        database.write(path, broken)
    assert database.read(path) == EVERYTHING


# -- the image


def test_the_image_is_a_database_that_says_the_same(path: str, tmp_path: Path) -> None:
    database.write(path, EVERYTHING)
    (tmp_path / "image").write_bytes(database.image(path))
    assert database.read(str(tmp_path / "image")) == EVERYTHING
    assert untrusted_db.read(str(tmp_path / "image")) == EVERYTHING


def test_the_image_is_consistent_while_another_writes(path: str, tmp_path: Path) -> None:
    database.write(path, EVERYTHING)
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("BEGIN")
        writer.execute("UPDATE entry SET mode = 0")
        (tmp_path / "image").write_bytes(database.image(path))
        writer.rollback()
    assert database.read(str(tmp_path / "image")) == EVERYTHING


def test_a_python_that_cannot_serialize_makes_the_same_image(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Old(sqlite3.Connection):
        def __getattribute__(self, name: str) -> object:
            if name == "serialize":
                raise AttributeError(name)
            return super().__getattribute__(name)

    database.write(path, EVERYTHING)
    wanted = database.image(path)
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **rest: real(*args, factory=Old, **rest))
    before = os.umask(0)
    made = database.image(path)
    os.umask(before)
    assert len(made) == len(wanted) and made == database.image(path)
    Path(path).write_bytes(made)
    assert database.read(path) == EVERYTHING
    assert os.listdir(os.path.dirname(path)) == ["pacha.db"], "no litter is left"


# -- cut off, lost, broken

KILLED = """
import pickle, sys
from pacha.store import database
database.write(sys.argv[1], pickle.loads(sys.stdin.buffer.read()))
"""


@pytest.mark.slow
@pytest.mark.parametrize("call", ["openat", "pwrite64", "fdatasync", "unlink"])
def test_killed_at_any_time_it_is_wholly_old_or_wholly_new(path: str, tmp_path: Path, call: str) -> None:
    strace = shutil.which("strace")
    if strace is None:
        if os.environ.get("CI"):
            pytest.fail("strace is not installed, and CI is set")
        pytest.skip("needs strace")
    old = snapshot(file(b"/w/a"))
    for first in (True, False):
        for number in (1, 3):
            for name in os.listdir(tmp_path):
                os.unlink(tmp_path / name)
            if not first:
                database.write(path, old)
            subprocess.run(
                [strace, "-f", "-o", "/dev/null", "-P", path, "-P", f"{path}-journal",
                 "-e", f"inject={call}:signal=SIGKILL:when={number}", sys.executable, "-c", KILLED, path],
                capture_output=True, check=False, cwd=Path(__file__).parents[3], input=pickle.dumps(EVERYTHING),
            )  # fmt: skip
            assert database.read(path) in (Snapshot() if first else old, EVERYTHING)
            database.write(path, EVERYTHING)
            assert database.read(path) == EVERYTHING


def test_an_empty_file_is_a_first_write_that_was_cut_off(path: str) -> None:
    Path(path).touch()
    assert database.read(path) == Snapshot()
    database.write(path, EVERYTHING)
    assert database.read(path) == EVERYTHING


@pytest.mark.parametrize("target", ["volume/pacha.db", "pacha.db", "moved.db"])
def test_a_link_to_where_nothing_can_be_found_is_not_the_absence_of_one(path: str, target: str) -> None:
    """As where the volume that it leads to is not mounted: nothing is begun anew."""
    Path(path).symlink_to(target)
    with pytest.raises(PachaError, match=r"pacha\.db"):
        database.read(path)
    assert not Path(path).exists()


@pytest.mark.parametrize("content", [b"x", b"SQLite format 3\0", b"\0" * 9000, os.urandom(5000)])
def test_a_damaged_one_is_an_error_that_names_it(path: str, content: bytes) -> None:
    Path(path).write_bytes(content)
    with pytest.raises(PachaError, match=r"pacha\.db") as caught:
        database.read(path)
    assert caught.value.hint
    with pytest.raises(PachaError):
        database.write(path, EVERYTHING)
    if len(content) > 1:
        with pytest.raises(PachaError):
            database.image(path)
    assert Path(path).read_bytes() == content


def test_entries_are_read_when_one_is_asked_for(path: str) -> None:
    assert database.read_lazily(path) == Snapshot()
    plain = {name: entry for name, entry in EVERYTHING.entries.items() if entry.sealed is None}
    database.write(path, replace(EVERYTHING, entries=plain))
    lazy = database.read_lazily(path)
    assert isinstance(lazy.entries, Recorded) and len(lazy.entries) == len(plain)
    assert summary_of(lazy.entries) == Summary.of(plain.values())
    assert replace(lazy, entries=dict(lazy.entries)) == database.read(path)


def test_entries_that_nobody_asked_for_stay_as_they_are(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = snapshot(file(b"/w/one"), file(b"/w/two"))
    database.write(path, plain)
    lazy = database.read_lazily(path)
    with monkeypatch.context() as patched:
        patched.setattr(database, "_read_entries", None)
        database.write(path, replace(lazy, meta={**META, "version": "0.9"}), lazy)
    assert database.read(path) == replace(plain, meta={**META, "version": "0.9"})


def test_a_few_entries_of_what_is_no_database_any_more_are_an_error(path: str) -> None:
    database.write(path, EVERYTHING)
    found = database.read_lazily(path).entries
    Path(path).write_bytes(b"x" * 5000)
    with pytest.raises(PachaError) as caught:
        found.get(b"/w")
    assert caught.value.code == "database-unreadable"


def test_what_is_sealed_is_read_at_once(path: str) -> None:
    key = bytes(SEALED_SIZE)
    file = next(entry for entry in EVERYTHING.entries.values() if entry.kind is Kind.FILE)
    database.write(path, replace(EVERYTHING, entries={file.path: file._replace(sealed=key)}))
    assert not isinstance(database.read_lazily(path).entries, Recorded)


def test_what_was_replaced_is_in_no_free_page(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where SQLite was built without SECURE_DELETE."""
    real = sqlite3.connect

    def plain(*arguments: object, **more: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = real(*arguments, **more)  # type: ignore[call-overload]
        connection.execute("PRAGMA secure_delete=OFF")
        return connection

    monkeypatch.setattr(database.sqlite3, "connect", plain)
    secret, watched = os.urandom(16), Watched(path=b"/w", single=False, repository="w", node="a" * 40)
    before = [entry_at(b"/w/%d" % number)._replace(xattrs=((b"user.note", secret * 20),)) for number in range(200)]
    texts = [secret, secret.hex().encode()]
    for entries in (before, [entry._replace(xattrs=()) for entry in before], []):
        kept = {entry.path: entry for entry in entries}
        database.write(path, Snapshot(meta={"host": "bar"}, watched=(watched,), entries=kept))
        found = [text for text in texts if text in Path(path).read_bytes() + database.image(path)]
        assert bool(found) == (entries is before)
