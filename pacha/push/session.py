"""One push: what it works with, the masters it goes to, what is remembered of it."""

from __future__ import annotations

import getpass
import json
import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pacha
from pacha.config.keys import STANDALONE
from pacha.errors import Concern, ExitCode, PachaError
from pacha.files.names import DATABASE
from pacha.files.owners import Accounts
from pacha.files.scan import Fingerprint, Scan
from pacha.host.context import Context
from pacha.host.masters import connect, endpoint
from pacha.push.target import MasterTarget
from pacha.store import change_list, hg, revision
from pacha.store.host_state import HostState, MasterState
from pacha.store.snapshot import Snapshot, Watched
from pacha.system import background
from pacha.text import escape, rfc3339
from pacha.wire.master import CHANGELOG_OF_ANY, Master, Probe, RolledBack

_UNREADABLE = "its revision {node} on {label} cannot be read ({why}); the push went on beside it: find out who added it"
_OF_OURS = 4  #: times as large as our own pacha.db nothing is
_MOST_CONCERNS = 100  #: so many are remembered for ``pacha status``


#: What reaching a master gives: the connection, and a first look at it.
_Connection = Future[tuple[Master, Probe]]


@dataclass(slots=True, kw_only=True)
class PushSession:
    """What one push works with.

    ``state`` is what the state folder remembers; ``update`` changes both. ``watched`` and ``scan`` are what is to be
    kept and what was found of it; ``fingerprints`` and ``named`` (sockets) are those of the scan before.
    """

    context: Context
    host: str
    take_over: bool
    message: str
    state: HostState
    targets: list[MasterTarget] = field(init=False)
    watched: tuple[Watched, ...] = ()
    scan: Scan = field(default_factory=Scan)
    fingerprints: Mapping[bytes, Fingerprint] = field(default_factory=dict)
    named: Set[bytes] = frozenset()
    concerns: list[Concern] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    _accounts: Accounts | None = None
    _where: str | None = None

    def __post_init__(self) -> None:
        known, most = self.state.masters, self._most()
        self.concerns += self.state.untold
        self.targets = [
            MasterTarget(name=name, host=self.host, last_known=known.get(name, MasterState()), most=most)
            for name in self.context.config.masters()
        ]

    def _most(self) -> int:
        """The bytes of a revision that may come from a master: what is known here says how much is usual."""
        try:
            return max(revision.MOST, _OF_OURS * os.path.getsize(self.context.state.database))
        except OSError:
            return revision.MOST

    @property
    def accounts(self) -> Accounts:
        """The accounts of this machine, read when they are first asked for: meanwhile the masters answer."""
        self._accounts = self._accounts or Accounts.of_machine()
        return self._accounts

    @property
    def reached(self) -> list[MasterTarget]:
        """The masters that are there and let us in, and have not failed since."""
        return [target for target in self.targets if target.master and not target.failure]

    @contextmanager
    def connecting(self) -> Iterator[list[_Connection]]:
        """Connect to every master while the caller works; hang up in the end, on late ones when they answer."""
        connections = [background.start(self._connect, target) for target in self.targets]
        try:
            yield connections
        finally:
            for connection in connections:
                connection.add_done_callback(_hang_up)

    def _connect(self, target: MasterTarget) -> tuple[Master, Probe]:
        master = connect(self.context, target.name)
        try:
            return master, master.probe(self.host, sorted(target.last_known.sent.keys() - {DATABASE}))
        except BaseException:
            master.close()
            raise

    def attach(self, connections: list[_Connection]) -> None:
        """Take the connections; what hinders one is kept, so that the changes are committed all the same."""
        for target, connection in zip(self.targets, connections, strict=True):
            try:
                target.attach(*connection.result())
            except PachaError as error:
                target.failure = error

    def update(self, **changes: Any) -> None:
        """Change these fields of the state at once, in the state folder too."""
        self.state = self.context.state.update(**changes)

    def tell(self, concerns: Iterable[Concern]) -> None:
        """Tell of what cannot be seen again once this push has sent something; if it is killed, the next one tells."""
        new = [concern for concern in concerns if concern not in self.concerns]
        if new:
            self.concerns += new
            self.update(untold=(*self.state.untold, *new)[:_MOST_CONCERNS])

    def fail(self, target: MasterTarget, error: PachaError) -> None:
        """Go on without this master; a push that was rolled back over there is begun again instead."""
        if isinstance(error, RolledBack):
            raise error
        target.failure = error

    def open_ahead(self, names: Sequence[str]) -> None:
        """Let conversations with ``db`` and the repositories ``names`` begin on every master."""
        for target in self.reached:
            target.open_ahead([DATABASE, *names])

    def note(self, text: str) -> hg.Note:
        """The note of a revision made now."""
        user = os.environ.get("SUDO_USER") or _login()
        message = "\n".join(escape(line) for line in self.message.strip().splitlines())
        said = change_list.join_message(message, text)
        if self._where is None:
            self._where = " ".join(filter(None, [os.uname().nodename, _address(self.context, self.reached)]))
        return hg.Note(said, escape(f"{user}@{self._where}"), time.time())

    def repository(self, name: str) -> hg.Repository:
        """The local repository ``name``, made if it is missing."""
        return hg.Repository.open(self.context.state.repository(name), create=True)

    def unreadable(self, name: str) -> frozenset[str]:
        """The nodes of the repository ``name`` that a master has and that cannot be read."""
        return frozenset().union(*(target.unreadable_in(name) for target in self.targets))

    def path_of(self, name: str) -> bytes:
        """Where a master keeps the repository ``name``, for people."""
        return os.path.join(self.context.config.hosts_path, os.fsencode(self.host), os.fsencode(name))

    def history(self) -> int:
        """The bytes of our own ``db``'s changelog, 0 where there is none."""
        try:
            return os.stat(os.path.join(self.context.state.repository(DATABASE), CHANGELOG_OF_ANY)).st_size
        except OSError:
            return 0

    def deliver(self, snapshot: Snapshot, tip: str) -> bool:
        """Send to every master what it lacks, then the heartbeat; returns whether one lacked anything."""
        sent_any = False
        for target in self.reached:
            code = ExitCode.CONCERNS if self.concerns or target.unreadable else ExitCode.DONE
            try:
                line = self._heartbeat(target, snapshot, tip, code)
                sent = target.send(snapshot, tip, self.repository, line)
                target.leave_heartbeat(line, sent)
                sent_any |= sent
            except PachaError as error:
                self.fail(target, error)
        self.concerns += [concern for target in self.targets for concern in self._unreadable(target)]
        return sent_any

    def _unreadable(self, target: MasterTarget) -> Iterator[Concern]:
        """What to say of what a master has and nobody can read."""
        for (name, node), error in target.unreadable.items():
            path = os.path.join(self.context.config.hosts_path, os.fsencode(self.host), os.fsencode(name))
            yield Concern(path, _UNREADABLE.format(node=node[:12], label=target.label, why=error.in_a_line))

    def _heartbeat(self, target: MasterTarget, snapshot: Snapshot, tip: str, code: ExitCode) -> bytes:
        """What 'pacha hosts' shows of this host; the clock is the master's."""
        clock = target.probe.clock if target.probe else time.time()
        files = [entry.size for entry in snapshot.entries.values() if entry.kind.value == "f"]
        line = {
            "at": rfc3339(clock), "tip": tip, "exit": int(code), "version": pacha.__version__,
            "snapshot": rfc3339(self._made(tip)), "frequency": self.context.config.frequency,
            "paths": len(snapshot.live), "files": len(files), "size": sum(files),
        }  # fmt: skip
        return json.dumps(line).encode("ascii") + b"\n"

    def _made(self, tip: str) -> float:
        """When the snapshot ``tip`` was made."""
        known, at = self.state.made or ("", 0.0)
        if known != tip:
            at = self.repository(DATABASE).note(tip).at
            self.update(made=(tip, at))
        return at

    def record(self) -> None:
        """Record this try: what became of each master, and what a person should look at."""
        now = time.time()
        failures = [target.failure for target in self.targets if target.failure]
        self.update(
            masters={target.name: target.outcome(now) for target in self.targets},
            history=self.history(),
            failure=failures[0].in_a_line if failures else "",
            cure=failures[0].hint if failures else "",
            concerns=tuple(self.concerns[:_MOST_CONCERNS]),
            untold=(),
            **({} if failures else {"succeeded": now}),
        )


def _hang_up(connection: _Connection) -> None:
    if connection.exception() is None:
        connection.result()[0].close()


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _address(context: Context, reached: list[MasterTarget]) -> str:
    """This machine's address as the first master sees it, "" where that is not to be known.

    Connecting a datagram socket sends nothing; it only chooses the way.
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
