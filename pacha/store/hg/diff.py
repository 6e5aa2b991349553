"""The difference between two texts, by Mercurial's quick comparison."""

from __future__ import annotations

from collections.abc import Iterator

from mercurial import mdiff


def unified(old: bytes, new: bytes) -> Iterator[bytes]:
    """The hunks of a unified difference (diff(1) -u), line by line with their ends; nothing where they are equal."""
    options = mdiff.diffopts(context=3)
    _, hunks = mdiff.unidiff(old, b"", new, b"", b"", b"", False, options)
    for _, lines in hunks:
        yield from lines
