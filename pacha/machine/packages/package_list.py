"""The packages of a machine, as values and as the text ``packages`` beside pacha.db."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pacha.errors import DamagedError

MOST_BYTES = 32 << 20  #: of the text
_MOST_PACKAGES = 200_000
_MOST_FILES = 10_000
_MOST_ARCHITECTURES = 50  #: each is added to dpkg, and has lists of its own
#: Names and versions as dpkg (deb-control(5), deb-version(7)) and rpm accept them; never an option, a path or a blank.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,199}", re.ASCII)
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~:^_-]{0,199}", re.ASCII)
ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)
#: The path of an alternative (update-alternatives(1)), without blanks.
ALTERNATIVE = re.compile(r"/[!-~]{1,999}")
ANY = ("all", "noarch")  #: the architectures of packages that are for every machine


class Manager(str, Enum):
    """The manager of a machine's packages."""

    APT = "apt"
    DNF = "dnf"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Package:
    """An installed package: its name, architecture and version.

    ``manual``: somebody asked for it, it is not just a dependency; ``held``: it must stay at its version;
    ``available``: a source has it (in any version), so that it can be fetched again.
    """

    name: str
    architecture: str
    version: str
    manual: bool = False
    held: bool = False
    available: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class SourceFile:
    """A file of a package manager, its path and its bytes: sources, pins, keys, settings, the answers of debconf."""

    path: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageList:
    """The packages of a machine, sorted, and the files of its ``manager``.

    ``alternatives``: the name and the path of each alternative that an administrator chose.
    """

    manager: Manager
    packages: tuple[Package, ...] = ()
    foreign_architectures: tuple[str, ...] = ()
    files: tuple[SourceFile, ...] = ()
    alternatives: tuple[tuple[str, str], ...] = ()


def encode(packages: PackageList) -> bytes:
    """Return the text of ``packages``: JSON with a package on each line, so that a diff shows which changed."""
    loaded: dict[str, object] = {
        "manager": packages.manager.value,
        "packages": {f"{package.name}:{package.architecture}": _words(package) for package in packages.packages},
        "foreign_architectures": list(packages.foreign_architectures),
        "files": {file.path: _lines(file.content) for file in packages.files},
    }
    if packages.alternatives:
        loaded["alternatives"] = dict(packages.alternatives)
    return json.dumps(loaded, indent=1).encode("ascii") + b"\n"


def decode(text: bytes) -> PackageList:
    """Return the packages in ``text``, which may be forged: every value is checked. Raises DamagedError."""
    try:
        if len(text) > MOST_BYTES:
            raise ValueError("it is longer than any such text")
        loaded = json.loads(text)
        return PackageList(
            manager=Manager(loaded["manager"]),
            packages=tuple(sorted(_package(*pair) for pair in _items(loaded["packages"], _MOST_PACKAGES))),
            foreign_architectures=_architectures(loaded["foreign_architectures"]),
            files=tuple(sorted(_file(*pair) for pair in _items(loaded["files"], _MOST_FILES))),
            alternatives=tuple(
                (_checked(NAME, name), _checked(ALTERNATIVE, path))
                for name, path in sorted(_items(loaded.get("alternatives", {}), _MOST_FILES))
            ),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, binascii.Error) as error:
        raise DamagedError(
            "What the snapshot says of its packages cannot be read.",
            str(error)[:200],
            "Choose another snapshot with --at.",
            code="packages-damaged",
        ) from None


def _words(package: Package) -> str:
    flags = (("manual", package.manual), ("held", package.held), ("unavailable", not package.available))
    return " ".join([package.version, *(word for word, is_set in flags if is_set)])


def _package(key: str, words: str) -> Package:
    name, _, architecture = key.rpartition(":")
    version, *flags = words.split(" ")
    return Package(
        name=_checked(NAME, name),
        architecture=_checked(ARCHITECTURE, architecture),
        version=_checked(VERSION, version),
        manual="manual" in flags,
        held="held" in flags,
        available="unavailable" not in flags,
    )


def _architectures(names: Any) -> tuple[str, ...]:
    if len(names) > _MOST_ARCHITECTURES:
        raise ValueError("there are more architectures than dpkg knows")
    return tuple(_checked(ARCHITECTURE, name) for name in names)


def _lines(content: bytes) -> list[str]:
    """Return "text" and the lines of an ASCII text, or "base64" and any other content in base64."""
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        return ["base64", base64.b64encode(content).decode("ascii")]
    return ["text", *text.split("\n")]


def _file(path: str, lines: list[str]) -> SourceFile:
    kind, *content = lines
    if kind not in ("text", "base64") or not path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise ValueError("a file is none of a package manager")
    joined = "\n".join(content).encode("ascii")
    return SourceFile(path=path, content=base64.b64decode(joined, validate=True) if kind == "base64" else joined)


def _items(value: Mapping[Any, Any], most: int) -> list[tuple[Any, Any]]:
    if len(value) > most:
        raise ValueError("there are more than any machine has")
    return list(value.items())


def _checked(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError("a name or a version is none that a package manager takes")
    return text
