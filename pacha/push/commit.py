"""Commit the content of a watched path to its repository, directly from its files."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Collection, Container, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pacha.errors import Concern, PurgedError
from pacha.files import content, keyed, metadata, names
from pacha.files.dirfd import DirectoryFds, open_file
from pacha.files.metadata import Entry, Kind
from pacha.sealing.sealer import Sealer, Sealing
from pacha.store.revision import NULL, Blob, Interruption, Note
from pacha.store.snapshot import Watched, missing_in, other_than
from pacha.system import activity
from pacha.system.presence import ABSENT
from pacha.text import escape

if TYPE_CHECKING:
    from pacha.files.owners import Accounts
    from pacha.push.parallel import Sharing
    from pacha.store import hg

_POINTER = b"Kept in parts of at most %d bytes each: see %s\n"


@dataclass(slots=True)
class Committed:
    """The result of a commit: the node, the entries as they were read (None: not kept), concerns."""

    node: str
    entries: dict[bytes, Entry | None] = field(default_factory=dict)
    concerns: list[Concern] = field(default_factory=list)


class _Unkept(Interruption):
    """A path could not be read; the commit starts again without it, or with what was recorded of it."""

    def __init__(self, path: bytes, reason: str, is_gone: bool) -> None:
        super().__init__(path)
        self.path, self.gone = path, is_gone
        self.concerns = [] if is_gone else [Concern(path, reason)]


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
    node = watched.node if base and watched.node else NULL
    extra = _orphaned_names(repository, node, parent)
    recorded = {path for path in owed if path in base and path not in paths}
    while True:
        written, removed = _names(paths, base, new, extra)
        activity.begin(f"reading and recording what changed below {escape(watched.path)}", len(written))
        with DirectoryFds(watched.path if not watched.single else os.path.dirname(watched.path)) as descent:
            reader = _BlobSource(
                watched, written, descent, base, recorded, lambda name: repository.reader(node)(name), sealer,
                lambda entry, status: entry if entry.path in owed else metadata.as_owned(entry, status, accounts),
            )  # fmt: skip
            try:
                second = reader.shared(sharing) if sharing and not (base or owed) else None
                result.node = repository.commit(parent, written, removed, reader, note, second)
            except _Unkept as unkept:
                base_entry = None if unkept.gone else base.get(unkept.path)
                result.entries[unkept.path] = base_entry
                new = {path: entry for path, entry in new.items() if path != unkept.path}
                if base_entry is not None:
                    new[unkept.path] = base_entry
                    recorded.add(unkept.path)
                paths = (paths - {unkept.path}) | (base.keys() & {unkept.path} if base_entry is None else set())
                result.concerns += unkept.concerns
                continue
            finally:
                reader.close()
        result.entries = {**result.entries, **reader.entries} if result.entries else reader.entries
        result.concerns += reader.concerns
        return result


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


class _BlobSource:
    """Returns the blob of each name to Mercurial, reads each file once, and remembers the entries that it read.

    A file of which ``base`` has nothing is left out (None) if it cannot be read: what is committed stays as it is. The
    paths ``recorded`` are not read from disk: ``before`` returns the last snapshot's content of a name.
    ``as_owned`` gives an entry the mode and owner of the file that was read.
    """

    def __init__(
        self,
        watched: Watched,
        written: Mapping[bytes, Entry],
        descent: DirectoryFds,
        base: Container[bytes],
        recorded: Set[bytes],
        before: Callable[[bytes], bytes],
        sealer: Sealer | None,
        as_owned: Callable[[Entry, os.stat_result], Entry],
    ) -> None:
        self.entries: dict[bytes, Entry | None] = {}
        self.concerns: list[Concern] = []
        self._watched = watched
        self._written = written
        self._descent = descent
        self._base, self._begun = base, set[bytes]()
        self._recorded, self._before, self._sealer, self._as_owned = recorded, before, sealer, as_owned
        self._large: _Large | None = None

    def __call__(self, name: bytes) -> Blob | None:
        entry, number = self._written[name], names.part_number(name)
        if self.entries.get(entry.path, entry) is None:
            return None
        try:
            blob = self._blob(name, entry, number)
        except _Unkept as unkept:
            if entry.path in self._base or entry.path in self._begun:
                raise
            self.entries[entry.path] = None
            self.concerns += unkept.concerns
            return None
        if entry.parts:
            self._begun.add(entry.path)
        return blob

    def shared(self, sharing: Sharing) -> hg.SecondWriter | None:
        """What reads a part of the files in another process, and has that write their logs."""
        folder = self._descent.directory(b"")
        return sharing.reading(self._written, folder, self._watched.relative, self._accept)

    def _accept(self, entry: Entry) -> None:
        self.entries[entry.path] = entry
        activity.advance(1, entry.size)

    def _blob(self, name: bytes, entry: Entry, number: int) -> Blob:
        executable = bool(entry.mode & 0o100)
        if entry.kind is Kind.SYMLINK:
            return Blob(entry.target or b"", is_link=True)
        if entry.path in self._recorded:
            with suppress(PurgedError):  # then nobody has it, and what is on the disk is all that there is
                return Blob(self._before(name), is_executable=executable and number < 0)
        if number >= 0:
            return Blob(self._part(entry, number))
        if entry.parts:
            return Blob(_POINTER % (content.PART_SIZE, names.part(name, 0)[:-7]), is_executable=executable)
        data, executable = self._whole(entry)
        activity.advance(1, len(data))
        return Blob(data, is_executable=executable)

    def _whole(self, entry: Entry) -> tuple[bytes, bool]:
        """The bytes of a file, and whether its owner may execute it."""
        try:
            directory, name = self._descent.parent(self._watched.relative(entry.path))
            sealing = self._sealing(entry, name, directory)
            reading = content.read(entry, name, directory)
        except OSError as error:
            raise self._unkept(entry, error) from None
        data = reading.data if sealing is None else sealing.seal(reading.data)
        read = self._as_owned(reading.entry, reading.status)
        self.entries[entry.path] = _sealed(read, sealing)
        if not reading.steady:
            self.concerns.append(Concern(entry.path, "changed while it was read; kept as it was read"))
        return data, bool(read.mode & 0o100)

    def _sealing(self, entry: Entry, name: bytes, directory: int) -> Sealing | None:
        """What seals the file ``name`` in ``directory`` with its secret attributes, None where it stays in the clear.

        Raises OSError: what cannot be read must not be lost.
        """
        if entry.sealed is None:
            return None
        if self._sealer is None:  # it is owed, and what is on disk is not it
            raise PermissionError(errno.EPERM, "it is sealed, and this configuration seals nothing")
        return self._sealer.begin(entry.path, keyed.secret(metadata.read_xattrs(name, directory)))

    def _part(self, entry: Entry, number: int) -> bytes:
        try:
            if self._large is None or self._large.path != entry.path or number == 0:
                self.close()
                directory, name = self._descent.parent(self._watched.relative(entry.path))
                sealing = self._sealing(entry, name, directory)
                self._large = _Large(entry.path, open_file(name, directory), sealing)
            data = self._large.read(number)
            activity.advance(1, len(data))
            if number == entry.parts - 1:
                self._finish(entry, self._large)
            return data
        except OSError as error:
            raise self._unkept(entry, error) from None

    def _finish(self, entry: Entry, large: _Large) -> None:
        read = entry._replace(size=large.size, sha256=large.sha.digest(), mtime_ns=large.before.st_mtime_ns)
        self.entries[entry.path] = _sealed(self._as_owned(read, large.before), large.sealing)
        steady = large.sure and content.same_moment(large.before, os.fstat(large.fd))
        if not steady or large.size != large.before.st_size:
            self.concerns.append(Concern(entry.path, "changed while it was read; kept as it was read"))

    def _unkept(self, entry: Entry, error: OSError) -> _Unkept:
        is_gone = isinstance(error, ABSENT) and self._descent.is_gone(self._watched.relative(entry.path))
        return _Unkept(entry.path, f"cannot be kept: {error.strerror or error}; its last version stays", is_gone)

    def close(self) -> None:
        """Close the large file, if one is open."""
        if self._large is not None:
            os.close(self._large.fd)
            self._large = None


def _sealed(entry: Entry, sealing: Sealing | None) -> Entry:
    """``entry`` as it was read, with the digests of what was sealed in place of that of its content."""
    if sealing is None:
        return entry
    return entry._replace(sha256=sealing.sha256, sealed=sealing.sealed, xattrs=keyed.clear(entry.xattrs))


class _Large:
    """A large file that is read in parts, each of which is sealed by itself if it is sealed."""

    def __init__(self, path: bytes, fd: int, sealing: Sealing | None) -> None:
        self.path, self.fd, self.sealing = path, fd, sealing
        self.before, self.sure = content.settled(fd)
        self.sha = hashlib.sha256()
        self.size = 0

    def read(self, number: int) -> bytes:
        """The bytes of part ``number``; fewer at the end of the file, none after it."""
        pieces, offset, end = [], number * content.PART_SIZE, (number + 1) * content.PART_SIZE
        while offset < end and (piece := os.pread(self.fd, end - offset, offset)):
            pieces.append(piece)
            offset += len(piece)
        data = b"".join(pieces)
        self.sha.update(data)
        self.size += len(data)
        return data if self.sealing is None else self.sealing.seal(data)
