"""What is unpacked while a repository arrives is what is unpacked afterwards, whatever the second process does."""

from __future__ import annotations

import errno
import os
import resource
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from pacha.errors import DamagedError
from pacha.fetch import ahead
from pacha.fetch.spool import Spool
from pacha.fetch.worker import WorkerProcess
from pacha.store.hg import Blob, Note, OneRevisionReader, Repository
from tests.support.unpacking import (  # noqa: F401  (two are fixtures)
    COUNT,
    check,
    entries,
    repository_of_many,
    second_process,
    task,
    text,
)

LOGS = [b"data/%03d.i" % number for number in range(COUNT)]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the first process lets be done, in turn."""
    done: list[str] = []
    ask = WorkerProcess.ask
    monkeypatch.setattr(
        WorkerProcess, "ask", lambda one, function, *given: (done.append(function.__name__), ask(one, function, *given))
    )
    return done


def arrive(spool: Spool, repository: Repository, folder: Path, logs: Iterable[bytes], *wrong: int) -> None:
    """Unpack it as if ``logs`` had come one by one, each when the second process is free."""
    given = task(spool, repository, folder, *wrong)
    with spool.arriving(given) as arrived:
        reading = getattr(arrived, "__self__", None)
        for log in logs:
            if spool.worker and reading and reading.works:
                assert spool.worker.answers(5000) or not spool.worker._pid
            arrived(log)
    spool.add(given)


def test_what_arrives_is_unpacked_once(
    repository: Repository, tmp_path: Path, worker: WorkerProcess, calls: list[str]
) -> None:
    spool = Spool(worker=worker)
    arrive(spool, repository, tmp_path, [b"requires", *reversed(LOGS), b"00manifest.i"])
    check(spool)
    assert calls.count("go_on") > 3 and calls[-1] == "finish" and "unpack_parallel" not in calls
    assert sum(path.stat().st_size for path in tmp_path.glob(".content*")) == sum(len(text(n)) for n in range(COUNT))
    spool.close()


def test_without_a_second_process(repository: Repository, tmp_path: Path) -> None:
    spool = Spool()
    arrive(spool, repository, tmp_path, LOGS)
    check(spool)
    spool.close()


def test_a_second_process_that_ends_is_done_without(
    repository: Repository, tmp_path: Path, worker: WorkerProcess
) -> None:
    spool, given = Spool(worker=worker), None
    given = task(spool, repository, tmp_path)
    with spool.arriving(given) as arrived:
        for log in LOGS[:100]:
            arrived(log)
        os.kill(worker._pid, signal.SIGKILL)
        for log in LOGS[100:]:
            arrived(log)
    spool.add(given)
    check(spool)
    spool.close()


def test_what_the_manifest_does_not_name_is_forgotten(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: list[str]
) -> None:
    monkeypatch.setattr("pacha.store.hg.Reader.names", lambda reader, name, node, link: name != b"017")
    with WorkerProcess.start() as worker:
        spool = Spool(worker=worker)
        arrive(spool, repository, tmp_path, LOGS)
        check(spool)
        assert worker is None or calls[-2:] == ["finish", "unpack_parallel"]
        spool.close()


def test_damage_is_told_as_ever(repository: Repository, tmp_path: Path, worker: WorkerProcess) -> None:
    with pytest.raises(DamagedError, match="/foo/007 is not as it was pushed"):
        arrive(Spool(worker=worker), repository, tmp_path, LOGS, 7)
    log = Path(repository.path, ".hg/store/data/009.i")
    data = bytearray(log.read_bytes())
    data[-1] ^= 1
    log.write_bytes(data)
    with pytest.raises(DamagedError, match="repository"):
        arrive(Spool(worker=worker), repository, tmp_path, LOGS)


def test_a_second_try_leaves_nothing_of_the_first(
    repository: Repository, tmp_path: Path, worker: WorkerProcess
) -> None:
    spool = Spool(worker=worker)
    with pytest.raises(ConnectionError), spool.arriving(task(spool, repository, tmp_path)) as arrived:
        for log in LOGS[:64]:
            assert worker.answers(5000)
            arrived(log)
        raise ConnectionError
    arrive(spool, repository, tmp_path, LOGS)
    check(spool)
    assert sum(path.stat().st_size for path in tmp_path.glob(".content*")) == sum(len(text(n)) for n in range(COUNT))
    spool.close()


def test_logs_of_several_revisions_are_left_to_the_end(
    repository: Repository, tmp_path: Path, worker: WorkerProcess
) -> None:
    texts = {b"%03d" % number: text(number) for number in range(20)}
    first = repository.heads()[0]
    again = repository.commit(first, texts, [], lambda name: Blob(b"else"), Note("a note", "somebody", 0.0))
    repository.commit(again, texts, [], lambda name: Blob(texts[name]), Note("a note", "somebody", 0.0))
    spool = Spool(worker=worker)
    arrive(spool, repository, tmp_path, LOGS)
    check(spool)
    spool.close()


@pytest.mark.parametrize("how", ["chunk", "size", "content"])
def test_nothing_is_read_after_damage(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Each log may be such that it takes long to find that out."""
    log, read = Path(repository.path, ".hg/store/data/009.i"), list[bytes]()
    data = bytearray(log.read_bytes())
    data[{"chunk": -1, "size": 15, "content": 0}[how]] ^= how != "content"
    log.write_bytes(data)
    at = OneRevisionReader.at
    monkeypatch.setattr(OneRevisionReader, "at", lambda reader, name: (read.append(name), at(reader, name))[1])
    assert ahead.begin(task(Spool(), repository, tmp_path, *([9] if how == "content" else [])))
    with pytest.raises(ValueError, match="damaged"):
        ahead.go_on(LOGS)
    assert read == LOGS[:10] and [path.stat().st_size for path in tmp_path.glob(".content*")] == [0]


def test_a_signal_waits_for_nothing(repository: Repository, tmp_path: Path, worker: WorkerProcess) -> None:
    spool, began = Spool(worker=worker), time.monotonic()
    with pytest.raises(KeyboardInterrupt), spool.arriving(task(spool, repository, tmp_path)):
        assert worker.answer()  # that it has begun
        worker.ask(time.sleep, 10)
        raise KeyboardInterrupt
    assert time.monotonic() - began < 5


def test_nothing_was_begun() -> None:
    assert ahead.finish("/nowhere") is None


def test_a_full_disk_leaves_nothing_in_the_spool(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, (log, *_) = task(Spool(), repository, tmp_path), LOGS
    assert ahead.begin(given) and ahead.go_on(LOGS[1:9])
    monkeypatch.setattr(ahead, "append", full)
    with pytest.raises(OSError, match="No space"):
        ahead.go_on([log])
    assert [path.stat().st_size for path in tmp_path.glob(".content*")] == [0]
    assert ahead.finish(repository.path) is None


def test_a_log_that_is_wrong_leaves_nothing_in_the_spool(repository: Repository, tmp_path: Path) -> None:
    assert ahead.begin(task(Spool(), repository, tmp_path, 7)) and ahead.go_on([*LOGS[:7], *LOGS[8:]])
    with pytest.raises(DamagedError, match="/foo/007"):
        ahead.finish(repository.path)
    assert [path.stat().st_size for path in tmp_path.glob(".content*")] == [0]
    assert ahead.finish(repository.path) is None


def test_a_disk_that_is_full_at_the_end_leaves_nothing_in_the_spool(repository: Repository, tmp_path: Path) -> None:
    assert ahead.begin(task(Spool(), repository, tmp_path)) and ahead.go_on(LOGS)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OSError, match="large"):
            ahead.finish(repository.path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.stat().st_size for path in tmp_path.glob(".content*")] == [0]
    assert ahead.finish(repository.path) is None


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
