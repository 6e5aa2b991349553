"""Errors that a user can act on, concerns that a run reports, and the exit codes of both.

The codes are a contract (see ``docs/exit-codes.rst``): monitoring and scripts depend on them.
"""

from __future__ import annotations

import errno
import os
from copy import copy
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

from pacha.text import escape, printable

_Error = TypeVar("_Error", bound="PachaError")

#: Limits of this process (setrlimit(2)), by the error that tells of them.
_LIMITS = {errno.EFBIG: "ulimit -f", errno.EMFILE: "ulimit -n"}
#: Faults of the system, not of Pacha: a full, read-only or failing disk, no permission, no memory, a limit.
OF_THE_SYSTEM = frozenset([
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENFILE, errno.EIO, errno.ENOMEM, *_LIMITS,
])  # fmt: skip


def refused(error: OSError | MemoryError) -> OSError | None:
    """The refusal of the system that an error is; None for a fault of Pacha. Too little memory is ENOMEM."""
    if isinstance(error, MemoryError):
        return OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    return error if error.errno in OF_THE_SYSTEM else None


def refusal(error: OSError) -> str:
    """Say in words what the system refuses: the error, the limit that it tells of, and its path, safe to print."""
    name = error.filename
    return cause(error) + (f": {escape(name)}" if isinstance(name, str | bytes) else "")


def cause(error: OSError) -> str:
    """Say an error of the system in words, with the limit of this process that it tells of, without its path."""
    limit = f" ({_LIMITS[error.errno]})" if error.errno in _LIMITS else ""
    return (error.strerror or str(error)) + limit


class ExitCode(IntEnum):
    """The exit codes of Pacha's processes."""

    DONE = 0
    FAILED = 1  #: failed, nothing lost
    USAGE = 2
    CONCERNS = 3  #: done, with something to look at, named on stderr
    CONFIG = 10
    UNREACHABLE = 11  #: the master is not reachable, not known, or refuses the login
    LOCKED = 12  #: another run holds the lock
    DAMAGED = 13  #: data from the master is damaged or inconsistent
    SIGNAL = 128  #: plus the signal's number


class PachaError(Exception):
    """Something failed, and the user can act on it.

    ``message`` says what failed, ``why`` the cause, ``hint`` what to do next: one line (str) each. They are safe to
    print whatever they were made from: what a terminal would obey is escaped here. They are for people. Programs
    decide by the class; by ``code``, which stays the same when the words change; and by ``subject``, which
    distinguishes faults with one code (a path, a name; "" where there is no need). ``exit_code`` is the process's.
    """

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, message: str, why: str = "", hint: str = "", *, code: str, subject: str = "") -> None:
        super().__init__(printable(message))
        self.message = printable(message)
        self.why = printable(why)
        self.hint = printable(hint)
        self.code = code
        self.subject = subject

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), vars(self))  # errors are pickled between processes

    @property
    def fault(self) -> tuple[type[PachaError], str, str]:
        """The fault's identity: equal for two errors that report the same fault."""
        return type(self), self.code, self.subject

    def with_advice(self: _Error, *advice: str) -> _Error:
        """The same error with ``advice`` appended to its hint."""
        error = copy(self)
        error.hint = " ".join(filter(None, [self.hint, *advice]))
        return error

    @property
    def in_a_line(self) -> str:
        """The message and the cause, on one line."""
        joint = " " if self.message.endswith(".") else ": "
        return joint.join(filter(None, [self.message, self.why]))


def _restore(kind: type[PachaError], fields: dict[str, Any]) -> PachaError:
    error = kind.__new__(kind, fields["message"])
    vars(error).update(fields)
    return error


class UsageError(PachaError):
    """The command line is invalid; nothing was done."""

    exit_code = ExitCode.USAGE


class ConfigError(PachaError):
    """The configuration is missing or invalid."""

    exit_code = ExitCode.CONFIG


class UnreachableError(PachaError):
    """The master cannot be reached, has another host key than is known, or refuses the login."""

    exit_code = ExitCode.UNREACHABLE


class LockedError(PachaError):
    """Another run holds the lock: ``work`` says what it does ("push", or ""), ``seconds`` for how long."""

    exit_code = ExitCode.LOCKED
    work: str = ""
    seconds: float = 0.0


class DamagedError(PachaError):
    """Data from the master is damaged, hostile or inconsistent."""

    exit_code = ExitCode.DAMAGED


class PurgedError(PachaError):
    """The content of a file was erased from the history on purpose: there is nothing to read, and no damage."""

    exit_code = ExitCode.CONCERNS


class SealedError(PurgedError):
    """The content of a file is sealed, and nothing here opens it: to a reader there is none, as after a purge."""


class UntoldError(PachaError):
    """The work is done, but its result cannot be printed."""

    exit_code = ExitCode.CONCERNS


class Signalled(BaseException):
    """A signal (``number``) ended the run; ``state`` describes in one or two lines (str) what was done.

    Not an Exception, so that only clean-up handlers catch it.
    """

    def __init__(self, number: int, state: str = "") -> None:
        super().__init__(number)
        self.number = number
        self.state = state


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that a person should look at: a path that was not kept or not restored, and why (safe to print)."""

    path: bytes
    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", printable(self.reason))


def no_more_processes() -> PachaError:
    """The error where the system starts no more threads or processes."""
    return PachaError(
        "The system starts no more threads or processes.",
        "a limit is reached: TasksMax of the unit, ulimit -u, or that of the container",
        "Raise it, or end other programs, and run this again.",
        code="no-more-processes",
    )
