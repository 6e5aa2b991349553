"""Where what is displaced goes: a private folder beside the watched path, announced before it is made."""

from __future__ import annotations

import os
import stat

import pytest

from pacha.restore.backup_dir import BackupDirs, open_backup_dir
from pacha.restore.inode import Changed
from pacha.restore.journal_records import Keeping, Touched
from pacha.restore.outcome import OutcomeBuilder
from pacha.restore.plan import Plan
from pacha.restore.write import Writer
from tests.support.applying import Contents
from tests.support.journalled import Begun, begun_rebuild  # noqa: F401  (a fixture)


def backup_dirs(begun: Begun) -> BackupDirs:
    roots = (begun.path(),)
    writer = Writer(Plan(steps=(), roots=roots), Contents({}), begun.journal, begun.descent, OutcomeBuilder())
    return BackupDirs(roots, begun.journal, begun.descent, writer)


def test_it_lies_beside_the_root_and_numbers_what_comes(begun: Begun) -> None:
    kept = backup_dirs(begun)
    first, second = kept.place(begun.path("f")), kept.place(begun.path("sub", "f"))
    folder = begun.root.parent / f".pacha-kept-{begun.journal.id}"
    assert (first, second) == (os.fsencode(folder / "000001"), os.fsencode(folder / "000002"))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_it_is_announced_with_the_time_of_the_directory_that_it_is_made_in(begun: Begun) -> None:
    before = begun.root.parent.stat().st_mtime_ns
    backup_dirs(begun).place(begun.path("f"))
    touched, keeping = begun.journal.records[-2:]
    assert touched == Touched(os.fsencode(begun.root.parent), before)
    assert isinstance(keeping, Keeping) and os.path.isdir(keeping.path)


def test_where_none_can_be_made_beside_the_root_it_is_made_further_down(begun: Begun) -> None:
    (begun.root.parent / f".pacha-kept-{begun.journal.id}").write_text("in the way")
    place = backup_dirs(begun).place(begun.path("sub", "f"))
    assert os.path.dirname(os.path.dirname(place)) == begun.path()


def test_a_kept_folder_that_is_not_ours_alone_is_not_used(begun: Begun) -> None:
    folder = os.path.dirname(backup_dirs(begun).place(begun.path("f")))
    with open_backup_dir(begun.descent, folder):
        pass
    os.chmod(folder, 0o750)
    with pytest.raises(Changed):
        open_backup_dir(begun.descent, folder).__enter__()
