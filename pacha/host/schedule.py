"""The scheduled push: a systemd timer or a cron file, at a minute that differs from host to host."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pacha.errors import PachaError
from pacha.host import due
from pacha.machine.small_files import machine_id
from pacha.system.atomic import replace_file
from pacha.system.executable import program
from pacha.text import escape

_MARK = "# Written by 'pacha schedule install'; 'pacha schedule remove' takes it away.\n"
_APT_MARK = _MARK.replace("#", "//", 1)  # apt.conf(5)
CRON = "etc/cron.d/pacha"
SERVICE = "etc/systemd/system/pacha-push.service"
TIMER = "etc/systemd/system/pacha-push.timer"
WANTED = "etc/systemd/system/timers.target.wants/pacha-push.timer"
APT = "etc/apt/apt.conf.d/80pacha"
_DEFAULT_HOURS = 12.0
_VARIABLES = ("PACHA_CONFIG", "PACHA_STATE")

_SERVICE = """\
[Unit]
Description=Pacha: push what changed to the master
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
{environment}ExecStart={command} -q push --due
# Pushed, with something to look at; another run is at work: no failures of this service.
SuccessExitStatus=3 12
Nice=10
"""
_TIMER = """\
[Unit]
Description=Pacha: push when it is due

[Timer]
OnCalendar=*-*-* {calendar}
{spread}Persistent=true
AccuracySec=1s

[Install]
WantedBy=timers.target
"""
_CRON = """\
SHELL=/bin/sh
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
{environment}{minutes} * * * * root {command} -q push --due
"""
_APT = """\
DPkg::Post-Invoke {{ "timeout 600 {command} -q push --wait 60 -m 'after a package operation' </dev/null || true"; }};
"""


@dataclass(frozen=True, slots=True)
class Job:
    """A scheduled push on the system at ``root``.

    ``command`` is the argv before ``push``, ``environment`` its environment; ``frequency`` is in hours; ``host``
    decides the minute.
    """

    root: Path
    command: tuple[str, ...]
    host: str
    frequency: float = _DEFAULT_HOURS
    environment: Mapping[str, str] = field(default_factory=dict)

    def files(self, systemd: bool, apt: bool) -> dict[str, str]:
        """The text of each file, by its path below ``root``."""
        texts = {SERVICE: self._service(), TIMER: self._timer()} if systemd else {CRON: self._cron()}
        return {**texts, APT: self._apt()} if apt else texts

    def _cron(self) -> str:
        period, first = due.period(self.frequency), self._offset() // 60
        minutes = ",".join(str(minute) for minute in range(first, 60, period))
        words = shlex.join(self.command).replace("%", r"\%")  # crontab(5): without the backslash it is a line break
        environment = "".join(f"{name}={text}\n" for name, text in self._variables())
        return _MARK + _CRON.format(minutes=minutes, command=words, environment=environment)

    def _service(self) -> str:
        program, *options = map(_unit_word, self.command)
        command = " ".join([program, *(option.replace("$", "$$") for option in options)])
        environment = "".join(f"Environment={_unit_word(f'{name}={text}')}\n" for name, text in self._variables())
        return _MARK + _SERVICE.format(command=command, environment=environment)

    def _timer(self) -> str:
        period, (first, second) = due.period(self.frequency), divmod(self._offset(), 60)
        calendar = f"*:{','.join(f'{minute:02d}' for minute in range(first, 60, period))}:{second:02d}"
        # An image has no machine id yet; systemd.timer(5) spreads its machines by theirs.
        spread = "" if machine_id(self.root) else f"RandomizedDelaySec={period}min\nFixedRandomDelay=true\n"
        return _MARK + _TIMER.format(calendar=calendar, spread=spread)

    def _apt(self) -> str:
        environment = [f"{name}={text}" for name, text in self._variables()]
        words = shlex.join([*(["env", *environment] if environment else []), *self.command])
        if '"' in words or "\\" in words:
            raise PachaError(
                "The hook for apt cannot be written.",
                "a name in it has a quote or a backslash",
                "Choose other names, or no --apt.",
                code="invalid-apt-hook-name",
            )
        return _APT_MARK + _APT.format(command=words)

    def _variables(self) -> list[tuple[str, str]]:
        return sorted(self.environment.items())

    def _offset(self) -> int:
        """Seconds after the start of a period: fixed for this host, evenly spread over all hosts."""
        digest = hashlib.sha256(f"{self.host}\0{machine_id(self.root)}".encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") % (due.period(self.frequency) * 60)


def job(root: Path, host: str, frequency: float = _DEFAULT_HOURS, config: str | None = None) -> Job:
    """The job of this installation of Pacha; ``config`` becomes its --config."""
    options = ("--config", os.path.abspath(config)) if config else ()
    environment = {name: os.path.abspath(os.environ[name]) for name in _VARIABLES if os.environ.get(name)}
    running, usual = program(), shutil.which("pacha")
    if usual and os.path.isabs(usual) and os.path.samefile(usual, running):
        running = usual  # an upgrade keeps the path of the one in PATH
    new_job = Job(root, (running, *options), host, frequency, environment)
    if any(not word.isprintable() for word in (*new_job.command, *environment.values())):
        raise PachaError(
            "The job cannot be written.",
            "a name in it has a control character",
            "Choose other names for the files it uses.",
            code="invalid-job-name",
        )
    return new_job


def uses_systemd(root: Path) -> bool:
    """Whether systemd runs (sd_booted(3)); for an image, whether it is installed."""
    return (root / "run/systemd/system").is_dir() or (
        root != Path("/") and os.path.lexists(root / "lib/systemd/systemd")
    )


def install(job: Job, systemd: bool, apt: bool) -> list[Path]:
    """Write the files of ``job``, and remove those of an earlier job of the other kind.

    Returns the files that were written, none if they were there already. Raises PachaError.
    """
    files = job.files(systemd, apt)
    for name in files:
        _check_ours(job.root / name)
    remove(job.root, keeping=[*files, APT], systemd=systemd)
    written = [job.root / name for name, text in files.items() if _write(job.root / name, text)]
    if systemd:
        enabled = job.root / WANTED
        if not os.path.lexists(enabled):  # as ``systemctl enable``, without a running systemd
            enabled.parent.mkdir(mode=0o755, exist_ok=True)
            enabled.symlink_to("../pacha-push.timer")
        _tell_systemd(job.root, ["restart", "pacha-push.timer"])
    return written


def remove(root: Path, keeping: Sequence[str] = (), systemd: bool = False) -> list[Path]:
    """Remove what ``install`` wrote, and nothing else; returns the removed files. Raises PachaError."""
    names = [name for name in (CRON, TIMER, SERVICE, APT) if name not in keeping]
    removed = [root / name for name in names if _is_ours(root / name)]
    if root / TIMER in removed:
        _tell_systemd(root, ["stop", "pacha-push.timer"])
        (root / WANTED).unlink(missing_ok=True)
    for path in removed:
        path.unlink()
    if root / SERVICE in removed and not systemd:
        _tell_systemd(root)
    return removed


def installed(root: Path = Path("/")) -> list[Path]:
    """The installed files of Pacha's job."""
    return [root / name for name in (TIMER, CRON, APT) if _is_ours(root / name)]


def program_of(job: Path) -> str:
    """The absolute path of the program that an installed service or cron file runs, "" where none can be seen.

    Somebody may have edited that file: what is written there need not be what ``install`` writes.
    """
    try:
        lines = job.read_text("utf-8", "surrogateescape").splitlines()
        for line in lines:
            if line.startswith("ExecStart="):  # systemd.service(5) has prefixes
                return _first_path(line.partition("=")[2].lstrip("@-:+!"), "%%")
            if " * * * * root " in line:
                return _first_path(line.partition(" root ")[2], r"\%")
    except (OSError, ValueError):  # ValueError: quotation marks without an end
        return ""
    return ""


def _first_path(command: str, percent: str) -> str:
    """The first word of ``command``, in which ``percent`` stands for that sign, if it is an absolute path, else ""."""
    first = "".join(shlex.split(command)[:1]).replace(percent, "%")
    return first if os.path.isabs(first) else ""


def _is_ours(path: Path) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.readline() in (_MARK, _APT_MARK)
    except OSError:
        return False


def _check_ours(path: Path) -> None:
    if os.path.lexists(path) and not _is_ours(path):
        name = escape(path)
        raise PachaError(
            f"{name} is there already.",
            "Pacha did not write it",
            f"Move it away: rm {name}",
            code="schedule-file-exists",
        )


def _write(path: Path, text: str) -> bool:
    """Replace the file by ``text``, 0644, completely or not at all; returns False if it is the same already."""
    try:
        if path.exists() and path.read_text("utf-8") == text:
            return False
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        replace_file(path, text.encode(), mode=0o644)
    except OSError as error:
        name = escape(path)
        hint = "Run this as root; another user puts a line into a crontab of their own: pacha schedule show --cron"
        raise PachaError(
            f"{name} cannot be written.", error.strerror or "", hint, code="schedule-not-written"
        ) from None
    return True


def _tell_systemd(root: Path, *orders: list[str]) -> None:
    if root != Path("/") or not uses_systemd(root):
        return
    for order in (["daemon-reload"], *orders):
        process = subprocess.run(["systemctl", *order], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if process.returncode:
            complaint = process.stderr.strip().splitlines()[-1:] or [f"exit status {process.returncode}"]
            raise PachaError(
                f"systemctl {' '.join(order)} failed.",
                escape(complaint[0].encode()),
                "See: systemctl status",
                code="systemctl-failed",
            )


def _unit_word(word: str) -> str:
    """Quote a word for systemd.syntax(7), also its '%'."""
    quoted = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{quoted}"' if quoted != word or " " in word or "'" in word else word
