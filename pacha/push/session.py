"""A push under way: its data, the masters, and what is remembered of it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pacha.config.keys import STANDALONE
from pacha.errors import Concern, PachaError
from pacha.files.listing import Fingerprints
from pacha.files.name_service import KnownNames, known_names
from pacha.files.names import DATABASE
from pacha.files.owners import Account, Accounts
from pacha.files.scanned import Scan
from pacha.host.context import Context
from pacha.host.masters import endpoint
from pacha.host.packages import Told
from pacha.push.sealing import PushSealing
from pacha.push.target import MasterTarget
from pacha.store import change_list, hg, revision
from pacha.store.growth import Growth
from pacha.store.host_state import HostState, MasterState
from pacha.store.purges import Erased, Purge
from pacha.store.snapshot import Watched
from pacha.system.login import login_name
from pacha.text import escape
from pacha.wire.master import CHANGELOG_OF_ANY, RolledBack

if TYPE_CHECKING:
    from pacha.push.parallel import Sharing

_OF_OURS = 4  #: how many times the size of our own pacha.db a revision may have
_MOST_CONCERNS = 100  #: how many are remembered for ``pacha status``


@dataclass(slots=True, kw_only=True)
class PushSession:
    """The data of a push.

    ``state`` is the content of the state folder; ``update`` changes both. ``watched`` are the watched paths, ``scan``
    is the scan of them; ``fingerprints`` are those of the scan before. ``recorded`` are the accounts of the last
    snapshot, whose names stay where nothing answers for them. ``companions`` are the texts beside pacha.db, by name;
    ``told`` waits for that of the packages: apt may take longer than a scan. ``purged``: what was purged from the
    history here; ``sealing``: what is sealed. ``sharing``: a second process, for a first push.
    """

    context: Context
    host: str
    take_over: bool
    message: str
    state: HostState
    sharing: Sharing | None = None
    targets: list[MasterTarget] = field(init=False)
    watched: tuple[Watched, ...] = ()
    scan: Scan = field(default_factory=Scan)
    fingerprints: Fingerprints = field(default_factory=Fingerprints)
    companions: Mapping[str, bytes] = field(default_factory=dict)
    told: Callable[[], Told] = Told
    concerns: list[Concern] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    recorded: tuple[Account, ...] = ()
    purged: tuple[Purge, ...] = ()
    sealing: PushSealing = field(default_factory=PushSealing)
    _erased: Erased = field(default_factory=lambda: Erased.by(()))
    _names: KnownNames | None = None
    _where: str | None = None

    def __post_init__(self) -> None:
        remembered, largest = self.state.masters, self._largest_revision()
        self.concerns += self.state.untold
        self.targets = [
            MasterTarget(
                name=name, host=self.host, last_known=remembered.get(name, MasterState()), largest_revision=largest
            )
            for name in self.context.config.masters()
        ]

    def _largest_revision(self) -> int:
        """The most bytes that a revision from a master may have, in proportion to our own pacha.db."""
        try:
            return max(revision.MOST, _OF_OURS * os.path.getsize(self.context.state.database))
        except OSError:
            return revision.MOST

    @property
    def names(self) -> KnownNames:
        """The accounts of this machine, and the names that stay although nothing answers for them."""
        self._names = self._names or known_names(Accounts.of_machine(), self.recorded)
        return self._names

    @property
    def accounts(self) -> Accounts:
        """The accounts of this machine, asked for while the masters answer."""
        return self.names.accounts

    @property
    def reached(self) -> list[MasterTarget]:
        """The connected masters that have not failed since."""
        return [target for target in self.targets if target.master and not target.failure]

    def update(self, **changes: Any) -> None:
        """Change these fields of the state, here and in the state folder."""
        self.state = self.context.state.update(**changes)

    def tell(self, concerns: Iterable[Concern]) -> None:
        """Add concerns that cannot be seen again after this push; they are kept for the next one if this is killed."""
        new = [concern for concern in concerns if concern not in self.concerns]
        if new:
            self.concerns += new
            self.update(untold=(*self.state.untold, *new)[:_MOST_CONCERNS])

    def fail(self, target: MasterTarget, error: PachaError) -> None:
        """Continue without this master. Raises RolledBack, after which the push starts again."""
        if isinstance(error, RolledBack):
            raise error
        target.failure = error

    def open_ahead(self, names: Sequence[str]) -> None:
        """Start the conversations with ``db`` and the repositories ``names`` on every master."""
        for target in self.reached:
            target.open_ahead([DATABASE, *names])

    def following(self, name: str) -> AbstractContextManager[Growth | None]:
        """As ``Conversations.following``, with the first master that is reached."""
        return self.reached[0].conversations.following(name) if self.reached else nullcontext()

    def note(self, text: str) -> hg.Note:
        """The note for a revision that is made now."""
        message = "\n".join(escape(line) for line in self.message.strip().splitlines())
        full_message = change_list.join_message(message, text)
        if self._where is None:
            self._where = " ".join(filter(None, [os.uname().nodename, _address(self.context, self.reached)]))
        return hg.Note(full_message, escape(f"{login_name()}@{self._where}"), time.time())

    def repository(self, name: str, growth: Growth | None = None) -> hg.Repository:
        """The local repository ``name``, made if it is missing: then ``growth`` is told what is written."""
        repository = hg.open_lazily(self.context.state.repository(name), growth)
        repository.accepts_purged = lambda stored, node: self._erased.accepts(name, stored, node.hex())
        return repository

    def know_purged(self, purged: tuple[Purge, ...]) -> None:
        """Note what was ``purged`` from the history here; the repositories accept that without its content."""
        self.purged, self._erased = purged, Erased.by(purged)

    def unreadable(self, name: str) -> frozenset[str]:
        """The nodes of the repository ``name`` on a master that cannot be read."""
        return frozenset().union(*(target.unreadable_in(name) for target in self.targets))

    def path_of(self, name: str) -> bytes:
        """The path of the repository ``name`` on a master, for people."""
        reached = self.reached
        hosts_path = reached[0].connection[0].hosts_path if reached else self.context.config.hosts_path
        return os.path.join(hosts_path, *map(os.fsencode, (self.host, name)))

    def history(self) -> int:
        """The size of our own ``db``'s changelog in bytes, 0 for none."""
        try:
            return os.stat(os.path.join(self.context.state.repository(DATABASE), CHANGELOG_OF_ANY)).st_size
        except OSError:
            return 0

    def record(self) -> None:
        """Record this push in the state: the outcome of each master, and the concerns."""
        now = time.time()
        failures = [target.failure for target in self.targets if target.failure]
        self.update(
            masters={target.name: target.outcome(now) for target in self.targets},
            history=self.history(),
            failure=failures[0].in_a_line if failures else "",
            cure=failures[0].hint if failures else "",
            concerns=tuple(self.concerns[:_MOST_CONCERNS]),
            untold=(),
            reread=(),
            **({} if failures else {"succeeded": now}),
        )


def _address(context: Context, reached: list[MasterTarget]) -> str:
    """This machine's address as the first master sees it, "" where that is unknown.

    Connecting a datagram socket sends nothing; it only chooses the route.
    """
    if not reached or reached[0].name == STANDALONE:
        return ""
    try:
        where = endpoint(context.config, reached[0].name)
        if where.proxy_jump:
            return ""  # its name may mean nothing here
        for family, kind, _, _, place in socket.getaddrinfo(where.host, where.port, type=socket.SOCK_DGRAM):
            with socket.socket(family, kind) as probe:
                probe.connect(place)
                return str(probe.getsockname()[0])
    except (OSError, PachaError):
        pass
    return ""
