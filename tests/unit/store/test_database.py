"""pacha.db: exact, cheap to keep in a repository, and no trouble when cut off or lost."""

from __future__ import annotations

import os
import pickle
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pacha.errors import PachaError
from pacha.files.amended import Amended
from pacha.files.keyed import SEALED_SIZE
from pacha.files.metadata import EVERYWHERE, Entry, Kind
from pacha.files.owners import Account
from pacha.store import database
from pacha.store.hg import NULL, Blob, Note, Repository
from pacha.store.recorded import Recorded, Summary, summary_of
from pacha.store.snapshot import Snapshot, Watched
from tests.support.entries import entry_at

META = {"schema": "1", "readable_from": "1", "host": "bar", "machine": "0123456789abcdef"}


def file(path: bytes, **values: object) -> Entry:
    seed = random.Random(path)
    entry = entry_at(
        path,
        mtime_ns=1_700_000_000_123_456_789 + seed.getrandbits(40),
        size=seed.getrandbits(16),
        sha256=seed.randbytes(32),
        stored=path[3:],
    )
    return entry._replace(**values)  # type: ignore[arg-type]


def snapshot(*entries: Entry, **values: object) -> Snapshot:
    made = Snapshot(
        META,
        (Watched(path=b"/w", single=False, repository="w", node="a" * 40),),
        {entry.path: entry for entry in entries},
    )
    return replace(made, **values)  # type: ignore[arg-type]


EVERYTHING = snapshot(
    Entry(
        path=b"/w",
        kind=Kind.DIRECTORY,
        mode=0o3755,
        uid=0,
        gid=2**32 - 2,
        owner=b"root",
        group=None,
        mtime_ns=-1,
        flags=0x10,
    ),
    file(
        b"/w/f\xff\n",
        mode=0o7777,
        size=2**40,
        link_group=3,
        parts=12,
        stored=b".pacha%f\xff%0A",
        holes=((0, 4096), (8192, 1)),
        project=2**32 - 1,
    ),
    file(b"/w/x", xattrs=((b"security.capability", bytes(20)), (b"user.\xff", b"")), size=0, mtime_ns=2**62),
    Entry(
        path=b"/w/l",
        kind=Kind.SYMLINK,
        mode=0o777,
        uid=1,
        gid=1,
        owner=b"d\xff",
        group=b"",
        mtime_ns=1,
        target=b"../\xff",
        stored=b"l",
    ),
    entry_at(b"/w/c", Kind.CHARACTER, mode=0o600, owner=None, group=None, device=os.makedev(4095, 70000)),
    entry_at(b"/w/p", Kind.FIFO, mode=0o600, owner=None, group=None),
    watched=(
        Watched(
            path=b"/w",
            single=False,
            repository="w",
            node="a" * 40,
            exclude=("*.o", "/w/caf\u00e9/"),
            one_filesystem=True,
        ),
        Watched(path=b"/up/x", single=True, repository="x"),
        Watched(path=b"/old", single=True, repository="old", node=None, exclude=(), one_filesystem=False, retired=True),
    ),
    parents={b"/up": entry_at(b"/up", Kind.DIRECTORY)},
    accounts=(
        Account(name=b"adm", is_group=True, number=4),
        Account(
            name=b"caf\xff",
            is_group=False,
            number=1000,
            gid=1000,
            home=b"/home/\xff",
            login_shell=b"/bin/sh",
            groups=(b"adm", b"x\xff"),
        ),
    ),
)


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


@pytest.mark.slow
@given(st.lists(st.dictionaries(st.sampled_from([b"/w/%d" % n for n in range(9)]), st.integers(0, 3)), max_size=6))
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_any_series_of_snapshots(series: list[dict[bytes, int]]) -> None:
    path = os.path.join(os.environ["TMPDIR"], "pacha.db")
    if os.path.exists(path):
        os.unlink(path)  # of the last example
    ids: dict[bytes, int] = {}
    for contents in series:
        made = snapshot(*(file(name, mode=mode) for name, mode in contents.items()))
        database.write(path, made)
        assert database.read(path) == made
        now = rows(path)
        assert all(now[name] == ids[name] for name in now.keys() & ids.keys()), "a row has moved"
        assert len(set(now.values())) == len(now)
        ids = now


def rows(path: str) -> dict[bytes, int]:
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT path, id FROM entry").fetchall())


def test_the_place_of_a_vanished_row_is_taken_by_a_new_one(path: str) -> None:
    database.write(path, snapshot(*(file(b"/w/%d" % number) for number in range(10))))
    before = rows(path)
    database.write(path, snapshot(*(file(b"/w/%d" % number) for number in range(10) if number != 4), file(b"/w/new")))
    assert rows(path)[b"/w/new"] == before[b"/w/4"]


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


# -- what a snapshot costs in the repository


def cost(tmp_path: Path, change: Callable[[dict[bytes, Entry]], None]) -> tuple[int, int]:
    """Bytes that the first commit of 8,000 entries takes, and bytes that ``change`` adds."""
    entries = {e.path: e for e in (file(b"/w/dir%02d/file%05d" % (n % 80, n)) for n in range(8000))}
    path = str(tmp_path / "pacha.db")
    repository = Repository.open(str(tmp_path / "db"), create=True)
    node, sizes = NULL, [0]
    for step in (lambda entries: None, change):
        step(entries)
        database.write(path, snapshot(*entries.values()))
        image = database.image(path)
        node = repository.commit(node, [b"pacha.db"], [], lambda name, image=image: Blob(image), Note("m", "u", 1.0))
        sizes.append(sum(p.stat().st_size for p in Path(repository.path).rglob("*") if p.is_file()))
    return sizes[1], sizes[2] - sizes[1]


def added(entries: dict[bytes, Entry]) -> None:
    entries[b"/w/dir00/a-new-file"] = file(b"/w/dir00/a-new-file")


def added_and_changed(entries: dict[bytes, Entry]) -> None:
    for number in range(10):
        path = b"/w/dir%02d/file%05d" % (number * 7, number * 7)
        entries[path] = entries[path]._replace(mtime_ns=5, sha256=b"\x55" * 32)
        entries[b"/w/new%d" % number] = file(b"/w/new%d" % number)


def taken_away(entries: dict[bytes, Entry]) -> None:
    del entries[b"/w/dir40/file00040"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("change", "most"), [(added, 2_000), (added_and_changed, 15_000), (taken_away, 2_000)])
def test_a_small_change_among_eight_thousand_is_a_small_commit(
    tmp_path: Path, change: Callable[[dict[bytes, Entry]], None], most: int
) -> None:
    first, then = cost(tmp_path, change)
    assert first > 300_000
    assert 0 < then < most


# -- the image


def test_the_image_is_a_database_that_says_the_same(path: str, tmp_path: Path) -> None:
    database.write(path, EVERYTHING)
    (tmp_path / "image").write_bytes(database.image(path))
    assert database.read(str(tmp_path / "image")) == EVERYTHING
    assert database.read_foreign(str(tmp_path / "image")) == EVERYTHING


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


def test_one_of_an_earlier_version_has_no_word_of_holes(path: str) -> None:
    database.write(path, EVERYTHING)
    with closing(sqlite3.connect(path)) as connection:
        for table in ("entry", "parent"):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN holes")
            connection.execute(f"ALTER TABLE {table} DROP COLUMN sparse")
            connection.execute(f"ALTER TABLE {table} DROP COLUMN project")
        connection.commit()
    earlier = {name: entry._replace(holes=None, project=None) for name, entry in EVERYTHING.entries.items()}
    assert database.read(path).entries == earlier == database.read_foreign(path).entries
    database.write(path, EVERYTHING)
    assert database.read(path) == EVERYTHING


def test_one_of_an_earlier_version_says_only_whether_a_file_had_holes(path: str) -> None:
    database.write(path, EVERYTHING)
    with closing(sqlite3.connect(path)) as connection:
        for table in ("entry", "parent"):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN holes")
        connection.commit()
    kept = database.read_foreign(path)
    assert {entry.holes for entry in kept.entries.values()} == {None, EVERYWHERE}
    database.write(path, kept)
    assert database.read(path).entries == kept.entries


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


def test_a_newer_one_of_our_own_is_refused_naming_the_version(path: str) -> None:
    database.write(path, replace(EVERYTHING, meta={**META, "readable_from": "99", "version": "7.5"}))
    with pytest.raises(PachaError) as caught:
        database.read(path)
    assert "7.5" in caught.value.hint


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


def test_what_differs_takes_the_same_places_whether_the_rest_is_looked_at_or_not(tmp_path: Path) -> None:
    choose, names = random.Random(3), [b"/w/%d" % number for number in range(30)]
    one, two = str(tmp_path / "one.db"), str(tmp_path / "two.db")
    entries = {name: file(name) for name in names[::2]}
    for path in (one, two):
        database.write(path, snapshot(*entries.values()))
    for _ in range(60):
        last = database.read_lazily(one)
        changed = {name: file(name, size=choose.randrange(3)) for name in choose.sample(names, choose.randrange(5))}
        removed = frozenset(entries.keys() & set(choose.sample(names, 3))) - changed.keys()
        amended = Amended(last.entries, changed, removed)
        entries = {path: entry for path, entry in {**entries, **changed}.items() if path not in removed}
        database.write(one, replace(last, entries=amended), last)
        database.write(two, snapshot(*entries.values()))
        rows = [dump(path) for path in (one, two)]
        assert rows[0] == rows[1] and len(rows[0]) == len(amended)


def dump(path: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT * FROM entry ORDER BY id").fetchall()


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


def test_a_row_that_is_missing_is_written_whatever_is_said_to_be_there(tmp_path: Path) -> None:
    path = str(tmp_path / "pacha.db")
    one, two = file(b"/w/one"), file(b"/w/two")
    database.write(path, snapshot(one))
    database.write(path, snapshot(one, two, file(b"/w/three")), snapshot(one, two))
    assert database.read(path).entries.keys() == {b"/w/one", b"/w/two", b"/w/three"}
