"""Fetch a snapshot within limits, so that a hostile master can exhaust neither memory nor time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from pacha.errors import DamagedError
from pacha.fetch import staging_dir
from pacha.fetch.fallback import suggest_older_snapshot
from pacha.fetch.fetched import Fetched
from pacha.fetch.staging import Staging
from pacha.store.selection import EVERYTHING, Selection
from pacha.system import signals
from pacha.system.memory_limit import limit_memory


@contextmanager
def temporary(make: Callable[[], Staging]) -> Iterator[Staging]:
    """Yield the staging directory that ``make`` returns, and remove it after the body, whatever signal comes."""
    with ExitStack() as stack:
        with signals.held():
            staging = make()
            stack.callback(staging.remove)
        yield staging


def fetch(
    staging: Staging, when: str = "", request: Selection = EVERYTHING, *, absent: bool = False, options: str = ""
) -> Fetched:
    """Fetch ``db`` and the content of its newest snapshot, or of that of ``when``; check and unpack all of it.

    ``request`` selects parts, which with ``absent`` need not be in the snapshot. ``options`` are those of the rebuild,
    to be repeated in a suggested command. Raises UsageError for a missing snapshot or part, NoHost, UnreachableError,
    DamagedError (which names the file, the repository and the newest intact snapshot), PachaError.
    """
    with limit_memory(), staging_dir.with_room(lambda: staging.folder):
        try:
            return staging.fetch(when, request, absent=absent)
        except DamagedError as error:
            raise suggest_older_snapshot(staging, error, options) from None
