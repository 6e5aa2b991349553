"""The conversations with the repositories of one master: how many are open at once, and which are opened ahead."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path

import pytest

from pacha.files.names import DATABASE
from pacha.push.conversations import Conversations
from pacha.push.target import MasterTarget
from pacha.store import hg
from pacha.store.host_state import MasterState
from pacha.wire.local_master import LocalMaster
from pacha.wire.master import CannotStream, Probe, TemporaryRepository


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


def test_one_alone_is_opened_ahead_in_one_channel(tmp_path: Path) -> None:
    """A second one would end with the first piece that is for the first one again."""
    master = Nesting(hg.Repository.open(str(tmp_path / "theirs"), create=True).path)
    conversations = Conversations(master=master, host="bar", is_new=False)  # type: ignore[arg-type]
    conversations.open_ahead(["foo", "more", DATABASE])
    for name in ("foo", "more", DATABASE):
        futures.wait(conversations._opened.values(), 60)
        with conversations.peer(name):
            assert master.open == 1
    conversations.finish()
    assert master.open == 0


class Parallel(Nesting):
    """A master that opens a stream of the connection for each conversation."""

    def nests(self, host: str) -> bool:
        return False


def test_no_more_are_opened_ahead_than_a_connection_has_streams(tmp_path: Path) -> None:
    master = Parallel(hg.Repository.open(str(tmp_path / "theirs"), create=True).path)
    conversations = Conversations(master=master, host="bar", is_new=False)  # type: ignore[arg-type]
    conversations.open_ahead(map(str, range(20)))
    conversations.open_ahead(map(str, range(40)))
    futures.wait(conversations._opened.values(), 60)
    assert 1 < master.open < 7, "one of the seven is the control channel"
    conversations.abandon()


class Slow(LocalMaster):
    """It takes a while until a repository of content has its name."""

    def __init__(self, hosts_path: Path) -> None:
        super().__init__(os.fsencode(hosts_path), lambda path: hg.Repository.open(path, create=True))
        self.named: list[str] = []

    @contextmanager
    def new(self, host: str, name: str) -> Iterator[TemporaryRepository]:
        with super().new(host, name) as repository:
            yield repository
            time.sleep(0 if name == DATABASE else 0.3)
        self.named.append(name)


@pytest.mark.slow
@pytest.mark.parametrize("is_new", [True, False])
def test_the_database_comes_when_all_content_is_there(tmp_path: Path, is_new: bool) -> None:
    """Whatever a rebuild finds meanwhile is whole, on a new master and where only the content is new."""
    ours, master = hg.Repository.open(str(tmp_path / "ours"), create=True), Slow(tmp_path / "hosts")
    node = ours.commit(hg.NULL, [b"a"], [], lambda name: hg.Blob(b"1"), hg.Note("m", "u", 1.0))
    master.make_host("bar")
    if not is_new:
        master.create("bar", DATABASE)
    conversations = Conversations(master=master, host="bar", is_new=is_new)
    with conversations.peer("foo", new=True) as upload:
        upload.push(ours, node)
    with conversations.peer(DATABASE) as upload:
        assert is_new or master.named == ["foo"], "what is pushed to it is there at once"
        upload.push(ours, node)
    assert master.named == ["foo", DATABASE][: 1 + is_new]
    assert all(hg.Repository.open(str(tmp_path / "hosts/bar" / name)).has(node) for name in ("foo", DATABASE))


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
