"""Show the entries of a snapshot as ls(1) -l does, with whole paths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pacha.files.entry import Entry, Kind
from pacha.text import escape, local_minute
from pacha.ui.fleet import mode_text

_NANO = 10**9
_SIZE = 3  #: the column of the size


def entry_lines(entries: Sequence[Entry]) -> Iterator[str]:
    """A line for each: type and permissions, owner, group, size, time, path."""
    rows = [_row(entry) for entry in entries]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
    for row in rows:
        padded = [
            text.rjust(width) if column == _SIZE else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield " ".join(padded).rstrip()


def entry_json(entry: Entry) -> dict[str, Any]:
    """An entry as JSON values; attributes in hexadecimal digits, the time in seconds since the epoch."""
    return {
        "path": escape(entry.path),
        "kind": entry.kind.value,
        "mode": f"{entry.mode:04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        "owner": None if entry.owner is None else escape(entry.owner),
        "group": None if entry.group is None else escape(entry.group),
        "size": entry.size,
        "mtime": entry.mtime_ns / _NANO,
        "sha256": entry.sha256.hex() if entry.sha256 and entry.sealed is None else None,
        "sealed": entry.sealed is not None,
        "target": None if entry.target is None else escape(entry.target),
        "xattrs": {escape(name): value.hex() for name, value in entry.xattrs},
    }


def _row(entry: Entry) -> tuple[str, ...]:
    path = escape(entry.path) + (f" -> {escape(entry.target)}" if entry.kind is Kind.SYMLINK and entry.target else "")
    owner = str(entry.uid) if entry.owner is None else escape(entry.owner)
    group = str(entry.gid) if entry.group is None else escape(entry.group)
    has_acl = any(name.startswith(b"system.posix_acl") for name, _ in entry.xattrs)
    mode = mode_text(entry.kind.value, entry.mode) + ("+" if has_acl else " ")
    return mode, owner, group, str(entry.size), _time(entry.mtime_ns), path


def _time(nanoseconds: int) -> str:
    try:
        return local_minute(nanoseconds // _NANO)
    except (OverflowError, ValueError, OSError):
        return str(nanoseconds // _NANO)
