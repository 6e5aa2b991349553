"""Scan watched paths: list their entries, the files that must be read, and what cannot be kept.

A path with the same fingerprint as at the last scan keeps its remembered entry, and a directory that lists the same
fingerprints keeps all of them: an idle scan costs one lstat for each path, and reads neither files nor their entries.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from pacha.files import paths, scanned
from pacha.files.collector import Collector
from pacha.files.entry import Entry
from pacha.files.link_groups import number_links
from pacha.files.listing import Fingerprint, Fingerprints
from pacha.files.mount_points import NOT_MOUNTED, MountPoints
from pacha.files.owners import Accounts
from pacha.files.scanned import Scan
from pacha.files.walk import walk
from pacha.files.watch import Watch


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

    If ``remembered`` says ``are_recorded`` and nothing differs, ``known`` is not read, and becomes the result's
    ``entries``. ``mounted`` are the mount points that the last scan met: what was on a volume that is not mounted now
    is kept. The ``result``, an empty one, is filled, so that another thread can see how far the scan is. ``keys``:
    those of the digests of sealed contents, by id; without its key such a file counts as changed.

    A path is absent only where its directory does not list it. A path that cannot be looked at or read keeps its known
    entries, and is named in ``concerns``.
    """
    mount_points = MountPoints.of_machine(mounted)
    trusted = remembered if isinstance(remembered, Fingerprints) and remembered.are_recorded else Fingerprints()
    result = Scan() if result is None else result
    result.entries = entries = dict[bytes, Entry]()
    collectors = [
        Collector(
            watch=watch, known=known, remembered=remembered, accounts=accounts, mount_points=mount_points,
            trusted=trusted, result=result, keys=keys or {}, entries=entries,
        )
        for watch in watches
    ]  # fmt: skip
    for collector in collectors:
        walk(collector)
    met = _complete(result, collectors, entries, known, trusted)
    result.left_out.update(scanned.left_out_before(result, trusted))
    for collector in collectors:
        result.mounted |= mount_points.met(collector.watch.path, met)
    return result


def _complete(
    result: Scan,
    collectors: list[Collector],
    entries: dict[bytes, Entry],
    known: Mapping[bytes, Entry],
    before: Fingerprints,
) -> Container[bytes]:
    """Add the entries that did not change since ``before`` to those that differ; return all paths."""
    if scanned.is_as_before(result, before):
        result.entries = known
        return before
    # Whether all of what is watched was walked, and every volume that was mounted before is mounted now.
    is_whole = not any(each.watch.parts or each.mount_points.before - each.mount_points.now for each in collectors)
    if is_whole and (amended := scanned.amended(result, known, before)) is not None:
        result.entries = amended
        return amended
    scanned.fill(entries, known, result, before)
    for collector in collectors:
        _keep_removed_mount_points(collector)
    number_links(entries, result.linked, known)
    return entries


def _keep_removed_mount_points(collector: Collector) -> None:
    """Keep what was known of volumes whose mount points were removed with them, as those of removable ones are."""
    watch, entries, known = collector.watch, collector.entries, collector.known
    for path, folders in collector.mount_points.removed(watch.path, entries, known):
        if not any(watch.excludes(paths.name(folder), folder, True) for folder in (path, *folders)):
            entries.update({folder: known[folder] for folder in folders})
            collector.keep_known(path, NOT_MOUNTED)
