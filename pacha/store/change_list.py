"""The change list of each snapshot, path by path, beside pacha.db: ``hg log -p`` shows it, too.

So a log of one path reads a few lines for each snapshot, and not two hundred databases. It only lists: what a
rebuild believes stands in pacha.db. Names are written as they are shown, which no two paths share.

The message of a snapshot's revision is a format, too: what was given with ``-m`` and an empty line, both left out where
nothing was given, then the counts of this list ("3 added, 1 removed", or "no path changed"). They are read from there
because a log of thousands of snapshots then needs no file of any of them.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence

from pacha.store.snapshot import Changes
from pacha.text import escape

FILE = b"changes"
#: The letter of each kind of change, as ``pacha push -v`` has it.
LETTERS = {"A": "added", "M": "changed", "R": "removed", "m": "metadata"}
_COUNT = re.compile(rf"(\d{{1,9}}) ({'|'.join(LETTERS.values())})\b")


def encode(changes: Changes, image: bytes) -> bytes:
    """The text for ``changes``. It names the ``image`` of pacha.db that they led to: so it never repeats itself."""
    groups = zip(LETTERS, (changes.added, changes.content, changes.removed, changes.metadata), strict=True)
    lines = [f"{letter} {escape(path)}\n" for letter, paths in groups for path in paths]
    head = f"{changes}\npacha.db {hashlib.sha256(image).hexdigest()}\n"
    return (head + "".join(lines)).encode("utf-8")


def join_message(given: str, counts: str) -> str:
    """The message of a revision: what the user has ``given``, "" for nothing, and the ``counts``."""
    return f"{given}\n\n{counts}" if given else counts


def split_message(message: str) -> tuple[str, dict[str, int]]:
    """What ``join_message`` made it of: what was given, and the counts by their words."""
    given, _, counts = message.rpartition("\n\n")
    return given, {word: int(number) for number, word in _COUNT.findall(counts)}


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
