"""A repository gets its name when it is complete; what is half made never has it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.store.repository_dir import install, temporary_path


def repository(path: Path, text: str = "history") -> Path:
    store = path / ".hg" / "store"
    store.mkdir(parents=True)
    (store / "00changelog.i").write_text(text)
    (store / "phaseroots").write_text("1 " + "a" * 40)
    return path


def test_it_is_at_its_name_and_nowhere_else(tmp_path: Path) -> None:
    made, target = repository(tmp_path / "made"), tmp_path / "repos" / "etc"
    install(str(made), str(target))
    assert (target / ".hg/store/00changelog.i").read_text() == "history"
    assert not made.exists() and os.listdir(tmp_path / "repos") == ["etc"]


def test_phases_are_not_taken_over(tmp_path: Path) -> None:
    install(str(repository(tmp_path / "made")), str(tmp_path / "etc"))
    assert os.listdir(tmp_path / "etc/.hg/store") == ["00changelog.i"]


def test_one_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    repository(tmp_path / "etc", "precious")
    with pytest.raises(OSError):
        install(str(repository(tmp_path / "made")), str(tmp_path / "etc"))
    assert (tmp_path / "etc/.hg/store/00changelog.i").read_text() == "precious"


def test_what_a_killed_run_left_is_gone_and_the_rest_is_not(tmp_path: Path) -> None:
    repository(tmp_path / ".new-etc")
    repository(tmp_path / ".new-opt")
    path = Path(temporary_path(str(tmp_path / "etc")))
    assert path.parent == tmp_path and not path.exists()
    assert os.listdir(tmp_path) == [".new-opt"]


def test_what_it_makes_is_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        temporary_path(str(tmp_path / "repos" / "etc"))
    finally:
        os.umask(before)
    assert (tmp_path / "repos").stat().st_mode & 0o777 == 0o700
