"""What a scan of watched paths finds, and what has changed since the last one."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from pacha.files import content, metadata
from tests.support.scanning import ACCOUNTS, Host, empty_tree, no_wait, paths, reasons, watch  # noqa: F401


@pytest.mark.usefixtures("settled")
def test_an_idle_scan_reads_nothing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "a").mkdir()
    for number in range(20):
        (tree / f"a/{number}").write_bytes(b"x" * number)
    host = Host(watch(tree))
    host.push()
    before = host.entries
    monkeypatch.setattr(content, "open_file", None)  # whoever opens a file now fails
    monkeypatch.setattr(metadata, "from_stat", None)
    found = host.push()
    assert found.entries == before and not found.to_read and not found.concerns


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
    assert host.scan().to_read == {os.fsencode(path)}


def test_what_vanished_is_not_there(tree: Path) -> None:
    (tree / "d").mkdir()
    (tree / "d/f").touch()
    host = Host(watch(tree))
    host.push()
    shutil.rmtree(tree / "d")
    found = host.scan()
    assert paths(found, tree) == {""} and not found.concerns


def test_one_that_cannot_be_scanned_does_not_stop_the_others(tree: Path) -> None:
    (tree / "b").mkdir()
    found = Host(watch(tree / "a"), watch(tree / "b")).scan()
    assert paths(found, tree) == {"b"} and len(found.concerns) == 1


def test_a_single_file(tree: Path) -> None:
    for name in ("f", "g"):
        (tree / name).write_bytes(b"x")
    found = Host(watch(tree / "f", single=True)).scan()
    assert paths(found, tree) == {"f"} and found.to_read == {os.fsencode(tree / "f")}
