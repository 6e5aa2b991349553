"""The locks are Mercurial's: a push at work is waited for, a dead one's lock counts for nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.server.moving import FolderEntry
from pacha.server.standstill import standstill
from pacha.store.hg import Repository


@pytest.fixture
def bar(tmp_path: Path) -> Path:
    (tmp_path / "bar").mkdir()
    Repository.open(str(tmp_path / "bar" / "db"), create=True)
    return tmp_path / "bar"


def place(folder: Path) -> FolderEntry:
    return FolderEntry(os.open(folder.parent, os.O_RDONLY), os.fsencode(folder.name))


def test_who_has_mercurials_lock_is_waited_for(bar: Path) -> None:
    with Repository.open(str(bar / "db")).locked(), pytest.raises(PachaError) as caught:
        with standstill(place(bar), seconds=0.3):
            pass
    assert caught.value.code == "host-busy"
    with standstill(place(bar), seconds=0):
        pass


def test_the_lock_is_one_for_mercurial_and_goes_with_the_folder(bar: Path) -> None:
    theirs = Repository.open(str(bar / "db"))
    with theirs.locked():
        lock = os.readlink(bar / "db" / ".hg" / "store" / "lock")
    moved = bar.with_name("moved")
    with standstill(place(bar)):
        assert os.readlink(bar / "db" / ".hg" / "store" / "lock") == lock
        bar.rename(moved)
    assert not os.path.lexists(moved / "db" / ".hg" / "store" / "lock")


def test_the_lock_of_a_process_that_is_gone_counts_for_nothing(bar: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    lock = bar / "db" / ".hg" / "store" / "lock"
    with standstill(place(bar)):
        prefix = os.readlink(lock).rpartition(":")[0]
    lock.symlink_to(f"{prefix}:{gone.pid}")
    with standstill(place(bar), seconds=0):
        assert os.readlink(lock) == f"{prefix}:{os.getpid()}"
    lock.symlink_to(f"elsewhere/1:{gone.pid}")
    with pytest.raises(PachaError), standstill(place(bar), seconds=0):
        pass
