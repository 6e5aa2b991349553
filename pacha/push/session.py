"""One push on its way: the masters it goes to, and what is remembered of it."""

from __future__ import annotations

import getpass
import json
import os
import platform
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pacha
from pacha.config.keys import STANDALONE
from pacha.errors import Concern, ExitCode, PachaError
from pacha.files.names import DATABASE
from pacha.host.context import Context
from pacha.host.masters import endpoint
from pacha.push.target import MasterTarget
from pacha.store import change_list
from pacha.store.snapshot import Snapshot
from pacha.text import escape, rfc3339
from pacha.wire.master import CHANGELOG_OF_ANY, RolledBack

if TYPE_CHECKING:
    from pacha.store import hg

_MOST_CONCERNS = 100  #: so many are remembered for ``pacha status``


@dataclass(slots=True)
class PushSession:
    """What one push knows.

    ``memory`` of the state folder, by name: ``tip`` the node of the last snapshot here; ``made`` that node and
    when it was made; ``history`` how many bytes our own ``db``'s changelog had; ``pending`` whether pacha.db may
    say more than the tip; ``masters`` what each was left with (see ``MasterTarget``); ``owed``; ``tried``,
    ``succeeded`` (seconds since the epoch), ``failure`` and ``concerns`` of the last push.
    """

    context: Context
    host: str
    take_over: bool
    message: str
    memory: dict[str, Any]
    deliveries: list[MasterTarget] = field(default_factory=list)
    concerns: list[Concern] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    _where: str | None = None

    def __post_init__(self) -> None:
        left = self.memory.get("masters", {})
        self.deliveries = [MasterTarget(name, self.host, left.get(name, {})) for name in self.context.config.masters()]

    @property
    def reached(self) -> list[MasterTarget]:
        """The masters that are there and let us in, and have not failed since."""
        return [delivery for delivery in self.deliveries if delivery.master and not delivery.failure]

    def remember(self, **values: Any) -> None:
        """Remember at once, in the state folder too; None forgets."""
        self.context.state.remember(**values)
        self.memory = self.context.state.memory()

    def fail(self, delivery: MasterTarget, error: PachaError) -> None:
        """Go on without this master; a push that was rolled back over there is begun again instead."""
        if isinstance(error, RolledBack):
            raise error
        delivery.failure = error

    def begin(self, names: Sequence[str]) -> None:
        """Let conversations with ``db`` and the repositories ``names`` begin on every master."""
        for delivery in self.reached:
            delivery.begin([DATABASE, *names])

    def note(self, text: str) -> hg.Note:
        """The note of a revision made now."""
        from pacha.store import hg

        user = os.environ.get("SUDO_USER") or _login()
        message = "\n".join(escape(line) for line in self.message.strip().splitlines())
        said = change_list.join_message(message, text)
        if self._where is None:
            self._where = " ".join(filter(None, [platform.node(), _address(self.context, self.reached)]))
        return hg.Note(said, escape(f"{user}@{self._where}"), time.time())

    def repository(self, name: str) -> hg.Repository:
        """The local repository ``name``, made if it is missing."""
        from pacha.store import hg

        return hg.Repository.open(self.context.state.repository(name), create=True)

    def history(self) -> int:
        """The bytes of our own ``db``'s changelog, 0 where there is none."""
        try:
            return os.stat(os.path.join(self.context.state.repository(DATABASE), CHANGELOG_OF_ANY)).st_size
        except OSError:
            return 0

    def deliver(self, snapshot: Snapshot, tip: str, code: ExitCode) -> bool:
        """Send to every master what it lacks, then the heartbeat; returns whether one lacked anything."""
        sent_any = False
        for delivery in self.reached:
            try:
                line = self._heartbeat(delivery, snapshot, tip, code)
                sent = delivery.send(snapshot, tip, self.repository, line)
                delivery.beat(line, sent)
                sent_any |= sent
            except PachaError as error:
                self.fail(delivery, error)
        return sent_any

    def _heartbeat(self, delivery: MasterTarget, snapshot: Snapshot, tip: str, code: ExitCode) -> bytes:
        """What 'pacha hosts' shows of this host; the clock is the master's."""
        clock = delivery.probe.clock if delivery.probe else time.time()
        files = [entry.size for entry in snapshot.entries.values() if entry.kind.value == "f"]
        line = {
            "at": rfc3339(clock), "tip": tip, "exit": int(code), "version": pacha.__version__,
            "snapshot": rfc3339(self._made(tip)), "frequency": self.context.config.frequency,
            "paths": len(snapshot.live), "files": len(files), "size": sum(files),
        }  # fmt: skip
        return json.dumps(line).encode("ascii") + b"\n"

    def _made(self, tip: str) -> float:
        """When the snapshot ``tip`` was made."""
        known, at = self.memory.get("made") or ("", 0.0)
        if known != tip:
            at = self.repository(DATABASE).note(tip).at
            self.remember(made=[tip, at])
        return float(at)

    def record(self) -> None:
        """Record this try: what became of each master, and what a person should look at."""
        now = time.time()
        failures = [delivery.failure for delivery in self.deliveries if delivery.failure]
        self.remember(
            masters={delivery.name: delivery.outcome(now) for delivery in self.deliveries},
            history=self.history(),
            failure=failures[0].in_a_line if failures else None,
            cure=failures[0].hint if failures else None,
            concerns=[[c.path.hex(), c.reason] for c in self.concerns[:_MOST_CONCERNS]] or None,
            **({} if failures else {"succeeded": now}),
        )


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
