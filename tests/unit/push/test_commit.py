"""Committing a watched path straight from its files: what the repository then holds, and what is said of it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.files import content, scan
from pacha.files.entry import Entry, Kind
from pacha.files.exclude import Rules
from pacha.files.owners import Accounts
from pacha.files.watch import Watch
from pacha.push import blobs
from pacha.push import commit as module
from pacha.store.hg import NULL, Note, Repository
from pacha.store.snapshot import Watched
from tests.support.entries import entry_at

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
NOBODY = Accounts({}, {}, {}, {})
NOTE = Note("m", "u", 1.0)
SMALL_LIMIT, SMALL_PART = 1000, 256


class Host:
    """A watched tree, its repository, and what the last snapshot says; each push builds on it."""

    def __init__(self, folder: Path, *, single: bool = False) -> None:
        self.root = folder / "w"
        if not single:
            self.root.mkdir()
        self.repository = Repository.open(str(folder / "repos/w"), create=True)
        self.watched = Watched(path=os.fsencode(self.root), single=single, repository="w")
        self.entries: dict[bytes, Entry] = {}

    def look(self) -> dict[bytes, Entry]:
        watch = Watch(self.watched.path, self.watched.single, Rules.of(()), False)
        found = scan.scan([watch], self.entries, {}, NOBODY)
        return {path: module.stored(self.watched, entry) for path, entry in found.entries.items()}

    def commit(self, new: dict[bytes, Entry], parent: str | None = None) -> module.Committed:
        """Commit ``new``; the snapshot is not made yet."""
        parent = parent or self.watched.node or NULL
        return module.commit(
            self.repository, self.watched, parent=parent, base=self.entries, new=new, note=NOTE, accounts=NOBODY
        )

    def keep(self, done: module.Committed, new: dict[bytes, Entry]) -> None:
        """Make the snapshot, as a push does."""
        self.entries = {p: e for p, e in {**new, **done.entries}.items() if e is not None}
        self.watched = replace(self.watched, node=done.node)

    def push(self, meanwhile: Callable[[], object] = lambda: None, parent: str | None = None) -> module.Committed:
        new = self.look()
        meanwhile()
        done = self.commit(new, parent)
        self.keep(done, new)
        return done

    def held(self) -> dict[bytes, bytes]:
        """Everything the repository holds in the snapshot's revision."""
        assert self.watched.node is not None
        read = self.repository.reader(self.watched.node)
        return {name: read(name) for name in self.repository.names(self.watched.node)}

    def adds_up(self) -> bool:
        """Whether each entry's content is there with the sha256 and size that the entry says, and no more."""
        held = self.held()
        wanted: set[bytes] = set()
        for entry in self.entries.values():
            if entry.kind is Kind.SYMLINK:
                assert entry.stored is not None and held[entry.stored] == entry.target
                wanted.add(entry.stored)
            elif entry.kind is Kind.FILE:
                assert entry.stored is not None
                names = [module.names.part(entry.stored, number) for number in range(entry.parts)]
                data = b"".join(held[name] for name in names) if names else held[entry.stored]
                assert hashlib.sha256(data).digest() == entry.sha256, entry.path
                assert len(data) == entry.size, entry.path
                wanted |= {entry.stored, *names}
        assert held.keys() == wanted
        return True


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep files of more than 1000 bytes in parts of 256."""
    monkeypatch.setattr(content, "WHOLE_LIMIT", SMALL_LIMIT)
    monkeypatch.setattr(content, "PART_SIZE", SMALL_PART)


def test_a_tree_is_kept_under_its_natural_names(host: Host) -> None:
    (host.root / "d/e").mkdir(parents=True)
    (host.root / "d/e/f").write_bytes(b"text\n")
    (host.root / "run").write_bytes(b"#!")
    (host.root / "run").chmod(0o755)
    (host.root / "l").symlink_to("d\udcff")
    (host.root / "empty").touch()
    (host.root / "x\ny").write_bytes(b"odd")
    os.mkfifo(host.root / "p")
    done = host.push()
    assert not done.concerns and host.adds_up()
    assert host.held() == {b"d/e/f": b"text\n", b"run": b"#!", b"l": b"d\xff", b"empty": b"", b".pacha%x%0Ay": b"odd"}
    flags = {name: raw[20:] for name, raw in host.repository.names(done.node).items()}
    assert flags[b"run"] == b"x" and flags[b"l"] == b"l" and flags[b"empty"] == b""


def test_a_single_file(tmp_path: Path) -> None:
    host = Host(tmp_path, single=True)
    host.root.write_bytes(b"1")
    host.push()
    host.root.write_bytes(b"2")
    host.push()
    assert host.held() == {b"w": b"2"} and host.adds_up()


def test_only_what_changed_is_read(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        (host.root / name).write_bytes(name.encode())
    host.push()
    (host.root / "b").write_bytes(b"new b")
    read: list[bytes] = []
    real = content.read

    def spy(entry: Entry, name: bytes, folder: int) -> content.Reading:
        read.append(name)
        return real(entry, name, folder)

    monkeypatch.setattr(content, "read", spy)
    host.push()
    assert read == [b"b"] and host.adds_up()


def test_nothing_that_differs_is_no_commit(host: Host) -> None:
    (host.root / "f").write_bytes(b"1")
    node = host.push().node
    (host.root / "f").touch()
    (host.root / "d").mkdir()
    (host.root / "f").chmod(0o600)
    assert module.differing(host.entries, host.look()) == set()
    assert host.push().node == node
    (host.root / "f").chmod(0o700)
    assert host.push().node != node
    assert host.adds_up()


@pytest.mark.parametrize(
    "kinds", [("file", "directory"), ("directory", "file"), ("file", "link"), ("link", "directory"), ("file",
        "fifo"), ("fifo", "file"), ("large", "directory"), ("large", "link"), ("directory", "large"), ("file", "large")]
)  # fmt: skip
@pytest.mark.usefixtures("small")
def test_a_path_changes_its_kind(host: Host, kinds: tuple[str, str]) -> None:
    path = host.root / "x"
    for kind in (*kinds, kinds[0]):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        if kind == "directory":
            (path / "sub").mkdir(parents=True)
            (path / "sub/f").write_bytes(b"below")
            (path / "000000").write_bytes(b"large" * 500)
        elif kind == "link":
            path.symlink_to("elsewhere")
        elif kind == "fifo":
            os.mkfifo(path)
        else:
            path.write_bytes(os.urandom(SMALL_LIMIT + 1) if kind == "large" else b"file")
        assert not host.push().concerns
        assert host.adds_up()


def test_removed_files_are_removed(host: Host) -> None:
    for name in "ab":
        (host.root / name).write_bytes(b"x")
    host.push()
    (host.root / "a").unlink()
    host.push()
    assert host.held() == {b"b": b"x"}
    (host.root / "b").unlink()
    host.push()
    assert host.held() == {}


# -- large files


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    "size", [SMALL_LIMIT, SMALL_LIMIT + 1, 4 * SMALL_PART, 4 * SMALL_PART + 1, 13 * SMALL_PART - 1]
)
def test_a_large_file_is_kept_in_parts(host: Host, size: int) -> None:
    data = os.urandom(size)
    (host.root / "big").write_bytes(data)
    host.push()
    held = host.held()
    if size <= SMALL_LIMIT:
        assert held == {b"big": data}
        return
    assert b".pacha/parts/big" in held.pop(b"big")
    assert b"".join(held[name] for name in sorted(held)) == data
    assert all(len(part) <= SMALL_PART for part in held.values())
    assert host.adds_up()


@pytest.mark.usefixtures("small")
def test_a_file_that_was_once_large_stays_in_parts_and_grows_and_shrinks(host: Host) -> None:
    path = host.root / "big"
    for size in (SMALL_LIMIT + 1, 5 * SMALL_LIMIT, SMALL_LIMIT + 100, 10, 0, 3 * SMALL_LIMIT):
        path.write_bytes(os.urandom(size))
        assert not host.push().concerns
        assert host.adds_up()
        assert host.entries[os.fsencode(path)].parts >= 1
    path.unlink()
    host.push()
    assert host.held() == {}


@pytest.mark.usefixtures("small")
def test_one_part_that_changes_costs_one_part(host: Host) -> None:
    path = host.root / "big"
    path.write_bytes(os.urandom(20 * SMALL_PART))
    host.push()
    before = host.repository.names(host.watched.node or "")
    with open(path, "r+b") as stream:
        stream.seek(7 * SMALL_PART + 3)
        stream.write(b"changed")
    host.push()
    after = host.repository.names(host.watched.node or "")
    assert {name for name in after if after[name] != before[name]} == {b".pacha/parts/big/000007"}
    assert host.adds_up()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("new", [b"", b"short", b"x" * 5 * SMALL_LIMIT], ids=["emptied", "shrunk", "grown"])
@pytest.mark.parametrize("old", [3, 3 * SMALL_LIMIT], ids=["small", "large"])
def test_a_file_rewritten_between_scan_and_commit(host: Host, old: int, new: bytes) -> None:
    path = host.root / "f"
    path.write_bytes(b"o" * old)
    (host.root / "g").write_bytes(b"g")
    host.push(lambda: path.write_bytes(new))
    entry = host.entries.get(os.fsencode(path))
    assert b"g" in host.held()
    if entry is not None and entry.sha256 is not None:
        assert host.adds_up()
    host.push()
    host.push()
    assert host.adds_up()
    assert host.entries[os.fsencode(path)].size == len(new)


# -- what cannot be read after all


@pytest.mark.timeout(60)
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("how", ["gone", "folder gone", "fifo", "link", "directory", "folder is a link"])
@pytest.mark.parametrize("size", [3, 3 * SMALL_LIMIT], ids=["small", "large"])
def test_one_path_never_stops_the_rest(host: Host, known: bool, how: str, size: int) -> None:
    path, folder = host.root / "d/f", host.root / "d"
    folder.mkdir()
    (host.root.parent / "secret").mkdir()
    (host.root.parent / "secret/f").write_bytes(b"secret")
    for number in range(3):
        (host.root / f"{number}").write_bytes(b"%d" % number)
    if known:
        path.write_bytes(b"o" * size)
        host.push()
    before = dict(host.entries)
    path.write_bytes(b"n" * size)
    (host.root / "1").write_bytes(b"new")

    def meanwhile() -> None:
        path.unlink()
        if how.startswith("folder"):
            folder.rmdir()
        if how == "folder is a link":
            folder.symlink_to("../secret")
        elif how == "fifo":
            os.mkfifo(path)
        elif how == "link":
            path.symlink_to("../../secret/f")
        elif how == "directory":
            path.mkdir()

    done = host.push(meanwhile)
    name = os.fsencode(path)
    assert host.held()[b"1"] == b"new" and b"secret" not in host.held().values()
    if how in ("gone", "folder gone"):
        assert not done.concerns and name not in host.entries and done.entries[name] is None
    elif how == "folder is a link":
        assert host.entries.get(name) in (before.get(name), None)
    else:
        assert [concern.path for concern in done.concerns] == [name]
        assert host.entries.get(name) == before.get(name)
    assert host.adds_up()
    host.push()
    assert host.adds_up()


def test_new_files_that_cannot_be_read_do_not_start_it_again(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        (host.root / f"{number}").write_bytes(b"text")
    real, read = module.content.read, list[bytes]()

    def spy(entry: Entry, name: bytes, folder: int) -> content.Reading:
        read.append(name)
        if name in (b"1", b"3"):
            raise PermissionError(13, "Permission denied")
        return real(entry, name, folder)

    monkeypatch.setattr(module.content, "read", spy)
    done = host.push()
    assert read == [b"0", b"1", b"2", b"3", b"4"] and host.held().keys() == {b"0", b"2", b"4"} and host.adds_up()
    assert [os.path.basename(concern.path) for concern in done.concerns] == [b"1", b"3"]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("at", [0, 3])
def test_a_large_new_file_that_cannot_be_read_to_its_end(host: Host, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    (host.root / "large").write_bytes(b"n" * 3 * SMALL_LIMIT)
    (host.root / "one").write_bytes(b"one")
    real = blobs.LargeFile.read

    def read(large: blobs.LargeFile, number: int) -> bytes:
        if number == at:
            raise OSError(5, "Input/output error")
        return real(large, number)

    monkeypatch.setattr(blobs.LargeFile, "read", read)
    done = host.push()
    assert host.held() == {b"one": b"one"} and host.adds_up()
    assert [os.path.basename(concern.path) for concern in done.concerns] == [b"large"]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("size", [3, 3 * SMALL_LIMIT], ids=["small", "large"])
def test_what_is_listed_and_cannot_be_found_keeps_its_last_version(
    host: Host, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    path = host.root / "f"
    path.write_bytes(b"o" * size)
    host.push()
    before = dict(host.entries)
    path.write_bytes(b"n" * size)

    def lose() -> None:
        def lost(*arguments: object) -> None:
            raise FileNotFoundError(2, "No such file or directory")

        for place in (blobs, module.content):
            monkeypatch.setattr(place, "open_file", lost)

    done = host.push(lose)
    assert [concern.path for concern in done.concerns] == [os.fsencode(path)]
    assert host.entries[os.fsencode(path)] == before[os.fsencode(path)] and host.adds_up()


def test_a_file_that_will_not_hold_still_is_kept_and_named(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    path = host.root / "log"
    path.write_bytes(b"1")
    real = os.fstat

    def write_on(fd: int) -> os.stat_result:
        with open(path, "ab") as stream:
            stream.write(b"x")
        return real(fd)

    new = host.look()
    monkeypatch.setattr(os, "fstat", write_on)
    done = host.commit(new)
    monkeypatch.undo()
    host.keep(done, new)
    assert [concern.path for concern in done.concerns] == [os.fsencode(path)]
    assert host.adds_up()


# -- a parent that is not the last snapshot's


def stray(host: Host, change: Callable[[], object]) -> str:
    """Commit content whose snapshot is then lost, as in a power cut or a machine rolled back."""
    change()
    return host.commit(host.look()).node


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("size", [5, 6 * SMALL_PART], ids=["small", "large"])
@pytest.mark.parametrize("then", ["rolled back", "kept", "changed on", "gone"])
def test_content_whose_snapshot_was_lost(host: Host, size: int, then: str) -> None:
    path = host.root / "f"
    old = os.urandom(size)
    path.write_bytes(old)
    (host.root / "other").write_bytes(b"other")
    host.push()

    def change() -> None:
        path.write_bytes(old[:-1] + bytes([old[-1] ^ 1]))
        (host.root / "new").write_bytes(b"stray")

    tip = stray(host, change)
    (host.root / "new").unlink()
    if then == "rolled back":
        path.write_bytes(old)
    elif then == "changed on":
        path.write_bytes(old * 2)
    elif then == "gone":
        path.unlink()
    done = host.push(parent=tip)
    assert not done.concerns and host.repository.is_ancestor(tip, done.node)
    assert host.adds_up()


@pytest.mark.timeout(60)
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("size", [5, 6 * SMALL_PART], ids=["small", "large"])
def test_content_whose_snapshot_was_lost_and_which_cannot_be_read_now(host: Host, size: int) -> None:
    path = host.root / "f"
    old = os.urandom(size)
    path.write_bytes(old)
    host.push()
    tip = stray(host, lambda: path.write_bytes(old[::-1]))
    path.write_bytes(old)
    new = host.look()
    path.unlink()
    os.mkfifo(path)
    done = host.commit(new, tip)
    host.keep(done, new)
    assert [concern.path for concern in done.concerns] == [os.fsencode(path)]
    assert host.adds_up(), "the last version that was kept is what the new revision holds"


def test_a_path_watched_again_leaves_nothing_of_before(host: Host) -> None:
    for name in ("kept", "gone"):
        (host.root / name).write_bytes(name.encode())
    host.push()
    (host.root / "gone").unlink()
    host.entries = {}  # what unwatching drops
    host.push()
    assert host.held() == {b"kept": b"kept"} and host.adds_up()


def test_stored_names_stay_what_they_were(host: Host) -> None:
    entry = entry_at(host.watched.path + b"/f", owner=None, group=None, stored=b"as-before")
    assert module.stored(host.watched, entry).stored == b"as-before"
    assert module.stored(host.watched, entry._replace(stored=None)).stored == b"f"
    folder = entry._replace(kind=Kind.DIRECTORY, stored=None)
    assert module.stored(host.watched, folder) is folder
    large = entry._replace(size=content.WHOLE_LIMIT + 1)
    assert module.stored(host.watched, large).parts == content.WHOLE_LIMIT // content.PART_SIZE + 1
