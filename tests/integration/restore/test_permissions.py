"""Every restored path is looked at once more: what differs is corrected, or named."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pacha.restore.apply import apply
from pacha.restore.install import Installer
from pacha.restore.journal import Journal, history
from pacha.restore.outcome import Outcome
from pacha.restore.undo import undo
from tests.support.applying import (
    Story,
    alike,
    look,
    plan_for,
    story_fixture,  # noqa: F401
)

pytestmark = pytest.mark.usefixtures("as_root")


def disturbed(story: Story, monkeypatch: pytest.MonkeyPatch, disturb: Callable[[Path], object]) -> Outcome:
    """A rebuild in which ``disturb`` gets the root between the installation and the check."""
    root, wanted, source, _, state = story
    real = Installer.move_extras

    def move_extras(installer: Installer) -> None:
        real(installer)
        disturb(root)

    monkeypatch.setattr(Installer, "move_extras", move_extras)
    journal = Journal.begin(os.fsencode(state))
    try:
        return apply(plan_for(root, wanted, delete=True), source, journal)
    finally:
        journal.close()


@pytest.mark.parametrize(
    "disturb",
    [
        lambda root: (root / "same").chmod(0o666),
        lambda root: os.chown(root / "changed", 0, 0),
        lambda root: os.utime(root / "same", (1, 1)),
        lambda root: (root / "empty").chmod(0o777),
        lambda root: os.chown(root / "link", 1, 1, follow_symlinks=False),
    ],
)
def test_what_was_changed_meanwhile_is_corrected(
    story: Story, monkeypatch: pytest.MonkeyPatch, disturb: Callable[[Path], object]
) -> None:
    outcome = disturbed(story, monkeypatch, disturb)
    assert alike(look(story[0])) == alike(story[1]) and len(outcome.corrected) == 1 and outcome.concerns == ()


def test_undo_takes_back_the_owner_of_a_corrected_link_and_not_its_attributes(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, wanted, _source, _, state = story
    link = root / "link"
    link.unlink()
    link.symlink_to("nowhere/at/all")
    os.chown(link, wanted[os.fsencode(link)].uid, wanted[os.fsencode(link)].gid, follow_symlinks=False)
    os.utime(link, ns=(1, wanted[os.fsencode(link)].mtime_ns), follow_symlinks=False)

    def disturb(root: Path) -> None:
        os.chown(link, 1, 1, follow_symlinks=False)
        os.setxattr(link, "trusted.x", b"1", follow_symlinks=False)

    disturbed(story, monkeypatch, disturb)
    assert link.lstat().st_uid == wanted[os.fsencode(link)].uid
    (journal,) = history(os.fsencode(state))
    with closing(journal):
        undo(journal)
    assert link.lstat().st_uid == 1 and os.getxattr(link, "trusted.x", follow_symlinks=False) == b"1"


def replace_by_folder(root: Path) -> None:
    (root / "same").unlink()
    (root / "same").mkdir()


def give_another_name(root: Path) -> None:
    os.link(root / "same", root.parent / "another name")
    (root / "same").chmod(0o666)


@pytest.mark.parametrize("disturb", [replace_by_folder, give_another_name])
def test_what_is_no_more_the_same_is_named_and_left(
    story: Story, monkeypatch: pytest.MonkeyPatch, disturb: Callable[[Path], object]
) -> None:
    outcome = disturbed(story, monkeypatch, disturb)
    assert [concern.path for concern in outcome.concerns] == [os.fsencode(story[0] / "same")]
    assert outcome.corrected == ()


def test_nothing_is_corrected_where_all_is_right(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = disturbed(story, monkeypatch, lambda root: None)
    assert outcome.corrected == () and alike(look(story[0])) == alike(story[1])
