"""The packages of Fedora and its relatives, according to rpm and dnf. Nothing here uses the network."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from pacha.machine.packages import alternatives, program, source_files
from pacha.machine.packages.package_list import (
    ANY,
    ARCHITECTURE,
    NAME,
    VERSION,
    Manager,
    Package,
    PackageList,
    SourceFile,
)
from pacha.machine.packages.program import ProgramError

DATABASE = "/var/lib/rpm"
ALTERNATIVES = "/var/lib/alternatives"
_DATABASES = ("/usr/lib/sysimage/rpm", DATABASE)
_BACKENDS = ("rpmdb.sqlite", "rpmdb.sqlite-wal", "Packages.db", "Packages")
#: Where dnf records whether somebody asked for a package: version 4, version 5.
_HISTORY = "/var/lib/dnf/history.sqlite"
_REASONS = "/usr/lib/sysimage/libdnf5/packages.toml"
_FORMAT = r"%{NAME}\t%{EPOCHNUM}\t%{VERSION}-%{RELEASE}\t%{ARCH}\t%{INSTALLTIME}\n"
_PAIRS = r"%{name} %{arch}\n"
_ANY = re.compile(r"[\w.+-]*\w", re.ASCII)
#: The folders that are recorded, each with the names that dnf reads in it: dnf.conf(5), dnf.modularity(7).
_FOLDERS = {
    "/etc/yum.repos.d": re.compile(r"[\w.+-]+\.repo", re.ASCII),
    "/etc/pki/rpm-gpg": _ANY,
    "/etc/dnf/vars": _ANY,
    "/etc/yum/vars": _ANY,
    "/etc/dnf/modules.d": re.compile(r"[\w.+-]+\.module", re.ASCII),
}
_LOCKS = ("/etc/dnf/plugins/versionlock.list", "/etc/dnf/versionlock.toml")
_FILES = ("/etc/dnf/dnf.conf", *_LOCKS)
_KEY = re.compile(r"\bfile://(/[^\s,]+)")
_LOCKED_NAME = re.compile(r'^\s*name\s*=\s*"([^"]+)"', re.MULTILINE)  # versionlock.toml


def detect(root: Path) -> bool:
    """Whether the system below ``root`` has packages of rpm and sources of dnf."""
    return _database(root) is not None and (root / "etc/yum.repos.d").is_dir()


def fingerprint(root: Path) -> str:
    """Return a text that changes with what ``capture`` returns, except when a source gets or loses a package."""
    databases = (f"{folder}/{name}" for folder in _DATABASES for name in _BACKENDS)
    log = f"{_HISTORY}-wal"  # where it exists, dnf changes the database's time even when it only reads
    history = log if (root / log.lstrip("/")).exists() else _HISTORY
    choices = (ALTERNATIVES, alternatives.LINKS)
    return source_files.stamp(root, [*databases, *choices, history, _REASONS, *_recorded_paths(root)])


def capture(root: Path) -> PackageList:
    """Return the packages of the system below ``root``. Raises ProgramError.

    Of a package in several versions, such as a kernel, only the one installed last is returned.
    """
    versions, wanted, gone, locks = _versions(root), _wanted(root), _gone(root), _locks(root)
    gone = set() if gone >= versions.keys() else gone  # then dnf never fetched what the sources have
    packages = (
        Package(
            name=name, architecture=architecture, version=version, held=_is_locked(locks, name, architecture, version),
            manual=wanted is None or (name, architecture) in wanted, available=(name, architecture) not in gone,
        )
        for (name, architecture), version in versions.items()
    )  # fmt: skip
    own = _own_architecture(versions)
    return PackageList(
        manager=Manager.DNF,
        packages=tuple(sorted(packages)),
        foreign_architectures=tuple(sorted({of for _, of in versions} - {own, *ANY})),
        files=files(root),
        alternatives=alternatives.manual(root, ALTERNATIVES),
    )


def installed(root: Path) -> tuple[str, dict[tuple[str, str], str]]:
    """Return what is installed in the system below ``root``, as ``PackageManager`` says. Raises ProgramError."""
    versions = _versions(root)
    return _own_architecture(versions), versions


def _own_architecture(versions: Mapping[tuple[str, str], str]) -> str:
    """Return the architecture of most packages: rpm's own word for the machine's differs on some machines."""
    counted = Counter(of for _, of in versions if of not in ANY).most_common(1)
    return counted[0][0] if counted else os.uname().machine


def installed_since(root: Path, moment: int) -> list[str]:
    """Return the packages (``name.architecture``) installed at ``moment`` (seconds since the epoch) or later."""
    rows = _rows(root)
    return [f"{name}.{of}" for name, of, _, when in rows if when >= moment]


def files(root: Path) -> tuple[SourceFile, ...]:
    """Return the files that are recorded: sources, keys, settings."""
    return source_files.read(root, _recorded_paths(root))


def _database(root: Path) -> str | None:
    """Return the folder of rpm's database, as seen below ``root``; None without one."""
    return next(
        (folder for folder in _DATABASES for name in _BACKENDS if (root / folder.lstrip("/") / name).is_file()), None
    )


def _versions(root: Path) -> dict[tuple[str, str], str]:
    """Return, by (name, architecture), the version that was installed last."""
    return {(name, architecture): version for name, architecture, version, _ in _rows(root)}


def _rows(root: Path) -> Iterator[tuple[str, str, str, int]]:
    """Yield name, architecture, version and time (since the epoch) of each package, in the order of installation."""
    database = [f"--dbpath={folder}"] if (folder := _database(root)) else []
    text = program.ask(["rpm", f"--root={root}", *database, "-qa", "--qf", _FORMAT])
    rows = sorted((line.split("\t") for line in text.splitlines()), key=lambda row: int(row[-1]))
    for name, epoch, version, architecture, when in rows:
        version = version if epoch == "0" else f"{epoch}:{version}"
        if NAME.fullmatch(name) and VERSION.fullmatch(version) and ARCHITECTURE.fullmatch(architecture):
            yield name, architecture, version, int(when)  # keys of rpm itself (gpg-pubkey) have no architecture


def _wanted(root: Path) -> set[tuple[str, str]] | None:
    """Return the packages that somebody asked for; None where dnf does not say."""
    try:
        return _asked(root, "--userinstalled", "--disablerepo=*")
    except ProgramError:
        if os.geteuid() == 0:
            raise
        return None  # a plain user's dnf has its own cache and history


def _gone(root: Path) -> set[tuple[str, str]]:
    """Return the packages that no source has; none where dnf does not know what the sources have."""
    try:
        return _asked(root, "--extras") or set()
    except ProgramError as error:
        if error.hangs:
            raise
        return set()


def _asked(root: Path, *options: str) -> set[tuple[str, str]] | None:
    dnf = program.find("dnf5", "dnf")
    if not dnf:
        return None
    elsewhere = [f"--installroot={root}", "--releasever=/"] if root != Path("/") else []
    words = program.ask([dnf, "-q", "-C", *elsewhere, "repoquery", *options, "--qf", _PAIRS]).split()
    return set(zip(words[0::2], words[1::2], strict=False))


def _locks(root: Path) -> list[str]:
    """Return the patterns of the packages that the plugin versionlock holds."""
    old, new = (source_files.text_of(root, path) for path in _LOCKS)
    lines = (line.strip() for line in old.splitlines())
    return [line for line in lines if line and line[0] not in "#!"] + _LOCKED_NAME.findall(new)


def _is_locked(locks: list[str], name: str, architecture: str, version: str) -> bool:
    epoch, _, rest = version.rpartition(":")
    full = (f"{name}-{rest}", f"{name}-{epoch or '0'}:{rest}")
    texts = [name, *full, *(f"{text}.{architecture}" for text in full)]
    return any(fnmatchcase(text, lock) for lock in locks for text in texts)


def _recorded_paths(root: Path) -> list[str]:
    """Return the paths of what is recorded: repositories, the keys that they name anywhere, variables, settings."""
    paths = [path for folder, names in _FOLDERS.items() for path in source_files.listed(root, folder, names)]
    texts = (source_files.text_of(root, path) for path in paths if path.endswith(".repo"))
    # one with a variable in it lies in /etc/pki/rpm-gpg, which is recorded whole
    named = [key for text in texts for key in _KEY.findall(text) if "$" not in key and "\0" not in key]
    keys = set(map(os.path.normpath, named))
    return [*_FILES, *paths, *sorted(keys.difference(paths))]
