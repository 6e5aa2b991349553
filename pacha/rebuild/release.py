"""The release of the distribution that a snapshot's /etc is of, compared with that of the machine it comes to."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pacha.errors import Concern
from pacha.fetch.spool import Spool
from pacha.files import dirfd
from pacha.files.dirfd import DirectoryFds
from pacha.files.paths import rebase
from pacha.rebuild import actual_state
from pacha.rebuild.planning import PlannedRebuild
from pacha.text import escape, masked

OS_RELEASE, LSB, DEBIAN, ALPINE = (
    b"/etc/os-release",
    b"/etc/lsb-release",
    b"/etc/debian_version",
    b"/etc/alpine-release",
)
#: What may be recorded, the best first. Most distributions have a link at /etc/os-release: no content is recorded.
RECORDED = (OS_RELEASE, LSB, ALPINE, DEBIAN)
_OF_MACHINE = (OS_RELEASE, b"/usr/lib/os-release")  # os-release(5)
LARGEST = 4096  #: bytes of such a file that are read
_SHOWN = 40  #: characters of a name or a version


@dataclass(frozen=True, slots=True)
class Release:
    """A distribution, in lower case, and its release; both are another's text until ``str`` has made them safe."""

    distribution: str
    version: str

    def __str__(self) -> str:
        return " ".join(masked(part, _SHOWN) for part in (self.distribution.capitalize(), self.version) if part)


@dataclass(frozen=True, slots=True)
class ReleaseChange:
    """A snapshot of one release that comes to another: the path that told what was recorded, and both."""

    path: bytes
    recorded: Release
    here: Release


def change_of(spool: Spool, target: bytes) -> ReleaseChange | None:
    """Whether what was fetched is of another release than the machine that gets it; a mere folder is of none."""
    if target and actual_state.accounts_of_root(target) is None:
        return None
    recorded = {path: spool.bytes_of(path, LARGEST) for path in RECORDED if path in spool.places}
    return compare(recorded, target or b"/")


def with_concern(planned: PlannedRebuild, host: str, change: ReleaseChange | None, target: bytes) -> PlannedRebuild:
    """``planned`` with ``change``, if there is one, as something to look at."""
    if change is None:
        return planned
    concern = Concern(rebase(change.path, target), words(host, change, target))
    return replace(planned, plan=replace(planned.plan, concerns=(concern, *planned.plan.concerns)))


def compare(recorded: Mapping[bytes, bytes], root: bytes) -> ReleaseChange | None:
    """What the files ``recorded`` (the beginning of each, by path) say, if the machine at ``root`` is of another.

    None where either cannot be told.
    """
    for path in RECORDED:
        was = _of(path, recorded.get(path, b""))
        if was is not None:
            here = _here(path, was, root)
            return ReleaseChange(path, was, here) if here is not None and _differ(was, here) else None
    return None


def _here(path: bytes, was: Release, root: bytes) -> Release | None:
    """The release of the machine at ``root``, which may be a derivative with the ``path`` of what it derives from.

    Otherwise that file is not believed: an earlier rebuild may have brought it.
    """
    own = next((found for name in _OF_MACHINE if (found := _of(OS_RELEASE, _read(name, root)))), None)
    if own is not None and own.version and own.distribution == was.distribution:
        return own
    same_file = _of(path, _read(path, root))
    return same_file if own is None or same_file == was or own.distribution == was.distribution else own


def _differ(was: Release, here: Release) -> bool:
    if was.distribution != here.distribution:
        return True
    return bool(was.version and here.version) and was.version != here.version


def words(host: str, change: ReleaseChange, target: bytes) -> str:
    """What a person is told before anything else: one line, safe to print."""
    machine = f"the machine below {escape(target)}" if target else "this machine"
    return f"'{host}' was {change.recorded}; {machine} is {change.here}."


def _read(path: bytes, root: bytes) -> bytes:
    """The beginning of a file of the machine at ``root``, b"" for none; no link is followed."""
    try:
        with DirectoryFds(root) as descent:
            directory, name = descent.parent(path[1:])
            with open(os.open(name, dirfd.READ, dir_fd=directory), "rb") as stream:
                return stream.read(LARGEST)
    except OSError:
        return b""


def _of(path: bytes, content: bytes) -> Release | None:
    """The release that a file of this path names, None for none."""
    found = _READERS[path](content.decode("utf-8", "replace"))
    if found is None or not found.distribution:
        return None
    return Release(found.distribution.lower(), _significant(found.distribution.lower(), found.version))


def _significant(distribution: str, version: str) -> str:
    """``version`` without what an upgrade within a release changes."""
    parts = version.split(".")
    return ".".join(parts[: {"debian": 1, "alpine": 2}.get(distribution, len(parts))])


def _assigned(text: str, distribution: str, version: str) -> Release | None:
    pairs = dict(re.findall(r"""^([A-Z_]+)=["']?([^"'\n]*)""", text, re.MULTILINE))
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
