"""What each snapshot touched, path by path, kept beside pacha.db: a text that ``hg log -p`` shows, too.

So a log of one path reads a few lines for each snapshot, and not two hundred databases. It only lists: what a
rebuild believes stands in pacha.db. Names are written as they are shown, which no two paths share.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

from pacha.store.snapshot import Changes
from pacha.text import escape

FILE = b"changes"
#: The letter of each kind of change, as ``pacha push -v`` has it.
LETTERS = {"A": "added", "M": "changed", "R": "removed", "m": "metadata"}


def encode(changes: Changes, image: bytes) -> bytes:
    """The text for ``changes``. It names the ``image`` of pacha.db that they led to: so it never repeats itself."""
    groups = zip(LETTERS, (changes.added, changes.content, changes.removed, changes.metadata), strict=True)
    lines = [f"{letter} {escape(path)}\n" for letter, paths in groups for path in paths]
    head = f"{changes}\npacha.db {hashlib.sha256(image).hexdigest()}\n"
    return (head + "".join(lines)).encode("utf-8")


def count(written: bytes, paths: Sequence[bytes] = ()) -> dict[str, int]:
    """How many paths a text says were added, changed and so on: at or below one of ``paths``, or anywhere."""
    found: Counter[str] = Counter()
    wanted = [escape(path) for path in paths]
    for line in written.decode("utf-8", "replace").splitlines()[2:]:
        letter, _, name = line.partition(" ")
        if letter in LETTERS and (not wanted or any(_holds(one, name) for one in wanted)):
            found[LETTERS[letter]] += 1
    return {word: found[word] for word in LETTERS.values() if found[word]}


def _holds(path: str, name: str) -> bool:
    return name == path or name.startswith(path.rstrip("/") + "/")
