"""Every host of a master, and its state by the heartbeat that it left.

What lies in a host's folder is the host's to forge. It is read through descriptors, little of it, and believed
only where it makes sense; nothing in there is followed.
"""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass, replace
from enum import Enum

from pacha.config.keys import HOST_NAME
from pacha.errors import ExitCode, PachaError
from pacha.files.dirfd import DirectoryFds
from pacha.server import check_results
from pacha.server.check_results import CheckResult
from pacha.text import escape
from pacha.wire import heartbeat, local_store
from pacha.wire.heartbeat import MOST_HOURS, Heartbeat
from pacha.wire.master import CHANGELOG

_GRACE = 2 * 3600.0  #: seconds: the job runs every hour, and once more after a failure
#: What is said of a link in the place of a host's folder.
LINK = "its folder is a link, which nothing here follows: move the folder itself there, or mount it"
#: What a check says of a host of which there is nothing yet.
#: A fault as the stored results of checks have it, by which it is known again: it must not change.
NEVER_PUSHED = "it has never pushed"
_AHEAD = 300.0  #: seconds that a heartbeat may lie ahead of the clock


class State(Enum):
    """How long ago a host was heard of, by its own frequency; the worst first."""

    NEVER = "never"  #: nothing is kept of it
    SILENT = "silent"  #: three pushes or more are missing
    LATE = "late"
    FRESH = "fresh"


@dataclass(frozen=True, slots=True)
class HostStatus:
    """One host. ``note``: what is odd about it (str, safe to print); ``heartbeat`` and ``checked``: None, if none."""

    host: str
    state: State
    heartbeat: Heartbeat | None
    checked: CheckResult | None
    note: str = ""

    @property
    def fine(self) -> bool:
        """Whether nothing needs a look."""
        return self.state is State.FRESH and not self.note and (self.checked is None or self.checked.code == 0)


def hosts(hosts_path: bytes, now: float | None = None) -> tuple[HostStatus, ...]:
    """Every host of a master, the worst first, those that are alike by name. Raises PachaError."""
    now, checks = time.time() if now is None else now, check_results.read(hosts_path)
    seen = [_look(hosts_path, host, checks.get(host), now) for host in names(hosts_path)]
    order = list(State)
    return tuple(sorted(seen, key=lambda one: (order.index(one.state), one.fine, one.host)))


def names(hosts_path: bytes) -> list[str]:
    """The hosts that have a folder, or a link in the place of one. Raises PachaError."""
    try:
        with os.scandir(hosts_path) as entries:
            folders = [one for one in entries if one.is_symlink() or one.is_dir(follow_symlinks=False)]
            found = [os.fsdecode(one.name) for one in folders]
    except OSError as error:
        raise PachaError(
            f"{escape(hosts_path)} cannot be read.",
            error.strerror or "",
            "It is pacha.hosts.path; on a master it holds a folder for each host: pacha add-host",
            code="hosts-folder-unreadable",
        ) from None
    return sorted(name for name in found if HOST_NAME.fullmatch(name))


def _look(hosts_path: bytes, host: str, checked: CheckResult | None, now: float) -> HostStatus:
    folder = os.path.join(hosts_path, os.fsencode(host))
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            heartbeat = read_heartbeat(fd)
            kept = heartbeat is None or _is_kept(fd)
        finally:
            os.close(fd)
    except OSError as error:
        why = LINK if os.path.islink(folder) else f"cannot be read: {error.strerror}"
        return HostStatus(host, State.SILENT, None, checked, why)
    except ValueError:
        return HostStatus(host, State.SILENT, None, checked, "its last-push makes no sense")
    if heartbeat is None:
        return HostStatus(host, State.NEVER, None, checked)
    if not kept:
        return HostStatus(host, State.NEVER, heartbeat, checked, "its db is gone")
    if heartbeat.at > now + _AHEAD:
        return HostStatus(host, State.SILENT, heartbeat, checked, "its last push lies in the future")
    return HostStatus(host, _state(heartbeat, now), heartbeat, _still_true(checked), frequency_note(heartbeat))


def frequency_note(heartbeat: Heartbeat) -> str:
    """What to say of a host that claims to push so rarely that nobody would ever miss it, "" for any other."""
    if heartbeat.claimed is None:
        return ""
    return f"it says that it pushes every {heartbeat.claimed:g} hours: {MOST_HOURS:g} are counted"


def _still_true(checked: CheckResult | None) -> CheckResult | None:
    """What was found by the last check of a host that has pushed: not that it never did."""
    if checked is None or NEVER_PUSHED not in checked.faults:
        return checked
    others = tuple(fault for fault in checked.faults if fault != NEVER_PUSHED)
    return replace(checked, faults=others) if others else None


def _state(heartbeat: Heartbeat, now: float) -> State:
    age, every = now - heartbeat.at, heartbeat.frequency * 3600
    if age <= every + _GRACE:
        return State.FRESH
    return State.LATE if age <= 3 * every + _GRACE else State.SILENT


def _is_kept(fd: int) -> bool:
    """Whether the folder ``fd`` has a ``db`` of its own: no link leads there."""
    try:
        with DirectoryFds(b"/proc/self/fd/%d" % fd) as descent:
            folder, name = descent.parent(os.fsencode(CHANGELOG))
            return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def read_heartbeat(fd: int) -> Heartbeat | None:
    """What stands in ``last-push`` in the folder ``fd``; None if there is none. Raises OSError, ValueError."""
    text = local_store.read_heartbeat(fd)
    return None if text is None else heartbeat.parse(text)


def exit_code(seen: tuple[HostStatus, ...]) -> ExitCode:
    """3 if anything needs a look: a host that is not fresh, or whose last check found something."""
    return ExitCode.DONE if all(one.fine for one in seen) else ExitCode.CONCERNS
