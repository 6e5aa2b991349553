"""How what is wanted differs from what is on disk, and what stands in its way."""

from __future__ import annotations

from typing import Any

import pytest

from pacha.files.entry import Entry, Kind
from pacha.files.owners import Accounts
from pacha.restore.compare import (
    APPEND_ONLY,
    IMMUTABLE,
    content_differs,
    hindrance,
    metadata_differs,
    misplaced,
    moment,
    removable,
    unmovable,
)
from pacha.restore.ownership import Attributes
from tests.support.entries import entry_at

ACCOUNTS = Accounts.from_files(b"root:x:0:0:::\n", b"root:x:0:\n")
FILE = entry_at(b"/f", mtime_ns=5, size=3, sha256=b"s" * 32)


@pytest.mark.parametrize(
    ("wanted", "found", "differs"),
    [
        ({}, {}, False), ({}, {"size": 4}, True), ({}, {"sha256": b"t" * 32}, True), ({"sha256": None}, {}, True),
        ({"sha256": None}, {"sha256": None}, True), ({"size": 0, "sha256": None}, {"size": 0, "sha256": None}, False),
        ({"kind": Kind.SYMLINK, "target": b"a"}, {"kind": Kind.SYMLINK, "target": b"b"}, True),
        ({"kind": Kind.SYMLINK, "target": b"a"}, {"kind": Kind.SYMLINK, "target": b"a", "size": 9}, False),
        ({"kind": Kind.BLOCK, "device": 1}, {"kind": Kind.BLOCK, "device": 2}, True),
        ({"kind": Kind.DIRECTORY, "size": 1}, {"kind": Kind.DIRECTORY, "size": 2}, False),
    ],
)  # fmt: skip
def test_content_is_what_a_kind_holds(wanted: dict[str, Any], found: dict[str, Any], differs: bool) -> None:
    assert bool(content_differs(FILE._replace(**wanted), FILE._replace(**found))) is differs


def test_each_difference_of_metadata_is_named_from_old_to_new() -> None:
    same = Attributes(0, 0, 0o644, 5)
    assert metadata_differs(same, FILE, ACCOUNTS) == ""
    text = metadata_differs(Attributes(7, 8, 0o600, 6, ((b"user.a", b"\x1b"),)), FILE, ACCOUNTS)
    for words in ("0644 -> 0600", "root (0) -> 7", "root (0) -> 8", "user.a", ".000000005 -> "):
        assert words in text
    assert text.isprintable()
    link = FILE._replace(kind=Kind.SYMLINK, mode=0o777)
    assert metadata_differs(same._replace(mode=0o755), link, ACCOUNTS) == "", "a link has no mode of its own"


@pytest.mark.parametrize(
    ("mtime_ns", "text"),
    [(0, "1970-01-01 00:00:00"), (1_500_000_000, "1970-01-01 00:00:01.5"), (-1, "1969-12-31 23:59:59.999999999")],
)
def test_a_time_to_the_last_digit_that_counts(mtime_ns: int, text: str) -> None:
    assert moment(mtime_ns) == text
    assert moment(2**100).startswith("@")


def test_labels_of_the_system_are_not_taken_away() -> None:
    taken = [b"user.x", b"trusted.x", b"security.capability", b"system.posix_acl_default"]
    left = [b"security.selinux", b"trusted.overlay.opaque", b"system.nfs4_acl"]
    assert [name for name in taken + left if removable(name)] == taken


def test_what_stands_in_the_way() -> None:
    folder = FILE._replace(kind=Kind.DIRECTORY)

    def stops(
        wanted: Entry, found: Entry | None, parent: Entry = folder, renames: bool = True, root: bool = True
    ) -> bool:
        return bool(hindrance(wanted, found, parent, renames=renames, root=root))

    assert not stops(FILE, FILE) and not stops(FILE, None)
    assert stops(FILE._replace(kind=Kind.SOCKET), None)
    device = FILE._replace(kind=Kind.BLOCK)
    assert stops(device, None, root=False) and not stops(device, None) and not stops(device, device, root=False)
    for flag in (IMMUTABLE, APPEND_ONLY):
        assert unmovable(FILE._replace(flags=flag)) and stops(FILE, FILE._replace(flags=flag))
        assert stops(FILE, FILE, folder._replace(flags=flag))
        assert not stops(FILE, FILE, folder._replace(flags=flag), renames=False)
    assert stops(FILE, None, folder._replace(flags=IMMUTABLE))
    assert not stops(FILE, None, folder._replace(flags=APPEND_ONLY)), "a name may be added there"


def test_names_of_one_inode_are_right_only_as_a_whole() -> None:
    def linked(*groups: str) -> list[Entry]:
        paths = {name: number for number, group in enumerate(groups, 1) for name in group}
        single = {group for group in groups if len(group) == 1}
        return [
            FILE._replace(path=b"/" + name.encode(), link_group=None if name in single else number)
            for name, number in paths.items()
        ]

    def wrong(wanted: list[Entry], found: list[Entry]) -> set[bytes]:
        return set(misplaced(wanted, {one.path: one for one in found}))

    assert wrong(linked("ab", "c"), linked("c", "ab")) == set()
    assert wrong(linked("ab", "c"), linked("a", "b", "c")) == {b"/a", b"/b"}
    assert wrong(linked("a", "b", "c"), linked("ab", "c")) == {b"/a", b"/b"}
    assert wrong(linked("abc"), linked("ab", "c")) == {b"/a", b"/b", b"/c"}
    assert wrong(linked("a"), [FILE._replace(path=b"/a", link_group=9)]) == {b"/a"}, "it has a name elsewhere"
    assert wrong(linked("ab"), []) == set(), "they are all made anew"
