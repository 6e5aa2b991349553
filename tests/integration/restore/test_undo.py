"""A rebuild is undone: what was there comes back, and what came since is kept; which originals stay."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pacha.restore.apply import apply
from pacha.restore.journal import Journal, closed_history, history
from pacha.restore.journal_records import Created, Touched
from pacha.restore.undo import prune, undo
from pacha.restore.undo_preview import preview
from tests.support.applying import (
    ALICE,
    STAFF,
    Story,
    alike,
    contents,
    look,
    make,
    plan_for,
    rebuild,
    story_fixture,  # noqa: F401
)
from tests.support.stage import as_lower_layer

pytestmark = pytest.mark.usefixtures("as_root")


@pytest.mark.parametrize("delete", [False, True])
def test_undo_puts_back_exactly_what_was_there(story: Story, delete: bool) -> None:
    root, wanted, source, old, state = story
    above = os.stat(root.parent).st_mtime_ns
    journal = Journal.begin(os.fsencode(state))
    apply(plan_for(root, wanted, delete=delete), source, journal)
    outcome = undo(journal)
    assert outcome.concerns == ()
    assert alike(look(root)) == alike(old)
    assert os.listdir(root.parent) and not list(root.parent.glob(".pacha-*"))
    assert os.stat(root.parent).st_mtime_ns == above
    assert undo(journal).concerns == () and alike(look(root)) == alike(old)


MAKERS: dict[str, Callable[[Path], object]] = {
    "file": Path.touch,
    "directory": Path.mkdir,
    "link": lambda path: path.symlink_to("nowhere"),
    "fifo": os.mkfifo,
    "device": lambda path: os.mknod(path, 0o20600, os.makedev(1, 3)),
}


def make_capable(path: Path) -> None:
    """The owner first: chown(2) takes a capability away."""
    os.chown(path, ALICE, -1, follow_symlinks=False)
    if path.is_file():
        os.setxattr(path, "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))


CHANGES: dict[str, Callable[[Path], object]] = {
    "owner": lambda path: os.chown(path, ALICE, -1, follow_symlinks=False),
    "group": lambda path: os.chown(path, -1, STAFF, follow_symlinks=False),
    "mode": lambda path: None if path.is_symlink() else path.chmod(0o4751),
    "time": lambda path: os.utime(path, ns=(1, 2), follow_symlinks=False),
    "attribute": lambda path: os.setxattr(path, "trusted.x", b"1", follow_symlinks=False),
    "other value": lambda path: os.setxattr(path, "trusted.y", b"1", follow_symlinks=False),
    "capability and owner": make_capable,
}


@pytest.mark.parametrize("reverse", [False, True])
def test_each_attribute_of_each_kind_changes_with_a_rebuild_and_back_with_undo(tmp_path: Path, reverse: bool) -> None:
    """One tree with each change and one without, rebuilt either way: what was added goes, what was removed comes."""
    root, state = tmp_path / "watched", tmp_path / "state"
    root.mkdir()
    state.mkdir(mode=0o700)
    for kind, make_one in MAKERS.items():
        for change in CHANGES:
            make_one(root / f"{kind} {change}")
            os.setxattr(root / f"{kind} {change}", "trusted.y", b"0", follow_symlinks=False)
    old = look(root)
    for path in root.iterdir():
        CHANGES[path.name.partition(" ")[2]](path)
    wanted = look(root)
    if reverse:
        old, wanted = wanted, old
    else:
        assert rebuild(root, old, contents(old), state).concerns == ()
        assert alike(look(root)) == alike(old)
    journal = Journal.begin(os.fsencode(state))
    assert apply(plan_for(root, wanted), contents(wanted), journal).concerns == ()
    assert alike(look(root)) == alike(wanted)
    assert undo(journal).concerns == () and alike(look(root)) == alike(old)


def test_a_journal_of_an_earlier_version_tells_nothing_of_the_attributes_of_links(tmp_path: Path) -> None:
    """It recorded none, and left those that there were: its undo leaves them, too."""
    root, state = tmp_path / "watched", tmp_path / "state"
    root.mkdir()
    state.mkdir(mode=0o700)
    (root / "link").symlink_to("nowhere")
    os.setxattr(root / "link", "trusted.x", b"1", follow_symlinks=False)
    old = look(root)
    os.utime(root / "link", ns=(1, 2), follow_symlinks=False)
    journal = Journal.begin(os.fsencode(state))
    assert apply(plan_for(root, old), contents(old), journal).concerns == ()
    journal.close()
    lines = [json.loads(line) for line in Path(os.fsdecode(journal.file)).read_bytes().splitlines()]
    earlier = [["begun", *line[1:6]] if line[0] == "begun" else line for line in lines]
    earlier = [[*line[:-1], []] if line[0] == "altered" else line for line in earlier]
    Path(os.fsdecode(journal.file)).write_text("".join(f"{json.dumps(line)}\n" for line in earlier))
    journal = Journal(journal.folder)
    with closing(journal):
        assert undo(journal).concerns == () and (root / "link").lstat().st_mtime_ns == 2
    assert os.getxattr(root / "link", "trusted.x", follow_symlinks=False) == b"1"


def test_an_original_that_overlayfs_copied_comes_back(story: Story) -> None:
    """A file of several names in a lower layer is another inode as soon as it gets one more."""
    root, wanted, source, _, state = story
    with as_lower_layer(root):
        before = {path: entry._replace(link_group=None) for path, entry in look(root).items()}
        journal = Journal.begin(os.fsencode(state))
        apply(plan_for(root, wanted), source, journal)
        assert (root / "sub/two").read_bytes() == b"2"
        told = {step.path: step.what for step in preview(journal)}
        assert told[os.fsencode(root / "sub/one")] == told[os.fsencode(root / "sub/two")] == "put back"
        assert undo(journal).concerns == ()
        # overlayfs gives each name its own copy (unless mounted with index=on)
        assert {path: entry._replace(link_group=None) for path, entry in look(root).items()} == before
        assert not list(root.glob(".pacha-*"))


def test_a_directory_of_a_lower_layer_is_displaced_and_comes_back(story: Story) -> None:
    """rename(2) refuses it on overlayfs (EXDEV), whether a file takes its place or --delete moves it aside."""
    root, wanted, source, _, state = story
    with as_lower_layer(root):
        before = {path: entry._replace(link_group=None) for path, entry in look(root).items()}
        journal = Journal.begin(os.fsencode(state))
        outcome = apply(plan_for(root, wanted, delete=True), source, journal)
        assert outcome.concerns == () and alike(look(root)) == alike(wanted)
        assert undo(journal).concerns == ()
        assert {path: entry._replace(link_group=None) for path, entry in look(root).items()} == before
        assert not list(root.glob(".pacha-*"))


def test_undo_of_a_new_tree_leaves_what_came_since(story: Story) -> None:
    root, wanted, source, _, state = story
    shutil.rmtree(root)
    journal = Journal.begin(os.fsencode(state))
    apply(plan_for(root, wanted), source, journal)
    make(root / "empty" / "mine", b"my own work")
    (root / "same").write_bytes(b"edited since")
    outcome = undo(journal)
    assert {p.name for p in root.iterdir()} == {"empty", "same"}
    assert (root / "empty" / "mine").read_bytes() == b"my own work"
    assert os.fsencode(root / "same") in {concern.path for concern in outcome.concerns}


def test_undo_keeps_what_was_edited_since_beside_the_originals(story: Story) -> None:
    root, wanted, source, _old, state = story
    journal = Journal.begin(os.fsencode(state))
    apply(plan_for(root, wanted), source, journal)
    (root / "changed").write_bytes(b"edited since the rebuild")
    outcome = undo(journal)
    assert (root / "changed").read_bytes() == b"old content"
    assert [concern.path for concern in outcome.concerns] == [os.fsencode(root / "changed")]
    kept = [p.read_bytes() for p in root.parent.glob(".pacha-kept-*/*")]
    assert kept == [b"edited since the rebuild"]


def test_an_edit_that_kept_the_time_is_an_edit(story: Story) -> None:
    """As by rsync --times, or an editor that sets it back."""
    root, wanted, source, _old, state = story
    journal = Journal.begin(os.fsencode(state))
    apply(plan_for(root, wanted), source, journal)
    made = (root / "changed").stat().st_mtime_ns
    (root / "changed").write_bytes(b"another size")
    os.utime(root / "changed", ns=(made, made))
    assert [concern.path for concern in undo(journal).concerns] == [os.fsencode(root / "changed")]
    assert [path.read_bytes() for path in root.parent.glob(".pacha-kept-*/*")] == [b"another size"]


def test_undo_leaves_alone_what_took_the_place_of_a_file_that_was_only_altered(story: Story) -> None:
    root, wanted, source, _old, state = story
    journal = Journal.begin(os.fsencode(state))
    apply(plan_for(root, wanted), source, journal)
    (root / "new").write_bytes(b"a secret, since the rebuild")
    (root / "new").chmod(0o600)
    (root / "new").rename(root / "mode-only")
    outcome = undo(journal)
    there = (root / "mode-only").stat()
    assert (there.st_mode & 0o777, there.st_uid) == (0o600, 0), "it was for all to read before"
    assert [concern.path for concern in outcome.concerns] == [os.fsencode(root / "mode-only")]


def test_originals_of_the_last_three_rebuilds_are_kept(story: Story) -> None:
    root, wanted, source, _old, state = story
    for number in range(5):
        (root / "same").write_bytes(b"edit %d" % number)
        rebuild(root, wanted, source, state)
    assert len(list(root.parent.glob(".pacha-kept-*"))) == 5
    assert prune(os.fsencode(state)) == 2
    assert len(list(root.parent.glob(".pacha-kept-*"))) == 3
    assert len(list((state / "rebuilds").iterdir())) == 3
    assert prune(os.fsencode(state)) == 0


def test_the_originals_of_an_interrupted_rebuild_stay_as_long_as_the_one_that_resumed_it(tmp_path: Path) -> None:
    state = os.fsencode(tmp_path)

    def begin(*marks: str) -> str:
        with closing(Journal.begin(state)) as journal:
            journal.write(Created(path=b"/new", temporary=None, kind="f", size=0, mtime_ns=0))
            journal.sync()
            for mark in marks:
                journal.mark(mark)
            return journal.id

    killed = begin()
    resuming, *_ = (begin("finished") for _ in range(3))
    assert prune(state) == 0
    last = begin("finished")
    assert prune(state) == 2 and not {killed, resuming} & {journal.id for journal in closed_history(state)}
    assert closed_history(state)[-1].id == last


def test_rebuilds_that_change_nothing_push_no_original_out(story: Story) -> None:
    root, wanted, source, _old, state = story
    (root / "same").write_bytes(b"an edit")
    for _ in range(6):
        rebuild(root, wanted, source, state)
    assert prune(os.fsencode(state)) == 2
    assert len(list(root.parent.glob(".pacha-kept-*"))) == 1
    first, *idle = history(os.fsencode(state))
    assert first.changed and [one.changed for one in idle] == [False] * 3
    assert undo(first).concerns == () and (root / "same").read_bytes() == b"an edit"


def test_rehearsals_push_no_original_out_but_each_other(story: Story, tmp_path: Path) -> None:
    root, wanted, source, _old, state = story
    (root / "same").write_bytes(b"an edit")
    rebuild(root, wanted, source, state)
    for _ in range(5):
        with closing(Journal.begin(os.fsencode(state), "bar", target=os.fsencode(tmp_path))) as journal:
            journal.write(Touched(os.fsencode(tmp_path), 0))
            journal.mark("finished")
    assert prune(os.fsencode(state)) == 2
    first, *rehearsals = history(os.fsencode(state))
    assert first.target == b"" and [one.target for one in rehearsals] == [os.fsencode(tmp_path)] * 3
    assert undo(first).concerns == () and (root / "same").read_bytes() == b"an edit"
