"""Where programs are: those of the system, and the path by which others call this Pacha."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.system.executable import find_program, program


def test_it_is_the_command_that_runs_by_its_whole_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["bin/pacha"])
    monkeypatch.chdir(tmp_path)
    assert program() == str(tmp_path / "bin/pacha")


def test_of_a_module_that_runs_it_is_the_command_beside_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "site-packages/pacha/__main__.py")])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python"))
    (tmp_path / "bin").mkdir()
    for mode in (None, 0o644):
        if mode is not None:
            (tmp_path / "bin/pacha").touch(mode)
        with pytest.raises(PachaError) as caught:
            program()
        assert caught.value.code == "not-installed"
    (tmp_path / "bin/pacha").chmod(0o755)
    assert program() == str(tmp_path / "bin/pacha")


def test_a_program_is_the_first_that_is_installed_in_the_folders(tmp_path: Path) -> None:
    for name, mode in (("one", 0o644), ("two", 0o755)):
        (tmp_path / name).touch(mode)
    assert find_program("one", "two", path=f"/nowhere:{tmp_path}") == str(tmp_path / "two")
    assert find_program("one", path=str(tmp_path)) == ""
