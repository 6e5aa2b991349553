"""Which path keeps its known entry, and which is observed and remembered anew."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pacha.files import metadata, scan
from pacha.files.entry import Entry
from pacha.files.owners import Accounts
from pacha.files.parents import observe_parents
from tests.support.scanning import ACCOUNTS, Host, empty_tree, no_wait, paths, reasons, refuse_to_open, watch  # noqa: F401


def test_an_edit_within_the_same_tick_as_the_scan_is_seen(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ctime has not moved, as on a file system whose clock ticks in seconds: the file is read again."""
    path = tree / "f"
    path.write_bytes(b"old")
    host = Host(watch(tree))
    host.push()
    assert os.fsencode(path) not in host.fingerprints
    path.write_bytes(b"new")
    assert host.scan().to_read == {os.fsencode(path)}


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
    assert not found.to_read
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


@pytest.mark.usefixtures("settled")
def test_what_could_not_be_entered_is_looked_at_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attribute that was set meanwhile moves only the ctime, which that scan saw already."""
    host = Host(watch(tree))
    host.push()
    os.setxattr(tree, "user.a", b"1")
    with monkeypatch.context() as patch:
        refuse_to_open(patch, b"w", PermissionError(13, "Permission denied"))
        assert reasons(host.push()).keys() == {os.fsencode(tree)}
    assert host.entries[os.fsencode(tree)].xattrs == ()
    assert host.push().entries[os.fsencode(tree)].xattrs == ((b"user.a", b"1"),)
