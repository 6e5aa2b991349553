"""The journal: records survive any bytes and a torn end, and tell which rebuilds are unfinished."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from pacha.errors import PachaError
from pacha.restore.journal import DONE, Journal, cut_off, history, incomplete, interrupted, unfinished
from pacha.restore.journal_records import (
    Mark,
    Record,
    Root,
    Target,
    Touched,
)


@pytest.fixture
def state(tmp_path: Path) -> bytes:
    return os.fsencode(tmp_path / "state")


def reopened(journal: Journal) -> list[Record]:
    again = Journal(journal.folder)
    again.close()
    return again.records


def test_a_journal_is_private_whatever_the_umask(state: bytes) -> None:
    mask = os.umask(0)
    try:
        journal = Journal.begin(state)
    finally:
        os.umask(mask)
    for path, mode in ((journal.folder, 0o700), (os.path.dirname(journal.folder), 0o700)):
        assert stat.S_IMODE(os.stat(path).st_mode) == mode
    assert stat.S_IMODE(os.stat(journal.folder + b"/journal").st_mode) == 0o600


def test_only_what_was_synced_is_there_after_a_crash(state: bytes) -> None:
    journal = Journal.begin(state, "bar")
    journal.write(Root(b"/a"))
    journal.sync()
    journal.write(Root(b"/b"))
    assert reopened(journal) == [journal.started, Root(b"/a")]


@pytest.mark.parametrize("cut", [1, 5, 12])
def test_a_torn_last_line_is_no_record_and_what_follows_is_read(state: bytes, cut: int) -> None:
    journal = Journal.begin(state)
    journal.write(Root(b"/whole"), Root(b"/torn-off"))
    journal.sync()
    path = Path(os.fsdecode(journal.folder + b"/journal"))
    path.write_bytes(path.read_bytes()[:-cut])
    again = Journal(journal.folder)
    assert again.records == [journal.started, Root(b"/whole")]
    again.mark("undone")
    assert Journal(journal.folder).closed


def test_the_snapshot_is_told_where_the_version_that_began_it_wrote_it_down(state: bytes) -> None:
    of_now, of_earlier = Journal.begin(state, tip="a" * 40), Journal.begin(state)
    path = Path(os.fsdecode(of_earlier.folder + b"/journal"))
    path.write_text(path.read_text().replace(',""]', "]"))
    again = [Journal(journal.folder).started for journal in (of_now, of_earlier)]
    assert [started and started.tip for started in again] == ["a" * 40, ""]
    assert again[1] is not None and again[1].resumes == (of_now.id,)


def test_a_killed_rebuild_is_unfinished_until_carried_through(state: bytes) -> None:
    killed = Journal.begin(state)
    stopped = Journal.begin(state)
    stopped.mark("stopped")
    second = Journal.begin(state)
    assert second.started is not None and second.started.resumes == (killed.id,)
    assert [journal.id for journal in unfinished(state)] == [killed.id, second.id]
    second.mark("finished")
    assert unfinished(state) == []
    third = Journal.begin(state)
    assert third.started is not None and third.started.resumes == ()
    assert [journal.id for journal in history(state)] == [killed.id, stopped.id, second.id, third.id]


def test_a_rehearsal_and_a_rebuild_do_not_carry_each_other_on(state: bytes) -> None:
    killed, rehearsed = Journal.begin(state), Journal.begin(state, parts=[b"/t/opt"], target=b"/t")
    assert [start.id for start in interrupted(state)] == [killed.id]
    assert [start.id for start in interrupted(state, [b"/t/opt"], b"/t")] == [rehearsed.id]
    assert interrupted(state, [b"/t/opt"], b"/other") == ()
    assert reopened(rehearsed)[1] == Target(b"/t") and not rehearsed.changed


def ended(state: bytes, *words: str, parts: tuple[bytes, ...] = (), target: bytes = b"") -> str:
    """A rebuild of /foo, or of some ``parts``, that came to these marks; returns its id."""
    journal = Journal.begin(state, parts=parts, target=target)
    journal.write(Root(b"/foo"))
    for word in words:
        journal.mark(word)
    return journal.id


@pytest.mark.parametrize(
    "later",
    [
        {"words": ("finished", DONE), "parts": (b"/foo/one",)},
        {"words": ("finished", DONE), "target": b"/t"},
        {"words": ("stopped",)},
        {"words": ("undone",)},
        {"words": ("finished", DONE, "undone")},
    ],
    ids=["of a part", "a rehearsal", "stopped", "undone", "done and undone"],
)
def test_a_rebuild_that_was_cut_off_stays_so_whatever_other_comes_to_its_end(
    state: bytes, later: dict[str, Any]
) -> None:
    first = ended(state, "written", "finished")
    ended(state, *later.pop("words"), **later)
    newest = cut_off(state)
    assert newest is not None and newest.id == first and [each.id for each in incomplete(state)] == [first]


@pytest.mark.parametrize("parts", [(), (b"/foo",), (b"/foo/one", b"/foo/two")])
def test_a_rebuild_that_was_cut_off_is_settled_by_one_of_all_its_paths(state: bytes, parts: tuple[bytes, ...]) -> None:
    ended(state, "written", "finished", parts=parts and (b"/foo/two",))
    ended(state, "written", "finished", DONE, parts=parts)
    assert cut_off(state) is None and incomplete(state) == []


def test_a_kill_before_the_first_record_leaves_nothing_to_do(state: bytes) -> None:
    journal = Journal.begin(state)
    Path(os.fsdecode(journal.folder + b"/journal")).write_bytes(b'["beg')
    os.mkdir(os.path.dirname(journal.folder) + b"/empty")
    assert unfinished(state) == [] and history(state) == []


def test_a_state_folder_that_cannot_be_written_is_a_plain_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    with pytest.raises(PachaError, match="journal"):
        Journal.begin(os.fsencode(blocked))


@pytest.mark.parametrize("room", range(0, 126, 7))
def test_a_disk_that_was_full_in_the_middle_costs_no_record(
    state: bytes, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """The mark that the rebuild has stopped is written after what could not be; one record may be there twice."""
    monkeypatch.setattr("pacha.restore.journal._AT_ONCE", 2)
    journal, real = Journal.begin(state), os.write
    left = room

    def write(fd: int, data: bytes) -> int:
        nonlocal left
        if not left:
            raise OSError(errno.ENOSPC, "full")
        left -= (some := min(len(data), left))
        return real(fd, data[:some])

    roots = [Root(b"/root-%d" % number) for number in range(7)]
    with monkeypatch.context() as full:
        full.setattr(os, "write", write)
        journal.write(*roots)
        with pytest.raises(OSError, match="full"):
            journal.sync()
    journal.mark("stopped")
    found = reopened(journal)
    assert list(dict.fromkeys(found)) == [journal.started, *roots, Mark("stopped")] and len(found) <= 10


def test_the_roots_are_those_of_the_journal(state: bytes) -> None:
    journal = Journal.begin(state)
    journal.write(Root(b"/a"), Touched(b"/b", 1), Root(b"/c"))
    assert journal.roots == (b"/a", b"/c")
