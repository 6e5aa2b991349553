"""Nothing is done where /proc is not there, or is another system's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.system.proc import require_proc, require_working_directory


def test_it_is_here() -> None:
    require_proc()


@pytest.mark.parametrize("shown", ["nothing", "another"])
def test_without_it_nothing_is_done(shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "another").touch()
    real = os.stat
    monkeypatch.setattr(os, "stat", lambda path: real(tmp_path / shown))
    with pytest.raises(PachaError) as caught:
        require_proc()
    monkeypatch.undo()
    assert caught.value.code == "proc-missing" and "mount -t proc" in caught.value.hint


def test_a_working_directory_that_was_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    require_working_directory()
    gone.rmdir()
    with pytest.raises(PachaError) as caught:
        require_working_directory()
    assert caught.value.code == "working-directory-missing"
