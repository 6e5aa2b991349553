"""Entries given as the differences from others, so that those need not be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pacha.files import paths
from pacha.files.entry import Entry


class Amended(Mapping[bytes, Entry]):
    """Entries by path: those of ``base``, but some of them ``changed`` or ``removed``, and some ``added``."""

    def __init__(
        self, base: Mapping[bytes, Entry], changed: Mapping[bytes, Entry], removed: frozenset[bytes] = frozenset()
    ) -> None:
        """``changed`` holds the added entries as well; ``removed`` are paths of ``base`` that have no entry here."""
        self.base, self.changed, self.removed = base, changed, removed
        self.added = [path for path in changed if base.get(path) is None]

    @property
    def replaced(self) -> list[Entry]:
        """The entries of ``base`` that are changed or removed."""
        return [self.base[path] for path in (self.changed.keys() | self.removed).difference(self.added)]

    def amends(self, other: Mapping[bytes, Entry]) -> bool:
        """Whether ``other`` is the base, so that these are the differences from it."""
        if isinstance(other, Below) and isinstance(self.base, Below):
            return other.whole is self.base.whole and other.top == self.base.top
        return other is self.base

    def below(self, top: bytes) -> Amended:
        """The entries at or below the path ``top``."""
        changed = {path: entry for path, entry in self.changed.items() if paths.is_within(path, top)}
        return Amended(Below(self.base, top), changed, frozenset(p for p in self.removed if paths.is_within(p, top)))

    def get(self, path: bytes, default: Any = None) -> Any:
        """Return the entry of ``path``, ``default`` for none."""
        if (found := self.changed.get(path)) is not None:
            return found
        return default if path in self.removed else self.base.get(path, default)

    def __getitem__(self, path: bytes) -> Entry:
        found: Entry | None = self.get(path)
        if found is None:
            raise KeyError(path)
        return found

    def __iter__(self) -> Iterator[bytes]:
        # Each path once, even where the base is read from a database to which these were written meanwhile.
        yield from (path for path in self.base if path not in self.removed and path not in self.changed)
        yield from self.changed

    def __len__(self) -> int:
        return len(self.base) + len(self.added) - len(self.removed)

    def __eq__(self, other: object) -> bool:
        if other is self.base:
            return not self.removed and all(other.get(path) == entry for path, entry in self.changed.items())
        return Mapping.__eq__(self, other)


class Below(Mapping[bytes, Entry]):
    """The entries of ``whole`` at or below the path ``top``."""

    def __init__(self, whole: Mapping[bytes, Entry], top: bytes) -> None:
        self.whole, self.top = whole, top

    def __getitem__(self, path: bytes) -> Entry:
        if not paths.is_within(path, self.top):
            raise KeyError(path)
        return self.whole[path]

    def __iter__(self) -> Iterator[bytes]:
        return (path for path in self.whole if paths.is_within(path, self.top))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return self.whole.get(self.top) is not None or any(True for _ in self)


def amend(entries: Mapping[bytes, Entry], changes: Mapping[bytes, Entry | None]) -> Mapping[bytes, Entry]:
    """``entries`` with ``changes``, where None removes an entry; the result is ``Amended`` if ``entries`` is."""
    if isinstance(entries, Amended):
        changed = {path: entry for path, entry in {**entries.changed, **changes}.items() if entry is not None}
        gone = {path for path, entry in changes.items() if entry is None and entries.base.get(path) is not None}
        return Amended(entries.base, changed, (entries.removed - changed.keys()) | gone)
    found = dict(entries)
    for path, entry in changes.items():
        if entry is not None:
            found[path] = entry
        else:
            found.pop(path, None)
    return found
