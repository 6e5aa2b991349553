"""The hosts of a master, and their states by their heartbeats.

A host may forge the content of its folder. So little of it is read, through descriptors and without following links,
and checked.
"""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass, replace
from enum import Enum

from pacha.config.keys import HOST_NAME
from pacha.errors import ExitCode, PachaError
from pacha.files.dirfd import DIRECTORY, DirectoryFds
from pacha.server import check_results
from pacha.server.check_results import CheckResult
from pacha.system.presence import ABSENT
from pacha.text import escape
from pacha.wire import heartbeat, local_store
from pacha.wire.heartbeat import GRACE, MOST_HOURS, Heartbeat
from pacha.wire.master import CHANGELOG

#: The note for a link in the place of a host's folder.
LINK = "its folder is a link, which nothing here follows: move the folder itself there, or mount it"
#: The fault of a host that has nothing on the master yet. Stored results have this text, so it must not change.
NEVER_PUSHED = "it has never pushed"
_AHEAD = 300.0  #: seconds that a heartbeat may be ahead of the clock


class State(Enum):
    """How late a host is by its own frequency; the worst first."""

    NEVER = "never"  #: it has nothing on the master
    SILENT = "silent"  #: three pushes or more are missing
    LATE = "late"
    FRESH = "fresh"


@dataclass(frozen=True, slots=True)
class HostStatus:
    """A host. ``note``: a fault, safe to print, "" for none; ``heartbeat`` and ``checked`` are None for none."""

    host: str
    state: State
    heartbeat: Heartbeat | None
    checked: CheckResult | None
    note: str = ""

    @property
    def fine(self) -> bool:
        """Whether there is nothing to look at."""
        return self.state is State.FRESH and not self.note and (self.checked is None or self.checked.code == 0)


def hosts(hosts_path: bytes, now: float | None = None) -> tuple[HostStatus, ...]:
    """The hosts of a master, the worst first, then by name. Raises PachaError."""
    now, checks = time.time() if now is None else now, check_results.read(hosts_path)
    statuses = [_look(hosts_path, host, checks.get(host), now) for host in names(hosts_path)]
    order = list(State)
    return tuple(sorted(statuses, key=lambda status: (order.index(status.state), status.fine, status.host)))


def names(hosts_path: bytes) -> list[str]:
    """The hosts with a folder, or with a link in its place. Raises PachaError."""
    try:
        with os.scandir(hosts_path) as entries:
            folders = [entry for entry in entries if entry.is_symlink() or entry.is_dir(follow_symlinks=False)]
            folder_names = [os.fsdecode(entry.name) for entry in folders]
    except OSError as error:
        raise PachaError(
            f"{escape(hosts_path)} cannot be read.",
            error.strerror or "",
            "It is pacha.hosts.path; on a master it holds a folder for each host: pacha add-host",
            code="hosts-folder-unreadable",
        ) from None
    return sorted(name for name in folder_names if HOST_NAME.fullmatch(name))


def _look(hosts_path: bytes, host: str, checked: CheckResult | None, now: float) -> HostStatus:
    folder = os.path.join(hosts_path, os.fsencode(host))
    try:
        fd = os.open(folder, DIRECTORY)
        try:
            heartbeat = read_heartbeat(fd)
            has_history = heartbeat is None or _is_kept(fd)
        finally:
            os.close(fd)
    except OSError as error:
        why = LINK if os.path.islink(folder) else f"cannot be read: {error.strerror}"
        return HostStatus(host, State.SILENT, None, checked, why)
    except ValueError:
        return HostStatus(host, State.SILENT, None, checked, "its last-push makes no sense")
    if heartbeat is None:
        return HostStatus(host, State.NEVER, None, checked)
    if not has_history:
        return HostStatus(host, State.NEVER, heartbeat, checked, "its db is gone")
    if heartbeat.at > now + _AHEAD:
        return HostStatus(host, State.SILENT, heartbeat, checked, "its last push lies in the future")
    return HostStatus(host, _state(heartbeat, now), heartbeat, _still_true(checked), frequency_note(heartbeat))


def frequency_note(heartbeat: Heartbeat) -> str:
    """A note for a host that claims to push so rarely that nobody would miss it, "" for any other."""
    if heartbeat.claimed is None:
        return ""
    return f"it says that it pushes every {heartbeat.claimed:g} hours: {MOST_HOURS:g} are counted"


def _still_true(checked: CheckResult | None) -> CheckResult | None:
    """The last check of a host that has pushed, without the fault that it never did; None if no other fault is left."""
    if checked is None or NEVER_PUSHED not in checked.faults:
        return checked
    remaining = tuple(fault for fault in checked.faults if fault != NEVER_PUSHED)
    return replace(checked, faults=remaining) if remaining else None


def _state(heartbeat: Heartbeat, now: float) -> State:
    age, every = now - heartbeat.at, heartbeat.frequency * 3600
    if age <= every + GRACE:
        return State.FRESH
    return State.LATE if age <= 3 * every + GRACE else State.SILENT


def _is_kept(fd: int) -> bool:
    """Whether the folder ``fd`` has its own ``db``, without a link on the way. Raises OSError."""
    try:
        with DirectoryFds(b"/proc/self/fd/%d" % fd) as descent:
            folder, name = descent.parent(os.fsencode(CHANGELOG))
            return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except ABSENT:
        return False


def read_heartbeat(fd: int) -> Heartbeat | None:
    """Read ``last-push`` in the folder ``fd``; None if it is missing. Raises OSError, ValueError."""
    text = local_store.read_heartbeat(fd)
    return None if text is None else heartbeat.parse(text)


def exit_code(statuses: tuple[HostStatus, ...]) -> ExitCode:
    """3 if there is a host that is not fresh, or whose last check found a fault."""
    return ExitCode.DONE if all(status.fine for status in statuses) else ExitCode.CONCERNS
