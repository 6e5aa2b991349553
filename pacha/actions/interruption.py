"""What state things are in when a rebuild is ended by a signal, or by a terminal that is gone."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from pacha.errors import Signalled
from pacha.restore.journal import Journal, history, identifiers

_UNTOUCHED = "Nothing was changed."
_HALF = (
    "Some paths are as in the snapshot and some as before, each of them whole; what was there is kept.\n"
    "Run the same command again to finish, or 'pacha undo' to go back."
)
_PLACED = (
    "All files are in place; what comes after may not have been done.\n"
    "Run the same command again to finish, or 'pacha undo' to go back."
)


@contextmanager
def explained(state: bytes) -> Iterator[None]:
    """Say in what is raised for a signal how the rebuild stands, by its journal below the state folder ``state``."""
    before = identifiers(state)
    try:
        yield
    except (Signalled, KeyboardInterrupt, BrokenPipeError) as ended:
        number = signal.SIGPIPE if isinstance(ended, BrokenPipeError) else signal.SIGINT
        number = signal.Signals(ended.number) if isinstance(ended, Signalled) else number
        own = [journal for journal in _closed(state) if journal.id not in before]
        raise Signalled(number, _words(own[-1]) if own else _UNTOUCHED) from None


def _words(journal: Journal) -> str:
    marks = journal.marks
    return _PLACED if "finished" in marks else _HALF if "written" in marks and "stopped" not in marks else _UNTOUCHED


def _closed(state: bytes) -> list[Journal]:
    journals = history(state)
    for journal in journals:
        journal.close()
    return journals
