"""Errors that a user can act on, concerns that a run reports, and the exit codes of both.

The codes are a contract (see ``docs/exit-codes.rst``): monitoring and scripts depend on them.
"""

from __future__ import annotations

import errno
from copy import copy
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

_Error = TypeVar("_Error", bound="PachaError")

#: Not faults of Pacha's own: a full or read-only disk, no permission, too many open files, a failing disk.
OF_THE_SYSTEM = frozenset(
    [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.EIO]
)


class ExitCode(IntEnum):
    """What a process of Pacha says to the shell."""

    DONE = 0
    FAILED = 1  #: failed, nothing lost
    USAGE = 2
    CONCERNS = 3  #: done, with something to look at, named on stderr
    CONFIG = 10
    UNREACHABLE = 11  #: master not reachable, not known or not letting us in
    LOCKED = 12  #: another run holds the lock
    DAMAGED = 13  #: what came from the master is damaged or does not add up
    SIGNAL = 128  #: plus the number of the signal


class PachaError(Exception):
    """Something failed, and the user can act on it.

    ``message`` says what failed, ``why`` the cause, ``hint`` what to do next: one line (str) each, already safe to
    print. They are for people alone: a program decides by the kind, by ``code``, which stays the same when words
    change, and by ``subject``, which tells two faults of one code apart (a path, a name; "" where there is no need).
    ``exit_code`` is the process's exit code.
    """

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, message: str, why: str = "", hint: str = "", *, code: str, subject: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.why = why
        self.hint = hint
        self.code = code
        self.subject = subject

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), vars(self))  # a worker process hands errors over

    @property
    def fault(self) -> tuple[type[PachaError], str, str]:
        """What is wrong, to be compared."""
        return type(self), self.code, self.subject

    def with_advice(self: _Error, *advice: str) -> _Error:
        """The same error with more to do next."""
        error = copy(self)
        error.hint = " ".join(filter(None, [self.hint, *advice]))
        return error

    @property
    def in_a_line(self) -> str:
        """What failed and why."""
        joint = " " if self.message.endswith(".") else ": "
        return joint.join(filter(None, [self.message, self.why]))


def _restore(kind: type[PachaError], fields: dict[str, Any]) -> PachaError:
    error = kind.__new__(kind, fields["message"])
    vars(error).update(fields)
    return error


class UsageError(PachaError):
    """What was asked for makes no sense; nothing was tried."""

    exit_code = ExitCode.USAGE


class ConfigError(PachaError):
    """The configuration is absent or wrong."""

    exit_code = ExitCode.CONFIG


class UnreachableError(PachaError):
    """The master cannot be reached, is not who we know, or does not let us in."""

    exit_code = ExitCode.UNREACHABLE


class LockedError(PachaError):
    """Another run holds the lock: ``work`` is what it does ("push"; "" for anything else), ``seconds`` since when."""

    exit_code = ExitCode.LOCKED
    work: str = ""
    seconds: float = 0.0


class DamagedError(PachaError):
    """What came from the master is damaged, hostile or does not add up."""

    exit_code = ExitCode.DAMAGED


class UntoldError(PachaError):
    """It is done, but what there is to say of it cannot be printed."""

    exit_code = ExitCode.CONCERNS


class Signalled(BaseException):
    """A signal (``number``) ended the run; ``state`` says in one or two lines (str) how things stand now.

    Not an Exception, so that nothing but a clean-up comes between it and the end of the process.
    """

    def __init__(self, number: int, state: str = "") -> None:
        super().__init__(number)
        self.number = number
        self.state = state


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing that a person should look at: a path that was not kept or not restored, and why."""

    path: bytes
    reason: str
