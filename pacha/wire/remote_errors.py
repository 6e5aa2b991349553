"""What the other side says when it refuses, in words of ours."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from pacha.errors import PachaError, UnreachableError
from pacha.text import escape

if TYPE_CHECKING:
    from pacha.wire.ssh import Result

_CAUSES = (
    "No space left", "uota exceeded", "Permission denied", "Read-only file system", "abort:",
)  # fmt: skip
#: What Pacha there says in place of a store: that it serves another host than this one, that there is none.
REFUSES = b"pacha: Permission denied: this key is for Pacha alone"
IS_NOT_THERE = re.compile(rb"^pacha: .* is not (on the master|found)\.$", re.MULTILINE)
NOT_RUN = (126, 127)  #: what a shell ends with when it cannot run a command (sh(1), POSIX, "2.8.2 Exit Status")
_OURS = re.compile(rb"[/ ]pacha: ")
_OF_ANOTHER = re.compile(r"this key is for Pacha alone.* for the host '([^']+)'$")


def shut_out(result: Result, host: str = "HOST") -> UnreachableError | None:
    """The error where our key does not lead to ``host``: to a Pacha that cannot be run, or to another host's folder."""
    said = said_by(result)
    if result.status in NOT_RUN and _OURS.search(result.stderr):
        return UnreachableError(
            "The Pacha behind our key cannot be run on the master.",
            said,
            f"Install it where every account can run it (not below /root), then: pacha add-host {host} --key FILE",
        )
    if (served := _OF_ANOTHER.search(said)) and served[1] != host:
        return UnreachableError(
            f"This key is let in for '{served[1]}', not for '{host}'.",
            said,
            f"Name '{served[1]}' instead, or let a key in there: pacha add-host {host} --key FILE",
        )
    return None


def add_host(host: str, account: str) -> str:
    """What to do where the folder of ``host`` is not there, or not ``account``'s."""
    return f"On the master, run: pacha add-host {host} --user {account}"


def give(account: str, path: bytes) -> str:
    """The command that gives ``account`` all that is in ``path``: what ``add-host`` leaves alone."""
    return f"chown -R {account}: {shlex.quote(escape(path))}"


def add_host_or_give(host: str, account: str, path: bytes) -> str:
    """Both, where it is not known which of them mends it."""
    return f"{add_host(host, account)}; or, if something in it is another account's: {give(account, path)}"


def said_by(result: Result) -> str:
    """The line on stderr that names a cause we know, else the last; Mercurial goes on after the cause."""
    lines = result.stderr.decode("utf-8", "replace").strip().splitlines()
    ours = [number for number, line in enumerate(lines) if line.startswith("pacha: ")]
    telling = [line for line in lines if any(cause in line for cause in _CAUSES)] or lines
    if ours:  # Pacha over there: what, and why in the line below
        telling = [" ".join(line.removeprefix("pacha: ").strip() for line in lines[ours[0] : ours[0] + 2])]
    line = _harmless(telling[-1]) if telling else ""
    return line or f"it ended with exit status {result.status}"


def locked(what: str, complaints: bytes) -> PachaError:
    """The error for a repository whose lock Mercurial waited for in vain: it does not break another machine's."""
    lines = complaints.decode("utf-8", "replace").splitlines()
    [line, *_] = [_harmless(line) for line in lines if "waiting for lock" in line]
    return PachaError(what, line, "If that process is gone, remove .hg/store/lock of the repository on the master.")


def _harmless(line: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in line[:300])
