"""A package manager in memory, in the place of this machine's."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.host import packages
from pacha.machine.packages.package_list import Manager, Package, PackageList
from pacha.machine.packages.program import ProgramError


class FakeManager:
    """It has nginx in ``version``; its fingerprint is ``word``; it counts how often it was ``asked``, or ``hangs``."""

    DATABASE = "/var/lib/fake"
    ALTERNATIVES = "/var/lib/fakes"

    def __init__(self) -> None:
        self.word, self.asked, self.version, self.hangs = "one", 0, "1", False

    def detect(self, root: Path) -> bool:
        return True

    def fingerprint(self, root: Path) -> str:
        return self.word

    def capture(self, root: Path) -> PackageList:
        self.asked += 1
        if self.hangs:
            raise ProgramError("apt-cache", "no end within 60 seconds", hangs=True)
        nginx = Package(name="nginx", architecture="amd64", version=self.version)
        return PackageList(manager=Manager.APT, packages=(nginx,))

    def upgrade(self, version: str) -> None:
        """Another version, which its database tells."""
        self.word = self.version = version


@pytest.fixture(name="manager")
def fake_manager(monkeypatch: pytest.MonkeyPatch) -> FakeManager:
    """The package manager of this machine, as Pacha sees it."""
    manager = FakeManager()
    monkeypatch.setattr(packages, "manager_of", lambda root: manager)
    monkeypatch.delenv(packages.SWITCH)
    return manager
