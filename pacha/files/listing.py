"""What each directory listed at the last scan: its names with their fingerprints, compared and kept as a whole.

A directory that lists the same names with the same fingerprints has the same entries, which are not compared.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pacha.files import paths

#: Device, inode, ctime and mtime in ns, size, mode, uid and gid of a path at its last scan, packed. Any change of
#: content or metadata moves the ctime; the rest is for file systems whose ctime means little.
Fingerprint = bytes
_FINGERPRINT = struct.Struct("=QQQQQIII")
_SIZE = _FINGERPRINT.size
_MASK = (1 << 64) - 1  # 64 bits of a time: some file systems have years after 2262, or before 1970
_pack = _FINGERPRINT.pack
WATCHED = b""  #: the key of the listing of the watched paths themselves, by their whole path


def fingerprint(status: os.stat_result) -> Fingerprint:
    """The fingerprint of a path whose lstat is ``status``."""
    return _pack(
        status.st_dev, status.st_ino, status.st_ctime_ns & _MASK, status.st_mtime_ns & _MASK, status.st_size & _MASK,
        status.st_mode, status.st_uid, status.st_gid,
    )  # fmt: skip


class Listing(NamedTuple):
    """The names in a directory, sorted and joined by NULs, and their fingerprints in the same order.

    A name that the next scan must look at again is missing.
    """

    joined_names: bytes = b""
    fingerprints: bytes = b""

    @classmethod
    def of(cls, found: Mapping[bytes, Fingerprint]) -> Listing:
        """The listing of these names with these fingerprints."""
        names = sorted(found)
        return cls(b"\0".join(names), b"".join([found[name] for name in names]))

    @property
    def size(self) -> int:
        """How many names there are."""
        return len(self.fingerprints) // _SIZE

    @property
    def names(self) -> list[bytes]:
        """The names."""
        return self.joined_names.split(b"\0") if self.size else []

    @property
    def by_name(self) -> dict[bytes, Fingerprint]:
        """The fingerprint of each name."""
        starts = range(0, len(self.fingerprints), _SIZE)
        return dict(zip(self.names, (self.fingerprints[at : at + _SIZE] for at in starts), strict=False))


class Fingerprints(Mapping[bytes, Fingerprint]):
    """The fingerprints of a scan by path, kept as a listing for each directory.

    ``left_out``: the paths that were left out on purpose, each with the reason. ``are_recorded``: pacha.db still has
    what was recorded after that scan, no path more or less; the same fingerprint then means the same entry.
    """

    def __init__(
        self,
        listings: Mapping[bytes, Listing] | None = None,
        left_out: Mapping[bytes, str] | None = None,
        *,
        are_recorded: bool = False,
    ) -> None:
        """Those of ``listings``, by directory."""
        self.listings: Mapping[bytes, Listing] = listings or {}
        self.left_out: Mapping[bytes, str] = left_out or {}
        self.are_recorded = are_recorded
        self._watched = self.listings.get(WATCHED, Listing()).by_name
        self._folder, self._names = WATCHED, self._watched  # those that were asked for last

    def __getitem__(self, path: bytes) -> Fingerprint:
        found = self.get(path)
        if found is None:
            raise KeyError(path)
        return bytes(found)

    def get(self, path: bytes, default: Any = None) -> Any:
        """Return the fingerprint of ``path``, ``default`` for none: without an exception, as a scan asks for each."""
        folder, _, name = path.rpartition(b"/")
        found = self.of_folder(folder or b"/").get(name) if path not in self._watched else self._watched[path]
        return default if found is None else found

    def of_folder(self, folder: bytes) -> Mapping[bytes, Fingerprint]:
        """The fingerprints of what is in ``folder``, by name."""
        if folder != self._folder:
            self._folder, self._names = folder, self.listings.get(folder, Listing()).by_name
        return self._names

    def __iter__(self) -> Iterator[bytes]:
        for folder, listing in self.listings.items():
            prefix = b"" if folder == WATCHED else paths.prefix(folder)
            yield from (prefix + name for name in listing.by_name)

    def __len__(self) -> int:
        return sum(listing.size for listing in self.listings.values())

    def without(self, doubtful: Iterable[bytes]) -> Fingerprints:
        """These fingerprints, but for those of the paths ``doubtful``."""
        listings = dict(self.listings)
        by_folder: dict[bytes, set[bytes]] = {WATCHED: set(doubtful)}
        for path in by_folder[WATCHED]:
            by_folder.setdefault(paths.parent(path), set()).add(paths.name(path))
        for folder in by_folder.keys() & listings.keys():
            found = listings[folder].by_name
            if not found.keys().isdisjoint(by_folder[folder]):
                listings[folder] = Listing.of({name: found[name] for name in found.keys() - by_folder[folder]})
        return Fingerprints(listings, self.left_out, are_recorded=self.are_recorded and not by_folder[WATCHED])
