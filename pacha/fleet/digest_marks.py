"""How far the last digest came, host by host: ``<hosts_path>/.pacha/digest``, JSON, 0600. See docs/on-disk.rst.

It records snapshots, so that no clock matters.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from pacha.errors import DamagedError, LockedError, PachaError
from pacha.server.check_results import node, open_folder
from pacha.system.atomic import replace_in
from pacha.text import escape, printable
from pacha.wire import message

_NAME = "digest"
_VERSION = 1
_MOST_BYTES = 64 << 20
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class HostMark:
    """A host in its last digest: its newest snapshot ("" for none), why it could not be read ("" if it could).

    ``at`` is the time of that digest (seconds since the epoch).
    """

    tip: str = ""
    fault: str = ""
    at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """The time of the last digest of all hosts (seconds since the epoch; None: never), and the mark of each host."""

    at: float | None = None
    hosts: Mapping[str, HostMark] = field(default_factory=dict)


class MarksFile:
    """The file with the marks of a master, which this process has locked."""

    def __init__(self, folder: int, path: str) -> None:
        self._folder = folder
        self._path = path

    def read(self) -> Marks:
        """Return the marks. Raises DamagedError, OSError."""
        try:
            fd = os.open(_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._folder)
        except FileNotFoundError:
            return Marks()
        try:
            with open(fd, encoding="ascii") as stream:
                return _marks(stream.read(_MOST_BYTES))
        except (ValueError, TypeError, KeyError, AttributeError):
            raise DamagedError(
                f"{self._path} is damaged.",
                "it says where the last digest stopped",
                "Look at what changed: pacha changes; then remove it: the next digest begins with the last day.",
                code="digest-marks-damaged",
            ) from None

    def write(self, marks: Marks) -> None:
        """Replace the marks atomically, and sync. Raises OSError."""
        hosts = {host: asdict(mark) for host, mark in sorted(marks.hosts.items())}
        text = json.dumps({"version": _VERSION, "at": marks.at, "hosts": hosts})
        replace_in(self._folder, _NAME, text.encode("ascii"))
        os.fsync(self._folder)


def _marks(text: str) -> Marks:
    values = message.decode(text)
    if values["version"] != _VERSION:
        raise ValueError("of a newer Pacha")
    hosts = {
        host: HostMark(tip=node(mark["tip"]), fault=printable(mark["fault"]), at=_time(mark.get("at")))
        for host, mark in values["hosts"].items()
    }
    return Marks(at=_time(values["at"]), hosts=hosts)


def _time(value: object) -> float | None:
    return None if value is None else message.seconds(value)


@contextmanager
def opened(hosts_path: bytes, seconds: float = 0.0) -> Iterator[MarksFile]:
    """Yield the marks of the master with ``hosts_path``, locked; wait up to ``seconds`` for another digest to end.

    Raises LockedError, PachaError.
    """
    path = f"{escape(hosts_path)}/.pacha/{_NAME}"
    try:
        folder = open_folder(hosts_path)
    except OSError as error:
        raise PachaError(
            f"{path} cannot be used.",
            f"its folder: {error.strerror}",
            "Run this as root.",
            code="digest-marks-unusable",
        ) from None
    try:
        _lock(folder, time.monotonic() + seconds)
        for leftover in (name for name in os.listdir(folder) if name.startswith(f".{_NAME}.")):
            os.unlink(leftover, dir_fd=folder)  # of a killed run
        yield MarksFile(folder, path)
    finally:
        os.close(folder)


def _lock(folder: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
                continue
        raise LockedError(
            "Another digest is at work.",
            "two would tell the same",
            "Run this again when it is done.",
            code="digest-at-work",
        )
