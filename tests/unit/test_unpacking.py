"""Unpacking by two processes: the same as by one, whatever becomes of the second."""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacha.actions import rebuild
from pacha.actions.spool import Spool
from pacha.actions.unpacking import Item, Second, Unpacked, halves
from pacha.errors import DamagedError
from pacha.files.metadata import Entry, Kind
from pacha.store.hg import NULL, Blob, Note, Repository
from pacha.store.snapshot import Watched

COUNT = 300


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> Iterator[Second]:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    made = Second.begin()
    assert made is not None
    yield made
    made.end()


def text(number: int) -> bytes:
    return b"%d\n" % number * 100


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository.open(str(tmp_path / "foo"), create=True)
    texts = {b"%03d" % number: text(number) for number in range(COUNT)}
    made.commit(NULL, texts, [], lambda name: Blob(texts[name]), Note("a note", "somebody", 0.0))
    return made


def entries(*wrong: int) -> list[Entry]:
    """What the snapshot says; of the ``wrong`` ones something else than the repository holds."""
    texts = [b"another" if number in wrong else text(number) for number in range(COUNT)]
    return [
        Entry(
            b"/foo/%03d" % number, Kind.FILE, 0o644, 0, 0, b"root", b"root", 0, size=len(text(number)),
            sha256=hashlib.sha256(said).digest(), stored=b"%03d" % number,
        )
        for number, said in enumerate(texts)
    ]  # fmt: skip


def unpacked(repository: Repository, tmp_path: Path, second: Second | None, *wrong: int) -> Spool:
    spool = Spool(second)
    watched = Watched(b"/foo", single=False, repository="foo", node=repository.heads()[0])
    spool.add(repository, watched, entries(*wrong), tmp_path)
    return spool


def check(spool: Spool) -> None:
    assert {path: b"".join(spool.content(path)) for path in spool.places} == {
        b"/foo/%03d" % number: text(number) for number in range(COUNT)
    }
    assert len(spool.read["foo"]) == COUNT


def test_each_does_half(repository: Repository, tmp_path: Path, second: Second) -> None:
    spool = unpacked(repository, tmp_path, second)
    check(spool)
    assert sorted(path.name for path in tmp_path.glob(".content*")) == [".content", ".content-2"]
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in (".content", ".content-2")} == {0o600}
    spool.close()


def test_one_alone(repository: Repository, tmp_path: Path) -> None:
    spool = unpacked(repository, tmp_path, None)
    check(spool)
    spool.close()


def test_a_second_that_is_gone_is_done_without(repository: Repository, tmp_path: Path, second: Second) -> None:
    os.kill(second._pid, signal.SIGKILL)
    spool = unpacked(repository, tmp_path, second)
    check(spool)
    spool.close()


@pytest.mark.parametrize("wrong", [0, COUNT - 1])
def test_damage_in_either_half_is_told(repository: Repository, tmp_path: Path, second: Second, wrong: int) -> None:
    with pytest.raises(DamagedError, match=f"/foo/{wrong:03d} is not as it was pushed"):
        unpacked(repository, tmp_path, second, wrong)


def test_few_files_are_not_divided() -> None:
    few = [Item(b"/%d" % number, (b"x",), None, 1) for number in range(10)]
    assert halves(few) == (few, ())
    many = [Item(b"/%d" % number, (b"x",), None, 1) for number in range(1000)]
    first, other = halves(many)
    assert [*first, *other] == many and abs(len(first) - len(other)) < 3


def test_a_second_that_is_gone_while_it_answers(second: Second, repository: Repository, tmp_path: Path) -> None:
    os.kill(second._pid, signal.SIGKILL)
    ours, theirs = socket.socketpair()
    theirs.sendall(pickle.dumps(Unpacked({b"/foo/%d" % number: (0, 1) for number in range(100)}))[:-20])
    theirs.close()
    second._line = ours.makefile("rwb")
    ours.close()
    check(unpacked(repository, tmp_path, second))


def test_no_room_for_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.setattr(os, "fork", fork)
    assert Second.begin() is None


def test_what_was_read_the_last_time_is_forgotten(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = unpacked(repository, tmp_path, None)
    monkeypatch.setattr("pacha.store.hg.single.Singles.get", lambda singles, name: None)
    monkeypatch.setattr("pacha.store.hg.repository._goes_beyond", lambda log, last: True)
    spool.add(
        repository, Watched(b"/foo", single=False, repository="foo", node=repository.heads()[0]), entries(), tmp_path
    )
    assert spool.read == {}
    spool.close()


@pytest.mark.parametrize("fault", [MemoryError(), RuntimeError("can't start new thread")])
def test_no_memory_to_import_meanwhile(monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    def refuse(*given: object) -> None:
        raise fault

    if isinstance(fault, MemoryError):
        monkeypatch.setattr("builtins.__import__", refuse)
        rebuild._import_mercurial()
    else:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        rebuild._import_meanwhile()
