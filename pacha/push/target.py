"""A master of a push: what it has, what is sent to it, its heartbeat."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from pacha.errors import DamagedError, PachaError
from pacha.files.names import DATABASE
from pacha.push.conversations import Conversations
from pacha.push.upload import Upload
from pacha.store import hg
from pacha.store.host_state import MasterState
from pacha.store.revision import MOST
from pacha.store.snapshot import Snapshot
from pacha.system import activity
from pacha.system.memory_limit import limit_memory
from pacha.wire.master import Master, Probe, check_may_push

_T = TypeVar("_T")
_MOST_UNREADABLE = 20  #: unreadable heads that a push ignores
#: The codes of errors, beside DamagedError, that mean a head which the master cannot give.
_NOT_GIVEN = frozenset(["master-failed", "mercurial-aborted", "repository-unusable"])


def content_first(snapshot: Snapshot, tip: str) -> list[tuple[str, str | None]]:
    """The repositories of ``snapshot`` with their nodes, in the order in which they are sent: ``db`` last.

    So whatever revision of ``db`` a rebuild starts from, all that it names is there.
    """
    return [*((watched.repository, watched.node) for watched in snapshot.watched), (DATABASE, tip)]


@dataclass(slots=True, kw_only=True)
class MasterTarget:
    """A master of a push, by its ``name`` in the configuration.

    ``last_known`` is what is remembered of it. ``sent`` are the nodes that it has for certain; ``db_as_left``: its
    ``db`` is as we left it, and the push goes on from there; ``all_as_left``: ``db`` and everything else that was
    probed is as we left it (or it was never pushed to); ``suspect``: repositories that may be damaged there (see
    ``changed_masters``). ``unreadable``: revisions there that cannot be read, by repository and node, which the push
    ignores; ``arrived``: by repository, the newest head that came from somebody else since the master was looked at.
    After a ``failure`` the push continues without this master. ``largest_revision``: the most bytes of a revision that
    is pulled. ``purged``: the digest of its record of what was purged, as far as it was followed; ``lacks_purges``: it
    lacks some that are recorded here; ``no_deltas``: nothing is sent as a delta, as one side may have purged what it
    would be the difference from.
    """

    name: str
    host: str
    last_known: MasterState
    master: Master | None = None
    probe: Probe | None = None
    sent: dict[str, str] = field(default_factory=dict)
    db_as_left: bool = False
    all_as_left: bool = True
    suspect: frozenset[str] = frozenset()
    unreadable: dict[tuple[str, str], PachaError] = field(default_factory=dict)
    arrived: dict[str, str] = field(default_factory=dict)
    failure: PachaError | None = None
    largest_revision: int = MOST
    purged: str | None = None
    lacks_purges: bool = False
    no_deltas: bool = False
    _pulling: list[tuple[str, str]] = field(default_factory=list)
    _one_by_one: bool = False  #: a head could not be pulled
    _conversations: Conversations | None = None

    @property
    def label(self) -> str:
        """``user@host`` or the folder; its name before it is connected."""
        return self.master.label if self.master else self.name

    @property
    def connection(self) -> tuple[Master, Probe]:
        """The connection, and the newest probe of it; only of an attached master."""
        if self.master is None or self.probe is None:
            raise RuntimeError("not connected")  # a fault in Pacha: attach() comes first
        return self.master, self.probe

    def attach(self, master: Master, probe: Probe) -> None:
        """Attach the connection, and compare the master with what the last push left."""
        check_may_push(self.host, probe)
        self.master, self.probe = master, probe
        before = dict(self.last_known.sent)
        then, now = self.digests(DATABASE)
        self.db_as_left = now is not None and now == then
        if self.db_as_left:
            self.sent = {name: node for name, node in before.items() if self._holds(probe, name)}
        self.all_as_left = self.sent == before

    def _holds(self, probe: Probe, name: str) -> bool:
        """Whether the repository ``name`` is as it was left, as far as ``probe`` tells."""
        if name == DATABASE or name not in probe.contents:
            return True
        then, now = self.digests(name)
        return now is not None and then in (None, now)

    def digests(self, name: str) -> tuple[str | None, str | None]:
        """The sha256 (hex) of the changelog of the repository ``name``: as it was left, and now."""
        _, probe = self.connection
        if name == DATABASE:
            return self.last_known.changelog, probe.changelog
        return (self.last_known.contents or {}).get(name), probe.contents.get(name)

    def was_looked_at(self, name: str) -> bool:
        """Whether the first probe included ``name``, so that a missing digest means a missing repository."""
        return name == DATABASE or name in self.connection[1].contents

    @property
    def conversations(self) -> Conversations:
        """The conversations with its repositories."""
        if self._conversations is None:
            master, probe = self.connection
            self._conversations = Conversations(master=master, host=self.host, is_new=probe.changelog is None)
        return self._conversations

    def open_ahead(self, names: Iterable[str]) -> None:
        """Start the conversations with the repositories ``names`` early, as each starts a Mercurial on the master.

        Only if the master is as we left it, as its heads are then almost certainly the same when they are used, or if
        it has nothing of this host.
        """
        if self.conversations.is_new:
            self.conversations.open_ahead(name for name in names if name not in self.sent)
        elif self.db_as_left:
            self.conversations.open_ahead(name for name in names if name in self.sent)

    def talk(self, name: str, work: Callable[[Upload], _T], *, new: bool = False) -> _T:
        """The result of ``work`` in a conversation with the repository ``name``.

        After an unreadable head, which anybody with a key could add, it starts again without that head.
        """
        while True:
            try:
                with self.conversations.peer(name, new=new) as peer:
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
                peer.pull(repository, [head for _, head in wanted], self.largest_revision)
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
        """Pull those of the ``heads`` that are missing here (see ``pull``), before we push onto or beside them.

        The newest of them, if somebody else sent it, is noted in ``arrived``. None is noted for content where ``db``
        differs: that is reported already, and explains other heads. Nor where we do not remember how we left the
        repository: after a rebuild, an interrupted push of the lost machine may have sent them.
        """
        left, is_known = self.last_known.sent.get(name), self.digests(name)[0] is not None
        missing = [head for head in heads if not repository.has(head)]
        try:
            self.pull(peer, repository, name, missing)
        finally:  # also of those before one that cannot be read
            came = [head for head in missing if repository.has(head)]
            if came and came[0] != left and is_known and (self.db_as_left or name == DATABASE):
                self.arrived[name] = came[0]

    def unreadable_in(self, name: str) -> frozenset[str]:
        """The nodes of the repository ``name`` on the master that cannot be read."""
        return frozenset(node for repository, node in self.unreadable if repository == name)

    def send(self, snapshot: Snapshot, tip: str, repository: Callable[[str], hg.Repository], heartbeat: bytes) -> bool:
        """Push what the master is missing, also from earlier pushes, in the order of ``content_first``.

        Returns whether anything was missing. ``repository`` returns our own by its name.
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
                self._send(own, name, node, heartbeat)
                self.sent[name] = node
                sent = True
        return sent

    def _send(self, repository: hg.Repository, name: str, node: str, heartbeat: bytes) -> None:
        def push(peer: Upload) -> None:
            if name == DATABASE:
                self.connection[0].draft_heartbeat(self.host, heartbeat)
            self._push(peer, repository, name, node)

        self.talk(name, push)

    def _push(self, peer: Upload, repository: hg.Repository, name: str, node: str) -> None:
        """Push ``node``, as another head if the master's history diverged (see ``reconcile``)."""
        heads = peer.heads()
        self.pull_beside(peer, repository, name, heads)
        beside = any(not (repository.has(head) and repository.is_ancestor(head, node)) for head in heads)
        peer.push(repository, node, beside=beside, whole=self.no_deltas)

    def leave_heartbeat(self, heartbeat: bytes, sent: bool) -> None:
        """Leave the ``heartbeat``, after making durable what was ``sent``, and probe the master again."""
        self.conversations.finish()
        master, _ = self.connection
        look = self.repositories() if sent or self.last_known.contents is None else None
        self.probe = master.leave_heartbeat(self.host, heartbeat, durable=sent, look=look) or self.probe
        for name, digest in self.conversations.uploaded.items():
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
        _, probe = self.connection
        digests = {**probe.contents, DATABASE: probe.changelog}
        for name in self.suspect:  # it stays suspect, whatever was sent on top
            digests[name], _ = self.digests(name)
        return MasterState(
            changelog=digests.pop(DATABASE), contents=digests, sent=dict(self.sent), tried=now, succeeded=now,
            purged=self.purged, lacks_purges=self.lacks_purges,
        )  # fmt: skip
