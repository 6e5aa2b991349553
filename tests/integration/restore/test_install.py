"""The second half of a rebuild: each target is exchanged in one step, and its original is kept."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacha.restore import install
from pacha.restore.dirfd import SafeDirectories
from pacha.restore.inode import change_attributes
from pacha.restore.install import Installer
from pacha.restore.journal import Journal
from pacha.restore.journal_records import Altered, Displaced, Root
from pacha.restore.outcome import OutcomeBuilder
from pacha.restore.ownership import Attributes
from pacha.restore.plan import Action, Plan
from pacha.restore.write import Writer
from tests.support.applying import (
    Story,
    look,
    plan_for,
    story_fixture,  # noqa: F401
)

pytestmark = pytest.mark.usefixtures("as_root")


class Installing:
    """An installer before whom everything is written."""

    def __init__(self, story: Story, tree: SafeDirectories, plan: Plan, journal: Journal) -> None:
        self.root, self.plan, self.journal, self.outcome = story[0], plan, journal, OutcomeBuilder()
        journal.write(*(Root(path) for path in plan.roots))
        writer = Writer(plan, story[2], journal, tree, self.outcome)
        writer.announce()
        for step in plan.steps:
            if step.action in (Action.CREATE, Action.REPLACE):
                writer.write(step)
        writer.finish_directories()
        self.installer = Installer(plan, journal, tree, writer, self.outcome)

    def install(self, *names: str) -> None:
        """The steps of ``names`` below the root, all for none."""
        wanted = {os.fsencode(self.root / name) for name in names}
        for step in self.plan.steps:
            if not names or step.path in wanted:
                self.installer.install(step)

    def kept(self, content: bytes) -> list[Path]:
        """The originals with that content."""
        folders = [*self.root.glob(".pacha-kept-*"), *self.root.parent.glob(".pacha-kept-*")]
        return [
            path for folder in folders for path in folder.rglob("*") if path.is_file() and path.read_bytes() == content
        ]


@pytest.fixture
def installing(story: Story) -> Iterator[Installing]:
    plan = plan_for(story[0], story[1], delete=True)
    journal = Journal.begin(os.fsencode(story[4]))
    with SafeDirectories(plan.roots) as tree:
        yield Installing(story, tree, plan, journal)
    journal.close()


def test_all_that_will_happen_is_journalled_first(story: Story, installing: Installing) -> None:
    before = look(story[0]).keys()
    installing.installer.announce()
    assert look(story[0]).keys() == before and "written" in installing.journal.marks
    records = installing.journal.records
    displaced = {record.path for record in records if isinstance(record, Displaced)}
    altered = {record.path for record in records if isinstance(record, Altered)}
    assert os.fsencode(story[0] / "changed") in displaced and os.fsencode(story[0] / "extra") in displaced
    assert os.fsencode(story[0] / "mode-only") in altered


def test_what_is_replaced_is_kept(installing: Installing) -> None:
    installing.installer.announce()
    installing.install("changed")
    assert (installing.root / "changed").read_bytes() == b"new content, longer"
    assert len(installing.kept(b"old content")) == 1


def test_metadata_is_set_on_the_announced_inode_alone(installing: Installing) -> None:
    installing.installer.announce()
    path = installing.root / "mode-only"
    (installing.root / "another").write_bytes(b"somebody else's")
    (installing.root / "another").rename(path)
    mode = path.stat().st_mode
    installing.install("mode-only")
    assert path.stat().st_mode == mode and os.fsencode(path) in installing.outcome.troubled


def test_metadata_is_not_set_on_a_file_that_got_another_name_since(installing: Installing) -> None:
    """Who may link to a file of somebody else does not decide what it becomes."""
    installing.installer.announce()
    path = installing.root / "mode-only"
    os.link(path, installing.root.parent / "other")
    before = path.stat()
    installing.install("mode-only")
    after = path.stat()
    assert (after.st_mode, after.st_uid) == (before.st_mode, before.st_uid)
    assert os.fsencode(path) in installing.outcome.troubled


def test_metadata_is_not_set_on_a_file_that_went_to_another_owner_since_the_plan(installing: Installing) -> None:
    path = installing.root / "mode-only"
    os.chown(path, 0, 0)
    installing.installer.announce()
    installing.install("mode-only")
    assert path.stat().st_uid == 0 and os.fsencode(path) in installing.outcome.troubled


def test_what_is_new_below_a_folder_that_did_not_close_is_its_owners_alone(
    installing: Installing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others would reach it there, whom the snapshot keeps out."""

    def fails(reference: bytes, status: os.stat_result, wanted: Attributes) -> list[str]:
        return ["it cannot be set"] if stat.S_ISDIR(status.st_mode) else change_attributes(reference, status, wanted)

    installing.installer.announce()
    monkeypatch.setattr(install, "change_attributes", fails)
    installing.install("closing", "closing/comes")
    assert (installing.root / "closing/comes").stat().st_mode & 0o7777 == 0o700
    reasons = {concern.path: concern.reason for concern in installing.outcome.concerns}
    assert "left to its owner alone" in reasons[os.fsencode(installing.root / "closing/comes")]


def test_what_came_since_the_plan_is_kept_too(installing: Installing) -> None:
    (installing.root / "empty").write_bytes(b"it came since")
    installing.installer.announce()
    installing.install("empty")
    assert (installing.root / "empty").is_dir() and len(installing.kept(b"it came since")) == 1


def test_extras_go_aside_once_they_are_empty(installing: Installing) -> None:
    installing.installer.announce()
    installing.install()
    (installing.root / "extra" / "new").write_bytes(b"it came since")
    installing.installer.move_extras()
    assert not (installing.root / "extra" / "file").exists() and len(installing.kept(b"extra")) == 1
    assert (installing.root / "extra" / "new").exists(), "a folder with something else in it stays"
