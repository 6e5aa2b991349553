"""Originals are kept where a rename can go, and nobody else: projects of a real XFS, a folder of somebody else."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacha.restore.apply import apply
from pacha.restore.journal import Journal
from pacha.restore.plan import Action
from pacha.restore.undo import undo
from tests.support.applying import (
    Story,
    alike,
    look,
    plan_for,
    story_fixture,  # noqa: F401
)

pytestmark = pytest.mark.usefixtures("as_root")


@pytest.fixture(name="of_projects")
def tree_on_xfs(story: Story) -> Iterator[Story]:
    """The story on an XFS of its own, whose root is of project 9, and one folder in it of another."""
    root = story[0]
    image, old = root.parent / "image", root.parent / "old"
    image.write_bytes(b"")
    os.truncate(image, 300 << 20)  # mkfs.xfs(8) makes no smaller one
    subprocess.run(["mkfs.xfs", "-q", image], check=True)
    root.rename(old)
    root.mkdir()
    if subprocess.run(["mount", "-o", "loop", image, root], capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted from a file here")
    try:
        project(root, 9)
        subprocess.run(["cp", "-a", f"{old}/.", root], check=True)
        project(root / "sub", 20)
        yield story
    finally:
        subprocess.run(["umount", "--lazy", root], check=True)


def project(folder: Path, number: int) -> None:
    """Let ``folder`` and what is made in it be of a project (xfs_io(8))."""
    subprocess.run(["xfs_io", "-c", f"chproj -R {number}", "-c", "chattr -R +P", folder], check=True)


def test_originals_of_every_project_are_kept_in_one_folder(of_projects: Story) -> None:
    """Nothing of another project may come into a folder that gives its own to what is in it (EXDEV)."""
    root, recorded, source, _, state = of_projects
    wanted = {path: entry._replace(project=None) for path, entry in recorded.items()}  # theirs are told elsewhere
    before = alike(look(root))
    journal = Journal.begin(os.fsencode(state))
    outcome = apply(plan_for(root, wanted, delete=True), source, journal)
    # link(2) makes none from one project to another
    assert [(concern.path, concern.reason[:24]) for concern in outcome.concerns] == [
        (os.fsencode(root / "three"), "a copy, not a hard link:")
    ]
    assert plan_for(root, wanted).totals.keys() <= {Action.SAME, Action.REPLACE}
    assert [(root / name).read_bytes() for name in ("changed", "three", "sub/one", "was-directory")] == [
        b"new content, longer", b"1", b"1", b"now a file",
    ]  # fmt: skip
    assert undo(journal).concerns == ()
    assert alike(look(root)) == before and not list(root.glob(".pacha-*"))


def test_a_kept_folder_of_somebody_else_is_not_used(story: Story) -> None:
    """Whose folder it is now could read what was displaced, and put something else in its place."""
    root, wanted, source, _, state = story
    journal = Journal.begin(os.fsencode(state))
    apply(plan_for(root, wanted), source, journal)
    (folder,) = root.parent.glob(".pacha-kept-*")
    os.chown(folder, 54001, -1)
    reasons = {concern.path: concern.reason for concern in undo(journal).concerns}
    assert "is not ours any more" in reasons[os.fsencode(root / "changed")]
    assert (root / "changed").read_bytes() == b"new content, longer"
