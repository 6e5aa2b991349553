"""An entry and the status it was made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.files.entry import as_recorded, kind_of, matches
from tests.support.entries import entry_at
from tests.support.observing import observe, opened_folder  # noqa: F401


def test_a_mode_that_linux_does_not_have() -> None:
    with pytest.raises(ValueError, match="unknown file type"):
        kind_of(0o170000)


def test_what_an_lstat_shows_to_have_changed(tmp_path: Path, folder: int) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"four")
    known = observe(path, folder)
    assert matches(known, path.lstat())
    changed = ({"mode": 0o7777}, {"uid": known.uid + 1}, {"gid": known.gid + 1}, {"mtime_ns": 0}, {"size": 5})
    for change in changed:
        assert not matches(known._replace(**change), path.lstat()), change
    (tmp_path / "d").mkdir()
    assert matches(observe(tmp_path / "d", folder)._replace(size=5), (tmp_path / "d").lstat())  # a file's size alone


@pytest.mark.parametrize(
    ("before", "now", "recorded"), [(None, 0, None), (None, 7, 7), (0, 0, 0), (7, 0, 0), (7, None, None)]
)
def test_a_project_that_nobody_recorded_is_no_change(before: int | None, now: int | None, recorded: int | None) -> None:
    known, entry = entry_at(b"/f", project=before), entry_at(b"/f", project=now)
    assert as_recorded(entry, known).project == recorded
    assert as_recorded(entry, None).project == now
