"""The words of log, diff and cat: those with a '/' are paths."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.cli.history_arguments import split_words


def test_paths_are_told_from_other_words_and_stay_in_order() -> None:
    others, paths = split_words(("yesterday", "/etc/b", "0123abcd", "/etc/a\udcff"))
    assert others == ["yesterday", "0123abcd"]
    assert [ways[0] for ways in paths] == [b"/etc/b", b"/etc/a\xff"]
    assert split_words(()) == ([], [])


def test_a_relative_path_is_meant_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _, (ways,) = split_words(("./conf",))
    assert os.fsencode(tmp_path.resolve() / "conf") in ways
