"""Unpacking by one process, by another, and by two: the same, whatever becomes of the others."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pacha.errors import DamagedError
from pacha.fetch import unpack
from pacha.fetch.spool import Spool
from pacha.fetch.unpack import Item, halves
from pacha.fetch.worker import WorkerProcess
from pacha.store.hg import Repository
from pacha.store.snapshot import Watched
from tests.support.unpacking import (  # noqa: F401  (two are fixtures)
    COUNT,
    check,
    entries,
    repository_of_many,
    second_process,
    task,
)


def unpacked(repository: Repository, tmp_path: Path, worker: WorkerProcess | None, *wrong: int) -> Spool:
    spool = Spool(worker=worker)
    spool.add(task(spool, repository, tmp_path, *wrong))
    return spool


def spools(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.glob(".content*"))


@pytest.fixture
def divided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few files are worth a process, too; before the second process is made, which is to think so as well."""
    monkeypatch.setattr(unpack, "_FEW", 0)


def test_two_do_half_of_it_each(divided: None, repository: Repository, tmp_path: Path, worker: WorkerProcess) -> None:
    spool = unpacked(repository, tmp_path, worker)
    check(spool)
    assert len(spools(tmp_path)) == 2 and f".content-{worker._pid}" in spools(tmp_path)
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in spools(tmp_path)} == {0o600}
    spool.close()


def test_the_second_does_few_alone(repository: Repository, tmp_path: Path, worker: WorkerProcess) -> None:
    spool = unpacked(repository, tmp_path, worker)
    check(spool)
    assert spools(tmp_path) == [f".content-{worker._pid}"]
    spool.close()


def test_without_a_second(repository: Repository, tmp_path: Path) -> None:
    spool = unpacked(repository, tmp_path, None)
    check(spool)
    spool.close()


def test_a_second_that_is_gone_is_done_without(repository: Repository, tmp_path: Path, worker: WorkerProcess) -> None:
    os.kill(worker._pid, signal.SIGKILL)
    spool = unpacked(repository, tmp_path, worker)
    check(spool)
    spool.close()


def test_no_more_processes(
    divided: None, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WorkerProcess, "begin", lambda **how: None)
    spool = unpacked(repository, tmp_path, None)
    check(spool)
    assert spools(tmp_path) == [f".content-{os.getpid()}"]
    spool.close()


@pytest.mark.parametrize("wrong", [0, COUNT - 1])
@pytest.mark.parametrize("few", [0, 1 << 30])
def test_damage_is_told(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: int, few: int
) -> None:
    monkeypatch.setattr(unpack, "_FEW", few)
    with (
        WorkerProcess.start() as worker,
        pytest.raises(DamagedError, match=f"/foo/{wrong:03d} is not as it was pushed"),
    ):
        unpacked(repository, tmp_path, worker, wrong)
    assert all((tmp_path / name).stat().st_size < 150 * 600 for name in spools(tmp_path)), (
        "what was wrong is still there"
    )


def test_a_revision_that_is_not_there(repository: Repository, tmp_path: Path, worker: WorkerProcess) -> None:
    watched = Watched(path=b"/foo", single=False, repository="foo", node="1" * 40)
    spool = Spool(worker=worker)
    with pytest.raises(DamagedError, match=r"^The repository 'foo' on the master has no revision 111111111111"):
        spool.add(spool.task(repository.path, watched, entries(), tmp_path))


def test_few_files_are_not_divided() -> None:
    few = [Item(b"/%d" % number, (b"x",), None, 1) for number in range(10)]
    assert halves(few) == (few, ())
    many = [Item(b"/%d" % number, (b"x",), None, 1) for number in range(4000)]
    first, other = halves(many)
    assert [*first, *other] == many and abs(len(first) - len(other)) < 3


def test_what_was_read_the_last_time_is_forgotten(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = unpacked(repository, tmp_path, None)
    monkeypatch.setattr("pacha.store.hg.revlog.OneRevisionReader.get", lambda singles, name: None)
    monkeypatch.setattr("pacha.store.hg.reader.goes_beyond", lambda log, last: True)
    spool.add(task(spool, repository, tmp_path))
    assert spool.read == {}
    spool.close()
