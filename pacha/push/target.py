"""A master of a push: what it has, what is sent to it, its heartbeat."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from pacha.errors import DamagedError, PachaError
from pacha.files.names import DATABASE
from pacha.push.upload import InitialUpload, PeerUpload, Upload
from pacha.store import hg
from pacha.store.growth import Abandoned, Growth
from pacha.store.host_state import MasterState
from pacha.store.revision import MOST
from pacha.store.snapshot import Snapshot
from pacha.system import activity, background
from pacha.system.memory_limit import limit_memory
from pacha.wire.master import (
    CHANGELOG_OF_ANY,
    CannotStream,
    Master,
    NoRepository,
    Probe,
    TemporaryRepository,
    check_may_push,
    digest_of,
)

if TYPE_CHECKING:
    from pacha.wire.conversation import Conversation
    from pacha.wire.ssh import Stream

_T = TypeVar("_T")
#: How to end the conversation, the repository on the master, and whether it is new.
_Served = tuple[ExitStack, "str | Stream | Conversation | TemporaryRepository", bool]
_MOST_UNREADABLE = 20  #: unreadable heads that a push ignores
#: The codes of errors, beside DamagedError, that mean a head which the master cannot give.
_NOT_GIVEN = frozenset(["master-failed", "mercurial-aborted", "repository-unusable"])
_PATIENCE = 1.0  #: seconds to get to an end of what is under way when a push ends early
_MOST_OPEN = 5  #: conversations; a connection carries seven streams, one of them the control channel


def content_first(snapshot: Snapshot, tip: str) -> list[tuple[str, str | None]]:
    """The repositories of ``snapshot`` with their nodes, in the order in which they are sent: ``db`` last.

    So whatever revision of ``db`` a rebuild starts from, all that it names is there.
    """
    return [*((watched.repository, watched.node) for watched in snapshot.watched), (DATABASE, tip)]


@dataclass(slots=True, kw_only=True)
class MasterTarget:
    """A master of a push, by its ``name`` in the configuration.

    ``last_known`` is what is remembered of it. ``sent`` are the nodes that it has for certain; ``familiar``: its ``db``
    is as we left it; ``as_left``: so is everything that was probed (or it was never pushed to); ``suspect``:
    repositories that may be damaged there (see ``remote_check``). ``unreadable``: revisions there that cannot be read,
    by repository and node, which the push ignores; ``arrived``: by repository, the newest head that came from somebody
    else since the master was looked at. After a ``failure`` the push continues without this master.
    ``most``: the largest size in bytes of a revision that is pulled. ``purged``: the digest of its record of what was
    purged, as far as it was followed; ``lacks_purges``: it lacks some that are recorded here; ``whole``: one side has
    purged what the other has not, so that nothing is sent as a delta.
    """

    name: str
    host: str
    last_known: MasterState
    master: Master | None = None
    probe: Probe | None = None
    sent: dict[str, str] = field(default_factory=dict)
    familiar: bool = False
    as_left: bool = True
    suspect: frozenset[str] = frozenset()
    unreadable: dict[tuple[str, str], PachaError] = field(default_factory=dict)
    arrived: dict[str, str] = field(default_factory=dict)
    failure: PachaError | None = None
    most: int = MOST
    purged: str | None = None
    lacks_purges: bool = False
    whole: bool = False
    _pulling: list[tuple[str, str]] = field(default_factory=list)
    _one_by_one: bool = False  #: a head could not be pulled
    _uploaded: dict[str, str | None] = field(default_factory=dict)  #: the digest of each that was sent as files
    _opened: dict[str, Future[_Served | None]] = field(default_factory=dict)
    _growing: dict[str, Future[None]] = field(default_factory=dict)
    _closing: list[tuple[str, Upload, Future[bool]]] = field(default_factory=list)

    @property
    def label(self) -> str:
        """``user@host`` or the folder; its name before it is connected."""
        return self.master.label if self.master else self.name

    def attach(self, master: Master, probe: Probe) -> None:
        """Attach the connection, and compare the master with what the last push left."""
        check_may_push(self.host, probe)
        self.master, self.probe = master, probe
        before = dict(self.last_known.sent)
        then, now = self.digests(DATABASE)
        self.familiar = now is not None and now == then
        if self.familiar:
            self.sent = {name: node for name, node in before.items() if self._holds(probe, name)}
        self.as_left = self.sent == before

    def _holds(self, probe: Probe, name: str) -> bool:
        """Whether the repository ``name`` is as it was left, as far as ``probe`` tells."""
        if name == DATABASE or name not in probe.contents:
            return True
        then, now = self.digests(name)
        return now is not None and then in (None, now)

    def digests(self, name: str) -> tuple[str | None, str | None]:
        """The sha256 (hex) of the changelog of the repository ``name``: as it was left, and now."""
        _, probe = self._reached()
        if name == DATABASE:
            return self.last_known.changelog, probe.changelog
        return (self.last_known.contents or {}).get(name), probe.contents.get(name)

    def was_looked_at(self, name: str) -> bool:
        """Whether the first probe included ``name``, so that a missing digest means a missing repository."""
        return name == DATABASE or name in self._reached()[1].contents

    def open_ahead(self, names: Iterable[str]) -> None:
        """Start the conversations with the repositories ``names`` early, as each starts a Mercurial on the master.

        Only if the master is as we left it, as its heads are then almost certainly the same when they are used, or if
        it has nothing of this host.
        """
        usable = self.familiar or self._is_new
        chosen = [name for name in names if usable and self._is_new != (name in self.sent) and name not in self._opened]
        if chosen and (room := _MOST_OPEN - len(self._opened)) > 0:
            host_made, new = background.start(self._make_host), self._is_new

            def served(name: str) -> _Served | None:
                host_made.result()
                return self._to_fill(name) if new and self._nests else self._served(name, new=new)

            ahead = sorted(chosen[:room], key=lambda name: name == DATABASE)  # it is needed last
            if not new and self._nests:
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
            if not growth.has_begun:  # it is sent when it is there
                del self._growing[name]

    def abandon(self) -> None:
        """End what was opened ahead and is not used; what it has made gets no name, and is removed where that can be.

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
        self._finish(leave=not self._nests)  # a repository that is still being sent needs a stream
        if not self._opened:
            self._make_host()
        try:
            stack, upload = self._open(name, new=new or self._is_new)
        except NoRepository:
            stack, upload = self._open(name, new=True)
        with stack:
            if name == DATABASE and not upload.is_temporary:
                self._finish()
            yield upload
            if name != DATABASE:
                self._closing.append((name, upload, background.start(_close, stack.pop_all(), upload)))
                return
            self._finish()
            arrived = upload.arrived()
        self._settle(name, upload, arrived)

    def talk(self, name: str, work: Callable[[Upload], _T], *, new: bool = False) -> _T:
        """The result of ``work`` in a conversation with the repository ``name``.

        After an unreadable head, which anybody with a key could add, it starts again without that head.
        """
        while True:
            try:
                with self.peer(name, new=new) as peer:
                    return work(peer)
            except PachaError as error:
                if not self._can_go_on(error):
                    raise

    def pull(self, peer: Upload, repository: hg.Repository, name: str, heads: Iterable[str]) -> None:
        """Pull the missing ``heads``. Raises PachaError; then a ``talk`` starts again without one of them."""
        missing = [(name, head) for head in heads if not repository.has(head) and (name, head) not in self.unreadable]
        for wanted in [[each] for each in missing] if self._one_by_one else filter(None, [missing]):
            self._pulling = wanted
            with limit_memory():
                peer.pull(repository, [head for _, head in wanted], self.most)
            self._pulling = []

    def _can_go_on(self, error: PachaError) -> bool:
        """Whether a conversation that ended with ``error`` may start again, without a head that could not be pulled."""
        pulling, self._pulling = self._pulling, []
        if not pulling or not (isinstance(error, DamagedError) or error.code in _NOT_GIVEN):
            return False
        if len(pulling) > 1:
            self._one_by_one = True  # which one is it?
        else:
            self.unreadable[pulling[0]] = error
        return len(self.unreadable) < _MOST_UNREADABLE

    def pull_beside(self, peer: Upload, repository: hg.Repository, name: str, heads: Iterable[str]) -> None:
        """Pull the missing ``heads``, on or beside which we push, as ``pull``; what somebody else sent has ``arrived``.

        Where ``db`` differs, that was named already, and brought the others' heads. Where it is not remembered how a
        repository was left, as after a rebuild, an interrupted push of the dead machine may have brought them.
        """
        left, is_known = self.last_known.sent.get(name), self.digests(name)[0] is not None
        missing = [head for head in heads if not repository.has(head)]
        try:
            self.pull(peer, repository, name, missing)
        finally:  # also of those before one that cannot be read
            came = [head for head in missing if repository.has(head)]
            if came and came[0] != left and is_known and (self.familiar or name == DATABASE):
                self.arrived[name] = came[0]

    def unreadable_in(self, name: str) -> frozenset[str]:
        """The nodes of the repository ``name`` on the master that cannot be read."""
        return frozenset(node for repository, node in self.unreadable if repository == name)

    def _finish(self, leave: int = 0) -> None:
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
        repository, node = upload.files
        if arrived:
            self._uploaded[name] = digest_of(os.fsencode(os.path.join(repository.path, CHANGELOG_OF_ANY)))
            return
        master, _ = self._reached()
        master.create(self.host, name)
        with master.serve(self.host, name) as remote, hg.open_peer(remote, name) as peer:
            peer.push(repository, node, whole=self.whole)

    @property
    def _is_new(self) -> bool:
        """Whether the master has no history of this host."""
        return self._reached()[1].changelog is None

    @property
    def _nests(self) -> bool:
        """Whether a conversation has to end before another one begins; else it becomes one within the other."""
        return self._reached()[0].nests(self.host)

    def _make_host(self) -> None:
        if self._is_new and not self.sent:
            self._reached()[0].make_host(self.host)

    def send(self, snapshot: Snapshot, tip: str, repository: Callable[[str], hg.Repository], line: bytes) -> bool:
        """Push what the master is missing, also from earlier pushes, in the order of ``content_first``.

        Returns whether anything was missing. ``repository`` returns our own by its name; ``line`` is the heartbeat.
        """
        sent = False
        # After a rebuild the repository of a retired path may be missing here: then the master has all of it.
        retired = {watched.repository for watched in snapshot.watched if watched.retired}
        for name, node in content_first(snapshot, tip):
            if node is not None and self.sent.get(name) != node:
                own = repository(name)
                activity.begin(f"sending '{name}' to {self.label}")
                if name in retired and not own.has(node):
                    continue
                self._send(own, name, node, line)
                self.sent[name] = node
                sent = True
        return sent

    def _send(self, repository: hg.Repository, name: str, node: str, line: bytes) -> None:
        def push(peer: Upload) -> None:
            if name == DATABASE:
                self._reached()[0].draft_heartbeat(self.host, line)
            self._push(peer, repository, name, node)

        self.talk(name, push)

    def _push(self, peer: Upload, repository: hg.Repository, name: str, node: str) -> None:
        """Push ``node``, as another head if the master's history diverged (see ``reconcile``)."""
        heads = peer.heads()
        self.pull_beside(peer, repository, name, heads)
        beside = any(not (repository.has(head) and repository.is_ancestor(head, node)) for head in heads)
        peer.push(repository, node, beside=beside, whole=self.whole)

    def leave_heartbeat(self, line: bytes, sent: bool) -> None:
        """Leave the heartbeat, after making durable what was ``sent``, and probe the master again."""
        self._finish()
        master, _ = self._reached()
        look = self.repositories() if sent or self.last_known.contents is None else None
        self.probe = master.leave_heartbeat(self.host, line, durable=sent, look=look) or self.probe
        for name, digest in self._uploaded.items():
            if self.digests(name)[1] != digest:
                why = "its changelog there is another than the one that was sent"
                hint = "Look at it there with 'hg verify', and push again."
                raise DamagedError(
                    f"The repository {name} did not arrive on the master as it is here.",
                    why,
                    hint,
                    code="upload-differs",
                )

    def repositories(self) -> tuple[str, ...]:
        """The content repositories that the master has for certain."""
        return tuple(sorted(self.sent.keys() - {DATABASE}))

    def outcome(self, now: float) -> MasterState:
        """What to remember: the time and the text of a failure, else the state of the master."""
        if self.failure is not None:
            return replace(self.last_known, tried=now, failure=self.failure.in_a_line)
        _, probe = self._reached()
        digests = {**probe.contents, DATABASE: probe.changelog}
        for name in self.suspect:  # it stays suspect, whatever was sent on top
            digests[name], _ = self.digests(name)
        return MasterState(
            changelog=digests.pop(DATABASE), contents=digests, sent=dict(self.sent), tried=now, succeeded=now,
            purged=self.purged, lacks_purges=self.lacks_purges,
        )  # fmt: skip

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
        master, _ = self._reached()
        if new:
            if to_fill := self._to_fill(name):
                return to_fill
            master.create(self.host, name)
        with ExitStack() as stack:
            remote = stack.enter_context(master.serve(self.host, name))
            return stack.pop_all(), remote, False

    def _to_fill(self, name: str) -> _Served | None:
        """A new repository; None where the master cannot make one so."""
        with ExitStack() as stack:
            try:
                created = stack.enter_context(self._reached()[0].new(self.host, name))
            except CannotStream:
                return None
            return stack.pop_all(), created, True

    def _reached(self) -> tuple[Master, Probe]:
        if self.master is None or self.probe is None:
            raise RuntimeError("not connected")  # a fault in Pacha: attach() comes first
        return self.master, self.probe


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
