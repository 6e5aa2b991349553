"""Which mount points are missed, and which are gone with a right."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.files import mount_points
from pacha.files.entry import Entry, Kind
from pacha.files.mount_points import MountPoints
from pacha.system.mounts import Mount


def entry(path: bytes, kind: Kind = Kind.DIRECTORY) -> Entry:
    return Entry(path=path, kind=kind, mode=0o755, uid=0, gid=0, owner=None, group=None, mtime_ns=0)


def by_path(*entries: Entry) -> dict[bytes, Entry]:
    return {one.path: one for one in entries}


def test_those_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mount_points, "mounts", lambda: iter([Mount(b"/", b"ext4"), Mount(b"/srv", b"xfs")]))
    points = MountPoints.of_machine([b"/old"])
    assert points == MountPoints(frozenset([b"/", b"/srv"]), frozenset([b"/old"]))
    assert points.met(b"/srv/www", [b"/srv/www", b"/srv/www/a"]) == {b"/srv"}
    assert points.met(b"/etc", [b"/etc"]) == set()


def test_where_mounts_cannot_be_told_none_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError

    monkeypatch.setattr(mount_points, "mounts", fail)
    assert MountPoints.of_machine([b"/srv"]) == MountPoints(frozenset(), frozenset([b"/srv"]))


def test_a_volume_is_missing_where_nothing_of_it_is_there(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path)
    known = by_path(entry(path), entry(path + b"/a"), entry(path + b"/a/b"))
    fd = os.open(tmp_path, os.O_RDONLY)
    missing, mounted, never = MountPoints(before=frozenset([path])), MountPoints(frozenset([path])), MountPoints()
    assert missing.is_missing(path, fd, known) and missing.is_below_missing(path, fd, known)
    assert not mounted.is_missing(path, fd, known) and not never.is_missing(path, fd, known)
    assert not missing.is_missing(path, fd, by_path(entry(path))), "it was empty before"
    assert MountPoints(before=frozenset([os.path.dirname(path)])).is_below_missing(path, fd, known)
    (tmp_path / "b").touch()
    assert missing.is_missing(path, fd, known), "what is there now is not of it"
    (tmp_path / "a").touch()
    assert not missing.is_missing(path, fd, known), "its files were moved here"
    os.close(fd)


def test_those_that_are_kept_with_a_path() -> None:
    points = MountPoints(before=frozenset([b"/srv", b"/srv/w/d/usb", b"/other"]))
    assert points.kept_with(b"/srv/w", True) == {b"/srv", b"/srv/w/d/usb"}
    assert points.kept_with(b"/srv/w/d", False) == {b"/srv/w/d/usb"}


def test_those_that_a_rebuild_would_write_beside() -> None:
    points = MountPoints(frozenset([b"/srv"]), frozenset([b"/srv", b"/w", b"/w/d", b"/x", b"/wide"]))
    assert points.missing_near([b"/w/d/e", b"/srv/a"]) == [b"/w", b"/w/d"]
    assert points.missing_near([b"/w"]) == [b"/w", b"/w/d"] and points.missing_near([]) == []


def test_a_mount_point_that_was_removed() -> None:
    known = by_path(entry(b"/w"), entry(b"/w/d"), entry(b"/w/d/usb"), entry(b"/w/d/usb/f"))
    points = MountPoints(before=frozenset([b"/w/d/usb", b"/elsewhere"]))
    assert points.removed(b"/w", by_path(entry(b"/w")), known) == [(b"/w/d/usb", [b"/w/d"])]
    assert points.removed(b"/w", by_path(entry(b"/w"), entry(b"/w/d")), known) == [(b"/w/d/usb", [])]
    assert points.removed(b"/w", known, known) == []
    of_empty = {path: kept for path, kept in known.items() if path != b"/w/d/usb/f"}
    assert points.removed(b"/w", by_path(entry(b"/w")), of_empty) == [], "as with pacha.one.filesystem"
    of_file = of_empty | by_path(entry(b"/w/d/usb", Kind.FILE))
    assert points.removed(b"/w", by_path(entry(b"/w")), of_file) == [(b"/w/d/usb", [b"/w/d"])]
    assert points.removed(b"/w", by_path(entry(b"/w"), entry(b"/w/d", Kind.SYMLINK)), known) == []
