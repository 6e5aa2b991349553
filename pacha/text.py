"""Text that is safe to print on a terminal, and times as text. Pure functions.

Names, and the output of other programs and machines, may hold bytes that control a terminal.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

_DAY = 86400  # seconds


def escape(name: bytes | str | os.PathLike[str]) -> str:
    r"""Return ``name`` (a path, an account, anything that identifies) as printable text.

    UTF-8 stays as it is. Control characters, bytes that are not UTF-8 and ``\`` are escaped, so that two
    different names never look alike. A str is one that os.fsdecode() returns.
    """
    text = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else os.fspath(name)
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(c if c.isprintable() and c != "\\" else _escaped(c) for c in text)


def one_line(text: bytes | str, limit: int = 300) -> str:
    r"""Return another program's ``text`` as one printable line; only the first ``limit`` characters count.

    White space becomes single spaces; control characters are escaped; ``\`` stays, for this is not a name.
    """
    decoded = text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text
    return printable(" ".join(decoded.split())[:limit])


def printable(text: str, keep: str = "") -> str:
    r"""Return ``text`` with unprintable characters escaped, but for those in ``keep``; ``\`` stays."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else _escaped(c) for c in text)


def enumerated(words: Sequence[str], most: int) -> str:
    """Return the first ``most`` of ``words`` with commas between them, and how many more there are."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def masked(text: str, limit: int) -> str:
    """Return at most ``limit`` characters of ``text``, with ``?`` for each unprintable one."""
    return "".join(c if c.isprintable() else "?" for c in text[:limit])


def local_minute(at: float) -> str:
    """Return a time (seconds since the epoch) as ``2026-11-22 04:00``, in this machine's zone.

    In the hour that comes twice when summer time ends, the zone follows: ``2026-11-01 01:30-0500``.
    """
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at)) + _zone(at)


def local_second(at: float) -> str:
    """Return a time as ``local_minute`` does, with its seconds: ``2026-11-22 04:00:07``."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) + _zone(at)


def _zone(at: float) -> str:
    """The zone of a local time that comes twice; "" of any other."""
    here = time.localtime(at)
    set_back = time.localtime(at - _DAY).tm_gmtoff - time.localtime(at + _DAY).tm_gmtoff
    if set_back <= 0:
        return ""
    again = (time.localtime(at - set_back), time.localtime(at + set_back))
    return time.strftime("%z", here) if here[:6] in (again[0][:6], again[1][:6]) else ""


def rfc3339(at: float) -> str:
    """Return a time (seconds since the epoch) in the form of RFC 3339, in UTC: ``2026-11-22T04:00:07Z``."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def _escaped(character: str) -> str:
    number = ord(character)
    if character == "\\":
        return "\\\\"
    if number < 0x80 or 0xDC80 <= number <= 0xDCFF:  # the latter: a byte that is not UTF-8 (PEP 383)
        return f"\\x{number & 0xFF:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def span(seconds: float) -> str:
    """A length of time in the largest unit of which there are two or more; a negative one counts as 0."""
    for word, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {word}"
    return f"{max(0.0, seconds):.0f} s"
