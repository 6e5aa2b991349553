"""Compare two snapshots, or one with the disk: content and metadata, path by path."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from pacha.errors import Concern, UsageError
from pacha.files import content, metadata, scan
from pacha.files.dirfd import DirectoryFds
from pacha.files.metadata import Change, Entry, Kind
from pacha.files.owners import Accounts
from pacha.files.paths import is_within, is_within_any
from pacha.history.reader import History
from pacha.host import watch
from pacha.host.context import Context
from pacha.store import database, hg
from pacha.store.snapshot import Watched
from pacha.text import escape

#: Gives the whole content of a file that is not large.
Content = Callable[[Entry], bytes]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that are compared: its name for people, its entries, their content."""

    label: str
    entries: Mapping[bytes, Entry]
    content: Content
    concerns: tuple[Concern, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """A path that is not the same: None where it is not there; ``changes`` say what differs where both are.

    ``hunks`` are the lines of a unified difference of the content, None where it is the same or no text.
    """

    path: bytes
    old: Entry | None
    new: Entry | None
    changes: tuple[Change, ...]
    hunks: tuple[bytes, ...] | None

    @property
    def letter(self) -> str:
        """The kind of change, as ``pacha push -v`` has it."""
        if self.old is None or self.new is None:
            return "A" if self.old is None else "R"
        same = (self.old.kind, self.old.sha256, self.old.target, self.old.device)
        return "m" if same == (self.new.kind, self.new.sha256, self.new.target, self.new.device) else "M"


def sides(context: Context, past: History, start: str = "", end: str = "", *, change: str = "") -> tuple[Side, Side]:
    """The two to compare: the snapshots ``start`` and ``end``, or what ``change`` did (each a WHEN).

    Without ``end`` the disk as it is now, if it is this machine's; else the newest snapshot. Without ``start`` the
    newest, or the one before it. Raises UsageError, DamagedError.
    """
    if change:
        made = past.find(change)
        return of_snapshot(past, past.before(made)), of_snapshot(past, made)
    if end:
        return of_snapshot(past, past.find(start)), of_snapshot(past, past.find(end))
    if past.own:
        return of_snapshot(past, past.find(start)), of_disk(context)
    newest = past.find("")
    return of_snapshot(past, past.find(start) if start else past.before(newest)), of_snapshot(past, newest)


def of_snapshot(past: History, revision: hg.Revision | None) -> Side:
    """A snapshot as a side; None is nothing, from before the first."""
    if revision is None:
        return Side("nothing", {}, lambda entry: b"")
    snapshot = past.snapshot(revision)
    return Side(revision.node[:12], snapshot.entries, lambda entry: b"".join(past.content(snapshot, entry)))


def of_disk(context: Context) -> Side:
    """What is watched, as it is on disk now."""
    last = database.read(context.state.database)
    fingerprints, _ = database.read_cache(context.state.cache)
    watched = watch.effective_rules(context, last.watched)
    found = scan.scan(watch.scan_targets(watched), last.entries, fingerprints, Accounts.of_machine())
    live = [one for one in watched if not one.retired]
    entries = {path: _digested(entry, live) for path, entry in found.entries.items()}
    return Side("now", entries, lambda entry: _read(entry, live), tuple(found.concerns))


def compare(old: Side, new: Side, paths: Sequence[bytes] = (), *, with_content: bool = True) -> Iterator[Difference]:
    """Every path that differs, in order; with ``paths`` only what is at or below one of them.

    Raises DamagedError where a snapshot's content does not add up.
    """
    links = _groups(old.entries), _groups(new.entries)
    for path in sorted(old.entries.keys() | new.entries.keys()):
        before, after = old.entries.get(path), new.entries.get(path)
        if before is after:
            continue
        if before and after and links[0].get(before.link_group) == links[1].get(after.link_group):
            after = replace(after, link_group=before.link_group)  # what is watched anew gets other numbers
        if before == after or (paths and not is_within_any(path, paths)):
            continue
        changes = metadata.differences(before, after) if before and after else []
        if changes or not (before and after):
            hunks = _hunks(old, new, before, after) if with_content else None
            yield Difference(path, before, after, tuple(changes), hunks)


def _groups(entries: Mapping[bytes, Entry]) -> dict[int | None, set[bytes]]:
    """The names of each file that has several."""
    found: dict[int | None, set[bytes]] = {}
    for path, entry in entries.items():
        if entry.link_group is not None:
            found.setdefault(entry.link_group, set()).add(path)
    return found


def within(old: Side, new: Side, ways: Sequence[bytes]) -> bytes:
    """The one of ``ways`` to mean a path that either side has. Raises UsageError when none is."""
    for path in ways:
        if any(is_within(known, path) for side in (old, new) for known in side.entries):
            return path
    raise UsageError(
        f"{escape(ways[0])} is in neither of the two.",
        f"{old.label} and {new.label}",
        "Name a path that is watched: pacha config-values",
        code="path-in-neither-snapshot",
    )


def _hunks(old: Side, new: Side, before: Entry | None, after: Entry | None) -> tuple[bytes, ...] | None:
    one, other = _text(old, before), _text(new, after)
    if one is None or other is None or one == other:
        return None
    return tuple(hg.unified(one, other))


def _text(side: Side, entry: Entry | None) -> bytes | None:
    """The content of a file, b"" of anything else; None where it is large or no text."""
    if entry is None or entry.kind is not Kind.FILE:
        return b""
    if entry.parts or entry.size > content.WHOLE_LIMIT:
        return None
    data = side.content(entry)
    return None if b"\0" in data else data


def _digested(entry: Entry, live: Sequence[Watched]) -> Entry:
    """``entry`` with the sha256 that a scan leaves out of what it has to read."""
    if entry.kind is not Kind.FILE or entry.sha256 is not None:
        return entry
    try:
        with _place(entry, live) as (directory, name):
            return content.digest(entry, name, directory)
    except OSError:
        return entry  # it changed under our feet: it differs


def _read(entry: Entry, live: Sequence[Watched]) -> bytes:
    try:
        with _place(entry, live) as (directory, name):
            return content.read(entry, name, directory).data
    except OSError:
        return b""


@contextmanager
def _place(entry: Entry, live: Sequence[Watched]) -> Iterator[tuple[int, bytes]]:
    """The open directory that ``entry`` lies in, and its name there."""
    watched = next(one for one in live if one.holds(entry.path))
    with DirectoryFds(os.path.dirname(watched.path) if watched.single else watched.path) as descent:
        yield descent.parent(watched.relative(entry.path))
