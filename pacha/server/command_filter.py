"""The requests that a forced command allows: exactly what Pacha's client sends for one host.

Filters that look for bad commands have failed again and again. This one splits the command into words (by a shell's
rules, but without a shell), compares each with what the client sends, and checks that it is spelt exactly as the client
spells it. Earlier clients do without the ``IN_ENGLISH`` before it.
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from enum import Enum

from pacha.errors import UnreachableError, UsageError
from pacha.wire.hook_files import folder_of
from pacha.wire.master import (
    CHANGELOG,
    CHANGELOG_OF_ANY,
    HEARTBEAT,
    IN_ENGLISH,
    PURGED,
    PUSH,
    REBUILD,
    REQUIRES,
    STORE,
)
from pacha.wire.shell import quote

LONGEST = 16 * 1024  #: characters of a command
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", re.ASCII)  # what files.names.repository_name gives
_TEMPORARY = re.compile(r"\.new-([A-Za-z0-9_][A-Za-z0-9._-]{0,63})-[0-9a-f]{8}", re.ASCII)


class AllowedCommand(Enum):
    """An allowed command. Its value ends with the right that it needs; '': none or, for REPOSITORY, either."""

    CONTROL = "control", ""
    DATE = "date", ""
    DIGEST = "sha256sum", ""
    REPOSITORY = "hg serve", ""
    NEW = "hg init; hg serve; mv", PUSH
    FETCH = "scp", REBUILD
    HOOKS = "scp .hooks", REBUILD
    MAKE = "mkdir", PUSH
    CREATE = "hg init", PUSH
    RECOVER = "hg recover", PUSH
    SYNC = "sync", PUSH
    NOTE = "cat", PUSH
    BEAT = "mv", PUSH
    PLACE = "mv -T", PUSH
    LAST_PUSH = "cat last-push", REBUILD
    PURGED = "cat .purged", ""

    @property
    def right(self) -> str:
        """The right that it needs, '' for none."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Request:
    """An allowed request. ``name`` is a path below the host's folder for DIGEST, else a repository, '': none.

    ``more`` are further paths for DIGEST. CREATE, REPOSITORY and PLACE may also name a temporary repository
    (``.new-NAME-...``); NEW always does.
    """

    verb: AllowedCommand
    name: str = ""
    more: tuple[str, ...] = ()


class CommandDenied(UnreachableError):
    """The key does not allow the request. Older clients, too, recognise "Permission denied"."""

    def __init__(self, why: str) -> None:
        super().__init__(
            "Permission denied: this key is for Pacha alone.",
            why,
            "See share/doc/pacha/access.rst.",
            code="command-not-allowed",
        )


def rights(*, rebuild_only: bool, push_only: bool) -> frozenset[str]:
    """The rights of a key. Raises UsageError for a key that may do nothing."""
    if rebuild_only and push_only:
        raise UsageError(
            "--rebuild-only and --push-only leave nothing that could be done.",
            "",
            "Give one of them.",
            code="nothing-permitted",
        )
    return frozenset([PUSH] * (not rebuild_only) + [REBUILD] * (not push_only))


def read(text: str, hosts_path: bytes, host: str, init_options: tuple[str, ...]) -> Request:
    """Parse ``text`` (SSH_ORIGINAL_COMMAND). Raises CommandDenied.

    ``init_options`` are the words by which the client sets the format for ``hg init``.
    """
    if len(text) > LONGEST:
        raise CommandDenied("the command is too long")
    redirected = text.startswith("cat > ")
    try:
        words = shlex.split(text[len("cat > ") :] if redirected else text)
    except ValueError:
        raise CommandDenied("the command cannot be read") from None
    start = "cat > " if redirected else ""
    spelt = [start + " ".join(map(quoting, words)) for quoting in (quote, shlex.quote)]  # the latter: earlier clients
    request = _match(["cat >", *words] if redirected else words, _HostPath(hosts_path, host), list(init_options))
    if request is None or text not in spelt:
        raise CommandDenied(f"Pacha never asks that for the host '{host}'")
    return request


class _HostPath:
    """The host's folder as the client writes it."""

    def __init__(self, hosts_path: bytes, host: str) -> None:
        self.path = os.fsdecode(os.path.join(hosts_path, os.fsencode(host)))
        self.hooks = os.fsdecode(folder_of(hosts_path, host))
        self.host = host

    def below(self, path: str, end: str = "") -> str | None:
        """The part of ``path`` between the folder and ``end``; None if ``path`` has another form."""
        start = self.path + "/"
        if not path.startswith(start) or not path.endswith(end) or len(path) <= len(start) + len(end):
            return None
        return path[len(start) : len(path) - len(end)]

    def name(self, path: str, end: str = "") -> str | None:
        """The repository in ``path``, which ends with ``end``; None for none."""
        name = self.below(path, end)
        return name if name is not None and is_repository(name) else None

    def temporary(self, path: str) -> str | None:
        """The name of the temporary repository ``path``, None for any other path."""
        name = self.below(path)
        return name if name is not None and final_name(name) else None


def is_repository(name: str) -> bool:
    """Whether a repository of a host may have this name."""
    return _NAME.fullmatch(name) is not None and name not in (HEARTBEAT, f"{HEARTBEAT}.new")


def final_name(name: str) -> str | None:
    """The final name of the temporary repository ``.new-NAME-...``; None for any other name."""
    match = _TEMPORARY.fullmatch(name)
    return match[1] if match and is_repository(match[1]) else None


def of_repository(name: str) -> Request | None:
    """The request for the repository ``name``, which may be a temporary one."""
    if final_name(name):
        return Request(AllowedCommand.NEW, name)
    return _named(AllowedCommand.REPOSITORY, name if is_repository(name) else None)


def _match(words: list[str], folder: _HostPath, options: list[str]) -> Request | None:
    if tuple(words[: len(IN_ENGLISH)]) == IN_ENGLISH:
        words = words[len(IN_ENGLISH) :]
    match words:
        case ["pacha", "serve", folder.host, "--hosts-path", _, "--control"]:
            return Request(AllowedCommand.CONTROL)
        case ["pacha", "serve", folder.host, "--hosts-path", _, "--repository", name]:
            return of_repository(name)
        case ["date", "-u", "+%s.%N"]:
            return Request(AllowedCommand.DATE)
        case ["mkdir", "-m", "700", folder.path]:
            return Request(AllowedCommand.MAKE)
        case ["sync", "-f", folder.path]:
            return Request(AllowedCommand.SYNC)
        case ["hg", "init", *config, path] if config == options:
            return _named(AllowedCommand.CREATE, folder.name(path) or folder.temporary(path))
        case ["hg", "-R", path, "serve", "--stdio"]:
            return _named(AllowedCommand.REPOSITORY, folder.name(path) or folder.temporary(path))
        case ["hg", "-R", path, "recover"]:
            return _named(AllowedCommand.RECOVER, folder.name(path))
        case ["scp", "-r", "-f", folder.hooks]:
            return Request(AllowedCommand.HOOKS)
        case ["scp", "-r", "-f", path]:
            return _named(AllowedCommand.FETCH, folder.name(path, f"/{STORE}"))
        case _:
            return _match_files(words, folder)


def _named(verb: AllowedCommand, name: str | None) -> Request | None:
    return Request(verb, name) if name is not None else None


def _match_files(words: list[str], folder: _HostPath) -> Request | None:
    """Match the commands for single files."""
    heartbeat = f"{folder.path}/{HEARTBEAT}"
    match words:
        case ["sha256sum", path, *more_paths] if folder.below(path) == CHANGELOG:
            more = [_digested(folder, more_path) for more_path in more_paths]
            return Request(AllowedCommand.DIGEST, CHANGELOG, tuple(filter(None, more))) if all(more) else None
        case ["sha256sum", path] if name := folder.name(path, f"/{REQUIRES}"):
            return Request(AllowedCommand.DIGEST, f"{name}/{REQUIRES}")
        case ["cat >", path] if path == f"{heartbeat}.new":
            return Request(AllowedCommand.NOTE)
        case ["cat", path] if path == heartbeat:
            return Request(AllowedCommand.LAST_PUSH)
        case ["cat", path] if folder.below(path) == PURGED:
            return Request(AllowedCommand.PURGED)
        case ["mv", "-f", temporary, path] if (temporary, path) == (f"{heartbeat}.new", heartbeat):
            return Request(AllowedCommand.BEAT)
        case ["mv", "-T", old, path] if (name := folder.temporary(old)) and final_name(name) == folder.name(path):
            return Request(AllowedCommand.PLACE, name)
        case _:
            return None


def _digested(folder: _HostPath, path: str) -> str | None:
    """A further ``path`` for DIGEST, relative to the folder; None if it is not allowed."""
    if folder.below(path) == PURGED:
        return PURGED
    name = folder.name(path, f"/{CHANGELOG_OF_ANY}")
    return f"{name}/{CHANGELOG_OF_ANY}" if name else None
