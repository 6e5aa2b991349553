"""The destination of a push: a repository on a master, or a temporary one that is renamed when complete."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pacha.store import hg
from pacha.store.growth import Abandoned
from pacha.store.revision import MOST
from pacha.system import background
from pacha.wire.master import CannotStream, TemporaryRepository


class PushedFiles(NamedTuple):
    """A repository of ours whose files are sent, the pushed node, and whether it may be sent as whole texts alone."""

    repository: hg.Repository
    node: str
    whole: bool


class Upload(Protocol):
    """A conversation with a repository on a master."""

    @property
    def is_temporary(self) -> bool:
        """Whether the repository gets its name only when everything is sent."""

    @property
    def files(self) -> PushedFiles | None:
        """What was pushed as files; None if no files are sent."""

    def heads(self) -> tuple[str, ...]:
        """The nodes of its heads, the newest first."""

    def pull(self, repository: hg.Repository, nodes: Iterable[str], most: int = MOST) -> None:
        """Pull the ``nodes`` into our ``repository``; no revision of more than ``most`` bytes."""

    def push(self, repository: hg.Repository, node: str, *, beside: bool = False, whole: bool = False) -> None:
        """Push ``node`` and its ancestors; ``beside`` allows another head there, ``whole`` sends no deltas."""

    def arrived(self) -> bool:
        """Wait until everything is sent; False if it cannot be sent this way. Raises PachaError."""


@dataclass(frozen=True, slots=True)
class PeerUpload:
    """A repository under its final name, by Mercurial's own protocol."""

    peer: hg.Peer

    @property
    def is_temporary(self) -> bool:
        """It has its final name."""
        return False

    @property
    def files(self) -> None:
        """No files are sent."""

    def heads(self) -> tuple[str, ...]:
        """The nodes of its heads, the newest first."""
        return self.peer.heads()

    def pull(self, repository: hg.Repository, nodes: Iterable[str], most: int = MOST) -> None:
        """Pull the ``nodes`` into our ``repository``; no revision of more than ``most`` bytes."""
        self.peer.pull(repository, nodes, most)

    def push(self, repository: hg.Repository, node: str, *, beside: bool = False, whole: bool = False) -> None:
        """Push ``node`` and its ancestors."""
        self.peer.push(repository, node, beside=beside, whole=whole)

    def arrived(self) -> bool:
        """True: ``push`` waits until everything is sent."""
        return True


@dataclass(slots=True)
class InitialUpload:
    """A temporary repository on a master, filled with our files before it gets its name.

    ``growing``: it is being filled since ours was begun (see ``fill``).
    """

    temporary: TemporaryRepository
    growing: Future[None] | None = None
    files: PushedFiles | None = None
    _sent: Future[None] | None = None

    @property
    def is_temporary(self) -> bool:
        """It gets its name when everything is sent, unless the master does not wait for us to give it."""
        return not self.temporary.named_there

    def heads(self) -> tuple[str, ...]:
        """(): it is empty."""
        return ()

    def pull(self, repository: hg.Repository, nodes: Iterable[str], most: int = MOST) -> None:
        """Do nothing: it is empty."""

    def push(self, repository: hg.Repository, node: str, *, beside: bool = False, whole: bool = False) -> None:
        """Start to send ``repository``, unless that has begun before; see ``arrived``."""
        self.files = PushedFiles(repository, node, whole)
        if repository.heads() == (node,):
            self._sent = self.growing or background.start(self.temporary.fill, repository.path)

    def arrived(self) -> bool:
        """Wait until it is sent; False if that is not possible, as it has other heads too. Raises PachaError."""
        with suppress(CannotStream, Abandoned):
            if self._sent is not None:
                self._sent.result()
                return True
        return self.files is None
