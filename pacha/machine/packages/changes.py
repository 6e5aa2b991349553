"""What changed between two lists of packages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pacha.machine.packages.package_list import Package, PackageList


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageChange:
    """A package that was added (``old`` is None), removed (``new`` is None) or changed.

    ``label`` is its name, with the architecture if that is a foreign one.
    """

    label: str
    old: Package | None
    new: Package | None

    def __str__(self) -> str:
        """The change in a line of ASCII: ``nginx 1.22.1-9 -> 1.22.1-10``."""
        if self.old is None or self.new is None:
            package, word = (self.new, "added") if self.old is None else (self.old, "removed")
            return f"{self.label} {package.version if package else ''} {word}"
        same = self.old.version == self.new.version
        versions = self.new.version if same else f"{self.old.version} -> {self.new.version}"
        return ", ".join([f"{self.label} {versions}", *self._words()])

    def _words(self) -> Iterator[str]:
        assert self.old and self.new
        pairs = (
            (self.old.manual, self.new.manual, "asked for", "automatic"),
            (self.old.held, self.new.held, "held", "not held"),
            (self.old.available, self.new.available, "available", "unavailable"),
        )
        yield from (word if now else opposite for before, now, word, opposite in pairs if before != now)


def compare(old: PackageList, new: PackageList) -> tuple[PackageChange, ...]:
    """Return the packages that differ, sorted by name."""
    before, after = _by_key(old), _by_key(new)
    foreign = {*old.foreign_architectures, *new.foreign_architectures}
    return tuple(
        PackageChange(
            label=label(key, foreign), old=before.get(key), new=after.get(key)
        )
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    )  # fmt: skip


def label(key: tuple[str, str], foreign: set[str]) -> str:
    """Return the name in ``key`` (name, architecture), with the architecture if that is one of ``foreign``."""
    name, architecture = key
    return f"{name}:{architecture}" if architecture in foreign else name


def _by_key(packages: PackageList) -> Mapping[tuple[str, str], Package]:
    return {(package.name, package.architecture): package for package in packages.packages}
