"""What the programs of a plain account print, as values: the clock, SHA-256 digests, the free space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pacha.errors import DamagedError, UnreachableError
from pacha.text import escape, one_line
from pacha.wire.master import PURGED
from pacha.wire.message import OutOfRange, absurd, digest, seconds
from pacha.wire.remote_errors import key_mismatch, summarize

if TYPE_CHECKING:
    from pacha.wire.ssh import Result

RUN_COMMANDS = (
    "Let the account run commands: one for sftp alone, or without a shell, does not do; a key for Pacha alone needs "
    "one that runs there (pacha add-host). Try: ssh ... date"
)
_DIGITS = 20  #: of a number of bytes or blocks


def clock(result: Result, host: str, user: str) -> float:
    """The seconds that date(1) says to the account ``user`` of ``host``. Raises DamagedError, UnreachableError."""
    *before, line = result.stdout.splitlines() or [b""]
    try:
        now = seconds(float(line.removesuffix(b".%N").removesuffix(b".N")))  # busybox and BSD have no %N
    except OutOfRange as error:
        raise absurd(error) from None
    except ValueError:
        raise key_mismatch(result, host) or _no_master(result) from None
    if before:
        raise UnreachableError(
            "The shell on the master says something before each answer.",
            f"it says: {one_line(before[0], 100)}",
            f"Let ~/.bashrc of {user} there (or what its shell reads) print nothing where there is no terminal.",
            code="shell-talks",
        )
    return now


def _no_master(result: Result) -> UnreachableError:
    """The error for a ``result`` of date(1) that is not a time."""
    return UnreachableError(
        "The master does not answer as one.",
        f"asked for the time, it said: {escape(result.stdout.strip()[:100]) or summarize(result)}",
        RUN_COMMANDS,
        code="not-a-master",
    )


def digests(stdout: bytes) -> dict[str, str]:
    """The SHA-256 of each repository's changelog that sha256sum(1) read, by the repository's name.

    The name is the fourth component from the end of each path. The record of what was purged has its own name as the
    key, which no repository has. Raises DamagedError.
    """
    by_name = {}
    for line in stdout.splitlines():
        sha256, _, path = line.lstrip(b"\\").decode("ascii", "replace").partition("  ")
        name = PURGED if path.endswith(f"/{PURGED}") else f"///{path}".split("/")[-4]
        by_name[name] = _digest(sha256)
    return by_name


def _digest(sha256: str) -> str:
    try:
        return digest(sha256)
    except ValueError:
        raise DamagedError(
            "The master's answer makes no sense.",
            f"asked for a sha256, it said: {one_line(sha256, 100)}",
            "Log in by hand with ssh and run 'sha256sum' to see what it says.",
            code="invalid-digest",
        ) from None


def free_bytes(stdout: bytes) -> int | None:
    """The free bytes that stat(1) prints as the number and the size of blocks; None for any other output."""
    words = stdout.split()
    sensible = len(words) == 2 and all(word.isdigit() and len(word) < _DIGITS for word in words)
    return int(words[0]) * int(words[1]) if sensible else None
