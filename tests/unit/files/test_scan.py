"""Walking real trees: everything that is there, what changed, and what cannot be kept is named."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pacha.files import content, metadata, scan
from pacha.files.metadata import Entry
from pacha.files.owners import Accounts
from pacha.files.parents import observe_parents
from tests.support.scanning import ACCOUNTS, Host, empty_tree, no_wait, paths, reasons, watch  # noqa: F401


def refuse_to_open(patch: pytest.MonkeyPatch, name: bytes, error: OSError) -> None:
    """From now on open(2) of ``name`` gives this ``error``."""
    real = os.open

    def refuse(path: object, *rest: int, **more: int) -> int:
        if path == name:
            raise error
        return real(path, *rest, **more)  # type: ignore[arg-type]

    patch.setattr(os, "open", refuse)


def test_names_of_any_bytes(tree: Path) -> None:
    raw = os.fsencode(tree)
    odd = [b"\xff\xfe", b"a\nb", b"\x1b[31m", b"x" * 255, b"-rf", b" ", b"...", b".hg", b"\\"]
    for name in odd:
        with open(raw + b"/" + name, "wb"):
            pass
    found = Host(watch(tree)).scan()
    assert found.entries.keys() == {raw, *(raw + b"/" + name for name in odd)}
    assert not found.concerns


# -- what changed


@pytest.mark.usefixtures("settled")
def test_an_idle_scan_reads_nothing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "a").mkdir()
    for number in range(20):
        (tree / f"a/{number}").write_bytes(b"x" * number)
    host = Host(watch(tree))
    host.push()
    before = host.entries
    monkeypatch.setattr(content, "open_file", None)  # whoever opens a file now fails
    monkeypatch.setattr(scan.metadata, "from_stat", None)
    found = host.push()
    assert found.entries == before and not found.unread and not found.concerns


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("keep_mtime", [False, True])
def test_an_edit_of_the_same_size_and_time_is_seen(tree: Path, keep_mtime: bool) -> None:
    path = tree / "f"
    path.write_bytes(b"old")
    os.utime(path, ns=(10**18, 10**18))
    host = Host(watch(tree))
    host.push()
    time.sleep(0.02)  # more than one tick of the kernel's clock
    path.write_bytes(b"new")
    if keep_mtime:
        os.utime(path, ns=(10**18, 10**18))
    assert host.scan().unread == {os.fsencode(path)}


def test_an_edit_within_the_same_tick_as_the_scan_is_seen(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ctime has not moved, as on a file system whose clock ticks in seconds: the file is read again."""
    path = tree / "f"
    path.write_bytes(b"old")
    host = Host(watch(tree))
    host.push()
    assert os.fsencode(path) not in host.fingerprints
    path.write_bytes(b"new")
    assert host.scan().unread == {os.fsencode(path)}


def test_a_fingerprint_is_taken_only_when_the_ctime_has_settled(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tree / "f"
    path.write_bytes(b"x")
    ctime = path.stat().st_ctime_ns
    for now, trusted in [(ctime + 1_900_000_000, False), (ctime + 2_100_000_000, True), (ctime - 10**12, False)]:
        monkeypatch.setattr(time, "time_ns", lambda now=now: now)
        assert (os.fsencode(path) in Host(watch(tree)).scan().fingerprints) is trusted


@pytest.mark.parametrize("seconds", [2**34, 2**63 - 1, -(2**63)])
def test_a_ctime_of_any_year_is_one(tree: Path, monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    """The nanoseconds have no room in 64 bits: ext4 knows years up to 2446, other file systems all."""
    path = tree / "f"
    path.write_bytes(b"x")
    real = os.stat

    def odd(name: object, **given: object) -> object:
        status = real(name, **given)  # type: ignore[call-overload]
        fields = {field: getattr(status, field) for field in dir(status) if field.startswith("st_")}
        return SimpleNamespace(**fields | {"st_ctime_ns": seconds * 10**9}) if name == b"f" else status

    monkeypatch.setattr(os, "stat", odd)
    host = Host(watch(tree))
    host.push()
    assert os.fsencode(path) in host.entries
    assert (os.fsencode(path) in host.fingerprints) is (seconds < 0), "what is of the future is read again"


def test_content_read_again_that_is_the_same_is_no_change(tree: Path) -> None:
    path = tree / "f"
    path.write_bytes(b"same")
    host = Host(watch(tree))
    host.push()
    os.utime(path, ns=(5, 5))
    found = host.push()
    assert not found.unread
    entry = found.entries[os.fsencode(path)]
    assert (entry.mtime_ns, entry.stored) == (5, b"f") and entry.sha256 is not None


def test_a_record_that_does_not_say_the_project_looks_no_different(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of an earlier version; a path that has a project is recorded with it, though, and a new one with its 0."""
    for name in ("f", "g"):
        (tree / name).write_bytes(b"same")
    monkeypatch.setattr(metadata, "may_have_projects", lambda device: True)
    monkeypatch.setattr(metadata.inode_flags, "project", lambda fd: 0)
    host = Host(watch(tree))
    host.push()
    assert {entry.project for entry in host.entries.values()} == {0}
    earlier = {path: entry._replace(project=None) for path, entry in host.entries.items()}
    host.entries, host.fingerprints = earlier, {}
    assert host.push().entries == earlier
    assert observe_parents([os.fsencode(tree)], parents := without_projects(tree), ACCOUNTS)[0] == parents
    monkeypatch.setattr(metadata.inode_flags, "project", lambda fd: 9)
    host.fingerprints = {}
    assert {entry.project for entry in host.push().entries.values()} == {9}


def without_projects(tree: Path) -> dict[bytes, Entry]:
    found, _ = observe_parents([os.fsencode(tree)], {}, ACCOUNTS)
    return {path: entry._replace(project=None) for path, entry in found.items()}


@pytest.mark.usefixtures("settled")
def test_an_owner_who_got_another_name_is_a_change(tree: Path) -> None:
    (tree / "f").touch()
    host = Host(watch(tree))
    host.push()
    renamed = Accounts({os.getuid(): b"wheel"}, {0: b"root"}, {}, {})
    forgotten = dict(host.fingerprints)  # a push does not call what other owners have what is recorded
    found = scan.scan(host.watches, host.entries, forgotten, renamed)
    assert found.entries[os.fsencode(tree / "f")].owner == b"wheel"


def test_what_vanished_is_not_there(tree: Path) -> None:
    (tree / "d").mkdir()
    (tree / "d/f").touch()
    host = Host(watch(tree))
    host.push()
    shutil.rmtree(tree / "d")
    found = host.scan()
    assert paths(found, tree) == {""} and not found.concerns


def test_a_file_that_vanishes_while_the_directory_is_read(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "ab":
        (tree / name).touch()
    real = scan.metadata.from_stat

    def vanish(found: os.stat_result, name: bytes, *rest: object, **named: object) -> Entry:
        if stat.S_ISREG(found.st_mode):
            for other in "ab":
                if other.encode() != name:
                    (tree / other).unlink(missing_ok=True)
        return real(found, name, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(scan.metadata, "from_stat", vanish)
    found = Host(watch(tree)).scan()
    assert len(found.entries) == 2 and not found.concerns


def test_a_directory_that_vanishes_before_it_is_entered(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "a").mkdir()
    (tree / "a/f").touch()
    host = Host(watch(tree))
    host.push()
    real = scan._list

    def listing(walk: object, directory: bytes, fd: int) -> list[bytes]:
        names = real(walk, directory, fd)  # type: ignore[arg-type]
        shutil.rmtree(tree / "a", ignore_errors=True)
        return names

    monkeypatch.setattr(scan, "_list", listing)
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
    real = scan._list

    def listing(walk: object, directory: bytes, fd: int) -> list[bytes]:
        names = real(walk, directory, fd)  # type: ignore[arg-type]
        if directory == os.fsencode(tree):
            shutil.rmtree(tree / "a")
            (tree / "a").symlink_to(outside)
        return names

    monkeypatch.setattr(scan, "_list", listing)
    found = host.scan()
    assert paths(found, tree) == {"", "a", "a/known"}, "what was known is kept"
    assert reasons(found).keys() == {os.fsencode(tree / "a")}


@pytest.mark.timeout(20)
def test_a_file_swapped_for_a_fifo_or_a_link(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("f", "g"):
        (tree / name).write_bytes(b"x")
    (tree.parent / "secret").write_bytes(b"secret")
    real = scan.metadata.from_stat

    def swap(found: os.stat_result, name: bytes, *rest: object, **named: object) -> Entry:
        if name in (b"f", b"g"):
            (tree / name.decode()).unlink()
            os.mkfifo(tree / "f") if name == b"f" else (tree / "g").symlink_to("../secret")
        return real(found, name, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(scan.metadata, "from_stat", swap)
    found = Host(watch(tree)).scan()
    assert paths(found, tree) == {""}
    assert reasons(found).keys() == {os.fsencode(tree / "f"), os.fsencode(tree / "g")}


# -- what cannot be read


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


def test_one_that_cannot_be_scanned_does_not_stop_the_others(tree: Path) -> None:
    (tree / "b").mkdir()
    found = Host(watch(tree / "a"), watch(tree / "b")).scan()
    assert paths(found, tree) == {"b"} and len(found.concerns) == 1


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
    real = scan.metadata.from_stat

    def lost(found: os.stat_result, seen: bytes, *rest: object, **named: object) -> Entry:
        if seen == name.encode():
            raise FileNotFoundError(2, "No such file or directory")
        return real(found, seen, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(scan.metadata, "from_stat", lost)
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
    real = scan.metadata.from_stat
    failures = [FileNotFoundError(2, "No such file or directory")]

    def once(found: os.stat_result, seen: bytes, *rest: object, **named: object) -> Entry:
        if seen == b"f" and failures:
            raise failures.pop()
        return real(found, seen, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(scan.metadata, "from_stat", once)
    found = Host(watch(tree)).scan()
    assert paths(found, tree) == {"", "f"} and not found.concerns


# -- single files, excludes, file systems


def test_a_single_file(tree: Path) -> None:
    for name in ("f", "g"):
        (tree / name).write_bytes(b"x")
    found = Host(watch(tree / "f", single=True)).scan()
    assert paths(found, tree) == {"f"} and found.unread == {os.fsencode(tree / "f")}


def test_excludes(tree: Path) -> None:
    for name in ("cache/x/y", "src/a.o", "src/a.c", "keep/cache"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
    found = Host(watch(tree, exclude=("*.o", "/cache", f"{tree}/cache/*", "cache/"))).scan()
    assert paths(found, tree) == {"", "src", "src/a.c", "keep", "keep/cache"}
    found = Host(watch(tree, exclude=("cache/*", "src/"))).scan()
    assert paths(found, tree) == {"", "cache", "keep", "keep/cache"}


def test_what_is_excluded_now_is_left_out_though_it_was_known(tree: Path, settled: None) -> None:
    (tree / "d").mkdir()
    (tree / "d/f").touch()
    host = Host(watch(tree))
    host.push()
    host.watches = (watch(tree, exclude=("d",)),)
    assert paths(host.scan(), tree) == {""}


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
    assert len(longest) > 4096 * 4 and longest in found.unread
    subprocess.run(["rm", "-rf", tree], check=True)
