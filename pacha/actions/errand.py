"""One push on its way: the master it talks to, what that has, and what is remembered of it."""

from __future__ import annotations

import getpass
import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pacha
from pacha.actions.here import Here
from pacha.errors import Concern, ExitCode, PachaError
from pacha.files.names import DATABASE, shown
from pacha.store.snapshot import Snapshot
from pacha.wire.master import Master, NoRepository, Probe, check_may_push

if TYPE_CHECKING:
    from pacha.store import hg


@dataclass(slots=True)
class Errand:
    """What one push knows. ``sent`` are the nodes by repository that the master is known to have.

    ``memory`` of the state folder, by name: ``tip`` the node of the last snapshot here; ``pending`` whether
    pacha.db may say more than that; ``masters`` what each was left with; ``owed``; ``tried``, ``succeeded``
    (seconds since the epoch) and ``failure`` of the last push.
    """

    here: Here
    host: str
    take_over: bool
    message: str
    memory: dict[str, Any]
    concerns: list[Concern] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    master: Master | None = None
    probe: Probe | None = None
    sent: dict[str, str] = field(default_factory=dict)

    def remember(self, **values: Any) -> None:
        """Remember at once, in the state folder too; None forgets."""
        self.here.state.remember(**values)
        self.memory = self.here.state.memory()

    def meet(self, master: Master, probe: Probe) -> None:
        """Take the connection; what the master has is known if it is as the last push left it."""
        check_may_push(self.host, probe)
        self.master, self.probe = master, probe
        left = self.memory.get("masters", {}).get(master.label, {})
        if probe.changelog is not None and probe.changelog == left.get("changelog"):
            self.sent = dict(left.get("sent", {}))
        elif left:
            self.notices.append(f"{master.label} is not as the last push left it: what it lacks is sent again.")

    def note(self, text: str) -> hg.Note:
        """The note of a revision made now."""
        from pacha.store import hg

        user = os.environ.get("SUDO_USER") or _login()
        message = "\n".join(_safe(line) for line in self.message.strip().splitlines())
        said = f"{message}\n\n{text}" if message else text
        return hg.Note(said, _safe(f"{user}@{platform.node()}"), time.time())

    def repository(self, name: str) -> hg.Repository:
        """The local repository ``name``, made if it is missing."""
        from pacha.store import hg

        return hg.Repository.open(self.here.state.repository(name), create=True)

    @contextmanager
    def talking(self, name: str, *, new: bool = False) -> Iterator[hg.Peer]:
        """A conversation with the master's repository ``name``, which is made there if it is missing."""
        master, probe = self._reached()
        if probe.changelog is None and not self.sent:
            master.make_host(self.host)
        if new or probe.changelog is None:
            master.create(self.host, name)
        try:
            stack, peer = self._begin(name)
        except NoRepository:
            master.create(self.host, name)
            stack, peer = self._begin(name)
        with stack:
            yield peer

    def send(self, snapshot: Snapshot, tip: str) -> bool:
        """Push what the master lacks, also what an earlier run left behind; ``db`` last."""
        sent = False
        # What a retired path left behind may never have been here, after a rebuild: nothing of it can be lacking.
        retired = {one.repository for one in snapshot.watched if one.retired}
        for name, node in [*((one.repository, one.node) for one in snapshot.watched), (DATABASE, tip)]:
            if node is not None and self.sent.get(name) != node:
                repository = self.repository(name)
                if name in retired and not repository.has(node):
                    continue
                with self.talking(name) as peer:
                    peer.push(repository, node)
                self.sent[name] = node
                sent = True
        return sent

    def beat(self, tip: str, sent: bool, code: ExitCode) -> None:
        """Leave the heartbeat."""
        master, probe = self._reached()
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(probe.clock))
        line = json.dumps({"at": at, "tip": tip, "exit": int(code), "version": pacha.__version__})
        master.beat(self.host, line.encode("ascii") + b"\n", durable=sent)
        if sent:
            self.probe = master.probe(self.host)

    def record(self, failure: PachaError | None) -> None:
        """Record this try, and how the master was left if it went well."""
        now = time.time()
        if failure is not None:
            self.remember(tried=now, failure=f"{failure.message} {failure.why}".strip())
            return
        master, probe = self._reached()
        left = {"changelog": probe.changelog, "sent": self.sent, "at": probe.clock}
        masters = {**self.memory.get("masters", {}), master.label: left}
        self.remember(masters=masters, tried=now, succeeded=now, failure=None)

    def _begin(self, name: str) -> tuple[ExitStack, hg.Peer]:
        """A conversation, and what ends it. Raises NoRepository."""
        from pacha.store import hg

        master, _ = self._reached()
        with ExitStack() as stack:
            remote = stack.enter_context(master.serve(self.host, name))
            peer = stack.enter_context(hg.peer(remote, name))
            return stack.pop_all(), peer

    def _reached(self) -> tuple[Master, Probe]:
        if self.master is None or self.probe is None:
            raise RuntimeError("not connected")  # a caller's fault: only a push that met its master sends
        return self.master, self.probe


def _safe(text: str) -> str:
    """``text`` from this machine's user, as any terminal can print it later."""
    return shown(os.fsencode(text))


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
