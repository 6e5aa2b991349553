"""The difference between two texts, as people know it from diff(1) -u."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from pacha.files.names import shown


def text_difference(old: bytes, new: bytes) -> Iterator[str]:
    """Lines of a unified difference, safe to print; one line that tells the sizes where one of the two is no text."""
    if b"\0" in old or b"\0" in new:
        yield f"binary: {len(old)} bytes -> {len(new)} bytes"
        return
    lines = difflib.unified_diff(_lines(old), _lines(new), lineterm="", n=3)
    yield from (line for number, line in enumerate(lines) if number > 1)  # the names stand above already


def _lines(text: bytes) -> list[str]:
    lines = [shown(line) for line in text.split(b"\n")]
    return lines[:-1] if lines[-1] == "" else [*lines[:-1], lines[-1] + "  (no newline at the end)"]
