"""The texts that are signed: a title, and a line of a name and a value for each field, all within limits."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

MOST_COUNTER = 10**15  #: one each microsecond for thirty years
NO_DIGEST = "-"
_MOST_TEXT = 2048  #: bytes
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)
_COUNTER = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)


def join_fields(title: str, fields: Mapping[str, str]) -> bytes:
    """A text to sign: the ``title``, and a line for each of ``fields``."""
    return "".join(f"{line}\n" for line in (title, *(f"{name} {value}" for name, value in fields.items()))).encode(
        "ascii"
    )


def split_fields(text: bytes, title: str, names: Sequence[str]) -> dict[str, str]:
    """The fields ``names``, with which a signed text begins, in this order. A later Pacha may add more after them.

    Raises ValueError.
    """
    lines = text.decode("ascii").split("\n")
    if len(text) > _MOST_TEXT or lines.pop() or lines[:1] != [title] or len(lines) <= len(names):
        raise ValueError(f"it is not a '{title}'")
    pairs = [line.partition(" ") for line in lines[1 : 1 + len(names)]]
    if [name for name, _, _ in pairs] != list(names):
        raise ValueError("its lines are not the expected ones")
    return {name: value for name, _, value in pairs}


def digest(text: bytes) -> str:
    """The sha256 (hex) of a text."""
    return hashlib.sha256(text).hexdigest()


def read_digest(text: str) -> str:
    """A sha256 (hex), or "-" for none. Raises ValueError."""
    if text != NO_DIGEST and not _DIGEST.fullmatch(text):
        raise ValueError("no sha256")
    return text


def read_counter(text: str) -> int:
    """A counter. Raises ValueError."""
    if not _COUNTER.fullmatch(text) or int(text) > MOST_COUNTER:
        raise ValueError("no counter")
    return int(text)


def read_time(text: str) -> float:
    """A time as ``text.rfc3339`` writes it, in seconds since the epoch. Raises ValueError."""
    if not _MOMENT.fullmatch(text):
        raise ValueError("no time")
    return datetime.fromisoformat(text[:-1]).replace(tzinfo=timezone.utc).timestamp()
