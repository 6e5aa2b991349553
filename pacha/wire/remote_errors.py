"""Classify the error messages of hg, scp, tar, sshd and the shell. No other module knows their words.

``classify`` reads the decisive line of a command, ``classify_conversation`` the whole stderr of ``hg serve --stdio``.
Everything else decides by the ``RemoteFault``. The commands run in English (``master.IN_ENGLISH``). The master's shell
may print something of its own before each of them: if the command itself printed something, only that counts.
"""

from __future__ import annotations

import re
import shlex
from enum import Enum, auto
from typing import TYPE_CHECKING

from pacha.errors import PachaError, UnreachableError
from pacha.text import escape, masked
from pacha.wire.master import STORE

if TYPE_CHECKING:
    from pacha.wire.ssh import Result

_MOST_SAID = 300  #: characters of a message from the master that are shown
_CAUSES = (
    "No space left", "uota exceeded", "Permission denied", "Read-only file system", "abort:",
)  # fmt: skip
#: Messages of Pacha on the master in place of a store: it serves another host, or has none. They come without a code,
#: so these match every released version.
_REFUSES = b"pacha: Permission denied: this key is for Pacha alone"
_IS_NOT_THERE = re.compile(rb"^pacha: .* is not (on the master|found)\.$", re.MULTILINE)
_NOT_RUN = (126, 127)  #: exit status of a shell that cannot run a command (sh(1), POSIX, "2.8.2 Exit Status")
_NOT_FOUND = 127
#: How the messages of a plain account's programs begin.
_ITSELF = re.compile(r"(?:abort|cat|mkdir|mv|scp|sha256sum|sync|tar): ")
_NO_REPOSITORY = re.compile(rb"^abort: repository .* not found|^pacha: The repository .* is not found", re.MULTILINE)
_ABANDONED = re.compile(rb"^abort: abandoned transaction", re.MULTILINE)
_ABORTED = re.compile(rb"^(abort|pacha): ", re.MULTILINE)
_MISSING_NAME = re.compile(rb"scp: .*/([^/]+): No such file or directory", re.DOTALL)
_WAITS = b"waiting for lock"
_OURS = re.compile(rb"[/ ]pacha: ")
_OF_ANOTHER = re.compile(r"this key is for Pacha alone.* for the host '([^']+)'$")


class RemoteFault(Enum):
    """What is wrong on the master."""

    NO_PROGRAM = auto()  #: the shell does not find the command
    NOT_RUN = auto()  #: the shell cannot run the command
    DENIED = auto()  #: the account may not
    MISSING = auto()  #: a file or folder is not there
    EXISTS = auto()  #: it exists already
    NOT_EMPTY = auto()  #: another push was faster
    FULL = auto()  #: the disk, or a quota
    LOCKED = auto()  #: Mercurial's wait for a lock timed out
    NO_REPOSITORY = auto()
    ABANDONED = auto()  #: an interrupted push left a transaction
    ABORTED = auto()  #: Mercurial or Pacha there says why it stopped
    KEY_REFUSED = auto()  #: the key's forced command does not allow it
    NO_HOST = auto()  #: the master has nothing of the host
    OTHER = auto()


_WORDS = (
    ("Permission denied", RemoteFault.DENIED), ("No such file", RemoteFault.MISSING),
    ("No space left", RemoteFault.FULL), ("quota", RemoteFault.FULL), ("Quota", RemoteFault.FULL),
    ("Directory not empty", RemoteFault.NOT_EMPTY), ("File exists", RemoteFault.EXISTS),
)  # fmt: skip


def classify(result: Result) -> RemoteFault:
    """The fault of a command that ended with ``result``."""
    if result.status == _NOT_FOUND:
        return RemoteFault.NO_PROGRAM
    return classify_words(_telling(result))


def lacks_option(result: Result) -> bool:
    """Whether a command may have failed because it does not know an option: it says nothing else that is known."""
    return result.status != 0 and classify(result) is RemoteFault.OTHER


def classify_words(line: str) -> RemoteFault:
    """The fault that a ``line`` of stderr names."""
    return next((fault for words, fault in _WORDS if words in line), RemoteFault.OTHER)


def classify_conversation(result: Result) -> RemoteFault:
    """The fault of ``hg serve`` that ended with ``result``."""
    complaints = result.stderr
    if _NO_REPOSITORY.search(complaints):
        return RemoteFault.NO_REPOSITORY
    if _ABANDONED.search(complaints):
        return RemoteFault.ABANDONED
    if result.status == _NOT_FOUND:
        return RemoteFault.NO_PROGRAM
    return RemoteFault.ABORTED if _ABORTED.search(complaints) else RemoteFault.OTHER


def classify_copy(result: Result) -> RemoteFault:
    """The fault of ``scp -f`` that ended with ``result`` and sent no copy."""
    if result.status in _NOT_RUN:
        return RemoteFault.NOT_RUN
    if _REFUSES in result.stderr:
        return RemoteFault.KEY_REFUSED
    return RemoteFault.NO_HOST if _IS_NOT_THERE.search(result.stderr) else RemoteFault.OTHER


def missing_name(complaint: bytes) -> bytes | None:
    """The last component of the path that scp did not find; None for any other ``complaint``."""
    match = _MISSING_NAME.fullmatch(complaint)
    return match and match[1]


def waits_for_lock(complaints: bytes) -> bool:
    """Whether Mercurial, which is still running, says that it waits for a lock."""
    return _WAITS in complaints


def only_missing(result: Result, program: str) -> bool:
    """Whether missing files are the only errors of ``program`` that ended with ``result``."""
    start = f"{program}: ".encode()
    lines = [line for line in result.stderr.splitlines() if line.startswith(start)]
    return not result.status or (bool(lines) and all(b"No such file" in line for line in lines))


def key_mismatch(result: Result, host: str = "HOST") -> UnreachableError | None:
    """The error for a key that does not lead to ``host``: its Pacha cannot be run, or it is for another host."""
    complaint = summarize(result)
    if result.status in _NOT_RUN and _OURS.search(result.stderr):
        return UnreachableError(
            "The Pacha behind our key cannot be run on the master.",
            complaint,
            f"Install it where every account can run it (not below /root), then: pacha add-host {host} --key FILE",
            code="pacha-not-run-on-master",
        )
    if (served := _OF_ANOTHER.search(complaint)) and served[1] != host:
        return UnreachableError(
            f"This key is let in for '{served[1]}', not for '{host}'.",
            complaint,
            f"Name '{served[1]}' instead (for a push: pacha.hostname = {served[1]}); or, if '{served[1]}' is '{host}' "
            f"from now on, run on the master: pacha rename {served[1]} {host}; then here: pacha push --take-over",
            code="key-of-another-host",
        )
    return None


def add_host(host: str, account: str) -> str:
    """The hint for a folder of ``host`` that is missing, or not ``account``'s."""
    return f"On the master, run: pacha add-host {host} --user {account}"


def give(account: str, path: bytes) -> str:
    """The command that gives ``account`` everything in ``path``, which ``add-host`` leaves alone."""
    return f"chown -R {account}: {shlex.quote(escape(path))}"


def add_host_or_give(host: str, account: str, path: bytes) -> str:
    """Both hints, where the cause is unknown."""
    return f"{add_host(host, account)}; or, if something in it is another account's: {give(account, path)}"


def summarize(result: Result) -> str:
    """The line on stderr that names a known cause, else the last line, safe to print."""
    return masked(_telling(result), _MOST_SAID) or f"it ended with exit status {result.status}"


def _telling(result: Result) -> str:
    """That line unescaped. It need not be the last: Mercurial writes more after the cause."""
    lines = result.stderr.decode("utf-8", "replace").strip().splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("pacha: ")]
    own = [line for line in lines if _ITSELF.match(line)] or lines
    telling = [line for line in own if any(cause in line for cause in _CAUSES)] or own
    if starts:  # Pacha's own error: the message, and below it the reason
        telling = [" ".join(line.removeprefix("pacha: ").strip() for line in lines[starts[0] : starts[0] + 2])]
    return telling[-1] if telling else ""


def locked(message: str, complaints: bytes) -> PachaError:
    """The error for a repository whose lock Mercurial waited for in vain. It never breaks another machine's lock."""
    lines = complaints.decode("utf-8", "replace").splitlines()
    [line, *_] = [masked(line, _MOST_SAID) for line in lines if _WAITS.decode() in line]
    hint = f"If that process is gone, remove {STORE}/lock of the repository on the master."
    return PachaError(message, line, hint, code="master-repository-locked")
