"""Times in tables and in JSON."""

from __future__ import annotations

from pacha.text import local_minute, rfc3339


def moment(at: float) -> str:
    """A time (seconds since the epoch) for people, in local time."""
    return local_minute(at) if at else "never"


def utc(at: float) -> str | None:
    """A time (seconds since the epoch) for programs."""
    return rfc3339(at) if at else None
