"""A directory that lists what it listed is taken as a whole, and nothing that differs is missed."""

from __future__ import annotations

import os
import random
import shutil
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import cast

import pytest

from pacha.files import scan
from pacha.files.amended import Amended
from pacha.files.entry import Entry
from pacha.files.listing import WATCHED, Fingerprints, Listing, fingerprint
from tests.support.amount import amount
from tests.support.scanning import ACCOUNTS, Host, change, empty_tree, no_wait, paths, watch

__all__ = ["empty_tree", "no_wait"]


class Untouchable(Mapping[bytes, Entry]):
    """Entries that nobody may look into."""

    def __getitem__(self, path: bytes) -> Entry:
        raise AssertionError(path)

    def __iter__(self) -> Iterator[bytes]:
        raise AssertionError

    def __len__(self) -> int:
        raise AssertionError


def filled(tree: Path) -> Path:
    for name in ("a/one", "a/b/two", "a/b/three", "c/four", "five"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    (tree / "empty").mkdir()
    os.link(tree / "five", tree / "a" / "five")
    (tree / "link").symlink_to("five")
    return tree


def test_a_listing_has_each_name_with_its_fingerprint(tmp_path: Path) -> None:
    marks = {name: fingerprint(os.stat(tmp_path))[:-1] + name[:1] for name in (b"b", b"a\xff", b"\n")}
    assert Listing.of(marks).by_name == marks
    assert Listing.of(dict(reversed(marks.items()))) == Listing.of(marks)
    assert Listing().by_name == {} == Listing.of({}).by_name


def test_fingerprints_are_told_by_path() -> None:
    one, two, three = (bytes([number]) * 52 for number in (1, 2, 3))
    found = Fingerprints(
        {WATCHED: Listing.of({b"/": one}), b"/": Listing.of({b"a": two}), b"/a": Listing.of({b"b": three})}
    )
    assert dict(found) == {b"/": one, b"/a": two, b"/a/b": three} and len(found) == 3
    assert b"/b" not in found and found.get(b"/a/c") is None and found.get(b"/c/a", b"") == b""
    assert dict(found.without([b"/a/b", b"/none/b"])) == {b"/": one, b"/a": two}
    assert dict(found.without([b"/", b"/a"])) == {b"/a/b": three} and len(found) == 3


FIELDS = ("st_dev", "st_ino", "st_ctime_ns", "st_mtime_ns", "st_size", "st_mode", "st_uid", "st_gid")


def test_a_fingerprint_tells_everything_that_may_change(tmp_path: Path) -> None:
    """Also a time that is out of the usual range, as some file systems have it."""
    real = os.stat(tmp_path)
    now = {name: getattr(real, name) for name in FIELDS}
    others = [{**now, name: now[name] + 1} for name in FIELDS]
    others += [{**now, name: value} for name in ("st_ctime_ns", "st_mtime_ns") for value in (-1, 10**20)]
    marks = {fingerprint(cast("os.stat_result", SimpleNamespace(**values))) for values in (now, *others)}
    assert len(marks) == 1 + len(others) and fingerprint(real) in marks


@pytest.mark.usefixtures("settled")
def test_where_nothing_differs_the_entries_are_not_looked_into(tree: Path) -> None:
    (filled(tree) / "five").chmod(0o600)
    host = Host(watch(tree), watch(tree.parent / "file", single=True))
    (tree.parent / "file").write_text("x")
    before = host.push()
    host.entries = Untouchable()
    found = host.scan()
    assert found.entries is host.entries and not found.concerns and not found.to_read
    assert found.fingerprints == before.fingerprints and found.count == len(before.entries)


@pytest.mark.usefixtures("settled")
def test_what_is_left_out_is_still_known(tree: Path) -> None:
    with socket.socket(socket.AF_UNIX) as here:
        here.bind(str(filled(tree) / "c" / "s"))
        host = Host(watch(tree))
        left_out = host.push().left_out
        assert left_out and host.scan().left_out == left_out
        (tree / "five").write_text("more")
        assert host.scan().left_out == left_out
    (tree / "c" / "s").unlink()
    assert not host.scan().left_out


@pytest.mark.usefixtures("settled")
def test_other_rules_are_seen(tree: Path) -> None:
    host = Host(watch(filled(tree)))
    host.push()
    host.watches = (watch(tree, exclude=("b",)),)
    assert paths(host.push(), tree) == {"", "a", "a/one", "a/five", "c", "c/four", "five", "empty", "link"}
    host.watches = (watch(tree),)
    assert "a/b/two" in paths(host.scan(), tree)


@pytest.mark.usefixtures("settled")
def test_what_is_doubtful_is_looked_at_again(tree: Path) -> None:
    host = Host(watch(filled(tree)))
    found = host.push()
    path = os.fsencode(tree / "c/four")
    found.doubtful.add(path)
    host.fingerprints = found.fingerprints
    host.fingerprints.are_recorded = True
    host.entries = {**found.entries, path: found.entries[path]._replace(mtime_ns=1)}
    assert host.scan().entries[path] == found.entries[path]


@pytest.mark.usefixtures("settled")
def test_a_folder_that_goes_while_it_is_scanned_is_not_there(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(watch(filled(tree)))
    host.push()
    (tree / "five").write_text("more")
    real, folder = os.open, os.fsencode("empty")

    def vanishing(path: bytes, flags: int, *more: int, **named: int) -> int:
        if path == folder:
            (tree / "empty").rmdir()
        return real(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", vanishing)
    assert "empty" not in paths(host.scan(), tree)


def without(marks: Fingerprints, path: bytes) -> Fingerprints:
    """``marks`` but for that of ``path``, which is recorded all the same."""
    found = marks.without([path])
    found.are_recorded = True
    return found


@pytest.mark.usefixtures("settled")
def test_where_little_differs_the_other_entries_are_not_looked_into(tree: Path) -> None:
    host = Host(watch(filled(tree)))
    before = dict(host.push().entries)
    (tree / "a/one").write_text("more")
    (tree / "c/new").write_text("new")
    (tree / "link").unlink()
    host.entries = Single(before)
    found = host.scan().entries
    assert isinstance(found, Amended) and found.base is host.entries
    names = {os.fsencode(tree / name) for name in ("", "a/one", "c", "c/new")}
    assert found.changed.keys() == names and found.removed == {os.fsencode(tree / "link")}
    assert found.get(os.fsencode(tree / "five")) is before[os.fsencode(tree / "five")]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("gone", ["a/one", "a"])
def test_what_was_recorded_without_a_fingerprint_may_be_gone(tree: Path, gone: str) -> None:
    host = Host(watch(filled(tree)))
    found, path = host.push(), tree / gone
    host.fingerprints, host.entries = without(found.fingerprints, os.fsencode(path)), MappingProxyType(found.entries)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert paths(host.scan(), tree) == {name for name in paths(found, tree) if not (name + "/").startswith(gone + "/")}


class Single(dict[bytes, Entry]):
    """Entries of which single ones may be asked for, but not all."""

    def __iter__(self) -> Iterator[bytes]:
        raise AssertionError("all entries are asked for")

    keys = values = items = __iter__  # type: ignore[assignment]


@pytest.mark.soak
@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("seed", range(int(amount("PACHA_LISTINGS", sample=4, soak=300))))
def test_it_is_what_a_look_at_everything_finds(tree: Path, seed: int) -> None:
    choose, single = random.Random(seed), tree.parent / "single"
    single.write_text("x")
    host = Host(watch(filled(tree), exclude=("n5",)), watch(single, single=True))
    for _ in range(25):
        found = host.push()
        host.entries = MappingProxyType(dict(found.entries))
        for _ in range(choose.randrange(2)):  # recorded, and to be looked at again, as what has just changed
            host.fingerprints = without(found.fingerprints, choose.choice(sorted(found.entries)))
        for _ in range(choose.randrange(4)):
            change(tree, choose)
        if not choose.randrange(5):
            single.write_text(str(choose.random()))
        by_each = scan.scan(host.watches, host.entries, dict(host.fingerprints), ACCOUNTS, host.mounted)
        found = host.scan()
        assert dict(found.entries) == by_each.entries and found.fingerprints == by_each.fingerprints
        assert (found.to_read, found.left_out, found.concerns) == (by_each.to_read, by_each.left_out, by_each.concerns)
