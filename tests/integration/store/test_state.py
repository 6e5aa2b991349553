"""A state folder of someone else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.store.state import StateFolder


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "state/pacha")


def test_a_folder_of_someone_else_is_refused(state: StateFolder, as_root: None) -> None:
    state.path.mkdir(parents=True)
    os.chown(state.path, 54001, 54001)
    for attempt in (state.make, lambda: state.update(tip="a"), state.locked().__enter__):
        with pytest.raises(PachaError, match="belongs to someone else"):
            attempt()
    assert not list(state.path.iterdir())


@pytest.mark.parametrize(("user", "cure"), [(0, "chown -R root: "), (4711, "become its owner")])
def test_the_cure_is_for_who_asks(
    state: StateFolder, as_root: None, monkeypatch: pytest.MonkeyPatch, user: int, cure: str
) -> None:
    state.make()
    os.chown(state.path, 54001, 54001)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with pytest.raises(PachaError, match="belongs to someone else") as caught:
        state.check_owner()
    assert cure in caught.value.hint
