"""Walk a watched path: list its entries, the files that must be read, and what cannot be kept.

A path with the same fingerprint as at the last scan keeps its remembered entry, and a directory that lists the same
fingerprints keeps all of them: an idle scan costs one lstat for each path, and reads neither files nor their entries.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from bisect import bisect_left
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field

from pacha.errors import Concern
from pacha.files import content, metadata, names, paths, scanned
from pacha.files.dirfd import DIRECTORY, reach
from pacha.files.exclude import Rules
from pacha.files.link_groups import number_links
from pacha.files.listing import WATCHED, Fingerprint, Fingerprints, Listing, fingerprint
from pacha.files.metadata import Entry, Kind
from pacha.files.mount_points import NOT_MOUNTED, MountPoints
from pacha.files.owners import Accounts
from pacha.files.scanned import SOCKET, Scan
from pacha.system.presence import still_listed
from pacha.text import escape

#: ns. A file that changed within this time before the scan may change again within the same tick of the file system's
#: clock, so the next scan reads it again. Two seconds is the coarsest tick (FAT).
_UNSETTLED_NS = 2_000_000_000
_ENCODING = sys.getfilesystemencoding()
_FORMAT = 0o170000  # S_IFMT of inode(7)
_ELSEWHERE = "what is in it is another file system (pacha.one.filesystem)"
_LOOKS = 3  #: how often a name is looked at that is listed and not found; it may be removed and made all the time


@dataclass(frozen=True, slots=True)
class Watch:
    """What to scan: a watched path and its rules. ``path`` is absolute bytes; ``single``: one file.

    With ``parts`` (absolute bytes), only what is at, below or above one of them is scanned.
    """

    path: bytes
    single: bool
    rules: Rules
    one_filesystem: bool
    parts: tuple[bytes, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Walk:
    watch: Watch
    known: Mapping[bytes, Entry]
    remembered: Mapping[bytes, Fingerprint]
    before: Fingerprints  #: those that are recorded
    accounts: Accounts
    mount_points: MountPoints
    result: Scan
    keys: Mapping[bytes, bytes]
    entries: dict[bytes, Entry]
    device: int = 0
    found: dict[bytes, Fingerprint] = field(default_factory=dict)  #: of the directory that is listed, by name
    named: set[tuple[int, bytes | None, int, bytes | None]] = field(default_factory=set)  #: owners that are right
    start: int = field(init=False)  #: where in a path the part begins that is relative to the watched one
    settled_ns: int = field(default_factory=lambda: time.time_ns() - _UNSETTLED_NS)

    _ordered: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start = len(paths.prefix(self.watch.path))

    def known_below(self, path: bytes) -> list[bytes]:
        """The known paths below ``path``, found by bisection: there may be many that cannot be looked at."""
        self._ordered = self._ordered or sorted(self.known)
        prefix = paths.prefix(path)
        first = bisect_left(self._ordered, prefix)
        return self._ordered[first : bisect_left(self._ordered, prefix[:-1] + b"0", first)]  # "0" comes after "/"


def scan(
    watches: Iterable[Watch],
    known: Mapping[bytes, Entry],
    remembered: Mapping[bytes, Fingerprint],
    accounts: Accounts,
    mounted: Iterable[bytes] = (),
    result: Scan | None = None,
    keys: Mapping[bytes, bytes] | None = None,
) -> Scan:
    """Walk ``watches``; ``known`` are the last snapshot's entries, ``remembered`` their fingerprints.

    Where those ``are_recorded`` and nothing differs, ``known`` is not looked into, and is what ``entries`` is then.
    ``mounted`` are the mount points that the last scan met: what was on a volume that is not mounted now is kept. It
    fills ``result``, an empty one, so that another thread can see how far it is. ``keys``: those of the digests of
    sealed contents, by id; without its key such a file is taken for changed.

    Absent is only what its directory does not list. A path that cannot be looked at or read keeps its known entries,
    and is named in ``concerns``.
    """
    mount_points = MountPoints.of_machine(mounted)
    before = remembered if isinstance(remembered, Fingerprints) and remembered.are_recorded else Fingerprints()
    result = Scan() if result is None else result
    result.entries = entries = dict[bytes, Entry]()
    walks = [
        _Walk(
            watch=watch, known=known, remembered=remembered, accounts=accounts, mount_points=mount_points,
            before=before, result=result, keys=keys or {}, entries=entries,
        )
        for watch in watches
    ]  # fmt: skip
    for walk in walks:
        _scan_one(walk)
    there: Container[bytes] = before
    if scanned.is_as_before(result, before):
        result.entries = known
    elif all(map(_is_plain, walks)) and (found := scanned.amended(result, known, before)) is not None:
        result.entries = there = found
    else:
        scanned.fill(entries, known, result, before)
        for walk in walks:
            _keep_removed_mount_points(walk)
        number_links(entries, result.linked, known)
        there = entries
    result.left_out.update(scanned.left_out_before(result, before))
    for walk in walks:
        result.mounted |= mount_points.met(walk.watch.path, there)
    return result


def _is_plain(walk: _Walk) -> bool:
    """Whether all of what is watched was walked, and no volume that was there is not mounted now."""
    return not (walk.watch.parts or walk.mount_points.before - walk.mount_points.now)


def _scan_one(walk: _Walk) -> None:
    path, above = walk.watch.path, -1
    try:
        above = reach(os.path.dirname(path))
        name = os.path.basename(path) or b"."
        status = os.stat(name, dir_fd=above, follow_symlinks=False)
        if not walk.watch.single and not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError("is watched as a directory and is not one now")
        if walk.watch.single and stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError("is watched as a single file and is a directory now")
        if kind := walk.mount_points.kernels.get(status.st_dev):
            raise OSError(f"lies in a file system of the kernel itself ({escape(kind)}), which is never kept")
        walk.device = status.st_dev
        _take_watched(walk, name, above, status)
        if not walk.watch.single:
            _walk_tree(walk, name, above, path)
    except OSError as error:
        _keep_known(walk, path, f"{_reason(error)}; its last version is kept ('pacha unwatch' ends that)")
    finally:
        if above >= 0:
            os.close(above)


def _take_watched(walk: _Walk, name: bytes, above: int, status: os.stat_result) -> None:
    """Take the watched path itself, whose lstat is ``status``, without asking what is known of one that is the same."""
    path, mark = walk.watch.path, fingerprint(status)
    if walk.before.get(path) == mark:
        if walk.watch.single and status.st_nlink > 1:
            walk.result.linked.setdefault((status.st_dev, status.st_ino), []).append(path)
        walk.found[name] = mark
    else:
        _take(walk, name, above, path, status)
    walk.result.count += 1
    watched = walk.result.listings.get(WATCHED, Listing()).by_name
    watched.update((path, mark) for mark in walk.found.values())
    walk.result.listings[WATCHED] = Listing.of(watched)


def _walk_tree(walk: _Walk, name: bytes, above: int, path: bytes) -> None:
    """Walk depth first, with one open descriptor for each level: no recursion limit, no PATH_MAX."""
    fds = [(path, os.open(name, DIRECTORY, dir_fd=above))]
    pending: list[list[bytes]] = [[]]
    try:
        if walk.mount_points.is_below_missing(path, fds[0][1], walk.known):
            _keep_known(walk, path, NOT_MOUNTED)
        else:
            pending = [_list(walk, path, fds[0][1])]
        while pending:
            directory, fd = fds[-1]
            if not pending[-1]:
                pending.pop()
                os.close(fds.pop()[1])
                continue
            child = pending[-1].pop()
            below = directory + b"/" + child
            try:
                child_fd = os.open(child, DIRECTORY, dir_fd=fd)
            except OSError as error:
                if isinstance(error, FileNotFoundError) and not still_listed([child], fd):
                    walk.entries.pop(below, None)  # removed since it was listed
                    walk.result.doubtful.add(below)
                else:
                    _keep_known(walk, below, _reason(error), own=True)
                continue
            fds.append((below, child_fd))
            if walk.mount_points.is_missing(below, child_fd, walk.known):
                _keep_known(walk, below, NOT_MOUNTED)
                pending.append([])
            else:
                pending.append(_list(walk, below, child_fd))
    finally:
        for _, fd in fds:
            os.close(fd)


def _leave_out(walk: _Walk, name: bytes, fd: int, path: bytes, status: os.stat_result) -> None:
    """Take of a file system that the kernel makes up only the directory that it is mounted on; its time is not kept."""
    kind = walk.mount_points.kernels[status.st_dev]
    walk.result.left_out[path] = f"a file system of the kernel itself ({escape(kind)})"
    if stat.S_ISDIR(status.st_mode):
        entry, known = metadata.from_stat(status, name, fd, path, walk.accounts), walk.known.get(path)
        mtime_ns = known.mtime_ns if known is not None else entry.mtime_ns
        walk.entries[path] = entry._replace(mtime_ns=mtime_ns, xattrs=())


def _keep_removed_mount_points(walk: _Walk) -> None:
    """Keep what was known of volumes whose mount points were removed with them, as those of removable ones are."""
    result = walk.result
    for path, folders in walk.mount_points.removed(walk.watch.path, result.entries, walk.known):
        if not any(_is_excluded(walk, paths.name(folder), folder, True) for folder in (path, *folders)):
            walk.entries.update({folder: walk.known[folder] for folder in folders})
            _keep_known(walk, path, NOT_MOUNTED)


def _list(walk: _Walk, directory: bytes, fd: int) -> list[bytes]:
    """Take every entry of an open directory; return the names of the directories to walk into, last first."""
    before = walk.before.listings.get(directory)
    if before is not None and (look := _look(walk, directory, fd)) is not None:
        return _take_others(walk, directory, fd, look, before)
    deeper, missed, prefix = list[bytes](), list[bytes](), paths.prefix(directory)
    walk.found = {}
    try:
        with os.scandir(fd) as listing:
            for item in listing:
                name = item.name.encode(_ENCODING, "surrogateescape")  # os.fsencode, without its checks
                if not _is_passed_over(walk, item, name, prefix + name):
                    _take_listed(walk, name, fd, prefix, deeper, missed)
    except OSError as error:
        _keep_known(walk, directory, _reason(error), own=True)
    else:
        _end_listing(walk, directory, fd, deeper, missed)
    return sorted(deeper, reverse=True)


@dataclass(slots=True)
class _Look:
    """What a directory lists, by name: fingerprints, directories to walk into or not, inodes that have more names."""

    found: dict[bytes, Fingerprint] = field(default_factory=dict)
    deeper: list[bytes] = field(default_factory=list)
    elsewhere: list[bytes] = field(default_factory=list)
    linked: dict[bytes, tuple[int, int]] = field(default_factory=dict)


def _look(walk: _Walk, directory: bytes, fd: int) -> _Look | None:
    """Look at all that an open directory lists; None where that fails."""
    look, prefix, one_filesystem = _Look(), paths.prefix(directory), walk.watch.one_filesystem
    try:
        with os.scandir(fd) as listing:
            for item in listing:
                name = item.name.encode(_ENCODING, "surrogateescape")
                if _is_passed_over(walk, item, name, prefix + name):
                    continue
                status = item.stat(follow_symlinks=False)
                look.found[name] = fingerprint(status)
                if status.st_mode & _FORMAT != stat.S_IFDIR:
                    if status.st_nlink > 1:
                        look.linked[name] = (status.st_dev, status.st_ino)
                elif not one_filesystem or status.st_dev == walk.device:
                    look.deeper.append(name)
                else:
                    look.elsewhere.append(name)
    except OSError:
        return None
    return look


def _take_others(walk: _Walk, directory: bytes, fd: int, look: _Look, before: Listing) -> list[bytes]:
    """Take what is not as it was listed ``before`` of a directory in which ``look`` was found; return as ``_list``."""
    prefix, result, listing = paths.prefix(directory), walk.result, Listing.of(look.found)
    others, missed = set[bytes](), list[bytes]()
    if listing == before:
        result.same.add(directory)
        result.listings[directory] = before
    else:
        marks = before.by_name
        others = {name for name, mark in look.found.items() if marks.get(name) != mark}
        result.kept[directory] = frozenset(look.found.keys() - others)
        walk.found = {name: look.found[name] for name in result.kept[directory]}
    deeper = [name for name in look.deeper if name not in others]
    result.left_out.update((prefix + name, _ELSEWHERE) for name in look.elsewhere if name not in others)
    result.count += len(look.found) - len(others)
    for name in look.found if others else look.linked:  # in the order of the directory
        if name in others:
            _take_listed(walk, name, fd, prefix, deeper, missed)
        elif name in look.linked:
            result.linked.setdefault(look.linked[name], []).append(prefix + name)
    if listing != before:
        _end_listing(walk, directory, fd, deeper, missed)
    return sorted(deeper, reverse=True)


def _take_listed(walk: _Walk, name: bytes, fd: int, prefix: bytes, deeper: list[bytes], missed: list[bytes]) -> None:
    """Take what a directory lists; a directory to walk into goes to ``deeper``, what cannot be found to ``missed``."""
    walk.result.count += 1
    try:
        if _visit(walk, name, fd, prefix + name):
            deeper.append(name)
    except FileNotFoundError:
        missed.append(name)


def _end_listing(walk: _Walk, directory: bytes, fd: int, deeper: list[bytes], missed: list[bytes]) -> None:
    """Look again for the ``missed``, and remember what ``directory`` listed."""
    try:
        deeper += _look_again(walk, missed, fd, paths.prefix(directory))
        walk.result.listings[directory] = Listing.of(walk.found)
    except OSError as error:
        _keep_known(walk, directory, _reason(error), own=True)


def _is_passed_over(walk: _Walk, item: os.DirEntry[str], name: bytes, path: bytes) -> bool:
    """Whether what a directory lists is Pacha's own, none of the parts to scan, or left out by a rule."""
    if name.startswith(b".pacha-") and names.is_pachas_own(name):
        return True
    if walk.watch.parts and not _is_related(walk.watch.parts, path):
        return True
    return bool(walk.watch.rules.patterns) and _is_left_out(walk, item, name, path)


def _look_again(walk: _Walk, missed: list[bytes], fd: int, prefix: bytes) -> list[bytes]:
    """Take those of the ``missed`` names that are still listed; return the directories among them.

    What is not listed any more is gone. What still is, and cannot be found, is named: a file system may show names that
    it cannot look up.
    """
    deeper: list[bytes] = []
    for _ in range(_LOOKS):
        missed, listed = [], still_listed(missed, fd) if missed else []
        for name in listed:
            try:
                if _visit(walk, name, fd, prefix + name):
                    deeper.append(name)
            except FileNotFoundError:
                missed.append(name)
    for name in missed:
        _keep_known(walk, prefix + name, "is listed by its directory, and cannot be found there")
    return deeper


def _visit(walk: _Walk, name: bytes, fd: int, path: bytes) -> bool:
    """Take the entry ``name`` of the directory ``fd``; return whether it is a directory to walk into.

    Raises FileNotFoundError where it, or what must be known of it, cannot be found.
    """
    try:
        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if status.st_dev in walk.mount_points.kernels:
            _leave_out(walk, name, fd, path, status)
            return False
        _take(walk, name, fd, path, status)
    except FileNotFoundError:
        raise
    except OSError as error:
        if walk.watch.one_filesystem and path in walk.mount_points.now:
            walk.result.left_out[path] = "another file system (pacha.one.filesystem), which cannot be looked at"
            walk.entries.update({path: walk.known[path]} if path in walk.known else {})
        else:
            _keep_known(walk, path, _reason(error))
        return False
    if status.st_mode & _FORMAT != stat.S_IFDIR:
        return False
    if walk.watch.one_filesystem and status.st_dev != walk.device:  # also a subvolume of btrfs
        walk.result.left_out[path] = _ELSEWHERE
        return False
    return True


def _is_left_out(walk: _Walk, item: os.DirEntry[str], name: bytes, path: bytes) -> bool:
    """Whether a rule leaves out what a directory lists, as a directory or not; mostly without looking at it."""
    try:
        return _is_excluded(walk, name, path, item.is_dir(follow_symlinks=False))
    except OSError:  # only looking at it would tell, and that fails
        return _is_excluded(walk, name, path, False) or _is_excluded(walk, name, path, True)


def _is_excluded(walk: _Walk, name: bytes, path: bytes, is_directory: bool) -> bool:
    rules = walk.watch.rules
    return bool(rules.patterns) and rules.match(name, path[walk.start :], path, is_directory)


def _is_related(parts: tuple[bytes, ...], path: bytes) -> bool:
    return any(paths.is_within(path, part) or paths.is_within(part, path) for part in parts)


def _take(walk: _Walk, name: bytes, fd: int, path: bytes, status: os.stat_result) -> None:
    """Put ``path`` into the result: the known entry where its fingerprint is the same, else as observed now."""
    result, known = walk.result, walk.known.get(path)
    if status.st_nlink > 1 and status.st_mode & _FORMAT != stat.S_IFDIR:
        result.linked.setdefault((status.st_dev, status.st_ino), []).append(path)
    mark = fingerprint(status)
    if known is not None and walk.remembered.get(path) == mark and _matches(walk, known, status):
        walk.entries[known.path] = known  # the objects that there are: of the same path others would be made
        walk.found[name] = mark
        return
    unread: metadata.Unread = {}
    entry = metadata.from_stat(status, name, fd, path, walk.accounts, unread, must_open=True)
    if entry.kind is Kind.SOCKET:
        result.left_out[path] = SOCKET
        walk.found[name] = mark
        return
    if entry.kind is Kind.FILE:
        entry = content.as_known(entry, known, name, fd, walk.keys)
        if entry.sha256 is None:
            result.unread.add(path)
    if unread:  # it is looked at again the next time
        entry, concerns = metadata.keep_attributes(entry, known, unread)
        result.concerns += concerns
    walk.entries[path] = metadata.as_recorded(entry, known)
    if status.st_ctime_ns < walk.settled_ns and not unread:
        walk.found[name] = mark


def _matches(walk: _Walk, known: Entry, status: os.stat_result) -> bool:
    owners = (known.uid, known.owner, known.gid, known.group)
    return metadata.matches(known, status) and (owners in walk.named or _is_named(walk, known))


def _is_named(walk: _Walk, known: Entry) -> bool:
    """Whether owner and group of ``known`` have the same names now; if so, that is remembered."""
    if (known.owner, known.group) != (walk.accounts.user_name(known.uid), walk.accounts.group_name(known.gid)):
        return False
    walk.named.add((known.uid, known.owner, known.gid, known.group))
    return True


def _keep_known(walk: _Walk, path: bytes, reason: str, own: bool = False) -> None:
    """Report ``path`` as not kept; keep the known entries of it (not with ``own``: it is up to date) and below."""
    walk.result.concerns.append(Concern(path, reason))
    walk.result.mounted |= walk.mount_points.kept_with(path, path == walk.watch.path)
    kept = walk.known_below(path)
    for known_path in kept if own or path not in walk.known else [path, *kept]:
        walk.entries[known_path] = walk.known[known_path]
        walk.result.doubtful.add(known_path)  # its fingerprint is of what is there now


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
