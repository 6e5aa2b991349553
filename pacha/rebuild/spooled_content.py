"""The content of a plan's files, from where it was unpacked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pacha.fetch.spool import Spool
from pacha.files.entry import Entry
from pacha.files.paths import strip_target
from pacha.restore.write import Extent


@dataclass(frozen=True, slots=True)
class SpooledContent:
    """The content of entries, whose paths are those on disk below ``target``: of ``overrides``, else spooled."""

    spool: Spool
    target: bytes
    overrides: Mapping[bytes, bytes] = field(default_factory=dict)

    def content(self, entry: Entry) -> Iterator[bytes]:
        """The bytes of ``entry``, in chunks."""
        recorded = self._recorded(entry)
        if recorded in self.overrides:
            return iter([self.overrides[recorded]])
        return self.spool.content(recorded)

    def place(self, entry: Entry) -> Extent | None:
        """Where another process can read them."""
        recorded = self._recorded(entry)
        return None if recorded in self.overrides else Extent(*self.spool.place(recorded))

    def _recorded(self, entry: Entry) -> bytes:
        return strip_target(entry.path, self.target)
