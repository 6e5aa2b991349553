"""The directories above watched paths: a rebuild creates them with the metadata that they had."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from pacha.errors import Concern
from pacha.files import metadata, paths
from pacha.files.dirfd import reach
from pacha.files.entry import Entry, Kind, as_recorded
from pacha.files.metadata import Unread, keep_attributes
from pacha.files.owners import Accounts
from pacha.system.presence import is_absent


def observe_parents(
    watched: Iterable[bytes], known: Mapping[bytes, Entry], accounts: Accounts
) -> tuple[dict[bytes, Entry], list[Concern]]:
    """The entries of the directories above the ``watched`` paths, and a concern for each that cannot be accessed.

    Such a directory keeps its ``known`` entry, and so does an absent one: its watched path is reported as missing.
    """
    entries: dict[bytes, Entry] = {}
    concerns: list[Concern] = []
    for path in sorted({above for below in watched for above in paths.ancestors(below)} - {b"/"}):
        try:
            unread: Unread = {}
            entry = _look(os.path.dirname(path), os.path.basename(path), path, accounts, unread)
            if entry.kind is Kind.SYMLINK:  # now: the directory to which it leads is meant
                entry = _look(path, b".", path, accounts, unread)
            entry, of_attributes = keep_attributes(entry, known.get(path), unread)
            entries[path] = as_recorded(entry, known.get(path))
            concerns += of_attributes
        except OSError as error:
            entries.update({path: known[path]} if path in known else {})
            if not is_absent(path):
                concerns.append(Concern(path, error.strerror or str(error)))
    return entries, concerns


def _look(folder: bytes, name: bytes, path: bytes, accounts: Accounts, unread: Unread) -> Entry:
    fd = reach(folder)
    try:
        return metadata.observe(name, fd, path, accounts, unread)
    finally:
        os.close(fd)
