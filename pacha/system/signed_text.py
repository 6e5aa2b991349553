"""The texts that are signed: a title, then for each field a line with its name and value, all within limits."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

MOST_COUNTER = 10**15  #: one per microsecond for thirty years
NO_DIGEST = "-"
_MOST_TEXT = 2048  #: bytes
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)
_COUNTER = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)


def join_fields(title: str, fields: Mapping[str, str]) -> bytes:
    """Return a text to sign: the ``title``, and a line for each of ``fields`` (ASCII)."""
    return "".join(f"{line}\n" for line in (title, *(f"{name} {value}" for name, value in fields.items()))).encode(
        "ascii"
    )


def split_fields(text: bytes, title: str, names: Sequence[str]) -> dict[str, str]:
    """Return the fields ``names``, with which a signed text must begin, in this order.

    A later Pacha may add fields after them. Raises ValueError.
    """
    lines = text.decode("ascii").split("\n")
    if len(text) > _MOST_TEXT or lines.pop() or lines[:1] != [title] or len(lines) <= len(names):
        raise ValueError(f"it is not a '{title}'")
    pairs = [line.partition(" ") for line in lines[1 : 1 + len(names)]]
    if [name for name, _, _ in pairs] != list(names):
        raise ValueError("its lines are not the expected ones")
    return {name: value for name, _, value in pairs}


def digest(text: bytes) -> str:
    """Return the SHA-256 (hex) of a text."""
    return hashlib.sha256(text).hexdigest()


def read_digest(text: str) -> str:
    """Return ``text`` if it is a SHA-256 (hex) or "-", for none. Raises ValueError."""
    if text != NO_DIGEST and not _DIGEST.fullmatch(text):
        raise ValueError("no sha256")
    return text


def read_counter(text: str) -> int:
    """Return the counter, from 1 on, in ``text``. Raises ValueError."""
    if not _COUNTER.fullmatch(text) or int(text) > MOST_COUNTER:
        raise ValueError("no counter")
    return int(text)


def read_time(text: str) -> float:
    """Return a time, written as ``text.rfc3339`` does, in seconds since the epoch. Raises ValueError."""
    if not _MOMENT.fullmatch(text):
        raise ValueError("no time")
    return datetime.fromisoformat(text[:-1]).replace(tzinfo=timezone.utc).timestamp()
