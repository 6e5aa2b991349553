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
