"""What a rebuild does about packages, planned from a list of them with the package manager of the test."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from pacha.fetch.fetched import Fetched
from pacha.machine.packages.package_list import Manager, PackageList, encode
from pacha.rebuild import packages
from pacha.rebuild.options import PackagePolicy, RebuildOptions
from pacha.store.revision import Note
from pacha.store.snapshot import Snapshot
from tests.support.package_plans import package

RECORDED = PackageList(
    manager=Manager.APT,
    packages=(package("nginx"), package("own", available=False)),
    alternatives=(("editor", "/bin/vim"), ("java", "/bin/java")),
)
STAGING: Any = SimpleNamespace(
    spool=SimpleNamespace(places={b"/etc/locale.gen": (0, 0, 0)}, bytes_of=lambda path: b"de_DE.UTF-8 UTF-8\n")
)


def fetched(text: bytes | None = encode(RECORDED)) -> Fetched:
    companions = {} if text is None else {"packages": text}
    note = Note("", "root@bar", 1.0)
    return Fetched(
        snapshot=Snapshot(), tip="", note=note, changelog="", files=0, size=0, seconds=0, companions=companions
    )


def plan(policy: PackagePolicy | None = None, *, other_release: bool = False, **more: Any) -> Any:
    options = RebuildOptions(packages=policy, **more)
    return packages.plan(STAGING, fetched(), options, None, other_release=other_release)
