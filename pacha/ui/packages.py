"""Show the packages of a machine. Names and versions are ASCII by their grammar; paths are hostile text."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from pacha.machine.packages.changes import label
from pacha.machine.packages.package_list import Manager, PackageList, SourceFile
from pacha.store.change_list import number_of_packages
from pacha.text import masked

_LONGEST = 200  #: characters of a path that are shown
_NAME, _VERSION = 36, 32  #: columns at most, so that most lines have room on 80
_PROGRAMS = {Manager.APT: "apt", Manager.DNF: "dnf"}
_KEYS = (".gpg", ".asc", ".pgp", ".kbx")
_SOURCES = (".list", ".sources", ".repo")


def lines(packages: PackageList) -> Iterator[str]:
    """How many there are, the packages in columns, then what cannot be had and the files that say where from."""
    every = packages.packages
    yield _counts(packages)
    foreign = {*packages.foreign_architectures}
    names = [label((package.name, package.architecture), foreign) for package in every]
    widths = (_width(names, _NAME), _width([package.version for package in every], _VERSION))
    for name, package in zip(names, every, strict=True):
        flags = (("manual", package.manual), ("held", package.held), ("unavailable", not package.available))
        words = " ".join(word for word, is_set in flags if is_set)
        yield f"{name:<{widths[0]}}  {package.version:<{widths[1]}}  {words}".rstrip()
    unavailable = [name for name, package in zip(names, every, strict=True) if not package.available]
    yield from _section("Unavailable:", unavailable)
    yield from _section("Sources:", _paths(packages.files, _SOURCES))
    yield from _section("Keys:", _paths([file for file in packages.files if _is_key(file)], ("",)))
    yield from _section("Alternatives:", [f"{name} {path}" for name, path in packages.alternatives])
    others = [file for file in packages.files if not file.path.endswith(_SOURCES) and not _is_key(file)]
    yield from _section("Also kept:", _paths(others, ("",)))


def as_json(packages: PackageList) -> dict[str, Any]:
    """The packages as JSON values. A file has its content as ``text``, or as ``base64`` where it is no UTF-8."""
    return {
        "manager": packages.manager.value,
        "packages": [asdict(package) for package in packages.packages],
        "foreign_architectures": list(packages.foreign_architectures),
        "alternatives": dict(packages.alternatives),
        "files": [{"path": file.path, **_content(file.content)} for file in packages.files],
    }


def _counts(packages: PackageList) -> str:
    every = packages.packages
    numbers = {
        "manual": sum(package.manual for package in every),
        "held": sum(package.held for package in every),
        "unavailable": sum(not package.available for package in every),
    }
    words = [f"{number} {word}" for word, number in numbers.items() if number]
    foreign = [f"also for {', '.join(packages.foreign_architectures)}"] if packages.foreign_architectures else []
    return f"{_PROGRAMS[packages.manager]}: {', '.join([number_of_packages(len(every)), *words, *foreign])}"


def _width(texts: Sequence[str], most: int) -> int:
    return min(max(map(len, texts), default=0), most)


def _paths(files: Sequence[SourceFile], ends: tuple[str, ...]) -> list[str]:
    return [file.path for file in files if file.path.endswith(ends)]


def _is_key(file: SourceFile) -> bool:
    return file.path.endswith(_KEYS) or file.content.startswith(b"-----BEGIN PGP PUBLIC KEY")


def _section(title: str, values: Sequence[str]) -> Iterator[str]:
    for number, value in enumerate(values):
        yield f"{'' if number else title:<14}{masked(value, _LONGEST)}"


def _content(content: bytes) -> dict[str, str]:
    try:
        return {"text": content.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode("ascii")}
