"""A repository on a master that has no name before all of ours is in it."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass

from pacha.store import hg
from pacha.system import background
from pacha.wire.master import CannotStream, TemporaryRepository


@dataclass(slots=True)
class InitialUpload:
    """In the place of a conversation: a repository over there that is filled with the files of ours."""

    blank: TemporaryRepository
    what: tuple[hg.Repository, str] | None = None  #: the repository and the node that were pushed
    _sent: Future[None] | None = None

    def heads(self) -> tuple[str, ...]:
        """None: it is empty."""
        return ()

    def pull(self, repository: hg.Repository, wanted: Iterable[str]) -> None:
        """Nothing: it is empty."""

    def push(self, repository: hg.Repository, node: str, *, beside: bool = False) -> None:
        """Begin to send ``repository``; see ``arrived``."""
        self.what = (repository, node)
        if repository.heads() == (node,):
            self._sent = background.start(self.blank.fill, repository.path)

    def arrived(self) -> bool:
        """Wait until it is sent; False where that cannot be done: it has other heads as well. Raises PachaError."""
        with suppress(CannotStream):
            if self._sent is not None:
                self._sent.result()
                return True
        return self.what is None
