"""The change list beside pacha.db: each path that a snapshot changed; ``hg log -p`` shows it as well.

So a log of one path reads a few lines for each snapshot instead of a whole database. It only informs: a rebuild relies
on pacha.db. Names are escaped as on the screen, so that no two paths look alike.

The message of a snapshot's revision is a format, too: the text of ``-m`` and an empty line (both absent without
``-m``), then the counts of this list ("3 added, 1 removed", or "no path changed", and "2 packages" if that many
changed). A log of thousands of snapshots reads the counts there, and none of their files.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from pacha.store.snapshot import Changes
from pacha.text import escape

FILE = b"changes"
PACKAGES = "packages"  #: the word of the number of packages that changed
#: The letter of each kind of change, as ``pacha push -v`` prints it.
LETTERS = {"A": "added", "M": "changed", "R": "removed", "m": "metadata"}
HEAD_LINES = 2  #: the counts, and the hash of pacha.db
_PACKAGE = "P"  #: the letter of a package; an earlier Pacha ignores it
_COUNT = re.compile(rf"(\d{{1,9}}) ({'|'.join(LETTERS.values())}|packages?)\b")


def encode(changes: Changes, image: bytes, packages: Sequence[str] = ()) -> bytes:
    """The text for ``changes``. It has the hash of the resulting ``image`` of pacha.db, so that no two are equal.

    ``packages``: a line for each that changed.
    """
    groups = zip(LETTERS, (changes.added, changes.content, changes.removed, changes.metadata), strict=True)
    lines = [f"{letter} {escape(path)}\n" for letter, paths in groups for path in paths]
    lines += [f"{_PACKAGE} {line}\n" for line in packages]
    head = f"{counts(changes, packages)}\npacha.db {hashlib.sha256(image).hexdigest()}\n"
    return (head + "".join(lines)).encode("utf-8")


def counts(changes: Changes, packages: Sequence[str] = ()) -> str:
    """How many paths of each kind changed, and how many packages."""
    return ", ".join([str(changes), *([number_of_packages(len(packages))] if packages else [])])


def number_of_packages(number: int) -> str:
    """``number`` of packages, for a message and for people."""
    return f"{number} package{'s' if number != 1 else ''}"


def join_message(text: str, counted: str) -> str:
    """The message of a revision: the user's ``text`` ("": none) and the counts."""
    return f"{text}\n\n{counted}" if text else counted


def split_message(message: str) -> tuple[str, dict[str, int]]:
    """The inverse of ``join_message``: the user's text, and the counts by their words."""
    text, _, counted = message.rpartition("\n\n")
    return text, {PACKAGES if word == "package" else word: int(number) for number, word in _COUNT.findall(counted)}


def touched(text: bytes) -> Iterator[tuple[str, str]]:
    """The letter and the name of each path in a change list, which may be forged."""
    for line in text.decode("utf-8", "replace").split("\n")[HEAD_LINES:]:
        letter, _, name = line.partition(" ")
        if letter in LETTERS:
            yield letter, name


def count(text: bytes, paths: Sequence[bytes] = ()) -> dict[str, int]:
    """Count the added, changed ... paths in a change list: those at or below ``paths``, or all."""
    found: Counter[str] = Counter()
    folders = [escape(path) for path in paths]
    for letter, name in touched(text):
        holds = (name == folder or name.startswith(folder.rstrip("/") + "/") for folder in folders)
        if not folders or any(holds):
            found[LETTERS[letter]] += 1
    return {word: found[word] for word in LETTERS.values() if found[word]}
