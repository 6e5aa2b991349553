"""The conversations of a push with the repositories of one master: opened ahead, used, ended.

Some are opened before they are used, and end while the next one is used: each costs a start of Mercurial on the master.
A repository that the master does not have yet is sent as its files if that can be; see ``upload``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pacha.errors import PachaError
from pacha.files.names import DATABASE
from pacha.push.upload import InitialUpload, PeerUpload, Upload
from pacha.store import hg
from pacha.store.growth import Abandoned, Growth
from pacha.system import background
from pacha.wire.master import CHANGELOG_OF_ANY, CannotStream, Master, NoRepository, TemporaryRepository, digest_of

if TYPE_CHECKING:
    from pacha.wire.conversation import Conversation
    from pacha.wire.ssh import Stream

#: How to end the conversation, the repository on the master, and whether it is new.
_Served = tuple[ExitStack, "str | Stream | Conversation | TemporaryRepository", bool]
_PATIENCE = 1.0  #: seconds to wait for what is under way when a push ends early
_MOST_OPEN = 5  #: conversations; a connection carries seven streams, one of them the control channel


@dataclass(slots=True, kw_only=True)
class Conversations:
    """The conversations with the repositories of ``host`` on ``master``.

    ``is_new``: the master had nothing of this host when they began. ``uploaded``: the digest of the changelog of each
    repository that was sent as files.
    """

    master: Master
    host: str
    is_new: bool
    uploaded: dict[str, str | None] = field(default_factory=dict)
    _host_is_made: bool = False
    _opened: dict[str, Future[_Served | None]] = field(default_factory=dict)
    _growing: dict[str, Future[None]] = field(default_factory=dict)
    _closing: list[tuple[str, Upload, Future[bool]]] = field(default_factory=list)

    def open_ahead(self, names: Iterable[str]) -> None:
        """Open those with the repositories ``names`` in the background, as far as there is room for them."""
        chosen, room = [name for name in names if name not in self._opened], _MOST_OPEN - len(self._opened)
        if not chosen or room <= 0:
            return
        host_made = background.start(self._make_host)

        def served(name: str) -> _Served | None:
            host_made.result()
            return self._to_fill(name) if self.is_new and self._nests else self._served(name, new=self.is_new)

        ahead = sorted(chosen[:room], key=lambda name: name == DATABASE)  # it is needed last
        if not self.is_new and self._nests:
            ahead = ahead[: not self._opened]
        self._opened.update({name: background.start(served, name) for name in ahead})

    @contextmanager
    def following(self, name: str) -> Iterator[Growth | None]:
        """A growth for our new repository ``name``, whose files are sent while the body makes it.

        None where no conversation with it was opened ahead. Only files can be sent so, which turns out later.
        """
        if (opened := self._opened.get(name)) is None:
            yield None
            return
        growth = Growth()
        self._growing[name] = background.start(_follow, growth, opened)
        try:
            yield growth
        finally:
            growth.end(is_whole=False)
            if not growth.has_begun:  # it is sent when it is complete
                del self._growing[name]

    def abandon(self) -> None:
        """End what was opened ahead and is not used. Its repositories get no name, and are removed where possible.

        Raises nothing.
        """
        closing = [closed for _, _, closed in self._closing]
        under_way: list[Future[Any]] = [*self._growing.values(), *self._opened.values(), *closing]
        wait(under_way, _PATIENCE)
        for opened in self._opened.values():
            opened.add_done_callback(_abandon)

    @contextmanager
    def peer(self, name: str, *, new: bool = False) -> Iterator[Upload]:
        """A conversation with the repository ``name``, which is made there if it is missing.

        A temporary one gets its name while the caller continues, but before ``db`` gets its own; and before ``db`` is
        sent to a master that renames by itself (``pacha serve``), as that does not wait for the other repositories.
        """
        self.finish(leave=not self._nests)  # a repository that is still being sent needs a stream
        if not self._opened:
            self._make_host()
        try:
            stack, upload = self._open(name, new=new or self.is_new)
        except NoRepository:
            stack, upload = self._open(name, new=True)
        with stack:
            if name == DATABASE and not upload.is_temporary:
                self.finish()
            yield upload
            if name != DATABASE:
                self._closing.append((name, upload, background.start(_close, stack.pop_all(), upload)))
                return
            self.finish()
            arrived = upload.arrived()
        self._settle(name, upload, arrived)

    def finish(self, leave: int = 0) -> None:
        """Wait until all conversations but the last ``leave`` have ended. Raises the first failure.

        Waits for the others even then: what they send must not change meanwhile.
        """
        failures: list[PachaError] = []
        while len(self._closing) > (0 if failures else leave):
            name, upload, closed = self._closing.pop(0)
            try:
                self._settle(name, upload, closed.result())
            except PachaError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def _settle(self, name: str, upload: Upload, arrived: bool) -> None:
        """Remember what was sent as files. If that failed, push to a repository under its final name."""
        if upload.files is None:
            return
        repository, node, whole = upload.files
        if arrived:
            self.uploaded[name] = digest_of(os.fsencode(os.path.join(repository.path, CHANGELOG_OF_ANY)))
            return
        self.master.create(self.host, name)
        with self.master.serve(self.host, name) as remote, hg.open_peer(remote, name) as peer:
            peer.push(repository, node, whole=whole)

    @property
    def _nests(self) -> bool:
        """Whether a conversation that begins during another one is nested in it, and so has to end before it."""
        return self.master.nests(self.host)

    def _make_host(self) -> None:
        if self.is_new and not self._host_is_made:
            self.master.make_host(self.host)
            self._host_is_made = True

    def _open(self, name: str, *, new: bool) -> tuple[ExitStack, Upload]:
        """Start a conversation; returns what ends it, too. Raises NoRepository."""
        opened, growing = self._opened.pop(name, None), self._growing.pop(name, None)
        served, remote, is_new = (opened and opened.result()) or self._served(name, new=new)
        with served as stack:
            if isinstance(remote, TemporaryRepository):
                return stack.pop_all(), InitialUpload(remote, growing)
            peer = stack.enter_context(hg.open_peer(remote, name, new=is_new))
            return stack.pop_all(), PeerUpload(peer)

    def _served(self, name: str, *, new: bool) -> _Served:
        if new:
            if to_fill := self._to_fill(name):
                return to_fill
            self.master.create(self.host, name)
        with ExitStack() as stack:
            remote = stack.enter_context(self.master.serve(self.host, name))
            return stack.pop_all(), remote, False

    def _to_fill(self, name: str) -> _Served | None:
        """A new repository to send files into; None where the master cannot make one so."""
        with ExitStack() as stack:
            try:
                created = stack.enter_context(self.master.new(self.host, name))
            except CannotStream:
                return None
            return stack.pop_all(), created, True


def _follow(growth: Growth, opened: Future[_Served | None]) -> None:
    """Send the files of ``growth`` where the conversation takes files. Raises Abandoned, and as ``fill``."""
    with growth.reading() as (path, names):
        served = opened.result()
        if served and isinstance(remote := served[1], TemporaryRepository):
            remote.fill(path, names)


def _abandon(opened: Future[_Served | None]) -> None:
    if opened.exception() is None and (served := opened.result()):
        with suppress(Abandoned, PachaError, OSError), served[0]:
            raise Abandoned


def _close(stack: ExitStack, upload: Upload) -> bool:
    """End a conversation when everything is sent; returns whether it could be sent this way."""
    with stack:
        return upload.arrived()
