"""Read the blobs of a commit directly from the watched files."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Container, Mapping, Set
from contextlib import suppress
from typing import TYPE_CHECKING

from pacha.errors import Concern, PurgedError
from pacha.files import content, keyed, metadata, names
from pacha.files.dirfd import DirectoryFds, open_file
from pacha.files.entry import Entry, Kind
from pacha.sealing.sealer import Sealer, Sealing
from pacha.store.revision import Blob, Interruption
from pacha.store.snapshot import Watched
from pacha.system import activity
from pacha.system.presence import ABSENT

if TYPE_CHECKING:
    from pacha.push.parallel import Sharing
    from pacha.store import hg

_POINTER = b"Kept in parts of at most %d bytes each: see %s\n"


class Unkept(Interruption):
    """A path could not be read; the commit starts again without it, or with what was recorded of it."""

    def __init__(self, path: bytes, reason: str, is_gone: bool) -> None:
        super().__init__(path)
        self.path, self.gone = path, is_gone
        self.concerns = [] if is_gone else [Concern(path, reason)]


class BlobSource:
    """Returns the blob of each name to Mercurial, reads each file once, and remembers the entries that it read.

    A file that cannot be read is left out (None) if it is not in ``base``. The paths ``recorded`` are not read from
    disk: ``before`` returns the last snapshot's content of a name. ``as_owned`` gives an entry the mode and owner of
    the file that was read.
    """

    def __init__(
        self,
        *,
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
        self._large: LargeFile | None = None

    def __call__(self, name: bytes) -> Blob | None:
        entry, number = self._written[name], names.part_number(name)
        if self.entries.get(entry.path, entry) is None:
            return None
        try:
            blob = self._blob(name, entry, number)
        except Unkept as unkept:
            if entry.path in self._base or entry.path in self._begun:
                raise
            self.entries[entry.path] = None
            self.concerns += unkept.concerns
            return None
        if entry.parts:
            self._begun.add(entry.path)
        return blob

    def shared(self, sharing: Sharing) -> hg.SecondWriter | None:
        """A second writer, which reads a part of the files in another process; None where ``sharing`` has none."""
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
            with suppress(PurgedError):  # then nobody has it any more, and only the disk can have it
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
        """The sealing of the file ``name`` in ``directory`` and its secret attributes; None if it stays in the clear.

        Raises OSError: what cannot be read must not be lost.
        """
        if entry.sealed is None:
            return None
        if self._sealer is None:  # it is owed: what is on disk is another file
            raise PermissionError(errno.EPERM, "it is sealed, and this configuration seals nothing")
        return self._sealer.begin(entry.path, keyed.secret(metadata.read_xattrs(name, directory)))

    def _part(self, entry: Entry, number: int) -> bytes:
        try:
            if self._large is None or self._large.path != entry.path or number == 0:
                self.close()
                directory, name = self._descent.parent(self._watched.relative(entry.path))
                sealing = self._sealing(entry, name, directory)
                self._large = LargeFile(entry.path, open_file(name, directory), sealing)
            data = self._large.read(number)
            activity.advance(1, len(data))
            if number == entry.parts - 1:
                self._finish(entry, self._large)
            return data
        except OSError as error:
            raise self._unkept(entry, error) from None

    def _finish(self, entry: Entry, large: LargeFile) -> None:
        read = entry._replace(size=large.size, sha256=large.sha.digest(), mtime_ns=large.before.st_mtime_ns)
        self.entries[entry.path] = _sealed(self._as_owned(read, large.before), large.sealing)
        steady = large.sure and content.same_moment(large.before, os.fstat(large.fd))
        if not steady or large.size != large.before.st_size:
            self.concerns.append(Concern(entry.path, "changed while it was read; kept as it was read"))

    def _unkept(self, entry: Entry, error: OSError) -> Unkept:
        is_gone = isinstance(error, ABSENT) and self._descent.is_gone(self._watched.relative(entry.path))
        return Unkept(entry.path, f"cannot be kept: {error.strerror or error}; its last version stays", is_gone)

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


class LargeFile:
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
