"""A first push of two processes: the same repository as of one, whatever becomes of the second."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pacha.errors import DamagedError, PachaError
from pacha.fetch.worker import WorkerProcess
from pacha.files import content
from pacha.files.entry import Entry, Kind
from pacha.push import parallel, push
from pacha.push.parallel import Share, Sharing, starting
from pacha.push.push import Pushed
from pacha.store import database
from pacha.store.hg import Repository, first_commit
from tests.support.sealing import sealers
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


class InTurn:
    """A second process that is this one; ``answering`` does for it what it is asked."""

    def __init__(self, answering: Callable[[Callable[..., Any], Share], Any] = lambda ask, share: ask(share)) -> None:
        self.answering, self.shares, self.said, self.ended = answering, list[Share](), None, 0

    def ask(self, function: Callable[..., Any], share: Share) -> None:
        self.shares.append(share)
        self.said = self.answering(function, share)

    def answers(self) -> bool:
        return True

    def answer(self) -> Any:
        if isinstance(self.said, PachaError):
            raise self.said
        return self.said

    def end(self) -> None:
        self.ended += 1


def in_turn(worker: InTurn) -> Sharing:
    return Sharing(worker)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a hundred files are shared, and one of 3000 bytes is large."""
    monkeypatch.setattr(parallel, "_FEW", 1)
    monkeypatch.setattr(first_commit, "_OURS", 2)
    monkeypatch.setattr(first_commit, "_THEIRS", 10)
    monkeypatch.setattr(content, "WHOLE_LIMIT", 200_000)
    monkeypatch.setattr(content, "PART_SIZE", 50_000)


@pytest.fixture(name="many")
def host_of_many(bar: Standalone) -> Standalone:
    """It watches files of every kind that a repository has, large ones at both ends and in between."""
    for number in range(90):
        (bar.tree / f"d{number % 7}").mkdir(exist_ok=True)
        (bar.tree / f"d{number % 7}" / f"{number}").write_text(f"{number}\n" * number)
    for name in ("0", "d3/large", "z"):
        (bar.tree / name).write_bytes(os.urandom(430_000))
    (bar.tree / "y").write_bytes(os.urandom(150_000))
    (bar.tree / "run").write_bytes(b"#!/bin/sh\n" * 20)
    (bar.tree / "run").chmod(0o755)
    (bar.tree / "link").symlink_to("run")
    os.link(bar.tree / "run", bar.tree / "also")
    os.mkfifo(bar.tree / "pipe")
    (bar.tree / "d.i" / ("long" * 50)).parent.mkdir()
    (bar.tree / "d.i" / ("long" * 50)).write_bytes(b"\1\nMercurial shortens this name\n")
    return bar


@pytest.fixture(name="second")
def second_process(many: Standalone, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerProcess]:
    """One that is ready, whatever processors and threads there are."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    with starting(many.context()) as made:
        assert made is not None
        yield made._worker


def store(state: Path) -> dict[str, bytes]:
    """All that a repository has, but for when it was made."""
    files = [path for path in (state / "repos/foo").rglob("*") if path.is_file()]
    found = {str(path.relative_to(state)): path.read_bytes() for path in files}
    return {name: data for name, data in found.items() if "00changelog." not in name and "phaseroots" not in name}


def entries(state: Path) -> dict[bytes, Entry]:
    return dict(database.read(state / "pacha.db").entries)


def push_by(bar: Standalone, made: Sharing | None, **keys: str) -> Pushed:
    pushed = push.push(bar.context(**keys), sharing=made)
    assert pushed.failures == () and pushed.committed
    return pushed


def is_as_of_one(bar: Standalone, **keys: str) -> bool:
    """Whether what was pushed is what one process makes of the same tree."""
    alone = bar.context("alone", hosts_path=f"{bar.top}/more", **keys)
    (bar.top / "alone").mkdir(exist_ok=True)
    watch_again(bar, alone)
    assert push.push(alone).failures == ()
    assert store(bar.top / "state") == store(bar.top / "alone") != {}
    assert entries(bar.top / "state") == entries(bar.top / "alone")
    there = Repository.open(str(bar.master / "foo"))
    assert there.heads() == Repository.open(str(bar.top / "state/repos/foo")).heads()
    return os.listdir(bar.top / "state/repos") == os.listdir(bar.top / "alone/repos")


def watch_again(bar: Standalone, context: Any) -> None:
    from pacha.host import watch

    watch.watch(context, bar.path)


def test_two_make_what_one_makes(many: Standalone, second: WorkerProcess) -> None:
    process = second._pid
    accepted: list[bytes] = []
    made = Sharing(second)
    real = made.reading
    made.reading = lambda written, folder, relative, accept: real(  # type: ignore[method-assign]
        written, folder, relative, lambda entry: (accepted.append(entry.path), accept(entry))[1]
    )
    assert push_by(many, made).concerns == ()
    assert len(accepted) > 10 and os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    assert is_as_of_one(many)


def test_it_gets_only_what_is_kept_whole_and_in_the_clear(many: Standalone) -> None:
    people = sealers(many.top / "people").settings
    keys, helper = {"seal": "*5", **people}, InTurn()
    push_by(many, in_turn(helper), **keys)
    given = {file[1] for share in helper.shares for file in share.files}
    assert b"y" in given and not given & {b"z", b"0", b"d3/large", b"link", b"pipe", b"d1/15", b"d4/25"}
    assert given <= {entry.stored for entry in entries(many.top / "state").values() if entry.sealed is None}
    assert sum(entry.kind is Kind.FILE for entry in entries(many.top / "state").values()) > len(given) > 20


@pytest.mark.parametrize(("most", "files"), [(0, 1), (10**9, 10)])
def test_what_it_is_given_is_read_in_a_short_time(
    many: Standalone, monkeypatch: pytest.MonkeyPatch, most: int, files: int
) -> None:
    monkeypatch.setattr(parallel, "_MOST", most)
    push_by(many, in_turn(helper := InTurn()))
    assert max(sum(file[-1] > 0 for file in share.files) for share in helper.shares) == files
    assert is_as_of_one(many)


def killed(function: Callable[..., Any], share: Share) -> None:
    """What it has written is there, and the last of it is not whole."""
    function(share)
    next(Path(share.repository).rglob("y.i")).write_bytes(b"half")


@pytest.mark.parametrize(
    "answering",
    [
        killed,
        lambda function, share: [None] * len(share.files),
        lambda function, share: [each if number % 3 else None for number, each in enumerate(function(share))],
        lambda function, share: DamagedError("Too little memory.", code="memory-exhausted"),
    ],
    ids=["killed", "none of them", "some of them", "memory"],
)
def test_what_it_leaves_is_done_here(many: Standalone, answering: Callable[..., Any]) -> None:
    helper = InTurn(answering)
    push_by(many, in_turn(helper))
    assert helper.shares and (helper.ended == 1) == (len(helper.shares) == 1)
    assert is_as_of_one(many)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "after"), [(signal.SIGKILL, 10), (signal.SIGSTOP, 0)])
def test_one_that_is_killed_or_stopped_is_done_without(
    many: Standalone, second: WorkerProcess, monkeypatch: pytest.MonkeyPatch, number: int, after: int
) -> None:
    real, count, process = content.read, iter(range(1000)), second._pid

    def read(entry: Entry, name: bytes, folder: int) -> content.Reading:
        if next(count) == after:
            os.kill(process, number)
        return real(entry, name, folder)

    monkeypatch.setattr(content, "read", read)
    push_by(many, Sharing(second))
    with pytest.raises(ChildProcessError):
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG)
    assert is_as_of_one(many)


def test_what_changes_meanwhile_is_as_it_was_read(many: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    real = push.commit_snapshot

    def change(*arguments: Any) -> Any:
        for number in range(20, 90):
            file = many.tree / f"d{number % 7}/{number}"
            if number % 5 == 0:
                file.unlink()
            if number % 5 == 1:
                file.write_bytes(b"other\n")
            if number % 5 == 2:
                file.chmod(0o700)
            if number % 5 == 3:
                file.unlink()
                file.symlink_to("run")
        return real(*arguments)

    monkeypatch.setattr(push, "commit_snapshot", change)
    helper = InTurn()
    pushed = push_by(many, in_turn(helper))
    assert {os.path.basename(concern.path) for concern in pushed.concerns} == {b"%d" % n for n in range(23, 90, 5)}
    kept, repository = entries(many.top / "state"), Repository.open(str(many.top / "state/repos/foo"))
    read, flags = repository.reader(repository.heads()[0]), repository.names(repository.heads()[0])
    for number in range(90):
        name = b"d%d/%d" % (number % 7, number)
        entry = kept.get(many.path + b"/" + name)
        if number >= 20 and number % 5 in (0, 3):
            assert entry is None and name not in flags
            continue
        assert entry is not None and hashlib.sha256(read(name)).digest() == entry.sha256
        assert (flags[name][20:] == b"x") == bool(entry.mode & 0o100) == (number >= 20 and number % 5 == 2)
        assert entry.size == len(read(name))


def test_an_interrupted_one_leaves_nothing(
    many: Standalone, second: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, count, process = content.read, iter(range(1000)), second._pid

    def read(entry: Entry, name: bytes, folder: int) -> content.Reading:
        if next(count) == 15:
            raise KeyboardInterrupt
        return real(entry, name, folder)

    with monkeypatch.context() as interrupted, pytest.raises(KeyboardInterrupt):
        interrupted.setattr(content, "read", read)
        push.push(many.context(), sharing=Sharing(second))
    assert os.listdir(many.top / "state/repos") == [] and not (many.master / "foo").exists()
    with pytest.raises(ChildProcessError):
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG)
    push_by(many, Sharing(second))  # which is no more
    assert is_as_of_one(many)


def test_a_folder_of_another_process_is_not_read(many: Standalone, tmp_path: Path) -> None:
    """Where /proc is that of other processes, the path of a descriptor may lead to one of theirs."""
    (tmp_path / "y").write_bytes(os.urandom(150_000))
    status = (many.tree / "y").stat()
    os.utime(tmp_path / "y", ns=(status.st_atime_ns, status.st_mtime_ns))

    def astray(function: Callable[..., Any], share: Share) -> Any:
        with suppress(OSError):
            return function(replace(share, root=os.fsencode(tmp_path)))
        return None

    push_by(many, in_turn(InTurn(astray)))
    assert is_as_of_one(many)


def test_a_full_disk_is_told_by_the_first(many: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fails(function: Callable[..., Any], share: Share) -> Any:
        with monkeypatch.context() as broken, suppress(OSError):
            broken.setattr("pacha.store.hg.new_store.write_all", full)
            return function(share)
        return None

    push_by(many, in_turn(InTurn(fails)))
    assert is_as_of_one(many)


def test_few_descriptors_are_enough(many: Standalone, second: WorkerProcess) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 25, before[1]))
    try:
        push_by(many, Sharing(second))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert is_as_of_one(many)


def test_few_files_and_a_later_push_are_not_shared(many: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_FEW", 1000)
    helper = InTurn()
    push_by(many, in_turn(helper))
    monkeypatch.setattr(parallel, "_FEW", 1)
    for number in range(90):
        (many.tree / f"d{number % 7}/{number}").write_text("changed\n")
    push_by(many, in_turn(helper))
    assert not helper.shares
    with starting(many.context()) as made:
        assert made is None
