"""What a snapshot says, and in what two of them differ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pacha.files.entry import Entry, Kind
from pacha.store.snapshot import Changes, Snapshot, Watched, compare
from tests.support.entries import entry_at


def file(path: bytes, **values: object) -> Entry:
    entry = entry_at(path, size=3, sha256=b"s" * 32, stored=path[1:])
    return entry._replace(**values)  # type: ignore[arg-type]


def by_path(*entries: Entry) -> dict[bytes, Entry]:
    return {entry.path: entry for entry in entries}


@pytest.mark.parametrize(
    ("watched", "path", "holds"),
    [
        (b"/w", b"/w", True),
        (b"/w", b"/w/a", True),
        (b"/w", b"/wa", False),
        (b"/w", b"/", False),
        (b"/w/a", b"/w", False),
        (b"/", b"/", True),
        (b"/", b"/anything", True),
    ],
)
def test_holding(watched: bytes, path: bytes, holds: bool) -> None:
    assert Watched(path=watched, single=False, repository="r").holds(path) is holds


@pytest.mark.parametrize(
    ("watched", "path", "relative"),
    [(b"/w", b"/w/a/b", b"a/b"), (b"/", b"/a/b", b"a/b"), (b"/w/x", b"/w/x/x", b"x")],
)
def test_relative_paths(watched: bytes, path: bytes, relative: bytes) -> None:
    assert Watched(path=watched, single=False, repository="r").relative(path) == relative


def test_a_single_file_goes_by_its_last_component() -> None:
    assert Watched(path=b"/etc/fstab", single=True, repository="r").relative(b"/etc/fstab") == b"fstab"


def test_retired_paths_are_not_live_and_hold_nothing() -> None:
    a, b = Watched(path=b"/a", single=False, repository="a"), Watched(path=b"/b", single=False, repository="b")
    snapshot = Snapshot({"host": "bar"}, (a, b), by_path(file(b"/a/1"), file(b"/b/1"), file(b"/ab")))
    assert snapshot.host == "bar" and Snapshot().host == ""
    assert snapshot.below(a).keys() == {b"/a/1"}
    fewer = snapshot.with_watched([replace(a, retired=True), b])
    assert fewer.live == (b,)
    assert fewer.entries.keys() == {b"/b/1"}
    assert [one.repository for one in fewer.watched] == ["a", "b"]


def test_comparing() -> None:
    link = entry_at(b"/l", Kind.SYMLINK, mode=0o777, owner=None, group=None, target=b"x")
    node = entry_at(b"/n", Kind.CHARACTER, mode=0o600, owner=None, group=None, device=5)
    old = by_path(*(file(path) for path in (b"/same", b"/gone", b"/mode", b"/text", b"/kind")), link, node)
    new = by_path(
        file(b"/same"),
        file(b"/new"),
        file(b"/mode", mode=0o600),
        file(b"/text", sha256=b"t" * 32),
        file(b"/kind", kind=Kind.FIFO),
        link._replace(target=b"y"),
        node._replace(device=6),
    )
    assert compare(old, new) == Changes((b"/new",), (b"/gone",), (b"/kind", b"/l", b"/n", b"/text"), (b"/mode",))
    assert compare(old, old) == Changes()


def test_changes_in_words() -> None:
    assert str(Changes()) == "no path changed"
    assert str(Changes((b"a", b"b"), (b"c",), (b"d",), (b"e",))) == "2 added, 1 changed, 1 removed, 1 metadata"


def test_each_watched_path_has_its_own_entries_whatever_their_order() -> None:
    live = (
        Watched(path=b"/w", single=False, repository="w"),
        Watched(path=b"/wa", single=False, repository="wa"),
        Watched(path=b"/etc/one", single=True, repository="one"),
        Watched(path=b"/empty", single=False, repository="empty"),
    )
    paths = [b"/wa/x", b"/w/x", b"/w", b"/elsewhere", b"/etc/one", b"/wa", b"/w/y/z", b"/etc/one-more", b"/w.x"]
    snapshot = Snapshot(watched=live, entries=by_path(*(file(path) for path in paths)))
    for watched in live:
        assert set(snapshot.below(watched)) == {path for path in paths if watched.holds(path)}


def test_the_root_holds_everything() -> None:
    root = Watched(path=b"/", single=False, repository="root")
    entries = by_path(file(b"/"), file(b"/a"), file(b"/a/b"))
    assert Snapshot(watched=(root,), entries=entries).below(root) == entries


def test_a_path_that_is_watched_again_has_the_entries() -> None:
    old, new = (
        Watched(path=b"/w", single=False, repository="w", retired=True),
        Watched(path=b"/w", single=False, repository="w-2"),
    )
    snapshot = Snapshot(watched=(old, new), entries=by_path(file(b"/w/a")))
    assert set(snapshot.below(new)) == {b"/w/a"}
