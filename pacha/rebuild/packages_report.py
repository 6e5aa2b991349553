"""The packages in the report of a rebuild: as a sentence, and as JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pacha.machine.packages.package_list import Package
from pacha.rebuild import packages
from pacha.rebuild.install_packages import InstalledPackages
from pacha.rebuild.packages import PlannedPackages


def packages_words(done: InstalledPackages | None) -> str:
    """How many packages were installed, as a sentence; "" for none."""
    return f" Packages installed: {len(done.installed)}; 'pacha undo' leaves them." if done else ""


def packages_json(planned: PlannedPackages) -> dict[str, Any]:
    """What is missing, and what is done about it (``docs/machine.rst``)."""
    missing = planned.missing
    return {
        "policy": planned.policy.value,
        "refusal": planned.refusal,
        "missing": _packages(missing.wanted),
        "not_to_be_had": _packages(missing.not_to_be_had),
        "of_hardware": _packages(missing.of_hardware),
        "extra": list(missing.extra),
        "sources": [asdict(source) for source in planned.sources],
        "keys": [{"path": path, "sha256": digest} for path, digest in planned.keys],
        "commands": packages.commands(planned),
    }


def done_json(done: InstalledPackages) -> dict[str, Any]:
    """What was installed."""
    return {
        "installed": [{"name": name, "version": version} for name, version in done.installed],
        "sources": list(done.sources),
    }


def _packages(listed: Sequence[Package]) -> list[dict[str, Any]]:
    return [asdict(package) for package in listed]
