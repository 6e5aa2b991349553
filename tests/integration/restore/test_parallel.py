"""A plan that two processes write: the same outcome as with one, whatever becomes of the second."""

from __future__ import annotations

import fcntl
import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pacha.errors import DamagedError, PachaError
from pacha.fetch.worker import WorkerProcess
from pacha.files.entry import Kind
from pacha.restore import parallel, write
from pacha.restore.apply import apply
from pacha.restore.entries import NewEntry, make_file
from pacha.restore.journal import Journal, history
from pacha.restore.journal_records import Created
from pacha.restore.outcome import Outcome
from pacha.restore.parallel import Batch, Helper, write_batch
from pacha.restore.plan import Action, Step
from pacha.restore.undo import undo
from tests.support.applying import (
    Spooled,
    Story,
    alike,
    left_behind,
    look,
    plan_for,
    story_fixture,  # noqa: F401
)
from tests.support.worker import worker_fixture  # noqa: F401

pytestmark = pytest.mark.usefixtures("as_root")
Written = Sequence[tuple[str, ...]] | None


class InTurn:
    """A helper that does in this process what it is asked; ``answering`` tells what it says of it."""

    def __init__(self, answering: Callable[[list[tuple[str, ...]]], Written] = lambda written: written) -> None:
        self.answering, self.batches, self.ended = answering, list[Batch](), 0
        self.written: list[tuple[str, ...]] = []

    def ask(self, function: Callable[[Batch], Any], batch: Batch) -> None:
        self.batches.append(batch)
        self.written = function(batch)

    def answers(self) -> bool:
        return True

    def answer(self) -> Any:
        return self.answering(self.written)

    def end(self) -> None:
        self.ended += 1


@pytest.fixture(autouse=True)
def few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a dozen files are shared."""
    for name, work in (("_FEW", 1), ("_OURS", 1), ("_THEIRS", 3)):
        monkeypatch.setattr(parallel, name, work * parallel._FILE)


def rebuild(story: Story, helper: Helper | None, **more: Any) -> Outcome:
    root, wanted, source, _, state = story
    shared = Spooled(source.contents, state.parent / "spool")
    journal = Journal.begin(os.fsencode(state))
    try:
        return apply(plan_for(root, wanted, delete=True), more.pop("source", shared), journal, helper=helper, **more)
    finally:
        journal.close()


def is_as_wanted(story: Story) -> bool:
    root, wanted, _, old, state = story
    there = alike(look(root)) == alike(wanted) and not left_behind(root.parent)
    [journal] = history(os.fsencode(state))
    return there and undo(journal).concerns == () and alike(look(root)) == alike(old)


def test_another_process_writes_a_part(story: Story, worker: WorkerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    accepted: list[bytes] = []
    accept = write.Writer.accept

    def note(writer: write.Writer, step: Step, troubles: tuple[str, ...]) -> None:
        accepted.append(step.path)
        accept(writer, step, troubles)

    monkeypatch.setattr(write.Writer, "accept", note)
    steps = plan_for(story[0], story[1], delete=True).steps
    written = [step.path for step in steps if step.action in (Action.CREATE, Action.REPLACE)]
    told: list[bytes] = []
    assert rebuild(story, worker, on_step=lambda step: told.append(step.path)).concerns == ()
    assert accepted and told[: len(written)] == written, "in their order"
    assert is_as_wanted(story)


def test_a_file_in_a_folder_under_a_temporary_name_and_one_below_a_closing_folder_are_shared(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "_THEIRS", 10**9)
    helper = InTurn()
    assert rebuild(story, helper).concerns == ()
    shared = {file[1][0]: file[2][2] for batch in helper.batches for file in batch.files}
    root = os.fsencode(story[0])
    assert shared[root + b"/was-file/deep/leaf"] == 0 and shared[root + b"/closing/comes"] == 0o700
    assert not {root + b"/sub/one", root + b"/three", root + b"/link"} & shared.keys()
    assert is_as_wanted(story)


def refuse(written: list[tuple[str, ...]]) -> Written:
    raise DamagedError("Too little memory.", code="memory-exhausted")


@pytest.mark.parametrize(
    "answering",
    [lambda written: None, lambda written: [], lambda written: written[:1], refuse],
    ids=["ended", "nothing", "one", "memory"],
)
def test_what_it_did_not_do_is_done_here(story: Story, answering: Callable[[Any], Written]) -> None:
    helper = InTurn(answering)
    assert rebuild(story, helper).concerns == ()
    assert len(helper.batches) >= 1
    assert is_as_wanted(story)


def test_one_that_is_killed_is_done_without(story: Story, worker: WorkerProcess) -> None:
    steps: list[Step] = []

    def kill(step: Step) -> None:
        if not steps:
            os.kill(worker._pid, signal.SIGKILL)
        steps.append(step)

    assert rebuild(story, worker, on_step=kill).concerns == ()
    assert is_as_wanted(story)


def test_what_it_could_not_set_is_told_as_ever(story: Story) -> None:
    helper = InTurn(lambda written: [("time not set: not today",) for _ in written])
    outcome = rebuild(story, helper)
    shared = {file[1][0] for batch in helper.batches for file in batch.files}
    assert [concern.path for concern in outcome.concerns] == sorted(shared) == list(outcome.unrestored)
    assert {concern.reason for concern in outcome.concerns} == {"time not set: not today"}
    assert is_as_wanted(story)


def test_content_that_cannot_be_read_there_is_read_here(story: Story) -> None:
    source = Spooled(story[2].contents, story[4].parent / "spool")
    source.file.write_bytes(b"")
    assert rebuild(story, InTurn(), source=source).concerns == ()
    assert is_as_wanted(story)


def test_damage_is_named_as_ever_and_nothing_stays(story: Story) -> None:
    root, _, source, old, _ = story
    source.contents[os.fsencode(root / "changed")] = b"another"
    with pytest.raises(DamagedError) as caught:
        rebuild(story, InTurn())
    assert caught.value.code == "fetched-content-changed"
    assert alike(look(root)) == alike(old) and not list(root.parent.glob(".pacha-*"))


def test_a_full_disk_is_named_as_ever(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*given: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(parallel, "make_file", no_room)
    monkeypatch.setattr(write, "make_file", no_room)
    with pytest.raises(PachaError) as caught:
        rebuild(story, InTurn())
    assert caught.value.code == "rebuild-stopped-early" and "no space left" in caught.value.why
    assert alike(look(story[0])) == alike(story[3])


def test_it_writes_nothing_any_more_once_the_first_gives_up(story: Story) -> None:
    helper = InTurn()

    def interrupt(step: Step) -> None:
        if helper.batches:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(story, helper, on_step=interrupt)
    assert helper.ended
    assert alike(look(story[0])) == alike(story[3]) and not list(story[0].parent.glob(".pacha-*"))


def test_little_is_written_by_one(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_FEW", 10**9)
    helper = InTurn()
    assert rebuild(story, helper).concerns == ()
    assert not helper.batches and is_as_wanted(story)


def test_a_batch_ends_at_the_first_that_fails(tmp_path: Path, story: Story) -> None:
    _, wanted, source, _, _ = story
    spooled = Spooled(source.contents, tmp_path / "spool")
    (tmp_path / "to").mkdir()
    entries = [entry._replace(path=os.fsencode(tmp_path / "to" / "x")) for entry in wanted.values() if entry.sha256]
    files = [
        (b"%d" % number, tuple(entry), (0, 0, 0o600, 5, (), 0), (os.fsencode(spooled.file), 0, entry.size))
        for number, entry in enumerate(entries)
    ]
    journal = tmp_path / "journal"
    journal.touch()
    batch = Batch(
        journal=os.fsencode(journal), roots=(os.fsencode(tmp_path),), confined_to=b"", aliases={}, files=tuple(files)
    )
    assert len(write_batch(batch)) < len(files), "all begin with the content of the first"


def test_the_next_one_waits_for_who_still_writes(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel gives the lock of a killed first away before it ends the second."""
    locked: list[bool] = []

    def write(*given: Any) -> NewEntry:
        with open(journals[0], "rb") as file, suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked.append(False)
        return make_file(*given)

    journals: list[bytes] = []
    monkeypatch.setattr(parallel, "make_file", write)
    helper, ask = InTurn(), InTurn.ask

    def note(self: InTurn, function: Callable[[Batch], Any], batch: Batch) -> None:
        journals[:] = [batch.journal]
        ask(self, function, batch)

    monkeypatch.setattr(InTurn, "ask", note)
    assert rebuild(story, helper).concerns == () and journals and not locked
    written = story[0] / ".pacha-late"
    [journal] = history(os.fsencode(story[4]))
    late = Created(path=bytes(story[0] / "late"), temporary=b".pacha-late", kind=Kind.FILE.value, size=0, mtime_ns=0)
    journal.write(late)
    with open(journals[0], "rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)

        def end() -> None:
            written.touch()
            fcntl.flock(file, fcntl.LOCK_UN)

        timer = threading.Timer(0.3, end)
        timer.start()
        undo(journal)
        timer.join()
    assert not written.exists() and alike(look(story[0])) == alike(story[3])
