"""Compare two snapshots of one host, as the account that owns its folder.

``tell`` runs in the child. Only the child sees contents, and no secret leaves it. ``digest_reply`` reads its reply.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

from pacha.errors import DamagedError, PachaError
from pacha.files.entry import Entry, Kind
from pacha.files.entry_changes import Aspect
from pacha.files.names import DATABASE
from pacha.fleet import secrecy
from pacha.fleet.digest_reply import NEW, REPLACED
from pacha.fleet.history_grep import local_history
from pacha.fleet.secrecy import Secrecy
from pacha.history import diff
from pacha.history.diff import Difference
from pacha.history.reader import History
from pacha.store import change_list, hg
from pacha.store.snapshot import Snapshot
from pacha.text import escape, printable
from pacha.wire import message

MOST_BYTES = 16 << 20  #: of a reply
_ROOM = 1 << 18  #: characters of all diffs in a reply
_MOST_PATHS = 2000
_MOST_LINES = 120  #: of one file's diff
_LONGEST_LINE = 500  #: characters
_LONGEST_NAME = 1000
_LARGEST = 1 << 20  #: bytes of a content that is compared line by line
_MOST_READ = 64 << 20  #: bytes of contents that are read for a host; _ROOM does not limit binary files
_TOO_MUCH = "too much changed for all of it to be read"
_MOST_SNAPSHOTS = 500  #: whose change lists are read
_MOST_NOTES = 20
_MOST_PACKAGES = 300
_NOT_WORDS = (Aspect.CONTENT, Aspect.SIZE, Aspect.TIME)
_OPEN_WORDS = (Aspect.KIND, Aspect.MODE, Aspect.OWNER, Aspect.GROUP)  #: may be shown for a hidden path
_CONTENT = frozenset("AMR")


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestBase:
    """The snapshot with which a host is compared: ``mark``; else the newest of ``others`` that it has; else the newest
    from before ``since`` (seconds since the epoch).
    """

    mark: str = ""
    others: frozenset[str] = frozenset()
    since: float | None = None

    def of(self, history: History) -> str | None:
        """Return the node; None where the history has no such snapshot."""
        wanted = {self.mark} if self.mark else self.others
        return next((node for node in history.entries if node in wanted), None) or self._before(history)

    def _before(self, history: History) -> str | None:
        if self.mark or self.since is None:
            return None
        return next((revision.node for revision in history.revisions if revision.note.at < self.since), None)


def tell(hosts_path: bytes, host: str, scratch: Path, since: DigestBase, secret: Secrecy) -> bytes:
    """Return what ``host`` changed after the snapshot ``since``, as JSON. Raises PachaError."""
    history = local_history(hosts_path, host, scratch)
    nodes, base = list(history.entries), since.of(history)
    newer = list(takewhile(lambda node: node != base, nodes))
    tip = history.find("")
    notes = [
        _note_words(each) for node in newer[:_MOST_NOTES] if isinstance(each := history.entries[node], hg.Revision)
    ]
    reply: dict[str, Any] = {"tip": nodes[0], "base": base or "", "snapshots": len(newer), "notes": notes}
    if base is None:
        reply |= {"kind": REPLACED if since.mark else NEW, "counts": {"added": len(history.snapshot(tip).entries)}}
    elif newer:
        reply |= _compared(history, base, newer, secret)
    return json.dumps(reply).encode("ascii")


def _note_words(revision: hg.Revision) -> list[Any]:
    text, _ = change_list.split_message(revision.note.message)
    at = min(max(revision.note.at, 0.0), message.LATEST - 1)  # a forged time spoils only itself
    lines = [_without_secrets(line) for line in text[:_LONGEST_LINE].split("\n")]
    return [revision.node, at, revision.note.user[:_LONGEST_LINE], "\n".join(lines)]


def _compared(history: History, base: str, newer: Sequence[str], secret: Secrecy) -> dict[str, Any]:
    before, after = history.find(base), history.find(newer[0])
    old, new = diff.of_snapshot(history, before), diff.of_snapshot(history, after)
    differences = [each for each in diff.compare(old, new, with_content=False) if not _is_noise(each)]
    teller = _Teller(history, history.snapshot(before), history.snapshot(after), secret)
    letters = Counter(difference.letter for difference in differences)
    back = _touched(history, newer[1:]) - {escape(each.path) for each in differences if each.letter != "m"}
    return {
        "paths": teller.of_all(differences),
        "left_out": max(0, len(differences) - _MOST_PATHS),
        "counts": {word: letters[letter] for letter, word in change_list.LETTERS.items()},
        "packages": _packages(old, new),
        "back": [name[:_LONGEST_NAME] for name in sorted(back)[:_MOST_PATHS]],
    }


def _is_noise(difference: Difference) -> bool:
    """Whether only the time of a directory changed, because something in it was created or removed."""
    entry = difference.new
    return (
        entry is not None and entry.kind is Kind.DIRECTORY and {c.aspect for c in difference.changes} == {Aspect.TIME}
    )


def _packages(old: diff.Side, new: diff.Side) -> list[str]:
    try:
        return [str(change) for change in diff.compare_packages(old, new)][:_MOST_PACKAGES]
    except DamagedError:
        return []  # 'pacha check' names it


def _touched(history: History, nodes: Sequence[str]) -> set[str]:
    """Return the names of the paths whose content was touched in these snapshots."""
    found: set[str] = set()
    for node in nodes[:_MOST_SNAPSHOTS]:
        try:
            text = history.read(DATABASE, node, change_list.FILE)
        except DamagedError:
            continue  # a snapshot without changed files has no change list
        found.update(name for letter, name in change_list.touched(text) if letter in _CONTENT)
    return found


class _Teller:
    """Turns differences into JSON values, as long as there is room."""

    def __init__(self, history: History, old: Snapshot, new: Snapshot, secret: Secrecy) -> None:
        self._history = history
        self._secret = secret
        self._sides = (old, new)
        self._room = _ROOM
        self._readable = _MOST_READ

    def of_all(self, differences: Sequence[Difference]) -> list[list[Any]]:
        """Return the ``words`` of at most _MOST_PATHS differences, sorted by path.

        New files are left out first, and small files get their room first: so nobody can hide a change of /etc/passwd
        behind files that they add.
        """
        chosen = sorted(differences, key=lambda each: each.letter == "A")[:_MOST_PATHS]
        words = {each.path: self.words(each) for each in sorted(chosen, key=_size)}
        return [words[path] for path in sorted(words)]

    def words(self, difference: Difference) -> list[Any]:
        """Return letter, path, words, lines, how many lines are left out, and why no content is shown."""
        hidden = self._why_hidden(difference)
        words = list(_words(difference, hidden=bool(hidden)))
        lines: list[bytes] = []
        if not hidden and difference.letter in _CONTENT and self._room > 0:
            hidden, lines = self._lines(difference)
        safe = [secrecy.without_secrets(line.rstrip(b"\n")) for line in lines[:_MOST_LINES] if self._room > 0]
        shown = [printable(line.decode("utf-8", "surrogateescape")[:_LONGEST_LINE], keep="\t") for line in safe]
        self._room -= sum(map(len, shown))
        path = escape(difference.path)[:_LONGEST_NAME]
        return [difference.letter, path, words, shown, len(lines) - len(shown), hidden]

    def _why_hidden(self, difference: Difference) -> str:
        if any(entry is not None and entry.sealed is not None for entry in (difference.old, difference.new)):
            return secrecy.BY_SEAL
        pairs = zip((difference.old, difference.new), self._sides, strict=True)
        whys = (self._secret.why_hidden(difference.path, partial(_mode, side)) for entry, side in pairs if entry)
        return next(filter(None, whys), "")

    def _lines(self, difference: Difference) -> tuple[str, list[bytes]]:
        """Return why there is nothing to show ("" if there is), and the lines of a diff."""
        texts = []
        try:
            for side, entry in zip(self._sides[::-1], (difference.new, difference.old), strict=True):
                text = self._text(side, entry)
                if why := secrecy.why_hidden_by(text) or ("binary" if b"\0" in text else ""):
                    return why, []
                texts.append(text)
        except (PachaError, OSError) as error:
            return f"it cannot be read: {getattr(error, 'why', '') or type(error).__name__}", []
        except _TooMuchError:
            return _TOO_MUCH, []
        return "", list(hg.unified(texts[1], texts[0]))

    def _text(self, side: Snapshot, entry: Entry | None) -> bytes:
        """Return the content of a file; b"" for anything else, one zero byte for a large file. Raises _TooMuchError."""
        if entry is None or entry.kind is not Kind.FILE:
            return b""
        if entry.size > _LARGEST or entry.parts:
            return b"\0"
        if self._readable < entry.size:
            raise _TooMuchError
        data = b"".join(self._history.content(side, entry))
        self._readable -= max(len(data), 1 << 10)
        return data


class _TooMuchError(Exception):
    """The limit on what is read for one host is reached."""


def _size(difference: Difference) -> int:
    """Return how many bytes a diff reads."""
    return sum(entry.size for entry in (difference.old, difference.new) if entry and entry.kind is Kind.FILE)


def _words(difference: Difference, *, hidden: bool) -> Iterator[str]:
    """Yield what changed besides the content; for a hidden path, nothing that could show any of it."""
    shown = _OPEN_WORDS if hidden else [aspect for aspect in Aspect if aspect not in _NOT_WORDS]
    words = [str(change)[:_LONGEST_NAME] for change in difference.changes if change.aspect in shown]
    new = difference.new
    if new is not None and difference.old is None:
        owner, group = (escape(name) if name is not None else "" for name in (new.owner, new.group))
        words = [f"mode {new.mode:04o}, {owner or new.uid}:{group or new.gid}"]
        words += [f"to {escape(new.target)[:_LONGEST_NAME]}"] if new.target is not None and not hidden else []
    yield from map(_without_secrets, words) if words else (["time or attributes"] if difference.letter == "m" else [])


def _mode(snapshot: Snapshot, path: bytes) -> int | None:
    entry = snapshot.entries.get(path) or snapshot.parents.get(path)
    return entry.mode if entry else None


def _without_secrets(words: str) -> str:
    """Return ``words``, which are not a line of a diff, without what looks like a secret."""
    return secrecy.without_secrets(b" " + words.encode("utf-8", "surrogateescape"))[1:].decode("utf-8", "replace")
