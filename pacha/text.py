"""Text that is safe to print on a terminal, and times as text. Pure functions.

Names, and whatever another program or another machine says, may hold bytes that a terminal obeys.
"""

from __future__ import annotations

import os
import time


def escape(name: bytes | str | os.PathLike[str]) -> str:
    r"""Return ``name`` (a path, an account, anything that identifies) as printable text.

    UTF-8 stays as it is. Control characters, bytes that are not UTF-8 and ``\`` are escaped, so that two
    different names never look alike. A str is taken as os.fsdecode() makes it.
    """
    text = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else os.fspath(name)
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(c if c.isprintable() and c != "\\" else _escaped(c) for c in text)


def one_line(text: bytes | str, limit: int = 300) -> str:
    r"""Return what another program says as one printable line of at most ``limit`` characters before escaping.

    White space becomes single spaces; control characters are escaped; ``\`` stays, since this is not a name.
    """
    decoded = text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text
    return printable(" ".join(decoded.split())[:limit])


def printable(text: str, keep: str = "") -> str:
    r"""Return ``text`` with every character escaped that is neither printable nor one of ``keep``; ``\`` stays."""
    return "".join(c if c.isprintable() or c in keep else _escaped(c) for c in text)


def masked(text: str, limit: int) -> str:
    """Return at most ``limit`` characters of ``text``, with ``?`` for every one that is not printable."""
    return "".join(c if c.isprintable() else "?" for c in text[:limit])


def local_minute(at: float) -> str:
    """Return a time (seconds since the epoch) as ``2026-11-22 04:00``, in this machine's zone."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def local_second(at: float) -> str:
    """Return a time (seconds since the epoch) as ``2026-11-22 04:00:07``, in this machine's zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def rfc3339(at: float) -> str:
    """Return a time (seconds since the epoch) as RFC 3339 writes it, in UTC: ``2026-11-22T04:00:07Z``."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def _escaped(character: str) -> str:
    number = ord(character)
    if character == "\\":
        return "\\\\"
    if number < 0x80 or 0xDC80 <= number <= 0xDCFF:  # the latter: a byte that is not UTF-8 (PEP 383)
        return f"\\x{number & 0xFF:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
