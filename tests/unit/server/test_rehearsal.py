"""A rehearsal restores into a scratch folder and compares each path with the snapshot."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pacha.server import rehearsal
from pacha.store import history
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)


def rehearsed(bar: Standalone, target: Path) -> list[str]:
    bar.push()
    state = bar.context().state
    return rehearsal.rehearse(bar.context("master"), "bar", history.read(state, state.read().tip), target)


def test_a_sound_host_comes_back_as_it_was(bar: Standalone, tmp_path: Path) -> None:
    (bar.tree / "closed").mkdir(mode=0o500)
    (bar.tree / "unreadable").write_text("x\n")
    (bar.tree / "unreadable").chmod(0 if os.geteuid() == 0 else 0o400)
    assert rehearsed(bar, tmp_path / "target") == []
    assert Path(f"{tmp_path}/target{bar.tree}/one").read_text() == "one\n"


def replaced(path: Path) -> None:
    path.unlink()
    path.symlink_to("two")


@pytest.mark.parametrize(
    "spoil, why",
    [
        (lambda path: path.write_text("two\n"), "sha256, mtime_ns"),
        (lambda path: os.utime(path, ns=(0, 1)), "mtime_ns"),
        (Path.unlink, "No such file or directory"),
        (replaced, "it is of type l, not f"),
    ],
)
def test_what_came_back_otherwise_is_named(
    bar: Standalone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None], why: str
) -> None:
    real = rehearsal.rebuild

    def rebuild(*words: Any) -> Any:
        done = real(*words)
        spoil(Path(f"{tmp_path}/target{bar.tree}/one"))
        return done

    monkeypatch.setattr(rehearsal, "rebuild", rebuild)
    faults = rehearsed(bar, tmp_path / "target")
    assert f"{bar.tree}/one came back otherwise: {why}" in faults
