"""Undo: what a rebuild made goes, what it displaced comes back, what it altered is as it was.

It works from the journal alone, after success and after a kill, and can itself be killed and run again:
for each record it looks where things are now.
"""

from __future__ import annotations

import os

from pacha.files import paths
from pacha.restore.backup_dir import enter_kept
from pacha.restore.cleanup import roots_of
from pacha.restore.dirfd import SafeDirectories
from pacha.restore.entries import discard
from pacha.restore.journal import Journal, history
from pacha.restore.journal_records import Keeping
from pacha.restore.outcome import OutcomeBuilder
from pacha.restore.plan import Outcome
from pacha.restore.undoing import Undoing


def undo(journal: Journal) -> Outcome:
    """Put back what was there before the rebuild of ``journal`` and before the killed ones it carried on.

    What somebody changed since is not lost: it stays, or moves to the kept folder, and is named. The
    Outcome's counts are of things removed (CREATE), put back (REPLACE) and altered back (METADATA).
    Raise OSError if the journal cannot be written.
    """
    tally, mask = OutcomeBuilder(), os.umask(0o077)
    try:
        for each in [journal, *continued(journal)]:
            with SafeDirectories(roots_of(each)) as descent:
                Undoing(each, descent, tally).run()
            each.mark("undone")
            if each is not journal:
                each.close()
    finally:
        os.umask(mask)
    return tally.outcome()


def prune(state: bytes, *, keep: int = 3) -> int:
    """Forget what rebuilds before the last ``keep`` finished ones displaced. Return how many went.

    Rehearsals are counted by themselves: however many there are, they push out no original of the machine's own.
    One that found nothing to change does not count, and goes when ``keep`` others have come after it. ``state`` is
    the state folder (bytes). A rebuild that waits to be carried on is never forgotten.
    """
    every = history(state)
    rehearsals = [journal for journal in every if journal.target]
    gone = [*_old([journal for journal in every if not journal.target], keep), *_old(rehearsals, keep)]
    for journal in gone:
        _forget(journal)
    for journal in every:
        journal.close()
    return len(gone)


def _old(every: list[Journal], keep: int) -> list[Journal]:
    """Those of ``every``, oldest first, that nobody needs any more."""
    idle = [journal.id for journal in every if journal.closed and not journal.changed][:-keep]
    finished = [journal.id for journal in every if "finished" in journal.marks and journal.changed]
    oldest = finished[-keep] if len(finished) >= keep else ""
    needed = {old for journal in every if journal.id >= oldest for old in _continues(journal)}
    settled = {old for journal in every if journal.closed for old in _continues(journal)}
    old = [journal for journal in every if journal.id in idle or (journal.id < oldest and journal.id not in needed)]
    return [journal for journal in old if journal.closed or journal.id in settled]


def _continues(journal: Journal) -> tuple[str, ...]:
    return journal.begun.continues if journal.begun is not None else ()


def continued(journal: Journal) -> list[Journal]:
    """The killed rebuilds that this one carried on, newest first, for the caller to close."""
    folder = os.path.dirname(journal.folder)
    found = []
    for identifier in sorted(_continues(journal), reverse=True):
        try:
            found.append(Journal(os.path.join(folder, os.fsencode(identifier))))
        except OSError:
            continue  # pruned
    return found


def _forget(journal: Journal) -> None:
    with SafeDirectories(roots_of(journal)) as descent:
        for record in journal.records:
            if isinstance(record, Keeping):
                try:
                    os.close(enter_kept(descent, record.path))  # it is ours
                    discard(paths.name(record.path), descent.enter(paths.parent(record.path)))
                except OSError:
                    continue  # gone, or not ours any more
    journal.remove()
