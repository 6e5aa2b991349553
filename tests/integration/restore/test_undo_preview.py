"""What undoing would do is told beforehand, and is what undoing then does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.restore.apply import apply
from pacha.restore.journal import Journal
from pacha.restore.undo import undo
from pacha.restore.undo_preview import preview
from tests.support.applying import (
    Story,
    alike,
    look,
    plan_for,
    story_fixture,  # noqa: F401
)

pytestmark = pytest.mark.usefixtures("as_root")


@pytest.fixture
def done(story: Story) -> tuple[Path, Journal, Story]:
    """A tree rebuilt over another, with the journal of that."""
    root, wanted, source, _, state = story
    journal = Journal.begin(os.fsencode(state))
    apply(plan_for(root, wanted, delete=True), source, journal)
    return root, journal, story


def told(root: Path, journal: Journal) -> dict[str, set[str]]:
    top = os.fsencode(root) + b"/"
    words: dict[str, set[str]] = {}
    for back in preview(journal):
        words.setdefault(back.what, set()).add(os.fsdecode(back.path.removeprefix(top)))
    return words


def test_each_path_is_told_and_nothing_is_changed(done: tuple[Path, Journal, Story]) -> None:
    root, journal, (_, wanted, _, old, _) = done
    before = alike(look(root))
    words = told(root, journal)
    assert alike(look(root)) == before == alike(wanted)
    assert {"changed", "was-directory", "was-file", "link", "extra", "extra/file"} <= words["put back"]
    assert {"pipe", "three", "null", "empty"} <= words["remove"]
    assert {"mode-only", os.fsdecode(os.fsencode(root))} <= words["metadata"]
    assert "leave" not in words
    undo(journal)
    assert alike(look(root)) == alike(old)
    assert preview(journal) == () or all(back.what in ("metadata", "leave") for back in preview(journal))


def test_what_was_edited_since_is_told_to_stay(done: tuple[Path, Journal, Story]) -> None:
    root, journal, _ = done
    (root / "null").unlink()
    (root / "pipe").unlink()
    (root / "pipe").write_text("somebody's")
    words = told(root, journal)
    assert words["leave"] == {"pipe"} and "null" not in words["remove"]
