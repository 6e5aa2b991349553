"""What all installers have in common: a folder with a lock, and files that are added where there is nothing."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from pacha.errors import LockedError
from pacha.machine.packages import installer
from pacha.machine.packages.command_log import CommandLog
from pacha.machine.packages.installer import Chosen, FetchedPackages, Order, PackageInstaller
from pacha.machine.packages.missing import Installed, Missing
from pacha.machine.packages.package_list import Manager, Package, PackageList, SourceFile

A = Package(name="a", architecture="amd64", version="1")


class Own(PackageInstaller):
    """One that reads everything."""

    def fetch(self, order: Order) -> FetchedPackages:
        return FetchedPackages(chosen=Chosen(), options=())

    def install(self, order: Order, fetched: FetchedPackages) -> tuple[str, ...]:
        return ()

    def of_manager(self, files: Sequence[SourceFile]) -> tuple[SourceFile, ...]:
        return tuple(files)

    def mode_of(self, path: str) -> int:
        return 0o600


@pytest.fixture(name="own")
def made(tmp_path: Path) -> Own:
    (tmp_path / "folder").mkdir()
    (tmp_path / "root/etc").mkdir(parents=True)
    return Own(folder=tmp_path / "folder", commands=CommandLog(log=tmp_path / "folder/log"), root=tmp_path / "root")


def test_sources_are_added_where_there_is_nothing(own: Own) -> None:
    names = ("/etc/own", "/etc/restored", "/usr/share/new")
    (own.root / "etc/own").write_text("own")
    files = [SourceFile(path=name, content=b"theirs") for name in names]
    assert own.add_sources(files, ["/etc/restored"]) == ("/usr/share/new",)
    assert (own.root / "etc/own").read_text() == "own" and not (own.root / "etc/restored").exists()
    assert (own.root / "usr/share/new").stat().st_mode & 0o777 == 0o600


def test_it_is_begun_until_it_is_finished(own: Own) -> None:
    assert not own.was_interrupted
    own.begin()
    assert own.was_interrupted and installer.is_begun(own.folder)
    own.finish()
    assert not own.folder.exists() and not own.was_interrupted


def test_what_fails_is_told_and_the_rest_goes_on(own: Own) -> None:
    assert own.tried([["sh", "-c", "echo no; exit 1"], ["true"]], "trying") == ["sh: no"]
    assert own.configure_again() == () and own.obstacle() is None


def test_what_is_too_little() -> None:
    def order(wanted: int, recorded: int) -> Order:
        every = PackageList(manager=Manager.APT, packages=(A,) * recorded)
        return Order(
            recorded=every, missing=Missing(wanted=(A,) * wanted), here=Installed(architecture="", versions={})
        )

    one = Chosen(arguments=("a",))
    assert not installer.is_too_little(order(2, 10), one, has_lists=True)
    assert installer.is_too_little(order(2, 10), one, has_lists=False)
    assert installer.is_too_little(order(8, 10), one, has_lists=True)
    assert not installer.is_too_little(order(1, 10), one, has_lists=False)


def test_two_at_once(own: Own) -> None:
    fd = installer.lock(own.folder)
    with pytest.raises(LockedError) as caught:
        installer.lock(own.folder)
    assert caught.value.code == "packages-locked"
    os.close(fd)


def test_leftovers_are_swept_unless_somebody_is_at_work(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    root, folder = own.root, own.folder
    (root / "usr/sbin").mkdir(parents=True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    left = root / "usr/sbin/policy-rc.d"
    left.write_text("#!/bin/sh\n# Made by 'pacha rebuild --packages'; of no effect when that is over.\n")
    installer.sweep_leftovers(folder, root)
    assert left.exists()  # no installation was ever begun here
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    installer.sweep_leftovers(folder, root)
    assert left.exists()
    os.close(fd)
    installer.sweep_leftovers(folder, root)
    assert not left.exists()
