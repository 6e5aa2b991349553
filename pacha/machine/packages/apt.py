"""The packages of Debian and its relatives, according to dpkg and apt. Nothing here uses the network.

dpkg-query(1) lists the packages, extended_states (apt-mark(8)) those that were installed automatically, and
``apt-cache madison`` (apt-cache(8)) those that the sources have.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from pacha.machine.packages import alternatives, program, source_files
from pacha.machine.packages.package_list import (
    ARCHITECTURE,
    NAME,
    VERSION,
    Manager,
    Package,
    PackageList,
)

DATABASE = "/var/lib/dpkg/status"
ALTERNATIVES = "/var/lib/dpkg/alternatives"
_STATES = "/var/lib/apt/extended_states"
_ARCHITECTURES = "/var/lib/dpkg/arch"
_LISTS = "/var/lib/apt/lists"
_ANSWERS = "/var/cache/debconf/config.dat"  # debconf(7); secrets are in passwords.dat instead
_FORMAT = r"${Package}\t${Version}\t${Architecture}\t${db:Status-Want}\t${db:Status-Status}\n"
_FIELDS = 5
_INSTALLED = ("installed", "triggers-awaited", "triggers-pending", "half-configured", "unpacked")  # dpkg(1)
_AT_ONCE = 20_000  #: names on one command line: about a quarter of what execve(2) takes
#: The folders that are recorded, each with the names that apt reads in it: sources.list(5), apt_preferences(5),
#: apt.conf(5), apt-key(8), apt-secure(8). auth.conf is left out, because it has passwords.
_FOLDERS = {
    "/etc/apt/sources.list.d": re.compile(r"[\w.-]+\.(list|sources)", re.ASCII),
    "/etc/apt/preferences.d": re.compile(r"[\w-]+(\.pref)?", re.ASCII),
    "/etc/apt/apt.conf.d": re.compile(r"[\w-]+(\.conf)?", re.ASCII),
    "/etc/apt/trusted.gpg.d": re.compile(r"[\w.-]+\.(gpg|asc)", re.ASCII),
    "/etc/apt/keyrings": re.compile(r"[\w.-]+\.(gpg|asc|pgp)", re.ASCII),
}
_FILES = ("/etc/apt/sources.list", "/etc/apt/preferences", "/etc/apt/apt.conf", "/etc/apt/trusted.gpg", _ANSWERS)
_SOURCES = ("/etc/apt/sources.list", "/etc/apt/sources.list.d/")
_SETTINGS = ("/etc/apt/apt.conf",)
#: Settings with programs that apt runs before or after its work, and whose packages may be missing in a rebuild.
_HOOK = re.compile(rb"(pre|post)-(invoke|install-pkgs)|invoke-success", re.IGNORECASE)


def detect(root: Path) -> bool:
    """Whether dpkg manages the packages of the system below ``root``."""
    status = root / DATABASE.lstrip("/")
    return status.is_file() and status.stat().st_size > 0


def fingerprint(root: Path) -> str:
    """Return a text that changes with what ``capture`` returns, except when a source gets or loses a package."""
    known = "lists" if _has_lists(root) else "no lists"
    return source_files.stamp(
        root, [DATABASE, ALTERNATIVES, alternatives.LINKS, _STATES, _ARCHITECTURES, known, *_recorded_paths(root)]
    )


def capture(root: Path) -> PackageList:
    """Return the packages of the system below ``root``. Raises ProgramError."""
    rows = list(_rows(root, _INSTALLED))
    sourced = _in_sources(root, [name if of == "all" else f"{name}:{of}" for name, _, of, _ in rows])
    automatic = _automatic(root)
    packages = (
        Package(
            name=name, architecture=architecture, version=version, held=want == "hold",
            manual=not _has(automatic, name, architecture), available=not sourced or _has(sourced, name, architecture),
        )
        for name, version, architecture, want in rows
    )  # fmt: skip
    files = source_files.read(root, _recorded_paths(root))
    # dpkg's; the first is the machine's own
    foreign = (source_files.content_of(root, _ARCHITECTURES) or b"").decode("ascii", "replace").split()[1:]
    return PackageList(
        manager=Manager.APT,
        packages=tuple(sorted(packages)),
        foreign_architectures=tuple(filter(ARCHITECTURE.fullmatch, foreign)),
        alternatives=alternatives.manual(root, ALTERNATIVES),
        files=tuple(file for file in files if not (file.path.startswith(_SETTINGS) and _HOOK.search(file.content))),
    )


def installed(root: Path) -> tuple[str, dict[tuple[str, str], str]]:
    """Return what is installed and ready below ``root``, as ``PackageManager.installed``. Raises ProgramError."""
    own = program.ask(["dpkg", "--print-architecture"]).strip()
    versions = {(name, of): version for name, version, of, _ in _rows(root, ("installed",))}
    return own if ARCHITECTURE.fullmatch(own) else "", versions


def states(root: Path) -> list[list[str]]:
    """Return name, version, architecture, wanted and actual state of each package of dpkg. Raises ProgramError."""
    text = program.ask(["dpkg-query", f"--admindir={root / 'var/lib/dpkg'}", "-W", "-f", _FORMAT])
    return [row for line in text.splitlines() if len(row := line.split("\t")) == _FIELDS]


def _rows(root: Path, wanted: Collection[str]) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, version, architecture and wanted state of each package whose actual state is one of ``wanted``."""
    for name, version, architecture, want, state in states(root):
        is_valid = NAME.fullmatch(name) and VERSION.fullmatch(version) and ARCHITECTURE.fullmatch(architecture)
        if state in wanted and is_valid:
            yield name, version, architecture, want


def _has(pairs: set[tuple[str, str]], name: str, architecture: str) -> bool:
    """Whether the package is in ``pairs``, under any architecture if it is for all of them."""
    return (name, architecture) in pairs or (architecture == "all" and (name, "") in pairs)


def _automatic(root: Path) -> set[tuple[str, str]]:
    """Return the packages that were installed because others need them: (name, architecture) and (name, "")."""
    pairs: set[tuple[str, str]] = set()
    text = (source_files.content_of(root, _STATES) or b"").decode("ascii", "replace")
    for stanza in text.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+):\s*(\S*)", stanza, re.MULTILINE))
        if fields.get("Auto-Installed") == "1":
            name = fields.get("Package", "")
            pairs |= {(name, fields.get("Architecture", "")), (name, "")}
    return pairs


def _in_sources(root: Path, names: Sequence[str]) -> set[tuple[str, str]]:
    """Return those of ``names`` that the sources have in any version, as ``_automatic`` does; none if unknown."""
    if not program.find("apt-cache") or not _has_lists(root):
        return set()
    options = ("-o", f"Dir={root}/", "-o", f"Dir::State::status={root}{DATABASE}")
    elsewhere = options if root != Path("/") else ()
    pairs: set[tuple[str, str]] = set()
    for start in range(0, len(names), _AT_ONCE):
        text = program.ask(["apt-cache", *elsewhere, "madison", "--", *names[start : start + _AT_ONCE]])
        for line in text.splitlines():  # "nginx | 1.22.1-9 | http://deb.debian.org/debian bookworm/main amd64 Packages"
            name, _, source = (field.strip() for field in line.split("|", 2))
            *_, architecture, kind = ["", *source.split(" ")]
            if kind == "Packages":
                pairs |= {(name, architecture), (name, "")}
    return pairs


def _has_lists(root: Path) -> bool:
    """Whether apt ever fetched the lists of the sources; an image often has none."""
    try:
        return any("_Packages" in name for name in os.listdir(root / _LISTS.lstrip("/")))
    except OSError:
        return False


def _recorded_paths(root: Path) -> list[str]:
    """Return the paths of what is recorded: sources, the keys that they name anywhere, pins, settings, answers."""
    paths = [path for folder, names in _FOLDERS.items() for path in source_files.listed(root, folder, names)]
    sources = [path for path in (*_FILES, *paths) if path.startswith(_SOURCES)]
    named = [value for path in sources for value in source_files.SIGNED_BY.findall(source_files.text_of(root, path))]
    words = re.split(r"[,\s]+", " ".join(named))  # some hold a key itself, or a fingerprint
    keys = {os.path.normpath(word) for word in words if word.startswith("/") and "\0" not in word}
    return [*_FILES, *paths, *sorted(keys.difference(paths))]
