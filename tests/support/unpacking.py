"""A repository of a few hundred files to unpack, and what a snapshot says of them."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacha.fetch.spool import Spool
from pacha.fetch.unpack import Task
from pacha.fetch.worker import WorkerProcess
from pacha.files.entry import Entry
from pacha.store.hg import NULL, Blob, Note, Repository
from pacha.store.snapshot import Watched
from tests.support.entries import entry_at

COUNT = 300


@pytest.fixture(name="worker")
def second_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerProcess]:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    made = WorkerProcess.begin()
    assert made is not None
    yield made
    made.end()


def text(number: int) -> bytes:
    """What a file holds."""
    return b"%d\n" % number * 100


@pytest.fixture(name="repository")
def repository_of_many(tmp_path: Path) -> Repository:
    made = Repository.open(str(tmp_path / "foo"), create=True)
    texts = {b"%03d" % number: text(number) for number in range(COUNT)}
    made.commit(NULL, texts, [], lambda name: Blob(texts[name]), Note("a note", "somebody", 0.0))
    return made


def entries(*wrong: int) -> list[Entry]:
    """What the snapshot says; of the ``wrong`` ones something else than the repository holds."""
    texts = [b"another" if number in wrong else text(number) for number in range(COUNT)]
    return [
        entry_at(
            b"/foo/%03d" % number,
            mtime_ns=0,
            size=len(text(number)),
            sha256=hashlib.sha256(said).digest(),
            stored=b"%03d" % number,
        )
        for number, said in enumerate(texts)
    ]


def task(spool: Spool, repository: Repository, folder: Path, *wrong: int) -> Task:
    """To unpack all of it into ``folder``."""
    watched = Watched(path=b"/foo", single=False, repository="foo", node=repository.heads()[0])
    return spool.task(repository.path, watched, entries(*wrong), folder)


def check(spool: Spool) -> None:
    """All is there, as it was committed."""
    assert {path: b"".join(spool.content(path)) for path in spool.places} == {
        b"/foo/%03d" % number: text(number) for number in range(COUNT)
    }
    assert len(spool.read["foo"]) == COUNT
