"""Commit the content of a watched path to its repository, directly from its files."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pacha.errors import Concern
from pacha.files import content, metadata, names
from pacha.files.dirfd import DirectoryFds
from pacha.files.entry import Entry, Kind
from pacha.push.blobs import BlobSource, Unkept
from pacha.sealing.sealer import Sealer
from pacha.store.revision import NULL, Note
from pacha.store.snapshot import Watched, missing_in, other_than
from pacha.system import activity
from pacha.text import escape

if TYPE_CHECKING:
    from pacha.files.owners import Accounts
    from pacha.push.parallel import Sharing
    from pacha.store import hg


@dataclass(slots=True)
class Committed:
    """The result of a commit: the node, the entries as they were read (None: not kept), concerns."""

    node: str
    entries: dict[bytes, Entry | None] = field(default_factory=dict)
    concerns: list[Concern] = field(default_factory=list)


def has_content(entry: Entry) -> bool:
    """Whether ``entry`` has content in a repository."""
    return entry.kind in (Kind.FILE, Kind.SYMLINK)


def stored(watched: Watched, entry: Entry) -> Entry:
    """``entry`` with its name and its number of parts in the repository."""
    if not has_content(entry):
        return entry
    name = entry.stored or names.stored(watched.relative(entry.path))
    large = entry.kind is Kind.FILE and (entry.parts > 0 or entry.size > content.WHOLE_LIMIT)
    parts = max(1, -(-entry.size // content.PART_SIZE)) if large else 0
    return entry._replace(stored=name, parts=parts) if (name, parts) != (entry.stored, entry.parts) else entry


def differing(base: Mapping[bytes, Entry], new: Mapping[bytes, Entry]) -> set[bytes]:
    """The paths whose content differs between ``base`` and ``new``, and so must be committed."""
    changed = {path for path, entry in other_than(base, new).items() if _differs(base.get(path), entry)}
    return changed | {path for path, entry in missing_in(base, new).items() if has_content(entry)}


def _differs(old: Entry | None, new: Entry | None) -> bool:
    kept_before, kept_now = old is not None and has_content(old), new is not None and has_content(new)
    if old is None or new is None or not (kept_before and kept_now):
        return kept_before or kept_now
    if new.kind is Kind.FILE and (new.sha256 is None or bool(old.mode & 0o100) != bool(new.mode & 0o100)):
        return True
    return (old.kind, old.sha256, old.target, old.parts) != (new.kind, new.sha256, new.target, new.parts)


def commit(
    repository: hg.Repository,
    watched: Watched,
    *,
    parent: str,
    base: Mapping[bytes, Entry],
    new: Mapping[bytes, Entry],
    note: Note,
    accounts: Accounts,
    sealer: Sealer | None = None,
    owed: Collection[bytes] = (),
    sharing: Sharing | None = None,
) -> Committed:
    """Commit the entries ``new`` of ``watched`` on ``parent``; ``base`` are the entries of ``watched.node``.

    With an empty ``base`` (a path watched again) only ``new`` is left of the content of ``parent``. A path that cannot
    be read keeps its entry of ``base``, with a concern. ``accounts`` names the owners of files that took the place of
    scanned ones. ``sealer`` seals those whose ``sealed`` is not None. What is ``owed`` is not on the disk: its content
    is that of ``watched.node``. ``sharing`` helps where all is new. Raises PachaError, DamagedError.
    """
    result = Committed(parent)
    paths = differing(base, new)
    recorded = {path for path in owed if path in base and path not in paths}
    work = _Work(base=base, new=new, paths=paths, recorded=recorded)
    node = watched.node if base and watched.node else NULL
    extra = _orphaned_names(repository, node, parent)
    while True:
        written, removed = _names(work.paths, base, work.new, extra)
        activity.begin(f"reading and recording what changed below {escape(watched.path)}", len(written))
        with DirectoryFds(watched.path if not watched.single else os.path.dirname(watched.path)) as descent:
            source = BlobSource(
                watched=watched, written=written, descent=descent, base=base, recorded=work.recorded,
                before=lambda name: repository.reader(node)(name), sealer=sealer,
                as_owned=lambda entry, status: entry
                if entry.path in owed
                else metadata.as_owned(entry, status, accounts),
            )  # fmt: skip
            try:
                second = source.shared(sharing) if sharing and not (base or owed) else None
                result.node = repository.commit(parent, written, removed, source, note, second)
            except Unkept as unkept:
                result.entries[unkept.path] = work.leave_out(unkept)
                result.concerns += unkept.concerns
                continue
            finally:
                source.close()
        result.entries = {**result.entries, **source.entries} if result.entries else source.entries
        result.concerns += source.concerns
        return result


@dataclass(slots=True, kw_only=True)
class _Work:
    """What a commit has to do: the entries from ``base`` to ``new``, and the ``paths`` whose content differs.

    The content of the paths ``recorded`` is that of the last snapshot.
    """

    base: Mapping[bytes, Entry]
    new: Mapping[bytes, Entry]
    paths: set[bytes]
    recorded: set[bytes]

    def leave_out(self, unkept: Unkept) -> Entry | None:
        """Do without a path that cannot be read; returns its recorded entry, which stays, None if it has none."""
        path, entry = unkept.path, None if unkept.gone else self.base.get(unkept.path)
        new = {each: kept for each, kept in self.new.items() if each != path}
        self.paths = self.paths - {path}
        if entry is not None:
            new[path] = entry
            self.recorded.add(path)
        elif path in self.base:
            self.paths.add(path)
        self.new = new
        return entry


def _orphaned_names(repository: hg.Repository, node: str, parent: str) -> set[bytes]:
    """Stored names in which ``parent`` differs from ``node``: content that was committed without a snapshot."""
    if node == parent:
        return set()
    old = repository.names(node) if node != NULL else {}
    now = repository.names(parent) if parent != NULL else {}
    return {name for name in old.keys() | now.keys() if old.get(name) != now.get(name)}


def _names(
    paths: set[bytes], base: Mapping[bytes, Entry], new: Mapping[bytes, Entry], extra: set[bytes]
) -> tuple[dict[bytes, Entry], set[bytes]]:
    """The stored names to write, with the entry that each belongs to, and those to remove."""
    written: dict[bytes, Entry] = {}
    removed = set(extra)
    for path in paths:
        old, entry = base.get(path), new.get(path)
        if old is not None and old.stored is not None:
            removed.update(_all_names(old))
        if entry is not None and entry.stored is not None and has_content(entry):
            written.update(_all_names(entry))
    if extra:
        for entry in new.values():
            if entry.stored is not None and not extra.isdisjoint(names_of_entry := _all_names(entry)):
                written.update(names_of_entry)  # all parts: only a whole file can be hashed
    return written, removed - written.keys()


def _all_names(entry: Entry) -> dict[bytes, Entry]:
    stored_name = entry.stored or b""
    return dict.fromkeys([stored_name, *(names.part(stored_name, number) for number in range(entry.parts))], entry)
