"""What a host forged in its folder is not followed, not waited for, and costs no more than it lies on the disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pacha.errors import DamagedError, PachaError
from pacha.wire import local_store
from pacha.wire.local_master import LocalMaster
from pacha.wire.master import NoHost, check_index
from pacha.wire.scp import Totals


def make(hosts: Path) -> Path:
    """The store of a repository of ``bar``."""
    store = hosts / "bar" / "db" / ".hg" / "store"
    (store / "data").mkdir(parents=True)
    (store / "00changelog.i").write_bytes(b"x" * 1000)
    (store / "data" / "one.i").write_bytes(b"y" * 2000)
    return store


def fetch(hosts: Path, inbox: Path) -> Totals:
    inbox.mkdir()
    fd = os.open(inbox, os.O_RDONLY)
    try:
        master = LocalMaster(os.fsencode(hosts), lambda path: None)
        return master.fetch("bar", "db", fd, lambda received: None)
    finally:
        os.close(fd)


def used(folder: Path) -> int:
    """The bytes that a folder takes on the disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*"))


def test_what_is_history_is_copied(tmp_path: Path) -> None:
    store = make(tmp_path / "hosts")
    (store / "hgrc").write_text("no history")
    totals = fetch(tmp_path / "hosts", tmp_path / "inbox")
    assert (totals.files, totals.size) == (2, 3000)
    assert sorted(path.name for path in (tmp_path / "inbox").rglob("*")) == ["00changelog.i", "data", "one.i"]


def test_a_file_that_is_mostly_a_hole_is_refused_by_name(tmp_path: Path) -> None:
    os.truncate(make(tmp_path / "hosts") / "data" / "one.i", 200 << 20)
    with pytest.raises(DamagedError, match=r"data/one\.i is not copied.*holes") as caught:
        fetch(tmp_path / "hosts", tmp_path / "inbox")
    assert "200 MiB" in caught.value.why and used(tmp_path / "inbox") < 1 << 20


def test_many_small_holes_are_as_bad_as_a_large_one(tmp_path: Path) -> None:
    store = make(tmp_path / "hosts")
    for number in range(200):
        with open(store / "data" / f"{number}.d", "wb") as file:
            file.truncate(32 << 20)
    with pytest.raises(DamagedError, match="holes"):
        fetch(tmp_path / "hosts", tmp_path / "inbox")
    assert used(tmp_path / "inbox") < 100 << 20


@pytest.mark.parametrize("name", ["00changelog.i", "data/one.i"])
def test_an_index_of_more_than_any_history_has(tmp_path: Path, name: str) -> None:
    os.truncate(make(tmp_path / "hosts") / name, 300 << 20)
    with pytest.raises(DamagedError, match=r"\.i is too large") as caught:
        fetch(tmp_path / "hosts", tmp_path / "inbox")
    assert "300 MiB" in caught.value.why
    check_index(b"data/large.d", 1 << 40)  # that is no index


@pytest.mark.parametrize("where", ["", "db", "db/.hg", "db/.hg/store", "db/.hg/store/data"])
def test_a_link_anywhere_on_the_way_is_not_followed(tmp_path: Path, where: str) -> None:
    hosts = tmp_path / "hosts"
    make(hosts)
    place = hosts / "bar" / where if where else hosts / "bar"
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DamagedError, match="is a link, or below one"):
        fetch(hosts, tmp_path / "inbox")
    if where.startswith("db") and "data" not in where:
        master = LocalMaster(os.fsencode(hosts), lambda path: None)
        with pytest.raises(DamagedError, match="is a link"), master.serve("bar", "db"):
            pass


def test_a_repository_that_mercurial_shares_is_another_s(tmp_path: Path) -> None:
    store = make(tmp_path / "hosts")
    (store.parent / "sharedpath").write_text("/pacha/hosts/foo/db/.hg\n")
    master = LocalMaster(os.fsencode(tmp_path / "hosts"), lambda path: None)
    with pytest.raises(DamagedError, match="sharedpath"), master.serve("bar", "db"):
        pass


def test_what_is_not_there(tmp_path: Path) -> None:
    for hosts in (tmp_path / "none", tmp_path):
        with pytest.raises(NoHost):
            fetch(hosts, tmp_path / f"inbox of {hosts.name}")


def link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


@pytest.mark.parametrize("make_it", [os.mkfifo, link])
@pytest.mark.timeout(20)
def test_a_file_that_is_none(tmp_path: Path, make_it: Callable[[Path], None]) -> None:
    place = make(tmp_path / "hosts") / "data" / "one.i"
    place.unlink()
    make_it(place)
    with pytest.raises(DamagedError, match="not a plain file"):
        fetch(tmp_path / "hosts", tmp_path / "inbox")


def test_another_user_s_file(tmp_path: Path) -> None:
    """As a hard link to it is one."""
    path = os.fsencode(make(tmp_path / "hosts") / "data" / "one.i")
    with pytest.raises(DamagedError, match="not a plain file") as caught:
        local_store.open_plain(path, path, owners=frozenset([os.geteuid() + 1]))
    assert f"user {os.geteuid()}'s" in caught.value.why


def test_folders_without_end(tmp_path: Path) -> None:
    store = make(tmp_path / "hosts")
    (store / "data" / "/".join("d" * 300)).mkdir(parents=True)
    with pytest.raises(DamagedError, match="not a plain file") as caught:
        fetch(tmp_path / "hosts", tmp_path / "inbox")
    assert "too deep" in caught.value.why


def test_a_copy_for_which_there_is_no_room_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (make(tmp_path / "hosts") / "data" / "one.d").write_bytes(bytes(2 << 20))
    monkeypatch.setattr(local_store, "_SPARE", 1 << 60)
    with pytest.raises(PachaError, match="no room"):
        fetch(tmp_path / "hosts", tmp_path / "inbox")
