"""Search every content that one host ever had, each once, and find the snapshot that first had it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pacha.errors import DamagedError, PachaError, UsageError
from pacha.files import names
from pacha.files.names import DATABASE
from pacha.files.paths import is_within_any, prefix
from pacha.fleet.collect import open_repository
from pacha.fleet.contents import LIMITS
from pacha.fleet.grep import MatchingLine, checked_lines, matching_lines
from pacha.fleet.update import Fleet, owner_of
from pacha.history.access import history_of
from pacha.history.first_snapshot import Naming
from pacha.history.reader import History
from pacha.sealing.age import HEADER
from pacha.server.host_account import load_modules, run_as_owner, scratch_folder
from pacha.store import hg
from pacha.store.snapshot import Watched
from pacha.text import one_line
from pacha.wire import message


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryMatch:
    """The matching ``lines`` of a content of ``path``, and the node and time of the first snapshot that had it.

    ``lines`` is () for a binary content.
    """

    path: bytes
    node: str
    at: float
    lines: tuple[MatchingLine, ...]


def grep_history(
    fleet: Fleet, pattern: re.Pattern[bytes], folders: Sequence[bytes], hosts: Sequence[str]
) -> list[HistoryMatch]:
    """Return the matches in the history of the only host that ``hosts`` (globs) match, the oldest of each path first.

    Raises UsageError, DamagedError (also where that takes too much time or memory), OSError.
    """
    chosen = fleet.choose(hosts)
    if len(chosen) != 1:
        raise UsageError(
            "The history of one host is searched at a time.",
            f"these are {len(chosen)}",
            "Name one: --hosts HOST",
            code="one-host-needed",
        )
    host, hosts_path = chosen[0].name, fleet.hosts_path
    load_modules()
    owner = owner_of(hosts_path, host)
    with scratch_folder(owner) as scratch:
        work = partial(_worked, hosts_path, host, scratch, pattern, folders or [b"/"])
        reply, _ = run_as_owner(owner, work, LIMITS)
    try:
        return [_checked(*words) for words in _decoded(reply, host)]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        why = "it takes too much time or memory, or its folder is not as Pacha makes it"
        raise _not_searched(host, why, f"Name a PATH; or look at it: pacha check {host}") from None


def _decoded(reply: bytes, host: str) -> list[Any]:
    answer = json.loads(reply)
    if isinstance(answer, dict):
        raise _not_searched(host, one_line(str(answer["fault"])), f"Look at it: pacha check {host}")
    return list(answer)


def _not_searched(host: str, why: str, hint: str) -> DamagedError:
    return DamagedError(f"The history of '{host}' cannot be searched.", why, hint, code="history-not-searched")


def _checked(path: str, node: str, at: float, lines: Any) -> HistoryMatch:
    found = checked_lines(lines) or ()
    return HistoryMatch(path=path.encode("latin-1"), node=message.node(node), at=message.seconds(at), lines=found)


def _worked(hosts_path: bytes, host: str, scratch: Path, pattern: re.Pattern[bytes], folders: Sequence[bytes]) -> bytes:
    """In the child: return the matches as JSON, or why there are none."""
    try:
        history = local_history(hosts_path, host, scratch)
        return json.dumps(list(_matches(history, pattern, folders))).encode("ascii")
    except PachaError as error:
        return json.dumps({"fault": error.in_a_line}).encode("ascii")


def local_history(hosts_path: bytes, host: str, scratch: Path) -> History:
    """Return the history of ``host`` below ``hosts_path``. Raises PachaError."""
    opened: dict[str, hg.Repository] = {}

    def open_(name: str, node: str) -> hg.Repository:
        if name not in opened:
            opened[name] = open_repository(hosts_path, host, name)
        return opened[name]

    return history_of(host, False, open_, scratch)


def _matches(history: History, pattern: re.Pattern[bytes], folders: Sequence[bytes]) -> Iterator[list[Any]]:
    """Yield path, node, time and lines of each match, as JSON values."""
    revisions = list(history.revisions)
    for watched in history.watched(revisions[0]):
        is_asked_for = is_within_any(watched.path, folders) or any(map(watched.holds, folders))
        if watched.node is None or watched.repository == DATABASE or not is_asked_for:
            continue
        naming = Naming(
            history=history, name=watched.repository, node=watched.node,
            revisions=revisions[::-1], watched=history.watched,
        )  # fmt: skip
        repository = history.repository(watched.repository, watched.node)
        for revision, data in repository.contents(partial(_is_wanted, watched, folders)):
            if not data.startswith(HEADER) and (lines := matching_lines(pattern, data)) is not None:
                first = naming.first(revision.brought_by)
                yield [_path(watched, revision.name).decode("latin-1"), first.node, first.note.at, lines]


def _is_wanted(watched: Watched, folders: Sequence[bytes], name: bytes) -> bool:
    return not name.startswith(names.PARTS) and is_within_any(_path(watched, name), folders)


def _path(watched: Watched, name: bytes) -> bytes:
    """Return the path of what a repository holds under ``name``; b"" for a name that Pacha never stores."""
    try:
        return watched.path if watched.single else prefix(watched.path) + names.original(name)
    except ValueError:
        return b""
