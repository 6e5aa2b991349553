"""The conversations with the repositories of one master: how many are open at once, and which are opened ahead."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pacha.files.names import DATABASE
from pacha.push.conversations import Conversations
from pacha.push.target import MasterTarget
from pacha.store import hg
from pacha.store.host_state import MasterState
from pacha.wire.master import CannotStream, Probe


class Nesting:
    """A master whose conversations share a channel; each takes a while to end."""

    def __init__(self, path: str) -> None:
        self.path, self.open, self.lock = path, 0, threading.Lock()

    def nests(self, host: str) -> bool:
        return True

    @contextmanager
    def serve(self, host: str, name: str) -> Iterator[str]:
        with self.lock:
            self.open += 1
        yield self.path
        time.sleep(0.02)
        with self.lock:
            self.open -= 1


def test_conversations_in_one_channel_are_not_piled_up(tmp_path: Path) -> None:
    """There is room for some, and one ends there only when all that began within it have ended."""
    path = hg.Repository.open(str(tmp_path / "theirs"), create=True).path
    master = Nesting(path)
    conversations = Conversations(master=master, host="bar", is_new=False)  # type: ignore[arg-type]
    for number in range(5):
        with conversations.peer(str(number)) as peer:
            assert peer.heads() == () and master.open == 1


class Refusing:
    """A new master whose conversations share a channel, and which takes no files."""

    def __init__(self) -> None:
        self.served: list[str] = []

    def nests(self, host: str) -> bool:
        return True

    def make_host(self, host: str) -> None:
        """It is there."""

    def create(self, host: str, name: str) -> None:
        """It is there."""

    @contextmanager
    def new(self, host: str, name: str) -> Iterator[None]:
        raise CannotStream
        yield

    @contextmanager
    def serve(self, host: str, name: str) -> Iterator[str]:
        self.served.append(name)
        yield name


def test_none_is_opened_ahead_within_another() -> None:
    sent_to = MasterTarget(name="local", host="bar", last_known=MasterState())
    sent_to.attach(master := Refusing(), Probe(1.0, None))  # type: ignore[arg-type]
    sent_to.open_ahead(["foo", "more", DATABASE])
    sent_to.conversations.abandon()  # waits for what is under way
    assert master.served == []
