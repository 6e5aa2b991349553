"""Where a push sends to: a repository of a master, or a temporary one that is renamed when complete."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from pacha.store import hg
from pacha.store.revision import MOST
from pacha.system import background
from pacha.wire.master import CannotStream, TemporaryRepository


class Upload(Protocol):
    """A conversation with one repository of a master."""

    @property
    def is_temporary(self) -> bool:
        """Whether the repository gets its name only when all is sent."""

    @property
    def files(self) -> tuple[hg.Repository, str] | None:
        """The repository whose files are sent, and the node that was pushed; None where no files are."""

    def heads(self) -> tuple[str, ...]:
        """The nodes of its heads, the newest first."""

    def pull(self, repository: hg.Repository, wanted: Iterable[str], most: int = MOST) -> None:
        """Pull the nodes ``wanted`` into our ``repository``, no revision of more than ``most`` bytes."""

    def push(self, repository: hg.Repository, node: str, *, beside: bool = False) -> None:
        """Push ``node`` and all below it; ``beside``: though it makes another head there."""

    def arrived(self) -> bool:
        """Wait until all is sent; False where it cannot be sent this way. Raises PachaError."""


@dataclass(frozen=True, slots=True)
class PeerUpload:
    """A repository that has its name: Mercurial's own protocol."""

    peer: hg.Peer

    @property
    def is_temporary(self) -> bool:
        """It has its name."""
        return False

    @property
    def files(self) -> None:
        """No files are sent."""

    def heads(self) -> tuple[str, ...]:
        """The nodes of its heads, the newest first."""
        return self.peer.heads()

    def pull(self, repository: hg.Repository, wanted: Iterable[str], most: int = MOST) -> None:
        """Pull the nodes ``wanted`` into our ``repository``, no revision of more than ``most`` bytes."""
        self.peer.pull(repository, wanted, most)

    def push(self, repository: hg.Repository, node: str, *, beside: bool = False) -> None:
        """Push ``node`` and all below it."""
        self.peer.push(repository, node, beside=beside)

    def arrived(self) -> bool:
        """It is, when ``push`` returns."""
        return True


@dataclass(slots=True)
class InitialUpload:
    """A new repository on a master that is filled with the files of ours before it gets its name."""

    temporary: TemporaryRepository
    files: tuple[hg.Repository, str] | None = None
    _sent: Future[None] | None = None

    @property
    def is_temporary(self) -> bool:
        """It gets its name when all is sent."""
        return True

    def heads(self) -> tuple[str, ...]:
        """None: it is empty."""
        return ()

    def pull(self, repository: hg.Repository, wanted: Iterable[str], most: int = MOST) -> None:
        """Nothing: it is empty."""

    def push(self, repository: hg.Repository, node: str, *, beside: bool = False) -> None:
        """Begin to send ``repository``; see ``arrived``."""
        self.files = (repository, node)
        if repository.heads() == (node,):
            self._sent = background.start(self.temporary.fill, repository.path)

    def arrived(self) -> bool:
        """Wait until it is sent; False where that cannot be done: it has other heads as well. Raises PachaError."""
        with suppress(CannotStream):
            if self._sent is not None:
                self._sent.result()
                return True
        return self.files is None
