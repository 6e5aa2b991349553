"""What one master gets of a push: what it has, what it lacks, the heartbeat."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pacha.errors import DamagedError, PachaError
from pacha.files.names import DATABASE
from pacha.push.initial_upload import InitialUpload
from pacha.store.snapshot import Snapshot
from pacha.system import background
from pacha.wire.master import CannotStream, Master, NoRepository, Probe, TemporaryRepository, check_may_push

if TYPE_CHECKING:
    from pacha.store import hg
    from pacha.wire.ssh import Stream

#: What ends it, what is served over there, whether that has no name yet.
_Served = tuple[ExitStack, "str | Stream | TemporaryRepository", bool]
_MOST_AHEAD = 5  #: conversations: a connection carries seven streams, the control channel and others among them


@dataclass(slots=True)
class MasterTarget:
    """One master of a push, ``name`` as the configuration has it.

    ``left`` is what is remembered of it: ``changelog`` and ``contents`` (sha256, hex, of the changelogs of
    ``db`` and by repository of the others), ``sent`` (nodes by repository), ``succeeded`` and ``tried`` (seconds
    since the epoch), ``failure`` (what hindered the last try). ``sent`` are the nodes that it is known to have;
    ``familiar``: its ``db`` is as we left it; ``as_left``: so is all that was looked at (or it was never pushed to);
    ``doubted``: repositories that may be damaged there (see ``doubt``). ``failure`` ends its part in the push.
    """

    name: str
    host: str
    left: Mapping[str, Any]
    master: Master | None = None
    probe: Probe | None = None
    sent: dict[str, str] = field(default_factory=dict)
    familiar: bool = False
    as_left: bool = True
    doubted: frozenset[str] = frozenset()
    failure: PachaError | None = None
    _filled: dict[str, str] = field(default_factory=dict)  #: by repository, the digest of what was sent as files
    _begun: dict[str, Future[_Served]] = field(default_factory=dict)
    _ending: list[tuple[str, hg.Peer | InitialUpload, Future[bool]]] = field(default_factory=list)

    @property
    def label(self) -> str:
        """``user@host`` or the folder; before it was reached, its name."""
        return self.master.label if self.master else self.name

    def meet(self, master: Master, probe: Probe) -> None:
        """Take the connection, and see whether the master is as the last push left it."""
        check_may_push(self.host, probe)
        self.master, self.probe = master, probe
        before = dict(self.left.get("sent", {}))
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
            return self.left.get("changelog"), probe.changelog
        return self.left.get("contents", {}).get(name), probe.contents.get(name)

    def begin(self, names: Iterable[str]) -> None:
        """Let the conversations with the repositories ``names`` begin, which each starts a Mercurial over there.

        Only where the master is as we left it: what is told of heads then is nearly always still so when it is used;
        and where it has nothing of this host.
        """
        known = self.familiar or self._is_new
        wanted = [name for name in names if known and self._is_new != (name in self.sent) and name not in self._begun]
        if wanted and (room := _MOST_AHEAD - len(self._begun)) > 0:
            made, new = background.start(self._make_host), self._is_new

            def served(name: str) -> _Served:
                made.result()
                return self._served(name, new=new)

            ahead = sorted(wanted[:room], key=lambda name: name == DATABASE)  # it is the last to be needed
            self._begun.update({name: background.start(served, name) for name in ahead})

    @contextmanager
    def talking(self, name: str, *, new: bool = False) -> Iterator[hg.Peer | InitialUpload]:
        """A conversation with the repository ``name``, which is made there if it is missing.

        A new one gets its name while the caller goes on, but before ``db`` does; and before ``db`` is sent to a master
        that gives names itself (``pacha serve``): it does so when it hears nothing more, whatever became of the others.
        """
        self._finish(leave=1)  # what is still on its way holds a stream
        if not self._begun:
            self._make_host()
        try:
            stack, peer = self._begin(name, new=new or self._is_new)
        except NoRepository:
            stack, peer = self._begin(name, new=True)
        with stack:
            if name == DATABASE and not isinstance(peer, InitialUpload):
                self._finish()
            yield peer
            if name != DATABASE:
                self._ending.append((name, peer, background.start(_end, stack.pop_all(), peer)))
                return
            self._finish()
            arrived = _arrived(peer)
        self._settle(name, peer, arrived)

    def _finish(self, leave: int = 0) -> None:
        """Wait until all conversations but the last ``leave`` have ended. Raises what hindered the first that failed.

        The others are waited for all the same: what they send must not change meanwhile.
        """
        failures: list[PachaError] = []
        while len(self._ending) > (0 if failures else leave):
            name, peer, ended = self._ending.pop(0)
            try:
                self._settle(name, peer, ended.result())
            except PachaError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def _settle(self, name: str, peer: hg.Peer | InitialUpload, arrived: bool) -> None:
        """Remember what was sent as files; what could not be is pushed to a repository that has its name at once."""
        if not isinstance(peer, InitialUpload) or peer.what is None:
            return
        repository, node = peer.what
        if arrived:
            self._filled[name] = repository.digest()
            return
        from pacha.store import hg

        master, _ = self._reached()
        master.create(self.host, name)
        with master.serve(self.host, name) as remote, hg.peer(remote, name) as conversation:
            conversation.push(repository, node)

    @property
    def _is_new(self) -> bool:
        """Whether the master has no history of this host."""
        return self._reached()[1].changelog is None

    def _make_host(self) -> None:
        if self._is_new and not self.sent:
            self._reached()[0].make_host(self.host)

    def send(self, snapshot: Snapshot, tip: str, repository: Callable[[str], hg.Repository], line: bytes) -> bool:
        """Push what the master lacks, also what an earlier run left behind; ``db`` last.

        Returns whether there was anything. ``repository`` gives our own of a name; ``line`` is the heartbeat to come.
        """
        master, _ = self._reached()
        sent = False
        # What a retired path left behind may never have been here, after a rebuild: nothing of it can be lacking.
        retired = {one.repository for one in snapshot.watched if one.retired}
        for name, node in [*((one.repository, one.node) for one in snapshot.watched), (DATABASE, tip)]:
            if node is not None and self.sent.get(name) != node:
                own = repository(name)
                if name in retired and not own.has(node):
                    continue
                with self.talking(name) as peer:
                    if name == DATABASE:
                        master.draft(self.host, line)
                    self._push(peer, own, node)
                self.sent[name] = node
                sent = True
        return sent

    def _push(self, peer: hg.Peer | InitialUpload, repository: hg.Repository, node: str) -> None:
        """Push ``node``; beside what is there, where another master led the history elsewhere (see ``reconcile``)."""
        theirs = () if self.familiar else peer.heads()
        peer.pull(repository, [head for head in theirs if not repository.has(head)])
        beside = any(not repository.is_ancestor(head, node) for head in theirs)
        peer.push(repository, node, beside=beside)

    def beat(self, line: bytes, sent: bool) -> None:
        """Leave the heartbeat, what was ``sent`` made durable first; look at what is there now."""
        self._finish()
        master, _ = self._reached()
        look = self.repositories() if sent or "contents" not in self.left else None
        self.probe = master.beat(self.host, line, durable=sent, look=look) or self.probe
        for name, digest in self._filled.items():
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

    def outcome(self, now: float) -> dict[str, Any]:
        """What to remember: of a failure the time and the text, else how the master was left."""
        if self.failure is not None:
            return {**self.left, "tried": now, "failure": self.failure.in_a_line}
        _, probe = self._reached()
        digests = {**probe.contents, DATABASE: probe.changelog}
        for name in self.doubted:  # it is as doubtful the next time, whatever was sent on top of it
            digests[name], _ = self.digests(name)
        left = {"changelog": digests.pop(DATABASE), "contents": digests, "sent": self.sent}
        return {**left, "tried": now, "succeeded": now}

    def _begin(self, name: str, *, new: bool) -> tuple[ExitStack, hg.Peer | InitialUpload]:
        """A conversation, and what ends it. Raises NoRepository."""
        begun = self._begun.pop(name, None)
        served, remote, fresh = begun.result() if begun else self._served(name, new=new)
        with served as stack:
            if isinstance(remote, TemporaryRepository):
                return stack.pop_all(), InitialUpload(remote)
            from pacha.store import hg

            peer = stack.enter_context(hg.peer(remote, name, new=fresh))
            return stack.pop_all(), peer

    def _served(self, name: str, *, new: bool) -> _Served:
        master, _ = self._reached()
        with ExitStack() as stack:
            if new:
                try:
                    fresh = stack.enter_context(master.new(self.host, name))
                    return stack.pop_all(), fresh, True
                except CannotStream:
                    master.create(self.host, name)
            remote = stack.enter_context(master.serve(self.host, name))
            return stack.pop_all(), remote, False

    def _reached(self) -> tuple[Master, Probe]:
        if self.master is None or self.probe is None:
            raise RuntimeError("not connected")  # a caller's fault: only a push that met its master sends
        return self.master, self.probe


def _end(stack: ExitStack, peer: hg.Peer | InitialUpload) -> bool:
    """End a conversation when all is sent; returns whether it could be sent in it."""
    with stack:
        return _arrived(peer)


def _arrived(peer: hg.Peer | InitialUpload) -> bool:
    return not isinstance(peer, InitialUpload) or peer.arrived()
