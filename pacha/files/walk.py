"""Walk a watched path: look at everything that its directories list, and collect an entry of each path.

A directory that lists the same fingerprints as at the last scan keeps all its entries, without a look into them.
"""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass, field

from pacha.files import paths
from pacha.files.collector import FORMAT, Collector
from pacha.files.dirfd import DIRECTORY, reach
from pacha.files.listing import WATCHED, Fingerprint, Listing, fingerprint
from pacha.files.mount_points import NOT_MOUNTED
from pacha.system.presence import still_listed
from pacha.text import escape

_ENCODING = sys.getfilesystemencoding()
_ELSEWHERE = "what is in it is another file system (pacha.one.filesystem)"
_TRIES = 3  #: how often to look for a listed name that is not found: it may be replaced all the time


def walk(collector: Collector) -> None:
    """Collect the watched path and everything below it; where that fails, keep what is known of it."""
    path, above = collector.watch.path, -1
    try:
        above = reach(os.path.dirname(path))
        name = os.path.basename(path) or b"."
        status = os.stat(name, dir_fd=above, follow_symlinks=False)
        if not collector.watch.single and not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError("is watched as a directory and is not one now")
        if collector.watch.single and stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError("is watched as a single file and is a directory now")
        if kind := collector.mount_points.pseudo_filesystems.get(status.st_dev):
            raise OSError(f"lies in a file system of the kernel itself ({escape(kind)}), which is never kept")
        collector.device = status.st_dev
        _take_watched(collector, name, above, status)
        if not collector.watch.single:
            _walk_tree(collector, name, above, path)
    except OSError as error:
        collector.keep_known(path, f"{_reason(error)}; its last version is kept ('pacha unwatch' ends that)")
    finally:
        if above >= 0:
            os.close(above)


def _take_watched(collector: Collector, name: bytes, above: int, status: os.stat_result) -> None:
    """Take the watched path itself (lstat: ``status``); if its fingerprint is the same, no known entry is needed."""
    path, mark = collector.watch.path, fingerprint(status)
    if collector.trusted.get(path) == mark:
        if collector.watch.single and status.st_nlink > 1:
            collector.result.linked.setdefault((status.st_dev, status.st_ino), []).append(path)
        collector.listed[name] = mark
    else:
        collector.take(name, above, path, status)
    collector.result.count += 1
    watched = collector.result.listings.get(WATCHED, Listing()).by_name
    watched.update((path, mark) for mark in collector.listed.values())
    collector.result.listings[WATCHED] = Listing.of(watched)


def _walk_tree(collector: Collector, name: bytes, above: int, path: bytes) -> None:
    """Walk depth first, with one open descriptor for each level: no recursion limit, no PATH_MAX."""
    fds = [(path, os.open(name, DIRECTORY, dir_fd=above))]
    pending: list[list[bytes]] = [[]]
    try:
        if collector.mount_points.is_below_missing(path, fds[0][1], collector.known):
            collector.keep_known(path, NOT_MOUNTED)
        else:
            pending = [_list(collector, path, fds[0][1])]
        while pending:
            directory, fd = fds[-1]
            if not pending[-1]:
                pending.pop()
                os.close(fds.pop()[1])
                continue
            child = pending[-1].pop()
            below = directory + b"/" + child
            child_fd = _open_child(collector, child, fd, below)
            if child_fd is None:
                continue
            fds.append((below, child_fd))
            if collector.mount_points.is_missing(below, child_fd, collector.known):
                collector.keep_known(below, NOT_MOUNTED)
                pending.append([])
            else:
                pending.append(_list(collector, below, child_fd))
    finally:
        for _, fd in fds:
            os.close(fd)


def _open_child(collector: Collector, name: bytes, fd: int, path: bytes) -> int | None:
    """Open a directory that ``fd`` listed; None if it is gone, or cannot be opened: then its known entries are kept."""
    try:
        return os.open(name, DIRECTORY, dir_fd=fd)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not still_listed([name], fd):
            collector.entries.pop(path, None)  # removed since it was listed
            collector.result.doubtful.add(path)
        else:
            collector.keep_known(path, _reason(error), only_below=True)
        return None


def _list(collector: Collector, directory: bytes, fd: int) -> list[bytes]:
    """Take every entry of an open directory; return the names of the directories to walk into, last first."""
    before = collector.trusted.listings.get(directory)
    if before is not None and (statuses := _stat_all(collector, directory, fd)) is not None:
        return _take_changed(collector, directory, fd, statuses, before)
    subdirectories, missing, prefix = list[bytes](), list[bytes](), paths.prefix(directory)
    collector.listed = {}
    try:
        with os.scandir(fd) as listing:
            for item in listing:
                name = item.name.encode(_ENCODING, "surrogateescape")  # os.fsencode, without its checks
                if not collector.watch.passes_over(item, name, prefix + name):
                    _take_listed(collector, name, fd, prefix, subdirectories, missing)
    except OSError as error:
        collector.keep_known(directory, _reason(error), only_below=True)
    else:
        _end_listing(collector, directory, fd, subdirectories, missing)
    return sorted(subdirectories, reverse=True)


@dataclass(slots=True)
class _Statuses:
    """What the lstat of each name in a directory says.

    ``subdirectories`` are to be walked into; those ``elsewhere`` are of another file system and are not; ``linked`` are
    the names, with device and inode, of what has more names.
    """

    fingerprints: dict[bytes, Fingerprint] = field(default_factory=dict)
    subdirectories: list[bytes] = field(default_factory=list)
    elsewhere: list[bytes] = field(default_factory=list)
    linked: dict[bytes, tuple[int, int]] = field(default_factory=dict)


def _stat_all(collector: Collector, directory: bytes, fd: int) -> _Statuses | None:
    """The statuses of all that an open directory lists; None where that fails."""
    statuses, prefix, one_filesystem = _Statuses(), paths.prefix(directory), collector.watch.one_filesystem
    try:
        with os.scandir(fd) as listing:
            for item in listing:
                name = item.name.encode(_ENCODING, "surrogateescape")
                if collector.watch.passes_over(item, name, prefix + name):
                    continue
                status = item.stat(follow_symlinks=False)
                statuses.fingerprints[name] = fingerprint(status)
                if status.st_mode & FORMAT != stat.S_IFDIR:
                    if status.st_nlink > 1:
                        statuses.linked[name] = (status.st_dev, status.st_ino)
                elif not one_filesystem or status.st_dev == collector.device:
                    statuses.subdirectories.append(name)
                else:
                    statuses.elsewhere.append(name)
    except OSError:
        return None
    return statuses


def _take_changed(collector: Collector, directory: bytes, fd: int, statuses: _Statuses, before: Listing) -> list[bytes]:
    """Take what changed in a directory that listed ``before``, and whose names have the ``statuses`` now.

    Return the names of the directories to walk into, last first.
    """
    prefix, result, listing = paths.prefix(directory), collector.result, Listing.of(statuses.fingerprints)
    changed, missing = set[bytes](), list[bytes]()
    if listing == before:
        result.same.add(directory)
        result.listings[directory] = before
    else:
        marks = before.by_name
        changed = {name for name, mark in statuses.fingerprints.items() if marks.get(name) != mark}
        result.unchanged[directory] = frozenset(statuses.fingerprints.keys() - changed)
        collector.listed = {name: statuses.fingerprints[name] for name in result.unchanged[directory]}
    subdirectories = [name for name in statuses.subdirectories if name not in changed]
    result.left_out.update((prefix + name, _ELSEWHERE) for name in statuses.elsewhere if name not in changed)
    result.count += len(statuses.fingerprints) - len(changed)
    for name in statuses.fingerprints if changed else statuses.linked:  # in the order of the directory
        if name in changed:
            _take_listed(collector, name, fd, prefix, subdirectories, missing)
        elif name in statuses.linked:
            result.linked.setdefault(statuses.linked[name], []).append(prefix + name)
    if listing != before:
        _end_listing(collector, directory, fd, subdirectories, missing)
    return sorted(subdirectories, reverse=True)


def _take_listed(
    collector: Collector, name: bytes, fd: int, prefix: bytes, subdirectories: list[bytes], missing: list[bytes]
) -> None:
    """Take what a directory lists, and put its name into ``subdirectories`` to walk into, or ``missing``."""
    collector.result.count += 1
    try:
        if _visit(collector, name, fd, prefix + name):
            subdirectories.append(name)
    except FileNotFoundError:
        missing.append(name)


def _end_listing(
    collector: Collector, directory: bytes, fd: int, subdirectories: list[bytes], missing: list[bytes]
) -> None:
    """Look again for the ``missing``, and remember what ``directory`` listed."""
    try:
        subdirectories += _retry_missing(collector, missing, fd, paths.prefix(directory))
        collector.result.listings[directory] = Listing.of(collector.listed)
    except OSError as error:
        collector.keep_known(directory, _reason(error), only_below=True)


def _retry_missing(collector: Collector, missing: list[bytes], fd: int, prefix: bytes) -> list[bytes]:
    """Take those of the ``missing`` names that are still listed; return the directories among them.

    A name that is not listed any more is gone. One that still is and cannot be found is reported: a file system may
    list names that it cannot look up.
    """
    subdirectories: list[bytes] = []
    for _ in range(_TRIES):
        missing, listed = [], still_listed(missing, fd) if missing else []
        for name in listed:
            try:
                if _visit(collector, name, fd, prefix + name):
                    subdirectories.append(name)
            except FileNotFoundError:
                missing.append(name)
    for name in missing:
        collector.keep_known(prefix + name, "is listed by its directory, but cannot be found")
    return subdirectories


def _visit(collector: Collector, name: bytes, fd: int, path: bytes) -> bool:
    """Take the entry ``name`` of the directory ``fd``; return whether it is a directory to walk into.

    Raises FileNotFoundError where it, or what must be known of it, cannot be found.
    """
    try:
        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if status.st_dev in collector.mount_points.pseudo_filesystems:
            collector.leave_out(name, fd, path, status)
            return False
        collector.take(name, fd, path, status)
    except FileNotFoundError:
        raise
    except OSError as error:
        if collector.watch.one_filesystem and path in collector.mount_points.now:
            collector.result.left_out[path] = "another file system (pacha.one.filesystem), which cannot be looked at"
            collector.entries.update({path: collector.known[path]} if path in collector.known else {})
        else:
            collector.keep_known(path, _reason(error))
        return False
    if status.st_mode & FORMAT != stat.S_IFDIR:
        return False
    if collector.watch.one_filesystem and status.st_dev != collector.device:  # also a subvolume of btrfs
        collector.result.left_out[path] = _ELSEWHERE
        return False
    return True


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
