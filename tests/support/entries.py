"""Entries for tests that care about a few of their fields."""

from __future__ import annotations

from typing import Any

from pacha.files.entry import Entry, Kind


def entry_at(path: bytes, kind: Kind = Kind.FILE, **fields: Any) -> Entry:
    """An entry of root's with the usual mode, changed one nanosecond after the epoch; ``fields`` replaces any of it."""
    usual = {"mode": 0o755 if kind is Kind.DIRECTORY else 0o644, "owner": b"root", "group": b"root"}
    return Entry(path=path, kind=kind, **{"uid": 0, "gid": 0, "mtime_ns": 1, **usual, **fields})
