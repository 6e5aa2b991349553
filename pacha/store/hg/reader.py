"""Read the files of one revision; each hash is checked."""

from __future__ import annotations

from typing import Any

from mercurial import error

from pacha.errors import PurgedError
from pacha.store.hg.plain_reading import plainly
from pacha.store.hg.revlog import OneRevisionReader
from pacha.store.hg.runtime import Place, reading
from pacha.store.revision import hashed
from pacha.text import escape


class Reader:
    """Reads files of one revision. ``beyond``: a log that was read has data of a later revision than the last one."""

    def __init__(self, repo: Any, place: Place, manifest: Any) -> None:
        plainly(repo)
        self._repo = repo
        self._place = place
        self._manifest = manifest
        self._singles = OneRevisionReader.of(repo)
        self._last = len(repo.changelog) - 1
        self.beyond = False

    def __call__(self, name: bytes) -> bytes:
        """The bytes of ``name``, hash checked. Raises DamagedError."""
        with reading(self._place):
            node = self._manifest[name]
            only = self._singles.get(name)
            if only is not None and only.node == node and only.link <= self._last:
                return only.text
            log = self._repo.file(name)
            log._revlog.hash = hashed
            self.beyond = self.beyond or goes_beyond(log, self._last)
            try:
                return bytes(log.read(node))
            except error.CensoredNodeError:
                raise _purged(name) from None

    def names(self, name: bytes, node: bytes, link: int) -> bool:
        """Whether this revision has ``name`` as the file revision ``node``, of the revision number ``link``."""
        with reading(self._place):
            return link <= self._last and self._manifest.get(name) == node


def _purged(name: bytes) -> PurgedError:
    """The error for the content of the stored ``name``, which was erased."""
    return PurgedError(
        f"{escape(name)} has no content any more.",
        "it was purged",
        "'pacha log PATH' says when, by whom and why. Name another snapshot with --at.",
        code="content-purged",
        subject=escape(name),
    )


def goes_beyond(log: Any, last: int) -> bool:
    """Whether a log has data of a later revision than ``last``."""
    return any(log.linkrev(revision) > last for revision in log)
