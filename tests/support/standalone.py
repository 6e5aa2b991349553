"""A host whose master is a folder on this machine, and the one folder that it watches."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from pacha.config.keys import KEYS
from pacha.config.parse import parse_config
from pacha.host import watch
from pacha.host.context import Context
from pacha.push import push, reconcile
from pacha.push.push import Pushed
from pacha.push.scan import read_last_snapshot, scan
from pacha.push.session import PushSession
from pacha.push.snapshot import NewSnapshot, commit_snapshot
from pacha.store.state import StateFolder


@dataclass(frozen=True)
class Standalone:
    """The host bar, with all that it has below ``top``."""

    top: Path

    @property
    def tree(self) -> Path:
        """What it watches."""
        return self.top / "foo"

    @property
    def path(self) -> bytes:
        """The same as Pacha has it."""
        return os.fsencode(self.tree)

    @property
    def master(self) -> Path:
        """Its folder on the master."""
        return self.top / "hosts" / "bar"

    def context(self, state: str = "state", **keys: str) -> Context:
        """The machine with the state folder ``state``; ``keys`` (``hostname``: pacha.hostname) are added."""
        names = {key.name.removeprefix("pacha.").replace(".", "_"): key.name for key in KEYS}
        settings = {"host": "local", "hosts_path": f"{self.top}/hosts", "hostname": "bar", **keys}
        text = "".join(f"{names[key]} = {value}\n" for key, value in settings.items())
        return Context(parse_config(f"[DEFAULT]\n{text}", self.top / "pacha.conf"), StateFolder(self.top / state))

    def push(self, message: str = "") -> Pushed:
        """Make a snapshot, which must reach the master."""
        pushed = push.push(self.context(), message=message)
        assert pushed.failures == () and pushed.concerns == ()
        return pushed

    def session(self, **more: bool) -> PushSession:
        """A push that has just begun."""
        here = self.context()
        return PushSession(
            context=here, host="bar", take_over=more.get("take_over", False), message="", state=here.state.read()
        )

    def snapshot(self) -> NewSnapshot:
        """Make a snapshot here, without any master."""
        session = self.session()
        last = read_last_snapshot(session, False)
        scan(session, last)
        return commit_snapshot(session, reconcile.base(session, last))


@pytest.fixture(name="bar")
def standalone_host(tmp_path: Path) -> Standalone:
    """A host that watches a folder with one file, and has not pushed yet."""
    return standalone(tmp_path.resolve())


def standalone(top: Path) -> Standalone:
    """The same with all that it has below ``top``."""
    made = Standalone(top)
    made.tree.mkdir()
    (made.tree / "one").write_text("one\n")
    watch.watch(made.context(), made.path)
    return made
