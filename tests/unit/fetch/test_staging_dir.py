"""The folder for what is fetched: where nobody else can replace it, and removed in the end."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pacha.config.load import parse_config
from pacha.fetch import staging_dir
from pacha.host.context import Context
from pacha.store.host_state import HostState
from pacha.store.state import StateFolder


def test_what_cannot_be_removed_now_is_removed_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    fresh = Context(parse_config("[DEFAULT]\npacha.host = local\n"), StateFolder(tmp_path / "fresh"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *arguments, **settings: None)  # the disk fails
        stubborn = [staging_dir.create(fresh) for _ in range(3)]
        staging_dir.remove_leftovers(fresh)
    assert all(folder.is_dir() for folder in stubborn)
    staging_dir.remove_leftovers(fresh)
    assert not [folder for folder in stubborn if folder.exists()] and fresh.state.read() == HostState()
