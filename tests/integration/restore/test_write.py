"""The first half of a rebuild: everything new lies under temporary names, and no target has changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pacha.errors import DamagedError
from pacha.files.entry import Entry
from pacha.restore.dirfd import SafeDirectories
from pacha.restore.journal import Journal
from pacha.restore.journal_records import Created, Root, Touched
from pacha.restore.outcome import OutcomeBuilder
from pacha.restore.plan import Action, Plan
from pacha.restore.write import ContentSource, Halt, Writer
from tests.support.applying import (
    Contents,
    Story,
    alike,
    look,
    plan_for,
    rebuild,
    story_fixture,  # noqa: F401
)

pytestmark = pytest.mark.usefixtures("as_root")


@dataclass(frozen=True)
class Writing:
    """A writer and what it was given."""

    writer: Writer
    plan: Plan
    journal: Journal
    outcome: OutcomeBuilder


@pytest.fixture
def writing(story: Story) -> Iterator[Writing]:
    root, wanted, source, _, state = story
    yield from _writing(root, wanted, source, state)


def _writing(root: Path, wanted: dict[bytes, Entry], source: ContentSource, state: Path) -> Iterator[Writing]:
    plan, journal, outcome = plan_for(root, wanted, delete=True), Journal.begin(os.fsencode(state)), OutcomeBuilder()
    journal.write(*(Root(path) for path in plan.roots))
    with SafeDirectories(plan.roots) as tree:
        yield Writing(Writer(plan, source, journal, tree, outcome), plan, journal, outcome)
    journal.close()


def write(writing: Writing) -> None:
    writing.writer.announce()
    for step in writing.plan.steps:
        if step.action in (Action.CREATE, Action.REPLACE):
            writing.writer.write(step)
    writing.writer.finish_directories()
    writing.writer.sync()


def without_times(entries: dict[bytes, Entry]) -> dict[bytes, Entry]:
    """A temporary name changes the time of its folder; that is set last."""
    return {path: entry._replace(mtime_ns=0) for path, entry in alike(entries).items()}


def test_no_target_has_changed_when_all_is_written(story: Story, writing: Writing) -> None:
    root, wanted, _, old, _ = story
    write(writing)
    assert without_times(look(root)) == without_times(old) and not writing.outcome.troubled
    for path, temporary in writing.writer.temporaries.items():
        there = os.path.join(os.path.dirname(path), temporary)
        assert os.lstat(there).st_mtime_ns == wanted[path].mtime_ns
    assert os.fsencode(root / "was-file") in writing.writer.temporaries
    assert os.fsencode(root / "was-file" / "deep") not in writing.writer.temporaries, "it grows in a new folder"


def test_every_name_is_journalled_before_it_is_made(story: Story, writing: Writing) -> None:
    root = story[0]
    before = sorted(os.listdir(root))
    writing.writer.announce()
    assert sorted(os.listdir(root)) == before
    announced = {record.path: record.temporary for record in writing.journal.records if isinstance(record, Created)}
    assert {path: name for path, name in announced.items() if name} == writing.writer.temporaries
    assert os.fsencode(root) in {record.path for record in writing.journal.records if isinstance(record, Touched)}


def test_hard_links_share_one_inode(story: Story, writing: Writing) -> None:
    root = story[0]
    (root / "sub" / "one").unlink()  # the old pair, which would be linked to
    (root / "sub" / "two").unlink()
    write(writing)
    names = [writing.writer.temporaries.get(os.fsencode(root / name)) for name in ("three",)]
    assert names != [None] and os.stat(os.path.join(os.fsencode(root), names[0] or b"")).st_nlink == 2


def test_names_of_one_file_that_were_recorded_with_other_contents_are_two_files(story: Story) -> None:
    """As where it was written between the reading of one name and of the other: each is what the snapshot says."""
    root, wanted, source, _, state = story
    path = os.fsencode(root / "three")
    odd = {**wanted, path: wanted[path]._replace(sha256=hashlib.sha256(b"3").digest())}
    outcome = rebuild(root, odd, Contents({**source.contents, path: b"3"}), state)
    assert ((root / "sub/one").read_bytes(), (root / "three").read_bytes()) == (b"1", b"3")
    assert [concern.path for concern in outcome.concerns] == [path] == list(outcome.unrestored)


def test_what_is_below_a_folder_that_closes_is_its_owners_alone_until_then(story: Story, writing: Writing) -> None:
    write(writing)
    path = os.fsencode(story[0] / "closing" / "comes")
    assert path in writing.writer.restricted
    there = os.path.join(os.path.dirname(path), writing.writer.temporaries[path])
    assert os.lstat(there).st_mode & 0o7777 == 0o700, "4755 is for later"


def test_content_that_is_damaged_and_a_full_disk_end_it(
    story: Story, writing: Writing, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = os.fsencode(story[0] / "changed")
    step = next(step for step in writing.plan.steps if step.path == path)
    writing.writer.announce()
    monkeypatch.setitem(story[2].contents, path, b"another")
    with pytest.raises(DamagedError):
        writing.writer.write(step)
    monkeypatch.setattr("pacha.restore.write.make_file", _no_room)
    with pytest.raises(Halt) as caught:
        writing.writer.write(step)
    assert caught.value.path == path


def _no_room(*words: object) -> None:
    raise OSError(28, "No space left on device")
