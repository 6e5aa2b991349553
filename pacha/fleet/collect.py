"""Read one host's ``db`` for the index, as the account that owns its folder; and check the reply of that process.

``collect`` runs in the child. Its reply has lines: a head and each snapshot in JSON, then each path in words, with
bytes in hex. Most hosts have most paths in common, so the child does not check the lines of paths: the parent checks
each distinct line once for all hosts.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pacha.errors import DamagedError, PachaError
from pacha.files.entry import Kind
from pacha.files.names import DATABASE, PACHA_DB
from pacha.files.paths import is_normal
from pacha.machine.packages import package_list
from pacha.server.host_directory import HostDirectory
from pacha.store import change_list, companions, hg, untrusted_db
from pacha.store.companions import PACKAGES
from pacha.store.consistency import damaged_snapshot
from pacha.store.revision import KNOWN_REQUIREMENTS
from pacha.store.rows import Row
from pacha.store.snapshot import Snapshot, Watched
from pacha.text import printable
from pacha.wire import message

MOST_BYTES = 96 << 20  #: of a reply
MOST_SNAPSHOTS = 20_000  #: of one host
_MOST_CHANGES = 4 << 20  #: bytes of a snapshot's change list
_MOST_OF_CHANGES = 24 << 20  #: bytes of all of them in one reply
_LONGEST_PATH = 16 << 10  #: bytes of a path, a link's target or a name
_LONGEST_TEXT = 2000  #: characters of a snapshot's message, and of its user
_COLUMNS = ("mode", "uid", "gid", "owner", "grp", "size", "sha256", "target", "device", "stored", "parts", "sealed")
_HEX = rf"([0-9a-f]{{0,{2 * _LONGEST_PATH}}})"
_LETTERS = frozenset(kind.value for kind in Kind)
_KINDS = "".join(sorted(_LETTERS))
#: A line: path, kind, mode, owner, group, size, content, stored, parts.
_LINE = re.compile(rf"{_HEX} ([{_KINDS}]) (\d{{1,4}}) {_HEX} {_HEX} (\d{{1,19}}) {_HEX} {_HEX} (\d{{1,9}})")

#: path, kind, mode, owner, group, size, content, stored, parts: see docs/on-disk.rst.
EntryRow = tuple[bytes, str, int, bytes, bytes, int, bytes, bytes, int]
PackageRow = tuple[str, str, str]  #: name, architecture, version
_SHA256 = 32  #: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRow:
    """A snapshot: its number in ``db``, its node, its time by the host's clock, its user, message and change list.

    ``changes`` is None where the list is too long, or the reply has no more room.
    """

    number: int
    node: str
    at: float
    user: str
    message: str
    changes: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRecord:
    """What the index stores about a host: its newest snapshot (``tip``), what that watches, and the new snapshots.

    ``known``: how many of its snapshots the index has already and can keep; 0 where the history is another one.
    ``packages`` are lines for ``package_row``, ``entries`` lines for ``entry_row``.
    """

    tip: str
    known: int
    watched: tuple[Watched, ...]
    packages: tuple[bytes, ...]
    snapshots: tuple[SnapshotRow, ...]
    entries: Iterator[bytes]


def open_repository(hosts_path: bytes, host: str, name: str) -> hg.Repository:
    """Open a repository in a host's folder, in which no link may lead elsewhere. Raises PachaError."""
    path = HostDirectory(hosts_path, host).repository(name, KNOWN_REQUIREMENTS)
    return hg.Repository.open(path, heal=False)


def collect(hosts_path: bytes, host: str, scratch: Path, known_tip: str, known_number: int) -> bytes:
    """Return the lines for ``host``. The index has its snapshots up to ``known_tip``, number ``known_number``.

    ``scratch`` is a private folder. Raises PachaError.
    """
    repository = open_repository(hosts_path, host, DATABASE)
    nodes = list(repository.revisions())[::-1]
    if not nodes:
        raise PachaError(
            f"There is no snapshot of '{host}' yet.", hint="Make one, on that host: pacha push", code="never-pushed"
        )
    reader = repository.reader(nodes[-1])
    image = scratch / "pacha.db"
    image.write_bytes(reader(PACHA_DB))
    snapshot, rows = untrusted_db.read_rows(str(image), _COLUMNS)
    continues = known_number < len(nodes) and nodes[known_number] == known_tip
    first = known_number + 1 if continues else max(0, len(nodes) - MOST_SNAPSHOTS)
    head = {
        "tip": nodes[-1],
        "known": known_number + 1 if continues else 0,
        "watched": [
            [root.path.decode("latin-1"), root.single, root.repository, root.node, list(root.exclude)]
            for root in snapshot.live
        ],
        "packages": _packages(snapshot, reader),
    }
    lines = map(_dump, [head, *_snapshots(repository, nodes, first)])
    try:
        return "\n".join([*lines, *map(_entry_line, rows)]).encode("ascii")
    except (ValueError, TypeError, AttributeError) as error:
        raise damaged_snapshot(str(error)) from None


SEALED = b"sealed"  #: stands for the content of a sealed file, which can be neither compared nor searched
_dump = partial(json.dumps, separators=(",", ":"))


def _entry_line(row: Row) -> str:
    """Return the line for a row. Raises ValueError, TypeError or AttributeError if a value has another type.

    No value can contain a newline.
    """
    path, kind, mode, uid, gid, owner, group, size, sha256, target, device, stored, parts, sealed = row
    owner = b"#%d" % uid if owner is None else owner
    group = b"#%d" % gid if group is None else group
    content = sha256 or target or (b"%d" % device if device is not None else b"")
    content = content if sealed is None else SEALED
    if kind not in _LETTERS:
        raise ValueError("its kind is invalid")
    names = f"{owner.hex()} {group.hex()}"
    return f"{path.hex()} {kind} {mode:d} {names} {size:d} {content.hex()} {(stored or b'').hex()} {parts:d}"


def _packages(snapshot: Snapshot, reader: hg.Reader) -> list[str]:
    try:
        text = companions.read(PACKAGES, snapshot.meta, reader)
        listed = package_list.decode(text).packages if text is not None else ()
    except DamagedError:
        return []  # 'pacha check' names it
    return [f"{package.name} {package.architecture} {package.version}" for package in listed]


def _snapshots(repository: hg.Repository, nodes: list[str], first: int) -> Iterator[list[Any]]:
    """Return the snapshots from number ``first`` on, with change lists from the newest on, as long as there is room."""
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
    """Return the record in the ``reply`` of a child.

    Raises ValueError, TypeError, KeyError, IndexError or AttributeError for an invalid one. The lines of packages and
    entries are not checked yet.
    """
    stream = io.BytesIO(reply)
    head = message.decode(stream.readline())
    snapshots, start = [], stream.tell()
    for line in stream:
        if not line.startswith(b"["):
            break
        snapshots.append(_snapshot_row(*json.loads(line)))
        start = stream.tell()
    stream.seek(start)
    return HostRecord(
        tip=message.node(head["tip"]),
        known=message.count(head["known"]),
        watched=tuple(_watched(*words) for words in head["watched"]),
        packages=tuple(line.encode("ascii") for line in head["packages"]),
        snapshots=tuple(snapshots),
        entries=(line.rstrip(b"\n") for line in stream),
    )


def entry_row(line: bytes) -> EntryRow:
    """Return the path in a line of a record, checked. Raises ValueError."""
    words = _LINE.fullmatch(line.decode("ascii"))
    if words is None:
        raise ValueError("a path makes no sense")
    kind, mode, size, parts = words[2], int(words[3]), message.count(int(words[6])), int(words[9])
    path, owner, group, content, stored = (bytes.fromhex(words[place]) for place in (1, 4, 5, 7, 8))
    whole = kind != Kind.FILE.value or content == SEALED or len(content) == _SHA256
    if not whole or mode > 0o7777 or not is_normal(path):
        raise ValueError("a path makes no sense")
    return path, kind, mode, owner, group, size, content, stored, parts


def package_row(line: bytes) -> PackageRow:
    """Return the package in a line of a record, checked. Raises ValueError."""
    name, architecture, version = line.decode("ascii").split(" ")
    grammar = (package_list.NAME, package_list.ARCHITECTURE, package_list.VERSION)
    if not all(pattern.fullmatch(word) for pattern, word in zip(grammar, (name, architecture, version), strict=True)):
        raise ValueError("a package makes no sense")
    return name, architecture, version


def _snapshot_row(number: Any, node: Any, at: Any, user: str, text: str, changes: str | None) -> SnapshotRow:
    return SnapshotRow(
        number=message.count(number),
        node=message.node(node),
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
        node=None if node is None else message.node(node),
        exclude=tuple(map(str, exclude)),
    )
