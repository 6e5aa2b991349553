"""Read one host's ``db`` for the index, as the account that owns its folder; and check what that process says.

``collect`` runs in the child. Its reply is lines of JSON: a head, then a line for each path, package and snapshot.
Bytes are strings of the characters U+0000 to U+00FF.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pacha.errors import DamagedError, PachaError
from pacha.files.metadata import Entry, Kind
from pacha.files.names import DATABASE, NODE, PACHA_DB
from pacha.machine.packages import package_list
from pacha.server.host_directory import HostDirectory
from pacha.store import change_list, companions, hg, history
from pacha.store.companions import PACKAGES
from pacha.store.revision import KNOWN_REQUIREMENTS
from pacha.store.rows import is_normal
from pacha.store.snapshot import Snapshot, Watched
from pacha.text import printable
from pacha.wire import message

MOST_BYTES = 96 << 20  #: of a reply
MOST_SNAPSHOTS = 20_000  #: of one host
_MOST_CHANGES = 4 << 20  #: bytes of a snapshot's change list
_MOST_OF_CHANGES = 24 << 20  #: bytes of all of them in one reply
_LONGEST_PATH = 16 << 10  #: bytes of a path, a link's target or a name
_LONGEST_TEXT = 2000  #: characters of a snapshot's message, and of its user
_KINDS = frozenset(kind.value for kind in Kind)

#: path, kind, mode, owner, group, size, content, stored, parts; see ``docs/on-disk.rst``.
EntryRow = tuple[bytes, str, int, bytes, bytes, int, bytes, bytes, int]
PackageRow = tuple[str, str, str]  #: name, architecture, version


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRow:
    """A snapshot: its number in ``db``, its node, its time by the host's clock, its user and message, its change list.

    ``changes`` is None where there is none, or too much to keep.
    """

    number: int
    node: str
    at: float
    user: str
    message: str
    changes: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRecord:
    """What the index keeps of a host: its newest snapshot, what that watches, and the snapshots that are new.

    ``known``: how many of its snapshots the index has already, and may keep; 0 where the history is another.
    ``entries`` are lines for ``entry_row``.
    """

    tip: str
    known: int
    watched: tuple[Watched, ...]
    packages: tuple[PackageRow, ...]
    snapshots: tuple[SnapshotRow, ...]
    entries: Iterator[bytes]


def open_repository(hosts_path: bytes, host: str, name: str) -> hg.Repository:
    """A repository in a host's folder, in which nothing leads elsewhere. Raises PachaError."""
    path = HostDirectory(hosts_path, host).repository(name, KNOWN_REQUIREMENTS)
    return hg.Repository.open(path, heal=False)


def collect(hosts_path: bytes, host: str, scratch: Path, known_tip: str, known_number: int) -> bytes:
    """The lines for ``host``, of whose snapshots the index has those up to ``known_tip``. Raises PachaError."""
    repository = open_repository(hosts_path, host, DATABASE)
    nodes = list(repository.revisions())[::-1]
    if not nodes:
        raise PachaError(
            f"There is no snapshot of '{host}' yet.", hint="Make one, on that host: pacha push", code="never-pushed"
        )
    reader = repository.reader(nodes[-1])
    snapshot = history.parse(reader(PACHA_DB), scratch)
    continues = known_number < len(nodes) and nodes[known_number] == known_tip
    first = known_number + 1 if continues else max(0, len(nodes) - MOST_SNAPSHOTS)
    head = {
        "tip": nodes[-1],
        "known": known_number + 1 if continues else 0,
        "watched": [_watched_words(watched) for watched in snapshot.live],
        "packages": _packages(snapshot, reader),
    }
    lines = [head, *_snapshots(repository, nodes, first), *map(_entry_words, snapshot.entries.values())]
    return "\n".join(map(_dump, lines)).encode("ascii")


SEALED = b"sealed"  #: the content of a file that only an identity opens: it cannot be compared, nor searched
_dump = partial(json.dumps, separators=(",", ":"))


def _watched_words(watched: Watched) -> list[Any]:
    path = watched.path.decode("latin-1")
    return [path, watched.single, watched.repository, watched.node, list(watched.exclude)]


def _entry_words(entry: Entry) -> list[Any]:
    owner = b"#%d" % entry.uid if entry.owner is None else entry.owner
    group = b"#%d" % entry.gid if entry.group is None else entry.group
    words = (entry.path, entry.kind.value, entry.mode, owner, group, entry.size, content_of(entry), entry.stored or b"")
    return [word.decode("latin-1") if isinstance(word, bytes) else word for word in (*words, entry.parts)]


def content_of(entry: Entry) -> bytes:
    """What the index keeps as the content: a file's SHA-256, a link's target, a device's number, SEALED."""
    if entry.sealed is not None:
        return SEALED
    return entry.sha256 or entry.target or (b"%d" % entry.device if entry.device is not None else b"")


def _packages(snapshot: Snapshot, reader: hg.Reader) -> list[list[str]]:
    try:
        text = companions.read(PACKAGES, snapshot.meta, reader)
        listed = package_list.decode(text).packages if text is not None else ()
    except DamagedError:
        return []  # 'pacha check' names it
    return [[package.name, package.architecture, package.version] for package in listed]


def _snapshots(repository: hg.Repository, nodes: list[str], first: int) -> Iterator[list[Any]]:
    """The snapshots from number ``first`` on; the change lists of the newest, as far as they have room."""
    room, lines = _MOST_OF_CHANGES, []
    for number in range(len(nodes) - 1, first - 1, -1):
        try:
            revision = repository.revision(nodes[number])
            changes = _changes(repository, revision) if room > 0 else None
        except DamagedError:
            continue  # 'pacha log' names it
        room -= len(changes or "")
        note = revision.note
        text, _ = change_list.split_message(note.message)
        lines.append([number, nodes[number], note.at, note.user[:_LONGEST_TEXT], text[:_LONGEST_TEXT], changes])
    return reversed(lines)


def _changes(repository: hg.Repository, revision: hg.Revision) -> str | None:
    if change_list.FILE not in revision.files:
        return ""
    text = repository.reader(revision.node)(change_list.FILE)
    return text.decode("utf-8", "replace") if len(text) <= _MOST_CHANGES else None


def decode(reply: bytes) -> HostRecord:
    """The record in the ``reply`` of a child. Raises ValueError, TypeError, KeyError or IndexError for nonsense."""
    stream = io.BytesIO(reply)
    head = message.decode(stream.readline())
    snapshots, start = [], stream.tell()
    for line in stream:
        words = json.loads(line)
        if len(words) != 6:
            break
        snapshots.append(_snapshot_row(*words))
        start = stream.tell()
    stream.seek(start)
    return HostRecord(
        tip=_node(head["tip"]),
        known=message.count(head["known"]),
        watched=tuple(_watched(*words) for words in head["watched"]),
        packages=tuple(_package_row(*words) for words in head["packages"]),
        snapshots=tuple(snapshots),
        entries=(line.rstrip(b"\n") for line in stream),
    )


def entry_row(line: bytes) -> EntryRow:
    """The path in a line of a record. Raises ValueError, TypeError or AttributeError."""
    path, kind, mode, owner, group, size, content, stored, parts = json.loads(line)
    name = path.encode("latin-1")
    if kind not in _KINDS or not is_normal(name) or not 0 <= mode <= 0o7777:
        raise ValueError("a path makes no sense")
    texts = (owner.encode("latin-1"), group.encode("latin-1"))
    contents = (content.encode("latin-1"), stored.encode("latin-1"))
    if max(map(len, (name, *texts, *contents))) > _LONGEST_PATH:
        raise ValueError("a name is longer than any can be")
    return name, kind, message.count(mode), *texts, message.count(size), *contents, message.count(parts)


def _snapshot_row(number: Any, node: Any, at: Any, user: str, text: str, changes: str | None) -> SnapshotRow:
    return SnapshotRow(
        number=message.count(number),
        node=_node(node),
        at=message.seconds(at),
        user=printable(user),
        message=printable(text, keep="\n"),
        changes=None if changes is None else changes.encode("utf-8"),
    )


def _watched(path: str, single: Any, repository: str, node: str | None, exclude: list[str]) -> Watched:
    return Watched(
        path=path.encode("latin-1"),
        single=bool(single),
        repository=str(repository),
        node=None if node is None else _node(node),
        exclude=tuple(map(str, exclude)),
    )


def _package_row(name: str, architecture: str, version: str) -> PackageRow:
    grammar = (package_list.NAME, package_list.ARCHITECTURE, package_list.VERSION)
    if not all(pattern.fullmatch(word) for pattern, word in zip(grammar, (name, architecture, version), strict=True)):
        raise ValueError("a package makes no sense")
    return name, architecture, version


def _node(value: Any) -> str:
    if not isinstance(value, str) or not NODE.fullmatch(value):
        raise ValueError("no snapshot")
    return value
