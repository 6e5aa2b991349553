"""Collect the entries of a watched path: the known one where the fingerprint is the same, else one as observed now."""

from __future__ import annotations

import os
import stat
import time
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

from pacha.errors import Concern
from pacha.files import content, metadata, paths
from pacha.files.entry import Entry, Kind, as_recorded, matches
from pacha.files.listing import Fingerprint, Fingerprints, fingerprint
from pacha.files.mount_points import MountPoints
from pacha.files.owners import Accounts
from pacha.files.scanned import SOCKET, Scan
from pacha.files.watch import Watch
from pacha.text import escape

FORMAT = 0o170000  #: S_IFMT of inode(7)
#: ns. A file that changed within this time before the scan may change again within the same tick of the file system's
#: clock, so the next scan reads it again. Two seconds is the coarsest tick (FAT).
_UNSETTLED_NS = 2_000_000_000


@dataclass(slots=True, kw_only=True)
class Collector:
    """What is known of a watched path from the last scan, and the ``result`` that its entries are collected into."""

    watch: Watch
    known: Mapping[bytes, Entry]
    remembered: Mapping[bytes, Fingerprint]
    trusted: Fingerprints  #: ``remembered`` if it says ``are_recorded``, else none
    accounts: Accounts
    mount_points: MountPoints
    result: Scan
    keys: Mapping[bytes, bytes]  #: of the digests of sealed contents, by id
    entries: dict[bytes, Entry]
    listed: dict[bytes, Fingerprint] = field(default_factory=dict)  #: of the directory that is listed, by name
    device: int = 0  #: of the watched path
    settled_ns: int = field(default_factory=lambda: time.time_ns() - _UNSETTLED_NS)
    _named: set[tuple[int, bytes | None, int, bytes | None]] = field(
        default_factory=set
    )  #: owners with unchanged names
    _ordered: list[bytes] = field(default_factory=list)  #: the known paths, once they are asked for

    def take(self, name: bytes, fd: int, path: bytes, status: os.stat_result) -> None:
        """Put ``path`` into the result: the known entry where its fingerprint is the same, else as observed now."""
        result, known = self.result, self.known.get(path)
        if status.st_nlink > 1 and status.st_mode & FORMAT != stat.S_IFDIR:
            result.linked.setdefault((status.st_dev, status.st_ino), []).append(path)
        mark = fingerprint(status)
        if known is not None and self.remembered.get(path) == mark and self._matches(known, status):
            self.entries[known.path] = known  # by its own path object: ``path`` would be a second one in memory
            self.listed[name] = mark
            return
        unreadable: metadata.Unread = {}
        entry = metadata.from_stat(status, name, fd, path, self.accounts, unreadable, must_open=True)
        if entry.kind is Kind.SOCKET:
            result.left_out[path] = SOCKET
            self.listed[name] = mark
            return
        if entry.kind is Kind.FILE:
            entry = content.as_known(entry, known, name, fd, self.keys)
            if entry.sha256 is None:
                result.to_read.add(path)
        if unreadable:  # the next scan looks at it again
            entry, concerns = metadata.keep_attributes(entry, known, unreadable)
            result.concerns += concerns
        self.entries[path] = as_recorded(entry, known)
        if status.st_ctime_ns < self.settled_ns and not unreadable:
            self.listed[name] = mark

    def _matches(self, known: Entry, status: os.stat_result) -> bool:
        owners = (known.uid, known.owner, known.gid, known.group)
        return matches(known, status) and (owners in self._named or self._is_named(known))

    def _is_named(self, known: Entry) -> bool:
        """Whether owner and group of ``known`` have the same names now; if so, that is remembered."""
        if (known.owner, known.group) != (self.accounts.user_name(known.uid), self.accounts.group_name(known.gid)):
            return False
        self._named.add((known.uid, known.owner, known.gid, known.group))
        return True

    def leave_out(self, name: bytes, fd: int, path: bytes, status: os.stat_result) -> None:
        """Take only the mount point, without its time, of a file system that the kernel makes up."""
        kind = self.mount_points.pseudo_filesystems[status.st_dev]
        self.result.left_out[path] = f"a file system of the kernel itself ({escape(kind)})"
        if stat.S_ISDIR(status.st_mode):
            entry, known = metadata.from_stat(status, name, fd, path, self.accounts), self.known.get(path)
            mtime_ns = known.mtime_ns if known is not None else entry.mtime_ns
            self.entries[path] = entry._replace(mtime_ns=mtime_ns, xattrs=())

    def keep_known(self, path: bytes, reason: str, only_below: bool = False) -> None:
        """Report ``path`` as not kept; keep its known entry and those below it; with ``only_below`` only the latter."""
        self.result.concerns.append(Concern(path, reason))
        self.result.mounted |= self.mount_points.kept_with(path, path == self.watch.path)
        kept = self._known_below(path)
        for known_path in kept if only_below or path not in self.known else [path, *kept]:
            self.entries[known_path] = self.known[known_path]
            self.result.doubtful.add(known_path)  # its fingerprint, if any, is not of the known entry

    def _known_below(self, path: bytes) -> list[bytes]:
        """The known paths below ``path``, found by bisection: there may be many that cannot be looked at."""
        self._ordered = self._ordered or sorted(self.known)
        prefix = paths.prefix(path)
        first = bisect_left(self._ordered, prefix)
        return self._ordered[first : bisect_left(self._ordered, prefix[:-1] + b"0", first)]  # "0" comes after "/"
