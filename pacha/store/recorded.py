"""The entries of this machine's own pacha.db: read only when asked for, and their summary without reading them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pacha.files.amended import Amended
from pacha.files.entry import Entry, Kind

_MOST_FOUND = 8  #: entries to look up one by one; each takes a fortieth of the time for reading all


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a push needs to know about all entries together.

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

    def amended(self, old: Summary, new: Summary) -> Summary | None:
        """This summary after the entries of ``old``, which it counts, were replaced by those of ``new``.

        None where the other entries have to be read for that.
        """
        if not (old.owners <= new.owners and old.xattrs <= new.xattrs):
            return None
        return Summary(
            files=self.files - old.files + new.files,
            size=self.size - old.size + new.size,
            owners=self.owners | new.owners,
            xattrs=self.xattrs | new.xattrs,
        )


class Recorded(Mapping[bytes, Entry]):
    """Entries by path, none of them sealed: a few are looked up, and all are read if more are asked for."""

    def __init__(
        self,
        count: int,
        summary: Summary,
        read: Callable[[], dict[bytes, Entry]],
        find: Callable[[bytes], Entry | None] | None = None,
    ) -> None:
        """``read`` returns all ``count`` entries; ``find`` looks one up."""
        self._count, self.summary, self._read, self._find = count, summary, read, find
        self._entries: dict[bytes, Entry] | None = None
        self._found: dict[bytes, Entry | None] = {}

    @property
    def entries(self) -> dict[bytes, Entry]:
        """All of them."""
        if self._entries is None:
            self._entries = self._read()
            self._entries.update({path: entry for path, entry in self._found.items() if entry is not None})
            self.get = self._entries.get  # type: ignore  # a scan asks for each path
        return self._entries

    def __getitem__(self, path: bytes) -> Entry:
        found: Entry | None = self.get(path)
        if found is None:
            raise KeyError(path)
        return found

    def get(self, path: bytes, default: Any = None) -> Any:
        """Return the entry of ``path``, always the same object; ``default`` for none."""
        if path not in self._found:
            if self._find is None or len(self._found) >= _MOST_FOUND:
                return self.entries.get(path, default)
            self._found[path] = self._find(path)
        found = self._found[path]
        return default if found is None else found

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.entries)

    def __len__(self) -> int:
        return self._count


def summary_of(entries: Mapping[bytes, Entry]) -> Summary:
    """The summary of ``entries``."""
    if isinstance(entries, Recorded):
        return entries.summary
    if isinstance(entries, Amended):
        old, new = Summary.of(entries.replaced), Summary.of(entries.changed.values())
        if (amended := summary_of(entries.base).amended(old, new)) is not None:
            return amended
    return Summary.of(entries.values())


def may_be_sealed(entries: Mapping[bytes, Entry]) -> bool:
    """Whether some of ``entries`` may be sealed, without reading them."""
    if isinstance(entries, Amended):
        return may_be_sealed(entries.base) or any(entry.sealed is not None for entry in entries.changed.values())
    return not isinstance(entries, Recorded)
