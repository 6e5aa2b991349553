"""The change list of each snapshot, path by path, beside pacha.db; ``hg log -p`` shows it as well.

With it, a log of one path reads a few lines for each snapshot instead of a whole database. It only informs: a rebuild
relies on pacha.db. Names are escaped as on the screen, so that no two paths look alike.

The message of a snapshot's revision is a format, too: the text of ``-m`` and an empty line (both absent without
``-m``), then the counts of this list ("3 added, 1 removed", or "no path changed"). A log of thousands of snapshots
reads the counts there, and none of their files.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence

from pacha.store.snapshot import Changes
from pacha.text import escape

FILE = b"changes"
#: The letter of each kind of change, as ``pacha push -v`` prints it.
LETTERS = {"A": "added", "M": "changed", "R": "removed", "m": "metadata"}
_COUNT = re.compile(rf"(\d{{1,9}}) ({'|'.join(LETTERS.values())})\b")


def encode(changes: Changes, image: bytes) -> bytes:
    """The text for ``changes``. It names the hash of the resulting ``image`` of pacha.db, so that no two are equal."""
    groups = zip(LETTERS, (changes.added, changes.content, changes.removed, changes.metadata), strict=True)
    lines = [f"{letter} {escape(path)}\n" for letter, paths in groups for path in paths]
    head = f"{changes}\npacha.db {hashlib.sha256(image).hexdigest()}\n"
    return (head + "".join(lines)).encode("utf-8")


def join_message(text: str, counts: str) -> str:
    """The message of a revision: the user's ``text`` ("": none) and the ``counts``."""
    return f"{text}\n\n{counts}" if text else counts


def split_message(message: str) -> tuple[str, dict[str, int]]:
    """The inverse of ``join_message``: the user's text, and the counts by their words."""
    text, _, counts = message.rpartition("\n\n")
    return text, {word: int(number) for number, word in _COUNT.findall(counts)}


def count(text: bytes, paths: Sequence[bytes] = ()) -> dict[str, int]:
    """Count the added, changed ... paths in a change list: those at or below ``paths``, or all."""
    counts: Counter[str] = Counter()
    folders = [escape(path) for path in paths]
    for line in text.decode("utf-8", "replace").splitlines()[2:]:
        letter, _, name = line.partition(" ")
        if letter in LETTERS and (not folders or any(_holds(folder, name) for folder in folders)):
            counts[LETTERS[letter]] += 1
    return {word: counts[word] for word in LETTERS.values() if counts[word]}


def _holds(folder: str, name: str) -> bool:
    return name == folder or name.startswith(folder.rstrip("/") + "/")
