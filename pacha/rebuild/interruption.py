"""Say how far a rebuild came when a signal, the system or a closed terminal ends it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

from pacha.errors import PachaError, Signalled, UntoldError, refusal, refused
from pacha.machine.packages import installer
from pacha.restore.journal import closed_history, identifiers


class _Standing(Enum):
    """How far a rebuild came, as a message."""

    UNTOUCHED = "Nothing was changed."
    PACKAGES = (
        "Packages were being installed; no file of the host was put back yet.\nRun the same command again to finish."
    )
    HALF = (
        "Some paths are as in the snapshot and some as before, each of them whole; what was there is kept.\n"
        "Run the same command again to finish, or 'pacha undo' to go back."
    )
    PLACED = (
        "All files are in place; what comes after may not have been done.\n"
        "Run the same command again to finish, or 'pacha undo' to go back."
    )


@contextmanager
def explained(state: bytes) -> Iterator[None]:
    """Say how far the rebuild came where a signal or the system (a full disk, a closed output) ends the body.

    The journal below the state folder ``state`` tells. Raises Signalled, PachaError.
    """
    before = identifiers(state)
    try:
        yield
    except (Signalled, KeyboardInterrupt, BrokenPipeError) as ended:
        number = signal.SIGPIPE if isinstance(ended, BrokenPipeError) else signal.SIGINT
        number = signal.Signals(ended.number) if isinstance(ended, Signalled) else number
        raise Signalled(number, _standing(state, before).value) from None
    except (OSError, MemoryError) as error:
        if (refusing := refused(error)) is None:
            raise
        standing = _standing(state, before)
        hint = " ".join(standing.value.splitlines())
        hint += " Fix that and run this again." if standing is _Standing.UNTOUCHED else ""
        raise PachaError(
            "The system does not let the rebuild go on.", refusal(refusing), hint, code="system-refused-rebuild"
        ) from None


@contextmanager
def told(how: str, where: str) -> Iterator[None]:
    """Raise UntoldError if the body cannot print; it says ``how`` things stand, and ``where`` the report is."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UntoldError(
            f"{how}, but what there is to say of it cannot be printed.",
            refusal(error),
            where,
            code="report-not-printed",
        ) from None


def _standing(state: bytes, before: frozenset[str]) -> _Standing:
    own = [journal for journal in closed_history(state) if journal.id not in before]
    if not own or ("finished" not in own[-1].marks and ("written" not in own[-1].marks or "stopped" in own[-1].marks)):
        return _Standing.PACKAGES if installer.is_begun() else _Standing.UNTOUCHED
    return _Standing.PLACED if "finished" in own[-1].marks else _Standing.HALF
