"""Which packages of a host are not installed here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pacha.machine.packages import missing, program
from pacha.machine.packages.missing import Installed
from pacha.machine.packages.package_list import Manager, Package, PackageList


def package(name: str, architecture: str = "amd64", **more: bool) -> Package:
    return replace(Package(name=name, architecture=architecture, version="1"), **more)


RECORDED = PackageList(
    manager=Manager.APT,
    packages=(
        package("here"), package("both", "all"), package("nginx"), package("libc6", "i386"), package("wine", "i386"),
        package("own", available=False), package("linux-image-9"),
    ),
    foreign_architectures=("i386",),
)  # fmt: skip
HERE = Installed(
    architecture="arm64",
    versions={("here", "arm64"): "2", ("both", "all"): "1", ("libc6", "arm64"): "1", ("new", "all"): "1"},
)


def test_what_is_missing() -> None:
    found = missing.compare(RECORDED, HERE)
    assert [one.name for one in found.wanted] == ["nginx", "libc6", "wine"]
    assert [one.name for one in found.not_to_be_had] == ["own"]
    assert [one.name for one in found.of_hardware] == ["linux-image-9"]
    assert found.extra == ("new",)


def test_the_architecture_is_this_machines_unless_it_was_foreign_there() -> None:
    assert missing.architecture_of(package("nginx"), RECORDED, HERE) == "arm64"
    assert missing.architecture_of(package("wine", "i386"), RECORDED, HERE) == "i386"


def test_whether_the_manager_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "PATH", str(tmp_path))
    assert not missing.is_managed(Manager.DNF)
    for name in ("dnf", "rpm"):
        (tmp_path / name).touch(0o755)
    assert missing.is_managed(Manager.DNF)
