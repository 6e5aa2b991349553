"""One master of a push: what it has, what is sent to it, its heartbeat."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from pacha.errors import DamagedError, PachaError
from pacha.files.names import DATABASE
from pacha.push.upload import InitialUpload, PeerUpload, Upload
from pacha.store import hg
from pacha.store.host_state import MasterState
from pacha.store.revision import MOST
from pacha.store.snapshot import Snapshot
from pacha.system import background
from pacha.system.memory_limit import limit_memory
from pacha.wire.master import CannotStream, Master, NoRepository, Probe, TemporaryRepository, check_may_push

if TYPE_CHECKING:
    from pacha.wire.ssh import Stream

_T = TypeVar("_T")
#: What ends it, what is served over there, whether that is a new repository.
_Served = tuple[ExitStack, "str | Stream | TemporaryRepository", bool]
_MOST_UNREADABLE = 20  #: heads that a push passes over
_MOST_OPEN = 5  #: conversations: a connection carries seven streams, the control channel and others among them


def content_first(snapshot: Snapshot, tip: str) -> list[tuple[str, str | None]]:
    """The repositories of ``snapshot`` with their nodes, in the order in which they are sent: ``db`` last.

    Whatever revision of ``db`` a rebuild starts from, all that it names is there then.
    """
    return [*((watched.repository, watched.node) for watched in snapshot.watched), (DATABASE, tip)]


@dataclass(slots=True, kw_only=True)
class MasterTarget:
    """One master of a push, ``name`` as the configuration has it.

    ``last_known`` is what is remembered of it. ``sent`` are the nodes that it is known to have;
    ``familiar``: its ``db`` is as we left it; ``as_left``: so is all that was looked at (or it was never pushed to);
    ``suspect``: repositories that may be damaged there (see ``remote_check``). ``unreadable``: by repository and node,
    what is there and cannot be read; the push goes on beside it. ``failure`` ends its part in the push.
    ``most``: bytes of a revision that is pulled.
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
    unreadable: dict[tuple[str, str], DamagedError] = field(default_factory=dict)
    failure: PachaError | None = None
    most: int = MOST
    _uploaded: dict[str, str] = field(default_factory=dict)  #: by repository, the digest of what was sent as files
    _opened: dict[str, Future[_Served]] = field(default_factory=dict)
    _closing: list[tuple[str, Upload, Future[bool]]] = field(default_factory=list)

    @property
    def label(self) -> str:
        """``user@host`` or the folder; before it was reached, its name."""
        return self.master.label if self.master else self.name

    def attach(self, master: Master, probe: Probe) -> None:
        """Take the connection, and see whether the master is as the last push left it."""
        check_may_push(self.host, probe)
        self.master, self.probe = master, probe
        before = dict(self.last_known.sent)
        then, now = self.digests(DATABASE)
        self.familiar = now is not None and now == then
        if self.familiar:
            self.sent = {name: node for name, node in before.items() if self._holds(probe, name)}
        self.as_left = self.sent == before

    def _holds(self, probe: Probe, name: str) -> bool:
        """Whether the repository ``name`` is as it was left, as far as ``probe`` looked."""
        if name == DATABASE or name not in probe.contents:
            return True
        then, now = self.digests(name)
        return now is not None and then in (None, now)

    def digests(self, name: str) -> tuple[str | None, str | None]:
        """The sha256 (hex) of the changelog of the repository ``name``: as it was left, as it was seen now."""
        _, probe = self._reached()
        if name == DATABASE:
            return self.last_known.changelog, probe.changelog
        return (self.last_known.contents or {}).get(name), probe.contents.get(name)

    def was_looked_at(self, name: str) -> bool:
        """Whether the first look was at the repository ``name`` too, so that "not seen" means "not there"."""
        return name == DATABASE or name in self._reached()[1].contents

    def open_ahead(self, names: Iterable[str]) -> None:
        """Let the conversations with the repositories ``names`` begin, which each starts a Mercurial over there.

        Only where the master is as we left it: what is told of heads then is nearly always still so when it is used;
        and where it has nothing of this host.
        """
        known = self.familiar or self._is_new
        wanted = [name for name in names if known and self._is_new != (name in self.sent) and name not in self._opened]
        if wanted and (room := _MOST_OPEN - len(self._opened)) > 0:
            host_made, new = background.start(self._make_host), self._is_new

            def served(name: str) -> _Served:
                host_made.result()
                return self._served(name, new=new)

            ahead = sorted(wanted[:room], key=lambda name: name == DATABASE)  # it is the last to be needed
            self._opened.update({name: background.start(served, name) for name in ahead})

    @contextmanager
    def peer(self, name: str, *, new: bool = False) -> Iterator[Upload]:
        """A conversation with the repository ``name``, which is made there if it is missing.

        A new one gets its name while the caller goes on, but before ``db`` does; and before ``db`` is sent to a master
        that gives names itself (``pacha serve``): it does so when it hears nothing more, whatever became of the others.
        """
        self._finish(leave=1)  # what is still on its way holds a stream
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
        """What ``work`` gives in a conversation with the repository ``name``.

        It is begun again, without it, where a head cannot be read: whoever has a key could add one.
        """
        while True:
            known = len(self.unreadable)
            try:
                with self.peer(name, new=new) as peer:
                    return work(peer)
            except DamagedError:
                if not known < len(self.unreadable) < _MOST_UNREADABLE:
                    raise

    def pull(self, peer: Upload, repository: hg.Repository, name: str, heads: Iterable[str]) -> None:
        """Pull those of ``heads`` that are not here. Raises DamagedError for one that cannot be read, once."""
        for head in heads:
            if not repository.has(head) and (name, head) not in self.unreadable:
                try:
                    with limit_memory():
                        peer.pull(repository, [head], self.most)
                except DamagedError as error:
                    self.unreadable[name, head] = error
                    raise

    def unreadable_in(self, name: str) -> frozenset[str]:
        """The nodes of the repository ``name`` that are there and cannot be read."""
        return frozenset(node for repository, node in self.unreadable if repository == name)

    def _finish(self, leave: int = 0) -> None:
        """Wait until all conversations but the last ``leave`` have ended. Raises what hindered the first that failed.

        The others are waited for all the same: what they send must not change meanwhile.
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
        """Remember what was sent as files; what could not be is pushed to a repository that has its name at once."""
        if upload.files is None:
            return
        repository, node = upload.files
        if arrived:
            self._uploaded[name] = repository.digest()
            return
        master, _ = self._reached()
        master.create(self.host, name)
        with master.serve(self.host, name) as remote, hg.open_peer(remote, name) as peer:
            peer.push(repository, node)

    @property
    def _is_new(self) -> bool:
        """Whether the master has no history of this host."""
        return self._reached()[1].changelog is None

    def _make_host(self) -> None:
        if self._is_new and not self.sent:
            self._reached()[0].make_host(self.host)

    def send(self, snapshot: Snapshot, tip: str, repository: Callable[[str], hg.Repository], line: bytes) -> bool:
        """Push what the master lacks, also what an earlier run left behind, in the order of ``content_first``.

        Returns whether there was anything. ``repository`` gives our own of a name; ``line`` is the heartbeat to come.
        """
        sent = False
        # What a retired path left behind may never have been here, after a rebuild: nothing of it can be missing there.
        retired = {watched.repository for watched in snapshot.watched if watched.retired}
        for name, node in content_first(snapshot, tip):
            if node is not None and self.sent.get(name) != node:
                own = repository(name)
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
        """Push ``node``; beside what is there, where another master led the history elsewhere (see ``reconcile``)."""
        theirs = () if self.familiar else peer.heads()
        self.pull(peer, repository, name, theirs)
        beside = any(not (repository.has(head) and repository.is_ancestor(head, node)) for head in theirs)
        peer.push(repository, node, beside=beside)

    def leave_heartbeat(self, line: bytes, sent: bool) -> None:
        """Leave the heartbeat, what was ``sent`` made durable first; look at what is there now."""
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
        """The repositories of content that the master is known to have."""
        return tuple(sorted(self.sent.keys() - {DATABASE}))

    def outcome(self, now: float) -> MasterState:
        """What to remember: of a failure the time and the text, else how the master was left."""
        if self.failure is not None:
            return replace(self.last_known, tried=now, failure=self.failure.in_a_line)
        _, probe = self._reached()
        digests = {**probe.contents, DATABASE: probe.changelog}
        for name in self.suspect:  # it is as suspect the next time, whatever was sent on top of it
            digests[name], _ = self.digests(name)
        return MasterState(
            changelog=digests.pop(DATABASE), contents=digests, sent=dict(self.sent), tried=now, succeeded=now
        )

    def _open(self, name: str, *, new: bool) -> tuple[ExitStack, Upload]:
        """A conversation, and what ends it. Raises NoRepository."""
        opened = self._opened.pop(name, None)
        served, remote, is_new = opened.result() if opened else self._served(name, new=new)
        with served as stack:
            if isinstance(remote, TemporaryRepository):
                return stack.pop_all(), InitialUpload(remote)
            peer = stack.enter_context(hg.open_peer(remote, name, new=is_new))
            return stack.pop_all(), PeerUpload(peer)

    def _served(self, name: str, *, new: bool) -> _Served:
        master, _ = self._reached()
        with ExitStack() as stack:
            if new:
                try:
                    created = stack.enter_context(master.new(self.host, name))
                    return stack.pop_all(), created, True
                except CannotStream:
                    master.create(self.host, name)
            remote = stack.enter_context(master.serve(self.host, name))
            return stack.pop_all(), remote, False

    def _reached(self) -> tuple[Master, Probe]:
        if self.master is None or self.probe is None:
            raise RuntimeError("not connected")  # a caller's fault: only a push that is attached to its master sends
        return self.master, self.probe


def _close(stack: ExitStack, upload: Upload) -> bool:
    """End a conversation when all is sent; returns whether it could be sent in it."""
    with stack:
        return upload.arrived()
