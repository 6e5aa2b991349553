"""The entries of this machine's own pacha.db, read when one is asked for, and what can be told of them without that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pacha.files.metadata import Entry, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a push needs to know of all entries together.

    ``files`` and ``size``: how many files there are, and their bytes; ``owners``: uid, owner, gid and group;
    ``xattrs``: all extended attributes that any of them has.
    """

    files: int
    size: int
    owners: frozenset[tuple[int, bytes | None, int, bytes | None]]
    xattrs: frozenset[tuple[tuple[bytes, bytes], ...]]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Summary:
        """The summary of ``entries``."""
        every = list(entries)
        sizes = [entry.size for entry in every if entry.kind is Kind.FILE]
        owners = frozenset((entry.uid, entry.owner, entry.gid, entry.group) for entry in every)
        xattrs = frozenset(entry.xattrs for entry in every if entry.xattrs)
        return cls(files=len(sizes), size=sum(sizes), owners=owners, xattrs=xattrs)


class Recorded(Mapping[bytes, Entry]):
    """Entries by path, none of them sealed, that are read as soon as one is asked for."""

    def __init__(self, count: int, summary: Summary, read: Callable[[], dict[bytes, Entry]]) -> None:
        """Read nothing yet: there are ``count``, which ``read`` returns. It may raise PachaError."""
        self._count, self.summary, self._read = count, summary, read
        self._entries: dict[bytes, Entry] | None = None

    @property
    def entries(self) -> dict[bytes, Entry]:
        """All of them."""
        if self._entries is None:
            self._entries = self._read()
            self.get = self._entries.get  # type: ignore  # a scan asks for each path
        return self._entries

    def __getitem__(self, path: bytes) -> Entry:
        return self.entries[path]

    def get(self, path: bytes, default: Any = None) -> Any:
        """Return the entry of ``path``, ``default`` for none."""
        return self.entries.get(path, default)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.entries)

    def __len__(self) -> int:
        return self._count


def summary_of(entries: Mapping[bytes, Entry]) -> Summary:
    """The summary of ``entries``."""
    return entries.summary if isinstance(entries, Recorded) else Summary.of(entries.values())


def may_be_sealed(entries: Mapping[bytes, Entry]) -> bool:
    """Whether some of ``entries`` may be sealed, which is told without reading them."""
    return not isinstance(entries, Recorded)
