"""What differs between two entries of a path, each aspect by itself and in words."""

from __future__ import annotations

from pacha.files.entry import Entry, Kind
from pacha.files.entry_changes import Aspect, differences

FILE = Entry(
    path=b"/a", kind=Kind.FILE, mode=0o644, uid=0, gid=0, owner=b"root", group=b"root", mtime_ns=1, size=3,
    sha256=b"x" * 32, xattrs=((b"user.a", b"1"),), project=0,
)  # fmt: skip


def test_what_is_equal_has_no_changes() -> None:
    assert differences(FILE, FILE._replace()) == []


def test_each_aspect_is_told_by_itself() -> None:
    changed = FILE._replace(
        mode=0o4755, uid=7, owner=None, mtime_ns=2, size=4, xattrs=((b"user.b", b"1"),), project=3, link_group=1
    )
    assert [str(change) for change in differences(FILE, changed)] == [
        "size 3 -> 4",
        "mode 0644 -> 4755",
        "owner root (0) -> 7",
        "attribute user.a",
        "attribute user.b",
        "project 0 -> 3",
        "time",
        "hard links",
    ]


def test_another_kind_says_it_all() -> None:
    (change,) = differences(FILE, FILE._replace(kind=Kind.SYMLINK, target=b"b", size=0))
    assert (change.aspect, change.values) == (Aspect.KIND, "f -> l")


def test_a_project_that_was_not_recorded_is_no_change() -> None:
    assert differences(FILE._replace(project=None), FILE) == []
