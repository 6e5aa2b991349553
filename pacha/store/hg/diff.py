"""The difference between two texts, by Mercurial's fast algorithm."""

from __future__ import annotations

from collections.abc import Iterator

from mercurial import mdiff


def unified(old: bytes, new: bytes) -> Iterator[bytes]:
    """Yield the hunks of a unified diff (diff(1) -u), line by line with line ends; nothing for equal texts."""
    options = mdiff.diffopts(context=3)
    _, hunks = mdiff.unidiff(old, b"", new, b"", b"", b"", False, options)
    for _, lines in hunks:
        yield from lines
