"""Compare the distribution's release in a snapshot with that of the machine to rebuild."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pacha.errors import Concern
from pacha.fetch.spool import Spool
from pacha.files.paths import rebase
from pacha.machine.facts import Facts, assignments
from pacha.rebuild import actual_state
from pacha.rebuild.machine import Machines
from pacha.text import escape, masked

OS_RELEASE, LSB, DEBIAN, ALPINE = (
    b"/etc/os-release",
    b"/etc/lsb-release",
    b"/etc/debian_version",
    b"/etc/alpine-release",
)
#: Files that a snapshot may have, the best first. /etc/os-release is mostly a link, whose content is not recorded.
RECORDED = (OS_RELEASE, LSB, ALPINE, DEBIAN)
_OF_MACHINE = (OS_RELEASE, b"/usr/lib/os-release")  # os-release(5)
LARGEST = 4096  #: bytes of such a file that are read
#: So many parts of a version tell releases apart; the others come with upgrades.
_SIGNIFICANT = {"alpine": 2, **dict.fromkeys(("almalinux", "centos", "debian", "ol", "rhel", "rocky"), 1)}
_SHOWN = 40  #: characters of a name or a version


@dataclass(frozen=True, slots=True)
class Release:
    """A distribution, in lower case, and its release. Both are hostile text; ``str`` makes them safe to print."""

    distribution: str
    version: str

    def __str__(self) -> str:
        return " ".join(masked(part, _SHOWN) for part in (self.distribution.capitalize(), self.version) if part)


@dataclass(frozen=True, slots=True)
class ReleaseChange:
    """A snapshot whose release is not this machine's: the file that says so, and both releases.

    ``path`` is b"" where no file of /etc is restored, so that nobody needs to be told.
    """

    path: bytes
    recorded: Release
    here: Release


def change_of(spool: Spool, target: bytes, machines: Machines | None) -> ReleaseChange | None:
    """The difference between the fetched release and the machine's, None for none. A mere folder has no release.

    Where the files do not tell, the facts of both ``machines`` do.
    """
    if not actual_state.is_system(target):
        return None
    recorded = {path: spool.bytes_of(path, LARGEST) for path in RECORDED if path in spool.places}
    change = compare(recorded, target or b"/")
    if change is not None or machines is None:
        return change
    was, here = _of_facts(machines.recorded), _of_facts(machines.here)
    restores = any(path.startswith(b"/etc/") for path in spool.places)
    different = bool(was.distribution and here.distribution) and _differ(was, here)
    return ReleaseChange(OS_RELEASE if restores else b"", was, here) if different else None


def _of_facts(facts: Facts) -> Release:
    return Release(facts.distribution.lower(), _significant(facts.distribution.lower(), facts.version))


def concerns_of(change: ReleaseChange | None, host: str, target: bytes) -> list[Concern]:
    """What a person should look at because of ``change``, if there is one."""
    return [] if change is None else [Concern(rebase(change.path, target), words(host, change, target))]


def compare(recorded: Mapping[bytes, bytes], root: bytes) -> ReleaseChange | None:
    """Compare the release in the files ``recorded`` (the beginning of each, by path) with the machine's at ``root``.

    None where they are the same, or where one of them is unknown.
    """
    for path in RECORDED:
        was = _of(path, recorded.get(path, b""))
        if was is not None:
            machine = _here(path, was, root)
            return ReleaseChange(path, was, machine) if machine is not None and _differ(was, machine) else None
    return None


def _here(path: bytes, was: Release, root: bytes) -> Release | None:
    """The release of the machine at ``root``, for a comparison with ``was``, which was read from ``path``.

    A derivative has the file at ``path`` of its origin, which then counts if it agrees. Otherwise the machine's own
    os-release counts first: an earlier rebuild may have restored ``path``.
    """
    own = next((release for name in _OF_MACHINE if (release := _of(OS_RELEASE, _read(name, root)))), None)
    if own is not None and own.version and own.distribution == was.distribution:
        return own
    same_file = _of(path, _read(path, root))
    return same_file if own is None or same_file == was or own.distribution == was.distribution else own


def _differ(recorded: Release, machine: Release) -> bool:
    if recorded.distribution != machine.distribution:
        return True
    return bool(recorded.version and machine.version) and recorded.version != machine.version


def words(host: str, change: ReleaseChange, target: bytes) -> str:
    """The difference in one line, safe to print."""
    machine = f"the machine below {escape(target)}" if target else "this machine"
    return f"'{host}' was {change.recorded}; {machine} is {change.here}."


def _read(path: bytes, root: bytes) -> bytes:
    """The beginning of a file of the machine at ``root``, b"" for none. Follows no link."""
    return actual_state.read_below(root, path, LARGEST) or b""


def _of(path: bytes, content: bytes) -> Release | None:
    """The release that the file ``path`` names in ``content``, None for none."""
    release = _READERS[path](content.decode("utf-8", "replace"))
    if release is None or not release.distribution:
        return None
    return Release(release.distribution.lower(), _significant(release.distribution.lower(), release.version))


def _significant(distribution: str, version: str) -> str:
    """``version`` without what an upgrade within a release changes."""
    parts = version.split(".")
    return ".".join(parts[: _SIGNIFICANT.get(distribution, len(parts))])


def _assigned(text: str, distribution: str, version: str) -> Release | None:
    pairs = assignments(text)
    return Release(pairs[distribution].strip(), pairs.get(version, "").strip()) if distribution in pairs else None


def _first_line(text: str, distribution: str) -> Release | None:
    line = text.strip().partition("\n")[0].strip()
    return Release(distribution, line) if line else None


_READERS: Mapping[bytes, Callable[[str], Release | None]] = {
    OS_RELEASE: lambda text: _assigned(text, "ID", "VERSION_ID"),
    LSB: lambda text: _assigned(text, "DISTRIB_ID", "DISTRIB_RELEASE"),
    ALPINE: lambda text: _first_line(text, "alpine"),
    DEBIAN: lambda text: _first_line(text, "debian"),
}
