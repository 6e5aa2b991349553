"""Hooks that another user could change."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.rebuild import hooks
from pacha.wire.local_master import LocalMaster


def hook(master: Path, name: str, text: str, *, folder: str = "pacha_pre", mode: int = 0o755) -> Path:
    path = master / ".hooks" / "bar" / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(mode)
    return path


@contextmanager
def fetched(tmp_path: Path) -> Iterator[hooks.Hooks]:
    state = tmp_path / "state"
    state.mkdir(exist_ok=True)
    with hooks.fetched(state, LocalMaster(os.fsencode(tmp_path), lambda path: None), "bar") as found:
        yield found
    assert list(state.iterdir()) == []


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize("what", ["file", "folder", "owner", "top"])
def test_one_that_another_user_could_change_is_refused(tmp_path: Path, what: str) -> None:
    path = hook(tmp_path, "10-a", "true")
    if what == "file":
        path.chmod(0o777)
    elif what == "folder":
        path.parent.chmod(0o1777)
    elif what == "owner":
        os.chown(path, 54001, 0)
    else:
        os.chown(path.parents[2], 54001, 0)
    with pytest.raises(PachaError, match="not root's alone"), fetched(tmp_path):
        pass
