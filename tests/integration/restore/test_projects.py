"""Projects of a real XFS and a real ext4: read, set on what is new, and kept by originals that come back."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacha.files.entry import Entry
from pacha.files.entry_changes import differences
from pacha.restore.apply import apply
from pacha.restore.journal import Journal
from pacha.restore.undo import undo
from pacha.system.mounts import may_have_projects
from tests.support.applying import Contents, alike, contents, look, plan_for

pytestmark = pytest.mark.usefixtures("as_root")

MAKE = {"xfs": ["mkfs.xfs", "-q"], "ext4": ["mkfs.ext4", "-q", "-I", "256", "-O", "project,quota"]}
SIZE = {"xfs": 300 << 20, "ext4": 16 << 20}  # mkfs.xfs(8) makes no smaller one


@pytest.fixture(params=sorted(MAKE), name="disk")
def file_system_with_projects(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    image, top = tmp_path / "image", tmp_path / "disk"
    image.touch()
    os.truncate(image, SIZE[request.param])
    subprocess.run([*MAKE[request.param], image], check=True)
    top.mkdir()
    if subprocess.run(["mount", "-o", "loop", image, top], capture_output=True).returncode != 0:
        pytest.skip(f"this kernel mounts no {request.param} with projects from a file")
    may_have_projects.cache_clear()  # the number of the device may have been another one's
    try:
        yield top
    finally:
        subprocess.run(["umount", "--lazy", top], check=True)
        may_have_projects.cache_clear()


def give(path: Path, number: int, *, inherit: bool = False) -> None:
    subprocess.run(["chattr", "-p", str(number), *(["+P"] if inherit else []), path], check=True)


def tree(root: Path) -> dict[bytes, Entry]:
    """A folder of project 9 that gives it to what is in it, in it one of 20 and one of none, and files of others."""
    root.mkdir()
    give(root, 9, inherit=True)
    (root / "plain").write_bytes(b"of nine")
    (root / "sub").mkdir()
    give(root / "sub", 20, inherit=True)
    (root / "sub/own").write_bytes(b"of twenty")
    (root / "quiet").mkdir()
    subprocess.run(["chattr", "-P", root / "quiet"], check=True)
    give(root / "quiet", 0)
    for name, number in (("none", 0), ("other", 31)):
        (root / name).write_bytes(name.encode())
        give(root / name, number)
    return look(root)


def projects(entries: dict[bytes, Entry]) -> dict[str, tuple[int | None, bool]]:
    """Number and +P of each file and folder, by the last part of its name."""
    return {
        os.fsdecode(path).rpartition("/")[2]: (e.project, bool(e.flags & 0x20000000)) for path, e in entries.items()
    }


EXPECTED = {
    "root": (9, True), "plain": (9, False), "sub": (20, True), "own": (20, False), "none": (0, False),
    "other": (31, False), "quiet": (0, False),
}  # fmt: skip


def rebuilt(root: Path, wanted: dict[bytes, Entry], source: Contents) -> tuple[Journal, dict[bytes, str]]:
    """Rebuild ``wanted``; returns the journal, and what could not be restored, in words."""
    state = root.parent / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    journal = Journal.begin(os.fsencode(state))
    outcome = apply(plan_for(root, wanted), source, journal)
    return journal, {concern.path: concern.reason for concern in outcome.concerns}


def test_what_is_new_gets_the_project_that_it_had(disk: Path) -> None:
    wanted = tree(disk / "root")
    assert projects(wanted) == EXPECTED
    source = contents(wanted)
    (disk / "root").rename(disk / "gone")
    assert rebuilt(disk / "root", wanted, source)[1] == {}
    assert projects(look(disk / "root")) == EXPECTED and alike(look(disk / "root")) == alike(wanted)


def test_it_is_set_right_in_a_folder_that_gives_another(disk: Path) -> None:
    """What is made there inherits that folder's number, and a rename of any other into it fails (EXDEV)."""
    wanted = tree(disk / "root")
    source = contents(wanted)
    (disk / "root").rename(disk / "gone")
    give(disk, 77, inherit=True)
    assert rebuilt(disk / "root", wanted, source)[1] == {}
    assert projects(look(disk / "root")) == EXPECTED


def test_an_original_of_another_project_comes_back(disk: Path) -> None:
    root = disk / "root"
    wanted = tree(root)
    source = contents(wanted)
    for name in ("other", "none", "sub/own"):
        (root / name).write_bytes(b"edited since")
    before = look(root)
    journal, told = rebuilt(root, wanted, source)
    assert told == {} and projects(look(root)) == EXPECTED and (root / "other").read_bytes() == b"other"
    assert undo(journal).concerns == ()
    assert look(root) == before and projects(before) == EXPECTED


def test_what_is_there_with_another_one_is_named(disk: Path) -> None:
    root = disk / "root"
    wanted = tree(root)
    source = contents(wanted)
    give(root / "plain", 8)
    plain = os.fsencode(root / "plain")
    assert list(map(str, differences(wanted[plain], look(root)[plain]))) == ["project 9 -> 8"]
    assert rebuilt(root, wanted, source)[1] == {plain: "had chattr -p 9: set it by hand"}


def test_a_file_system_without_projects_is_named(disk: Path, tmp_path: Path) -> None:
    wanted = tree(disk / "root")
    there = tmp_path / "memory"
    there.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", there], check=True)
    try:
        moved = {path: os.fsencode(there) + path[len(os.fsencode(disk)) :] for path in wanted}
        entries = {moved[path]: entry._replace(path=moved[path]) for path, entry in wanted.items()}
        source = Contents({moved[path]: data for path, data in contents(wanted).contents.items()})
        told = rebuilt(there / "root", entries, source)[1]
        root = os.fsencode(there / "root")
        assert {path[len(root) :]: reason.partition(" not set")[0] for path, reason in told.items()} == {
            b"": "chattr +P -p 9", b"/plain": "chattr -p 9", b"/sub": "chattr +P -p 20", b"/sub/own": "chattr -p 20",
            b"/other": "chattr -p 31",
        }  # fmt: skip
        assert {entry.project for entry in look(there / "root").values()} == {None}
    finally:
        subprocess.run(["umount", "--lazy", there], check=True)


def test_an_older_record_does_not_say_which_it_had(disk: Path) -> None:
    """It leaves the number that is inherited, and names a +P."""
    wanted = {path: entry._replace(project=None) for path, entry in tree(disk / "root").items()}
    assert all(
        differences(old, new) == [] for old, new in zip(wanted.values(), look(disk / "root").values(), strict=True)
    )
    source = contents(wanted)
    (disk / "root").rename(disk / "gone")
    assert set(rebuilt(disk / "root", wanted, source)[1].values()) == {
        "had chattr +P: set it by hand, and its project (chattr -p)"
    }
    assert {number for number, _ in projects(look(disk / "root")).values()} == {0}
