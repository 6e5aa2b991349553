"""What is on disk where a rebuild wants to write, and whose names count there."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.errors import Concern
from pacha.files.entry import Entry, Kind
from pacha.files.owners import Accounts
from pacha.rebuild import actual_state
from pacha.store.snapshot import Snapshot, Watched
from tests.support.entries import entry_at

MACHINE = Accounts({0: b"root"}, {0: b"root"}, {b"root": 0}, {b"root": 0})


@pytest.fixture(name="root")
def tree(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "w"
    (root / "sub").mkdir(parents=True)
    (root / "one").write_text("one")
    os.link(root / "one", root / "sub/again")
    (root / "two").write_text("two!")
    (root / "link").symlink_to("one")
    return root


def wanted(path: Path, size: int) -> Entry:
    return entry_at(os.fsencode(path), owner=None, group=None, size=size, sha256=b"s" * 32)


def look(root: Path, *files: Entry, parts: tuple[bytes, ...] = (), exclude: tuple[str, ...] = ()) -> dict[str, Entry]:
    watched = Watched(path=os.fsencode(root), single=False, repository="w", exclude=exclude)
    found = actual_state.read_actual_state(
        [watched], {one.path: one for one in files}, [os.fsencode(root.parent)], MACHINE, parts
    )
    return {os.path.relpath(os.fsdecode(path), root): entry for path, entry in found.items()}


def test_everything_is_found_and_only_what_can_be_the_same_is_read(root: Path) -> None:
    found = look(root, wanted(root / "one", 3), wanted(root / "two", 3))
    assert found.keys() == {".", "..", "one", "two", "link", "sub", "sub/again"}
    assert found["one"].sha256 == hashlib.sha256(b"one").digest() and found["two"].sha256 is None
    assert found["one"].link_group == found["sub/again"].link_group is not None
    assert found["two"].link_group is None and found["link"].target == b"one"


def test_a_socket_is_there_only_where_something_is_to_be(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    for name in ("socket", "other"):
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(name)
    found = look(root, wanted(root / "socket", 3))
    assert found["socket"].kind is Kind.SOCKET and "other" not in found


def test_of_a_part_only_that_and_what_is_excluded_not_at_all(root: Path) -> None:
    assert look(root, parts=(os.fsencode(root / "sub"),)).keys() == {"..", "sub", "sub/again"}
    assert "two" not in look(root, exclude=("two",))


def test_a_root_of_another_kind_or_none_at_all(root: Path) -> None:
    assert look(root.parent / "none").keys() == {".."}
    (root.parent / "file").write_text("x")
    assert look(root.parent / "file")["."].kind is Kind.FILE
    for path, single in ((root, True), (root / "one", False), (root / "link", False), (root.parent / "none", False)):
        unseen: list[Concern] = []
        watched = Watched(path=os.fsencode(path), single=single, repository="w")
        actual_state.read_actual_state([watched], {}, [], MACHINE, unseen=unseen)
        assert unseen == [], "all that matters of it is known"


def test_whose_names_count(tmp_path: Path) -> None:
    restored = {b"/etc/passwd": b"a:x:7:7:::\n", b"/etc/group": b"a:x:8:\n"}
    target = os.fsencode(tmp_path)
    assert actual_state.accounts_in_force(b"", {}, MACHINE)[0] is MACHINE
    assert actual_state.accounts_in_force(target, {}, MACHINE)[0] is MACHINE
    assert actual_state.accounts_in_force(b"", restored, MACHINE)[0].uid(b"a") == 7
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("b:x:9:9:::\n")
    assert actual_state.accounts_in_force(target, {}, MACHINE)[0] is MACHINE, "one file alone is not enough"
    (tmp_path / "etc/group").write_text("b:x:9:\n")
    assert actual_state.accounts_in_force(target, {}, MACHINE)[0].uid(b"b") == 9
    assert actual_state.accounts_in_force(target, restored, MACHINE)[0].uid(b"b") is None


def test_the_directories_above_what_is_restored() -> None:
    watched = Watched(path=b"/srv/a/w", single=False, repository="w")
    snapshot = Snapshot({}, (watched, replace(watched, path=b"/old/w", retired=True)))
    assert actual_state.above(snapshot, b"") == [b"/srv", b"/srv/a"]
    assert actual_state.above(snapshot, b"/t") == [b"/t/srv", b"/t/srv/a"]


def test_a_small_file_is_read_and_nothing_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\0x")
    os.mkfifo(tmp_path / "pipe")
    names, before = ("f", "pipe", ".", "none"), os.listdir("/proc/self/fd")
    assert [actual_state.read(os.fsencode(tmp_path / name)) for name in names] == [b"\0x", None, None, None]
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_what_cannot_be_read_is_there_and_what_cannot_be_looked_into_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a plain user meets it; root's own reads fail of a disk that does."""
    real, closed = os.open, {b"two": errno.EACCES, b"sub": errno.EIO}

    def fails(path: bytes, flags: int, *args: int, **options: int) -> int:
        if path in closed:
            raise OSError(closed[path], os.strerror(closed[path]))
        return real(path, flags, *args, **options)

    monkeypatch.setattr(os, "open", fails)
    unseen: list[Concern] = []
    watched = Watched(path=os.fsencode(root), single=False, repository="w")
    none = Watched(path=os.fsencode(root.parent / "none"), single=False, repository="none")
    found = actual_state.read_actual_state([watched, none], {}, [], MACHINE, (), unseen)
    assert found[os.fsencode(root / "two")].sha256 is None, "a rebuild replaces it, and asks before"
    assert [concern.path for concern in unseen] == [os.fsencode(root / "sub")]
