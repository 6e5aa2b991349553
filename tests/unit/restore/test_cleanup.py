"""What an interrupted rebuild left is removed by its journal; an original under a temporary name is brought home."""

from __future__ import annotations

import os

from pacha.restore.cleanup import remove_empty_folders, remove_temporaries, restore_times
from pacha.restore.entries import inode_of
from pacha.restore.journal_records import Created, Displaced, Keeping, Touched
from tests.support.journalled import Begun, begun_rebuild  # noqa: F401  (a fixture)


def created(path: bytes, temporary: bytes | None) -> Created:
    return Created(path=path, temporary=temporary, kind="f", size=0, mtime_ns=0)


def test_temporary_names_go_and_nothing_else(begun: Begun) -> None:
    for name in (".pacha-1", "f", "sub/.pacha-2"):
        (begun.root / name).touch()
    (begun.root / ".pacha-3/deep").mkdir(parents=True)
    begun.journal.write(
        created(begun.path("f"), b".pacha-1"), created(begun.path("sub", "g"), b".pacha-2"),
        created(begun.path("d"), b".pacha-3"), created(begun.path("gone", "x"), b".pacha-4"),
        created(begun.path("d", "deep"), None),
    )  # fmt: skip
    remove_temporaries(begun.journal, begun.descent)
    assert sorted(os.listdir(begun.root)) == ["f", "sub"] and os.listdir(begun.root / "sub") == []


def test_an_original_that_was_exchanged_and_not_moved_is_moved(begun: Begun) -> None:
    kept = begun.root.parent / "kept"
    kept.mkdir(mode=0o700)
    (begun.root / ".pacha-1").write_text("original")
    (begun.root / "f").write_text("new")
    old = inode_of((begun.root / ".pacha-1").stat())
    begun.journal.write(
        created(begun.path("f"), b".pacha-1"), Displaced(begun.path("f"), b".pacha-1", os.fsencode(kept / "1"), old)
    )
    remove_temporaries(begun.journal, begun.descent)
    assert (kept / "1").read_text() == "original" and (begun.root / "f").read_text() == "new"
    assert not (begun.root / ".pacha-1").exists()


def test_where_the_kept_folder_cannot_be_used_the_original_stays(begun: Begun) -> None:
    (begun.root / ".pacha-1").write_text("original")
    old = inode_of((begun.root / ".pacha-1").stat())
    begun.journal.write(
        created(begun.path("f"), b".pacha-1"), Displaced(begun.path("f"), b".pacha-1", begun.path("none", "1"), old)
    )
    remove_temporaries(begun.journal, begun.descent)
    assert (begun.root / ".pacha-1").read_text() == "original"


def test_directories_get_the_times_that_they_had(begun: Begun) -> None:
    begun.journal.write(
        Touched(begun.path(), 5),
        Touched(begun.path("sub"), 6),
        Touched(begun.path("gone"), 7),
        Touched(begun.path("sub"), 8),
    )
    restore_times(begun.journal, begun.descent)
    assert (begun.root.stat().st_mtime_ns, (begun.root / "sub").stat().st_mtime_ns) == (5, 8)


def test_only_empty_folders_for_originals_go(begun: Begun) -> None:
    for name in ("empty", "full"):
        (begun.root / name).mkdir()
        begun.journal.write(Keeping(begun.path(name)))
    (begun.root / "full/1").touch()
    begun.journal.write(Keeping(begun.path("none")))
    remove_empty_folders(begun.journal, begun.descent)
    assert sorted(os.listdir(begun.root)) == ["full", "sub"]
