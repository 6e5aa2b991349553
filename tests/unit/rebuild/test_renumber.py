"""Accounts that get other numbers: which ones, what a step makes of a file of theirs, and what a kill left."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pacha.files.entry import Entry, Kind
from pacha.files.owners import Accounts
from pacha.rebuild import renumber
from pacha.rebuild.id_changes import IdChanges, id_changes
from pacha.rebuild.renumber import InterruptedRenumbering
from pacha.restore.journal import Journal
from pacha.restore.journal_records import Altered
from pacha.store.state import StateFolder

HERE = Accounts.from_files(
    b"root:x:0:0:::\na:x:1000:1000:::\nb:x:1001:1001:::\ngone:x:7:7:::\n", b"root:x:0:\na:x:1000:\n"
)
THEN = Accounts.from_files(
    b"root:x:0:0:::\na:x:1001:1001:::\nb:x:1000:1000:::\nnew:x:8:8:::\n", b"root:x:0:\na:x:1005:\n"
)
FILE = Entry(path=b"/x/f", kind=Kind.FILE, mode=0o4750, uid=1000, gid=1000, owner=b"a", group=b"a", mtime_ns=5)


def test_a_step_re_owns_by_name_and_keeps_the_rest() -> None:
    made = renumber.step(FILE, FILE, id_changes(HERE, HERE, THEN), THEN)
    assert (made.uid, made.gid, made.mode, made.actual) == (1001, 1005, 0o4750, FILE)
    assert made.wanted is not None and (made.wanted.owner, made.wanted.group, made.wanted.mtime_ns) == (b"a", b"a", 5)


def test_each_account_that_moves_something_is_told() -> None:
    moved = id_changes(HERE, HERE, THEN)
    lines = renumber.describe(moved, THEN, [renumber.step(FILE, FILE, moved, THEN)] * 3)
    assert len(lines) == 2 and all("a, 1000 -> " in line and line.endswith(": 3") for line in lines)


def test_what_moves_is_remembered_until_it_has_moved(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    renumber.remember_id_changes(state, IdChanges({1: 2}, {3: 4}))
    assert renumber.interrupted_renumbering(state) == InterruptedRenumbering(), "nothing was begun"
    journal = Journal.begin(os.fsencode(tmp_path))
    first, again = (
        Altered(path=b"/f", old=(1, 2), uid=uid, gid=0, mode=0o644, mtime_ns=5, xattrs=()) for uid in (1, 2)
    )
    journal.write(first, again)
    journal.mark("written")
    found = renumber.interrupted_renumbering(state)
    assert found == InterruptedRenumbering(IdChanges({1: 2}, {3: 4}), {b"/f": first})
    journal.mark("finished")
    journal.close()
    assert renumber.interrupted_renumbering(state) == InterruptedRenumbering()
    renumber.remember_id_changes(state, IdChanges())
    assert state.read().moving is None


def test_what_a_kill_left_half_done_is_carried_through_once(tmp_path: Path) -> None:
    for name in ("same", "other", "handled"):
        (tmp_path / name).touch()
    me, status = os.geteuid(), (tmp_path / "same").stat()

    def altered(name: str, inode: int | None = None) -> tuple[bytes, Altered]:
        path = tmp_path / name
        number = path.stat().st_ino if inode is None and path.exists() else inode or 0
        return os.fsencode(path), Altered(
            path=os.fsencode(path),
            old=(status.st_dev, number),
            uid=me,
            gid=os.getegid(),
            mode=0o600,
            mtime_ns=5,
            xattrs=(),
        )

    found = dict([altered("same"), altered("other", 1), altered("gone"), altered("handled")])
    begun = InterruptedRenumbering(IdChanges({me: me + 1}), found)
    resumed = renumber.resumed(begun, {os.fsencode(tmp_path / "handled")}, THEN)
    (step,) = resumed.steps
    assert not resumed.concerns
    assert (step.path, step.uid, step.mode) == (os.fsencode(tmp_path / "same"), me + 1, 0o600)


def test_what_cannot_be_looked_at_is_not_taken_for_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, status = tmp_path / "file", tmp_path.stat()
    record = Altered(path=os.fsencode(path), old=(status.st_dev, 1), uid=7, gid=7, mode=0o600, mtime_ns=5, xattrs=())
    real = os.stat

    def fails(name: object, **options: object) -> os.stat_result:
        if name == b"file":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(name, **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(os, "stat", fails)
    resumed = renumber.resumed(InterruptedRenumbering(IdChanges({7: 8}), {record.path: record}), (), THEN)
    (concern,) = resumed.concerns
    assert concern.path == record.path and "Input/output error" in concern.reason
