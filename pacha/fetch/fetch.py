"""Fetch a snapshot within limits, so that a master can exhaust neither memory nor patience."""

from __future__ import annotations

from pacha.errors import DamagedError
from pacha.fetch.fallback import suggest_older_snapshot
from pacha.fetch.staging import Fetched, Staging
from pacha.store.selection import EVERYTHING, Selection
from pacha.system.memory_limit import limit_memory


def fetch(
    staging: Staging, when: str = "", asked: Selection = EVERYTHING, *, absent: bool = False, options: str = ""
) -> Fetched:
    """Fetch ``db``, then what its newest snapshot names, or that of ``when``; check and unpack all of it.

    With ``asked`` only the parts that it names, which with ``absent`` need not be in the snapshot. ``options`` are
    those of the rebuild, to be repeated in a suggested command. Raises UsageError for what is not there, NoHost,
    UnreachableError, DamagedError (naming the file and the repository, and the newest snapshot that is intact),
    PachaError.
    """
    with limit_memory():
        try:
            return staging.fetch(when, asked, absent=absent)
        except DamagedError as error:
            raise suggest_older_snapshot(staging, error, options) from None
