"""Check that a snapshot from elsewhere is consistent as a whole; ``row_checks`` checks each row. Pure."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from pacha.errors import DamagedError
from pacha.files.entry import Entry, Kind
from pacha.files.paths import prefix
from pacha.store import row_checks
from pacha.store.snapshot import Snapshot, Watched, parents_of
from pacha.text import escape


def check_consistency(snapshot: Snapshot, which: Iterable[bytes] | None = None) -> None:
    """Raise DamagedError unless each name is used once, entries lie below watched paths and parents above them.

    ``which``: the paths whose entries are checked; None: all.
    """
    entries = snapshot.entries
    every = entries if which is None else which
    check_places(snapshot.watched, every, lambda path: entries[path].kind if path in entries else None)
    for account in snapshot.accounts:
        row_checks.check_account(account)
    above = {path for watched in snapshot.live for path in parents_of(watched.path)}
    for path, entry in snapshot.parents.items():
        if path not in above or not is_parent(entry):
            raise damaged_snapshot("a parent is not a directory above a watched path")


def check_places(watched: Sequence[Watched], every: Iterable[bytes], kind_of: Callable[[bytes], str | None]) -> None:
    """Raise DamagedError unless ``watched`` is valid, and each path of ``every`` lies in a directory of it.

    ``kind_of`` gives the kind of a path, as ``Kind`` has it; None for a path without an entry.
    """
    for root in watched:
        row_checks.check_watched(root)
    live = [root for root in watched if not root.retired]
    if len({root.repository.lower() for root in watched}) < len(watched):
        raise damaged_snapshot("two watched paths share a repository")
    roots = {prefix(root.path): root for root in live}
    tops = sorted(roots)  # a path sorts just before what lies below it
    if len(roots) < len(live) or any(lower.startswith(top) for top, lower in pairwise(tops)):
        raise damaged_snapshot("two watched paths overlap")
    sound = set[bytes]()  # folders with a correct path: the other paths in them are below the same watched one
    for path in every:
        folder = os.path.dirname(path)
        if folder in sound:
            continue
        # Only the last of the tops that sort before ``path`` can hold it.
        above = roots[tops[bisect_right(tops, prefix(path)) - 1]] if tops else None
        if above is None or not (above.path == path if above.single else above.holds(path)):
            raise damaged_snapshot(f"{escape(path[:200])} is not below a watched path")
        if prefix(path) not in roots:
            if kind_of(folder) != Kind.DIRECTORY:
                raise damaged_snapshot(f"{escape(path[:200])} lies in no directory")
            sound.add(folder)


def is_parent(entry: Entry | None) -> bool:
    """Whether other paths can be below ``entry``."""
    return entry is not None and entry.kind is Kind.DIRECTORY


def damaged_snapshot(why: str) -> DamagedError:
    """The error for a fetched database that is damaged; ``why`` may be any text."""
    why = escape(" ".join(why.split())[:300].encode("utf-8", "replace"))
    hint = "Nothing was changed. Look at the master with 'hg verify'."
    return DamagedError("The fetched pacha.db is damaged.", why, hint, subject=why, code="database-damaged")


def foreign_database(why: str) -> DamagedError:
    """The error for a ``db`` that another program wrote; ``why`` (any text) shows it."""
    return DamagedError(
        "The 'db' on the master was not written by this Pacha.",
        escape(" ".join(why.split())[:300].encode("utf-8", "replace")),
        "Nothing was changed. If it is the original Pacha's, move it aside: see share/doc/pacha/from-pacha-0.2.rst.",
        code="foreign-database",
    )
