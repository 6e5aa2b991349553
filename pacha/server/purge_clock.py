"""Stop unattended purges by age if the clock may have leapt ahead: everything would look old.

A person has to look at the clock then. The time of the last run is kept in ``<hosts_path>/.pacha/purged-all``: seconds
since the epoch.
"""

from __future__ import annotations

import os
from datetime import timedelta

from pacha.errors import PachaError
from pacha.files.dirfd import READ, open_own
from pacha.server import hosts
from pacha.server.check_results import FOLDER, replace_note
from pacha.text import local_minute

_FILE = "purged-all"
_LONGEST = timedelta(days=31).total_seconds()  #: between two runs
_AHEAD = timedelta(days=1).total_seconds()  #: that a clock may be set back


def check(hosts_path: bytes, now: float) -> None:
    """Raise PachaError if the last run is so long before ``now`` (since the epoch) that the clock may be wrong.

    If no run is known, or its time lies in the future, as after a run with a wrong clock, the newest snapshot of all
    hosts counts in its place: that has the time of a host's clock.
    """
    noted = _read(hosts_path)
    last = noted if noted is not None and noted <= now + _AHEAD else _newest_snapshot(hosts_path, now)
    if last is None or now - last <= _LONGEST:
        return
    raise PachaError(
        "Nothing was purged: this machine's clock may have leapt ahead.",
        f"it says {local_minute(now)}, and the last run, or snapshot, was at {local_minute(last)}",
        "Look at the clock (date). If it is right, run it once by hand, without --yes: pacha purge --all",
        code="purge-clock",
    )


def _newest_snapshot(hosts_path: bytes, now: float) -> float | None:
    """When the newest snapshot of all hosts was made, without those in the future; None if there is none."""
    heartbeats = [status.heartbeat for status in hosts.hosts(hosts_path, now)]
    times = [beat.made for beat in heartbeats if beat and beat.made]
    return max((at for at in times if at <= now + _AHEAD), default=None)


def note(hosts_path: bytes, now: float) -> None:
    """Remember a run at ``now``. Raises OSError."""
    replace_note(hosts_path, _FILE, b"%.0f\n" % now)


def _read(hosts_path: bytes) -> float | None:
    """When the last run was; None if that is unknown."""
    try:
        fd = open_own(os.path.join(hosts_path, FOLDER))
    except OSError:
        return None
    try:
        with open(os.open(_FILE, READ, dir_fd=fd), "rb") as stream:
            return float(int(stream.read(20)))
    except (OSError, ValueError):
        return None
    finally:
        os.close(fd)
