"""Walking real trees: everything that is there, and what cannot be looked at is named."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from pacha.files import metadata, walk
from pacha.files.entry import Entry
from tests.support.scanning import ACCOUNTS, Host, empty_tree, no_wait, paths, reasons, refuse_to_open, watch  # noqa: F401


def test_names_of_any_bytes(tree: Path) -> None:
    raw = os.fsencode(tree)
    odd = [b"\xff\xfe", b"a\nb", b"\x1b[31m", b"x" * 255, b"-rf", b" ", b"...", b".hg", b"\\"]
    for name in odd:
        with open(raw + b"/" + name, "wb"):
            pass
    found = Host(watch(tree)).scan()
    assert found.entries.keys() == {raw, *(raw + b"/" + name for name in odd)}
    assert not found.concerns


def test_a_file_that_vanishes_while_the_directory_is_read(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "ab":
        (tree / name).touch()
    real = metadata.from_stat

    def vanish(found: os.stat_result, name: bytes, *rest: object, **named: object) -> Entry:
        if stat.S_ISREG(found.st_mode):
            for other in "ab":
                if other.encode() != name:
                    (tree / other).unlink(missing_ok=True)
        return real(found, name, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(metadata, "from_stat", vanish)
    found = Host(watch(tree)).scan()
    assert len(found.entries) == 2 and not found.concerns


def test_a_directory_that_vanishes_before_it_is_entered(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "a").mkdir()
    (tree / "a/f").touch()
    host = Host(watch(tree))
    host.push()
    real = walk._list

    def listing(collector: object, directory: bytes, fd: int) -> list[bytes]:
        names = real(collector, directory, fd)  # type: ignore[arg-type]
        shutil.rmtree(tree / "a", ignore_errors=True)
        return names

    monkeypatch.setattr(walk, "_list", listing)
    found = host.scan()
    assert paths(found, tree) == {""} and not found.concerns


def test_a_directory_swapped_for_a_link_is_not_followed(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "a").mkdir()
    (tree / "a/known").touch()
    outside = tree.parent / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    host = Host(watch(tree))
    host.push()
    real = walk._list

    def listing(collector: object, directory: bytes, fd: int) -> list[bytes]:
        names = real(collector, directory, fd)  # type: ignore[arg-type]
        if directory == os.fsencode(tree):
            shutil.rmtree(tree / "a")
            (tree / "a").symlink_to(outside)
        return names

    monkeypatch.setattr(walk, "_list", listing)
    found = host.scan()
    assert paths(found, tree) == {"", "a", "a/known"}, "what was known is kept"
    assert reasons(found).keys() == {os.fsencode(tree / "a")}


@pytest.mark.timeout(20)
def test_a_file_swapped_for_a_fifo_or_a_link(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("f", "g"):
        (tree / name).write_bytes(b"x")
    (tree.parent / "secret").write_bytes(b"secret")
    real = metadata.from_stat

    def swap(found: os.stat_result, name: bytes, *rest: object, **named: object) -> Entry:
        if name in (b"f", b"g"):
            (tree / name.decode()).unlink()
            os.mkfifo(tree / "f") if name == b"f" else (tree / "g").symlink_to("../secret")
        return real(found, name, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(metadata, "from_stat", swap)
    found = Host(watch(tree)).scan()
    assert paths(found, tree) == {""}
    assert reasons(found).keys() == {os.fsencode(tree / "f"), os.fsencode(tree / "g")}


def test_a_watched_path_that_is_gone_keeps_everything(tree: Path) -> None:
    (tree / "f").write_bytes(b"x")
    host = Host(watch(tree))
    host.push()
    before = dict(host.entries)
    shutil.rmtree(tree)
    found = host.scan()
    assert found.entries == before
    assert list(reasons(found)) == [os.fsencode(tree)]
    shutil.rmtree(tree.parent)
    assert Host(watch(tree)).scan().concerns


@pytest.mark.parametrize("single", [False, True])
def test_a_watched_path_that_is_of_another_kind_now(tree: Path, single: bool) -> None:
    (tree / "x").mkdir() if single else (tree / "x").touch()
    found = Host(watch(tree / "x", single=single)).scan()
    assert not found.entries and len(found.concerns) == 1


@pytest.mark.parametrize("name", ["f", "d"])
def test_what_is_listed_and_cannot_be_found_is_kept_and_named(
    tree: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """As where /proc is not mounted, and on file systems that list a name which they cannot look up."""
    (tree / "d").mkdir()
    for path in ("f", "d/g", "other"):
        (tree / path).write_bytes(b"x")
    host = Host(watch(tree))
    host.push()
    before = dict(host.entries)
    real = metadata.from_stat

    def lost(found: os.stat_result, seen: bytes, *rest: object, **named: object) -> Entry:
        if seen == name.encode():
            raise FileNotFoundError(2, "No such file or directory")
        return real(found, seen, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(metadata, "from_stat", lost)
    found = host.scan()
    assert paths(found, tree) == {"", "f", "d", "d/g", "other"}
    kept = {os.fsencode(tree / path) for path in ("f", "d", "d/g") if path.startswith(name)}
    assert all(found.entries[path] == before[path] for path in kept) and not kept & found.fingerprints.keys()
    assert reasons(found).keys() == {os.fsencode(tree / name)}


def test_a_directory_that_is_listed_and_cannot_be_entered_keeps_what_is_below(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "d").mkdir()
    (tree / "d/f").write_bytes(b"x")
    host = Host(watch(tree))
    host.push()
    with monkeypatch.context() as patch:
        refuse_to_open(patch, b"d", FileNotFoundError(2, "No such file or directory"))
        found = host.scan()
    assert paths(found, tree) == {"", "d", "d/f"} and reasons(found).keys() == {os.fsencode(tree / "d")}


def test_only_what_is_below_what_cannot_be_entered_is_kept(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "d").mkdir()
    for name in ("d/\udcff", "d/f", "d!", "d.f", "d0", "e"):
        (tree / name).write_bytes(b"old")
    host = Host(watch(tree))
    host.push()
    for name in ("d/f", "d!", "d.f", "d0", "e"):
        (tree / name).unlink()
    with monkeypatch.context() as patch:
        refuse_to_open(patch, b"d", PermissionError(13, "Permission denied"))
        found = host.scan()
    assert paths(found, tree) == {"", "d", "d/f", "d/\udcff"} and len(found.concerns) == 1


def test_what_is_made_again_while_the_directory_is_read_is_taken(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "f").touch()
    real = metadata.from_stat
    failures = [FileNotFoundError(2, "No such file or directory")]

    def once(found: os.stat_result, seen: bytes, *rest: object, **named: object) -> Entry:
        if seen == b"f" and failures:
            raise failures.pop()
        return real(found, seen, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(metadata, "from_stat", once)
    found = Host(watch(tree)).scan()
    assert paths(found, tree) == {"", "f"} and not found.concerns


@pytest.mark.usefixtures("settled")
def test_what_did_not_change_is_one_file_with_what_is_watched_from_now_on(tree: Path) -> None:
    """Watching the other name moves no time of the file: its folder lists the same as before."""
    for name in ("one", "two"):
        (tree / name).mkdir()
    (tree / "one/f").touch()
    os.link(tree / "one/f", tree / "two/f")
    host = Host(watch(tree / "one"))
    host.push()
    host.watches = (watch(tree / "one"), watch(tree / "two"))
    entries = host.push().entries
    groups = {entries[os.fsencode(tree / name)].link_group for name in ("one/f", "two/f")}
    assert len(groups) == 1 and None not in groups


def test_five_hundred_levels(tree: Path) -> None:
    name, depth = b"n" * 40, 500
    fd = os.open(tree, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(os.open(b"f", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)
    before = len(os.listdir("/proc/self/fd"))
    found = Host(watch(tree)).scan()
    assert len(os.listdir("/proc/self/fd")) == before
    assert len(found.entries) == depth + 2 and not found.concerns
    longest = max(found.entries, key=len)
    assert len(longest) > 4096 * 4 and longest in found.to_read
    subprocess.run(["rm", "-rf", tree], check=True)
