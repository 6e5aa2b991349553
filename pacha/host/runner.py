"""Whether something runs the installed job: the cron daemon, or systemd. A file alone pushes nothing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pacha.host import schedule
from pacha.text import escape

_SYSTEM = Path("/")
_DAEMONS = ("cron", "crond", "cronie", "bcron-sched")  #: those that read /etc/cron.d
_BUSYBOX = "busybox"  #: its crond reads crontabs only
_GENERATOR = "systemd/system-generators/systemd-crontab-generator"  #: of systemd-cron, which needs no daemon
_PROGRAMS = ("usr/sbin", "sbin", "usr/bin", "bin", "usr/local/sbin")
_ELSE = "or have something else run this every hour: pacha push --due"


@dataclass(frozen=True, slots=True)
class Idle:
    """Why nothing runs the job, and what to do about it: a line (str) each."""

    why: str
    cure: str

    @property
    def words(self) -> str:
        """Both, on one line."""
        return f"{self.why}. {self.cure}"


def idle(root: Path = _SYSTEM, jobs: Sequence[Path] | None = None) -> Idle | None:
    """Why nothing would run the job that is installed in the system at ``root``; None if it runs, or there is none.

    ``jobs`` are its files, if they are known. Of another system than this one only what is installed there can be seen.
    """
    jobs = schedule.installed(root) if jobs is None else jobs
    if root / schedule.TIMER in jobs:
        return _systemd(root) or _program(root, root / schedule.SERVICE)
    if root / schedule.CRON in jobs:
        return _cron(root) or _program(root, root / schedule.CRON)
    return None


def _program(root: Path, job: Path) -> Idle | None:
    """The job of a machine that was rebuilt may name a Pacha that lay elsewhere on the old one."""
    named = schedule.program_of(job)
    if root != _SYSTEM or not named or os.access(named, os.X_OK):
        return None
    return Idle(f"{escape(named)}, which it names, is not there", "Install it again: pacha schedule install")


def _systemd(root: Path) -> Idle | None:
    if not schedule.uses_systemd(root):
        return Idle("systemd does not run here", f"Use cron: pacha schedule install --cron; {_ELSE}")
    if root != _SYSTEM:
        return None
    for question, wanted in (("is-enabled", "enabled"), ("is-active", "active")):
        answer = _ask_systemd(question)
        if answer != wanted:
            return Idle(f"systemd says that pacha-push.timer is {answer}", "Install it again: pacha schedule install")
    return None


def _ask_systemd(question: str) -> str:
    command = ["systemctl", question, "pacha-push.timer"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return "not known: systemctl does not answer"
    return done.stdout.strip() or "not known"


def _cron(root: Path) -> Idle | None:
    if schedule.uses_systemd(root) and any((root / folder / _GENERATOR).exists() for folder in ("lib", "usr/lib")):
        return None
    places = (root / folder / name for name in _DAEMONS for folder in _PROGRAMS)
    daemons = [place for place in places if os.path.lexists(place)]
    if not daemons:
        return Idle("no cron daemon is installed", f"Install one (Debian: apt-get install cron), {_ELSE}")
    if all(os.path.basename(os.path.realpath(daemon)) == _BUSYBOX for daemon in daemons):
        line = "pacha schedule show --cron"
        return Idle("busybox's crond does not read /etc/cron.d", f"Put the line of '{line}' into root's crontab")
    if root != _SYSTEM or _is_running(daemons) is not False:
        return None
    name = daemons[0].name
    return Idle(f"{name} does not run", f"Start it, now and at each boot (service {name} start), {_ELSE}")


def _is_running(daemons: list[Path], processes: Path = Path("/proc")) -> bool | None:
    """Whether one of ``daemons`` runs in this system; None where that cannot be seen."""
    names = {daemon.name for daemon in daemons}
    try:
        numbers = [name for name in os.listdir(processes) if name.isdigit()]
    except OSError:
        return None
    if not numbers:
        return None
    return any(_name(processes / number) in names and _is_of_this_system(processes / number) for number in numbers)


def _name(process: Path) -> str:
    with suppress(OSError):
        return (process / "comm").read_text("utf-8", "replace").strip()
    return ""


def _is_of_this_system(process: Path) -> bool:
    """Whether its root is ours: the cron of a rescue system does not read the files of the system in a chroot."""
    try:
        return os.path.samefile(process / "root", "/")
    except OSError:  # another user's process
        return True
